package portal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/query"
)

// DeclarationReads tells of declarations; *query.Providers is one.
type DeclarationReads interface {
	Declaration(ctx context.Context, c registry.Caller, id registry.ID) (query.DeclarationDetail, error)
	DeclarationHistory(ctx context.Context, c registry.Caller, id registry.ID) ([]query.StatusLine, error)
	// Documents lists the scans a declaration rests on.
	Documents(ctx context.Context, c registry.Caller, id registry.ID) ([]intake.Document, error)
	Declarations(ctx context.Context, c registry.Caller, f query.DeclarationFilter) (query.DeclarationPage, error)
	SignedContent(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
	Seal(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
}

// DeclarationLife changes declarations after their signature; *declaration.Life is one.
type DeclarationLife interface {
	Verify(ctx context.Context, c registry.Caller, id registry.ID, approve bool, note string) (declaration.Declaration, error)
	Terminate(ctx context.Context, c registry.Caller, t declaration.Termination) (int, error)
}

const declarationsPath = "/api/v3/declarations"

func (p *portal) declarationRoutes(r chi.Router, reads DeclarationReads, life DeclarationLife) {
	one := declarationsPath + "/{id}"
	r.Get(declarationsPath, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		f, err := declarationFilter(r)
		if err != nil {
			return err
		}
		page, err := reads.Declarations(r.Context(), c, f)
		if err != nil {
			return err
		}
		return p.list(w, r, page.Rows, page.Paging)
	}))
	r.Get(one, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		d, err := reads.Declaration(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, d, nil)
	}))
	for name, read := range map[string]func(context.Context, registry.Caller, registry.ID) ([]byte, error){"signed_content": reads.SignedContent, "seal": reads.Seal} {
		r.Get(one+"/"+name, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := read(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.giveContainer(w, id.String()+"."+name+".p7s", b)
		}))
	}
	r.Get(one+"/documents", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		list, err := reads.Documents(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.documents(w, r, list)
	}))
	r.Get(one+"/history", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		lines, err := reads.DeclarationHistory(r.Context(), c, id)
		if err != nil {
			return err
		}
		n := len(lines)
		return p.list(w, r, lines, query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1})
	}))
	for action, approve := range map[string]bool{"approve": true, "reject": false} {
		r.Patch(one+"/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			o, _, err := readObject(r, p.limits.SmallBody, true)
			if err != nil {
				return err
			}
			f := o.fields()
			note := f.text("reason_description", false)
			if err := f.done(); err != nil {
				return err
			}
			d, err := life.Verify(r.Context(), c, id, approve, note)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, d, nil)
		}))
	}
	r.Patch(declarationsPath+"/actions/terminate", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		f := o.fields()
		t := declaration.Termination{PersonID: f.id("person_id"), EmployeeID: f.id("employee_id"), Note: f.text("reason_description", false)}
		if err := f.done(); err != nil {
			return err
		}
		n, err := life.Terminate(r.Context(), c, t)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, map[string]int{"terminated": n}, nil)
	}))
}

func declarationFilter(r *http.Request) (query.DeclarationFilter, error) {
	q, err := queryOf(r)
	if err != nil {
		return query.DeclarationFilter{}, err
	}
	f := query.DeclarationFilter{
		PersonID: q.id("person_id"), EmployeeID: q.id("employee_id"), DivisionID: q.id("division_id"), LegalEntityID: q.id("legal_entity_id"),
		Status:    declaration.Status(q.text("status")),
		StartFrom: q.date("start_date_from"), StartTo: q.date("start_date_to"),
		EndFrom: q.date("end_date_from"), EndTo: q.date("end_date_to"),
		Window: q.window(),
	}
	return f, q.done()
}

// byID is member with the id of the path, read after authentication.
func (p *portal) byID(h func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error) http.HandlerFunc {
	return p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		id, err := registry.ParseID(chi.URLParam(r, "id"))
		if err != nil {
			return registry.Invalid(registry.FieldError{Entry: "$.id", EntryType: "request", Rule: "format", Description: "expected a UUID in the path"})
		}
		return h(w, r, c, id)
	})
}

// giveContainer answers with a signed container; ETag is its SHA-256.
func (p *portal) giveContainer(w http.ResponseWriter, name string, b []byte) error {
	sum := sha256.Sum256(b)
	h := w.Header()
	h.Set("Content-Type", "application/pkcs7-mime")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	h.Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(b); err != nil {
		p.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}
