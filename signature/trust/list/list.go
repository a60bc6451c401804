// Package list reads trusted lists (ETSI TS 119 612) as the Ukrainian Central
// Certification Authority publishes them, and makes trust anchors of them.
//
// A list is believed only when its own signature verifies, covers the whole
// document, and was made with a pinned certificate: a certificate in the list
// or beside it proves nothing. What is parsed is the octets that were hashed.
// Lists older than the last one seen, expired lists and lists of another type
// are refused.
package list

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/trust"
	"mist/signature/xades"
)

// MaxSize of a list.
const MaxSize = 32 << 20

// Namespace of TS 119 612.
const Namespace = "http://uri.etsi.org/02231/v2#"

// Types of list that are accepted.
var Types = []string{
	"http://uri.etsi.org/TrstSvc/TrustedList/TSLType/UAlist",
	"http://uri.etsi.org/TrstSvc/TrustedList/TSLType/EUgeneric",
}

// Errors of Verify, wrapped.
var (
	ErrSignature = errors.New("the list is not signed as it must be")
	ErrNotPinned = errors.New("the list is signed with a certificate that is not pinned")
	ErrExpired   = errors.New("the list has expired")
	ErrReplayed  = errors.New("the list is older than the one already known")
	ErrType      = errors.New("the list is of another type")
)

// Service types by purpose: whole URIs of both families, ETSI and national.
var serviceTypes = map[string]string{
	"http://uri.etsi.org/TrstSvc/Svctype/CA/QC":              facts.PurposeSigner,
	"http://uri.etsi.org/TrstSvc/Svctype/TSA/QTST":           facts.PurposeTSA,
	"http://uri.etsi.org/TrstSvc/Svctype/TSA":                facts.PurposeTSA,
	"http://uri.etsi.org/TrstSvc/Svctype/Certstatus/OCSP/QC": facts.PurposeOCSP,
	"http://uri.etsi.org/TrstSvc/Svctype/Certstatus/OCSP":    facts.PurposeOCSP,
	"http://czo.gov.ua/TrstSvc/Svctype/MR-TSA/QTST":          facts.PurposeTSA,
}

// Statuses under which a service is relied upon.
var goodStatuses = map[string]bool{
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted":                   true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/recognisedatnationallevel": true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/undersupervision":          true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/accredited":                true,
	"http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/supervisionincessation":    true,
	"http://czo.gov.ua/TrstSvc/TrustedList/Svcstatus/granted":                     true,
}

// List is a verified trusted list.
type List struct {
	Territory  string
	Sequence   int
	Type       string
	Issued     time.Time
	NextUpdate time.Time
	Signer     string // SHA-256 of the signing certificate, upper-case hex
	Services   []Service
	Remarks    []string // services that could not be used, and why
}

// Service is one service in one period.
type Service struct {
	Provider     string
	Name         string
	Type         string
	Status       string
	From         time.Time
	Until        time.Time // zero: to the present
	Certificates []*cert.Certificate
	Signatures   bool // ForeSignatures
	Seals        bool // ForeSeals
}

// Rules of acceptance.
type Rules struct {
	// Pinned SHA-256 digests of list signing certificates; at least one.
	Pinned [][32]byte
	// LastSequence seen for this list; a smaller one is a replay.
	LastSequence int
	Now          time.Time
}

// Verify checks the signature of a list and reads it.
func Verify(ctx context.Context, b []byte, r Rules) (*List, error) {
	if len(r.Pinned) == 0 {
		return nil, errors.New("verifying a trusted list: no pinned certificate")
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("verifying a trusted list: %w", facts.ErrTooLarge)
	}
	signed, signer, err := signedBytes(ctx, b, r)
	if err != nil {
		return nil, fmt.Errorf("verifying a trusted list: %w", err)
	}
	l, err := parse(signed)
	if err != nil {
		return nil, fmt.Errorf("reading a trusted list: %w", err)
	}
	l.Signer = strings.TrimPrefix(signer.ID, "C-")
	known := false
	for _, t := range Types {
		known = known || l.Type == t
	}
	switch {
	case !known:
		return nil, fmt.Errorf("trusted list: %w: %s", ErrType, l.Type)
	case l.Sequence < r.LastSequence:
		return nil, fmt.Errorf("trusted list %d after %d: %w", l.Sequence, r.LastSequence, ErrReplayed)
	case l.NextUpdate.IsZero() || r.Now.After(l.NextUpdate):
		return nil, fmt.Errorf("trusted list %d of %s: %w", l.Sequence, l.Issued.Format(time.DateOnly), ErrExpired)
	}
	return l, nil
}

// signedBytes returns the octets the one signature of the list covers.
func signedBytes(ctx context.Context, b []byte, r Rules) ([]byte, *cert.Certificate, error) {
	reading, err := xades.Read(ctx, facts.Bytes(b), facts.Environment{})
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if len(reading.Signatures) != 1 || len(reading.Problems) > 0 {
		return nil, nil, fmt.Errorf("%w: %d signatures", ErrSignature, len(reading.Signatures))
	}
	s := reading.Signatures[0]
	if s.SignatureValue != facts.OutcomeGood || !s.SigningCertificate.DigestMatch || !s.MessageDigest {
		return nil, nil, ErrSignature
	}
	for _, p := range s.Problems {
		switch p.Code {
		case facts.RemarkStructure, facts.RemarkMimetype:
		default:
			return nil, nil, fmt.Errorf("%w: %s", ErrSignature, p.Code)
		}
	}
	for _, d := range s.Digests {
		if !d.Found || !d.Intact || algo.Digest(d.Algorithm) == algo.SHA1 || algo.Digest(d.Algorithm) == algo.MD5 {
			return nil, nil, fmt.Errorf("%w: a digest differs or is too weak", ErrSignature)
		}
	}
	octets := reading.Octets[s.ID]
	if len(s.Scopes) != 1 || s.Scopes[0].Kind != facts.ScopeFull || len(octets) != 1 || octets[0].Open == nil {
		return nil, nil, fmt.Errorf("%w: it does not cover the whole document", ErrSignature)
	}
	signer, err := pinned(reading.Certificates, s.SigningCertificate.Certificate, r)
	if err != nil {
		return nil, nil, err
	}
	rc, err := octets[0].Open()
	if err != nil {
		return nil, nil, err
	}
	defer rc.Close()
	out, err := io.ReadAll(io.LimitReader(rc, MaxSize+1))
	return out, signer, err
}

func pinned(list []facts.Encoded, id string, r Rules) (*cert.Certificate, error) {
	for _, e := range list {
		sum := sha256.Sum256(e.DER)
		if facts.ID("C", e.DER) != id {
			continue
		}
		for _, p := range r.Pinned {
			if p != sum {
				continue
			}
			c, err := cert.Parse(e.DER)
			if err != nil {
				return nil, err
			}
			if !c.ValidAt(r.Now) {
				return nil, fmt.Errorf("%w: the pinned certificate is out of its period", ErrNotPinned)
			}
			return c, nil
		}
	}
	return nil, ErrNotPinned
}

// The parts of TS 119 612 that are read. Elements are matched by namespace.
type document struct {
	XMLName xml.Name `xml:"http://uri.etsi.org/02231/v2# TrustServiceStatusList"`
	Scheme  struct {
		Version   int    `xml:"http://uri.etsi.org/02231/v2# TSLVersionIdentifier"`
		Sequence  int    `xml:"http://uri.etsi.org/02231/v2# TSLSequenceNumber"`
		Type      string `xml:"http://uri.etsi.org/02231/v2# TSLType"`
		Territory string `xml:"http://uri.etsi.org/02231/v2# SchemeTerritory"`
		Issued    string `xml:"http://uri.etsi.org/02231/v2# ListIssueDateTime"`
		Next      string `xml:"http://uri.etsi.org/02231/v2# NextUpdate>dateTime"`
	} `xml:"http://uri.etsi.org/02231/v2# SchemeInformation"`
	Providers []struct {
		Names    []name    `xml:"http://uri.etsi.org/02231/v2# TSPInformation>TSPName>Name"`
		Services []service `xml:"http://uri.etsi.org/02231/v2# TSPServices>TSPService"`
	} `xml:"http://uri.etsi.org/02231/v2# TrustServiceProviderList>TrustServiceProvider"`
}

type name struct {
	Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Text string `xml:",chardata"`
}

type service struct {
	Info    period   `xml:"http://uri.etsi.org/02231/v2# ServiceInformation"`
	History []period `xml:"http://uri.etsi.org/02231/v2# ServiceHistory>ServiceHistoryInstance"`
}

type period struct {
	Type   string   `xml:"http://uri.etsi.org/02231/v2# ServiceTypeIdentifier"`
	Names  []name   `xml:"http://uri.etsi.org/02231/v2# ServiceName>Name"`
	Status string   `xml:"http://uri.etsi.org/02231/v2# ServiceStatus"`
	Since  string   `xml:"http://uri.etsi.org/02231/v2# StatusStartingTime"`
	Certs  []string `xml:"http://uri.etsi.org/02231/v2# ServiceDigitalIdentity>DigitalId>X509Certificate"`
	For    []string `xml:"http://uri.etsi.org/02231/v2# ServiceInformationExtensions>Extension>AdditionalServiceInformation>URI"`
}

func parse(b []byte) (*List, error) {
	var d document
	dec := xml.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&d); err != nil {
		return nil, err
	}
	l := &List{Territory: strings.TrimSpace(d.Scheme.Territory), Sequence: d.Scheme.Sequence, Type: strings.TrimSpace(d.Scheme.Type)}
	var err error
	if l.Issued, err = time.Parse(time.RFC3339, strings.TrimSpace(d.Scheme.Issued)); err != nil {
		return nil, fmt.Errorf("issue time: %w", err)
	}
	if next := strings.TrimSpace(d.Scheme.Next); next != "" {
		if l.NextUpdate, err = time.Parse(time.RFC3339, next); err != nil {
			return nil, fmt.Errorf("next update: %w", err)
		}
	}
	if d.Scheme.Version < 5 || d.Scheme.Version > 6 {
		return nil, fmt.Errorf("version %d of the format", d.Scheme.Version)
	}
	for _, p := range d.Providers {
		for _, s := range p.Services {
			l.service(text(p.Names), s)
		}
	}
	return l, nil
}

func text(names []name) string {
	for _, n := range names {
		if n.Lang == "uk" {
			return strings.TrimSpace(n.Text)
		}
	}
	if len(names) > 0 {
		return strings.TrimSpace(names[0].Text)
	}
	return ""
}

// service adds a service with its history, newest first; each period ends
// where the next newer one begins.
func (l *List) service(provider string, s service) {
	periods := append([]period{s.Info}, s.History...)
	type dated struct {
		period
		since time.Time
	}
	var list []dated
	for _, p := range periods {
		t, err := time.Parse(time.RFC3339, strings.TrimSpace(p.Since))
		if err != nil {
			l.Remarks = append(l.Remarks, text(p.Names)+": status time cannot be read")
			return
		}
		list = append(list, dated{p, t})
	}
	sort.SliceStable(list, func(i, j int) bool { return list[i].since.After(list[j].since) })
	certs := l.certificates(text(s.Info.Names), s.Info.Certs)
	for i, p := range list {
		out := Service{
			Provider: provider, Name: text(p.Names), Type: strings.TrimSpace(p.Type), Status: strings.TrimSpace(p.Status),
			From: p.since.UTC(), Certificates: certs,
		}
		// A history instance may name the certificates it had then.
		if own := l.certificates(out.Name, p.Certs); i > 0 && len(own) > 0 {
			out.Certificates = own
		}
		if i > 0 {
			out.Until = list[i-1].since.UTC()
		}
		for _, u := range p.For {
			out.Signatures = out.Signatures || strings.HasSuffix(strings.TrimSpace(u), "/SvcInfoExt/ForeSignatures")
			out.Seals = out.Seals || strings.HasSuffix(strings.TrimSpace(u), "/SvcInfoExt/ForeSeals")
		}
		if i == 0 && serviceTypes[out.Type] == "" {
			l.Remarks = append(l.Remarks, out.Name+": type of service not known: "+out.Type)
		}
		l.Services = append(l.Services, out)
	}
}

func (l *List) certificates(name string, list []string) []*cert.Certificate {
	var out []*cert.Certificate
	for _, c := range list {
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(c), ""))
		if err == nil {
			var p *cert.Certificate
			if p, err = cert.Parse(der); err == nil {
				out = append(out, p)
				continue
			}
		}
		l.Remarks = append(l.Remarks, name+": certificate cannot be read")
	}
	return out
}

// Anchors of the list: one trust entry for each period in which a service of
// a known type had a good status. Unknown types and states give none.
func (l *List) Anchors() []trust.Anchor {
	source := fmt.Sprintf("TL-%s %d", l.Territory, l.Sequence)
	byID := map[string]*trust.Anchor{}
	var order []string
	for _, s := range l.Services {
		// A type or status that is not in the tables makes no anchor; Verify
		// has named it in Remarks.
		purpose, known := serviceTypes[s.Type]
		if !known || !goodStatuses[s.Status] {
			continue
		}
		for _, c := range s.Certificates {
			a := byID[c.ID]
			if a == nil {
				a = &trust.Anchor{Certificate: c}
				byID[c.ID] = a
				order = append(order, c.ID)
			}
			purposes := []string{purpose}
			if purpose == facts.PurposeSigner {
				// The issuer of signers also signs its own revocation data.
				purposes = append(purposes, facts.PurposeOCSP)
			}
			a.Trust = append(a.Trust, facts.Trust{
				Source: source, Purposes: purposes, From: facts.TimePtr(s.From), Until: facts.TimePtr(s.Until),
				Service: s.Name, Type: s.Type, Status: s.Status,
			})
		}
	}
	out := make([]trust.Anchor, 0, len(order))
	for _, id := range order {
		out = append(out, *byID[id])
	}
	return out
}

// Snapshot makes a snapshot of the list and of certificates that help to
// build paths.
func (l *List) Snapshot(helpers []*cert.Certificate, crls []*trust.CRL) *trust.Snapshot {
	s := trust.NewSnapshot(fmt.Sprintf("TL-%s-%d", l.Territory, l.Sequence), l.Anchors(), helpers, crls)
	s.Lists = []trust.ListInfo{{Territory: l.Territory, Sequence: l.Sequence, Issued: l.Issued, NextUpdate: l.NextUpdate, Signer: l.Signer}}
	return s
}
