package main

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry/postgres"
	"mist/soap"
)

// observeSOAP counts finished SOAP requests by HTTP status and fault code.
func observeSOAP(r prometheus.Registerer) func(soap.Outcome) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mist_soap_requests_total", Help: "Finished SOAP requests by HTTP status and stable fault code.",
	}, []string{"status", "fault"})
	size := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "mist_soap_bytes_total", Help: "Bytes of SOAP messages by direction.",
	}, []string{"direction"})
	r.MustRegister(requests, size)
	return func(o soap.Outcome) {
		requests.WithLabelValues(strconv.Itoa(o.Status), o.FaultCode).Inc()
		size.WithLabelValues("in").Add(float64(o.RequestBytes))
		size.WithLabelValues("out").Add(float64(o.ResponseBytes))
	}
}

// logCollector tells the audit log's state when metrics are scraped.
type logCollector struct {
	store *postgres.Store
	now   func() time.Time

	size, age, waiting *prometheus.Desc
}

func newLogCollector(store *postgres.Store, now func() time.Time) *logCollector {
	return &logCollector{
		store: store, now: now,
		size:    prometheus.NewDesc("mist_log_size", "Entries under the newest checkpoint.", nil, nil),
		age:     prometheus.NewDesc("mist_log_checkpoint_age_seconds", "Age of the newest checkpoint.", nil, nil),
		waiting: prometheus.NewDesc("mist_log_waiting_seconds", "Age of the oldest entry that no checkpoint covers; 0 when there is none.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *logCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.size
	out <- c.age
	out <- c.waiting
}

// Collect implements prometheus.Collector. A database that does not answer
// gives no sample; readiness tells of it.
func (c *logCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	state, err := c.store.LogState(ctx)
	if err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(c.size, prometheus.GaugeValue, float64(state.Size))
	out <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, c.now().Sub(state.SignedAt).Seconds())
	out <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, state.Waiting.Seconds())
}
