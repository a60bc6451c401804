package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/legalentity"
	"mist/registry/prm"
)

// LegalEntityWrites registers, verifies and ends legal entities;
// *legalentity.Service is one.
type LegalEntityWrites interface {
	Register(ctx context.Context, c registry.Caller, container []byte) (legalentity.Accepted, audit.Receipt, error)
	Verify(ctx context.Context, c registry.Caller, id registry.ID, reviewed, verified bool, comment string) (prm.LegalEntity, error)
	SetStatus(ctx context.Context, c registry.Caller, id registry.ID, to, reason string) (prm.LegalEntity, error)
	Merge(ctx context.Context, c registry.Caller, from, to registry.ID, reason string) (prm.LegalEntity, error)
}

// legalEntityView shows what a registration says; all of it is public.
type legalEntityView struct {
	ID           registry.ID `json:"id"`
	Name         string      `json:"name"`
	ShortName    string      `json:"short_name"`
	PublicName   string      `json:"public_name"`
	EDRPOU       string      `json:"edrpou"`
	Type         string      `json:"type"`
	Status       string      `json:"status"`
	StatusReason string      `json:"status_reason,omitempty"`
	IsActive     bool        `json:"is_active"`
	Phones       []prm.Phone `json:"phones"`
	Email        string      `json:"email"`
	Address      string      `json:"address"`
	Licence      prm.Licence `json:"license"`

	LegalForm         string             `json:"legal_form,omitempty"`
	OwnerPropertyType string             `json:"owner_property_type,omitempty"`
	KVEDs             []string           `json:"kveds"`
	Addresses         []prm.Address      `json:"addresses"`
	Website           string             `json:"website,omitempty"`
	Beneficiary       string             `json:"beneficiary,omitempty"`
	ReceiverFundsCode string             `json:"receiver_funds_code,omitempty"`
	Archive           []prm.Archive      `json:"archive"`
	Accreditation     *prm.Accreditation `json:"accreditation,omitempty"`
	MISVerified       string             `json:"mis_verified"`
	NHSVerified       bool               `json:"nhs_verified"`
	NHSReviewed       bool               `json:"nhs_reviewed"`
	NHSComment        string             `json:"nhs_comment,omitempty"`
	MergedTo          registry.ID        `json:"merged_to,omitzero"`
	InsertedAt        string             `json:"inserted_at,omitempty"`
	UpdatedAt         string             `json:"updated_at,omitempty"`
}

func viewLegalEntity(l prm.LegalEntity) any {
	d := l.Details
	v := legalEntityView{
		ID: l.ID, Name: l.Name, ShortName: l.ShortName, PublicName: l.PublicName, EDRPOU: string(l.EDRPOU), Type: l.Type, Status: l.Status,
		StatusReason: l.StatusReason, IsActive: l.Status == "ACTIVE" || l.Status == "SUSPENDED", Phones: l.Phones, Email: l.Email, Address: l.Address, Licence: l.Licence,
		LegalForm: d.LegalForm, OwnerPropertyType: d.OwnerPropertyType, KVEDs: some(d.KVEDs), Addresses: some(d.Addresses), Website: d.Website,
		Beneficiary: d.Beneficiary, ReceiverFundsCode: d.ReceiverFundsCode, Archive: some(d.Archive), Accreditation: d.Accreditation,
		MISVerified: "NOT_VERIFIED", NHSVerified: l.NHSVerified, NHSReviewed: l.NHSReviewed, NHSComment: l.NHSComment, MergedTo: l.MergedTo,
		InsertedAt: moment(l.InsertedAt), UpdatedAt: moment(l.UpdatedAt),
	}
	if l.MISVerified {
		v.MISVerified = "VERIFIED"
	}
	return v
}

// some keeps an empty list a list.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// moment writes a time, nothing for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return stamp(t)
}

// LegalEntities are the places where legal entities are changed.
func LegalEntities(s LegalEntityWrites) Room {
	return room(func(p *portal, r chi.Router) {
		const one = "/api/v3/legal_entities/{id}/actions/"
		r.Put("/api/v3/legal_entities", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			b, err := p.container(r, "signed_legal_entity_request")
			if err != nil {
				return err
			}
			out, receipt, err := s.Register(r.Context(), c, b)
			if err != nil {
				return err
			}
			status := http.StatusOK
			if out.Created {
				status = http.StatusCreated
			}
			u := &urgent{Receipt: &receipt, Security: out.Security}
			if !out.HeadRequest.IsZero() {
				u.EmployeeRequestID = &out.HeadRequest
			}
			return p.answer(w, r, status, viewLegalEntity(out.LegalEntity), u)
		}))
		r.Patch(one+"nhs_verify", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			f := o.fields()
			verified, comment := f.flag("nhs_verified", false), f.text("nhs_comment", false)
			reviewed := f.flag("nhs_reviewed", true)
			if err := f.done(); err != nil {
				return err
			}
			l, err := s.Verify(r.Context(), c, id, reviewed, verified, comment)
			return p.changed(w, r, viewLegalEntity(l), err)
		}))
		for action, to := range map[string]string{"suspend": "SUSPENDED", "activate": "ACTIVE", "close": "CLOSED"} {
			r.Patch(one+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				reason, err := p.words(r, "reason")
				if err != nil {
					return err
				}
				l, err := s.SetStatus(r.Context(), c, id, to, reason)
				return p.changed(w, r, viewLegalEntity(l), err)
			}))
		}
		r.Patch(one+"merge", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			f := o.fields()
			to, reason := f.id("merged_to"), f.text("reason", true)
			if err := f.done(); err != nil {
				return err
			}
			l, err := s.Merge(r.Context(), c, id, to, reason)
			return p.changed(w, r, viewLegalEntity(l), err)
		}))
	})
}

// changed answers with a changed resource, or why it was not changed.
func (p *portal) changed(w http.ResponseWriter, r *http.Request, view any, err error) error {
	if err != nil {
		return err
	}
	return p.answer(w, r, http.StatusOK, view, nil)
}
