// Package sstest is a simulator of the road between a client and a provider: it
// takes a client's SOAP message, forwards it as the provider's security server
// would, judges the answer by the rules of real ones and adds the requestHash.
// Tests and client stacks go through it, so that what passes here passes there.
//
// It is no security server: it knows no access rights, and seals and keeps what
// passed only when told to ([Archive]), for tests of what reads such archives. The rules are those of nordic-institute/X-Road (SaxSoapParserImpl,
// ServerMessageProcessor, AbstractHttpSender); where UXP, Trembita's own
// server, is known to be laxer, the profile Trembita follows it.
package sstest

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"mist/soap"
	"mist/soap/xroad"
)

// Profile says whose rules apply.
type Profile uint8

// Profiles.
const (
	// XRoad is the stock server: SOAP 1.1, quoted SOAPAction, SHA-512.
	XRoad Profile = iota
	// Trembita lets SOAP 1.2 and any SOAPAction through and hashes with the
	// given function (GOST 34.311 in production).
	Trembita
)

// Server is the simulator; it implements http.Handler for clients.
type Server struct {
	Profile Profile
	// Resolve gives the provider's URL of a service; false means unknown service.
	Resolve func(xroad.ServiceID) (url string, ok bool)
	// HTTP calls providers.
	HTTP *http.Client
	// Timeout is a server's patience with a provider; zero means 60 s, X-Road's default.
	Timeout time.Duration
	// Hash and Algorithm make the requestHash; nil means SHA-512.
	Hash      func([]byte) []byte
	Algorithm string
	// Exchanged, when set, is told the SOAP messages of every exchange, as a
	// message log would be; response is nil for a fault, which servers do not log.
	// What it cannot keep does not pass.
	Exchanged func(ctx context.Context, request, response []byte) error
}

// maxMessage bounds what the simulator buffers.
const maxMessage = 128 << 20

// fail is one refusal, in the codes operators know.
type fail struct{ code, text string }

// Error implements error.
func (f *fail) Error() string { return f.code + ": " + f.text }

const (
	clientSide = "Client."
	proxySide  = "Server.ServerProxy."
	failedSide = "Server.ServerProxy.ServiceFailed."
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, contentType, err := s.exchange(r)
	if err != nil {
		var f *fail
		if !errors.As(err, &f) {
			f = &fail{proxySide + "InternalError", err.Error()}
		}
		w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
		w.WriteHeader(http.StatusInternalServerError)
		out := []byte(`<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="` + soap.NS11 + `"><S:Body><S:Fault><faultcode>` + f.code + `</faultcode><faultstring>`)
		out = soap.AppendEscaped(out, f.text)
		_, _ = w.Write(append(out, `</faultstring></S:Fault></S:Body></S:Envelope>`...)) // the client is gone if this fails
		return
	}
	w.Header().Set("Content-Type", contentType)
	e := new(soap.Envelope)
	if e.Parse(answer, soap.DefaultHeaderBytes) == nil && e.IsFault() {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = w.Write(answer)
}

// part is a SOAP message inside an HTTP body: its bytes and where they lie.
type part struct {
	envelope *soap.Envelope
	header   *xroad.Header
	whole    []byte
	soap     []byte
}

func (s *Server) exchange(r *http.Request) (answer []byte, contentType string, err error) {
	if r.Method != http.MethodPost {
		return nil, "", &fail{clientSide + "InvalidHttpMethod", "must use POST"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxMessage))
	if err != nil {
		return nil, "", &fail{clientSide + "IOError", "cannot read the message"}
	}
	if action := r.Header.Get("SOAPAction"); s.Profile == XRoad && action != "" && !(len(action) > 1 && action[0] == '"' && strings.HasSuffix(action, `"`)) {
		return nil, "", &fail{clientSide + "InvalidSoapAction", "malformed SOAPAction header"}
	}
	request, err := s.read(r.Header.Get("Content-Type"), body, clientSide)
	if err != nil {
		return nil, "", err
	}
	if request.envelope.IsFault() {
		return nil, "", &fail{clientSide + "InvalidSoap", "a client must not send faults"}
	}
	url, ok := s.Resolve(request.header.Service)
	if !ok {
		return nil, "", &fail{proxySide + "UnknownService", "unknown service"}
	}
	answer, contentType, err = s.forward(r.Context(), url, r.Header, body)
	if err != nil {
		return nil, "", err
	}
	response, err := s.read(contentType, answer, failedSide)
	if err != nil {
		return nil, "", err
	}
	if response.envelope.IsFault() {
		// Faults travel on unmodified; they need no headers.
		return answer, contentType, s.keep(r.Context(), request.soap, nil)
	}
	if err := xroad.Consistent(request.header, response.header); err != nil {
		return nil, "", &fail{failedSide + "InconsistentHeaders", err.Error()}
	}
	if !strings.HasPrefix(response.envelope.Payload.Local, request.header.Service.Code) {
		return nil, "", &fail{failedSide + "InconsistentHeaders", "the body element does not begin with the service code"}
	}
	hashed := s.addHash(request, response)
	if err := s.keep(r.Context(), request.soap, hashed); err != nil {
		return nil, "", err
	}
	return bytes.Replace(response.whole, response.soap, hashed, 1), contentType, nil
}

// keep tells the message log of an exchange.
func (s *Server) keep(ctx context.Context, request, response []byte) error {
	if s.Exchanged == nil {
		return nil
	}
	if err := s.Exchanged(ctx, request, response); err != nil {
		return &fail{proxySide + "LoggingFailed.InternalError", "the exchange could not be kept: " + err.Error()}
	}
	return nil
}

// forward calls the provider: of a client's HTTP headers only Content-Type and
// SOAPAction travel, the body goes chunked, and nothing but 200 and 500 comes back.
func (s *Server) forward(ctx context.Context, url string, h http.Header, body []byte) ([]byte, string, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, struct{ io.Reader }{bytes.NewReader(body)})
	if err != nil {
		return nil, "", &fail{proxySide + "ServiceMalformedUrl", "malformed service address"}
	}
	req.Header.Set("Content-Type", h.Get("Content-Type"))
	if v, ok := h["Soapaction"]; ok {
		req.Header["SOAPAction"] = v
	}
	req.Header.Set("Accept-Encoding", "")
	req.Header.Set("User-Agent", "security-server-simulator")
	resp, err := s.HTTP.Do(req)
	if err != nil {
		return nil, "", &fail{failedSide + "NetworkError", "the provider cannot be reached or took too long"}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage+1))
	if err != nil || len(answer) > maxMessage {
		return nil, "", &fail{failedSide + "IOError", "the answer broke off or is too large"}
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusInternalServerError {
		return nil, "", &fail{failedSide + "HttpError", "server responded with error " + resp.Status}
	}
	contentType := resp.Header.Get("Content-Type")
	if contentType == "" {
		return nil, "", &fail{failedSide + "InvalidContentType", "could not get the content type from the response"}
	}
	return answer, contentType, nil
}

// read takes a message apart by the security server's rules; side says whose
// fault it is when it breaks them.
func (s *Server) read(contentType string, body []byte, side string) (*part, error) {
	media, params, err := mime.ParseMediaType(contentType)
	allowed := []string{"text/xml", "application/xop+xml", "multipart/related"}
	if s.Profile == Trembita {
		allowed = append(allowed, "application/soap+xml")
	}
	if err != nil || !slices.Contains(allowed, media) {
		return nil, &fail{side + "InvalidContentType", "invalid content type"}
	}
	p := &part{whole: body, soap: body, envelope: new(soap.Envelope)}
	if media == "multipart/related" {
		if p.soap = firstPart(body, params["boundary"]); p.soap == nil {
			return nil, &fail{side + "MimeParsingFailed", "no SOAP part"}
		}
	}
	if err := p.envelope.Parse(bytes.TrimPrefix(p.soap, []byte("\xEF\xBB\xBF")), soap.DefaultHeaderBytes); err != nil {
		return nil, &fail{side + code(err), err.Error()}
	}
	e := p.envelope
	if e.Version != soap.V11 && s.Profile != Trembita {
		return nil, &fail{side + "InvalidSoap", "not a SOAP 1.1 envelope"}
	}
	if e.IsFault() {
		return p, nil
	}
	if p.header, err = xroad.ParseHeader(e, xroad.Protocol{EmptyID: true}); err != nil {
		return nil, &fail{side + code(err), err.Error()}
	}
	if s.Profile == XRoad {
		for i := range e.Nodes {
			n := &e.Nodes[i]
			if n.Depth == 1 && (string(n.Local) == "client" || string(n.Local) == "service") {
				if _, ok := e.Attr(n, xroad.IdentifiersNS, "objectType"); !ok {
					return nil, &fail{side + "InvalidXml", "objectType must be namespaced"}
				}
			}
		}
	}
	if side == clientSide && !strings.HasPrefix(e.Payload.Local, p.header.Service.Code) {
		return nil, &fail{side + "InconsistentHeaders", "the body element does not begin with the service code"}
	}
	return p, nil
}

// code is the last part of the fault code for an error of our own reader.
func code(err error) string { return soap.FaultOf(err).Code }

// firstPart gives the bytes of the first MIME part's body, line ends as they are.
func firstPart(body []byte, boundary string) []byte {
	delim := []byte("--" + boundary)
	at := bytes.Index(body, delim)
	if boundary == "" || at < 0 {
		return nil
	}
	rest := body[at+len(delim):]
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if head := bytes.Index(rest, []byte(blank)); head >= 0 {
			content := rest[head+len(blank):]
			end := bytes.Index(content, append([]byte("\n"), delim...))
			if end < 0 {
				return nil
			}
			return bytes.TrimSuffix(content[:end], []byte("\r"))
		}
	}
	return nil
}

// addHash writes requestHash right after the answer's id, with id's prefix and
// attributes, as a real server does, and drops one that is there already. It
// gives the SOAP message.
func (s *Server) addHash(request, response *part) []byte {
	hash, algorithm := s.Hash, s.Algorithm
	if hash == nil {
		hash, algorithm = func(b []byte) []byte { sum := sha512.Sum512(b); return sum[:] }, xroad.AlgorithmSHA512
	}
	e := response.envelope
	var out []byte
	at := 0
	for i := range e.Nodes {
		n := &e.Nodes[i]
		if n.Depth != 1 || string(n.Space) != xroad.NS {
			continue
		}
		switch string(n.Local) {
		case "requestHash":
			out = append(out, e.Bytes[at:n.Start]...)
			at = n.End
		case "id":
			out = append(out, e.Bytes[at:n.End]...)
			at = n.End
			tag := e.Bytes[n.Start+1 : n.End]
			name := tag[:bytes.IndexAny(tag, " \t\r\n/>")]
			prefix := ""
			if p, _, ok := bytes.Cut(name, []byte(":")); ok {
				prefix = string(p) + ":"
			}
			// The attributes of id come along, its namespace declarations among them.
			attributes := ""
			if start := tag[len(name):bytes.IndexByte(tag, '>')]; len(start) > 0 {
				attributes = string(bytes.TrimRight(start, " \t\r\n/"))
			}
			out = append(out, "<"+prefix+"requestHash"+attributes+` algorithmId="`+algorithm+`">`+base64.StdEncoding.EncodeToString(hash(request.soap))+"</"+prefix+"requestHash>"...)
		}
	}
	return append(out, e.Bytes[at:]...)
}
