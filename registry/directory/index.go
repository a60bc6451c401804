package directory

import (
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"time"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"mist/registry"
)

// Index is the directory at one moment; nothing in it changes.
type Index struct {
	// At is when it was read.
	At        time.Time
	Providers []Provider
	Places    []Place
	Doctors   []Doctor

	provider map[registry.ID]int
	place    map[registry.ID]int
	doctor   map[registry.ID]int

	providerWords, placeWords, doctorWords, doctorPlaces words
	open, adults, children                               set
	speciality                                           map[string]set
}

func newIndex(d Data, at time.Time) *Index {
	x := &Index{At: at, Providers: d.Providers, Places: d.Places, provider: map[registry.ID]int{}, place: map[registry.ID]int{}, doctor: map[registry.ID]int{}, speciality: map[string]set{}}
	c := collate.New(language.Ukrainian)
	sort.SliceStable(x.Providers, func(i, j int) bool { return c.CompareString(x.Providers[i].Name, x.Providers[j].Name) < 0 })
	sort.SliceStable(x.Places, func(i, j int) bool { return c.CompareString(x.Places[i].Name, x.Places[j].Name) < 0 })
	for i, p := range x.Providers {
		x.provider[p.ID] = i
		x.providerWords.add(i, p.Name, p.EDRPOU, p.Address)
	}
	for i, p := range x.Places {
		x.place[p.ID] = i
		x.placeWords.add(i, p.Name, p.Settlement, p.Area, p.Address, x.nameOf(p.LegalEntityID))
	}
	for _, r := range d.Rows {
		doctor := r.announce()
		if i, ok := x.place[doctor.DivisionID]; ok {
			p := x.Places[i]
			doctor.Division, doctor.Address, doctor.Settlement, doctor.LegalEntity = p.Name, p.Address, p.Settlement, p.LegalEntityID
			doctor.Provider = x.nameOf(p.LegalEntityID)
			x.Doctors = append(x.Doctors, doctor)
		}
	}
	var key collate.Buffer
	keys := make(map[registry.ID]string, len(x.Doctors))
	for _, doctor := range x.Doctors {
		keys[doctor.ID] = string(c.KeyFromString(&key, doctor.LastName+" "+doctor.FirstName+" "+doctor.SecondName))
		key.Reset()
	}
	slices.SortStableFunc(x.Doctors, func(a, b Doctor) int {
		return cmp.Or(cmp.Compare(keys[a.ID], keys[b.ID]), strings.Compare(a.ID.String(), b.ID.String()))
	})
	n := len(x.Doctors)
	x.open, x.adults, x.children = newSet(n), newSet(n), newSet(n)
	for i, doctor := range x.Doctors {
		x.doctor[doctor.ID] = i
		x.doctorWords.add(i, doctor.LastName, doctor.FirstName, doctor.SecondName)
		area := ""
		if p, ok := x.place[doctor.DivisionID]; ok {
			area = x.Places[p].Area
		}
		x.doctorPlaces.add(i, doctor.Settlement, area, doctor.Address, doctor.Division, doctor.Provider)
		if doctor.Accepting == Open {
			x.open.put(i)
		}
		if doctor.Adults {
			x.adults.put(i)
		}
		if doctor.Children {
			x.children.put(i)
		}
		if x.speciality[doctor.Speciality] == nil {
			x.speciality[doctor.Speciality] = newSet(n)
		}
		x.speciality[doctor.Speciality].put(i)
	}
	for _, w := range []*words{&x.providerWords, &x.placeWords, &x.doctorWords, &x.doctorPlaces} {
		w.sort()
	}
	return x
}

func (x *Index) nameOf(legalEntity registry.ID) string {
	if i, ok := x.provider[legalEntity]; ok {
		return x.Providers[i].Name
	}
	return ""
}

// Specialities lists those somebody has.
func (x *Index) Specialities() []string {
	list := make([]string, 0, len(x.speciality))
	for s := range x.speciality {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// Query chooses doctors; empty members do not narrow.
type Query struct {
	Name, Place   string
	Speciality    string
	Patient       string // adult, child
	OnlyFree      bool
	LegalEntityID registry.ID
	DivisionID    registry.ID
	Page, Size    int
}

// Limits of a page and of what is typed.
const (
	DefaultSize = 20
	MaxSize     = 100
	maxPage     = 10_000
	maxTyped    = 200 // bytes
)

func (q Query) validate() error {
	wrong := func(name, rule, text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$." + name, EntryType: "query_parameter", Rule: rule, Description: text})
	}
	switch {
	case q.Size < 1 || q.Size > MaxSize:
		return wrong("page_size", "number", "must lie between 1 and 100")
	case q.Page < 1 || q.Page > maxPage:
		return wrong("page", "number", "must lie between 1 and 10000")
	case len(q.Name) > maxTyped:
		return wrong("name", "length", "expected at most 200 bytes")
	case len(q.Place) > maxTyped:
		return wrong("place", "length", "expected at most 200 bytes")
	case q.Patient != "" && q.Patient != "adult" && q.Patient != "child":
		return wrong("patient", "inclusion", "value is not allowed in enum: adult, child")
	}
	return nil
}

// FindDoctors gives a page of doctors with the total.
func (x *Index) FindDoctors(q Query) ([]Doctor, int, error) {
	if err := q.validate(); err != nil {
		return nil, 0, err
	}
	found := fullSet(len(x.Doctors))
	x.doctorWords.narrow(found, q.Name)
	x.doctorPlaces.narrow(found, q.Place)
	switch q.Patient {
	case "adult":
		found.and(x.adults)
	case "child":
		found.and(x.children)
	}
	if q.OnlyFree {
		found.and(x.open)
	}
	if q.Speciality != "" {
		found.and(x.speciality[q.Speciality])
	}
	if !q.LegalEntityID.IsZero() || !q.DivisionID.IsZero() {
		found.keep(func(i int) bool {
			d := x.Doctors[i]
			return (q.LegalEntityID.IsZero() || d.LegalEntity == q.LegalEntityID) && (q.DivisionID.IsZero() || d.DivisionID == q.DivisionID)
		})
	}
	list, total := take(found, x.Doctors, q)
	return list, total, nil
}

// FindPlaces gives a page of places by name and place.
func (x *Index) FindPlaces(q Query) ([]Place, int, error) {
	if err := q.validate(); err != nil {
		return nil, 0, err
	}
	found := fullSet(len(x.Places))
	x.placeWords.narrow(found, q.Name)
	x.placeWords.narrow(found, q.Place)
	if !q.LegalEntityID.IsZero() {
		found.keep(func(i int) bool { return x.Places[i].LegalEntityID == q.LegalEntityID })
	}
	list, total := take(found, x.Places, q)
	return list, total, nil
}

// FindProviders gives a page of legal entities by name, code and place.
func (x *Index) FindProviders(q Query) ([]Provider, int, error) {
	if err := q.validate(); err != nil {
		return nil, 0, err
	}
	found := fullSet(len(x.Providers))
	x.providerWords.narrow(found, q.Name)
	x.providerWords.narrow(found, q.Place)
	list, total := take(found, x.Providers, q)
	return list, total, nil
}

// Doctor finds one with the place and the provider.
func (x *Index) Doctor(id registry.ID) (d Doctor, p Place, l Provider, found bool) {
	i, found := x.doctor[id]
	if !found {
		return d, p, l, false
	}
	d = x.Doctors[i]
	if j, ok := x.place[d.DivisionID]; ok {
		p = x.Places[j]
	}
	if j, ok := x.provider[d.LegalEntity]; ok {
		l = x.Providers[j]
	}
	return d, p, l, true
}

func take[T any](found set, all []T, q Query) ([]T, int) {
	total := found.len()
	list := make([]T, 0, min(q.Size, total))
	skip := (q.Page - 1) * q.Size
	found.each(func(i int) bool {
		if skip > 0 {
			skip--
			return true
		}
		list = append(list, all[i])
		return len(list) < q.Size
	})
	return list, total
}

// set is a set of places in a list, one bit each.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func fullSet(n int) set {
	s := newSet(n)
	for i := range s {
		s[i] = ^uint64(0)
	}
	if n%64 != 0 {
		s[len(s)-1] = 1<<(n%64) - 1
	}
	return s
}

func (s set) put(i int) { s[i/64] |= 1 << (i % 64) }

// and keeps what is in both; nil is the empty set.
func (s set) and(o set) {
	for i := range s {
		if o == nil {
			s[i] = 0
		} else {
			s[i] &= o[i]
		}
	}
}

func (s set) len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s set) each(f func(i int) bool) {
	for i, w := range s {
		for w != 0 {
			if !f(i*64 + bits.TrailingZeros64(w)) {
				return
			}
			w &= w - 1
		}
	}
}

func (s set) keep(f func(i int) bool) {
	for i, w := range s {
		for rest := w; rest != 0; rest &= rest - 1 {
			if bit := bits.TrailingZeros64(rest); !f(i*64 + bit) {
				s[i] &^= 1 << bit
			}
		}
	}
}
