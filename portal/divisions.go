package portal

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/prm"
)

// DivisionWrites changes divisions; *prm.Divisions is one.
type DivisionWrites interface {
	Create(ctx context.Context, c registry.Caller, body []byte) (prm.Division, error)
	Update(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (prm.Division, error)
	Activate(ctx context.Context, c registry.Caller, id registry.ID) (prm.Division, error)
	Deactivate(ctx context.Context, c registry.Caller, id registry.ID) (prm.Division, error)
	SetMountain(ctx context.Context, c registry.Caller, settlement string, mountain bool) (int, error)
}

type divisionView struct {
	ID            registry.ID     `json:"id"`
	LegalEntityID registry.ID     `json:"legal_entity_id"`
	Name          string          `json:"name"`
	Type          string          `json:"type"`
	Status        string          `json:"status"`
	IsActive      bool            `json:"is_active"`
	Address       string          `json:"address"`
	Addresses     []prm.Address   `json:"addresses"`
	Phones        []prm.Phone     `json:"phones"`
	Email         string          `json:"email"`
	WorkingHours  json.RawMessage `json:"working_hours,omitempty"`
	MountainGroup bool            `json:"mountain_group"`
	Location      *prm.Location   `json:"location,omitempty"`
	ExternalID    string          `json:"external_id,omitempty"`
	DLSID         string          `json:"dls_id,omitempty"`
	DLSVerified   bool            `json:"dls_verified"`
	InsertedAt    string          `json:"inserted_at,omitempty"`
	UpdatedAt     string          `json:"updated_at,omitempty"`
}

func viewDivision(d prm.Division) any {
	return divisionView{
		ID: d.ID, LegalEntityID: d.LegalEntityID, Name: d.Name, Type: d.Type, Status: d.Status, IsActive: d.Active(), Address: d.Address,
		Addresses: some(d.Details.Addresses), Phones: d.Phones, Email: d.Email, WorkingHours: json.RawMessage(d.WorkingHours), MountainGroup: d.MountainGroup,
		Location: d.Details.Location, ExternalID: d.Details.ExternalID, DLSID: d.Details.DLSID, DLSVerified: d.Details.DLSVerified,
		InsertedAt: moment(d.InsertedAt), UpdatedAt: moment(d.UpdatedAt),
	}
}

// Divisions are the places where divisions are changed.
func Divisions(s DivisionWrites) Room {
	return room(func(p *portal, r chi.Router) {
		r.Post("/api/v3/divisions", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			d, err := s.Create(r.Context(), c, body)
			if err != nil {
				return err
			}
			w.Header().Set("Location", p.base+"/api/v3/divisions/"+d.ID.String())
			return p.answer(w, r, http.StatusCreated, viewDivision(d), nil)
		}))
		r.Patch("/api/v3/divisions/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			d, err := s.Update(r.Context(), c, id, body)
			return p.changed(w, r, viewDivision(d), err)
		}))
		for _, a := range []struct {
			name string
			do   func(context.Context, registry.Caller, registry.ID) (prm.Division, error)
		}{
			{"activate", func(ctx context.Context, c registry.Caller, id registry.ID) (prm.Division, error) {
				return s.Activate(ctx, c, id)
			}},
			{"deactivate", func(ctx context.Context, c registry.Caller, id registry.ID) (prm.Division, error) {
				return s.Deactivate(ctx, c, id)
			}},
		} {
			r.Patch("/api/v3/divisions/{id}/actions/"+a.name, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				if err := p.nothing(r); err != nil {
					return err
				}
				d, err := a.do(r.Context(), c, id)
				return p.changed(w, r, viewDivision(d), err)
			}))
		}
		r.Patch("/api/v3/settlements/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			f := o.fields()
			mountain := f.flag("mountain_group", false)
			if err := f.done(); err != nil {
				return err
			}
			n, err := s.SetMountain(r.Context(), c, id.String(), mountain)
			return p.changed(w, r, map[string]any{"id": id, "mountain_group": mountain, "divisions_changed": n}, err)
		}))
	})
}
