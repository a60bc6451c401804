package me

import (
	"context"
	"net/http"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/composition"
	"mist/registry/sickleave"
)

// SickLeaves are what doctors certified of the reader; *sickleave.Service is one.
type SickLeaves interface {
	Mine(ctx context.Context, c registry.Caller) ([]sickleave.View, error)
	PrintForm(ctx context.Context, c registry.Caller, id registry.ID) (string, error)
}

// leaveLine is a conclusion in words.
type leaveLine struct {
	sickleave.View
	Kind, State string
	Mark        web.Mark
}

// leaveWords are the categories and states that have words.
var leaveWords = map[string]bool{
	"me.leave.category.SICKNESS": true, "me.leave.category.CHILD_CARE": true, "me.leave.category.FAMILY_CARE": true, "me.leave.category.PARENTAL_CARE": true, "me.leave.category.PREGNANCY": true,
	"me.leave.category.QUARANTINE": true, "me.leave.category.COVID19": true, "me.leave.category.TEMP_TRANSFER": true, "me.leave.category.PROSTHETIC": true, "me.leave.category.RESTORATION": true,
	"me.leave.state.FINAL": true, "me.leave.state.AMENDED": true, "me.leave.state.ENTERED_IN_ERROR": true,
}

func leaveWord(q *web.Request, prefix, code string) string {
	if leaveWords[prefix+code] {
		return q.T(prefix + code)
	}
	return code
}

func (r *room) sickLeaves(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	list, err := r.SickLeaves.Mine(q.Context(), c)
	if err != nil {
		return err
	}
	lines := make([]leaveLine, len(list))
	for i, l := range list {
		lines[i] = leaveLine{l, leaveWord(q, "me.leave.category.", l.Category), leaveWord(q, "me.leave.state.", string(l.Status)), web.Good}
		if l.Status != composition.Final {
			lines[i].Mark = web.Bad
		}
	}
	return q.Render(w, web.Page{Template: "sickleaves", Title: q.T("me.leaves.title"), Data: lines})
}

// paper is the printed form: a page of its own, with a style of its own, that
// loads and runs nothing.
func (r *room) paper(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	text, err := r.SickLeaves.PrintForm(q.Context(), c, id)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	_, err = w.Write([]byte(text))
	return err
}
