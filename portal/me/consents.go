package me

import (
	"net/http"
	"strings"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/query"
)

type consentLine struct {
	query.ConsentView
	Mark, Word, How, Purpose, What string
	Active                         bool
}

func consentOf(q *web.Request, v query.ConsentView) consentLine {
	l := consentLine{ConsentView: v, Mark: "none", Word: known(q, "me.state.", string(v.Status)), Purpose: known(q, "me.purpose.", v.Purpose), What: groups(q, v.Fields)}
	switch v.Status {
	case "active":
		l.Mark, l.Active = "good", true
	case "revoked":
		l.Mark = "bad"
	}
	l.How = known(q, "me.how.", v.Method)
	return l
}

func (r *room) consents(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	list, err := r.Citizen.Consents(q.Context(), c)
	if err != nil {
		return err
	}
	lines := make([]consentLine, 0, len(list))
	for _, v := range list {
		lines = append(lines, consentOf(q, v))
	}
	return q.Render(w, web.Page{Template: "consents", Title: q.T("me.consents.title"), Data: lines})
}

func (r *room) consent(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	v, err := r.Citizen.Consent(q.Context(), c, id)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "consent", Title: q.T("me.consent.title"), Data: consentOf(q, v)})
}

func idOf(q *web.Request) (registry.ID, error) {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return registry.ID{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return id, nil
}

type revokedView struct {
	ConsentID string
	Entry     string
	Leaf      string
}

// revoke asks for the tick: the page says before what cannot be undone.
func (r *room) revoke(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := idOf(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	if strings.TrimSpace(form.Get("understood")) == "" {
		q.Redirect(w, "/me/consents/"+id.String())
		return nil
	}
	receipt, err := r.Citizen.Revoke(q.Context(), c, id)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "revoked", Title: q.T("me.revoked.title"), Data: revokedView{id.String(), receipt.EntryID.String(), receipt.LeafHash}})
}
