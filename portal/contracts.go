package portal

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/audit"
	capitation "mist/registry/contract"
	"mist/registry/prm"
	"mist/registry/query"
)

// ContractRoom leads requests and contracts; *capitation.Service is one.
type ContractRoom interface {
	Draft(ctx context.Context, c registry.Caller) (capitation.Draft, error)
	Create(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Request, audit.Receipt, error)
	Documents(ctx context.Context, c registry.Caller, id registry.ID) ([]capitation.Document, error)
	DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID, action string) ([]byte, error)
	Printout(ctx context.Context, c registry.Caller, id registry.ID) (string, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (capitation.Request, error)
	List(ctx context.Context, c registry.Caller, f prm.Filter) ([]capitation.Request, int, error)
	Assign(ctx context.Context, c registry.Caller, id, employee registry.ID) (capitation.Request, error)
	Update(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (capitation.Request, error)
	Approve(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Request, audit.Receipt, error)
	ApproveMSP(ctx context.Context, c registry.Caller, id registry.ID) (capitation.Request, error)
	Decline(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Request, audit.Receipt, error)
	Terminate(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Request, error)
	SignNHS(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Signed, audit.Receipt, error)
	SignMSP(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Signed, audit.Receipt, error)
	Contract(ctx context.Context, c registry.Caller, id registry.ID) (capitation.Contract, error)
	Contracts(ctx context.Context, c registry.Caller, f prm.Filter) ([]capitation.Contract, int, error)
	Employees(ctx context.Context, c registry.Caller, id registry.ID, ended bool) ([]capitation.ContractEmployee, error)
	ChangeEmployee(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Contract, audit.Receipt, error)
	Prolongate(ctx context.Context, c registry.Caller, id registry.ID, end registry.Date) (capitation.Contract, error)
	Suspend(ctx context.Context, c registry.Caller, id registry.ID, suspended bool, reason string) (capitation.Contract, error)
	End(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Contract, error)
}

type contractRequestView struct {
	ID           registry.ID       `json:"id"`
	Status       capitation.Status `json:"status"`
	StatusReason string            `json:"status_reason,omitempty"`
	capitation.Body
	DataToBeSigned json.RawMessage `json:"data_to_be_signed,omitempty"`
	InsertedAt     string          `json:"inserted_at"`
	UpdatedAt      string          `json:"updated_at"`
}

func viewContractRequest(q capitation.Request) any {
	return contractRequestView{q.ID, q.Status, q.StatusReason, q.Body, json.RawMessage(q.Document), stamp(q.InsertedAt), stamp(q.UpdatedAt)}
}

type contractView struct {
	ID           registry.ID   `json:"id"`
	Number       string        `json:"contract_number"`
	RequestID    registry.ID   `json:"contract_request_id"`
	LegalEntity  registry.ID   `json:"contractor_legal_entity_id"`
	Status       string        `json:"status"`
	StatusReason string        `json:"status_reason,omitempty"`
	IsSuspended  bool          `json:"is_suspended"`
	ParentID     registry.ID   `json:"parent_contract_id,omitzero"`
	StartDate    registry.Date `json:"start_date"`
	EndDate      registry.Date `json:"end_date"`
	capitation.Body
	InsertedAt string `json:"inserted_at"`
	UpdatedAt  string `json:"updated_at"`
}

func viewContract(k capitation.Contract) any {
	return contractView{k.ID, k.Number, k.RequestID, k.LegalEntityID, k.Status, k.StatusReason, k.Suspended, k.ParentID, k.StartDate, k.EndDate, k.Body, stamp(k.InsertedAt), stamp(k.UpdatedAt)}
}

// Contracts are the places of capitation contracts and their requests.
func Contracts(s ContractRoom) Room {
	return room(func(p *portal, r chi.Router) {
		contractRequestRoutes(p, r, s)
		const all = "/api/v3/contracts/capitation"
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			f, err := contractFilter(r)
			if err != nil {
				return err
			}
			list, total, err := s.Contracts(r.Context(), c, f)
			if err != nil {
				return err
			}
			return pages(p, w, r, list, viewContract, f.Page, f.Size, total)
		}))
		r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			k, err := s.Contract(r.Context(), c, id)
			return p.changed(w, r, viewContract(k), err)
		}))
		r.Get(all+"/{id}/employees", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			active := q.text("is_active")
			if err := q.done(); err != nil {
				return err
			}
			list, err := s.Employees(r.Context(), c, id, active == "false")
			if err != nil {
				return err
			}
			n := len(list)
			return p.list(w, r, some(list), query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1})
		}))
		r.Patch(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := p.container(r, "signed_content")
			if err != nil {
				return err
			}
			k, receipt, err := s.ChangeEmployee(r.Context(), c, id, b)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, viewContract(k), &urgent{Receipt: &receipt})
		}))
		r.Patch(all+"/{id}/actions/prolongate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			f := o.fields()
			end := f.date("end_date")
			if err := f.done(); err != nil {
				return err
			}
			k, err := s.Prolongate(r.Context(), c, id, end)
			return p.changed(w, r, viewContract(k), err)
		}))
		for action, do := range map[string]func(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Contract, error){
			"suspend": func(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Contract, error) {
				return s.Suspend(ctx, c, id, true, reason)
			},
			"resume": func(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Contract, error) {
				return s.Suspend(ctx, c, id, false, reason)
			},
			"terminate": func(ctx context.Context, c registry.Caller, id registry.ID, reason string) (capitation.Contract, error) {
				return s.End(ctx, c, id, reason)
			},
		} {
			r.Patch(all+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				reason, err := p.words(r, "status_reason")
				if err != nil {
					return err
				}
				k, err := do(r.Context(), c, id, reason)
				return p.changed(w, r, viewContract(k), err)
			}))
		}
	})
}

func contractFilter(r *http.Request) (prm.Filter, error) {
	q, err := queryOf(r)
	if err != nil {
		return prm.Filter{}, err
	}
	f := prm.Filter{LegalEntityID: q.id("contractor_legal_entity_id"), Status: q.text("status"),
		Page: q.number("page", 1), Size: q.number("page_size", prm.DefaultPageSize)}
	return f, q.done()
}

func contractRequestRoutes(p *portal, r chi.Router, s ContractRoom) {
	const all = "/api/v3/contract_requests/capitation"
	r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		if err := p.nothing(r); err != nil {
			return err
		}
		d, err := s.Draft(r.Context(), c)
		if err != nil {
			return err
		}
		links := make([]documentUpload, len(d.Documents))
		for i, one := range d.Documents {
			links[i] = documentUpload{one.Type, p.documentLink(http.MethodPut, one.ID), false}
		}
		w.Header().Set("Location", p.base+all+"/"+d.ID.String())
		return p.answer(w, r, http.StatusCreated, map[string]registry.ID{"id": d.ID}, &urgent{Documents: links})
	}))
	r.Post(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		b, err := p.container(r, "signed_content")
		if err != nil {
			return err
		}
		q, receipt, err := s.Create(r.Context(), c, id, b)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusCreated, viewContractRequest(q), &urgent{Receipt: &receipt})
	}))
	r.Get(all+"/{id}/documents", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		list, err := s.Documents(r.Context(), c, id)
		if err != nil {
			return err
		}
		views := make([]documentView, len(list))
		for i, d := range list {
			views[i] = documentView{Type: d.Type}
			if d.Uploaded() {
				views[i] = documentView{d.Type, p.documentLink(http.MethodGet, d.ID), capitation.PDFType, d.Size, hex.EncodeToString(d.Digest[:]), stamp(d.UploadedAt)}
			}
		}
		return p.list(w, r, views, query.Paging{Number: 1, Size: max(len(views), 1), TotalEntries: len(views), TotalPages: 1})
	}))
	r.Get(all+"/{id}/printout_content", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		text, err := s.Printout(r.Context(), c, id)
		return p.changed(w, r, map[string]string{"id": id.String(), "printout_content": text}, err)
	}))
	r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		f, err := contractFilter(r)
		if err != nil {
			return err
		}
		list, total, err := s.List(r.Context(), c, f)
		if err != nil {
			return err
		}
		return pages(p, w, r, list, viewContractRequest, f.Page, f.Size, total)
	}))
	r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		q, err := s.Get(r.Context(), c, id)
		return p.changed(w, r, viewContractRequest(q), err)
	}))
	r.Get(all+"/{id}/data_to_be_signed", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		q, err := queryOf(r)
		if err != nil {
			return err
		}
		action := q.text("action")
		if err := q.done(); err != nil {
			return err
		}
		if action == "" {
			action = "sign"
		}
		b, err := s.DataToBeSigned(r.Context(), c, id, action)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", mediaJSON)
		w.WriteHeader(http.StatusOK)
		if _, err := w.Write(b); err != nil {
			p.log.Debug("client went away", "cause", err.Error())
		}
		return nil
	}))
	r.Patch(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		body, err := p.raw(r)
		if err != nil {
			return err
		}
		q, err := s.Update(r.Context(), c, id, body)
		return p.changed(w, r, viewContractRequest(q), err)
	}))
	r.Patch(all+"/{id}/actions/assign", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		employee := f.id("employee_id")
		if err := f.done(); err != nil {
			return err
		}
		q, err := s.Assign(r.Context(), c, id, employee)
		return p.changed(w, r, viewContractRequest(q), err)
	}))
	r.Patch(all+"/{id}/actions/approve_msp", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		if err := p.nothing(r); err != nil {
			return err
		}
		q, err := s.ApproveMSP(r.Context(), c, id)
		return p.changed(w, r, viewContractRequest(q), err)
	}))
	r.Patch(all+"/{id}/actions/terminate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		reason, err := p.words(r, "status_reason")
		if err != nil {
			return err
		}
		q, err := s.Terminate(r.Context(), c, id, reason)
		return p.changed(w, r, viewContractRequest(q), err)
	}))
	for action, do := range map[string]contractStep{
		"approve": func(ctx context.Context, c registry.Caller, id registry.ID, b []byte) (capitation.Request, audit.Receipt, error) {
			return s.Approve(ctx, c, id, b)
		},
		"decline": func(ctx context.Context, c registry.Caller, id registry.ID, b []byte) (capitation.Request, audit.Receipt, error) {
			return s.Decline(ctx, c, id, b)
		},
		"sign_nhs": func(ctx context.Context, c registry.Caller, id registry.ID, b []byte) (capitation.Request, audit.Receipt, error) {
			out, receipt, err := s.SignNHS(ctx, c, id, b)
			return out.Request, receipt, err
		},
		"sign_msp": func(ctx context.Context, c registry.Caller, id registry.ID, b []byte) (capitation.Request, audit.Receipt, error) {
			out, receipt, err := s.SignMSP(ctx, c, id, b)
			return out.Request, receipt, err
		},
	} {
		r.Patch(all+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := p.container(r, "signed_content")
			if err != nil {
				return err
			}
			q, receipt, err := do(r.Context(), c, id, b)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, viewContractRequest(q), &urgent{Receipt: &receipt})
		}))
	}
}

// contractStep is a step of a request that somebody signs.
type contractStep func(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (capitation.Request, audit.Receipt, error)
