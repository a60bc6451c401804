// Package soap speaks SOAP 1.1 and 1.2 over HTTP: it reads an envelope with a
// strict XML reader of its own, hands it to a [Service] and writes the answer
// or a fault.
//
// It refuses document type declarations, entities beyond the five predefined,
// malformed XML, everything over its [Limits] and all content types but those
// of SOAP. It trusts nothing a message says: X-Road headers are the business
// of soap/xroad, bodies of the bindings.
package soap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"mist/registry"
)

// Service answers messages. A returned error leaves as a fault (see [FaultOf]).
type Service interface {
	ServeSOAP(ctx context.Context, m *Message) (*Answer, error)
}

// Handler is the HTTP side of a service. Its fields are set once; New checks
// them and fills defaults.
type Handler struct {
	Service Service
	// DetailNS is the namespace of the element ServiceFault in fault details.
	DetailNS string
	// Contract answers GET ?wsdl; nil means there is none. address is the URL
	// by which the contract was asked for, without query.
	Contract func(address string) []byte
	// PublicURL, when set, replaces the request's own address in the contract.
	PublicURL string
	Limits    Limits
	// SpillDir takes attachments too large for memory; empty means the system's.
	SpillDir string
	Source   registry.Source
	Log      *slog.Logger
	// Observe, when set, is told about every finished request: for metrics.
	Observe func(Outcome)

	limits Limits
	pool   *sync.Pool
	// memory is what messages being read hold, all together.
	memory *atomic.Int64
}

// Outcome is one finished request in numbers.
type Outcome struct {
	// FaultCode is the stable code of the fault answered; empty for an answer.
	FaultCode     string
	Status        int
	RequestBytes  int
	ResponseBytes int
}

// New checks a handler and prepares it for use.
func New(h Handler) (*Handler, error) {
	switch {
	case h.Service == nil:
		return nil, errors.New("soap handler without a service")
	case h.DetailNS == "":
		return nil, errors.New("soap handler without a namespace for fault details")
	case h.Source.Clock == nil || h.Source.Random == nil:
		return nil, errors.New("soap handler without clock or randomness")
	}
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	h.limits = h.Limits.withDefaults()
	h.memory = new(atomic.Int64)
	h.pool = &sync.Pool{New: func() any { return new(scratch) }}
	return &h, nil
}

// scratch is what one request needs and the next can use again.
type scratch struct {
	in, out []byte
	env     Envelope
}

// keepBytes is the largest buffer given back to the pool: one huge message
// must not keep its memory for ever.
const keepBytes = 256 << 10

func (h *Handler) newTrackingID() string { return h.Source.NewID().String() }

// ServeHTTP implements http.Handler: POST of a message, GET ?wsdl of the contract.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		h.serveContract(w, r)
		return
	}
	sc, _ := h.pool.Get().(*scratch)
	defer h.release(sc)
	mem := ledger{shared: h.memory, max: h.limits.MemoryBytes}
	defer mem.release()
	m, in, err := h.message(r, sc.in, &sc.env, &mem)
	sc.in = in
	if m != nil {
		defer closeAttachments(m.Attachments)
	}
	var ans *Answer
	if err == nil {
		ans, err = h.call(r.Context(), m)
	}
	if err != nil {
		drain(r.Body)
		h.writeFault(w, m, sc, err)
		return
	}
	if len(ans.Attachments) > 0 {
		h.writeRelated(w, m, sc, ans)
		return
	}
	sc.out = appendAnswer(sc.out[:0], m, ans)
	h.write(w, http.StatusOK, m.Version.MediaType()+"; charset=UTF-8", m, sc.out, "")
}

// maxDrain is how much of a refused body is read away.
const maxDrain = 64 << 20

// drain reads the rest of a refused body. Clients that send everything before
// they read would otherwise meet a reset connection instead of the fault. The
// bytes go nowhere, and the listener's read limit bounds the time.
func drain(body io.Reader) {
	_, _ = io.CopyN(io.Discard, body, maxDrain) // EOF is the ordinary end
}

func (h *Handler) release(sc *scratch) {
	if cap(sc.in) > keepBytes {
		sc.in = nil
	}
	if cap(sc.out) > keepBytes {
		sc.out = nil
	}
	sc.env.forget()
	h.pool.Put(sc)
}

// forget drops references into the message and keeps the slices' room.
func (e *Envelope) forget() {
	clear(e.Nodes)
	clear(e.attrs)
	clear(e.Payload.scope)
	clear(e.Payload.own)
	s := &e.scan
	clear(s.stack)
	clear(s.ns)
	clear(s.attrs)
	kept := Envelope{Nodes: e.Nodes[:0], attrs: e.attrs[:0]}
	kept.Payload.scope, kept.Payload.own = e.Payload.scope[:0], e.Payload.own[:0]
	kept.scan.stack, kept.scan.ns, kept.scan.attrs = s.stack[:0], s.ns[:0], s.attrs[:0]
	*e = kept
}

// call runs the service within the budget; a panic is an internal fault.
func (h *Handler) call(ctx context.Context, m *Message) (ans *Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.limits.Budget)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			h.Log.Error("soap operation panicked", "tracking_id", m.TrackingID(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ans, err = nil, registry.Errorf(registry.CodeInternal, "internal error")
		}
	}()
	ctx, books := registry.WithLedger(ctx)
	ans, err = h.Service.ServeSOAP(ctx, m)
	books.Close(err == nil, "soap")
	return ans, err
}

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func appendAnswer(out []byte, m *Message, ans *Answer) []byte {
	out = append(out, xmlDeclaration...)
	out = m.AppendOpen(out, ans.Omit...)
	if ans.AppendBody != nil {
		out = ans.AppendBody(out)
	} else {
		out = append(out, ans.Body...)
	}
	return m.AppendClose(out)
}

// writeFault answers HTTP 500 in both SOAP versions: a security server passes
// on only 200 and 500. Headers are echoed when they could be read.
func (h *Handler) writeFault(w http.ResponseWriter, m *Message, sc *scratch, err error) {
	f := FaultOf(err)
	var id string
	if m != nil {
		id = m.TrackingID()
	} else {
		id = h.newTrackingID()
	}
	f.TrackingID = id
	level := slog.LevelInfo
	if f.Class == ServerFault {
		level = slog.LevelError
	}
	h.Log.Log(context.Background(), level, "soap fault", "tracking_id", id, "code", f.Code, "cause", f.Err)

	var syn *SyntaxError
	out := append(sc.out[:0], xmlDeclaration...)
	version := V11
	if m != nil && m.Version != 0 && !errors.As(err, &syn) {
		version = m.Version
		var echo []*Node
		if m.HasHeader && m.header.end > 0 && f.Code != "TooLarge" {
			echo = hashBlocks(m.Envelope)
			out = m.AppendOpen(out, echo...)
		} else {
			out = append(out, m.Bytes[m.startTag.start:m.startTag.end]...)
			if m.emptyRoot() {
				out = append(bytes.TrimSuffix(out, []byte("/>")), '>')
			}
			out = m.appendTag(out, "<", "Body")
		}
		out = f.AppendBody(out, version, m.prefix, h.DetailNS)
		out = m.AppendClose(out)
	} else {
		out = append(append(append(out, `<S:Envelope xmlns:S="`...), version.Namespace()...), `"><S:Body>`...)
		out = f.AppendBody(out, version, []byte("S"), h.DetailNS)
		out = append(out, "</S:Body></S:Envelope>"...)
	}
	sc.out = out
	h.write(w, http.StatusInternalServerError, version.MediaType()+"; charset=UTF-8", m, out, f.Code)
}

func (e *Envelope) emptyRoot() bool {
	return bytes.HasSuffix(e.Bytes[e.startTag.start:e.startTag.end], []byte("/>"))
}

// hashBlocks finds requestHash header blocks: only a security server writes them.
func hashBlocks(e *Envelope) []*Node {
	var out []*Node
	for i := range e.Nodes {
		n := &e.Nodes[i]
		if n.Depth == 1 && string(n.Local) == "requestHash" && string(n.Space) == "http://x-road.eu/xsd/xroad.xsd" {
			out = append(out, n)
		}
	}
	return out
}

func (h *Handler) write(w http.ResponseWriter, status int, contentType string, m *Message, body []byte, faultCode string) {
	head := w.Header()
	head["Content-Type"] = []string{contentType}
	head["Content-Length"] = []string{strconv.Itoa(len(body))}
	head["X-Content-Type-Options"] = []string{"nosniff"}
	w.WriteHeader(status)
	_, err := w.Write(body)
	if err != nil {
		h.Log.Debug("writing a soap answer", "error", err)
	}
	if h.Observe != nil {
		o := Outcome{FaultCode: faultCode, Status: status, ResponseBytes: len(body)}
		if m != nil {
			o.RequestBytes = len(m.Wire)
		}
		h.Observe(o)
	}
}

// writeRelated writes an answer with attachments: the SOAP part first, parts
// as bytes, nothing after the close delimiter.
func (h *Handler) writeRelated(w http.ResponseWriter, m *Message, sc *scratch, ans *Answer) {
	boundary := "mist-" + h.newTrackingID()
	media := m.Version.MediaType()
	sc.out = append(sc.out[:0], "--"+boundary+"\r\nContent-Type: "+media+"; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-ID: <root>\r\n\r\n"...)
	sc.out = appendAnswer(sc.out, m, ans)
	w.Header().Set("Content-Type", fmt.Sprintf(`multipart/related; type="%s"; start="<root>"; boundary="%s"`, media, boundary))
	n, err := w.Write(sc.out)
	for _, a := range ans.Attachments {
		if err != nil {
			break
		}
		var part io.Reader
		if part, err = a.Open(); err != nil {
			break
		}
		head := "\r\n--" + boundary + "\r\nContent-Type: " + a.ContentType + "\r\nContent-Transfer-Encoding: binary\r\n"
		if a.ContentID != "" {
			head += "Content-ID: <" + a.ContentID + ">\r\n"
		}
		var k int64
		if _, err = io.WriteString(w, head+"\r\n"); err == nil {
			k, err = io.Copy(w, part)
		}
		n += int(k)
	}
	if err == nil {
		_, err = io.WriteString(w, "\r\n--"+boundary+"--\r\n")
	}
	if err != nil {
		h.Log.Debug("writing a soap answer with attachments", "error", err)
	}
	if h.Observe != nil {
		h.Observe(Outcome{Status: http.StatusOK, RequestBytes: len(m.Wire), ResponseBytes: n})
	}
}

// serveContract answers GET ?wsdl; every other method and query is refused
// without looking at a body.
func (h *Handler) serveContract(w http.ResponseWriter, r *http.Request) {
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	asked := strings.EqualFold(r.URL.RawQuery, "wsdl") // ?WSDL is as common
	if !get || !asked || h.Contract == nil {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "send a SOAP message by POST, or GET ?wsdl for the contract", http.StatusMethodNotAllowed)
		return
	}
	address := h.PublicURL
	if address == "" {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		address = scheme + "://" + r.Host + r.URL.Path
	}
	doc := h.Contract(address)
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(doc)))
	if r.Method == http.MethodGet {
		if _, err := w.Write(doc); err != nil {
			h.Log.Debug("writing a contract", "error", err)
		}
	}
}
