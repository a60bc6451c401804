package xroad

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"

	"mist/soap"
)

// AlgorithmSHA512 is the algorithmId of X-Road's own requestHash; Trembita
// writes AlgorithmGOST34311.
const (
	AlgorithmSHA512    = "http://www.w3.org/2001/04/xmlenc#sha512"
	AlgorithmGOST34311 = "http://www.w3.org/2001/04/xmldsig-more#gost34311"
)

// Caller asks services of other providers through our security server.
type Caller struct {
	// URL is the security server's address for information systems.
	URL string
	// Client is who we are in X-Road.
	Client ClientID
	SOAP   *soap.Client
	// NewID makes message ids.
	NewID func() string
	// Hashes checks requestHash by algorithmId; SHA-512 is always known.
	Hashes map[string]func([]byte) []byte
}

// Call is one question.
type Call struct {
	Service ServiceID
	// Body is one element with the namespace declarations it needs.
	Body []byte
	// ID is the message id; empty makes a new one. A repetition of the same
	// question keeps its id.
	ID          string
	UserID      Value
	Issue       Value
	Represented *Party
	// Version of SOAP; zero means 1.1. Some Trembita services speak 1.2 only.
	Version soap.Version
	// Action is the SOAPAction of SOAP 1.1, or the action of SOAP 1.2; usually empty.
	Action string
}

// Answer is what a provider said.
type Answer struct {
	*soap.Reply
	Header *Header
	// Request is the message sent, for the trail.
	Request []byte
	// HashChecked tells that the answer carried a requestHash we could check.
	HashChecked bool
}

// InconsistentError tells that an answer does not belong to its request.
type InconsistentError struct{ Field string }

// Error implements error.
func (e *InconsistentError) Error() string {
	return "the answer's X-Road header " + e.Field + " differs from the request's"
}

// Do asks and checks that the answer belongs to the question: the six headers
// a security server compares, the body element, the requestHash. A *soap.Fault
// is the provider's or a security server's refusal.
func (c *Caller) Do(ctx context.Context, call Call) (*Answer, error) {
	if call.ID == "" {
		if c.NewID == nil {
			return nil, errors.New("X-Road call without a message id")
		}
		call.ID = c.NewID()
	}
	if call.Version == 0 {
		call.Version = soap.V11
	}
	request := AppendEnvelope(nil, c.Client, call)
	reply, err := c.SOAP.PostAction(ctx, c.URL, call.Version, call.Action, request)
	if err != nil {
		if reply != nil {
			reply.Close()
		}
		return nil, err
	}
	a := &Answer{Reply: reply, Request: request}
	if err := a.check(c, call); err != nil {
		reply.Close()
		return nil, fmt.Errorf("checking the answer of %s: %w", call.Service, err)
	}
	return a, nil
}

func (a *Answer) check(c *Caller, call Call) error {
	h, err := ParseHeader(a.Envelope, Protocol{})
	if err != nil {
		// No fault of the other side's, though our reader words it as one.
		return fmt.Errorf("%w: they cannot be read", &InconsistentError{"client, service or id"})
	}
	a.Header = h
	want := &Header{Client: c.Client, Service: call.Service, ID: call.ID, UserID: call.UserID, Issue: call.Issue, Represented: call.Represented}
	if err := Consistent(want, h); err != nil {
		return err
	}
	if a.Payload.Local != call.Service.Code+"Response" {
		return &InconsistentError{"service: the body element is not its response"}
	}
	for _, n := range h.hashes {
		algorithm, _ := a.Attr(n, "", "algorithmId")
		text, _ := a.TextString(n)
		sum := c.Hashes[algorithm]
		if algorithm == AlgorithmSHA512 {
			sum = func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
		}
		if sum == nil {
			continue
		}
		if text != base64.StdEncoding.EncodeToString(sum(a.Request)) {
			return &InconsistentError{"requestHash"}
		}
		a.HashChecked = true
	}
	return nil
}

// Consistent compares the six headers a security server compares between a
// request and its answer: client, service, id, userId, issue and
// representedParty. Values are not trimmed, and empty is not absent.
func Consistent(request, answer *Header) error {
	switch {
	case request.Client != answer.Client:
		return &InconsistentError{"client"}
	case request.Service != answer.Service:
		return &InconsistentError{"service"}
	case request.ID != answer.ID:
		return &InconsistentError{"id"}
	case request.UserID != answer.UserID:
		return &InconsistentError{"userId"}
	case request.Issue != answer.Issue:
		return &InconsistentError{"issue"}
	case (request.Represented == nil) != (answer.Represented == nil),
		request.Represented != nil && *request.Represented != *answer.Represented:
		return &InconsistentError{"representedParty"}
	}
	return nil
}

// AppendEnvelope appends a request message.
func AppendEnvelope(out []byte, client ClientID, call Call) []byte {
	v := call.Version
	if v == 0 {
		v = soap.V11
	}
	out = append(out, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<S:Envelope xmlns:S="`+v.Namespace()+`" xmlns:xrd="`+NS+`" xmlns:id="`+IdentifiersNS+`"><S:Header>`...)
	element := func(name, value string) {
		out = append(out, "<"+name+">"...)
		out = soap.AppendEscaped(out, value)
		out = append(out, "</"+name+">"...)
	}
	member := func(c ClientID) {
		element("id:xRoadInstance", c.Instance)
		element("id:memberClass", c.Class)
		element("id:memberCode", c.Member)
		if c.Subsystem != "" {
			element("id:subsystemCode", c.Subsystem)
		}
	}
	kind := "SUBSYSTEM"
	if client.Subsystem == "" {
		kind = "MEMBER"
	}
	out = append(out, `<xrd:client id:objectType="`+kind+`">`...)
	member(client)
	out = append(out, `</xrd:client><xrd:service id:objectType="SERVICE">`...)
	member(call.Service.Provider)
	element("id:serviceCode", call.Service.Code)
	if call.Service.Version != "" {
		element("id:serviceVersion", call.Service.Version)
	}
	out = append(out, `</xrd:service>`...)
	if p := call.Represented; p != nil {
		out = append(out, `<repr:representedParty xmlns:repr="`+RepresentationNS+`">`...)
		if p.Class.Set {
			element("repr:partyClass", p.Class.Text)
		}
		element("repr:partyCode", p.Code)
		out = append(out, `</repr:representedParty>`...)
	}
	if call.UserID.Set {
		element("xrd:userId", call.UserID.Text)
	}
	if call.Issue.Set {
		element("xrd:issue", call.Issue.Text)
	}
	element("xrd:id", call.ID)
	element("xrd:protocolVersion", "4.0")
	out = append(out, `</S:Header><S:Body>`...)
	out = append(out, call.Body...)
	return append(out, `</S:Body></S:Envelope>`...)
}
