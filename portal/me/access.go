package me

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/query"
)

// line is a row of "who saw my data": an access, or several alike of one
// service folded together.
type line struct {
	query.Access
	Count            int
	First            time.Time
	Times            []query.Access // of a folded row
	Why, What, Event string
	Through          string // the system, where the organisation stands first
	Who              string
}

type homeView struct {
	Summary string
	Lines   []line
	Filter  string
	Filters []filter
	Pager   web.Pager
	// Archived are months whose lines lie in files.
	Archived []query.ArchivedMonth
}

type filter struct {
	Text, Href string
	Here       bool
}

// summaryDays is the period the first sentence speaks of.
const summaryDays = 30

func (r *room) home(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	before, err := strconv.ParseInt(q.URL.Query().Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	page, err := r.Citizen.AccessLog(q.Context(), c, query.AccessPeriod{Before: before, Limit: 100})
	if err != nil {
		return err
	}
	v := homeView{Filter: q.URL.Query().Get("kind")}
	if before == 0 {
		v.Summary = r.summary(q, page)
	}
	for _, kind := range []string{"", "person", "automatic", "refused", "yourself"} {
		text := q.T("me.filter.all")
		if kind != "" {
			text = q.T("me.filter." + kind)
		}
		v.Filters = append(v.Filters, filter{text, q.With("kind", kind), v.Filter == kind})
	}
	lines := slices.DeleteFunc(slices.Clone(page.Lines), func(a query.Access) bool {
		switch v.Filter {
		case "refused":
			return a.Given
		case "person", "automatic", "yourself":
			return a.Kind != v.Filter
		}
		return false
	})
	v.Lines, v.Archived = fold(q, lines), page.Archived
	if before > 0 {
		v.Pager.First = q.With("before", "")
	}
	if page.Next > 0 {
		v.Pager.Next = q.With("before", strconv.FormatInt(page.Next, 10))
	}
	return q.Render(w, web.Page{Template: "home", Title: q.T("me.title"), Data: v})
}

// summary counts people and services of the last days among the newest lines.
func (r *room) summary(q *web.Request, page query.AccessPage) string {
	since := r.Clock().AddDate(0, 0, -summaryDays)
	people, services, refused := map[string]bool{}, map[string]bool{}, 0
	for _, a := range page.Lines {
		switch {
		case a.At.Before(since) || a.Kind == "yourself":
		case !a.Given:
			refused++
		case a.Kind == "person":
			people[a.Person+a.Organisation] = true
		default:
			services[a.System] = true
		}
	}
	return q.T("me.summary", "people", q.T("me.summary.people", "n", len(people)), "services", q.T("me.summary.services", "n", len(services)),
		"refused", q.T("me.summary.refused", "n", refused))
}

// fold puts neighbouring lines of one service for one reason together, and
// one's own looks: what repeats must not hide the doctor's look.
func fold(q *web.Request, list []query.Access) (out []line) {
	for _, a := range list {
		if n := len(out); n > 0 && a.Kind != "person" && alike(out[n-1].Access, a) {
			l := &out[n-1]
			if l.Count == 1 {
				l.Times = append(l.Times, l.Access)
			}
			l.Count++
			l.First = a.At
			l.Times = append(l.Times, a)
			continue
		}
		out = append(out, lineOf(q, a))
	}
	return out
}

func alike(a, b query.Access) bool {
	return a.Kind == b.Kind && a.System == b.System && a.Organisation == b.Organisation && a.Given == b.Given && a.Code == b.Code &&
		a.Basis == b.Basis && a.Purpose == b.Purpose && a.ConsentID == b.ConsentID && a.Event == b.Event && (a.Kind == "yourself" || slices.Equal(a.Fields, b.Fields))
}

func lineOf(q *web.Request, a query.Access) line {
	l := line{Access: a, Count: 1, First: a.At}
	l.Who, l.Through = a.Organisation, a.System
	if a.Kind == "yourself" {
		l.Who, l.Through = q.T("me.who.yourself"), ""
	} else if l.Who == "" {
		l.Who, l.Through = a.System, ""
	}
	if l.Who == "" {
		l.Who = q.T("me.who.registry")
	}
	l.Why = known(q, "me.basis.", a.Basis)
	if a.Purpose != "" {
		l.Why = strings.TrimSpace(l.Why + " · " + known(q, "me.purpose.", a.Purpose))
	}
	l.What = groups(q, a.Fields)
	l.Event = q.T("me.event.given")
	switch {
	case a.Event == "consent.registered":
		l.Event = q.T("me.event.registered")
	case a.Event == "consent.revoked":
		l.Event = q.T("me.event.revoked")
	case !a.Given:
		l.Event = known(q, "me.refused.", a.Code)
	}
	return l
}

// named are the words of the registry a person is told in other words.
var named = map[string]bool{
	"me.basis.consent": true, "me.basis.declaration": true, "me.basis.statute": true, "me.basis.own_act": true, "me.basis.vital_interest": true,
	"me.basis.revocation": true, "me.purpose.own_data": true, "me.purpose.manual_merge": true, "me.purpose.dispute": true,
	"me.purpose.declaration-view": true,
	"me.refused.CONSENT_REVOKED":  true, "me.refused.CONSENT_EXPIRED": true, "me.refused.CONSENT_SCOPE": true, "me.refused.NOT_FOUND": true, "me.refused.not-found": true,
	"me.refused.CONSENT_REPLAYED": true,
	"me.group.person":             true, "me.group.declaration": true, "me.group.doctor": true, "me.group.consents": true, "me.group.accessLog": true, "me.group.records": true, "me.group.dispute": true, "me.group.prescription": true, "me.group.sickLeave": true,
}

// known gives the text for a word of the registry, or the word itself.
func known(q *web.Request, prefix, word string) string {
	if named[prefix+word] {
		return q.T(prefix + word)
	}
	return word
}

// groups says in words which kinds of data the field names are.
func groups(q *web.Request, fields []string) string {
	seen := map[string]bool{}
	var out []string
	add := func(group string) {
		if !seen[group] {
			seen[group] = true
			out = append(out, q.T("me.group."+group))
		}
	}
	for _, f := range fields {
		switch {
		case strings.HasPrefix(f, "person"):
			add("person")
		case f == "doctor" || f == "division" || f == "legalEntity":
			add("doctor")
		case f == "consents" || f == "accessLog" || f == "records" || f == "dispute":
			add(f)
		case strings.HasPrefix(f, "prescription.") || f == "medication_request":
			add("prescription")
		case strings.HasPrefix(f, "sickLeave.") || f == "composition":
			add("sickLeave")
		default:
			add("declaration")
		}
	}
	return strings.Join(out, ", ")
}
