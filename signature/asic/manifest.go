package asic

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"mist/signature/algo"
	"mist/signature/cades"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/xmldom"
	"mist/signature/xmldsig"
)

// Namespace of ASiCManifest (EN 319 162-1, A.4). Any prefix and any version of the namespace URI below is accepted.
const (
	Namespace    = "http://uri.etsi.org/02918/v1.2.1#"
	namespaceOld = "http://uri.etsi.org/2918/v1.2.1#"
	namespace111 = "http://uri.etsi.org/02918/v1.1.1#"
)

const maxReferences = maxEntries

// manifest is one ASiCManifest or ASiCArchiveManifest.
type manifest struct {
	file      *entry
	bytes     []byte
	signature string // file name SigReference gives
	archive   bool
	refs      []manifestRef
}

type manifestRef struct {
	URI       string
	MediaType string
	digest    algo.Digest
	value     []byte
}

func isManifestNamespace(s string) bool {
	return s == Namespace || s == namespaceOld || s == namespace111
}

func (r *reader) manifest(e *entry) (*manifest, error) {
	b, err := r.archive.read(e, maxMetadata)
	if err != nil {
		return nil, err
	}
	m := &manifest{file: e, bytes: b}
	meta, _ := metaINF(e.name)
	m.archive = strings.HasPrefix(strings.ToLower(meta), "asicarchivemanifest")
	doc, err := xmldom.Parse(b, xmldom.Limits{})
	var syntax *xmldom.SyntaxError
	if errors.As(err, &syntax) {
		return nil, refuse(facts.ProblemMalformed, "manifest cannot be read: "+string(syntax.Reason))
	}
	if err != nil {
		return nil, err
	}
	root := doc.Root()
	if root.Name().Local != "ASiCManifest" || !isManifestNamespace(root.Name().Space) {
		r.problem(facts.RemarkStructure, "manifest is of another kind")
		return m, nil
	}
	ns := root.Name().Space
	sig, n := root.Child(ns, "SigReference")
	if n > 1 {
		return nil, refuse(facts.ProblemAmbiguous, "manifest has several SigReference")
	}
	uri, _ := sig.Attr("", "URI")
	if target := r.named(uri); target != nil {
		m.signature = target.name
	} else {
		m.signature = uri
	}
	// Some writers nest the references into SigReference; they are read where the schema puts them or there.
	parent := root
	if _, n := root.Child(ns, "DataObjectReference"); n == 0 {
		parent = sig
	}
	for d := range parent.Elements() {
		if !d.Is(ns, "DataObjectReference") {
			continue
		}
		if len(m.refs) >= maxReferences {
			return nil, refuse(facts.ProblemLimit, "too many references in a manifest")
		}
		ref := manifestRef{}
		ref.URI, _ = d.Attr("", "URI")
		ref.MediaType, _ = d.Attr("", "MimeType")
		method, n1 := d.Child(xmldsig.Namespace, "DigestMethod")
		value, n2 := d.Child(xmldsig.Namespace, "DigestValue")
		if n1 != 1 || n2 != 1 || ref.URI == "" {
			return nil, refuse(facts.ProblemMalformed, "manifest reference without one digest")
		}
		algorithm, _ := method.Attr("", "Algorithm")
		ref.digest, _ = algo.DigestByURI(algorithm)
		var ok bool
		if ref.value, ok = xmldsig.BinaryValue(value); !ok {
			return nil, refuse(facts.ProblemMalformed, "digest in a manifest is not base64")
		}
		m.refs = append(m.refs, ref)
	}
	return m, nil
}

// odfManifest lists the files META-INF/manifest.xml names (OpenDocument 1.2, part 3). It is not signed by itself and
// decides nothing; writers differ in the namespace they give it.
func (r *reader) odfManifest(e *entry) (facts.Manifest, error) {
	f := facts.Manifest{Name: e.name, Entries: []string{}}
	b, err := r.archive.read(e, maxMetadata)
	if err != nil {
		return f, err
	}
	doc, err := xmldom.Parse(b, xmldom.Limits{})
	if err != nil {
		r.problem(facts.RemarkStructure, "META-INF/manifest.xml cannot be read")
		return f, nil
	}
	for c := range doc.Root().Elements() {
		if c.Name().Local != "file-entry" || len(f.Entries) >= maxReferences {
			continue
		}
		for _, a := range c.Document().Attributes(nil, c.ID()) {
			if a.Name.Local == "full-path" {
				f.Entries = append(f.Entries, clip(a.Value))
			}
		}
	}
	return f, nil
}

// manifestEntries compares the files a signed manifest names with their digests. The files take the place of the
// manifest as what the signature covers, and a missing one is missing signed data: unlike entries of a ds:Manifest,
// which XMLDSig leaves to the application, EN 319 162-1 has no optional ones.
func (r *reader) manifestEntries(m *manifest, s *facts.Signature, got *facts.Reading) {
	var scopes []facts.Scope
	var octets []facts.Octets
	old := got.Octets[s.ID]
	for i, sc := range s.Scopes {
		if sc.Name != m.file.name && i < len(old) {
			scopes, octets = append(scopes, sc), append(octets, old[i])
		}
	}
	seen := map[string]bool{}
	for _, ref := range m.refs {
		match := facts.DigestMatch{Kind: facts.MatchReference, Name: clip(ref.URI), Algorithm: string(ref.digest)}
		e := r.named(ref.URI)
		if e != nil && seen[e.name] {
			match.Duplicate = true
			s.Problems = append(s.Problems, facts.Problem{Code: facts.ProblemAmbiguous, Detail: "manifest names a file twice"})
		}
		if e != nil {
			seen[e.name] = true
			sum, intact, err := r.compare(e, ref)
			match.Found, match.Intact = err == nil, err == nil && intact
			if match.Intact {
				r.covered[e.name] = true
				src := r.archive.source(e)
				scopes = append(scopes, facts.Scope{Kind: facts.ScopeFull, Name: e.name, MediaType: clip(ref.MediaType), Size: e.size, SHA256: sum[:]})
				octets = append(octets, sourceOctets(src, sum))
			}
			if err != nil && ref.digest == "" {
				s.Problems = append(s.Problems, facts.Problem{Code: facts.ProblemAlgorithmUnsupported, Detail: "digest method in the manifest"})
			}
		}
		s.Digests = append(s.Digests, match)
	}
	if len(m.refs) == 0 {
		s.Problems = append(s.Problems, facts.Problem{Code: facts.ProblemNoReference, Detail: "manifest names no file"})
	}
	if scopes == nil {
		scopes = []facts.Scope{}
	}
	s.Scopes = scopes
	got.Octets[s.ID] = octets
}

// compare hashes a file once for the manifest and the report. GOST 34.311 in manifests uses the standard S-box: no
// key stands beside it.
func (r *reader) compare(e *entry, ref manifestRef) (sum [32]byte, intact bool, err error) {
	if !ref.digest.Known() {
		return sum, false, fmt.Errorf("digest of a manifest reference: %w", algo.ErrUnsupported)
	}
	if err := r.ctx.Err(); err != nil {
		return sum, false, err
	}
	plain := sha256.New()
	var h hash.Hash = plain
	var w io.Writer = plain
	if ref.digest != algo.SHA256 {
		h = ref.digest.New(nil)
		w = io.MultiWriter(plain, h)
	}
	src := r.archive.source(e)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.NewSectionReader(src, 0, src.Size())}, make([]byte, 64<<10)); err != nil {
		return sum, false, err
	}
	return [32]byte(plain.Sum(nil)), bytes.Equal(h.Sum(nil), ref.value), nil
}

// archived raises the level of form of the signatures of a file that the
// manifest of a time-stamp names: form says what is there, not whether it holds.
func (r *reader) archived(name string) {
	for i := range r.out.Signatures {
		if s := &r.out.Signatures[i]; s.Name == name && s.Level == cades.LevelLT {
			s.Level = cades.LevelLTA
		}
	}
}

// armoured decodes a token that is written in base64, as older security servers of X-Road do.
func armoured(b []byte) ([]byte, bool) {
	if len(b) == 0 || b[0] != 'M' {
		return nil, false
	}
	der, err := xmldsig.DecodeBase64(string(b))
	return der, err == nil
}

// archiveStamps adds the time-stamps that stand as files in META-INF and cover files through a manifest
// (EN 319 162-1, A.7). One covers what the files hold that the manifest names, and what those manifests name that it
// names in turn: a chain of archive manifests keeps all of it.
func (r *reader) archiveStamps() error {
	tokens := make([]facts.Token, len(r.stamps))
	for i, e := range r.stamps {
		der, err := r.archive.read(e, maxMetadata)
		if err != nil {
			return err
		}
		if text, ok := armoured(der); ok {
			der = text
		}
		tokens[i] = facts.Token{DER: der, Type: facts.TimestampContainer, ArchiveType: facts.ArchiveTypeASiCArchive}
		r.hold(e, append([]string{facts.ID("T", der)}, cms.TokenHolds(der)...)...)
	}
	for i, e := range r.stamps {
		if err := r.archiveStamp(e, &tokens[i]); err != nil {
			return err
		}
		r.out.Tokens = append(r.out.Tokens, tokens[i])
	}
	return nil
}

func (r *reader) archiveStamp(e *entry, t *facts.Token) error {
	own := r.manifestOf(e.name)
	switch {
	case own != nil:
		if message, covers, fault, ok := r.batchStamp(own); ok {
			t.Covers, t.MessageError = covers, fault
			if fault == "" {
				t.Message = func(w io.Writer) error { _, err := w.Write(message); return err }
			}
			return nil
		}
		t.Digests = []facts.DigestMatch{}
		for _, ref := range own.refs {
			t.Digests = append(t.Digests, r.named(ref.URI).match(r, ref))
			if f := r.named(ref.URI); f != nil {
				r.archived(f.name)
			}
		}
		t.Covers = r.reach(own, map[string]bool{})
		t.Message = func(w io.Writer) error { _, err := w.Write(own.bytes); return err }
	case len(r.content) == 1 && r.out.Container.Type == facts.FormatASiCS:
		src := r.archive.source(r.content[0])
		t.Message = func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(src, 0, src.Size()))
			return err
		}
	default:
		t.MessageError = "no manifest belongs to the time-stamp"
	}
	return r.ctx.Err()
}

func (r *reader) manifestOf(signature string) *manifest {
	var own *manifest
	for _, m := range r.manifests {
		if m.signature == signature {
			own = m
		}
	}
	return own
}

// match compares a file with a reference of a manifest; a nil entry is a file that is not there.
func (e *entry) match(r *reader, ref manifestRef) facts.DigestMatch {
	m := facts.DigestMatch{Kind: facts.MatchManifestEntry, Name: clip(ref.URI), Algorithm: string(ref.digest)}
	if e == nil {
		return m
	}
	known, seen := r.compared[ref.key(e)]
	if !seen {
		_, intact, err := r.compare(e, ref)
		known = intact && err == nil
		m.Found = err == nil
		if m.Found {
			r.compared[ref.key(e)] = known
		}
	} else {
		m.Found = true
	}
	m.Intact = known
	return m
}

// key names one comparison: archive manifests of a chain name the same files again and again.
func (ref manifestRef) key(e *entry) string {
	return e.name + "\x00" + string(ref.digest) + "\x00" + string(ref.value)
}

// reach names what the intact files of a manifest hold, through manifests among them as well.
func (r *reader) reach(m *manifest, seen map[string]bool) (ids []string) {
	if seen[m.file.name] {
		return nil
	}
	seen[m.file.name] = true
	for _, ref := range m.refs {
		f := r.named(ref.URI)
		if f == nil || !f.match(r, ref).Intact {
			continue
		}
		ids = append(ids, r.holds[f.name]...)
		for _, next := range r.manifests {
			if next.file == f {
				ids = append(ids, r.reach(next, seen)...)
			}
		}
	}
	return ids
}
