// Package signature verifies electronic signatures: CAdES, XAdES and ASiC with
// DSTU 4145, ECDSA and RSA, as EN 319 102-1 says.
//
// Verification gathers facts first and judges second. Facts are data
// (signature/facts); Judge is a pure function from facts, a policy and a time
// to a report. What comes out for an act is SignedBytes: the exact octets that
// were hashed, which nothing but the verifier can make.
//
// It trusts only the anchors it is given. It refuses to treat INDETERMINATE as
// anything but "not passed", does no network unless a Fetcher is injected, and
// never reads content by another way than the one that was hashed.
package signature

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"mist/signature/asic"
	"mist/signature/cades"
	"mist/signature/facts"
	"mist/signature/trust"
	"mist/signature/xades"
)

// Config of a Verifier. Trust is required.
type Config struct {
	// Trust gives the current trust anchors and known certificates.
	Trust interface{ Snapshot() *trust.Snapshot }
	// Fetcher gets revocation data that the document does not carry; nil
	// means offline.
	Fetcher Fetcher
	// Now is the clock; nil means time.Now.
	Now    func() time.Time
	Limits facts.Limits
	// Parallel bounds the verifications under way, Queue those that wait for
	// their turn; above both ErrBusy is answered at once. Zero Parallel: no bound.
	Parallel, Queue int
}

// ErrBusy is answered for what stands beyond the queue: nothing was looked at,
// the caller may ask again.
var ErrBusy = errors.New("too many signatures are being verified now")

// Verifier verifies signed documents. It is safe for concurrent use.
type Verifier struct {
	config Config
	table  *AlgorithmTable
	turns  chan struct{} // as many as verifications may run; nil: no bound
	asking atomic.Int64  // running and waiting
}

// NewVerifier refuses a half-configured verifier.
func NewVerifier(c Config) (*Verifier, error) {
	if c.Trust == nil {
		return nil, &ConfigError{Missing: "Trust"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Limits = c.Limits.OrDefault()
	table, err := DefaultAlgorithms()
	if err != nil {
		return nil, err
	}
	v := &Verifier{config: c, table: table}
	if c.Parallel > 0 {
		v.turns = make(chan struct{}, c.Parallel)
	}
	return v, nil
}

// turn waits until a verification may begin; done ends it.
func (v *Verifier) turn(ctx context.Context) (done func(), err error) {
	if v.turns == nil {
		return func() {}, nil
	}
	if n := v.asking.Add(1); n > int64(v.config.Parallel+v.config.Queue) {
		v.asking.Add(-1)
		return nil, ErrBusy
	}
	select {
	case v.turns <- struct{}{}:
		return func() { <-v.turns; v.asking.Add(-1) }, nil
	case <-ctx.Done():
		v.asking.Add(-1)
		return nil, ctx.Err()
	}
}

// Input is one document to verify.
type Input struct {
	ID       string // echoed in the result
	Name     string // file name, if known
	Document facts.Source
	// Content holds detached content by reference URI or file name; the
	// empty name is "the" content when there is one.
	Content map[string]facts.Source
	// ContentDigests are digests of detached content that the caller
	// computed; a signature over one has scope DIGEST and yields no bytes.
	ContentDigests []facts.Digest
	// Keys are public keys (DER SubjectPublicKeyInfo) by the ds:KeyName of XML
	// signatures without a certificate: their value can then be computed, but
	// nobody is named, so none of them passes.
	Keys map[string][]byte
	// Time to judge at; zero means now.
	Time time.Time
}

type reader struct {
	format string
	read   func(context.Context, facts.Source, facts.Environment) (*facts.Reading, error)
}

// readers in the order they are tried.
var readers = []reader{
	{facts.FormatASiCE, asic.Read},
	{facts.FormatCAdES, cades.Read},
	{facts.FormatXAdES, xades.Read},
}

// Verify reads the document, checks every signature in it and judges each
// under the policy. The error is for input that is no readable signed
// document (*UnreadableError) and for failures of our own; a bad signature is
// not an error but a Result.
func (v *Verifier) Verify(ctx context.Context, in Input, p Policy) (*Result, error) {
	if in.Document == nil {
		return nil, &ConfigError{Missing: "Input.Document"}
	}
	if p.digest == "" {
		return nil, &ConfigError{Missing: "policy"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	done, err := v.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	reading, err := v.read(ctx, in)
	if err != nil {
		return nil, err
	}
	doc, err := describe(in.Document, in.Name, reading.Format)
	if err != nil {
		return nil, err
	}
	f, err := v.gather(ctx, reading, doc, p)
	if err != nil {
		return nil, err
	}
	at := in.Time
	if at.IsZero() {
		at = v.config.Now()
	}
	var form bytes.Buffer
	form.Grow(16 << 10)
	f.WriteDigestForm(&form)
	report, err := judgeKnown(f, DigestOf(form.Bytes()), p, v.table, at)
	if err != nil {
		return nil, err
	}
	out := newResult(in.ID, f, report, reading.Octets)
	out.policy, out.table, out.octets, out.form = p, v.table, reading.Octets, form.Bytes()
	return out, nil
}

func (v *Verifier) read(ctx context.Context, in Input) (*facts.Reading, error) {
	src, err := Unwrap(in.Document)
	if err != nil {
		return nil, &UnreadableError{Err: err}
	}
	snap := v.config.Trust.Snapshot()
	env := facts.Environment{
		Content: in.Content, ContentDigests: in.ContentDigests, Keys: in.Keys,
		Certificates: snap.Find, Parsed: snap.Parsed, Limits: v.config.Limits,
	}
	for _, r := range readers {
		reading, err := r.read(ctx, src, env)
		if errors.Is(err, facts.ErrNotThisFormat) {
			continue
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if reading := refused(r.format, err); reading != nil {
				return reading, nil
			}
			return nil, &UnreadableError{Format: r.format, Err: err}
		}
		return reading, nil
	}
	if looksLikeFormat(src) {
		return nil, &UnreadableError{Err: facts.ErrNotThisFormat}
	}
	// Plain text, a picture, a PDF without our formats: no signature.
	return &facts.Reading{Octets: map[string][]facts.Octets{}}, nil
}

// looksLikeFormat says whether bytes begin as DER, PEM, XML or zip: then not
// being able to read them is a failure and not the absence of a signature.
func looksLikeFormat(src facts.Source) bool {
	var head [64]byte
	n, _ := src.ReadAt(head[:], 0)
	b := head[:n]
	text := bytes.TrimLeft(b, " \t\r\n\ufeff")
	return bytes.HasPrefix(b, []byte{0x30}) || bytes.HasPrefix(b, []byte("PK")) ||
		bytes.HasPrefix(text, []byte("<")) || bytes.HasPrefix(text, []byte("-----BEGIN"))
}
