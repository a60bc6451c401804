// Package cades reads CAdES signatures (EN 319 122-1): attached and detached
// CMS with parallel, nested and counter-signatures. It returns facts and the
// exact octets each signature covers; it judges nothing and trusts nothing.
//
// Nested signatures (the content of one is another, the way eHealth collects
// several signers) are reported outermost first with their depth.
package cades

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
)

// Read reads one CMS message. Errors: facts.ErrNotThisFormat when the bytes
// are no SignedData, facts.ErrTooLarge, a parse error when they are SignedData
// that cannot be read to the end.
func Read(ctx context.Context, src facts.Source, env facts.Environment) (*facts.Reading, error) {
	env.Limits = env.Limits.OrDefault()
	var first [1]byte
	if n, _ := src.ReadAt(first[:], 0); n == 1 && first[0] != 0x30 {
		return nil, facts.ErrNotThisFormat // a message is a SEQUENCE; what is none need not be read to the end
	}
	b, ok := facts.InMemory(src)
	if !ok || int64(len(b)) > env.Limits.Document {
		var err error
		if b, err = facts.ReadAll(src, env.Limits.Document); err != nil {
			return nil, err
		}
	}
	r := &reader{ctx: ctx, env: env, out: &facts.Reading{
		Format: facts.FormatCAdES,
		Octets: map[string][]facts.Octets{},
	}, seen: map[seen]bool{}}
	if err := r.message(b, 0); err != nil {
		if errors.Is(err, cms.ErrNotSignedData) {
			return nil, facts.ErrNotThisFormat
		}
		return nil, err
	}
	return r.out, nil
}

// maxTokens of one message.
const maxTokens = 256

type reader struct {
	ctx  context.Context
	env  facts.Environment
	out  *facts.Reading
	seen map[seen]bool

	unreadable bool // an embedded certificate cannot be parsed
}

// seen is a certificate or revocation object already added for a signature.
type seen struct{ id, signature string }

func (r *reader) message(b []byte, depth int) error {
	m, err := cms.Parse(b)
	if err != nil {
		return err
	}
	content, err := r.content(m, depth)
	if err != nil {
		return err
	}
	embedded := make([]*cert.Certificate, 0, len(m.Certificates))
	for _, der := range m.Certificates {
		if c, err := r.parse(der); err == nil {
			embedded = append(embedded, c)
		} else {
			r.unreadable = true
		}
	}
	var shared []facts.Problem
	if m.Trailing > 0 {
		shared = append(shared, facts.Problem{Code: facts.ProblemTrailingData, Detail: fmt.Sprintf("%d bytes after the message", m.Trailing)})
	}
	if content.differs {
		shared = append(shared, facts.Problem{Code: facts.ProblemContentDiffers})
	}
	first := ""
	// The same SignerInfo, or the same signature value, twice: which of the
	// two a reader shows is up to the reader, so neither stands.
	times := map[string]int{}
	for _, s := range m.Signers {
		times[string(s.Signature)]++
	}
	for _, s := range m.Signers {
		if len(r.out.Signatures) >= r.env.Limits.Signatures {
			return fmt.Errorf("more than %d signatures: %w", r.env.Limits.Signatures, facts.ErrTooLarge)
		}
		sig := r.signer(m, s, content, embedded, depth, shared)
		if times[string(s.Signature)] > 1 {
			sig.Problems = append(sig.Problems, facts.Problem{Code: facts.ProblemDuplicateSigner})
		}
		if first == "" {
			first = sig.ID
		}
	}
	r.material(m, embedded, first)
	if len(m.Signers) > 0 && depth+1 < r.env.Limits.Depth && m.Attached && isSignedData(m.Content) {
		// The content is itself signed; what is inside is read as its own
		// message, and a failure inside is a fact about the inner one only.
		if err := r.message(m.Content, depth+1); err != nil && !errors.Is(err, cms.ErrNotSignedData) {
			r.out.Problems = append(r.out.Problems, facts.Problem{Code: facts.ProblemMalformed, Detail: "nested message: " + err.Error()})
		}
	}
	return nil
}

// parse reads a certificate, or takes the one the verifier holds already: the
// same octets give the same certificate.
func (r *reader) parse(der []byte) (*cert.Certificate, error) {
	if r.env.Parsed != nil {
		if c, ok := r.env.Parsed(der).(*cert.Certificate); ok {
			return c, nil
		}
	}
	return cert.Parse(der)
}

// isSignedData is a cheap look for ContentInfo with id-signedData.
func isSignedData(b []byte) bool {
	return len(b) > 20 && b[0] == 0x30 &&
		bytes.Contains(b[:20], []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02})
}

// content is what the signers of one message signed.
type content struct {
	present  bool
	bytes    []byte       // attached
	source   facts.Source // detached
	name     string
	detached bool
	differs  bool // attached and supplied content are not the same
}

func (r *reader) content(m *cms.SignedData, depth int) (content, error) {
	var given facts.Source
	var name string
	if depth == 0 {
		if s, ok := r.env.Content[""]; ok {
			given = s
		} else if len(r.env.Content) == 1 {
			for n, s := range r.env.Content {
				given, name = s, n
			}
		}
	}
	if m.Attached {
		c := content{present: true, bytes: m.Content}
		if given != nil {
			same, err := equal(given, m.Content)
			if err != nil {
				return c, fmt.Errorf("reading the supplied content: %w", err)
			}
			c.differs = !same
		}
		return c, nil
	}
	if given == nil {
		return content{detached: true}, nil
	}
	if given.Size() > r.env.Limits.Hashed {
		return content{}, fmt.Errorf("content of %d bytes: %w", given.Size(), facts.ErrTooLarge)
	}
	return content{present: true, source: given, name: name, detached: true}, nil
}

func equal(s facts.Source, b []byte) (bool, error) {
	if s.Size() != int64(len(b)) {
		return false, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(s, 0, s.Size())); err != nil {
		return false, err
	}
	sum := sha256.Sum256(b)
	return bytes.Equal(h.Sum(nil), sum[:]), nil
}

func (c content) size() int64 {
	if c.source != nil {
		return c.source.Size()
	}
	return int64(len(c.bytes))
}

func (c content) writeTo(w io.Writer) error {
	if c.source == nil {
		_, err := w.Write(c.bytes)
		return err
	}
	_, err := io.Copy(w, io.NewSectionReader(c.source, 0, c.source.Size()))
	return err
}

func (c content) open() (io.ReadCloser, error) {
	if c.source == nil {
		return io.NopCloser(bytes.NewReader(c.bytes)), nil
	}
	return io.NopCloser(io.NewSectionReader(c.source, 0, c.source.Size())), nil
}

// digests hashes the content once with SHA-256 and with d; for GOST 34.311
// and a key with its own S-box also with that.
func (c content) digests(d algo.Digest, key *algo.PublicKey) (sha [32]byte, values [][]byte, err error) {
	s := sha256.New()
	var hs []hash.Hash
	ws := []io.Writer{s}
	if d.Known() && d != algo.SHA256 {
		hs = append(hs, d.New(nil))
		ws = append(ws, hs[0])
		if d == algo.GOST34311 && key.OwnSBox() != nil {
			own := d.New(key.OwnSBox())
			hs = append(hs, own)
			ws = append(ws, own)
		}
	}
	if err := c.writeTo(io.MultiWriter(ws...)); err != nil {
		return sha, nil, err
	}
	copy(sha[:], s.Sum(nil))
	if d == algo.SHA256 {
		return sha, [][]byte{sha[:]}, nil
	}
	for _, h := range hs {
		values = append(values, h.Sum(nil))
	}
	return sha, values, nil
}

// certificate registers a certificate of a signature once.
func (r *reader) certificate(c *cert.Certificate, origin, sig string) {
	r.add(&r.out.Certificates, facts.Encoded{DER: c.Raw, Origin: origin, Signature: sig, Parsed: c, ID: c.ID})
}

// add registers a certificate or revocation object once.
func (r *reader) add(list *[]facts.Encoded, e facts.Encoded) string {
	if e.ID == "" {
		prefix := "C"
		if e.Kind != "" {
			prefix = "R"
		}
		e.ID = facts.ID(prefix, e.DER)
	}
	if key := (seen{e.ID, e.Signature}); !r.seen[key] {
		r.seen[key] = true
		*list = append(*list, e)
	}
	return e.ID
}

// material adds what the SignedData carries; it belongs to all its signers
// and is filed under the first. Certificates that cannot be read are of no use
// to anybody.
func (r *reader) material(m *cms.SignedData, certificates []*cert.Certificate, sig string) {
	for _, c := range certificates {
		r.certificate(c, facts.OriginSignedData, sig)
	}
	for _, der := range m.CRLs {
		r.add(&r.out.Revocations, facts.Encoded{Kind: facts.KindCRL, DER: der, Origin: facts.OriginSignedData, Signature: sig})
	}
	for _, der := range m.OCSPs {
		r.add(&r.out.Revocations, facts.Encoded{Kind: facts.KindOCSP, DER: der, Origin: facts.OriginSignedData, Signature: sig})
	}
}
