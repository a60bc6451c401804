// Package xroad holds the X-Road message protocol 4.0 as Trembita uses it: the
// identifiers and header blocks of a SOAP message, routing by service
// identifier, and an echo for tests of the road.
//
// It refuses a message whose headers are missing, doubled or malformed, that
// is meant for another provider or instance, or that comes from a client not
// on the service's list. It trusts the listener that the message came through
// our own security server; the header alone proves nothing.
//
// Source: X-Road Message Protocol 4.0.25 (PR-MESS) and its extensions for
// third-party representation and security tokens.
package xroad

import (
	"strings"
	"unicode/utf8"

	"mist/soap"
)

// Namespaces of header blocks and identifiers.
const (
	NS               = "http://x-road.eu/xsd/xroad.xsd"
	IdentifiersNS    = "http://x-road.eu/xsd/identifiers"
	RepresentationNS = "http://x-road.eu/xsd/representation.xsd"
	SecurityTokenNS  = "http://x-road.eu/xsd/security-token.xsd"
)

// ClientID names an information system: a member or one of its subsystems.
// Codes are compared and kept as they come; EDRPOU 00015622 keeps its zeros.
type ClientID struct {
	Instance, Class, Member, Subsystem string
}

// String gives INSTANCE/CLASS/MEMBER[/SUBSYSTEM].
func (c ClientID) String() string {
	s := c.Instance + "/" + c.Class + "/" + c.Member
	if c.Subsystem != "" {
		s += "/" + c.Subsystem
	}
	return s
}

// ParseClientID reads the form String gives.
func ParseClientID(s string) (ClientID, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 && len(p) != 4 {
		return ClientID{}, soap.Faultf("InvalidIdentifier", "a client identifier is INSTANCE/CLASS/MEMBER or INSTANCE/CLASS/MEMBER/SUBSYSTEM")
	}
	for _, part := range p {
		if !validPart(part) {
			return ClientID{}, soap.Faultf("InvalidIdentifier", "a part of the client identifier is empty or has characters that are not allowed")
		}
	}
	c := ClientID{Instance: p[0], Class: p[1], Member: p[2]}
	if len(p) == 4 {
		c.Subsystem = p[3]
	}
	return c, nil
}

// ServiceID names a service of a provider; Version may be empty, which is not
// the same as any version.
type ServiceID struct {
	Provider      ClientID
	Code, Version string
}

// String gives PROVIDER/CODE[/VERSION].
func (s ServiceID) String() string {
	out := s.Provider.String() + "/" + s.Code
	if s.Version != "" {
		out += "/" + s.Version
	}
	return out
}

// ParseServiceID reads INSTANCE/CLASS/MEMBER/SUBSYSTEM/CODE[/VERSION]; a member
// without subsystem cannot be written this way.
func ParseServiceID(s string) (ServiceID, error) {
	p := strings.Split(s, "/")
	if len(p) != 5 && len(p) != 6 {
		return ServiceID{}, soap.Faultf("InvalidIdentifier", "a service identifier is INSTANCE/CLASS/MEMBER/SUBSYSTEM/CODE[/VERSION]")
	}
	provider, err := ParseClientID(strings.Join(p[:4], "/"))
	if err != nil {
		return ServiceID{}, err
	}
	id := ServiceID{Provider: provider, Code: p[4]}
	if len(p) == 6 {
		id.Version = p[5]
	}
	for _, part := range p[4:] {
		if !validPart(part) {
			return ServiceID{}, soap.Faultf("InvalidIdentifier", "the code or version of the service is empty or has characters that are not allowed")
		}
	}
	return id, nil
}

// validPart checks one part of an identifier. PR-MESS 2.7 lists allowed
// characters, but underscores are everywhere in Trembita (50_eHealth_prod), so
// what the security server itself refuses is refused here.
func validPart(s string) bool {
	if s == "" || len(s) > 255 || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r < 0x20, r >= 0x7F && r < 0xA0, r == 0x200B, r == 0xFEFF:
			return false
		case r == '%', r == ':', r == ';', r == '/', r == '\\':
			return false
		}
	}
	return true
}
