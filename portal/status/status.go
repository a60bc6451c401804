// Package status is the public page that says whether the service is well: its
// parts in words, and how fast operations answer. It needs no login, tells
// nothing of a failure but that there is one, and asks each part at most every
// few seconds however many readers there are.
package status

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mist/portal/web"
)

//go:embed templates text
var files embed.FS

// Part of the service: Name is a key of texts ("status.part.NAME"), Ask says
// what is wrong with it, nil when it is well.
type Part struct {
	Name string
	Ask  func(ctx context.Context) error
}

// Config of the page; all of it is needed.
type Config struct {
	Parts   []Part
	Metrics prometheus.Gatherer
	Clock   func() time.Time
}

// asked is how a part answered.
type asked struct {
	Name string `json:"part"`
	Well bool   `json:"well"`
}

type room struct {
	Config
	started time.Time
	speeds  *speeds

	mu   sync.Mutex // guards what follows; it is held while parts are asked
	at   time.Time
	list []asked
}

const (
	// pause lies between two looks at the parts.
	pause = 3 * time.Second
	// patience bounds one look at one part.
	patience = 2 * time.Second
)

// Add puts the page into the kit; it measures until ctx ends.
func Add(ctx context.Context, kit *web.Kit, c Config) error {
	if len(c.Parts) == 0 || c.Metrics == nil || c.Clock == nil {
		return errors.New("portal/status: a part is missing")
	}
	pages, err := kit.Room("status", files)
	if err != nil {
		return err
	}
	r := &room{Config: c, started: c.Clock(), speeds: &speeds{from: c.Metrics}}
	go r.speeds.run(ctx)
	pages.Section("/status", "status.section")
	pages.Get("/status", r.page)
	pages.Get("/status.json", r.data)
	return nil
}

// look asks the parts, or gives what they answered a moment ago.
func (r *room) look(ctx context.Context) ([]asked, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Clock()
	if now.Sub(r.at) < pause && r.list != nil {
		return r.list, r.at
	}
	list := make([]asked, len(r.Parts))
	var all sync.WaitGroup
	for i, p := range r.Parts {
		all.Go(func() {
			// A reader that goes away must not make a part look broken.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			list[i] = asked{p.Name, p.Ask(ctx) == nil}
		})
	}
	all.Wait()
	r.list, r.at = list, now
	return list, now
}

type partView struct {
	Name, About, Word string
	Mark              web.Mark
}

type view struct {
	Mark           web.Mark
	Word, Sentence string
	At, Started    time.Time
	Parts          []partView
	Speeds         []Speed
	Minutes        int
}

func (r *room) page(w http.ResponseWriter, q *web.Request) error {
	list, at := r.look(q.Context())
	v := view{Mark: web.Good, Word: q.T("status.good"), Sentence: q.T("status.well"), At: at, Started: r.started, Speeds: r.speeds.now(), Minutes: int(window / time.Minute)}
	broken := 0
	for _, one := range list {
		p := partView{Name: q.T("status.part." + one.Name), About: q.T("status.part." + one.Name + ".about"), Mark: web.Good, Word: q.T("status.works")}
		if !one.Well {
			broken++
			p.Mark, p.Word = web.Bad, q.T("status.fails")
		}
		v.Parts = append(v.Parts, p)
	}
	if broken > 0 {
		v.Mark, v.Word, v.Sentence = web.Bad, q.T("status.bad"), q.T("status.broken", "n", broken)
	}
	return q.Render(w, web.Page{Template: "status", Title: q.T("status.title"), Data: v, Refresh: 30})
}

// data is the same for programs.
func (r *room) data(w http.ResponseWriter, q *web.Request) error {
	list, at := r.look(q.Context())
	well := true
	for _, one := range list {
		well = well && one.Well
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return json.NewEncoder(w).Encode(map[string]any{"well": well, "at": at.UTC(), "parts": list, "speeds": r.speeds.now()})
}
