// Package xades reads XAdES signatures (EN 319 132-1 and TS 101 903 1.1.1 to 1.4.2) and plain XML signatures:
// enveloped, enveloping and detached, parallel, nested and counter-signatures. It returns facts and the exact octets
// each reference covers; it judges nothing and trusts nothing.
//
// One parse serves hashing and reading. Identifiers come from the project's own index and must be unique where they
// are referred to; a reference that calls itself SignedProperties, Object or Manifest must lead into its own
// signature; properties that no reference covers are not read as signed.
package xades

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// Namespaces of XAdES versions whose signatures are read.
const (
	NS132 = "http://uri.etsi.org/01903/v1.3.2#"
	NS141 = "http://uri.etsi.org/01903/v1.4.1#"
	NS122 = "http://uri.etsi.org/01903/v1.2.2#"
	NS111 = "http://uri.etsi.org/01903/v1.1.1#"

	nsEvidence = "http://uri.etsi.org/19132/v1.1.1#" // EN 319 132-3, evidence records
)

// Types of references (EN 319 132-1, 4.4.2 and 5.2.7).
const (
	TypeSignedProperties = "http://uri.etsi.org/01903#SignedProperties"
	TypeCounterSigned    = "http://uri.etsi.org/01903#CountersignedSignature"
)

func isSignedPropertiesType(t string) bool {
	return t == TypeSignedProperties || t == NS111+"SignedProperties" || t == NS122+"SignedProperties" || t == NS132+"SignedProperties"
}

// Read reads one XML document. Errors: facts.ErrNotThisFormat when the bytes are no XML, facts.ErrTooLarge, an
// *xmldom.SyntaxError when they are XML that is refused. A document without signatures gives a Reading without any.
func Read(ctx context.Context, src facts.Source, env facts.Environment) (*facts.Reading, error) {
	env.Limits = env.Limits.OrDefault()
	if !looksLikeXML(src) {
		return nil, facts.ErrNotThisFormat
	}
	doc, err := parse(src, min(env.Limits.Document, int64(xmldom.DefaultLimits().Bytes)))
	if err != nil {
		return nil, err
	}
	return ReadDocument(ctx, doc, env)
}

// parse makes the tree over the octets themselves when the caller holds them unchanged, else over a copy.
func parse(src facts.Source, limit int64) (*xmldom.Document, error) {
	if b, ok := facts.InMemory(src); ok {
		if int64(len(b)) > limit {
			return nil, facts.ErrTooLarge
		}
		return xmldom.ParseShared(b, xmldom.Limits{})
	}
	b, err := facts.ReadAll(src, limit)
	if err != nil {
		return nil, err
	}
	return xmldom.ParseOwned(b, xmldom.Limits{})
}

// looksLikeXML tells XML from other formats by its first octets; what follows is the parser's business.
func looksLikeXML(src facts.Source) bool {
	head := make([]byte, 64)
	n, _ := src.ReadAt(head, 0)
	head = head[:n]
	for _, bom := range []string{"\xEF\xBB\xBF", "\xFE\xFF", "\xFF\xFE"} {
		head = bytes.TrimPrefix(head, []byte(bom))
	}
	return bytes.HasPrefix(bytes.TrimLeft(bytes.ReplaceAll(head, []byte{0}, nil), " \t\r\n"), []byte("<"))
}

// ReadDocument reads the signatures of a parsed document.
func ReadDocument(ctx context.Context, doc *xmldom.Document, env facts.Environment) (*facts.Reading, error) {
	env.Limits = env.Limits.OrDefault()
	return read(ctx, doc, env, nil)
}

// read reads the signatures and shows each to see, which may be nil, counter-signatures left out.
func read(ctx context.Context, doc *xmldom.Document, env facts.Environment, see func(*signature)) (*facts.Reading, error) {
	r := &reader{
		see: see, ctx: ctx, env: env, doc: doc, seen: map[string]bool{}, certificates: map[string]*cert.Certificate{},
		budget: xmldsig.NewBudget(env.Limits.Hashed, doc.Size()),
		out:    &facts.Reading{Format: facts.FormatXAdES, Octets: map[string][]facts.Octets{}},
	}
	covered := map[xmldom.ID]bool{} // ds:Object elements some signature covers
	depth := 0
	var ends []xmldom.ID // of the ds:Signature elements around the current node
	for e := range doc.Root().Descendants() {
		for len(ends) > 0 && ends[len(ends)-1] <= e.ID() {
			ends = ends[:len(ends)-1]
		}
		if !e.Is(xmldsig.Namespace, "Signature") {
			continue
		}
		depth = len(ends)
		ends = append(ends, doc.End(e.ID()))
		if isCounterSignature(e) {
			continue // read with the signature it belongs to
		}
		if err := r.signature(e, "", depth, covered); err != nil {
			return nil, err
		}
	}
	for _, id := range doc.DuplicateIDs(maxDuplicates) {
		r.out.Problems = append(r.out.Problems, facts.Problem{Code: facts.RemarkStructure, Detail: "identifier occurs more than once: " + clip(id)})
	}
	r.unsignedObjects(covered)
	return r.out, nil
}

// maxDuplicates bounds the remarks on identifiers that occur more than once.
const maxDuplicates = 32

func isCounterSignature(e xmldom.Node) bool {
	p := e.Parent()
	if p.IsZero() || p.Name().Local != "CounterSignature" {
		return false
	}
	switch p.Name().Space {
	case NS132, NS122, NS111, NS141:
		return true
	}
	return false
}

// unsignedObjects names ds:Object elements with content that no reference covers: what a careless reader might take
// for signed.
func (r *reader) unsignedObjects(covered map[xmldom.ID]bool) {
	for e := range r.doc.Root().Descendants() {
		if !e.Is(xmldsig.Namespace, "Object") || covered[e.ID()] {
			continue
		}
		id, _ := e.Attr("", "Id")
		r.out.UnsignedParts = append(r.out.UnsignedParts, clip("Object "+id))
		if len(r.out.UnsignedParts) >= 64 {
			return
		}
	}
}

func clip(s string) string {
	if len(s) > 128 {
		return s[:128]
	}
	return s
}

type reader struct {
	ctx    context.Context
	env    facts.Environment
	doc    *xmldom.Document
	out    *facts.Reading
	budget *xmldsig.Budget
	seen   map[string]bool // certificates and revocation data already added, by id and signature
	// certificates parsed so far, by their octets
	certificates map[string]*cert.Certificate
	see          func(*signature)
}

// signature adds the facts of one ds:Signature and of its counter-signatures.
func (r *reader) signature(e xmldom.Node, parent string, depth int, covered map[xmldom.ID]bool) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if len(r.out.Signatures) >= r.env.Limits.Signatures {
		return fmt.Errorf("more than %d signatures: %w", r.env.Limits.Signatures, facts.ErrTooLarge)
	}
	sig := facts.Signature{
		Parent: parent, Depth: depth, Format: facts.FormatXAdES, Level: LevelNotETSI,
		SignatureValue: facts.OutcomeUnknown, StructureValid: true,
		Digests: []facts.DigestMatch{}, Scopes: []facts.Scope{}, Chain: []string{},
	}
	s, err := xmldsig.Parse(e, r.env.Limits.References)
	if err != nil {
		var refused *xmldsig.Refusal
		if !errors.As(err, &refused) {
			return err
		}
		sig.ID = r.uniqueID([]byte(fmt.Sprintf("unreadable signature at %d", e.Offset())))
		sig.StructureValid, sig.StructureDetail = false, refused.Detail
		sig.Problems = append(sig.Problems, refused.Problem)
		r.out.Signatures = append(r.out.Signatures, sig)
		return nil
	}
	one := &signature{reader: r, s: s, facts: &sig, covered: covered}
	signed, err := s.CanonicalSignedInfo(nil)
	if err != nil || len(signed) == 0 {
		one.problem(facts.ProblemCanonicalization, "SignedInfo cannot be canonicalised")
	}
	sig.ID = r.uniqueID(signedWith(signed, s.Value))
	value := sha256.Sum256(s.Value)
	sig.ValueSHA256, sig.Value = value[:], s.Value
	for i := range r.out.Signatures {
		if parent == "" && bytes.Equal(r.out.Signatures[i].ValueSHA256, value[:]) {
			one.problem(facts.ProblemDuplicateSigner, "signature occurs twice")
		}
	}
	one.properties()
	one.keys(signed)
	one.references(parent)
	one.verify(signed)
	one.readSigned()
	one.unsigned()
	sig.Level = one.level()
	if r.see != nil && parent == "" {
		r.see(one)
	}
	r.out.Signatures = append(r.out.Signatures, sig)
	for _, c := range one.counterSignatures() {
		if err := r.signature(c, sig.ID, depth, covered); err != nil {
			return err
		}
	}
	return nil
}

// signedWith is what the id of a signature is made of.
func signedWith(signedInfo, value []byte) []byte {
	return append(append([]byte(nil), signedInfo...), value...)
}

func signatureID(signedInfo, value []byte) string {
	return facts.ID("S", signedWith(signedInfo, value))
}

func (r *reader) uniqueID(raw []byte) string {
	id := facts.ID("S", raw)
	for _, s := range r.out.Signatures {
		if s.ID == id {
			return facts.ID("S", append([]byte(id), raw...))
		}
	}
	return id
}

// add registers a certificate or revocation object once for each signature and returns its id.
func (r *reader) add(e facts.Encoded) string {
	list, prefix := &r.out.Certificates, "C"
	if e.Kind != "" {
		list, prefix = &r.out.Revocations, "R"
	}
	id := facts.ID(prefix, e.DER)
	if key := id + e.Signature; !r.seen[key] {
		r.seen[key] = true
		*list = append(*list, e)
	}
	return id
}

// parse parses a certificate once; nil when it cannot be read.
func (r *reader) parse(der []byte) *cert.Certificate {
	key := string(der)
	c, done := r.certificates[key]
	if !done {
		c, _ = cert.Parse(der)
		r.certificates[key] = c
	}
	return c
}

// content finds detached content: by the URI as written, by its decoded path, or, when the signature refers to only
// one outside object, as the object without a name or the only one given: a caller with one file need not know what the
// signer called it, and the digest decides.
func (g *signature) content(uri string) (facts.Source, bool) {
	r := g.reader
	if s, ok := r.env.Content[uri]; ok {
		return s, true
	}
	if decoded, err := url.PathUnescape(uri); err == nil {
		for _, name := range []string{decoded, strings.TrimPrefix(decoded, "./"), strings.TrimPrefix(decoded, "/")} {
			if s, ok := r.env.Content[name]; ok && name != "" {
				return s, true
			}
		}
	}
	if g.external == 1 {
		if s, ok := r.env.Content[""]; ok {
			return s, true
		}
		if len(r.env.Content) == 1 {
			for _, s := range r.env.Content {
				return s, true
			}
		}
	}
	return nil, false
}

// digestMatches compares a digest with data, trying for GOST 34.311 the S-box of the key and the standard one.
func digestMatches(d algo.Digest, want, data []byte, key *algo.PublicKey) bool {
	if !d.Known() {
		return false
	}
	if bytes.Equal(d.Sum(data), want) {
		return true
	}
	if d == algo.GOST34311 && key.SBox() != nil {
		h := d.New(key.SBox())
		h.Write(data)
		return bytes.Equal(h.Sum(nil), want)
	}
	return false
}
