package soap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Client sends messages to another SOAP service, usually our security server.
type Client struct {
	HTTP   *http.Client
	Limits Limits
	// SpillDir takes attachments of answers too large for memory.
	SpillDir string
}

// ClientTLS is how a client proves itself and knows the other side.
type ClientTLS struct {
	// Certificate is shown when the server asks for one.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// PinnedServers are SHA-256 digests of the leaf certificates to talk to.
	// Security servers sign their internal certificate themselves.
	PinnedServers [][32]byte
}

// NewClient makes a client with a time limit for a whole call. tls may be nil
// for a plain connection.
func NewClient(timeout time.Duration, t *ClientTLS) (*Client, error) {
	if timeout <= 0 {
		return nil, errors.New("soap client without a time limit")
	}
	transport := &http.Transport{
		DisableCompression:    true, // security servers answer SOAP uncompressed
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: timeout,
	}
	if t != nil {
		if len(t.PinnedServers) == 0 {
			return nil, errors.New("soap client with TLS but no pinned server certificate")
		}
		pins := slices.Clone(t.PinnedServers)
		transport.TLSClientConfig = &tls.Config{
			MinVersion:           tls.VersionTLS12,
			GetClientCertificate: t.Certificate,
			// The pin below replaces the check of chain and name.
			InsecureSkipVerify: true,
			VerifyConnection: func(cs tls.ConnectionState) error {
				if len(cs.PeerCertificates) > 0 && slices.Contains(pins, sha256.Sum256(cs.PeerCertificates[0].Raw)) {
					return nil
				}
				return errors.New("the server's certificate is not one of the pinned ones")
			},
		}
	}
	return &Client{HTTP: &http.Client{
		Transport: transport,
		Timeout:   timeout,
		// A redirect would carry a person's data somewhere nobody agreed to.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Reply is an answer. It owns its bytes. Close frees attachments.
type Reply struct {
	*Envelope
	// Wire is the SOAP part exactly as received.
	Wire        []byte
	Attachments []*Attachment
}

// Close frees files of attachments.
func (r *Reply) Close() { closeAttachments(r.Attachments) }

// Post sends one envelope. A SOAP fault comes back as a *Fault together with
// the reply; anything else than an envelope is an error.
func (c *Client) Post(ctx context.Context, url string, v Version, envelope []byte) (*Reply, error) {
	return c.PostAction(ctx, url, v, "", envelope)
}

// PostAction is Post with a SOAPAction (SOAP 1.1, 6.1.1) or the action of SOAP
// 1.2 (part 2, 6.5.3); it must be a URI reference without quotes.
func (c *Client) PostAction(ctx context.Context, url string, v Version, action string, envelope []byte) (*Reply, error) {
	if strings.ContainsAny(action, "\"\\ \r\n") {
		return nil, errors.New("making a soap request: the action is no URI reference")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(envelope))
	if err != nil {
		return nil, fmt.Errorf("making a soap request: %w", err)
	}
	contentType := v.MediaType() + "; charset=UTF-8"
	if v == V11 {
		req.Header.Set("SOAPAction", `"`+action+`"`)
	} else if action != "" {
		contentType += `; action="` + action + `"`
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("calling a soap service: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusInternalServerError {
		return nil, &StatusError{resp.StatusCode}
	}
	return c.read(resp)
}

// StatusError is an HTTP status that carries no SOAP message.
type StatusError struct{ Code int }

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("calling a soap service: HTTP status %d", e.Code)
}

// UnreadableError is an answer that is no SOAP message, or one over a limit.
type UnreadableError struct{ reason string }

// Error implements error.
func (e *UnreadableError) Error() string { return "reading a soap message: " + e.reason }

func (c *Client) read(resp *http.Response) (*Reply, error) {
	return ReadReply(resp.Header.Get("Content-Type"), resp.Body, c.Limits, c.SpillDir)
}

// ReadReply reads a SOAP message that is not being served: an answer, or a
// stored request. The error is a *Fault, given with the message, when the
// message is a fault; any other error means it could not be read.
func ReadReply(contentType string, body io.Reader, lim Limits, spillDir string) (*Reply, error) {
	lim = lim.withDefaults()
	ct, ok := parseContentType(contentType)
	if !ok {
		return nil, &UnreadableError{"it has no usable content type"}
	}
	r := &Reply{Envelope: new(Envelope)}
	charset := ct.params["charset"]
	var err error
	switch {
	case ct.media == "multipart/related":
		r.Wire, charset, r.Attachments, err = readRelated(body, ct.params["boundary"], lim, spillDir, nil, nil)
	case soapMedia(ct.media):
		r.Wire, err = readAtMost(body, nil, lim.EnvelopeBytes, nil)
	default:
		return nil, &UnreadableError{"it is not SOAP by its content type"}
	}
	// What follows turns faults of our own reader into plain errors: a *Fault
	// is what the other side said.
	if err != nil {
		var refused *Fault
		if errors.As(err, &refused) {
			return nil, &UnreadableError{err.Error()}
		}
		return nil, fmt.Errorf("reading a soap message: %w", err) // the connection broke
	}
	text, fault := decodeCharset(r.Wire, charset)
	if fault != nil {
		r.Close()
		return nil, &UnreadableError{fault.Reason}
	}
	if err := r.Parse(text, lim.HeaderBytes); err != nil {
		r.Close()
		return nil, &UnreadableError{err.Error()}
	}
	if !r.IsFault() {
		return r, nil
	}
	f, err := ReadFault(r.Envelope)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("reading a soap fault: %w", err)
	}
	return r, f
}

// AppendEscaped appends text for use in element content or a double-quoted
// attribute, for those who build headers by hand.
func AppendEscaped(out []byte, text string) []byte { return appendEscaped(out, []byte(text)) }
