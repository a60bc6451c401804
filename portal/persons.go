package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/query"
)

// PersonReads tells of persons; *query.Persons is one.
type PersonReads interface {
	Person(ctx context.Context, c registry.Caller, id registry.ID) (query.PersonView, error)
	Own(ctx context.Context, c registry.Caller) (query.PersonView, error)
}

// PersonSearch is the search protocol of the index; *patient.Search is one.
type PersonSearch interface {
	Find(ctx context.Context, c registry.Caller, q patient.Criteria) (patient.Found, error)
	Answer(ctx context.Context, c registry.Caller, token, answer string) (patient.Found, error)
}

const personsPath = "/api/v3/persons"

func (p *portal) personRoutes(r chi.Router, reads PersonReads, search PersonSearch) {
	r.Get(personsPath+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
		v, err := reads.Person(r.Context(), c, id)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, v, nil)
	}))
	r.Get("/api/pis/person", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		v, err := reads.Own(r.Context(), c)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, v, nil)
	}))
	// A search is POST, so that what is searched for stands in no URL.
	r.Post(personsPath+"/search", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		o, _, err := readObject(r, p.limits.SmallBody, false)
		if err != nil {
			return err
		}
		found, err := searchOf(r.Context(), c, o, search)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, found, nil)
	}))
}

// searchOf reads one of the two forms: criteria, or the answer to a question.
func searchOf(ctx context.Context, c registry.Caller, o object, search PersonSearch) (patient.Found, error) {
	f := o.fields()
	if _, answering := o["search_token"]; answering {
		token, answer := f.text("search_token", true), f.text("answer", true)
		if err := f.done(); err != nil {
			return patient.Found{}, err
		}
		return search.Answer(ctx, c, token, answer)
	}
	q := patient.Criteria{
		Purpose: f.text("purpose", false), LastName: f.text("last_name", false), FirstName: f.text("first_name", false),
		SecondName: f.text("second_name", false), BirthDate: f.date("birth_date"), TaxID: registry.RNOKPP(f.text("tax_id", false)),
		UNZR: registry.UNZR(f.text("unzr", false)), Phone: f.text("phone_number", false),
	}
	if document, given := f.member("document"); given {
		q.DocumentType, q.DocumentNumber = document.text("type", true), document.text("number", true)
		f.join("document", document)
	}
	if err := f.done(); err != nil {
		return patient.Found{}, err
	}
	return search.Find(ctx, c, q)
}
