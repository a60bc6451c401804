package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"

	"mist/registry/query"
)

// envelope is every answer of the API (domain notes 1.0): data and error never
// stand together.
type envelope struct {
	Meta  meta       `json:"meta"`
	Data  any        `json:"data,omitempty"`
	Error *errorBody `json:"error,omitempty"`
	// Urgent carries what the caller must act on or keep and what is not the
	// resource: how the patient confirms, the audit receipt.
	Urgent *urgent       `json:"urgent,omitempty"`
	Paging *query.Paging `json:"paging,omitempty"`
}

type meta struct {
	Code      int    `json:"code"`
	URL       string `json:"url"`
	Type      string `json:"type"` // object, list
	RequestID string `json:"request_id"`
}

// meta repeats the path alone: a query may hold what no log of a client should.
func (p *portal) meta(r *http.Request, status int) meta {
	return meta{Code: status, URL: p.base + r.URL.EscapedPath(), Type: "object", RequestID: requestOf(r).id}
}

// answer writes a resource. A read has an ETag over its data, and answers 304
// to whoever has them already: the read has left its audit entry by then.
func (p *portal) answer(w http.ResponseWriter, r *http.Request, status int, data any, u *urgent) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		b, err := encode(data)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		tag := `"` + hex.EncodeToString(sum[:16]) + `"`
		w.Header().Set("ETag", tag)
		if slices.Contains(r.Header.Values("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	p.write(w, status, envelope{Meta: p.meta(r, status), Data: data, Urgent: u})
	return nil
}

// list writes a part of a list; items is a slice, never nil.
func (p *portal) list(w http.ResponseWriter, r *http.Request, items any, paging query.Paging) error {
	m := p.meta(r, http.StatusOK)
	m.Type = "list"
	p.write(w, http.StatusOK, envelope{Meta: m, Data: items, Paging: &paging})
	return nil
}

func (p *portal) write(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		// Nothing was written yet; the recovering middleware answers.
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		p.log.Debug("client went away", slog.String("cause", err.Error()))
	}
}

// encode leaves <, > and & as they are, so that a raw document inside an
// answer keeps its bytes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
