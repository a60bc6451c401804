package main

import (
	"bytes"
	"context"
	"net/http"
	"regexp"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/postgres"
)

// messageWindow is the sandbox's gateway for SMS and e-mail: it shows messages
// instead of sending them. It forgets the oldest beyond its capacity and
// everything at the end of the process.
type messageWindow struct {
	store *postgres.Store // set before the listeners open

	mu   sync.Mutex
	sent []shownMessage // oldest first
}

type shownMessage struct {
	Time     time.Time       `json:"time"`
	Channel  notify.Channel  `json:"channel"`
	To       string          `json:"to"`
	Subject  string          `json:"subject,omitempty"`
	Text     string          `json:"text"`
	Template notify.Template `json:"template"`
	About    registry.ID     `json:"about"`

	id registry.ID
}

const messageWindowSize = 10_000

func newMessageWindow() *messageWindow { return &messageWindow{} }

// Send implements notify.Gateway.
func (w *messageWindow) Send(_ context.Context, m notify.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.sent) - 1; i >= max(0, len(w.sent)-100); i-- {
		if w.sent[i].id == m.ID { // taken before
			return nil
		}
	}
	if len(w.sent) == messageWindowSize {
		w.sent = append(w.sent[:0], w.sent[1:]...)
	}
	subject := m.Subject
	if m.Channel == notify.SMS {
		subject = ""
	}
	w.sent = append(w.sent, shownMessage{time.Now().UTC(), m.Channel, m.To, subject, m.Text, m.Template, m.About, m.ID})
	return nil
}

// about gives what was sent about something, oldest first.
func (w *messageWindow) about(id registry.ID) []shownMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []shownMessage{}
	for _, m := range w.sent {
		if m.About == id {
			out = append(out, m)
		}
	}
	return out
}

// delivered waits until no message about something is on its way.
func (w *messageWindow) delivered(ctx context.Context, id registry.ID) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		var waiting int
		err := w.store.View(ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
			_, waiting, err = tx.Jobs(ctx, job.Filter{Kind: notify.SendKind, Key: id.String() + "/", Page: 1, Size: 1})
			return err
		})
		if err == nil && waiting == 0 || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var codeForm = regexp.MustCompile(`\b[0-9]{4}\b`)

// code answers GET ?request=ID with {"code"}: the newest one that was sent.
func (w *messageWindow) code(rw http.ResponseWriter, r *http.Request) {
	id, err := registry.ParseID(r.URL.Query().Get("request"))
	if err != nil {
		writeJSON(rw, http.StatusBadRequest, map[string]string{"error": "give ?request= and the id of a declaration request"})
		return
	}
	w.delivered(r.Context(), id)
	code := ""
	var newest registry.ID
	for _, m := range w.about(id) {
		// Version 7 ids grow: what was delivered last need not be the newest.
		if m.Template == notify.OTP && bytes.Compare(m.id[:], newest[:]) > 0 {
			code, newest = codeForm.FindString(m.Text), m.id
		}
	}
	if code == "" {
		writeJSON(rw, http.StatusNotFound, map[string]string{"error": "no code was sent for this request"})
		return
	}
	writeJSON(rw, http.StatusOK, map[string]string{"code": code})
}

// list answers GET ?about=ID with what was sent about a request, declaration
// or act; without it, with the last hundred messages.
func (w *messageWindow) list(rw http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("about")
	if text == "" {
		w.mu.Lock()
		last := append([]shownMessage{}, w.sent[max(0, len(w.sent)-100):]...)
		w.mu.Unlock()
		writeJSON(rw, http.StatusOK, map[string]any{"messages": last})
		return
	}
	id, err := registry.ParseID(text)
	if err != nil {
		writeJSON(rw, http.StatusBadRequest, map[string]string{"error": "about is the id of a request or an act"})
		return
	}
	w.delivered(r.Context(), id)
	writeJSON(rw, http.StatusOK, map[string]any{"messages": w.about(id)})
}
