package facts

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Source is random access to immutable bytes. *bytes.Reader, *strings.Reader
// and *io.SectionReader satisfy it; wrap an *os.File in io.NewSectionReader.
type Source interface {
	io.ReaderAt
	Size() int64
}

// Bytes makes a Source of b, which must not change afterwards.
func Bytes(b []byte) Source { return memory{bytes.NewReader(b), b} }

// memory is what Bytes makes.
type memory struct {
	*bytes.Reader
	b []byte
}

// InMemory returns the bytes of a Source made by Bytes without a copy; they
// must not be changed.
func InMemory(s Source) ([]byte, bool) {
	m, ok := s.(memory)
	return m.b[:len(m.b):len(m.b)], ok
}

// ReadAll reads a source of at most limit bytes.
func ReadAll(s Source, limit int64) ([]byte, error) {
	if s.Size() > limit {
		return nil, ErrTooLarge
	}
	b := make([]byte, s.Size())
	if _, err := io.ReadFull(io.NewSectionReader(s, 0, s.Size()), b); err != nil {
		return nil, err
	}
	return b, nil
}

// ErrTooLarge is returned for input above a limit.
var ErrTooLarge = errors.New("input is larger than the limit")

// ErrNotThisFormat is returned by a reader when the bytes are not its format
// at all (as against being a broken document of that format).
var ErrNotThisFormat = errors.New("not a document of this format")

// Environment is what a reader may use besides the document itself.
// Readers do no network and no file access.
type Environment struct {
	// Content holds detached content by reference URI or file name; the
	// empty name is "the" detached object when there is only one.
	Content map[string]Source
	// ContentDigests are digests of detached content that the caller computed
	// itself; a signature over one of them has scope DIGEST and no octets.
	ContentDigests []Digest
	// Certificates looks up certificates (DER) known locally; may be nil.
	// Readers try what is embedded in the document first.
	Certificates func(CertificateRef) [][]byte
	// Keys are public keys (SubjectPublicKeyInfo) by the name that a signature
	// may call them (ds:KeyName). A key says nothing about who signed.
	Keys map[string][]byte
	// Parsed gives a *cert.Certificate that the verifier holds parsed already,
	// by its octets, nil when it holds none; may be nil.
	Parsed func(der []byte) any
	Limits Limits
}

// CertificateRef describes a certificate a signature refers to. Empty fields
// are not known. Any match is a candidate only; the reader decides by digest.
type CertificateRef struct {
	Issuer  []byte // DER Name
	Serial  []byte // DER INTEGER content octets
	KeyID   []byte // subjectKeyIdentifier
	Digests []Digest
	// Names as XML signatures write them (RFC 4514); IssuerText goes with Serial.
	SubjectText string
	IssuerText  string
	// Scan asks for a comparison of Digests with every certificate known, which
	// is slow; without it only SHA-256 is looked up.
	Scan bool
}

// Digest is a digest value and the name of its algorithm (package algo).
type Digest struct {
	Algorithm string
	Value     []byte
}

// Limits bound the work on one document. Zero fields take DefaultLimits.
type Limits struct {
	Document   int64 // bytes of a document held in memory
	Signatures int   // signatures in one document
	Depth      int   // nesting of signed content
	References int   // references of one signature
	Hashed     int64 // bytes hashed in all
}

// DefaultLimits are generous for clinical documents and small for a server.
var DefaultLimits = Limits{
	Document:   256 << 20,
	Signatures: 64,
	Depth:      8,
	References: 512,
	Hashed:     2 << 30,
}

// OrDefault fills zero fields.
func (l Limits) OrDefault() Limits {
	if l.Document == 0 {
		l.Document = DefaultLimits.Document
	}
	if l.Signatures == 0 {
		l.Signatures = DefaultLimits.Signatures
	}
	if l.Depth == 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.References == 0 {
		l.References = DefaultLimits.References
	}
	if l.Hashed == 0 {
		l.Hashed = DefaultLimits.Hashed
	}
	return l
}

// Octets are the exact bytes a reader hashed for one scope, in the order of
// Signature.Scopes. Open returns them from the start each time.
type Octets struct {
	Open   func() (io.ReadCloser, error)
	Size   int64
	SHA256 [32]byte // computed in the same pass as the signed digest
}

// OctetsOf makes Octets of bytes that must not change afterwards.
func OctetsOf(b []byte) Octets {
	return Octets{
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
		Size:   int64(len(b)),
		SHA256: sha256.Sum256(b),
	}
}

// Reading is what a container reader returns: facts about the signatures,
// the octets behind each scope, and raw material that the verifier parses,
// checks and adds to the facts (certificates, revocation data, tokens).
type Reading struct {
	Format        string
	Container     *Container
	Signatures    []Signature
	Octets        map[string][]Octets // by Signature.ID, parallel to its Scopes
	Certificates  []Encoded
	Revocations   []Encoded
	Tokens        []Token
	UnsignedParts []string
	Problems      []Problem
}

// Encoded is a certificate, a CRL or an OCSP response as found.
type Encoded struct {
	Kind      string // "" for certificates, KindOCSP or KindCRL
	DER       []byte // OCSP: OCSPResponse or BasicOCSPResponse
	Origin    string
	Signature string // id of the signature it was found in
	// Parsed is the *cert.Certificate when the reader parsed DER already.
	Parsed any
	// ID is the id of DER when the reader computed it already.
	ID string
}

// Token is a time-stamp token as found. Message writes the octets that the
// token must cover (EN 319 122-1, 5.2.8, EN 319 132-1, 5.3); the verifier
// hashes them with the token's own algorithm. A nil Message means the data
// could not be had, and MessageError says why.
type Token struct {
	DER          []byte
	Signature    string // id of the signature it belongs to; "" for container tokens
	Type         string
	ArchiveType  string
	Message      func(w io.Writer) error
	MessageError string
	Covers       []string // ids of signatures, certificates, revocations, earlier tokens
	HashIndex    *bool    // of an archive v3 token
	// Digests are files that the token covers through a manifest.
	Digests []DigestMatch
}

// ID makes a stable identifier of an object: prefix and SHA-256 of its bytes.
// Prefixes: S signature, C certificate, R revocation, T time-stamp.
func ID(prefix string, b []byte) string { return IDOf(prefix, sha256.Sum256(b)) }

// IDOf is ID for bytes hashed already.
func IDOf(prefix string, sum [sha256.Size]byte) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, 80)
	out = append(append(out, prefix...), '-')
	for _, c := range sum {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// Time normalises t for the facts: UTC, whole seconds.
func Time(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// TimePtr is Time for optional fields; the zero time gives nil.
func TimePtr(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := Time(t)
	return &u
}

// CheckIDs says whether the raw certificates, revocation data and tokens are
// the ones their ids name: what a report's digest binds. Stored facts are
// checked with it before they are judged again. Objects without raw bytes are
// passed over.
func (f *Facts) CheckIDs() error {
	check := func(prefix, id string, raw []byte) error {
		base, _, _ := strings.Cut(id, "#") // #n tells objects with the same bytes apart
		if len(raw) > 0 && base != ID(prefix, raw) {
			return fmt.Errorf("stored facts: bytes of %s are not those its id names", id)
		}
		return nil
	}
	for i := range f.Certificates {
		if err := check("C", f.Certificates[i].ID, f.Certificates[i].DER); err != nil {
			return err
		}
	}
	for i := range f.Revocations {
		if err := check("R", f.Revocations[i].ID, f.Revocations[i].DER); err != nil {
			return err
		}
	}
	for i := range f.Timestamps {
		if err := check("T", f.Timestamps[i].ID, f.Timestamps[i].Token); err != nil {
			return err
		}
	}
	for i := range f.Signatures {
		s := &f.Signatures[i]
		if sum := sha256.Sum256(s.Value); len(s.Value) > 0 && !bytes.Equal(sum[:], s.ValueSHA256) {
			return fmt.Errorf("stored facts: the signature value of %s is not the one its digest names", s.ID)
		}
	}
	return nil
}
