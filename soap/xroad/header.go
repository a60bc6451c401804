package xroad

import (
	"log/slog"
	"strings"

	"mist/soap"
)

// Value is an optional header: empty and absent differ in X-Road.
type Value struct {
	Text string
	Set  bool
}

// Secret is a security token: it may be passed on, never printed.
type Secret string

// String hides the token.
func (Secret) String() string { return "•••" }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Party is who the client represents (third-party representation extension).
type Party struct {
	Class Value
	Code  string
}

// ServerID names a security server a message is aimed at.
type ServerID struct {
	Instance, Class, Member, Server string
}

// Header is the X-Road part of a SOAP Header. Values are exactly as sent:
// security servers compare them untrimmed.
type Header struct {
	Client          ClientID
	Service         ServiceID
	ID              string
	UserID          Value
	Issue           Value
	ProtocolVersion string

	Represented    *Party
	SecurityServer *ServerID
	SecurityToken  *Secret
	TokenType      string

	// hashes are requestHash blocks; a security server writes its own into
	// the answer, so ours leaves them out.
	hashes []*soap.Node
}

// Protocol is what a service accepts of the protocol beyond version 4.0.
type Protocol struct {
	// AnyMajor accepts later major versions and the central services of early
	// X-Road 6. Only the echo service does: it carries headers, it does not
	// act on them.
	AnyMajor bool
	// EmptyID accepts an empty message id. Ids are keys of stored answers, so
	// services that answer from data refuse them.
	EmptyID bool
}

func missing(field string) *soap.Fault {
	return soap.Faultf("MissingHeaderField", "the X-Road header %s is missing or empty", field)
}

func duplicate(field string) *soap.Fault {
	return soap.Faultf("DuplicateHeaderField", "the X-Road header %s is there more than once", field)
}

func invalid(field, problem string) *soap.Fault {
	return soap.Faultf("InvalidXml", "the X-Road header %s %s", field, problem)
}

// ParseHeader reads the header blocks of a message. Each block and each part
// of an identifier may be there once; order and prefixes do not matter; blocks
// it does not know are left alone unless they must be understood.
func ParseHeader(e *soap.Envelope, p Protocol) (*Header, error) {
	if !e.HasHeader {
		return nil, soap.Faultf("MissingHeader", "the envelope has no Header; X-Road needs client, service, id and protocolVersion")
	}
	h := new(Header)
	r := reader{e: e, p: p, h: h}
	nodes := e.Nodes
	for i := 0; i < len(nodes); {
		n := &nodes[i]
		end := i + 1
		for end < len(nodes) && nodes[end].Depth > 1 {
			end++
		}
		known, err := r.block(n, nodes[i+1:end])
		if err != nil {
			return nil, err
		}
		if !known {
			if err := mustUnderstand(e, n); err != nil {
				return nil, err
			}
		}
		i = end
	}
	switch {
	case r.seen&seenClient == 0:
		return nil, missing("client")
	case r.seen&seenService == 0:
		return nil, missing("service")
	case r.seen&seenID == 0, h.ID == "" && !p.EmptyID:
		return nil, missing("id")
	case r.seen&seenVersion == 0:
		return nil, missing("protocolVersion")
	}
	if len(h.ID) > maxID {
		return nil, invalid("id", "is too long")
	}
	return h, h.checkVersion(p)
}

// maxID bounds the message id; it is stored beside every answer.
const maxID = 255

// checkVersion accepts 4.x as security servers do: PR-MESS 2.2 says both "MUST
// be 4.0" and "the same major version is compatible".
func (h *Header) checkVersion(p Protocol) error {
	major, minor, ok := strings.Cut(h.ProtocolVersion, ".")
	known := major == "4" || p.AnyMajor && len(major) == 1 && major[0] > '4' && major[0] <= '9'
	if !ok || minor == "" || len(h.ProtocolVersion) > 8 || !known {
		return soap.Faultf("InvalidProtocolVersion", "the X-Road protocolVersion must be 4.0")
	}
	return nil
}

// mustUnderstand refuses an unknown block aimed at us (SOAP 1.1 section 4.2.3,
// SOAP 1.2 part 1 section 5.2.3).
func mustUnderstand(e *soap.Envelope, n *soap.Node) error {
	ns := e.Version.Namespace()
	v, ok := e.Attr(n, ns, "mustUnderstand")
	if !ok || v == "0" || v == "false" && e.Version == soap.V12 {
		return nil
	}
	if v != "1" && !(v == "true" && e.Version == soap.V12) {
		return soap.Faultf("InvalidSoap", "a header block has a mustUnderstand that is neither 0 nor 1")
	}
	role := "actor"
	if e.Version == soap.V12 {
		role = "role"
	}
	switch to, ok := e.Attr(n, ns, role); {
	case !ok, to == "",
		to == "http://schemas.xmlsoap.org/soap/actor/next",
		to == soap.NS12+"/role/next", to == soap.NS12+"/role/ultimateReceiver":
		return &soap.Fault{Class: soap.MustUnderstand, Code: "MustUnderstand",
			Reason: "a header block that must be understood is not known to this service"}
	}
	return nil
}

const (
	seenClient = 1 << iota
	seenService
	seenID
	seenVersion
)

type reader struct {
	e    *soap.Envelope
	p    Protocol
	h    *Header
	seen int
}

func (r *reader) once(bit int, field string) error {
	if r.seen&bit != 0 {
		return duplicate(field)
	}
	r.seen |= bit
	return nil
}

// block reads one header block; known tells whether it is one of X-Road's.
func (r *reader) block(n *soap.Node, children []soap.Node) (known bool, err error) {
	h := r.h
	switch string(n.Space) {
	case NS:
	case RepresentationNS:
		if string(n.Local) != "representedParty" {
			return false, nil
		}
		if h.Represented != nil {
			return true, duplicate("representedParty")
		}
		return true, r.party(children)
	case SecurityTokenNS:
		if string(n.Local) != "securityToken" {
			return false, nil
		}
		if h.SecurityToken != nil {
			return true, duplicate("securityToken")
		}
		v, err := r.text(n, "securityToken")
		token := Secret(v)
		h.SecurityToken = &token
		if h.TokenType, _ = r.e.Attr(n, "", "tokenType"); h.TokenType == "" {
			h.TokenType, _ = r.e.Attr(n, SecurityTokenNS, "tokenType")
		}
		return true, err
	default:
		return false, nil
	}
	switch string(n.Local) {
	case "client":
		if err := r.once(seenClient, "client"); err != nil {
			return true, err
		}
		return true, r.client(n, children)
	case "service":
		if err := r.once(seenService, "service"); err != nil {
			return true, err
		}
		return true, r.service(n, children)
	case "id":
		if err := r.once(seenID, "id"); err != nil {
			return true, err
		}
		h.ID, err = r.text(n, "id")
		return true, err
	case "protocolVersion":
		if err := r.once(seenVersion, "protocolVersion"); err != nil {
			return true, err
		}
		h.ProtocolVersion, err = r.text(n, "protocolVersion")
		return true, err
	case "userId":
		return true, r.optional(n, &h.UserID, "userId")
	case "issue":
		return true, r.optional(n, &h.Issue, "issue")
	case "securityServer":
		if h.SecurityServer != nil {
			return true, duplicate("securityServer")
		}
		return true, r.securityServer(n, children)
	case "requestHash":
		h.hashes = append(h.hashes, n)
		return true, nil
	}
	return false, nil
}

func (r *reader) optional(n *soap.Node, v *Value, field string) error {
	if v.Set {
		return duplicate(field)
	}
	text, err := r.text(n, field)
	*v = Value{Text: text, Set: true}
	return err
}

func (r *reader) text(n *soap.Node, field string) (string, error) {
	v, ok := r.e.TextString(n)
	if !ok {
		return "", invalid(field, "must hold text only")
	}
	return v, nil
}

// slot is where a part of an identifier goes.
type slot struct {
	name  string
	value *string
}

// parts reads the children of an identifier: known names once each, nothing
// else. Order is free, as it is for security servers.
func (r *reader) parts(children []soap.Node, field, space string, into ...slot) error {
	for i := range children {
		n := &children[i]
		var dst *string
		for j := range into {
			if into[j].name == string(n.Local) {
				dst = into[j].value
			}
		}
		if n.Depth != 2 || string(n.Space) != space || dst == nil {
			return invalid(field, "has an element that does not belong there")
		}
		v, err := r.text(n, field)
		if err != nil {
			return err
		}
		if *dst != "" {
			return duplicate(field + "/" + string(n.Local))
		}
		if v == "" {
			return missing(field + "/" + string(n.Local))
		}
		if !validPart(v) {
			return invalid(field+"/"+string(n.Local), "has characters that are not allowed")
		}
		*dst = v
	}
	return nil
}

// objectType reads the id:objectType attribute. PHP SoapClient and gSOAP drop
// its namespace when the schema does not force it, so an unqualified one is
// read as well; two at once are not.
func (r *reader) objectType(n *soap.Node, field string) (string, error) {
	v, ok := r.e.Attr(n, IdentifiersNS, "objectType")
	bare, bareOK := r.e.Attr(n, "", "objectType")
	switch {
	case ok && bareOK:
		return "", duplicate(field + "/@objectType")
	case bareOK:
		v = bare
	case !ok:
		return "", invalid(field, "lacks the attribute objectType of the identifiers namespace")
	}
	return v, nil
}

func (r *reader) client(n *soap.Node, children []soap.Node) error {
	c := &r.h.Client
	kind, err := r.objectType(n, "client")
	if err != nil {
		return err
	}
	if kind != "MEMBER" && kind != "SUBSYSTEM" {
		return invalid("client", "must have objectType MEMBER or SUBSYSTEM")
	}
	if r.e.Mixed(n) {
		return invalid("client", "has text between its elements")
	}
	err = r.parts(children, "client", IdentifiersNS, slot{"xRoadInstance", &c.Instance}, slot{"memberClass", &c.Class}, slot{"memberCode", &c.Member}, slot{"subsystemCode", &c.Subsystem})
	switch {
	case err != nil:
		return err
	case c.Instance == "":
		return missing("client/xRoadInstance")
	case c.Class == "":
		return missing("client/memberClass")
	case c.Member == "":
		return missing("client/memberCode")
	case kind == "SUBSYSTEM" && c.Subsystem == "":
		return missing("client/subsystemCode")
	case kind == "MEMBER" && c.Subsystem != "":
		return invalid("client", "has objectType MEMBER and a subsystemCode")
	}
	return nil
}

func (r *reader) service(n *soap.Node, children []soap.Node) error {
	s := &r.h.Service
	kind, err := r.objectType(n, "service")
	if err != nil {
		return err
	}
	central := kind == "CENTRALSERVICE" && r.p.AnyMajor
	if kind != "SERVICE" && !central {
		return invalid("service", "must have objectType SERVICE")
	}
	if r.e.Mixed(n) {
		return invalid("service", "has text between its elements")
	}
	c := &s.Provider
	err = r.parts(children, "service", IdentifiersNS, slot{"xRoadInstance", &c.Instance}, slot{"memberClass", &c.Class}, slot{"memberCode", &c.Member}, slot{"subsystemCode", &c.Subsystem},
		slot{"serviceCode", &s.Code}, slot{"serviceVersion", &s.Version})
	switch {
	case err != nil:
		return err
	case c.Instance == "":
		return missing("service/xRoadInstance")
	case s.Code == "":
		return missing("service/serviceCode")
	case central:
		return nil
	case c.Class == "":
		return missing("service/memberClass")
	case c.Member == "":
		return missing("service/memberCode")
	}
	return nil
}

func (r *reader) securityServer(n *soap.Node, children []soap.Node) error {
	s := new(ServerID)
	r.h.SecurityServer = s
	kind, err := r.objectType(n, "securityServer")
	if err != nil {
		return err
	}
	if kind != "SERVER" {
		return invalid("securityServer", "must have objectType SERVER")
	}
	err = r.parts(children, "securityServer", IdentifiersNS, slot{"xRoadInstance", &s.Instance}, slot{"memberClass", &s.Class}, slot{"memberCode", &s.Member}, slot{"serverCode", &s.Server})
	if err == nil && (s.Instance == "" || s.Class == "" || s.Member == "" || s.Server == "") {
		return missing("securityServer/*")
	}
	return err
}

func (r *reader) party(children []soap.Node) error {
	p := new(Party)
	r.h.Represented = p
	err := r.parts(children, "representedParty", RepresentationNS, slot{"partyClass", &p.Class.Text}, slot{"partyCode", &p.Code})
	p.Class.Set = p.Class.Text != ""
	if err == nil && p.Code == "" {
		return missing("representedParty/partyCode")
	}
	return err
}
