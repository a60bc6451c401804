package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// check is one thing readiness depends on.
type check struct {
	name string
	run  func(ctx context.Context) error
}

// newMetrics makes the registry every part puts its counters into.
func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// adminHandler serves /health (the process lives), /ready (it can do its job),
// /metrics and the profiles of Go's runtime on the loopback listener.
func adminHandler(metrics *prometheus.Registry, draining func() bool, checks []check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		status, result := http.StatusOK, map[string]string{}
		for _, c := range checks {
			result[c.name] = "ok"
			if err := c.run(ctx); err != nil {
				status, result[c.name] = http.StatusServiceUnavailable, err.Error()
			}
		}
		if draining() {
			status, result["server"] = http.StatusServiceUnavailable, "draining"
		}
		writeJSON(w, status, result)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The status is on its way; a failed write is the client's broken connection.
	_ = json.NewEncoder(w).Encode(v)
}
