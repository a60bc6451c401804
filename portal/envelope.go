package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"log/slog"
	"net/http"
	"strings"

	"mist/registry/audit"
	"mist/registry/query"
)

// ReceiptSigner makes of a receipt the log's signed promise; *audit.Signer is one.
type ReceiptSigner interface {
	Promise(r audit.Receipt) (audit.Receipt, error)
}

// refusal is every refusal in the envelope {meta, data | error} (domain notes
// 1.0). Answers with data are put together by around: meta, data and, where
// there is any, urgent (what the caller must act on or keep and what is not the
// resource: how the patient confirms, the audit receipt) or paging.
type refusal struct {
	Meta  meta       `json:"meta"`
	Error *errorBody `json:"error"`
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
	b, err := encode(data)
	if err != nil {
		return err
	}
	if reads(r) && tagged(w, r, sha256.New(), b) {
		return nil
	}
	if u == nil {
		return p.around(w, status, p.meta(r, status), b, "", nil)
	}
	if u.Receipt != nil && p.receipts != nil {
		// The act has committed: what is signed here is true, and nothing waits for it.
		signed, err := p.receipts.Promise(*u.Receipt)
		if err != nil {
			return err
		}
		u.Receipt = &signed
	}
	rest, err := encode(u)
	if err != nil {
		return err
	}
	return p.around(w, status, p.meta(r, status), b, "urgent", rest)
}

// list writes a part of a list; items is a slice, never nil. Its ETag covers
// the items and how they are paged.
func (p *portal) list(w http.ResponseWriter, r *http.Request, items any, paging query.Paging) error {
	m := p.meta(r, http.StatusOK)
	m.Type = "list"
	b, err := encode(items)
	if err != nil {
		return err
	}
	pages, err := encode(paging)
	if err != nil {
		return err
	}
	digest := sha256.New()
	digest.Write(pages)
	if reads(r) && tagged(w, r, digest, b) {
		return nil
	}
	return p.around(w, http.StatusOK, m, b, "paging", pages)
}

// around writes the envelope around data that are JSON already, so that they
// are not read and written a second time.
func (p *portal) around(w http.ResponseWriter, status int, m meta, data []byte, name string, more []byte) error {
	head, err := encode(m)
	if err != nil {
		return err
	}
	b := make([]byte, 0, len(head)+len(data)+len(more)+32)
	b = append(append(b, `{"meta":`...), bytes.TrimSuffix(head, newline)...)
	b = append(append(b, `,"data":`...), bytes.TrimSuffix(data, newline)...)
	if name != "" {
		b = append(append(b, `,"`+name+`":`...), bytes.TrimSuffix(more, newline)...)
	}
	p.send(w, status, append(b, "}\n"...))
	return nil
}

var newline = []byte{'\n'}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// tagged sets the ETag of b and answers 304 where the caller has it.
func tagged(w http.ResponseWriter, r *http.Request, digest hash.Hash, b []byte) bool {
	digest.Write(b)
	tag := `"` + hex.EncodeToString(digest.Sum(nil)[:16]) + `"`
	w.Header().Set("ETag", tag)
	if !unchanged(r, tag) {
		return false
	}
	w.WriteHeader(http.StatusNotModified)
	return true
}

// unchanged compares If-None-Match weakly (RFC 9110, 13.1.2).
func unchanged(r *http.Request, tag string) bool {
	for _, line := range r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				return true
			}
		}
	}
	return false
}

func (p *portal) write(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		// Nothing was written yet; the recovering middleware answers.
		panic(err)
	}
	p.send(w, status, body)
}

func (p *portal) send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		p.log.Debug("client went away", slog.String("cause", err.Error()))
	}
}

// written is an answer's data that are JSON already.
type written []byte

// encode leaves <, > and & as they are, so that a raw document inside an
// answer keeps its bytes.
func encode(v any) ([]byte, error) {
	if b, ok := v.(written); ok {
		return b, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
