package status

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"mist/portal/web"
	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) { webtest.Texts(t, ".", "status.part.") }

func TestStatus(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	kit, err := web.New(web.Config{BaseURL: "http://mist.example", Log: slog.New(slog.DiscardHandler), Clock: clock})
	require.NoError(t, err)
	metrics := prometheus.NewRegistry()
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metric, Buckets: []float64{.01, .1, 1}}, []string{"route"})
	metrics.MustRegister(h)
	var wrong atomic.Pointer[error]
	times := 0
	secret := errors.New("password of the database is wrong")
	require.NoError(t, Add(t.Context(), kit, Config{Metrics: metrics, Clock: clock, Parts: []Part{{"database", func(context.Context) error {
		times++
		if e := wrong.Load(); e != nil {
			return *e
		}
		return nil
	}}, {"log", func(context.Context) error { return nil }}}}))
	r := chi.NewRouter()
	kit.Routes(r)
	s := httptest.NewServer(r)
	defer s.Close()
	get := func(path string) string {
		answer, err := http.Get(s.URL + path)
		require.NoError(t, err)
		defer answer.Body.Close()
		require.Equal(t, http.StatusOK, answer.StatusCode)
		b, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return string(b)
	}
	require.Contains(t, get("/uk/status"), "Усе працює")
	get("/en/status")
	require.Equal(t, 1, times, "many readers are one look")

	wrong.Store(&secret)
	now = now.Add(time.Minute)
	page := get("/uk/status")
	require.Contains(t, page, "Не працює")
	require.NotContains(t, page, "password")
	for range 95 {
		h.WithLabelValues("/api/v3/persons/{id}").Observe(.005)
	}
	for range 5 {
		h.WithLabelValues("/api/v3/persons/{id}").Observe(.5)
	}
	var said struct {
		Well   bool
		Speeds []Speed
	}
	require.NoError(t, json.Unmarshal([]byte(get("/uk/status.json")), &said))
	require.False(t, said.Well)
	require.Len(t, said.Speeds, 1)
	require.EqualValues(t, 100, said.Speeds[0].N)
	require.InDelta(t, 10, said.Speeds[0].P95, 0.2)
	require.Less(t, said.Speeds[0].P50, 10.0)
	for _, path := range []string{"/uk/status", "/en/status"} {
		page := get(path)
		require.Contains(t, page, "/api/v3/persons/{id}")
		require.Contains(t, page, "10.0 ")
	}
}

func TestQuantile(t *testing.T) {
	b := buckets{bounds: []float64{.01, .1, 1}, counts: []uint64{0, 10, 10}, total: 20}
	require.InDelta(t, 100, b.quantile(.5), 0.001)
	require.InDelta(t, 1000, b.quantile(.95), 0.001, "beyond the last bound")
	old := buckets{bounds: b.bounds, counts: []uint64{0, 10, 10}, total: 10}
	require.EqualValues(t, 10, b.minus(old).total)
}
