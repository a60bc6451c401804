package xmldsig

import (
	"crypto/sha256"
	"crypto/subtle"
	"hash"
	"io"
	"net/url"
	"strings"

	"mist/signature/algo"
	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/gost34311"
	"mist/signature/xmldom"
)

// Budget bounds the work of one document over all its signatures. It is not safe for concurrent use.
type Budget struct {
	Hashed    int64 // octets that may still be produced and hashed
	Canonical int64 // of them, octets of canonical XML
	Steps     int64 // node visits of transforms that may still be made
}

// Canonical XML is bounded by the size of the document: 64 signatures that each cover the whole of it are honest, one
// signature with 500 references to the largest element is not.
const (
	canonicalFactor = 64
	canonicalFloor  = 32 << 20
)

// maxSteps is 50 times what the most expensive honest signature of the corpora takes, and about half a second.
const maxSteps = 30_000_000

// NewBudget allows hashing of the given number of octets, for a document of the given size.
func NewBudget(hashed int64, size int) *Budget {
	return &Budget{Hashed: hashed, Canonical: canonicalFactor*int64(size) + canonicalFloor, Steps: maxSteps}
}

func (b *Budget) hash(n int64) bool  { b.Hashed -= n; return b.Hashed >= 0 }
func (b *Budget) steps(n int64) bool { b.Steps -= n; return b.Steps >= 0 }

// Processor processes references of the signatures of one document.
type Processor struct {
	Doc *xmldom.Document
	// Content looks up detached content by reference URI; it may be nil. Nothing else is ever read.
	Content func(uri string) (facts.Source, bool)
	// SBox is the S-box of GOST 34.311 digests, that of the key that verifies; nil for the standard one.
	SBox *gost34311.SBox
	// Limit is the most octets held in memory for one reference; content that is only hashed may be larger.
	Limit  int64
	Budget *Budget
}

// Extent says how much of the thing a reference names its digest covers.
type Extent int

// The extents. Removing ds:Signature elements leaves the extent whole: that is what enveloped signatures do.
const (
	ExtentPart  Extent = iota // something else than signatures was taken out, or an element was picked
	ExtentWhole               // everything the reference names
)

// Outcome is what became of one reference.
type Outcome struct {
	Found     bool // the data object was there and could be transformed
	Intact    bool // its digest is the signed one
	Duplicate bool // several elements carry the identifier
	Problem   *facts.Problem

	Target   xmldom.Node // same-document references: the element or the document node
	External bool
	Extent   Extent
	Octets   facts.Octets // set when Found

	sum []byte // the digest as computed, with the standard S-box
}

// value is a node set or octets on the way through the transforms.
type value struct {
	set       *c14n.NodeSet
	octets    []byte
	source    facts.Source // content not read into memory yet
	canonical *canonical   // octets not written yet
	extent    Extent
}

// canonical is a canonical form as the recipe for it: that of a large document is hashed while it is written, and
// written again for whoever reads the verified octets, so it is never held.
type canonical struct {
	set      c14n.NodeSet
	method   c14n.Method
	prefixes []string
}

func (c *canonical) open() (*c14n.Reader, error) { return c14n.NewReader(c.set, c.method, c.prefixes) }

// streamedFrom is the size of a document, in octets, from which its canonical forms are not held.
const streamedFrom = 256 << 10

// Process dereferences, transforms and hashes one reference of signature s.
func (p *Processor) Process(s *Signature, r *Reference) Outcome {
	out, v := p.dereference(r)
	if out.Problem != nil || !out.Found {
		return out
	}
	fail := func(problem *Refusal) Outcome {
		// What canonicalises to nothing was found and has no digest that could be right; what a refused transform
		// would have made is not known.
		out.Found, out.Problem = problem.Code == facts.ProblemCanonicalization, &problem.Problem
		return out
	}
	for i := range r.Transforms {
		if bad := p.transform(s, &r.Transforms[i], v); bad != nil {
			return fail(bad)
		}
	}
	if v.set != nil {
		// XMLDSig 1.1, 4.4.3.2: a node set that is left is canonicalised with Canonical XML 1.0.
		if bad := p.canonicalize(v, c14n.Inclusive10, nil); bad != nil {
			return fail(bad)
		}
	}
	out.Extent = v.extent
	if r.Digest == "" {
		return fail(refuse(facts.ProblemAlgorithmUnsupported, "digest method is not supported"))
	}
	digests, octets, bad := p.digest(v, r.Digest)
	if bad != nil {
		return fail(bad)
	}
	out.Octets, out.sum = octets, digests[0]
	for _, d := range digests {
		out.Intact = out.Intact || subtle.ConstantTimeCompare(d, r.Value) == 1
	}
	return out
}

// Sum dereferences, transforms and hashes a reference for a signer; the standard S-box is used for GOST 34.311.
func (p *Processor) Sum(s *Signature, r *Reference) ([]byte, error) {
	out := p.Process(s, r)
	if out.Problem != nil {
		return nil, &Refusal{*out.Problem}
	}
	if !out.Found {
		return nil, refuse(facts.ProblemReferenceRefused, "referenced data is not available")
	}
	return out.sum, nil
}

// Write dereferences and transforms a reference and writes its octets, for time-stamps over references. A node set that
// is left is canonicalised with the given method.
func (p *Processor) Write(w io.Writer, s *Signature, r *Reference, method c14n.Method) error {
	out, v := p.dereference(r)
	if out.Problem != nil {
		return &Refusal{*out.Problem}
	}
	if !out.Found {
		return refuse(facts.ProblemReferenceRefused, "referenced data is not available")
	}
	for i := range r.Transforms {
		if bad := p.transform(s, &r.Transforms[i], v); bad != nil {
			return bad
		}
	}
	if v.set != nil {
		if bad := p.canonicalize(v, method, nil); bad != nil {
			return bad
		}
	}
	if v.source == nil && v.canonical == nil {
		_, err := w.Write(v.octets)
		return err
	}
	if _, _, bad := p.stream(v, w); bad != nil {
		return bad
	}
	return nil
}

func (p *Processor) dereference(r *Reference) (Outcome, *value) {
	var out Outcome
	refused := func(code facts.ProblemCode, detail string) (Outcome, *value) {
		out.Problem = &facts.Problem{Code: code, Detail: detail}
		return out, nil
	}
	switch {
	case !r.HasURI || r.URI != "" && r.URI[0] != '#':
		out.External = true
		if p.Content == nil {
			return out, nil
		}
		source, ok := p.Content(r.URI)
		if !ok {
			return out, nil
		}
		out.Found, out.Extent = true, ExtentWhole
		return out, &value{source: source, extent: ExtentWhole}
	case r.URI == "" || r.URI == "#xpointer(/)":
		out.Found, out.Target, out.Extent = true, p.Doc.DocumentNode(), ExtentWhole
		set := c14n.Subtree(out.Target)
		set.NoComments = r.URI == ""
		return out, &value{set: &set, extent: ExtentWhole}
	}
	if r.URI == "#" {
		return out, nil // names nothing
	}
	id, comments, ok := fragment(r.URI)
	if !ok {
		return refused(facts.ProblemReferenceRefused, "fragment is neither a bare name nor xpointer(id())")
	}
	target, n := p.Doc.ByID(id)
	switch {
	case n == 0:
		return out, nil
	case n > 1:
		out.Duplicate = true
		return refused(facts.ProblemDuplicateID, "referenced identifier occurs more than once")
	}
	out.Found, out.Target, out.Extent = true, target, ExtentWhole
	set := c14n.Subtree(target)
	set.NoComments = !comments
	return out, &value{set: &set, extent: ExtentWhole}
}

// fragment reads "#name" and "#xpointer(id('name'))" (XMLDSig 1.1, 4.4.3.3).
func fragment(uri string) (id string, comments, ok bool) {
	f := uri[1:]
	if rest, found := strings.CutPrefix(f, "xpointer("); found {
		rest, closed := strings.CutSuffix(rest, ")")
		inner, isID := strings.CutPrefix(rest, "id(")
		inner, closedID := strings.CutSuffix(inner, ")")
		if !closed || !isID || !closedID || len(inner) < 3 {
			return "", false, false
		}
		q := inner[0]
		name := inner[1 : len(inner)-1]
		if (q != '\'' && q != '"') || inner[len(inner)-1] != q || strings.ContainsAny(name, `'"()`) {
			return "", false, false
		}
		return name, true, true
	}
	if strings.ContainsAny(f, "()[]'\"/ \t\n") || f == "" {
		return "", false, false
	}
	if strings.Contains(f, "%") {
		decoded, err := url.PathUnescape(f)
		if err != nil {
			return "", false, false
		}
		f = decoded
	}
	return f, false, true
}

func (p *Processor) canonicalize(v *value, m c14n.Method, prefixes []string) *Refusal {
	if !p.Budget.steps(int64(v.set.Doc.End(v.set.Apex) - v.set.Apex)) {
		return refuse(facts.ProblemLimit, "transforms visit too many nodes")
	}
	if p.Budget.Canonical < 0 {
		return refuse(facts.ProblemLimit, "too many octets to hash")
	}
	c := &canonical{*v.set, m, prefixes}
	v.set, v.octets, v.source = nil, nil, nil
	if c.set.Doc.Size() >= streamedFrom {
		v.canonical = c
		return nil
	}
	size := c.set.Doc.Size() * int(c.set.Doc.End(c.set.Apex)-c.set.Apex) / c.set.Doc.Len()
	return p.write(v, c, size)
}

// write holds the octets of a canonical form.
func (p *Processor) write(v *value, c *canonical, size int) *Refusal {
	octets, err := c14n.Append(make([]byte, 0, size+size/8+256), c.set, c.method, c.prefixes)
	if err != nil {
		return refuse(facts.ProblemCanonicalization, err.Error())
	}
	v.octets, v.canonical = octets, nil
	return p.written(int64(len(octets)))
}

// written accounts for octets of a canonical form.
func (p *Processor) written(n int64) *Refusal {
	if n == 0 {
		// "Void canonicalisation": a digest of nothing matches any document.
		return refuse(facts.ProblemCanonicalization, "canonical form is empty")
	}
	p.Budget.Canonical -= n
	if !p.Budget.hash(n) || p.Budget.Canonical < 0 {
		return refuse(facts.ProblemLimit, "too many octets to hash")
	}
	return nil
}

// load brings octets into memory.
func (p *Processor) load(v *value) *Refusal {
	if v.canonical != nil {
		return p.write(v, v.canonical, 0)
	}
	if v.source == nil {
		return nil
	}
	b, err := facts.ReadAll(v.source, p.Limit)
	if err != nil {
		return refuse(facts.ProblemLimit, "detached content cannot be held in memory to transform it")
	}
	if !p.Budget.hash(int64(len(b))) {
		return refuse(facts.ProblemLimit, "too many octets to hash")
	}
	v.octets, v.source = b, nil
	return nil
}

// digest hashes the octets once for the reference and, in the same pass, with SHA-256 for the report. A GOST 34.311
// digest is computed with the S-box of the key and with the standard one: signers do either.
func (p *Processor) digest(v *value, d algo.Digest) ([][]byte, facts.Octets, *Refusal) {
	held := v.source == nil && v.canonical == nil
	if held && d == algo.SHA256 {
		o := facts.OctetsOf(v.octets)
		return [][]byte{o.SHA256[:]}, o, nil
	}
	var hashes []hash.Hash
	if d != algo.SHA256 {
		hashes = append(hashes, d.New(nil))
		if d == algo.GOST34311 && p.SBox != nil {
			hashes = append(hashes, d.New(p.SBox))
		}
	}
	var o facts.Octets
	if held {
		o = facts.OctetsOf(v.octets)
		for _, h := range hashes {
			h.Write(v.octets)
		}
	} else {
		plain := sha256.New()
		writers := []io.Writer{plain}
		for _, h := range hashes {
			writers = append(writers, h)
		}
		size, open, bad := p.stream(v, io.MultiWriter(writers...))
		if bad != nil {
			return nil, o, bad
		}
		o = facts.Octets{Size: size, SHA256: [32]byte(plain.Sum(nil)), Open: open}
	}
	var out [][]byte
	if d == algo.SHA256 {
		out = append(out, o.SHA256[:])
	}
	for _, h := range hashes {
		out = append(out, h.Sum(nil))
	}
	return out, o, nil
}

// stream writes octets that are not held to w, and says how to read them again.
func (p *Processor) stream(v *value, w io.Writer) (size int64, open func() (io.ReadCloser, error), bad *Refusal) {
	if c := v.canonical; c != nil {
		if p.Budget.Canonical < 0 {
			return 0, nil, refuse(facts.ProblemLimit, "too many octets to hash")
		}
		r, err := c.open()
		if err == nil {
			size, err = r.WriteTo(w)
		}
		if err != nil {
			return 0, nil, refuse(facts.ProblemCanonicalization, err.Error())
		}
		if bad := p.written(size); bad != nil {
			return 0, nil, bad
		}
		return size, func() (io.ReadCloser, error) {
			again, err := c.open()
			if err != nil {
				return nil, err
			}
			return io.NopCloser(again), nil
		}, nil
	}
	source := v.source
	size = source.Size()
	if !p.Budget.hash(size) {
		return 0, nil, refuse(facts.ProblemLimit, "too many octets to hash")
	}
	content := struct{ io.Reader }{io.NewSectionReader(source, 0, size)}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, content, make([]byte, 64<<10)); err != nil {
		return 0, nil, refuse(facts.ProblemMalformed, "detached content cannot be read")
	}
	return size, func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(source, 0, size)), nil }, nil
}
