package soap

import (
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Peer is who is at the other end of the connection, as the listener knows it.
type Peer struct {
	Addr netip.Addr
	// Certificate is the TLS client certificate; nil without mutual TLS.
	Certificate *x509.Certificate
}

// Message is one request. It and everything it gives out live until the
// answer is written; what has to live longer is copied.
type Message struct {
	*Envelope
	// Wire is the SOAP part exactly as received: before charset conversion,
	// byte order mark included. Message hashes of X-Road are over these bytes.
	Wire []byte
	// Attachments are the other MIME parts, in order.
	Attachments []*Attachment
	Peer        Peer
	ReceivedAt  time.Time
	// TrackingID is the id a fault to this message would carry. It is made on
	// first use.
	tracking func() string
	id       string
}

// TrackingID names this request in log and faults.
func (m *Message) TrackingID() string {
	if m.id == "" && m.tracking != nil {
		m.id = m.tracking()
	}
	return m.id
}

// Attachment finds the part a cid: reference of the payload means.
func (m *Message) Attachment(href string) (*Attachment, error) {
	a, fault := attachmentByRef(m.Attachments, href)
	if fault != nil {
		return nil, fault
	}
	return a, nil
}

// Answer is a normal response: the content of its Body, and the header blocks
// of the request it does not repeat.
type Answer struct {
	// Body is one element with all the namespace declarations it needs, or a
	// function appending it. Exactly one of the two is set.
	Body       []byte
	AppendBody func(out []byte) []byte
	// Omit lists header blocks of the request not to echo, in document order.
	Omit []*Node
	// Attachments are sent as SOAP with Attachments parts.
	Attachments []*Attachment
}

// readAtMost reads r to its end into buf, growing it, and gives errTooLarge
// when there is more than max.
func readAtMost(r io.Reader, buf []byte, max int64, l *ledger) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			if err := l.hold(2 * int64(cap(buf))); err != nil {
				return buf, err
			}
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > max {
			return buf, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// readFault tells apart what can go wrong while reading a body.
func readFault(err error) *Fault {
	var f *Fault
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &tooLarge):
		return errTooLarge
	}
	return &Fault{Class: ClientFault, Code: "InvalidSoap", Reason: "the message ended before it was complete", Err: err}
}

// message reads the request body. buf is scratch space; the message keeps it.
// e is parsed into.
func (h *Handler) message(r *http.Request, buf []byte, e *Envelope, mem *ledger) (m *Message, grown []byte, err error) {
	if v := r.Header.Get("Content-Encoding"); v != "" && !strings.EqualFold(v, "identity") {
		return nil, buf, Faultf("UnsupportedEncoding", "compressed messages are not accepted")
	}
	m = &Message{Envelope: e, ReceivedAt: h.Source.Clock(), Peer: peerOf(r)}
	m.tracking = h.newTrackingID
	ct, charset := contentType{}, ""
	switch v := r.Header["Content-Type"]; {
	case len(v) != 1:
		return m, buf, errContentType
	case v[0] == "text/xml; charset=UTF-8" || v[0] == "text/xml;charset=UTF-8" || v[0] == "text/xml; charset=utf-8":
		// The common forms without taking them apart.
		ct.media, charset = "text/xml", "utf-8"
	default:
		var ok bool
		if ct, ok = parseContentType(v[0]); !ok {
			return m, buf, errContentType
		}
		charset = ct.params["charset"]
	}
	lim := h.limits
	switch {
	case ct.media == "multipart/related":
		body := http.MaxBytesReader(nil, r.Body, lim.EnvelopeBytes+lim.TotalBytes*3/2)
		buf, charset, m.Attachments, err = readRelated(body, ct.params["boundary"], lim, h.SpillDir, buf, mem)
		if err != nil {
			return m, buf, err
		}
	case soapMedia(ct.media):
		if r.ContentLength > lim.EnvelopeBytes {
			return m, buf, errTooLarge
		}
		if n := int(r.ContentLength); n > 0 && cap(buf) <= n {
			// A promised length is not memory yet: large bodies grow as they come.
			n = min(n, freeBytes)
			buf = make([]byte, 0, n+512) // one byte more than the body, so that EOF needs no growth
		}
		if buf, err = readAtMost(r.Body, buf, lim.EnvelopeBytes, mem); err != nil {
			return m, buf, readFault(err)
		}
	default:
		return m, buf, errContentType
	}
	m.Wire = buf
	text, fault := decodeCharset(buf, charset)
	if fault != nil {
		return m, buf, fault
	}
	if len(text) == 0 {
		return m, buf, Faultf("InvalidSoap", "the message is empty")
	}
	return m, buf, e.Parse(text, lim.HeaderBytes)
}

var errContentType = Faultf("InvalidContentType",
	"the content type must be text/xml, application/soap+xml or multipart/related")

func peerOf(r *http.Request) Peer {
	var p Peer
	if ap, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = ap.Addr().Unmap()
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		p.Certificate = r.TLS.PeerCertificates[0]
	}
	return p
}
