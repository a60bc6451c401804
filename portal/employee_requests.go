package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// EmployeeRequestRoom invites people; *employeerequest.Service is one.
type EmployeeRequestRoom interface {
	Create(ctx context.Context, c registry.Caller, container []byte) (prm.EmployeeRequest, audit.Receipt, error)
	Resend(ctx context.Context, c registry.Caller, id registry.ID) (prm.EmployeeRequest, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (prm.EmployeeRequest, error)
	List(ctx context.Context, c registry.Caller, f prm.Filter) ([]prm.EmployeeRequest, int, error)
	Approve(ctx context.Context, c registry.Caller, id registry.ID, token string) (prm.Employee, error)
	Reject(ctx context.Context, c registry.Caller, id registry.ID, token string) (prm.EmployeeRequest, error)
}

type employeeRequestView struct {
	ID            registry.ID     `json:"id"`
	LegalEntityID registry.ID     `json:"legal_entity_id"`
	DivisionID    registry.ID     `json:"division_id,omitzero"`
	EmployeeID    registry.ID     `json:"employee_id,omitzero"`
	EmployeeType  string          `json:"employee_type"`
	Position      string          `json:"position"`
	StartDate     registry.Date   `json:"start_date"`
	Status        string          `json:"status"`
	Party         *prm.PartyInput `json:"party,omitempty"`
	Additional    *prm.Additional `json:"additional,omitempty"`
	InsertedAt    string          `json:"inserted_at"`
	UpdatedAt     string          `json:"updated_at"`
	ExpiresAt     string          `json:"expires_at"`
}

// viewRequestLine shows a request in a list and after an action: without the person.
func viewRequestLine(q prm.EmployeeRequest) any { return requestLine(q) }

func requestLine(q prm.EmployeeRequest) employeeRequestView {
	return employeeRequestView{ID: q.ID, LegalEntityID: q.LegalEntityID, DivisionID: q.DivisionID, EmployeeID: q.EmployeeID,
		EmployeeType: q.Body.EmployeeType, Position: q.Body.Position, StartDate: q.Body.StartDate, Status: q.Status,
		InsertedAt: stamp(q.InsertedAt), UpdatedAt: stamp(q.UpdatedAt), ExpiresAt: stamp(q.ExpiresAt)}
}

func viewEmployeeRequest(q prm.EmployeeRequest) any {
	v := requestLine(q)
	v.Party, v.Additional = &q.Body.Party, &q.Body.Additional
	return v
}

// EmployeeRequests are the places of invitations.
func EmployeeRequests(s EmployeeRequestRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/employee_requests"
		r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			b, err := p.container(r, "signed_content")
			if err != nil {
				return err
			}
			q, receipt, err := s.Create(r.Context(), c, b)
			if err != nil {
				return err
			}
			w.Header().Set("Location", p.base+all+"/"+q.ID.String())
			return p.answer(w, r, http.StatusCreated, viewRequestLine(q), &urgent{Receipt: &receipt})
		}))
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := prm.Filter{LegalEntityID: q.id("legal_entity_id"), Status: q.text("status"), Type: q.text("employee_type"),
				Page: q.number("page", 1), Size: q.number("page_size", prm.DefaultPageSize)}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := s.List(r.Context(), c, f)
			if err != nil {
				return err
			}
			return pages(p, w, r, list, viewRequestLine, f.Page, f.Size, total)
		}))
		r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			q, err := s.Get(r.Context(), c, id)
			return p.changed(w, r, viewEmployeeRequest(q), err)
		}))
		r.Patch(all+"/{id}/actions/resend_invitation", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			if err := p.nothing(r); err != nil {
				return err
			}
			q, err := s.Resend(r.Context(), c, id)
			return p.changed(w, r, viewRequestLine(q), err)
		}))
		r.Patch(all+"/{id}/actions/approve", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			token, err := p.words(r, "invitation_token")
			if err != nil {
				return err
			}
			e, err := s.Approve(r.Context(), c, id, token)
			return p.changed(w, r, viewEmployee(e), err)
		}))
		r.Patch(all+"/{id}/actions/reject", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			token, err := p.words(r, "invitation_token")
			if err != nil {
				return err
			}
			q, err := s.Reject(r.Context(), c, id, token)
			return p.changed(w, r, viewRequestLine(q), err)
		}))
	})
}

// BlackListRoom bars people; *prm.BlackList is one.
type BlackListRoom interface {
	Add(ctx context.Context, c registry.Caller, body []byte) (prm.BlackListed, error)
	Remove(ctx context.Context, c registry.Caller, id registry.ID) (prm.BlackListed, error)
	List(ctx context.Context, c registry.Caller, f prm.Filter) ([]prm.BlackListed, int, error)
}

// viewBlackListed masks the tax number: who bars somebody knows it.
func viewBlackListed(b prm.BlackListed) any {
	return map[string]any{"id": b.ID, "tax_id": registry.Mask(b.TaxID), "reason": b.Reason, "is_active": b.Active, "inserted_at": stamp(b.InsertedAt), "updated_at": stamp(b.UpdatedAt)}
}

// BlackList is the place of the NHSU's black list.
func BlackList(s BlackListRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/black_list_users"
		r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			b, err := s.Add(r.Context(), c, body)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusCreated, viewBlackListed(b), nil)
		}))
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := prm.Filter{Page: q.number("page", 1), Size: q.number("page_size", prm.DefaultPageSize)}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := s.List(r.Context(), c, f)
			if err != nil {
				return err
			}
			return pages(p, w, r, list, viewBlackListed, f.Page, f.Size, total)
		}))
		r.Patch(all+"/{id}/actions/deactivate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			if err := p.nothing(r); err != nil {
				return err
			}
			b, err := s.Remove(r.Context(), c, id)
			return p.changed(w, r, viewBlackListed(b), err)
		}))
	})
}
