package me

import (
	"net/http"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/dispute"
)

// recordLine is an act about the reader in words.
type recordLine struct {
	dispute.Record
	Name, Means string
}

// namedActs have a name and a meaning in words.
var namedActs = map[registry.KindName]bool{"declaration": true, "person_request": true, "encounter": true, "prescription": true, "referral": true, "sick_leave": true}

func recordOf(q *web.Request, r dispute.Record) recordLine {
	l := recordLine{Record: r, Name: q.T("me.act.other"), Means: q.T("me.act.other.means")}
	if namedActs[r.Kind] {
		l.Name, l.Means = q.T("me.act."+string(r.Kind)), q.T("me.act."+string(r.Kind)+".means")
	}
	return l
}

type recordsView struct {
	List  []recordLine
	Cases []caseLine
}

// caseLine is a case of the reader in words.
type caseLine struct {
	dispute.Case
	Name, State string
	Mark        web.Mark
}

func caseOf(q *web.Request, k dispute.Case) caseLine {
	l := caseLine{Case: k, Name: recordOf(q, dispute.Record{Kind: k.Kind}).Name, State: q.T("me.case.open"), Mark: web.Unknown}
	if k.Status == dispute.StatusAnswered {
		l.Mark, l.State = web.Good, q.T("me.case."+k.Decision)
	}
	return l
}

func (r *room) records(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	list, cases, err := r.Cases.Records(q.Context(), c)
	if err != nil {
		return err
	}
	var v recordsView
	for _, one := range list {
		v.List = append(v.List, recordOf(q, one))
	}
	for _, one := range cases {
		v.Cases = append(v.Cases, caseOf(q, one))
	}
	return q.Render(w, web.Page{Template: "records", Title: q.T("me.records.title"), Data: v})
}

type recordView struct {
	recordLine
	Problems []web.Problem
	Said     web.Field
}

// record explains an act first; the word against it comes after.
func (r *room) record(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showRecord(w, q, c, "", http.StatusOK)
}

func (r *room) showRecord(w http.ResponseWriter, q *web.Request, c registry.Caller, trouble string, status int) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	one, err := r.Cases.Record(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := recordView{recordLine: recordOf(q, one),
		Said: web.Field{Name: "claim", Type: "textarea", Rows: 4, Label: q.T("me.dispute.said"), Hint: q.T("me.dispute.hint"), Required: true, Value: q.PostFormValue("claim")}}
	if trouble != "" {
		v.Said.Error, v.Problems = trouble, []web.Problem{{Field: "claim", Text: trouble}}
	}
	return q.Render(w, web.Page{Template: "record", Title: v.Name, Data: v, Status: status})
}

func (r *room) dispute(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	k, err := r.Cases.Open(q.Context(), c, id, form.Get("claim"))
	switch e := registry.AsError(err); {
	case err == nil:
		q.Redirect(w, "/me/cases/"+k.ID.String())
		return nil
	case e.Code == registry.CodeInvalid:
		return r.showRecord(w, q, c, q.T("me.dispute.wrong"), http.StatusUnprocessableEntity)
	case e.Code == registry.CodeConflict:
		return r.showRecord(w, q, c, q.T("me.dispute.open"), http.StatusConflict)
	}
	return err
}

func (r *room) ownCase(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	k, err := r.Cases.Own(q.Context(), c, id)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "case", Title: q.T("me.case.title", "number", k.Number), Data: caseOf(q, k)})
}
