package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mist/signature/algo"
	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xades"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// Lift lifts the signatures of a document to higher levels: CAdES, XAdES and
// ASiC containers of either. It adds and changes nothing that was signed; whether
// the signatures are worth lifting, and whether they pass afterwards, the
// verifier says. Detached content is given by name, as to a verifier.
type Lift struct {
	TSA    TSA
	Digest algo.Digest // of time-stamps and archive manifests
	Random io.Reader
}

// Material is what judging a signature offline takes, in DER.
type Material struct{ Certificates, CRLs, OCSPs [][]byte }

// ErrNothingToLift is returned for a document without a signature that could be
// lifted.
var ErrNothingToLift = errors.New("no signature to lift")

func isXML(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")), " \t\r\n"), []byte("<"))
}

func isZip(b []byte) bool { return bytes.HasPrefix(b, []byte("PK\x03\x04")) }

// Stamp adds a signature time-stamp to every signature that has none: level T.
func (l Lift) Stamp(ctx context.Context, document []byte, content map[string]facts.Source) ([]byte, error) {
	switch {
	case isZip(document):
		// What an archive time-stamp covers has a proof of its time and must not change.
		return l.container(ctx, document, l.Stamp, nil)
	case isXML(document):
		return l.eachXML(ctx, document, content, func(x xades.Extendable) (string, error) {
			if x.Has("SignatureTimeStamp") {
				return "", nil
			}
			return l.xmlStamp(ctx, `xades:SignatureTimeStamp xmlns:xades="`+xades.NS132+`"`, x.StampMessage)
		})
	}
	return Extend(ctx, document, l.TSA, l.Digest, l.Random)
}

// Material adds certificates and revocation data where they are missing: level
// LT. In a container that archive time-stamps cover already they go into the
// newest of these, because what is covered must not change.
func (l Lift) Material(ctx context.Context, document []byte, m Material) ([]byte, error) {
	switch {
	case isZip(document):
		add := func(ctx context.Context, b []byte, _ map[string]facts.Source) ([]byte, error) {
			return l.Material(ctx, b, m)
		}
		return l.container(ctx, document, add, add)
	case isXML(document):
		return l.eachXML(ctx, document, nil, func(x xades.Extendable) (string, error) { return m.properties(x), nil })
	}
	return AddMaterial(document, m.Certificates, m.CRLs, m.OCSPs)
}

// Archive adds an archive time-stamp over everything there is: level LTA, and
// the same again later keeps it. In an ASiC-E container with CAdES it stands
// beside an archive manifest (EN 319 162-1, A.7), elsewhere in the signature.
func (l Lift) Archive(ctx context.Context, document []byte, content map[string]facts.Source) ([]byte, error) {
	switch {
	case isZip(document):
		return l.archiveContainer(ctx, document)
	case isXML(document):
		return l.eachXML(ctx, document, content, func(x xades.Extendable) (string, error) {
			return l.xmlStamp(ctx, `xades141:ArchiveTimeStamp xmlns:xades141="`+xades.NS141+`" xmlns:xades="`+xades.NS132+`"`, x.ArchiveMessage)
		})
	}
	return Archive(ctx, document, only(content), l.TSA, l.Digest, l.Random)
}

// only is the one detached object that CMS knows.
func only(content map[string]facts.Source) facts.Source {
	if s, ok := content[""]; ok || len(content) == 0 {
		return s
	}
	for _, s := range content {
		return s
	}
	return nil
}

// eachXML adds properties to every signature of an XML document, one after the
// other: what is added to one may stand under the stamp of the next.
func (l Lift) eachXML(ctx context.Context, document []byte, content map[string]facts.Source, properties func(xades.Extendable) (string, error)) ([]byte, error) {
	for i := 0; ; i++ {
		doc, err := xmldom.Parse(document, xmldom.Limits{})
		if err != nil {
			return nil, fmt.Errorf("lifting a signature: %w", err)
		}
		list, err := xades.Extendables(ctx, doc, facts.Environment{Content: content})
		if err != nil {
			return nil, fmt.Errorf("lifting a signature: %w", err)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("lifting a signature: %w", ErrNothingToLift)
		}
		if i >= len(list) {
			return document, nil
		}
		added, err := properties(list[i])
		if err != nil {
			return nil, fmt.Errorf("lifting a signature: %w", err)
		}
		if added == "" {
			continue
		}
		text, err := list[i].Add(added)
		if err != nil {
			return nil, fmt.Errorf("lifting a signature: %w", err)
		}
		document = []byte(text)
	}
}

// xmlStamp writes a time-stamp property (EN 319 132-1, 5.1.4.4) with exclusive
// canonicalisation, which does not depend on where the signature stands.
func (l Lift) xmlStamp(ctx context.Context, tag string, message func(io.Writer, c14n.Method) error) (string, error) {
	h := l.Digest.New(nil)
	if err := message(h, c14n.Exclusive); err != nil {
		return "", fmt.Errorf("hashing what the time-stamp covers: %w", err)
	}
	token, err := stamp(ctx, l.TSA, l.Digest, h.Sum(nil), l.Random)
	if err != nil {
		return "", fmt.Errorf("time-stamp: %w", err)
	}
	name, _, _ := strings.Cut(tag, " ")
	return `<` + tag + `><ds:CanonicalizationMethod xmlns:ds="` + xmldsig.Namespace + `" Algorithm="` + string(c14n.Exclusive) +
		`"/><xades:EncapsulatedTimeStamp>` + xmldsig.Base64(token) + `</xades:EncapsulatedTimeStamp></` + name + `>`, nil
}

// properties writes what a signature does not hold yet: as CertificateValues and
// RevocationValues, or, when these are there, as TimeStampValidationData
// (EN 319 132-1, 5.4 and 5.5.1), which may stand any number of times.
func (m Material) properties(x xades.Extendable) string {
	have := x.Holds()
	missing := func(prefix string, list [][]byte) (out [][]byte) {
		for _, der := range unique(list) {
			if !have[facts.ID(prefix, der)] {
				out = append(out, der)
			}
		}
		return out
	}
	certificates := encapsulate("CertificateValues", "EncapsulatedX509Certificate", missing("C", m.Certificates))
	revocations := encapsulate("CRLValues", "EncapsulatedCRLValue", missing("R", m.CRLs)) + encapsulate("OCSPValues", "EncapsulatedOCSPValue", missing("R", m.OCSPs))
	if revocations != "" {
		revocations = "<xades:RevocationValues>" + revocations + "</xades:RevocationValues>"
	}
	if certificates+revocations == "" {
		return ""
	}
	if x.Has("CertificateValues") || x.Has("RevocationValues") || x.Has("ArchiveTimeStamp") {
		return `<xades141:TimeStampValidationData xmlns:xades141="` + xades.NS141 + `" xmlns:xades="` + xades.NS132 + `">` +
			certificates + revocations + `</xades141:TimeStampValidationData>`
	}
	declare := func(s string) string {
		return strings.Replace(s, "Values>", `Values xmlns:xades="`+xades.NS132+`">`, 1)
	}
	return declare(certificates) + declare(revocations)
}
