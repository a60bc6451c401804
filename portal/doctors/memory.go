package doctors

import (
	"bytes"
	"maps"
	"net/http"
	"sync"
	"time"

	"mist/portal/web"
)

// memory keeps pages that were made for readers without a cookie as long as
// the directory they show: making one costs half a millisecond, and at rush
// hours many ask for the same.
type memory struct {
	mu    sync.Mutex // guards what follows
	at    time.Time  // of the directory
	size  int
	pages map[string]answer
}

type answer struct {
	header http.Header
	body   []byte
}

// maxMemory bounds what is kept, in bytes; what is more is made anew.
const maxMemory = 16 << 20

// serve gives the page of this address, made by make when it is not kept.
func (m *memory) serve(w http.ResponseWriter, q *web.Request, at time.Time, make func(w http.ResponseWriter) error) error {
	if q.Header.Get("Cookie") != "" || q.Method != http.MethodGet {
		return make(w)
	}
	key := q.URL.Path + "?" + q.URL.RawQuery
	m.mu.Lock()
	if !m.at.Equal(at) {
		m.at, m.size, m.pages = at, 0, map[string]answer{}
	}
	known, found := m.pages[key]
	m.mu.Unlock()
	if !found {
		r := recorder{header: w.Header(), status: http.StatusOK}
		if err := make(&r); err != nil {
			return err
		}
		known = answer{maps.Clone(w.Header()), r.body.Bytes()}
		known.header.Del("X-Request-Id")
		m.mu.Lock()
		if m.at.Equal(at) && r.status == http.StatusOK && m.size+len(known.body) <= maxMemory {
			m.pages[key] = known
			m.size += len(known.body) + len(key)
		}
		m.mu.Unlock()
	}
	maps.Copy(w.Header(), known.header)
	_, _ = w.Write(known.body) // who went away reads nothing
	return nil
}

// recorder holds a page back until it is kept.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
