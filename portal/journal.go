package portal

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/query"
)

// Journal remembers the latest requests of each client system, so that a
// vendor sees how the own requests ended. It holds the route's pattern, never a
// path, a query, a header or a body: nothing of a person. It lives in the
// memory of one server and ends with it.
type Journal struct {
	each, clients int

	mu sync.Mutex // guards by and the rings in it
	by map[registry.ID]*ring
}

type ring struct {
	list []JournalLine
	next int
}

// JournalLine is one answered request.
type JournalLine struct {
	At        time.Time     `json:"at"`
	RequestID string        `json:"request_id"`
	Method    string        `json:"method"`
	Route     string        `json:"route"`
	Status    int           `json:"status"`
	Type      string        `json:"error_type,omitempty"`
	Reason    string        `json:"error_reason,omitempty"`
	Took      time.Duration `json:"-"`
	TookMS    float64       `json:"took_ms"`
}

// NewJournal keeps the latest lines of each client, of so many clients at most.
func NewJournal(each, clients int) *Journal {
	return &Journal{each: max(each, 1), clients: max(clients, 1), by: map[registry.ID]*ring{}}
}

func (j *Journal) add(client registry.ID, line JournalLine) {
	if j == nil || client.IsZero() {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	r := j.by[client]
	if r == nil {
		if len(j.by) >= j.clients {
			clear(j.by)
		}
		r = &ring{}
		j.by[client] = r
	}
	if len(r.list) < j.each {
		r.list = append(r.list, line)
		return
	}
	r.list[r.next] = line
	r.next = (r.next + 1) % j.each
}

// Of gives a client's lines, the newest first.
func (j *Journal) Of(client registry.ID) []JournalLine {
	out := []JournalLine{}
	if j == nil {
		return out
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if r := j.by[client]; r != nil {
		out = slices.Concat(r.list[r.next:], r.list[:r.next])
	}
	slices.Reverse(out)
	return out
}

// journalRoutes serves a client its own lines. Any token will do: the lines
// are about the system that holds it.
func (p *portal) journalRoutes(r chi.Router) {
	r.Get("/api/v3/request_log", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		list := p.journal.Of(c.ClientID)
		n := len(list)
		return p.list(w, r, list, query.Paging{Number: 1, Size: max(n, 1), TotalEntries: n, TotalPages: 1})
	}))
}
