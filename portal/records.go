package portal

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/query"
	"mist/registry/record"
)

// recordView is a clinical record of any kind: what the registry knows of it,
// and the kind's own content as it was signed.
type recordView struct {
	ID            registry.ID     `json:"id"`
	Status        string          `json:"status"`
	StatusReason  string          `json:"status_reason,omitempty"`
	PatientID     registry.ID     `json:"patient_id"`
	EmployeeID    registry.ID     `json:"employee_id"`
	LegalEntityID registry.ID     `json:"legal_entity_id"`
	Episode       *episodeView    `json:"episode,omitempty"`
	Origin        *episodeView    `json:"origin_episode,omitempty"`
	ContextID     registry.ID     `json:"context_id,omitzero"`
	BasedOnID     registry.ID     `json:"based_on_id,omitzero"`
	HolderID      registry.ID     `json:"used_by_legal_entity_id,omitzero"`
	Number        string          `json:"requisition,omitempty"`
	Content       json.RawMessage `json:"content"`
	ExpiresAt     string          `json:"expires_at,omitempty"`
	InsertedAt    string          `json:"inserted_at"`
	UpdatedAt     string          `json:"updated_at"`
	History       []record.Change `json:"status_history,omitempty"`
}

type episodeView struct {
	ID            registry.ID `json:"id"`
	LegalEntityID registry.ID `json:"legal_entity_id"`
}

func viewEpisode(e abac.Episode) *episodeView {
	if e.ID.IsZero() {
		return nil
	}
	return &episodeView{e.ID, e.LegalEntityID}
}

func viewRecord(r record.Record) any { return viewShown(record.Shown{Record: r}) }

func viewShown(s record.Shown) any {
	v := recordView{s.ID, s.Status, s.Reason, s.PatientID, s.AuthorID, s.LegalEntityID, viewEpisode(s.Episode), viewEpisode(s.Origin), s.ContextID, s.BasedOnID, s.HolderID, s.Number, s.Body, "",
		stamp(s.InsertedAt), stamp(s.UpdatedAt), s.History}
	if !s.ExpiresAt.IsZero() {
		v.ExpiresAt = stamp(s.ExpiresAt)
	}
	return v
}

// Records are the places of a kind of clinical records.
func Records(k record.Places) Room {
	return room(func(p *portal, r chi.Router) {
		one := k.Path + "/{id}"
		if k.Create != nil {
			r.Post(k.Path, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
				b, err := p.container(r, "signed_data")
				if err != nil {
					return err
				}
				s, receipt, err := k.Create(r.Context(), c, b)
				if err != nil {
					return err
				}
				w.Header().Set("Location", p.base+k.Path+"/"+s.ID.String())
				return p.answer(w, r, http.StatusCreated, viewShown(s), &urgent{Receipt: &receipt})
			}))
		}
		p.readRecords(r, k.Path, k.Scope, k)
		if k.Own != "" {
			p.readRecords(r, k.Own, k.OwnScope, k)
		}
		for name, do := range k.Signed {
			r.Patch(one+"/actions/"+name, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				b, err := p.container(r, "signed_data")
				if err != nil {
					return err
				}
				s, receipt, err := do(r.Context(), c, id, b)
				if err != nil {
					return err
				}
				return p.answer(w, r, http.StatusOK, viewShown(s), &urgent{Receipt: &receipt})
			}))
		}
		for name, do := range k.Actions {
			r.Patch(one+"/actions/"+name, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				_, body, err := readObject(r, p.limits.SmallBody, true)
				if err != nil {
					return err
				}
				s, err := do(r.Context(), c, id, body)
				return p.changed(w, r, viewShown(s), err)
			}))
		}
		for name, find := range k.Found {
			r.Post(k.Path+"/"+name, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
				body, err := p.raw(r)
				if err != nil {
					return err
				}
				s, err := find(r.Context(), c, body)
				return p.changed(w, r, viewShown(s), err)
			}))
		}
	})
}

// readRecords are the two reads of a kind: one record, and a list by patient or
// of the own legal entity.
func (p *portal) readRecords(r chi.Router, path, scope string, k record.Places) {
	r.Get(path, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		f := record.Filter{Kind: k.Kind, PatientID: q.id("patient_id"), HolderID: q.id("used_by_legal_entity_id"), Status: q.text("status"), After: q.id("after"), Limit: q.number("page_size", record.DefaultPage)}
		if err := q.done(); err != nil {
			return err
		}
		list, more, err := k.Reader.List(r.Context(), c, scope, f)
		if err != nil {
			return err
		}
		views := make([]any, len(list))
		for i, one := range list {
			views[i] = viewRecord(one)
		}
		return p.list(w, r, views, query.Paging{Size: f.Limit, HasMore: &more})
	}))
	r.Get(path+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		s, err := k.Reader.Get(r.Context(), c, scope, k.Kind, id)
		return p.changed(w, r, viewShown(s), err)
	}))
}
