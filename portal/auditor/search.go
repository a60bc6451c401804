package auditor

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/registry/material"
	"mist/registry/trail"
)

type searchView struct {
	Problems          []web.Problem
	Box, From, To     web.Field
	Kind, Code, Actor web.Field
	Taken             string // what the box was taken for
	Rows              []rowView
	Asked             bool
	Period            string
	Size              int64
	Wider             string
	Pager             web.Pager
	Export            string
	// Archived are months of the period that lie in files.
	Archived []string
}

type rowView struct {
	trail.Record
	Kind, Client, LegalEntity string
	Mark                      web.Mark
	Word                      string
}

// defaultDays is the period of a search that names none.
const defaultDays = 7

func (r *room) search(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	v, f := r.asked(q)
	if len(v.Problems) > 0 {
		return q.Render(w, web.Page{Template: "search", Title: q.T("audit.search.title"), Status: http.StatusBadRequest, Data: v})
	}
	if text := strings.TrimSpace(v.Box.Value); text != "" {
		g, err := r.Trail.Recognise(q.Context(), c, text)
		if err != nil {
			return r.archived(w, q, err)
		}
		if len(g.Entries) == 1 {
			http.Redirect(w, q.Request, q.Path("/audit/entries/")+g.Entries[0].ID.String()+"?as="+g.As, http.StatusSeeOther)
			return nil
		}
		v.Taken = q.T("audit.as." + g.As)
		if g.Title != "" {
			v.Taken += ": " + g.Title
		}
		if g.As != trail.AsActor && g.As != trail.AsEDRPOU {
			v.Asked, v.Archived = true, g.Archived
			for _, one := range g.Entries {
				v.Rows = append(v.Rows, rowOf(q, one, nil))
			}
			return q.Render(w, web.Page{Template: "search", Title: q.T("audit.search.title"), Data: v})
		}
		f.Actor, v.Actor.Value = g.Actor, g.Actor.String()
	}
	found, err := r.Trail.Search(q.Context(), c, f)
	switch code := registry.CodeOf(err); {
	case err == nil:
	case code == registry.CodeInvalid:
		v.Problems = []web.Problem{{Field: "from", Text: q.T("audit.search.period")}}
		return q.Render(w, web.Page{Template: "search", Title: q.T("audit.search.title"), Status: http.StatusBadRequest, Data: v})
	case code == registry.CodeUnavailable:
		v.Problems = []web.Problem{{Field: "from", Text: q.T("audit.search.slow")}}
		return q.Render(w, web.Page{Template: "search", Title: q.T("audit.search.title"), Status: http.StatusServiceUnavailable, Data: v})
	default:
		return err
	}
	v.Asked, v.Size, v.Archived = true, found.Size, found.Archived
	for _, one := range found.Records {
		v.Rows = append(v.Rows, rowOf(q, one, found.Titles))
	}
	if !found.Next.IsZero() {
		v.Pager.Next = q.With("before", found.Next.String())
	}
	if !f.Before.IsZero() {
		v.Pager.First = q.With("before", "")
	}
	if len(v.Rows) > 0 {
		to := url.URL{Path: q.Path("/audit/entries.ndjson"), RawQuery: q.URL.RawQuery}
		v.Export = to.String()
	}
	if len(v.Rows) == 0 {
		v.Wider = q.With("from", f.From.AddDate(0, -1, 0).Format(time.DateOnly))
	}
	return q.Render(w, web.Page{Template: "search", Title: q.T("audit.search.title"), Data: v})
}

// export gives the entries of a search as NDJSON, at most trail.MaxPage; a Link
// header leads to the rest (RFC 8288).
func (r *room) export(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	v, f := r.asked(q)
	if len(v.Problems) > 0 {
		return registry.Errorf(registry.CodeInvalid, "the search cannot be read: %s", v.Problems[0].Text)
	}
	f.Limit = trail.MaxPage
	found, err := r.Trail.Search(q.Context(), c, f)
	if err != nil {
		return err
	}
	lines, err := trail.Lines(found.Records)
	if err != nil {
		return err
	}
	if !found.Next.IsZero() {
		w.Header().Set("Link", "<"+q.With("before", found.Next.String())+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="entries.ndjson"`)
	_, err = w.Write(lines)
	return err
}

func rowOf(q *web.Request, one trail.Record, titles map[registry.ID]string) rowView {
	row := rowView{Record: one, Kind: kindName(q, one.Entry.Kind), Client: titles[one.Actor.ClientID], LegalEntity: titles[one.Actor.LegalEntityID]}
	if row.Client == "" {
		row.Client = one.Actor.XRoadClient
	}
	row.Mark, row.Word = verdict(q, one.Entry)
	return row
}

// asked reads the form from the address: a search can be sent to somebody.
func (r *room) asked(q *web.Request) (v searchView, f trail.Filter) {
	get := func(name string) string { return strings.TrimSpace(q.URL.Query().Get(name)) }
	zone := q.Zone()
	now := r.Clock().In(zone)
	from, to := get("from"), get("to")
	if to == "" {
		to = now.Format(time.DateOnly)
	}
	if from == "" {
		from = now.AddDate(0, 0, 1-defaultDays).Format(time.DateOnly)
	}
	wrong := func(field *web.Field, key string) {
		field.Error = q.T(key)
		v.Problems = append(v.Problems, web.Problem{Field: field.Name, Text: field.Error})
	}
	v.Box = web.Field{Name: "q", Type: "search", Label: q.T("audit.search.box"), Hint: q.T("audit.search.box.hint"), Value: get("q")}
	v.From = web.Field{Name: "from", Type: "date", Label: q.T("audit.search.from"), Value: from}
	v.To = web.Field{Name: "to", Type: "date", Label: q.T("audit.search.to"), Value: to}
	v.Code = web.Field{Name: "code", Label: q.T("audit.search.code"), Value: get("code")}
	v.Actor = web.Field{Name: "actor", Label: q.T("audit.search.actor"), Value: get("actor")}
	v.Kind = web.Field{Name: "kind", Type: "select", Label: q.T("audit.search.kind"), Value: get("kind"), Options: []web.Option{{Text: q.T("audit.search.any")}}}
	known := v.Kind.Value == ""
	for _, k := range kinds {
		v.Kind.Options = append(v.Kind.Options, web.Option{Value: string(k), Text: kindName(q, k)})
		known = known || v.Kind.Value == string(k)
	}
	if !known {
		v.Kind.Options = append(v.Kind.Options, web.Option{Value: v.Kind.Value, Text: v.Kind.Value})
	}
	f.Kind, f.Code, f.Limit = audit.Kind(v.Kind.Value), v.Code.Value, trail.PageSize
	var err error
	if f.From, err = time.ParseInLocation(time.DateOnly, from, zone); err != nil {
		wrong(&v.From, "audit.search.date")
	}
	if f.To, err = time.ParseInLocation(time.DateOnly, to, zone); err != nil {
		wrong(&v.To, "audit.search.date")
	}
	f.To = f.To.AddDate(0, 0, 1)
	if v.Actor.Value != "" {
		if f.Actor, err = registry.ParseID(v.Actor.Value); err != nil {
			wrong(&v.Actor, "audit.search.id")
		}
	}
	if before := get("before"); before != "" {
		if f.Before, err = registry.ParseID(before); err != nil {
			wrong(&v.From, "audit.search.cursor")
		}
	}
	v.Period = f.From.Format("02.01.2006") + " – " + f.To.AddDate(0, 0, -1).Format("02.01.2006")
	return v, f
}

// kinds are offered by the form, the frequent ones first.
var kinds = []audit.Kind{
	audit.ActAccepted, audit.ActRefused, audit.ActPending, audit.ActRepeated, audit.Disclosure, audit.DisclosureRefused, audit.DisclosureReplayed,
	audit.ConsentRegistered, audit.ConsentRevoked, "access.login", "access.login_refused", audit.AccessDecision, audit.KeyChanged, material.Changed, audit.OperatorCommand,
	trail.PeopleShown, audit.ExchangeAnswered, audit.ExchangeRefused, trail.StateRead, trail.EntryRead, trail.SignerRead, trail.Searched, trail.SampleDrawn,
	trail.ExportBegun, trail.ExportMade, trail.ExportDownloaded, evidence.Exported, evidence.Rejudged, audit.Void,
}

// refused tells the kinds of refusals by their last word.
func refused(e audit.Entry) bool { return strings.HasSuffix(string(e.Kind), "refused") }
