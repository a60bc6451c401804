// Package gateway is the REST side of a security server: it reads the headers of X-Road (PR-REST 1.0) and of Trembita 2.0
// (UXP), decides who asks for what and for which purpose, and lets the request pass or not.
//
// It believes these headers only behind the listener of the security server; on any other address they are what anybody
// can write. Headers that occur twice with different values are refused: stock servers use the last and forward all.
package gateway

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mist/registry"
)

// Member is an information system: INSTANCE/CLASS/MEMBER[/SUBSYSTEM]. Codes are kept as they come, zeros included.
type Member struct {
	Instance, Class, Code, Subsystem string
}

// String gives the written form, parts as they are.
func (m Member) String() string {
	s := m.Instance + "/" + m.Class + "/" + m.Code
	if m.Subsystem != "" {
		s += "/" + m.Subsystem
	}
	return s
}

// Call is what the headers of one request say.
type Call struct {
	Client Member
	// Service is whom the client addressed, zero when no header tells.
	Service                     Member
	ServiceCode, ServiceVersion string
	// MessageID names the message, RequestID this very request (made by the server); either may be empty.
	MessageID, RequestID string
	UserID, Issue        string
	// Represented is the party in whose name the client asks; the class may be empty.
	RepresentedClass, Represented string
	// Purposes are the declared purposes of processing, Subject whose data are asked for.
	Purposes []string
	Subject  registry.RNOKPP
}

// The names of each header, the present one first: X-Road, the official guide of Trembita, other clients in the wild.
var (
	clientNames      = []string{"X-Road-Client", "Uxp-Client"}
	serviceNames     = []string{"X-Road-Service", "Uxp-Service"}
	messageNames     = []string{"X-Road-Id", "Uxp-QueryID", "Uxp-Id"}
	requestNames     = []string{"X-Road-Request-Id"}
	userNames        = []string{"X-Road-UserId", "Uxp-UserId"}
	issueNames       = []string{"X-Road-Issue", "Uxp-Issue"}
	representedNames = []string{"X-Road-Represented-Party", "Uxp-Represented-Party"}
	purposeNames     = []string{"Uxp-Purpose-Ids", "Purpose-Id"}
	subjectNames     = []string{"Uxp-Subject-Id"}
)

const (
	maxValue    = 512
	maxPurposes = 16
)

func broken(header, rule, why string) error {
	return registry.Invalid(registry.FieldError{Entry: header, EntryType: "header", Rule: rule, Description: why})
}

// value reads one header by any of its names, each at most once; all that occur must agree.
func value(h http.Header, names []string) (string, error) {
	found, first := "", ""
	for _, name := range names {
		if len(h.Values(name)) > 1 {
			return "", broken(name, "duplicate", "the header occurs more than once")
		}
		for _, v := range h.Values(name) {
			v = strings.Trim(v, " \t")
			switch {
			case len(v) > maxValue || !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl):
				return "", broken(name, "format", "at most 512 bytes of UTF-8 without control characters")
			case first == "":
				found, first = v, name
			case v != found:
				return "", broken(name, "duplicate", "the header occurs twice with different values")
			}
		}
	}
	return found, nil
}

// parts splits an identifier; a part may hold a percent-encoded solidus.
func parts(header, s string, least, most int) ([]string, error) {
	list := strings.Split(s, "/")
	if len(list) < least || len(list) > most {
		return nil, broken(header, "format", "an identifier of X-Road is INSTANCE/CLASS/MEMBER[/SUBSYSTEM]")
	}
	for i, p := range list {
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == "" || !utf8.ValidString(decoded) || strings.ContainsFunc(decoded, unicode.IsControl) {
			return nil, broken(header, "format", "a part of the identifier is empty or not percent-encoded UTF-8")
		}
		list[i] = decoded
	}
	return list, nil
}

// ParseMember reads the form of X-Road-Client.
func ParseMember(s string) (Member, error) { return member(clientNames[0], s) }

func member(header, s string) (Member, error) {
	p, err := parts(header, s, 3, 4)
	if err != nil {
		return Member{}, err
	}
	m := Member{Instance: p[0], Class: p[1], Code: p[2]}
	if len(p) == 4 {
		m.Subsystem = p[3]
	}
	return m, nil
}

// Read reads the headers of a request. Errors are registry.Error with the header that is broken.
func Read(h http.Header) (Call, error) {
	var c Call
	client, err := value(h, clientNames)
	if err != nil {
		return c, err
	}
	if client == "" {
		return c, broken(clientNames[0], "required", "the header that names the client system is missing")
	}
	if c.Client, err = member(clientNames[0], client); err != nil {
		return c, err
	}
	if err := c.service(h); err != nil {
		return c, err
	}
	for _, f := range []struct {
		to    *string
		names []string
	}{{&c.MessageID, messageNames}, {&c.RequestID, requestNames}, {&c.UserID, userNames}, {&c.Issue, issueNames}, {&c.Represented, representedNames}} {
		if *f.to, err = value(h, f.names); err != nil {
			return c, err
		}
	}
	if class, code, found := strings.Cut(c.Represented, "/"); found {
		p, err := parts(representedNames[0], class+"/"+code, 2, 2)
		if err != nil {
			return c, err
		}
		c.RepresentedClass, c.Represented = p[0], p[1]
	}
	purposes, err := value(h, purposeNames)
	if err != nil {
		return c, err
	}
	for p := range strings.SplitSeq(purposes, ",") {
		if p = strings.Trim(p, " \t"); p != "" && !slices.Contains(c.Purposes, p) {
			c.Purposes = append(c.Purposes, p)
		}
	}
	if len(c.Purposes) > maxPurposes {
		return c, broken(purposeNames[0], "length", "at most 16 purposes")
	}
	subject, err := value(h, subjectNames)
	if err != nil {
		return c, err
	}
	if c.Subject = registry.RNOKPP(subject); subject != "" && !c.Subject.Valid() {
		return c, broken(subjectNames[0], "format", "a taxpayer's number (РНОКПП) is expected")
	}
	return c, nil
}

// service reads the address: X-Road always names a service code below a subsystem; UXP may leave the subsystem out and
// add a version. The subsystem is taken to be there when there are five parts or more.
func (c *Call) service(h http.Header) error {
	s, err := value(h, serviceNames)
	if err != nil || s == "" {
		return err
	}
	p, err := parts(serviceNames[0], s, 4, 6)
	if err != nil {
		return err
	}
	c.Service = Member{Instance: p[0], Class: p[1], Code: p[2]}
	if p = p[3:]; len(p) > 1 {
		c.Service.Subsystem, p = p[0], p[1:]
	}
	c.ServiceCode = p[0]
	if len(p) > 1 {
		c.ServiceVersion = p[1]
	}
	return nil
}

// About refuses a request whose body speaks of another person than its headers declared to the monitoring of access.
func (c Call) About(person registry.RNOKPP) error {
	if c.Subject == "" || c.Subject == person {
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "the subject of the headers is not the person of the body").WithReason("subject_mismatch")
}
