package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/query"
)

// DictionaryRoom tells and changes code lists; *dictionary.Service is one.
type DictionaryRoom interface {
	Snapshot(ctx context.Context) (*dictionary.Snapshot, error)
	Change(ctx context.Context, c registry.Caller, name string, body []byte) (dictionary.Dictionary, error)
	SetParameters(ctx context.Context, c registry.Caller, body []byte) (map[string]string, error)
}

// publicFor is how long others may keep a public answer.
const publicFor = "public, max-age=60"

// Dictionaries are the places of code lists and global parameters. Reads are
// public.
func Dictionaries(s DictionaryRoom) Room {
	return room(func(p *portal, r chi.Router) {
		r.Get("/api/v3/dictionaries", p.open(func(w http.ResponseWriter, r *http.Request) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			name := q.text("name")
			if err := q.done(); err != nil {
				return err
			}
			snapshot, err := s.Snapshot(r.Context())
			if err != nil {
				return err
			}
			list := snapshot.Lists
			if name != "" {
				list = []dictionary.Dictionary{}
				if d, ok := snapshot.Dictionary(name); ok {
					list = append(list, d)
				}
			}
			w.Header().Set("Cache-Control", publicFor)
			n := len(list)
			return p.list(w, r, list, query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1})
		}))
		r.Get("/api/v3/dictionaries/values", p.open(func(w http.ResponseWriter, r *http.Request) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			name, code, text, limit := q.text("name"), q.text("code"), q.text("text"), q.number("limit", dictionary.DefaultFound)
			if err := q.done(); err != nil {
				return err
			}
			snapshot, err := s.Snapshot(r.Context())
			if err != nil {
				return err
			}
			found, err := snapshot.Search(name, code, text, limit)
			if err != nil {
				return err
			}
			w.Header().Set("Cache-Control", publicFor)
			return p.list(w, r, some(found), query.Paging{Number: 1, Size: limit, TotalEntries: len(found), TotalPages: 1})
		}))
		r.Patch("/api/v3/dictionaries", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			name := q.text("name")
			if err := q.done(); err != nil {
				return err
			}
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			d, err := s.Change(r.Context(), c, name, body)
			return p.changed(w, r, d, err)
		}))
		r.Get("/api/v3/global_parameters", p.open(func(w http.ResponseWriter, r *http.Request) error {
			snapshot, err := s.Snapshot(r.Context())
			if err != nil {
				return err
			}
			w.Header().Set("Cache-Control", publicFor)
			return p.answer(w, r, http.StatusOK, snapshot.Parameters, nil)
		}))
		r.Patch("/api/v3/global_parameters", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			body, err := p.raw(r)
			if err != nil {
				return err
			}
			all, err := s.SetParameters(r.Context(), c, body)
			return p.changed(w, r, all, err)
		}))
	})
}
