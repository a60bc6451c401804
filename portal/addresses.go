package portal

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/query"
)

// AddressRegister tells of settlements; *address.Service is one.
type AddressRegister interface {
	Settlements(ctx context.Context, f address.Filter) ([]address.Settlement, int, error)
	Settlement(ctx context.Context, id registry.ID) (address.Settlement, error)
	Areas(ctx context.Context) ([]string, error)
	Regions(ctx context.Context, area string) ([]string, error)
	Streets(ctx context.Context, f address.StreetFilter) ([]address.Street, int, error)
}

// Addresses are the places of the register of settlements; public.
func Addresses(s AddressRegister) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/uaddresses"
		names := func(w http.ResponseWriter, r *http.Request, list []string) error {
			views := make([]map[string]string, len(list))
			for i, name := range list {
				views[i] = map[string]string{"name": name}
			}
			return p.list(w, r, views, query.Paging{Number: 1, Size: max(len(list), 1), TotalEntries: len(list), TotalPages: 1})
		}
		r.Get(all+"/areas", p.public(func(w http.ResponseWriter, r *http.Request) error {
			list, err := s.Areas(r.Context())
			if err != nil {
				return err
			}
			return names(w, r, list)
		}))
		r.Get(all+"/regions", p.public(func(w http.ResponseWriter, r *http.Request) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			area := q.text("area")
			if err := q.done(); err != nil {
				return err
			}
			list, err := s.Regions(r.Context(), area)
			if err != nil {
				return err
			}
			return names(w, r, list)
		}))
		r.Get(all+"/settlements", p.public(func(w http.ResponseWriter, r *http.Request) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := address.Filter{Name: q.text("name"), Area: q.text("area"), Region: q.text("region"), Type: q.text("type"), KATOTTG: q.text("katottg"), KOATUU: q.text("koatuu"),
				Page: q.number("page", 1), Size: q.number("page_size", 50)}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := s.Settlements(r.Context(), f)
			if err != nil {
				return err
			}
			return pages(p, w, r, list, func(s address.Settlement) any { return s }, f.Page, f.Size, total)
		}))
		r.Get(all+"/streets", p.public(func(w http.ResponseWriter, r *http.Request) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			f := address.StreetFilter{SettlementID: q.id("settlement_id"), Type: q.text("type"), Name: q.text("name"), Page: q.number("page", 1), Size: q.number("page_size", 50)}
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := s.Streets(r.Context(), f)
			if err != nil {
				return err
			}
			return pages(p, w, r, list, func(s address.Street) any { return s }, f.Page, f.Size, total)
		}))
		r.Get(all+"/settlements/{id}", p.public(func(w http.ResponseWriter, r *http.Request) error {
			id, err := registry.ParseID(chi.URLParam(r, "id"))
			if err != nil {
				return registry.Errorf(registry.CodeNotFound, "not found")
			}
			one, err := s.Settlement(r.Context(), id)
			return p.changed(w, r, one, err)
		}))
	})
}
