package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/query"
)

// CitizenRequests are declaration requests that patients begin; an
// *intake.Service of a kind that patients may begin is one.
type CitizenRequests interface {
	CreateByPatient(ctx context.Context, c registry.Caller, body []byte) (intake.Draft, error)
	GetByPatient(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	RejectByPatient(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	SignByPatient(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (intake.Draft, error)
	PatientSigned(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
}

// CitizenDeclarations are a citizen's own; *declaration.Citizen is one.
type CitizenDeclarations interface {
	List(ctx context.Context, c registry.Caller, f declaration.CitizenFilter) ([]declaration.Declaration, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (declaration.Declaration, string, error)
	SignedContent(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
	Terminate(ctx context.Context, c registry.Caller, id registry.ID, note string) (declaration.Declaration, error)
}

// reference is a bare id: names come from the directory (ЕСОЗ 1.3).
type reference struct {
	ID registry.ID `json:"id"`
}

type citizenDeclaration struct {
	declaration.Declaration
	IsActive          bool      `json:"is_active"`
	ReasonDescription string    `json:"reason_description,omitempty"`
	Person            reference `json:"person"`
	Employee          reference `json:"employee"`
	Division          reference `json:"division"`
	LegalEntity       reference `json:"legal_entity"`
}

func viewCitizenDeclaration(d declaration.Declaration) citizenDeclaration {
	return citizenDeclaration{d, d.Active(), "", reference{d.PersonID}, reference{d.EmployeeID}, reference{d.DivisionID}, reference{d.LegalEntityID}}
}

// OwnChanges take what citizens sign about themselves; an *intake.Submissions is one.
type OwnChanges interface {
	Submit(ctx context.Context, c registry.Caller, container []byte) (intake.Outcome, error)
}

// OwnPerson is the place where citizens change their own record.
func OwnPerson(s OwnChanges) Room {
	return room(func(p *portal, r chi.Router) {
		r.Patch("/api/pis/person", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			container, err := p.container(r, "signed_content")
			if err != nil {
				return err
			}
			out, err := s.Submit(r.Context(), c, container)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, out.Resource, &urgent{Receipt: &out.Receipt})
		}))
	})
}

// PIS are the places of patient information systems (ЕСОЗ 1.3).
func PIS(requests CitizenRequests, declarations CitizenDeclarations) Room {
	return room(func(p *portal, r chi.Router) {
		const asked, held = "/api/pis/declaration_requests", "/api/pis/declarations"
		show := func(w http.ResponseWriter, r *http.Request, status int, d intake.Draft, err error) error {
			if err != nil {
				return err
			}
			data, err := draftView(d)
			if err != nil {
				return err
			}
			return p.answer(w, r, status, data, nil)
		}
		r.Post(asked, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			d, err := requests.CreateByPatient(r.Context(), c, body)
			return show(w, r, http.StatusCreated, d, err)
		}))
		r.Get(asked+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			d, err := requests.GetByPatient(r.Context(), c, id)
			return show(w, r, http.StatusOK, d, err)
		}))
		r.Patch(asked+"/{id}/actions/reject", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err == nil {
				err = o.fields().done()
			}
			if err != nil {
				return err
			}
			d, err := requests.RejectByPatient(r.Context(), c, id)
			return show(w, r, http.StatusOK, d, err)
		}))
		r.Patch(asked+"/{id}/actions/sign", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.Body, false)
			if err != nil {
				return err
			}
			f := o.fields()
			container, err := decodeBase64(f.text("signed_content", true))
			if err != nil {
				f.wrong("signed_content", "invalid", "Not a base64 string")
			}
			if encoding := f.text("signed_content_encoding", true); encoding != "base64" && encoding != "" {
				f.wrong("signed_content_encoding", "inclusion", "value is not allowed in enum", "base64")
			}
			if err := f.done(); err != nil {
				return err
			}
			d, err := requests.SignByPatient(r.Context(), c, id, container)
			return show(w, r, http.StatusOK, d, err)
		}))
		r.Get("/api/v3/declaration_requests/{id}/patient_signed_content", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := requests.PatientSigned(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.giveContainer(w, id.String()+".patient.p7s", b)
		}))
		r.Get(held, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := declaration.CitizenFilter{
				Status:    declaration.Status(q.text("status")),
				StartFrom: q.date("start_date_from"), StartTo: q.date("start_date_to"), EndFrom: q.date("end_date_from"), EndTo: q.date("end_date_to"),
				Page: q.number("page", 1), Size: q.number("page_size", query.DefaultPageSize),
			}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := declarations.List(r.Context(), c, f)
			if err != nil {
				return err
			}
			views := make([]citizenDeclaration, len(list))
			for i, d := range list {
				views[i] = viewCitizenDeclaration(d)
			}
			return p.list(w, r, views, query.Paging{Number: f.Page, Size: f.Size, TotalEntries: total, TotalPages: (total + f.Size - 1) / f.Size})
		}))
		r.Get(held+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			d, note, err := declarations.Get(r.Context(), c, id)
			if err != nil {
				return err
			}
			v := viewCitizenDeclaration(d)
			v.ReasonDescription = note
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
		r.Get(held+"/{id}/signed_content", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := declarations.SignedContent(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.giveContainer(w, id.String()+".p7s", b)
		}))
		r.Patch(held+"/{id}/actions/terminate", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err != nil {
				return err
			}
			f := o.fields()
			note := f.text("reason_description", false)
			if err := f.done(); err != nil {
				return err
			}
			d, err := declarations.Terminate(r.Context(), c, id, note)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, viewCitizenDeclaration(d), nil)
		}))
	})
}
