package xades

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// Extendable is a signature as those see it who add unsigned properties to it (EN 319 132-1, 5.3 to 5.5). Whether it is
// worth that, the verifier says.
type Extendable struct{ g *signature }

// Extendables reads a document and returns its signatures in document order, counter-signatures left out. They are
// valid until the document changes. Content of detached signatures comes from env. Errors are those of Read.
func Extendables(ctx context.Context, doc *xmldom.Document, env facts.Environment) ([]Extendable, error) {
	var list []Extendable
	env.Limits = env.Limits.OrDefault()
	_, err := read(ctx, doc, env, func(g *signature) { list = append(list, Extendable{g}) })
	return list, err
}

// ID is the id of the signature in facts.
func (x Extendable) ID() string { return x.g.facts.ID }

// Has says whether there is an unsigned property of this name.
func (x Extendable) Has(local string) bool {
	for e := range x.g.unsignedSignature().Elements() {
		if e.Name().Local == local {
			return true
		}
	}
	return false
}

// Holds names the certificates, revocation data and time-stamps in KeyInfo and the properties.
func (x Extendable) Holds() map[string]bool {
	out := map[string]bool{}
	for _, e := range []xmldom.Node{x.g.s.KeyInfo, x.g.qualifying} {
		if e.IsZero() {
			continue
		}
		for _, id := range x.g.held(nil, e) {
			out[id] = true
		}
	}
	return out
}

// StampMessage writes what a SignatureTimeStamp covers, with the given canonicalisation.
func (x Extendable) StampMessage(w io.Writer, m c14n.Method) error {
	return x.g.signatureValue(w, xmldom.Node{}, m, nil)
}

// ArchiveMessage writes what an ArchiveTimeStamp of 1.4.1 covers that comes after all properties there are.
func (x Extendable) ArchiveMessage(w io.Writer, m c14n.Method) error {
	return x.g.archive(w, xmldom.Node{}, m, nil)
}

var errNoPlace = errors.New("the signature has no place for unsigned properties")

// Add returns the text of the document with properties, written with a prefix of their own, at the end of the unsigned
// ones. Nothing that was signed changes.
func (x Extendable) Add(properties string) (string, error) {
	g := x.g
	switch {
	case g.qualifying.IsZero():
		return "", errNoPlace
	case g.ns != NS132:
		return "", fmt.Errorf("properties of the namespace %s are read, not extended: %w", clip(g.ns), errNoPlace)
	case g.doc.Encoding != "UTF-8":
		return "", fmt.Errorf("the encoding is %s, not UTF-8: %w", g.doc.Encoding, errNoPlace)
	}
	place := g.unsignedSignature()
	if place.IsZero() {
		if _, n := g.qualifying.Child(g.ns, "UnsignedProperties"); n > 0 {
			return "", fmt.Errorf("UnsignedProperties without UnsignedSignatureProperties: %w", errNoPlace)
		}
		place = g.qualifying
		properties = `<xades:UnsignedProperties xmlns:xades="` + NS132 + `"><xades:UnsignedSignatureProperties>` + properties +
			`</xades:UnsignedSignatureProperties></xades:UnsignedProperties>`
	}
	at, ok := place.InnerEnd()
	if !ok {
		return "", errNoPlace
	}
	text, _ := g.doc.Source()
	return text[:at] + properties + text[at:], nil
}
