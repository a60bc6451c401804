package directory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

func sample(doctors int) Data {
	d := Data{}
	names := []string{"Коваленко", "Лукʼяненко", "Їжакевич", "Ґалаґан", "Щербак"}
	towns := []string{"Київ", "Львів", "Зразкове", "Біла Церква"}
	for i := range 4 {
		id := registry.ID{1, byte(i)}
		d.Providers = append(d.Providers, Provider{ID: id, Name: "КНП «" + towns[i] + "»", EDRPOU: fmt.Sprintf("1000000%d", i)})
		d.Places = append(d.Places, Place{ID: registry.ID{2, byte(i)}, LegalEntityID: id, Name: "Амбулаторія", Settlement: towns[i], Address: towns[i] + ", вул. Пісочна, 1"})
	}
	for i := range doctors {
		d.Rows = append(d.Rows, Row{Type: "DOCTOR", Count: i % 3 * 900, Doctor: Doctor{ID: registry.ID{3, byte(i >> 16), byte(i >> 8), byte(i)}, LastName: names[i%5], FirstName: "Олена",
			Speciality: []string{"FAMILY_DOCTOR", "PEDIATRICIAN"}[i%2], DivisionID: registry.ID{2, byte(i % 4)}}})
	}
	return d
}

func TestSearchForgives(t *testing.T) {
	x := newIndex(sample(20), time.Now())
	count := func(q Query) int {
		q.Page, q.Size = 1, 50
		list, total, err := x.FindDoctors(q)
		require.NoError(t, err)
		require.Len(t, list, total)
		return total
	}
	require.Equal(t, 20, count(Query{}))
	for _, place := range []string{"Київ", "київ", "киів", "Kyiv", "kiev", "rbtd", "rb]d", "киев", "КИЇВ Пісочна"} {
		require.Equal(t, 5, count(Query{Place: place}), place)
	}
	for _, name := range []string{"Лук'яненко", "лукяненко", "Лук’ян", "lukianenko", "kerzytyrj"} {
		require.Equal(t, 4, count(Query{Name: name}), name)
	}
	require.Equal(t, 4, count(Query{Name: "їжак"}))
	require.Equal(t, 4, count(Query{Name: "галаган олена"}))
	require.Equal(t, 0, count(Query{Place: "Одеса"}))
	require.Equal(t, 0, count(Query{Speciality: "SURGEON"}))
	require.Equal(t, 10, count(Query{Patient: "adult"}))
	require.Equal(t, 20, count(Query{Patient: "child"}))
	require.Equal(t, 5, count(Query{DivisionID: registry.ID{2, 1}}))
	require.Equal(t, 1, count(Query{Name: "коваленко", Place: "львів"}))
	free := count(Query{OnlyFree: true})
	require.Positive(t, free)
	require.Less(t, free, 20)
	for _, q := range []Query{{Page: 0, Size: 1}, {Page: 1, Size: 0}, {Page: 1, Size: 101}, {Page: 1, Size: 1, Patient: "cat"}, {Page: 1, Size: 1, Name: string(make([]byte, 201))}} {
		_, _, err := x.FindDoctors(q)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
	}
	first, _, err := x.FindDoctors(Query{Page: 1, Size: 7})
	require.NoError(t, err)
	second, _, err := x.FindDoctors(Query{Page: 2, Size: 7})
	require.NoError(t, err)
	require.NotEqual(t, first[6].ID, second[0].ID)
	require.Equal(t, "Ґалаґан", first[0].LastName, "Ukrainian order: ґ stands after г, before й")
	places, total, err := x.FindPlaces(Query{Place: "львів", Page: 1, Size: 5})
	require.NoError(t, err)
	require.Equal(t, 1, total)
	require.Equal(t, "Львів", places[0].Settlement)
	providers, _, err := x.FindProviders(Query{Name: "10000002", Page: 1, Size: 5})
	require.NoError(t, err)
	require.Len(t, providers, 1)
}

// What is told of free places lets nobody count patients.
func TestAnnouncement(t *testing.T) {
	for _, c := range []struct {
		kind, speciality string
		count            int
		want             Accepting
		free             int
	}{
		{"DOCTOR", "FAMILY_DOCTOR", 0, Open, 1800},
		{"DOCTOR", "FAMILY_DOCTOR", 1, Open, 1790},
		{"DOCTOR", "FAMILY_DOCTOR", 1795, Open, 0},
		{"DOCTOR", "FAMILY_DOCTOR", 1800, Full, 0},
		{"DOCTOR", "PEDIATRICIAN", 900, Full, 0},
		{"DOCTOR", "THERAPIST", 1999, Open, 0},
		{"SPECIALIST", "THERAPIST", 0, NotAnnounced, 0},
		{"DOCTOR", "SURGEON", 0, NotAnnounced, 0},
	} {
		d := Row{Doctor: Doctor{Speciality: c.speciality}, Type: c.kind, Count: c.count}.announce()
		require.Equal(t, c.want, d.Accepting, c)
		require.Equal(t, c.free, d.FreePlaces, c)
	}
}

type fakeTx struct {
	data    Data
	hidden  bool
	entries []audit.Entry
	err     error
}

func (f *fakeTx) Directory(context.Context) (Data, error) {
	if f.hidden {
		return Data{}, f.err
	}
	return f.data, f.err
}

func (f *fakeTx) LegalEntity(context.Context, registry.ID) (prm.LegalEntity, error) {
	return prm.LegalEntity{}, nil
}

func (f *fakeTx) SetHidden(_ context.Context, _ registry.ID, hidden bool, _ string) (bool, error) {
	changed := f.hidden != hidden
	f.hidden = hidden
	return changed, nil
}

func (f *fakeTx) Audit(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	f.entries = append(f.entries, e)
	return audit.Receipt{}, nil
}

func (f *fakeTx) View(ctx context.Context, g func(context.Context, Tx) error) error { return g(ctx, f) }
func (f *fakeTx) Update(ctx context.Context, g func(context.Context, Tx) error) error {
	return g(ctx, f)
}

func TestHiddenAtOnceAndLastGoodStands(t *testing.T) {
	f := &fakeTx{data: sample(3)}
	now := time.Now()
	s, err := New(f, registry.Source{Clock: func() time.Time { return now }}, time.Hour)
	require.NoError(t, err)
	x, err := s.Index(t.Context())
	require.NoError(t, err)
	require.Len(t, x.Doctors, 3)
	nhs := registry.Caller{Scopes: []string{ScopeHide}}
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(s.Hide(t.Context(), registry.Caller{}, registry.ID{1}, true, "фронт поруч")))
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(s.Hide(t.Context(), nhs, registry.ID{1}, true, "")))
	require.NoError(t, s.Hide(t.Context(), nhs, registry.ID{1}, true, "фронт поруч"))
	require.Equal(t, registry.CodeConflict, registry.CodeOf(s.Hide(t.Context(), nhs, registry.ID{1}, true, "фронт поруч")))
	require.Equal(t, audit.Kind("directory.hidden"), f.entries[0].Kind)
	x, err = s.Index(t.Context())
	require.NoError(t, err)
	require.Empty(t, x.Doctors)

	f.err = errors.New("down")
	now = now.Add(2 * time.Hour)
	again, err := s.Index(t.Context())
	require.NoError(t, err)
	require.Equal(t, x.At, again.At)
	broken, err := New(&fakeTx{err: errors.New("down")}, registry.Source{Clock: time.Now}, time.Hour)
	require.NoError(t, err)
	_, err = broken.Index(t.Context())
	require.Error(t, err)
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{"Київ", "rb]d", "' OR 1=1", "\xff", "а' б’ в"} {
		f.Add(s, s)
	}
	x := newIndex(sample(70), time.Now())
	f.Fuzz(func(t *testing.T, name, place string) {
		list, total, err := x.FindDoctors(Query{Name: name, Place: place, Page: 1, Size: 100})
		if err == nil {
			require.Len(t, list, total)
		}
	})
}

func BenchmarkFindDoctors(b *testing.B) {
	x := newIndex(sample(30_000), time.Now())
	for b.Loop() {
		if _, _, err := x.FindDoctors(Query{Name: "ков", Place: "львів", OnlyFree: true, Page: 1, Size: 20}); err != nil {
			b.Fatal(err)
		}
	}
}
