package auditor

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mist/portal/web"
	"mist/portal/web/trusted"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/dispute"
	"mist/registry/evidence"
	"mist/registry/material"
	"mist/registry/personlife"
	"mist/registry/trail"
)

// Bounds of a healthy log: readiness fails at the same ones.
const (
	staleAfter   = 5 * time.Second
	waitingAfter = 5 * time.Second
)

type overviewView struct {
	Mark            web.Mark
	Word, Sentence  string
	State           trail.State
	Age             int64 // seconds
	Have, Witnesses int
	Quorum          int
	Today           int64
	Days            []dayView
	Chart           []bar
	Top             int64
	Kinds           []string
	Refusals        []refusal
	Trust           trusted.View
}

type dayView struct {
	Day   time.Time
	Href  string
	Total int64
	Kinds []kindView
}

type kindView struct {
	Kind, Name, Href string
	N                int64
}

type refusal struct {
	Code, Href string
	N          int64
}

// bar is one day of the chart, in the units of its view box.
type bar struct {
	X, Y, Height int
	Href, Title  string
}

// Sizes of the chart: a bar every step units, height units high.
const (
	chartStep   = 26
	chartHeight = 120
)

func (r *room) overview(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	st, err := r.Trail.State(q.Context(), c)
	if err != nil {
		return err
	}
	now := r.Clock()
	v := overviewView{State: st, Quorum: r.Quorum, Witnesses: len(r.Witnesses)}
	list, err := r.Log.PublicCheckpoints(q.Context(), 0, 1)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		for _, seen := range r.seen(list[0].Note) {
			if !seen.At.IsZero() {
				v.Have++
			}
		}
	}
	v.Age = int64(now.Sub(st.At).Seconds())
	v.Mark, v.Word = web.Bad, q.T("audit.state.bad")
	switch {
	case st.At.IsZero():
		v.Sentence = q.T("audit.state.none")
	case st.Waiting > waitingAfter:
		v.Sentence = q.T("audit.state.waiting", "n", int64(st.Waiting.Seconds()))
	case len(r.Witnesses) > 0 && now.Sub(st.At) > staleAfter:
		v.Sentence = q.T("audit.state.stale", "n", v.Age)
	case v.Have < r.Quorum:
		v.Sentence = q.T("audit.state.quorum", "have", v.Have, "need", r.Quorum)
	case len(r.Witnesses) == 0:
		v.Mark, v.Word, v.Sentence = web.Unknown, q.T("audit.state.doubt"), q.T("audit.state.unwitnessed")
	default:
		v.Mark, v.Word, v.Sentence = web.Good, q.T("audit.state.good"), q.T("audit.state.well", "n", st.Size)
	}
	r.count(q, &v, now)
	state, err := r.Trust.State(q.Context(), c)
	if err != nil {
		return err
	}
	v.Trust = trusted.Show(q, state, "").First(overviewRows)
	return q.Render(w, web.Page{Template: "overview", Title: q.T("audit.title"), Data: v})
}

// count lays the counters out by day.
func (r *room) count(q *web.Request, v *overviewView, now time.Time) {
	today := now.In(q.Zone()).Format(time.DateOnly)
	for _, one := range v.State.Days {
		date := one.Day.Format(time.DateOnly)
		if n := len(v.Days); n == 0 || v.Days[n-1].Day != one.Day {
			v.Days = append(v.Days, dayView{Day: one.Day, Href: searchPath(q, "from", date, "to", date)})
		}
		d := &v.Days[len(v.Days)-1]
		d.Total += one.N
		d.Kinds = append(d.Kinds, kindView{string(one.Kind), kindName(q, one.Kind), searchPath(q, "from", date, "to", date, "kind", string(one.Kind)), one.N})
		v.Top = max(v.Top, d.Total)
		if date == today {
			v.Today = d.Total
		}
	}
	for i, d := range v.Days {
		height := int(d.Total * chartHeight / max(v.Top, 1))
		v.Chart = append(v.Chart, bar{
			X: (trail.Days - 1 - min(int(now.Sub(d.Day).Hours()/24), trail.Days-1)) * chartStep, Y: chartHeight - max(height, 1), Height: max(height, 1),
			Href: v.Days[i].Href, Title: q.T("audit.chart.bar", "day", d.Day.Format("02.01.2006"), "n", d.Total),
		})
	}
	for _, code := range v.State.Refusals {
		v.Refusals = append(v.Refusals, refusal{code.Code, searchPath(q, "code", code.Code), code.N})
	}
}

func searchPath(q *web.Request, pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return q.Path("/audit/entries") + "?" + values.Encode()
}

// named are the kinds that have a name in words; others are shown as they are.
var named = map[audit.Kind]bool{
	audit.ActAccepted: true, audit.ActRepeated: true, audit.ActRefused: true, audit.ActPending: true,
	audit.Disclosure: true, audit.DisclosureReplayed: true, audit.DisclosureRefused: true, audit.AccessDecision: true,
	audit.ConsentRegistered: true, audit.ConsentRevoked: true, audit.KeyChanged: true, audit.OperatorCommand: true, audit.Void: true,
	"access.login": true, "access.login_refused": true, "access.token": true, "access.refreshed": true, "access.grant_ended": true, "access.emergency_opened": true,
	"access.emergency_reviewed": true, "access.api_key_created": true, "access.api_key_revoked": true, trail.StateRead: true, trail.EntryRead: true, trail.Searched: true,
	trail.PeopleShown: true, trail.SampleDrawn: true, trail.SignerRead: true, trail.ExportBegun: true, trail.ExportMade: true, trail.ExportCancelled: true, trail.ExportDownloaded: true,
	personlife.Compared: true, dispute.Shown: true, dispute.Opened: true, dispute.Answered: true, "merge.proposed": true, "merge.done": true, "merge.undone": true,
	"merge.declined": true, "merge.read": true, "merge.undo_proposed": true, "merge.undo_declined": true,
	material.Changed: true, evidence.Rejudged: true, evidence.Exported: true, audit.ExchangeAnswered: true, audit.ExchangeRefused: true,
}

func kindName(q *web.Request, k audit.Kind) string {
	if named[k] {
		return q.T("audit.kind." + string(k))
	}
	return string(k)
}

// seen is a witness and when it cosigned a note.
type seen struct {
	Witness
	Name string
	At   time.Time
}

// seen checks the cosignatures of a note; the time is zero where there is none.
func (r *room) seen(signed []byte) []seen {
	var out []seen
	text, err := audit.NoteText(signed)
	for _, w := range r.Witnesses {
		one := seen{Witness: w, Name: w.Key.Name()}
		if err == nil {
			for line := range strings.Lines(string(signed)) {
				if strings.HasPrefix(line, "— "+w.Key.Name()+" ") {
					if at, ok := w.Key.Check(text, line); ok {
						one.At = at
					}
				}
			}
		}
		out = append(out, one)
	}
	return out
}

type checkpointView struct {
	trail.Checkpoint
	Root   string
	Grown  int64
	Seen   []seen
	Have   int
	Marked web.Mark
}

type checkpointsView struct {
	Latest    *checkpointView
	Note      string
	Key       string
	LogURL    string
	Quorum    int
	Witnesses int
	Rows      []checkpointView
	Pager     web.Pager
}

// checkpointRows is how many checkpoints a page shows.
const checkpointRows = 50

// checkpoints is public, as the checkpoints are.
func (r *room) checkpoints(w http.ResponseWriter, q *web.Request) error {
	before, err := strconv.ParseInt(q.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	list, err := r.Log.PublicCheckpoints(q.Context(), before, checkpointRows+1)
	if err != nil {
		return err
	}
	v := checkpointsView{Key: r.LogKey, LogURL: r.LogURL, Quorum: r.Quorum, Witnesses: len(r.Witnesses)}
	for i, one := range list {
		row := checkpointView{Checkpoint: one, Seen: r.seen(one.Note), Marked: web.Good}
		if text, err := audit.NoteText(one.Note); err == nil {
			if c, err := audit.ParseCheckpoint(text); err == nil {
				row.Root = c.Root.String()
			}
		}
		for _, s := range row.Seen {
			if !s.At.IsZero() {
				row.Have++
			}
		}
		if row.Have < r.Quorum {
			row.Marked = web.Bad
		}
		if i+1 < len(list) {
			row.Grown = one.Size - list[i+1].Size
		}
		v.Rows = append(v.Rows, row)
	}
	if len(v.Rows) > checkpointRows {
		v.Rows = v.Rows[:checkpointRows]
		v.Pager.Next = q.With("before", strconv.FormatInt(v.Rows[checkpointRows-1].Seq, 10))
	}
	if before > 0 {
		v.Pager.First = q.With("before", "")
	}
	if len(v.Rows) > 0 {
		v.Latest, v.Note = &v.Rows[0], string(v.Rows[0].Note)
	}
	return q.Render(w, web.Page{Template: "checkpoints", Title: q.T("audit.checkpoints.title"), Data: v})
}
