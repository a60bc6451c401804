package intake

import (
	"sync"
	"time"

	"mist/registry"
)

// Bounds of what is remembered between the reading of the bytes to sign and the
// signature.
const (
	recentTerm    = 15 * time.Minute
	recentBytes   = 48 << 20 // of frozen documents
	recentAuthors = 4096
)

// recent remembers approved drafts from their approval, or from the moment
// somebody read the bytes to sign, and their authors, so that the signature need not read them again (ADR
// 0870). Nothing is believed of it: the transaction of the act fails unless
// draft and author still are, to the row, what was remembered. A draft is
// found again only under the reach it was read with, so that the wall of the
// database stays between legal entities.
//
// It holds personal data for as long as a signature takes, and no longer than
// recentTerm.
type recent struct {
	mu      sync.Mutex // guards what follows
	drafts  map[registry.ID]recentDraft
	order   []remembered // oldest first; may name drafts that are gone
	bytes   int
	authors map[registry.ID]recentAuthor
}

type recentDraft struct {
	draft Draft
	reach registry.Reach
	at    time.Time
}

type recentAuthor struct {
	author Author
	reach  registry.Reach
}

type remembered struct {
	id registry.ID
	at time.Time
}

// keep remembers what a signature needs of an approved draft.
func (r *recent) keep(d Draft, reach registry.Reach, now time.Time) {
	if d.Status != StatusApproved || d.Revision == "" || len(d.ToBeSigned) == 0 || len(d.ToBeSigned) > recentBytes/8 {
		return
	}
	// Out of the buffer it was read into, and without what signing does not need.
	d.ToBeSigned = append(make([]byte, 0, len(d.ToBeSigned)), d.ToBeSigned...)
	d.Data, d.OTPMAC, d.OTPEarlier, d.Phone, d.Documents = nil, nil, nil, "", nil
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drafts == nil {
		r.drafts = map[registry.ID]recentDraft{}
	}
	r.drop(d.ID)
	r.drafts[d.ID] = recentDraft{d, reach, now}
	r.bytes += len(d.ToBeSigned)
	r.order = append(r.order, remembered{d.ID, now})
	gone := 0
	for _, o := range r.order {
		k, ok := r.drafts[o.id]
		if ok = ok && k.at.Equal(o.at); ok && r.bytes <= recentBytes && now.Sub(o.at) < recentTerm {
			break
		}
		gone++
		if ok {
			r.drop(o.id)
		}
	}
	r.order = r.order[gone:]
}

// keepAuthor remembers the author of a draft.
func (r *recent) keepAuthor(employee registry.ID, a Author, reach registry.Reach) {
	if !a.Approved || a.Revision == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.authors == nil || len(r.authors) >= recentAuthors {
		r.authors = map[registry.ID]recentAuthor{}
	}
	r.authors[employee] = recentAuthor{a, reach}
}

// draft gives a draft as it was read under this reach.
func (r *recent) draft(id registry.ID, reach registry.Reach, now time.Time) (Draft, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.drafts[id]
	if !ok || k.reach != reach || now.Sub(k.at) >= recentTerm {
		return Draft{}, false
	}
	return k.draft, true
}

// author gives an employee as they were read under this reach.
func (r *recent) author(employee registry.ID, reach registry.Reach) (Author, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.authors[employee]
	return a.author, ok && a.reach == reach
}

// forget drops a draft, and its author when what was remembered did not hold.
func (r *recent) forget(d Draft, author bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(d.ID)
	if author {
		delete(r.authors, d.EmployeeID)
	}
}

func (r *recent) drop(id registry.ID) {
	if k, ok := r.drafts[id]; ok {
		r.bytes -= len(k.draft.ToBeSigned)
		delete(r.drafts, id)
	}
}
