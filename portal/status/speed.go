package status

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Speed is how fast a route answered lately.
type Speed struct {
	Route string  `json:"route"`
	N     int64   `json:"requests"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
}

const (
	// window is the time speeds are told of, step the pause between two readings.
	window = 15 * time.Minute
	step   = time.Minute
	// shownRoutes bounds the table.
	shownRoutes = 25
	// metric is the histogram speeds are read from.
	metric = "mist_rest_request_seconds"
)

// buckets of one route: upper bounds in seconds and counts up to each.
type buckets struct {
	bounds []float64
	counts []uint64
	total  uint64
}

// speeds reads the histogram every step and keeps the readings of the window.
type speeds struct {
	from prometheus.Gatherer

	mu   sync.Mutex // guards past
	past []map[string]buckets
}

func (s *speeds) read() map[string]buckets {
	families, err := s.from.Gather()
	if err != nil {
		return nil
	}
	out := map[string]buckets{}
	for _, f := range families {
		if f.GetName() != metric {
			continue
		}
		for _, m := range f.GetMetric() {
			route := ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "route" {
					route = l.GetValue()
				}
			}
			b := buckets{total: m.GetHistogram().GetSampleCount()}
			for _, one := range m.GetHistogram().GetBucket() {
				b.bounds, b.counts = append(b.bounds, one.GetUpperBound()), append(b.counts, one.GetCumulativeCount())
			}
			out[route] = b
		}
	}
	return out
}

func (s *speeds) run(ctx context.Context) {
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		one := s.read()
		s.mu.Lock()
		s.past = append(s.past, one)
		s.past = s.past[max(0, len(s.past)-int(window/step)):]
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// now gives the routes that were asked most, with their times since the oldest reading.
func (s *speeds) now() []Speed {
	current := s.read()
	s.mu.Lock()
	var old map[string]buckets
	if len(s.past) > 0 {
		old = s.past[0]
	}
	s.mu.Unlock()
	list := []Speed{}
	for route, b := range current {
		b = b.minus(old[route])
		if b.total == 0 || route == "" {
			continue
		}
		list = append(list, Speed{Route: route, N: int64(b.total), P50: b.quantile(.5), P95: b.quantile(.95)})
	}
	slices.SortFunc(list, func(a, b Speed) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Route, b.Route)) })
	return list[:min(len(list), shownRoutes)]
}

func (b buckets) minus(old buckets) buckets {
	if len(old.counts) != len(b.counts) {
		return b
	}
	out := buckets{bounds: b.bounds, counts: make([]uint64, len(b.counts)), total: b.total - old.total}
	for i := range b.counts {
		out.counts[i] = b.counts[i] - old.counts[i]
	}
	return out
}

// quantile gives milliseconds, between the bounds of its bucket by proportion;
// what lies beyond the last bound is told as that bound.
func (b buckets) quantile(q float64) float64 {
	rank := q * float64(b.total)
	lower, below := 0.0, 0.0
	for i, upper := range b.bounds {
		if n := float64(b.counts[i]); n >= rank {
			return 1000 * (lower + (upper-lower)*(rank-below)/max(n-below, 1))
		}
		lower, below = upper, float64(b.counts[i])
	}
	return 1000 * lower
}
