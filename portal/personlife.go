package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/personlife"
	"mist/registry/query"
)

// PersonLife is what befalls records after they were written; *personlife.Service is one.
type PersonLife interface {
	Propose(ctx context.Context, c registry.Caller, master, loser registry.ID, reason string) (personlife.Merge, error)
	Agree(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	Decline(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	ProposeUndo(ctx context.Context, c registry.Caller, id registry.ID, reason string) (personlife.Merge, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	List(ctx context.Context, c registry.Caller, status personlife.MergeStatus, after registry.ID) ([]personlife.Merge, error)
	Deactivate(ctx context.Context, c registry.Caller, id registry.ID, d personlife.Deactivation) (patient.Person, error)
	History(ctx context.Context, c registry.Caller, id registry.ID) ([]personlife.Line, error)
	Relationships(ctx context.Context, c registry.Caller, person registry.ID) ([]patient.Relationship, error)
	VerifyRelationship(ctx context.Context, c registry.Caller, id registry.ID, status, comment string) (patient.Relationship, error)
	ResetMethods(ctx context.Context, c registry.Caller, id registry.ID, note string) (patient.Person, error)
}

type mergeView struct {
	ID             registry.ID            `json:"id"`
	MasterID       registry.ID            `json:"master_person_id"`
	LoserID        registry.ID            `json:"merge_person_id"`
	Status         personlife.MergeStatus `json:"status"`
	Reason         string                 `json:"reason"`
	UndoReason     string                 `json:"undo_reason,omitempty"`
	ProposedBy     registry.ID            `json:"proposed_by"`
	ApprovedBy     registry.ID            `json:"approved_by,omitzero"`
	UndoProposedBy registry.ID            `json:"undo_proposed_by,omitzero"`
	UndoApprovedBy registry.ID            `json:"undo_approved_by,omitzero"`
	DeclarationID  registry.ID            `json:"terminated_declaration_id,omitzero"`
	InsertedAt     string                 `json:"inserted_at"`
	UpdatedAt      string                 `json:"updated_at"`
}

func viewMerge(m personlife.Merge) mergeView {
	return mergeView{m.ID, m.MasterID, m.LoserID, m.Status, m.Reason, m.UndoReason, m.ProposedBy, m.ApprovedBy, m.UndoProposedBy, m.UndoApprovedBy,
		m.Before.DeclarationID, stamp(m.InsertedAt), stamp(m.UpdatedAt)}
}

type historyLine struct {
	Version            int            `json:"version"`
	Status             patient.Status `json:"status"`
	StatusReason       string         `json:"status_reason,omitempty"`
	VerificationStatus string         `json:"verification_status"`
	MasterID           registry.ID    `json:"master_person_id,omitzero"`
	From               string         `json:"from"`
	Until              string         `json:"until,omitempty"`
	Changed            []string       `json:"changed"`
}

type deactivated struct {
	ID           registry.ID    `json:"id"`
	Status       patient.Status `json:"status"`
	StatusReason string         `json:"status_reason"`
	DeathDate    registry.Date  `json:"death_date,omitzero"`
}

type relationshipView struct {
	ID                 registry.ID        `json:"id"`
	PersonID           registry.ID        `json:"person_id"`
	ConfidantPersonID  registry.ID        `json:"confidant_person_id"`
	IsActive           bool               `json:"is_active"`
	ActiveTo           registry.Date      `json:"active_to,omitzero"`
	VerificationStatus string             `json:"verification_status"`
	VerificationReason string             `json:"verification_reason"`
	Comment            string             `json:"verification_comment,omitempty"`
	Documents          []patient.Document `json:"relationship_documents"`
	InsertedAt         string             `json:"inserted_at"`
	UpdatedAt          string             `json:"updated_at"`
}

func viewRelationship(r patient.Relationship) relationshipView {
	return relationshipView{r.ID, r.PersonID, r.ConfidantPersonID, r.IsActive, r.ActiveTo, r.VerificationStatus, r.VerificationReason, r.Comment,
		append([]patient.Document{}, r.Documents...), stamp(r.InsertedAt), stamp(r.UpdatedAt)}
}

const mergesPath = "/api/v3/manual_merge_requests"

func (p *portal) personLifeRoutes(r chi.Router, life PersonLife) {
	show := func(w http.ResponseWriter, r *http.Request, status int, m personlife.Merge, err error) error {
		if err != nil {
			return err
		}
		return p.answer(w, r, status, viewMerge(m), nil)
	}
	r.Post(mergesPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		master, loser, reason := f.id("master_person_id"), f.id("merge_person_id"), f.text("reason", true)
		if err := f.done(); err != nil {
			return err
		}
		m, err := life.Propose(r.Context(), c, master, loser, reason)
		if err == nil {
			w.Header().Set("Location", p.base+mergesPath+"/"+m.ID.String())
		}
		return show(w, r, http.StatusCreated, m, err)
	}))
	r.Get(mergesPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		status, after := personlife.MergeStatus(q.text("status")), q.id("starting_after")
		if err := q.done(); err != nil {
			return err
		}
		list, err := life.List(r.Context(), c, status, after)
		if err != nil {
			return err
		}
		views := make([]mergeView, len(list))
		for i, m := range list {
			views[i] = viewMerge(m)
		}
		more := len(list) == personlife.PageSize
		return p.list(w, r, views, query.Paging{Size: personlife.PageSize, HasMore: &more})
	}))
	r.Get(mergesPath+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		m, err := life.Get(r.Context(), c, id)
		return show(w, r, http.StatusOK, m, err)
	}))
	for action, step := range map[string]func(context.Context, registry.Caller, registry.ID) (personlife.Merge, error){"approve": life.Agree, "decline": life.Decline} {
		r.Patch(mergesPath+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err != nil {
				return err
			}
			if err := o.fields().done(); err != nil {
				return err
			}
			m, err := step(r.Context(), c, id)
			return show(w, r, http.StatusOK, m, err)
		}))
	}
	r.Patch(mergesPath+"/{id}/actions/undo", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		reason := f.text("reason", true)
		if err := f.done(); err != nil {
			return err
		}
		m, err := life.ProposeUndo(r.Context(), c, id, reason)
		return show(w, r, http.StatusOK, m, err)
	}))
	r.Patch(personsPath+"/{id}/actions/deactivate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		d := personlife.Deactivation{Reason: f.text("reason", true), DeathDate: f.date("death_date"), Note: f.text("reason_description", true)}
		if err := f.done(); err != nil {
			return err
		}
		v, err := life.Deactivate(r.Context(), c, id, d)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, deactivated{v.ID, v.Status, v.StatusReason, v.DeathDate}, nil)
	}))
	r.Get(personsPath+"/{id}/history", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		lines, err := life.History(r.Context(), c, id)
		if err != nil {
			return err
		}
		views := make([]historyLine, len(lines))
		for i, l := range lines {
			views[i] = historyLine{l.Version, l.Status, l.StatusReason, l.VerificationStatus, l.MasterID, stamp(l.From), "", append([]string{}, l.Changed...)}
			if !l.Until.IsZero() {
				views[i].Until = stamp(l.Until)
			}
		}
		return p.list(w, r, views, query.Paging{Number: 1, Size: max(len(views), 1), TotalEntries: len(views), TotalPages: 1})
	}))
	r.Get(personsPath+"/{id}/confidant_person_relationships", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		list, err := life.Relationships(r.Context(), c, id)
		if err != nil {
			return err
		}
		views := make([]relationshipView, len(list))
		for i, one := range list {
			views[i] = viewRelationship(one)
		}
		return p.list(w, r, views, query.Paging{Number: 1, Size: max(len(views), 1), TotalEntries: len(views), TotalPages: 1})
	}))
	r.Patch("/api/v3/confidant_person_relationships/{id}/actions/verify", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		status, comment := f.text("verification_status", true), f.text("comment", true)
		if err := f.done(); err != nil {
			return err
		}
		one, err := life.VerifyRelationship(r.Context(), c, id, status, comment)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, viewRelationship(one), nil)
	}))
	r.Patch(personsPath+"/{id}/actions/reset_authentication_method", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		note := f.text("reason_description", true)
		if err := f.done(); err != nil {
			return err
		}
		v, err := life.ResetMethods(r.Context(), c, id, note)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, deactivated{v.ID, v.Status, v.StatusReason, v.DeathDate}, nil)
	}))
}
