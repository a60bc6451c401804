package portal

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/personlife"
	"mist/registry/query"
)

// RegisterRoom takes lists of deaths and frauds; *personlife.Service is one.
type RegisterRoom interface {
	ProposeRegister(ctx context.Context, c registry.Caller, kind string, file []byte, reason string) (personlife.Register, error)
	AgreeRegister(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error)
	DeclineRegister(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error)
	GetRegister(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error)
	Registers(ctx context.Context, c registry.Caller, after registry.ID) ([]personlife.Register, error)
	RegisterLines(ctx context.Context, c registry.Caller, id registry.ID, status string, after int) ([]personlife.RegisterLine, error)
}

type registerView struct {
	ID         registry.ID               `json:"id"`
	Type       string                    `json:"type"`
	Status     personlife.RegisterStatus `json:"status"`
	Reason     string                    `json:"reason_description"`
	File       string                    `json:"file_sha256"`
	Quantity   map[string]int            `json:"qty"`
	ProposedBy registry.ID               `json:"proposed_by"`
	ApprovedBy registry.ID               `json:"approved_by,omitzero"`
	InsertedAt string                    `json:"inserted_at"`
	UpdatedAt  string                    `json:"updated_at"`
}

func viewRegister(r personlife.Register) registerView {
	quantity := map[string]int{personlife.LineMatched: 0, personlife.LineNotFound: 0, personlife.LineProcessed: 0, personlife.LineError: 0}
	for status, n := range r.Lines {
		quantity[status] = n
	}
	return registerView{r.ID, r.Type, r.Status, r.Reason, hex.EncodeToString(r.File[:]), quantity, r.ProposedBy, r.ApprovedBy, stamp(r.InsertedAt), stamp(r.UpdatedAt)}
}

type registerLineView struct {
	Line     int         `json:"line"`
	Status   string      `json:"status"`
	PersonID registry.ID `json:"person_id,omitzero"`
	Error    string      `json:"error,omitempty"`
}

// Registers are the places of lists of deaths and frauds.
func Registers(s RegisterRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/registers"
		r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			o, _, err := readObject(r, p.limits.Body, false)
			if err != nil {
				return err
			}
			f := o.fields()
			kind := f.text("type", true)
			reason := f.text("reason_description", true)
			file, err := decodeBase64(f.text("file", true))
			if err != nil {
				f.wrong("file", "invalid", "Not a base64 string")
			}
			if err := f.done(); err != nil {
				return err
			}
			one, err := s.ProposeRegister(r.Context(), c, kind, file, reason)
			if err != nil {
				return err
			}
			w.Header().Set("Location", p.base+all+"/"+one.ID.String())
			return p.answer(w, r, http.StatusCreated, viewRegister(one), nil)
		}))
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			after := q.id("after")
			if err := q.done(); err != nil {
				return err
			}
			list, err := s.Registers(r.Context(), c, after)
			if err != nil {
				return err
			}
			views := make([]registerView, len(list))
			for i, one := range list {
				views[i] = viewRegister(one)
			}
			more := len(list) == personlife.PageSize
			return p.list(w, r, views, query.Paging{Size: personlife.PageSize, HasMore: &more})
		}))
		r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			one, err := s.GetRegister(r.Context(), c, id)
			return p.changed(w, r, viewRegister(one), err)
		}))
		r.Get(all+"/{id}/entries", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			status, after := q.text("status"), q.number("after", 0)
			if err := q.done(); err != nil {
				return err
			}
			list, err := s.RegisterLines(r.Context(), c, id, status, after)
			if err != nil {
				return err
			}
			views := make([]registerLineView, len(list))
			for i, l := range list {
				views[i] = registerLineView{l.Line, l.Status, l.PersonID, l.Error}
			}
			more := len(list) == personlife.PageSize
			return p.list(w, r, views, query.Paging{Size: personlife.PageSize, HasMore: &more})
		}))
		for action, do := range map[string]func(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error){
			"approve": func(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error) {
				return s.AgreeRegister(ctx, c, id)
			},
			"decline": func(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Register, error) {
				return s.DeclineRegister(ctx, c, id)
			},
		} {
			r.Patch(all+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				if err := p.nothing(r); err != nil {
					return err
				}
				one, err := do(r.Context(), c, id)
				return p.changed(w, r, viewRegister(one), err)
			}))
		}
	})
}
