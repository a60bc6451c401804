package doctors

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry"
	"mist/registry/directory"
	"mist/registry/prm"
)

func TestTexts(t *testing.T) { webtest.Texts(t, ".", "speciality.", "day.") }

type tx struct {
	directory.Tx
	data directory.Data
}

func (x tx) Directory(context.Context) (directory.Data, error) { return x.data, nil }

func (x tx) View(ctx context.Context, f func(context.Context, directory.Tx) error) error {
	return f(ctx, x)
}

func (x tx) Update(ctx context.Context, f func(context.Context, directory.Tx) error) error {
	return f(ctx, x)
}

func pagesOf(t *testing.T, data directory.Data) http.Handler {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) }
	kit, err := web.New(web.Config{BaseURL: "https://mist.example", Log: slog.New(slog.DiscardHandler), Clock: now})
	require.NoError(t, err)
	source, err := directory.New(tx{data: data}, registry.Source{Clock: now}, time.Second)
	require.NoError(t, err)
	require.NoError(t, Add(kit, source))
	r := chi.NewRouter()
	kit.Routes(r)
	return r
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestPagesShowAndEscape(t *testing.T) {
	const name = `<script>alert(1)</script>`
	clinic := registry.ID{1}
	h := pagesOf(t, directory.Data{
		Providers: []directory.Provider{{ID: clinic, Name: "КНП " + name, EDRPOU: "12345678", Contract: "0000-AAAA-0000"}},
		Places: []directory.Place{{ID: registry.ID{2}, LegalEntityID: clinic, Name: name, Settlement: "Київ", Address: "Київ, 1",
			Phones: []prm.Phone{{Type: "MOBILE", Number: "+380390000001"}}, Hours: prm.WorkingHours{"mon": {{"08:00", "12:00"}}}}},
		Rows: []directory.Row{{Doctor: directory.Doctor{ID: registry.ID{3}, LastName: name, FirstName: "Олена", Speciality: "FAMILY_DOCTOR", DivisionID: registry.ID{2}}, Type: "DOCTOR", Count: 3}},
	})
	list := get(h, "/uk/doctors?place=rbtd")
	require.Equal(t, 200, list.Code)
	body := list.Body.String()
	require.NotContains(t, body, name)
	require.Contains(t, body, "Знайдено 1 лікаря")
	require.Contains(t, body, "Приймає")
	require.Contains(t, body, "1\u00a0790")
	require.NotContains(t, body, "797", "nobody counts patients")
	require.Less(t, len(body), 60_000)
	require.Contains(t, list.Header().Get("Content-Security-Policy"), "default-src 'none'")

	again := get(h, "/uk/doctors?place=rbtd")
	require.Equal(t, body, again.Body.String(), "the same page is made once")
	require.Equal(t, list.Header(), again.Header())
	dark := httptest.NewRequest(http.MethodGet, "/uk/doctors?place=rbtd", nil)
	dark.Header.Set("Cookie", "mist_theme=dark")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, dark)
	require.Contains(t, w.Body.String(), `data-theme="dark"`, "a reader's choice is no other's")

	one := get(h, "/en/doctors/"+registry.ID{3}.String())
	require.Equal(t, 200, one.Code)
	require.NotContains(t, one.Body.String(), name)
	for _, want := range []string{"Takes patients", "08:00–12:00", "0000-AAAA-0000", "12345678", "tel:"} {
		require.Contains(t, one.Body.String(), want)
	}
	require.Equal(t, 404, get(h, "/uk/doctors/"+registry.ID{9}.String()).Code)
	require.Equal(t, 404, get(h, "/uk/doctors/x").Code)
	require.Equal(t, 422, get(h, "/uk/doctors?page=-1").Code)
	empty := get(h, "/uk/doctors?place=Львів").Body.String()
	require.Contains(t, empty, "нікого не знайдено")
	require.Contains(t, empty, "Лікарі, у яких є місця")
}
