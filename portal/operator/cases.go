package operator

import (
	"net/http"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/dispute"
)

type casesView struct {
	List  []dispute.Case
	Total int
}

// cases lists what citizens say did not happen, oldest first.
func (r *room) cases(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	list, total, err := r.Cases.List(q.Context(), c)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "cases", Title: q.T("ops.cases.title"), Data: casesView{list, total}})
}

type caseView struct {
	dispute.Case
	Problems         []web.Problem
	Decision, Answer web.Field
}

func (r *room) oneCase(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showCase(w, q, c, "", http.StatusOK)
}

func (r *room) showCase(w http.ResponseWriter, q *web.Request, c registry.Caller, trouble string, status int) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	k, err := r.Cases.Get(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := caseView{Case: k,
		Decision: web.Field{Name: "decision", Type: "select", Label: q.T("ops.case.decision"), Value: q.PostFormValue("decision"), Required: true, Options: []web.Option{
			{Value: dispute.Stands, Text: q.T("ops.case.decision.stands")}, {Value: dispute.Mistaken, Text: q.T("ops.case.decision.mistaken")}}},
		Answer: web.Field{Name: "answer", Type: "textarea", Rows: 5, Label: q.T("ops.case.answer"), Hint: q.T("ops.case.answer.hint"), Value: q.PostFormValue("answer"), Required: true},
	}
	if trouble != "" {
		v.Answer.Error, v.Problems = trouble, []web.Problem{{Field: "answer", Text: trouble}}
	}
	return q.Render(w, web.Page{Template: "case", Title: q.T("ops.case.title", "number", k.Number), Data: v, Status: status})
}

func (r *room) answer(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	_, err = r.Cases.Answer(q.Context(), c, id, form.Get("decision"), form.Get("answer"))
	switch registry.CodeOf(err) {
	case "":
		q.Redirect(w, "/ops/cases/"+id.String())
		return nil
	case registry.CodeInvalid:
		return r.showCase(w, q, c, q.T("ops.case.wrong"), http.StatusUnprocessableEntity)
	}
	return err
}
