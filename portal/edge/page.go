package edge

import (
	"crypto/rand"
	"embed"
	"net/http"
	"sync"
	"time"

	"mist/portal/edge/vault"
	"mist/portal/web"
	"mist/registry"
)

//go:embed templates text
var files embed.FS

// The page's own login: the passphrase opens both vault and page.
const (
	sessionCookie = "mist_edge"
	sessionLife   = 8 * time.Hour
	maxSessions   = 20
)

type page struct {
	*Edge
	mu       sync.Mutex
	sessions map[string]time.Time // until; guarded by mu
}

// AddPage puts the page of the queue into a kit.
func (e *Edge) AddPage(kit *web.Kit) error {
	room, err := kit.Room("edge", files)
	if err != nil {
		return err
	}
	p := &page{Edge: e, sessions: map[string]time.Time{}}
	room.Section("/edge", "edge.section")
	room.Get("/edge", p.show)
	room.Post("/edge/unlock", p.unlock)
	room.Post("/edge/lock", p.lock)
	room.Post("/edge/acts/{id}/replay", p.replay)
	room.Post("/edge/acts/{id}/discard", p.discard)
	return nil
}

func (p *page) known(q *web.Request) bool {
	c, err := q.Cookie(sessionCookie)
	if err != nil || !p.Vault.Unlocked() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Source.Clock().Before(p.sessions[c.Value])
}

type actLine struct {
	vault.Act
	Name, Word, Why string
	Mark            web.Mark
	Behind          bool
}

type pageView struct {
	Known     bool
	Status    Status
	Mark      web.Mark
	Word      string
	Sentences []string
	Problems  []web.Problem
	Field     web.Field
	Waiting   []actLine
	Dead      []actLine
	Ended     []actLine
}

func (p *page) show(w http.ResponseWriter, q *web.Request) error {
	return p.render(w, q, http.StatusOK, "")
}

func (p *page) render(w http.ResponseWriter, q *web.Request, status int, problem string) error {
	s := p.Status()
	v := pageView{Known: p.known(q), Status: s, Mark: web.Unknown, Word: q.T("edge.centre.unknown")}
	v.Field = web.Field{Name: "passphrase", Label: q.T("edge.passphrase"), Type: "password", Hint: q.T("edge.passphrase.hint"), Required: true, Autocomplete: "current-password", Error: problem}
	if problem != "" {
		v.Problems = []web.Problem{{Field: "passphrase", Text: problem}}
	}
	switch s.Centre {
	case "online":
		v.Mark, v.Word = web.Good, q.T("edge.centre.online")
	case "offline":
		v.Mark, v.Word = web.Bad, q.T("edge.centre.offline")
	case "revoked":
		v.Mark, v.Word = web.Bad, q.T("edge.centre.revoked")
	}
	if s.ClockOff {
		v.Sentences = append(v.Sentences, q.T("edge.clock", "n", int(s.Offset)))
	}
	if len(s.Damaged) > 0 {
		v.Sentences = append(v.Sentences, q.T("edge.damaged", "n", len(s.Damaged)))
	}
	if v.Known {
		dead := map[string]bool{}
		for _, a := range p.Vault.Open() {
			l := p.line(q, a)
			if a.Status == vault.StatusDead {
				dead[a.Lane] = true
				v.Dead = append(v.Dead, l)
				continue
			}
			if l.Behind = dead[a.Lane] && !a.Independent; l.Behind {
				l.Word = q.T("edge.behind")
			}
			if len(v.Waiting) < maxLines {
				v.Waiting = append(v.Waiting, l)
			}
		}
		ended, err := p.Vault.List(vault.Filter{Limit: maxLines})
		if err != nil {
			return err
		}
		for _, a := range ended {
			if a.Status.Ended() {
				v.Ended = append(v.Ended, p.line(q, a))
			}
		}
	}
	return q.Render(w, web.Page{Template: "edge", Title: q.T("edge.title"), Status: status, Data: v, Refresh: refresh(v.Known)})
}

// maxLines bounds each list of the page; programs page through all.
const maxLines = 100

func refresh(known bool) int {
	if known {
		return 15
	}
	return 0
}

func (p *page) line(q *web.Request, a vault.Act) actLine {
	o, _ := p.operation(a.Operation)
	l := actLine{Act: a, Name: o.Ukrainian, Mark: web.Unknown, Word: q.T("edge.status." + string(a.Status))}
	if q.Lang == web.English {
		l.Name = o.English
	}
	switch a.Status {
	case vault.StatusAnswered:
		l.Mark = web.Good
	case vault.StatusDead:
		l.Mark = web.Bad
	case vault.StatusDiscarded:
		l.Mark = web.None
	}
	if n := len(a.Failures); n > 0 && a.Status != vault.StatusAnswered {
		l.Why = a.Failures[n-1].Error
	}
	return l
}

func (p *page) unlock(w http.ResponseWriter, q *web.Request) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	if err := p.Unlock([]byte(form.Get("passphrase"))); err != nil {
		if registry.AsError(vaultError(err)).Reason != "passphrase" {
			return vaultError(err)
		}
		return p.render(w, q, http.StatusForbidden, q.T("edge.passphrase.wrong"))
	}
	now := p.Source.Clock()
	token := rand.Text()
	p.mu.Lock()
	if len(p.sessions) >= maxSessions {
		clear(p.sessions)
	}
	p.sessions[token] = now.Add(sessionLife)
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", MaxAge: int(sessionLife.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode})
	q.Redirect(w, "/edge")
	return nil
}

func (p *page) lock(w http.ResponseWriter, q *web.Request) error {
	if !p.known(q) {
		return errSession
	}
	p.mu.Lock()
	clear(p.sessions)
	p.mu.Unlock()
	p.Vault.Lock()
	q.Redirect(w, "/edge")
	return nil
}

var errSession = registry.Errorf(registry.CodeUnauthenticated, "open the page with the passphrase first")

func (p *page) replay(w http.ResponseWriter, q *web.Request) error { return p.changed(w, q, p.Replay) }

func (p *page) discard(w http.ResponseWriter, q *web.Request) error {
	return p.changed(w, q, p.Discard)
}

func (p *page) changed(w http.ResponseWriter, q *web.Request, f func(registry.ID, bool) (vault.Act, error)) error {
	if !p.known(q) {
		return errSession
	}
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return vaultError(vault.ErrNotFound)
	}
	if _, err := f(id, false); err != nil {
		return vaultError(err)
	}
	q.Redirect(w, "/edge")
	return nil
}
