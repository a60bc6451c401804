// Package doctors is the public directory as pages: a doctor near the reader
// who takes patients. It needs no login, sets no cookie, works without
// JavaScript and tells no more than the directory's JSON does.
package doctors

import (
	"context"
	"embed"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/directory"
	"mist/registry/prm"
)

//go:embed templates text
var files embed.FS

// Source gives the directory; *directory.Service is one.
type Source interface {
	Index(ctx context.Context) (*directory.Index, error)
}

// Add puts the pages into the kit.
func Add(kit *web.Kit, source Source) error {
	room, err := kit.Room("doctors", files)
	if err != nil {
		return err
	}
	p := pages{source: source}
	room.Section("/doctors", "doctors.section")
	room.Get("/doctors", p.list)
	room.Get("/doctors/{id}", p.one)
	return nil
}

type pages struct {
	source Source
	memory memory
}

// kept is how long others may keep a page.
const kept = time.Minute

type listData struct {
	Fields  []web.Field
	Free    web.Field
	Found   string
	Doctors []row
	Pager   web.Pager
	At      time.Time
	JSON    string
	CSV     string
	// Wider leads to the same search without its place, when nothing was found.
	Wider   string
	Nearest []row
}

type row struct {
	directory.Doctor
	Href, SpecialityName, Whom string
	Mark                       web.Mark
	Word                       string
	Free                       string
}

func (p *pages) list(w http.ResponseWriter, q *web.Request) error {
	values := q.URL.Query()
	page, err := strconv.Atoi(values.Get("page"))
	if err != nil {
		page = 1
	}
	query := directory.Query{Name: values.Get("name"), Place: values.Get("place"), Speciality: values.Get("speciality"), Patient: values.Get("patient"),
		OnlyFree: values.Get("only_free") == "true", Page: page, Size: directory.DefaultSize}
	x, err := p.source.Index(q.Context())
	if err != nil {
		return err
	}
	return p.memory.serve(w, q, x.At, func(w http.ResponseWriter) error { return found(w, q, x, query) })
}

// found makes the page of a search.
func found(w http.ResponseWriter, q *web.Request, x *directory.Index, query directory.Query) error {
	list, total, err := x.FindDoctors(query)
	if err != nil {
		return err
	}
	values, page := q.URL.Query(), query.Page
	d := listData{At: x.At, Doctors: rows(q, list), Found: q.T("doctors.found", "n", total)}
	d.Fields = []web.Field{
		{Name: "place", Label: q.T("doctors.place"), Value: query.Place, Type: "search", Hint: q.T("doctors.place.hint"), Autocomplete: "address-level2"},
		{Name: "name", Label: q.T("doctors.name"), Value: query.Name, Type: "search"},
		{Name: "speciality", Label: q.T("doctors.speciality"), Value: query.Speciality, Type: "select", Options: specialities(q, x)},
		{Name: "patient", Label: q.T("doctors.patient"), Value: query.Patient, Type: "select", Options: []web.Option{
			{Text: q.T("doctors.any")}, {Value: "adult", Text: q.T("doctors.adult")}, {Value: "child", Text: q.T("doctors.child")}}},
	}
	d.Free = web.Field{Name: "only_free", Label: q.T("doctors.only_free"), Value: "true", Type: "checkbox", Checked: query.OnlyFree}
	d.Pager.Shown = len(list)
	if page > 1 {
		d.Pager.First = q.With("page", "")
	}
	if page*query.Size < total {
		d.Pager.Next = q.With("page", strconv.Itoa(page+1))
	}
	values.Del("page")
	open := url.URL{Path: "/api/v3/directory/doctors", RawQuery: values.Encode()}
	d.JSON = open.String()
	open.Path += ".csv"
	d.CSV = open.String()
	if total == 0 {
		if query.Place != "" {
			d.Wider = q.With("place", "")
		}
		query.Place, query.Name, query.OnlyFree, query.Size = "", "", true, 5
		nearest, _, err := x.FindDoctors(query)
		if err != nil {
			return err
		}
		d.Nearest = rows(q, nearest)
	}
	return q.Render(w, web.Page{Template: "doctors", Title: q.T("doctors.title"), Data: d, MaxAge: kept})
}

func specialities(q *web.Request, x *directory.Index) []web.Option {
	list := []web.Option{{Text: q.T("doctors.any")}}
	for _, code := range x.Specialities() {
		if code != "" {
			list = append(list, web.Option{Value: code, Text: speciality(q, code)})
		}
	}
	return list
}

// speciality names those a family may choose by words, the others by code.
func speciality(q *web.Request, code string) string {
	switch code {
	case "FAMILY_DOCTOR":
		return q.T("speciality.family")
	case "THERAPIST":
		return q.T("speciality.therapist")
	case "PEDIATRICIAN":
		return q.T("speciality.pediatrician")
	}
	return strings.ToLower(strings.ReplaceAll(code, "_", " "))
}

func rows(q *web.Request, list []directory.Doctor) []row {
	out := make([]row, len(list))
	for i, d := range list {
		out[i] = line(q, d)
	}
	return out
}

func line(q *web.Request, d directory.Doctor) row {
	r := row{Doctor: d, Href: q.Path("/doctors/" + d.ID.String()), SpecialityName: speciality(q, d.Speciality)}
	switch {
	case d.Adults && d.Children:
		r.Whom = q.T("doctors.all")
	case d.Adults:
		r.Whom = q.T("doctors.adult")
	default:
		r.Whom = q.T("doctors.child")
	}
	switch d.Accepting {
	case directory.Open:
		r.Mark, r.Word = web.Good, q.T("doctors.open")
		r.Free = q.T("doctors.free.few")
		if d.FreePlaces > 0 {
			r.Free = q.T("doctors.free", "n", d.FreePlaces)
		}
	case directory.Full:
		r.Mark, r.Word = web.Bad, q.T("doctors.full")
	default:
		r.Mark, r.Word = web.None, q.T("doctors.not_announced")
	}
	return r
}

type oneData struct {
	row
	Place    directory.Place
	Provider directory.Provider
	Hours    []hours
	At       time.Time
}

type hours struct{ Day, Times string }

func (p *pages) one(w http.ResponseWriter, q *web.Request) error {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return registry.Errorf(registry.CodeNotFound, "not found")
	}
	x, err := p.source.Index(q.Context())
	if err != nil {
		return err
	}
	d, place, provider, found := x.Doctor(id)
	if !found {
		return registry.Errorf(registry.CodeNotFound, "not found")
	}
	return p.memory.serve(w, q, x.At, func(w http.ResponseWriter) error {
		return q.Render(w, web.Page{Template: "doctor", Title: d.LastName + " " + d.FirstName, MaxAge: kept,
			Data: oneData{line(q, d), place, provider, timetable(q, place.Hours), x.At}})
	})
}

func timetable(q *web.Request, week prm.WorkingHours) []hours {
	var list []hours
	for _, day := range []struct{ code, name string }{
		{"mon", q.T("day.mon")}, {"tue", q.T("day.tue")}, {"wed", q.T("day.wed")}, {"thu", q.T("day.thu")}, {"fri", q.T("day.fri")}, {"sat", q.T("day.sat")}, {"sun", q.T("day.sun")},
	} {
		var spans []string
		for _, span := range week[day.code] {
			spans = append(spans, strings.Join(span, "–"))
		}
		if len(spans) > 0 {
			list = append(list, hours{day.name, strings.Join(spans, ", ")})
		}
	}
	return list
}
