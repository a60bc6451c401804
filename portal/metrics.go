package portal

import (
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the REST side. Labels are route patterns, methods, status and
// reasons: a fixed set, and no person in any of them.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	refused  *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mist_rest_requests_total", Help: "REST requests answered, by route pattern, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "mist_rest_request_seconds", Help: "Time to answer a REST request, by route pattern.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "mist_rest_requests_in_flight", Help: "REST requests being worked on.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "mist_rest_unauthenticated_total", Help: "Requests refused before authentication, by reason; these are not in the audit tree.",
		}, []string{"reason"}),
	}
	if to == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.inFlight, m.refused} {
		if err := to.Register(c); err != nil {
			return nil, fmt.Errorf("portal: registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) seen(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}
