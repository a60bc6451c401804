package operator

import (
	"context"
	"net/http"
	"strconv"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/verification"
)

// Checks is what other registers say of people; *verification.Service is one.
type Checks interface {
	Read(ctx context.Context, c registry.Caller, id registry.ID) (verification.View, error)
	Ask(ctx context.Context, c registry.Caller, id registry.ID) (verification.View, error)
	Decide(ctx context.Context, c registry.Caller, id registry.ID, stream verification.Stream, status verification.Status, comment string) (verification.View, error)
	List(ctx context.Context, c registry.Caller, stream verification.Stream, status verification.Status, page, size int) ([]verification.Flagged, int, error)
}

type checksView struct {
	List  []verification.Flagged
	Total int
	Pager web.Pager
}

// checks lists the streams that registers or people marked, oldest first.
func (r *room) checks(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	page, err := strconv.Atoi(q.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	var v checksView
	if v.List, v.Total, err = r.Checks.List(q.Context(), c, "", verification.NotVerified, page, jobRows); err != nil {
		return err
	}
	if page > 1 {
		v.Pager.First = q.With("page", "")
	}
	if page*jobRows < v.Total {
		v.Pager.Next = q.With("page", strconv.Itoa(page+1))
	}
	return q.Render(w, web.Page{Template: "checks", Title: q.T("ops.checks.title"), Data: v})
}

type checkView struct {
	verification.View
	Problems                []web.Problem
	Stream, Status, Comment web.Field
}

func (r *room) check(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showCheck(w, q, c, "", http.StatusOK)
}

func (r *room) showCheck(w http.ResponseWriter, q *web.Request, c registry.Caller, trouble string, status int) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	view, err := r.Checks.Read(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := checkView{View: view,
		Stream: web.Field{Name: "stream", Type: "select", Label: q.T("ops.check.stream"), Required: true, Value: q.PostFormValue("stream")},
		Status: web.Field{Name: "status", Type: "select", Label: q.T("ops.check.decision"), Required: true, Value: q.PostFormValue("status"), Options: []web.Option{
			{Value: string(verification.Verified), Text: q.T("ops.check.decision.VERIFIED")}, {Value: string(verification.NotVerified), Text: q.T("ops.check.decision.NOT_VERIFIED")}}},
		Comment: web.Field{Name: "comment", Type: "textarea", Rows: 3, Label: q.T("ops.check.comment"), Hint: q.T("ops.check.comment.hint"), Required: true, Value: q.PostFormValue("comment")},
	}
	for _, s := range verification.Streams() {
		v.Stream.Options = append(v.Stream.Options, web.Option{Value: s, Text: q.T("ops.check.stream." + s)})
	}
	if trouble != "" {
		v.Comment.Error, v.Problems = trouble, []web.Problem{{Field: "comment", Text: trouble}}
	}
	return q.Render(w, web.Page{Template: "check", Title: q.T("ops.check.title"), Data: v, Status: status})
}

// askAnew puts the questions about a person again.
func (r *room) askAnew(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	if _, err := r.Checks.Ask(q.Context(), c, id); err != nil {
		return err
	}
	q.Redirect(w, "/ops/checks/"+id.String())
	return nil
}

// judge is an operator's word about one stream.
func (r *room) judge(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	_, err = r.Checks.Decide(q.Context(), c, id, verification.Stream(form.Get("stream")), verification.Status(form.Get("status")), form.Get("comment"))
	switch registry.CodeOf(err) {
	case "":
		q.Redirect(w, "/ops/checks/"+id.String())
		return nil
	case registry.CodeInvalid:
		return r.showCheck(w, q, c, q.T("ops.check.wrong"), http.StatusUnprocessableEntity)
	}
	return err
}
