package asic

import (
	"bytes"
	"fmt"
	"strings"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// Security servers of X-Road sign and time-stamp messages in batches: what is signed (or time-stamped) is a hash chain
// result, which names a step of a hash chain, whose values are digests of files, of further steps, or of what belongs
// to other messages of the batch. The form was taken from the containers and the verifier of X-Road itself.
const (
	NamespaceHashChain = "http://cyber.ee/hashchain"

	SigHashChainResult = "sig-hashchainresult.xml"
	TSHashChainResult  = "ts-hashchainresult.xml"
)

// Bounds of one hash chain: a chain over a batch of n messages has about log2(n) steps.
const (
	maxChainSteps  = 1024
	maxChainDepth  = 64
	maxChainValues = 16 << 10
)

// chained is a file that a hash chain covers.
type chained struct {
	uri    string
	digest algo.Digest
	entry  *entry // nil when the container does not hold it
	intact bool
	sum    [32]byte // SHA-256 of the file
}

// hashChain recomputes one hash chain result.
type hashChain struct {
	r      *reader
	docs   map[string]*xmldom.Document // by file name
	done   map[stepKey][]byte          // DER of steps computed
	active map[stepKey]bool
	values int
	files  []chained
	used   map[string]bool // files of the chain itself
}

type stepKey struct{ file, id string }

// chainFault is why a hash chain cannot be right.
type chainFault struct{ facts.Problem }

func (f *chainFault) Error() string { return "reading a hash chain: " + f.Detail }

func badChain(code facts.ProblemCode, detail string) *chainFault {
	return &chainFault{facts.Problem{Code: code, Detail: "hash chain: " + detail}}
}

// hashChain reads the result in a file and computes the chain again. intact says whether the result is what the chain
// gives; files are what it covers.
func (r *reader) hashChain(result *entry) (c *hashChain, intact bool, fault *chainFault) {
	c = &hashChain{r: r, docs: map[string]*xmldom.Document{}, done: map[stepKey][]byte{}, active: map[stepKey]bool{}, used: map[string]bool{result.name: true}}
	doc, fault := c.document(result)
	if fault != nil {
		return c, false, fault
	}
	root := doc.Root()
	uri, _ := root.Attr("", "URI")
	digest, _, want, ok := chainDigest(root, "")
	if !root.Is(NamespaceHashChain, "HashChainResult") || !ok || want == nil {
		return c, false, badChain(facts.ProblemMalformed, "the result is none")
	}
	der, fault := c.step(uri, nil, 0)
	if fault != nil {
		return c, false, fault
	}
	return c, bytes.Equal(digest.Sum(der), want), nil
}

func (c *hashChain) document(e *entry) (*xmldom.Document, *chainFault) {
	if d := c.docs[e.name]; d != nil {
		return d, nil
	}
	b, err := c.r.archive.read(e, maxMetadata)
	if err != nil {
		return nil, badChain(facts.ProblemLimit, "a file of the chain cannot be read")
	}
	d, err := xmldom.ParseOwned(b, xmldom.Limits{Depth: 16, Nodes: 4 * maxChainValues})
	if err != nil {
		return nil, badChain(facts.ProblemMalformed, "a file of the chain is no xml")
	}
	c.docs[e.name] = d
	c.used[e.name] = true
	return d, nil
}

// chainDigest reads DigestMethod and DigestValue of a value; byDefault is the URI of the method of the chain.
func chainDigest(e xmldom.Node, byDefault string) (digest algo.Digest, uri string, value []byte, ok bool) {
	uri = byDefault
	m, n1 := e.Child(xmldsig.Namespace, "DigestMethod")
	v, n2 := e.Child(xmldsig.Namespace, "DigestValue")
	if n1 > 1 || n2 > 1 {
		return "", "", nil, false
	}
	if n1 == 1 {
		uri, _ = m.Attr("", "Algorithm")
	}
	if n2 == 1 {
		if value, ok = xmldsig.BinaryValue(v); !ok {
			return "", "", nil, false
		}
	}
	digest, err := algo.DigestByURI(uri)
	return digest, uri, value, err == nil && digest.Known()
}

// step computes the DigestList of a hash step: a SEQUENCE of (digest, URI of its method, transforms), each value in
// the order it stands. in is the document of a reference without a file name.
func (c *hashChain) step(uri string, in *xmldom.Document, depth int) ([]byte, *chainFault) {
	file, id, found := strings.Cut(uri, "#")
	if !found || id == "" || file == "" && in == nil {
		return nil, badChain(facts.ProblemMalformed, "a step is not named by a fragment")
	}
	doc := in
	name := ""
	if file != "" {
		e := c.r.named(file)
		if e == nil {
			return nil, badChain(facts.ProblemMalformed, "a chain that is named is not there")
		}
		var fault *chainFault
		if doc, fault = c.document(e); fault != nil {
			return nil, fault
		}
	}
	for n, d := range c.docs {
		if d == doc {
			name = n
		}
	}
	key := stepKey{name, id}
	if der := c.done[key]; der != nil {
		return der, nil
	}
	switch {
	case c.active[key]:
		return nil, badChain(facts.ProblemMalformed, "a step refers to itself")
	case depth > maxChainDepth || len(c.done)+len(c.active) >= maxChainSteps:
		return nil, badChain(facts.ProblemLimit, "too many steps")
	}
	c.active[key] = true
	defer delete(c.active, key)
	root := doc.Root()
	if !root.Is(NamespaceHashChain, "HashChain") {
		return nil, badChain(facts.ProblemMalformed, "the chain is none")
	}
	method, _ := root.Child(NamespaceHashChain, "DefaultDigestMethod")
	byDefault, _ := method.Attr("", "Algorithm")
	var step xmldom.Node
	for e := range root.Elements() {
		if at, _ := e.Attr("", "id"); e.Is(NamespaceHashChain, "HashStep") && at == id {
			if !step.IsZero() {
				return nil, badChain(facts.ProblemAmbiguous, "two steps have one name")
			}
			step = e
		}
	}
	if step.IsZero() {
		return nil, badChain(facts.ProblemMalformed, "a step that is named is not there")
	}
	var list [][]byte
	for v := range step.Elements() {
		if c.values++; c.values > maxChainValues {
			return nil, badChain(facts.ProblemLimit, "too many values")
		}
		digest, method, value, ok := chainDigest(v, byDefault)
		if !ok {
			return nil, badChain(facts.ProblemMalformed, "a value has no digest")
		}
		if _, n := v.Child(xmldsig.Namespace, "Transforms"); n > 0 {
			return nil, badChain(facts.ProblemTransformRefused, "transforms are refused")
		}
		uri, _ := v.Attr("", "URI")
		switch {
		case v.Is(NamespaceHashChain, "HashValue") && value != nil:
		case v.Is(NamespaceHashChain, "DataRef") && value != nil && uri != "":
			if fault := c.data(uri, digest, value); fault != nil {
				return nil, fault
			}
		case v.Is(NamespaceHashChain, "StepRef") && uri != "":
			der, fault := c.step(uri, doc, depth+1)
			if fault != nil {
				return nil, fault
			}
			value = digest.Sum(der)
		default:
			return nil, badChain(facts.ProblemMalformed, "a value is of an unknown kind")
		}
		list = append(list, SingleDigest(method, value))
	}
	if len(list) == 0 {
		return nil, badChain(facts.ProblemMalformed, "a step has no value")
	}
	der := ber.Seq(list...)
	c.done[key] = der
	return der, nil
}

// SingleDigest encodes a value of a hash step; method is the URI of its digest method.
func SingleDigest(method string, value []byte) []byte {
	return ber.Seq(ber.EncodeOctets(value), ber.EncodeUTF8(method), ber.Seq())
}

// data notes a file that the chain covers. A file that the container does not hold (an attachment that was not logged)
// is covered by its digest all the same.
func (c *hashChain) data(uri string, digest algo.Digest, value []byte) *chainFault {
	f := chained{uri: uri, digest: digest, entry: c.r.named(uri)}
	for _, other := range c.files {
		if other.uri == uri || f.entry != nil && other.entry == f.entry {
			return badChain(facts.ProblemAmbiguous, "a file is named twice")
		}
	}
	if f.entry != nil {
		sum, intact, err := c.r.compare(f.entry, manifestRef{digest: digest, value: value})
		if err != nil {
			return badChain(facts.ProblemLimit, "a file cannot be hashed")
		}
		f.sum, f.intact = sum, intact
	}
	c.files = append(c.files, f)
	return nil
}

// batch puts the files of a hash chain in the place of its result as what signature s covers.
func (r *reader) batch(s *facts.Signature, got *facts.Reading) {
	at := -1
	for i, sc := range s.Scopes {
		if sc.Name == SigHashChainResult && sc.Kind == facts.ScopeFull {
			at = i
		}
	}
	result := r.archive.byName[SigHashChainResult]
	if at < 0 || result == nil {
		return
	}
	chain, intact, fault := r.hashChain(result)
	if fault != nil {
		s.Problems = append(s.Problems, fault.Problem)
	}
	if fault != nil || !intact {
		s.Digests = append(s.Digests, facts.DigestMatch{Kind: facts.MatchReference, Name: "hash chain", Found: true})
	}
	octets := got.Octets[s.ID]
	scopes := append([]facts.Scope{}, s.Scopes[:at]...)
	kept := append([]facts.Octets{}, octets[:at]...)
	held := false
	for _, f := range chain.files {
		held = held || f.entry != nil
	}
	for _, f := range chain.files {
		match := facts.DigestMatch{Kind: facts.MatchReference, Name: clip(f.uri), Algorithm: string(f.digest), Found: f.entry != nil, Intact: f.intact}
		if f.entry == nil && held {
			match.Kind = facts.MatchManifestEntry // an attachment that the log does not keep
		}
		s.Digests = append(s.Digests, match)
		if f.intact && intact && fault == nil {
			r.covered[f.entry.name] = true
			scopes = append(scopes, facts.Scope{Kind: facts.ScopeFull, Name: f.entry.name, Size: f.entry.size, SHA256: f.sum[:]})
			kept = append(kept, sourceOctets(r.archive.source(f.entry), f.sum))
		}
	}
	for name := range chain.used {
		r.covered[name] = true
	}
	s.Scopes = append(scopes, s.Scopes[at+1:]...)
	got.Octets[s.ID] = append(kept, octets[at+1:]...)
}

// batchStamp finds what a time-stamp over a hash chain result covers: the result itself, and through it the signature
// files the chain names. ok is false when the container has no such result.
func (r *reader) batchStamp(m *manifest) (message []byte, covers []string, fault string, ok bool) {
	for _, name := range []string{TSHashChainResult, "META-INF/" + TSHashChainResult} {
		result := r.archive.byName[name]
		if result == nil || len(m.refs) != 1 || r.named(m.refs[0].URI) != result {
			continue
		}
		b, err := r.archive.read(result, maxMetadata)
		if err != nil {
			return nil, nil, "the hash chain result cannot be read", true
		}
		chain, intact, bad := r.hashChain(result)
		if bad != nil || !intact {
			return nil, nil, "the hash chain of the time-stamp does not give its result", true
		}
		for used := range chain.used {
			r.covered[used] = true
		}
		for _, f := range chain.files {
			if f.entry == nil {
				continue
			}
			if !f.intact {
				return nil, nil, fmt.Sprintf("the hash chain of the time-stamp names another %s", clip(f.uri)), true
			}
			for _, s := range r.out.Signatures {
				if s.Name == f.entry.name {
					covers = append(covers, s.ID)
				}
			}
		}
		if len(covers) == 0 {
			return nil, nil, "the hash chain of the time-stamp names no signature", true
		}
		return b, covers, "", true
	}
	return nil, nil, "", false
}
