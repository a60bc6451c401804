package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/prm"
	"mist/registry/query"
)

// Providers tells of legal entities, divisions and employees; *prm.Service is one.
type Providers interface {
	LegalEntity(ctx context.Context, c registry.Caller, id registry.ID) (prm.LegalEntity, error)
	LegalEntities(ctx context.Context, c registry.Caller, f prm.Filter) ([]prm.LegalEntity, int, error)
	Division(ctx context.Context, c registry.Caller, id registry.ID) (prm.Division, error)
	Divisions(ctx context.Context, c registry.Caller, f prm.Filter) ([]prm.Division, int, error)
	Employee(ctx context.Context, c registry.Caller, id registry.ID) (prm.Employee, error)
	Employees(ctx context.Context, c registry.Caller, f prm.Filter) ([]prm.Employee, int, error)
	Dismiss(ctx context.Context, c registry.Caller, id registry.ID) (prm.Employee, error)
}

// employeeView shows names and position; tax number, birth date and private
// contacts of a party are told to nobody here.
type employeeView struct {
	ID            registry.ID      `json:"id"`
	LegalEntityID registry.ID      `json:"legal_entity_id"`
	DivisionID    registry.ID      `json:"division_id,omitzero"`
	Type          string           `json:"employee_type"`
	Position      string           `json:"position"`
	Speciality    string           `json:"speciality,omitempty"`
	Status        string           `json:"status"`
	IsActive      bool             `json:"is_active"`
	StatusReason  string           `json:"status_reason,omitempty"`
	StartDate     registry.Date    `json:"start_date,omitzero"`
	EndDate       registry.Date    `json:"end_date,omitzero"`
	Additional    prm.Additional   `json:"additional_info"`
	Party         query.PartyBrief `json:"party"`
}

func viewEmployee(e prm.Employee) any {
	p := e.Party
	return employeeView{e.ID, e.LegalEntityID, e.DivisionID, e.Type, e.Position, e.Speciality, e.Status, e.Approved(), e.StatusReason, e.StartDate, e.EndDate, e.Additional,
		query.PartyBrief{ID: p.ID, LastName: p.LastName, FirstName: p.FirstName, SecondName: p.SecondName}}
}

func (p *portal) prmRoutes(r chi.Router, s Providers) {
	places(p, r, "/api/v3/legal_entities", s.LegalEntity, s.LegalEntities, viewLegalEntity)
	places(p, r, "/api/v3/divisions", s.Division, s.Divisions, viewDivision)
	places(p, r, "/api/v3/employees", s.Employee, s.Employees, viewEmployee)
	r.Patch("/api/v3/employees/{id}/actions/deactivate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, true)
		if err != nil {
			return err
		}
		if err := o.fields().done(); err != nil {
			return err
		}
		e, err := s.Dismiss(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, viewEmployee(e), nil)
	}))
}

// places serves one and many of a kind.
func places[T any](p *portal, r chi.Router, path string, one func(context.Context, registry.Caller, registry.ID) (T, error),
	many func(context.Context, registry.Caller, prm.Filter) ([]T, int, error), view func(T) any) {
	r.Get(path+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		v, err := one(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, view(v), nil)
	}))
	r.Get(path, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		f := prm.Filter{
			LegalEntityID: q.id("legal_entity_id"), DivisionID: q.id("division_id"), EDRPOU: registry.EDRPOU(q.text("edrpou")),
			Type: q.text("type"), Status: q.text("status"), Speciality: q.text("speciality"),
			Page: q.number("page", 1), Size: q.number("page_size", prm.DefaultPageSize),
		}
		if err := q.done(); err != nil {
			return err
		}
		list, total, err := many(r.Context(), c, f)
		if err != nil {
			return err
		}
		views := make([]any, len(list))
		for i, v := range list {
			views[i] = view(v)
		}
		return p.list(w, r, views, query.Paging{Number: f.Page, Size: f.Size, TotalEntries: total, TotalPages: (total + f.Size - 1) / f.Size})
	}))
}
