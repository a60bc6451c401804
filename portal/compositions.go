package portal

import (
	"context"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/record"
)

// Conclusions are medical conclusions; *sickleave.Service is one.
type Conclusions interface {
	Places() record.Places
	PrintForm(ctx context.Context, c registry.Caller, id registry.ID) (string, error)
	SignedContent(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error)
}

// CompositionRequests are the drafts of medical conclusions (ЕСОЗ 2): the
// author alone makes them.
func CompositionRequests(service Intake) Act {
	return Act{Path: "/api/v3/composition_requests", SignedField: "signed_content", Unconfirmed: true, Service: service}
}

// Compositions are the paper and the container of signed conclusions, beside
// the places of their records.
func Compositions(s Conclusions) Room {
	return room(func(p *portal, r chi.Router) {
		places := s.Places()
		for _, path := range []string{places.Path, places.Own} {
			r.Get(path+"/{id}/print_form", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				text, err := s.PrintForm(r.Context(), c, id)
				if err != nil {
					return err
				}
				if strings.HasPrefix(r.Header.Get("Accept"), "text/html") {
					return p.givePaper(w, text)
				}
				return p.answer(w, r, http.StatusOK, map[string]string{"content": text}, nil)
			}))
		}
		r.Get(places.Path+"/{id}/signed_content", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			b, err := s.SignedContent(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.giveContainer(w, id.String()+".signed_content.p7s", b)
		}))
	})
}

// givePaper answers with a printed form: a page that loads nothing and runs
// nothing, with its own style.
func (p *portal) givePaper(w http.ResponseWriter, text string) error {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write([]byte(text)); err != nil {
		p.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}
