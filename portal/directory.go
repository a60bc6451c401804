package portal

import (
	"context"
	"encoding/csv"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/directory"
	"mist/registry/query"
)

// DirectoryRoom is what everybody may know of providers; *directory.Service is one.
type DirectoryRoom interface {
	Index(ctx context.Context) (*directory.Index, error)
	Hide(ctx context.Context, c registry.Caller, id registry.ID, hidden bool, reason string) error
}

const directoryPath = "/api/v3/directory"

// Directory is the public directory, without a token, and the NHSU's decision
// to hide a clinic from it.
func Directory(s DirectoryRoom) Room {
	return room(func(p *portal, r chi.Router) {
		publicList(p, r, s, directoryPath+"/doctors", (*directory.Index).FindDoctors)
		publicList(p, r, s, directoryPath+"/divisions", (*directory.Index).FindPlaces)
		publicList(p, r, s, directoryPath+"/legal_entities", (*directory.Index).FindProviders)
		r.Get(directoryPath+"/doctors.csv", p.open(func(w http.ResponseWriter, r *http.Request) error { return p.doctorsCSV(w, r, s) }))
		r.Get(directoryPath+"/doctors/{id}", p.open(func(w http.ResponseWriter, r *http.Request) error {
			id, err := registry.ParseID(chi.URLParam(r, "id"))
			if err != nil {
				return registry.Invalid(registry.FieldError{Entry: "$.id", EntryType: "request", Rule: "format", Description: "expected a UUID in the path"})
			}
			x, err := s.Index(r.Context())
			if err != nil {
				return err
			}
			d, place, provider, found := x.Doctor(id)
			if !found {
				return registry.Errorf(registry.CodeNotFound, "not found")
			}
			w.Header().Set("Cache-Control", publicFor)
			return p.answer(w, r, http.StatusOK, map[string]any{"doctor": d, "division": place, "legal_entity": provider, "read_at": stamp(x.At)}, nil)
		}))
		for action, hidden := range map[string]bool{"hide": true, "show": false} {
			r.Patch("/api/v3/legal_entities/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				reason, err := p.words(r, "reason")
				if err != nil {
					return err
				}
				err = s.Hide(r.Context(), c, id, hidden, reason)
				return p.changed(w, r, map[string]any{"id": id, "hidden": hidden}, err)
			}))
		}
	})
}

// directoryQuery reads what is searched for.
func directoryQuery(r *http.Request) (directory.Query, error) {
	q, err := queryOf(r)
	if err != nil {
		return directory.Query{}, err
	}
	d := directory.Query{
		Name: q.text("name"), Place: q.text("place"), Speciality: q.text("speciality"), Patient: q.text("patient"),
		LegalEntityID: q.id("legal_entity_id"), DivisionID: q.id("division_id"), Page: q.number("page", 1), Size: q.number("page_size", directory.DefaultSize),
	}
	switch free := q.text("only_free"); free {
	case "", "false":
	case "true":
		d.OnlyFree = true
	default:
		q.wrong("only_free", "cast", "expected true or false")
	}
	return d, q.done()
}

// publicList serves one kind of the directory. Its date is that of the reading.
func publicList[T any](p *portal, r chi.Router, s DirectoryRoom, path string, find func(*directory.Index, directory.Query) ([]T, int, error)) {
	r.Get(path, p.open(func(w http.ResponseWriter, r *http.Request) error {
		q, err := directoryQuery(r)
		if err != nil {
			return err
		}
		x, err := s.Index(r.Context())
		if err != nil {
			return err
		}
		list, total, err := find(x, q)
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", publicFor)
		w.Header().Set("Last-Modified", x.At.Format(http.TimeFormat))
		return p.list(w, r, list, query.Paging{Number: q.Page, Size: q.Size, TotalEntries: total, TotalPages: (total + q.Size - 1) / q.Size})
	}))
}

// doctorsCSV writes a page of doctors as RFC 4180, with a header.
func (p *portal) doctorsCSV(w http.ResponseWriter, r *http.Request, s DirectoryRoom) error {
	q, err := directoryQuery(r)
	if err != nil {
		return err
	}
	x, err := s.Index(r.Context())
	if err != nil {
		return err
	}
	list, _, err := x.FindDoctors(q)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", publicFor)
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="doctors.csv"`)
	out := csv.NewWriter(w)
	rows := [][]string{{"id", "last_name", "first_name", "second_name", "speciality", "accepting", "free_places", "legal_entity_name", "division_name", "address"}}
	for _, d := range list {
		rows = append(rows, []string{d.ID.String(), plainCell(d.LastName), plainCell(d.FirstName), plainCell(d.SecondName), d.Speciality, string(d.Accepting), strconv.Itoa(d.FreePlaces),
			plainCell(d.Provider), plainCell(d.Division), plainCell(d.Address)})
	}
	if err := out.WriteAll(rows); err != nil {
		p.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}

// plainCell keeps a spreadsheet from taking a name for a formula.
func plainCell(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}
