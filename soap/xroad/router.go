package xroad

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"mist/registry"
	"mist/registry/quota"
	"mist/signature/gost34311"
	"mist/soap"
)

// Request is a message whose X-Road header and addressee have been checked and
// whose body obeys the service's schema.
type Request struct {
	*Header
	// Payload is the body element; it lives as long as the call.
	Payload *soap.Payload
	Message *soap.Message
	// PurposeID and Subject are what the request says about the processing of
	// personal data, where the service asks for it.
	PurposeID, Subject string

	element  string
	document []byte
}

// Document is the body element as a document of its own, under the name of the
// contract, optimised content (XOP) put back in its place. It is made once.
func (r *Request) Document() ([]byte, error) {
	if r.document == nil {
		var err error
		if r.document, err = r.Message.Document(r.element, maxDocument); err != nil {
			return nil, err
		}
	}
	return r.document, nil
}

// Processing is what a service demands to be told about the processing of
// personal data (Trembita's monitoring subsystem): where in the body the
// identifier of the purpose declaration and the data subject stand. The paths
// are local names below the body element and belong into the contract's
// technical notes.
type Processing struct {
	Purpose  []string
	Subjects [][]string // tried in order
	// Required refuses requests without a purpose or subject.
	Required bool
}

// maxPurposeID keeps a purpose's identifier within one value of an audit entry, in bytes.
const maxPurposeID = 128

// read finds purpose and subject and refuses a request without them.
func (p *Processing) read(req *Request) error {
	if p == nil {
		return nil
	}
	doc, err := req.Document()
	if err != nil {
		return err
	}
	req.PurposeID, _ = soap.TextAt(doc, p.Purpose...)
	for _, path := range p.Subjects {
		if v, ok := soap.TextAt(doc, path...); ok && v != "" {
			req.Subject = v
			break
		}
	}
	switch {
	case len(req.PurposeID) > maxPurposeID || strings.ContainsFunc(req.PurposeID, unicode.IsControl):
		return registry.Invalid(registry.FieldError{Entry: "$." + strings.Join(p.Purpose, "."), Rule: "length", Description: "at most 128 bytes without control characters"})
	case p.Required && strings.TrimSpace(req.PurposeID) == "":
		return soap.Faultf("PurposeRequired", "the body must name the purpose declaration of this processing in %s", strings.Join(p.Purpose, "/"))
	case p.Required && strings.TrimSpace(req.Subject) == "":
		return soap.Faultf("SubjectRequired", "the body must name the data subject")
	}
	return nil
}

// Operation answers one service. The answer is the response element with the
// namespace declarations it needs. It may keep nothing of the request but the
// Header.
type Operation func(ctx context.Context, req *Request) (response []byte, err error)

// Service is one published service of a provider.
type Service struct {
	Provider ClientID
	Code     string
	// Versions lists the serviceVersion values published; "" is the absent
	// version, as Trembita has it. All honour one contract.
	Versions []string
	// Namespace and Element name the body element. Element with the suffix
	// Request is accepted too, and so are the names of Aliases. Empty Element
	// means Code.
	Namespace, Element string
	Aliases            []string
	// Clients may call the service; the security server has its own list, and
	// neither relies on the other. AnyClient lifts ours.
	Clients   []ClientID
	AnyClient bool
	// Quota bounds each client's calls; it is asked before the body is looked at.
	Quota *quota.Clients
	// Recorder keeps the hashes of exchanges. It is told every refusal of a
	// client that may call; with Joined also every answer, before it leaves, and
	// then what the operation writes into the trail names the message. Services
	// that record their answers themselves leave Joined out.
	Recorder Recorder
	Joined   bool
	// Validate checks the body element as a document of its own against the
	// schema, before dispatch; it returns a fault or registry error. nil skips.
	Validate func(doc []byte) error
	// Processing is enforced after validation; nil asks for nothing.
	Processing *Processing
	Operation  Operation
}

// Recorder keeps exchanges; *exchange.Service is one. An answer it cannot keep
// does not leave.
type Recorder interface {
	Record(ctx context.Context, x registry.Exchanged) error
}

// maxDocument bounds a body after optimised content is put back.
const maxDocument = 16 << 20

// Router sends messages to services by the identifier in the service header.
// It implements soap.Service and is immutable once built.
type Router struct {
	services  map[ServiceID]*Service
	providers map[ClientID]bool
	codes     map[ServiceID]bool // without version
	echo      bool
}

// NewRouter checks and indexes services. echo publishes the echo service under
// every identifier no service has; only the sandbox profile may ask for it.
func NewRouter(services []Service, echo bool) (*Router, error) {
	r := &Router{services: map[ServiceID]*Service{}, providers: map[ClientID]bool{}, codes: map[ServiceID]bool{}, echo: echo}
	for _, s := range services {
		if _, err := ParseClientID(s.Provider.String()); err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Code, err)
		}
		switch {
		case !validPart(s.Code):
			return nil, fmt.Errorf("service code %q is empty or has characters that are not allowed", s.Code)
		case s.Operation == nil:
			return nil, fmt.Errorf("service %s has no operation", s.Code)
		case len(s.Versions) == 0:
			return nil, fmt.Errorf("service %s publishes no version", s.Code)
		case len(s.Clients) > 0 && s.AnyClient:
			return nil, fmt.Errorf("service %s has both a client list and any client", s.Code)
		case s.Joined && s.Recorder == nil:
			return nil, fmt.Errorf("service %s is joined to no trail", s.Code)
		}
		if s.Element == "" {
			s.Element = s.Code
		}
		r.providers[s.Provider] = true
		r.codes[ServiceID{Provider: s.Provider, Code: s.Code}] = true
		for _, v := range s.Versions {
			id := ServiceID{s.Provider, s.Code, v}
			if r.services[id] != nil {
				return nil, fmt.Errorf("service %s is published twice", id)
			}
			r.services[id] = &s
		}
	}
	if len(services) == 0 && !echo {
		return nil, errors.New("no X-Road service to publish")
	}
	return r, nil
}

// ServeSOAP implements soap.Service.
func (r *Router) ServeSOAP(ctx context.Context, m *soap.Message) (*soap.Answer, error) {
	h, err := ParseHeader(m.Envelope, Protocol{})
	if err != nil {
		if !r.echo {
			return nil, err
		}
		// The echo carries what a service refuses to act on.
		lenient, lenientErr := ParseHeader(m.Envelope, Protocol{AnyMajor: true, EmptyID: true})
		if lenientErr != nil || r.providers[lenient.Service.Provider] {
			return nil, err
		}
		return r.serveEcho(m, lenient)
	}
	s := r.services[h.Service]
	if s == nil {
		known := r.codes[ServiceID{Provider: h.Service.Provider, Code: h.Service.Code}]
		switch {
		case known:
			return nil, soap.Faultf("UnknownService", "this version of the service is not published")
		case r.providers[h.Service.Provider]:
			return nil, soap.Faultf("UnknownService", "the service is not published by this provider")
		case r.echo:
			return r.serveEcho(m, h)
		}
		return nil, soap.Faultf("WrongAddressee", "the service header names another provider or another X-Road instance")
	}
	if !s.AnyClient && !slices.Contains(s.Clients, h.Client) {
		return nil, soap.Faultf("AccessDenied", "the client is not allowed to use this service")
	}
	if err := s.Quota.Admit(h.Client.String()); err != nil {
		return nil, err
	}
	if s.Recorder == nil {
		return s.answer(ctx, m, h)
	}
	return s.recorded(ctx, m, h)
}

// recorded answers a message and keeps the exchange.
func (s *Service) recorded(ctx context.Context, m *soap.Message, h *Header) (*soap.Answer, error) {
	var x *registry.Exchange
	if s.Joined {
		x = exchangeOf(m, h)
		ctx = registry.WithExchange(ctx, x)
	}
	answer, err := s.answer(ctx, m, h)
	if err == nil && !s.Joined {
		return answer, nil
	}
	if x == nil {
		x = exchangeOf(m, h)
	}
	over := registry.Exchanged{Exchange: *x, Service: s.Code, TrackingID: m.TrackingID()}
	if err != nil {
		over.Refused = soap.FaultOf(err).Code
		// The refusal is what the caller is told, whatever becomes of its entry.
		return nil, errors.Join(err, s.Recorder.Record(ctx, over))
	}
	sum, national := sha512.Sum512(answer.Body), gost34311.Sum256(answer.Body)
	over.ResponseSHA512, over.ResponseGOST = sum[:], national[:]
	if err := s.Recorder.Record(ctx, over); err != nil {
		return nil, registry.Errorf(registry.CodeUnavailable, "the exchange could not be recorded; send the same message again").WithCause(err)
	}
	return answer, nil
}

// exchangeOf takes the hashes of a message as received.
func exchangeOf(m *soap.Message, h *Header) *registry.Exchange {
	sum, national := sha512.Sum512(m.Wire), gost34311.Sum256(m.Wire)
	return &registry.Exchange{Client: h.Client.String(), MessageID: registry.MessageName(h.ID, sum[:]), RequestSHA512: sum[:], RequestGOST: national[:]}
}

// answer checks the body of a message and lets the operation answer it.
func (s *Service) answer(ctx context.Context, m *soap.Message, h *Header) (*soap.Answer, error) {
	p := &m.Payload
	if p.Space != s.Namespace || strings.TrimSuffix(p.Local, "Request") != strings.TrimSuffix(s.Element, "Request") && !slices.Contains(s.Aliases, p.Local) {
		return nil, soap.Faultf("InconsistentHeaders", "the body element must be %s in the namespace of the contract", s.Element)
	}
	if m.Encoded() {
		return nil, soap.Faultf("UnsupportedEncodingStyle", "send document/literal; RPC encoding is not supported")
	}
	req := &Request{Header: h, Payload: p, Message: m, element: s.Element}
	if s.Validate != nil {
		doc, err := req.Document()
		if err != nil {
			return nil, err
		}
		if err := s.Validate(doc); err != nil {
			return nil, err
		}
	}
	if err := s.Processing.read(req); err != nil {
		return nil, err
	}
	if x := registry.ExchangeOf(ctx); x != nil {
		x.PurposeID = req.PurposeID
	}
	body, err := s.Operation(ctx, req)
	if err != nil {
		return nil, err
	}
	return &soap.Answer{Body: body, Omit: h.hashes}, nil
}

// serveEcho answers the body element under its response name, content
// unchanged. It applies the security server's own rule for the body element:
// the local name begins with the service code.
func (r *Router) serveEcho(m *soap.Message, h *Header) (*soap.Answer, error) {
	p := &m.Payload
	if !strings.HasPrefix(p.Local, h.Service.Code) {
		return nil, soap.Faultf("InconsistentHeaders", "the body element must begin with the service code")
	}
	if p.Space == NS && p.IsEmpty() {
		// An empty element in X-Road's own namespace is how listMethods and its
		// kin are asked; a security server answers those, never a provider.
		return nil, soap.Faultf("UnknownService", "metaservices are answered by the security server")
	}
	name := h.Service.Code + "Response"
	return &soap.Answer{
		AppendBody: func(out []byte) []byte { return p.AppendRenamed(out, name) },
		Omit:       h.hashes,
	}, nil
}
