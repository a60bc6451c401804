// Package asic reads associated signature containers (EN 319 162-1 and -2): ASiC-S and ASiC-E with CAdES or XAdES, and
// their relatives that carry XAdES in META-INF (BDoc, ADoc, signed OpenDocument). It checks the archive, finds which
// signature covers which files, gives the signature readers the files as detached content, and names what no
// signature covers. It judges nothing and trusts nothing.
//
// An archive that two readers could take apart differently is refused as a whole (*Refusal): names that collide or
// lead out, overlapping or hidden data, headers that disagree, encryption, compression out of proportion.
package asic

import (
	"context"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"

	"mist/signature/cades"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/xades"
	"mist/signature/xmldom"
)

// Media types of containers (EN 319 162-1, 4.3.3 and 4.4.3).
const (
	MimetypeS = "application/vnd.etsi.asic-s+zip"
	MimetypeE = "application/vnd.etsi.asic-e+zip"
)

// Read reads one container. Errors: facts.ErrNotThisFormat when the bytes are no zip archive, *Refusal when the
// archive is refused. A container without signatures gives a Reading without any.
func Read(ctx context.Context, src facts.Source, env facts.Environment) (*facts.Reading, error) {
	env.Limits = env.Limits.OrDefault()
	r, err := open(ctx, src, env)
	if err != nil {
		return nil, err
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.out, nil
}

func open(ctx context.Context, src facts.Source, env facts.Environment) (*reader, error) {
	if !isZip(src) {
		return nil, facts.ErrNotThisFormat
	}
	a, err := openArchive(src)
	if err != nil {
		return nil, err
	}
	return &reader{
		ctx: ctx, env: env, archive: a, covered: map[string]bool{}, holds: map[string][]string{}, compared: map[string]bool{}, ids: map[string]bool{},
		out: &facts.Reading{Octets: map[string][]facts.Octets{}, Container: &facts.Container{ContentFiles: []string{}}},
	}, nil
}

type reader struct {
	ctx      context.Context
	env      facts.Environment
	archive  *archive
	out      *facts.Reading
	covered  map[string]bool     // files some signature covers
	holds    map[string][]string // ids of what a file of META-INF holds
	compared map[string]bool     // outcomes of comparing files with what archive manifests say
	ids      map[string]bool     // signature ids given so far

	signatures []*entry // META-INF/*signature*.p7s and *signatures*.xml
	stamps     []*entry // META-INF/*.tst
	odf        *entry   // META-INF/manifest.xml
	manifests  []*manifest
	content    []*entry
	others     []*entry // in META-INF and none of these
}

func (r *reader) problem(code facts.ProblemCode, detail string) {
	r.out.Problems = append(r.out.Problems, facts.Problem{Code: code, Detail: detail})
}

func (r *reader) read() error {
	if err := r.sort(); err != nil {
		return err
	}
	if err := r.mimetype(); err != nil {
		return err
	}
	c := r.out.Container
	for _, e := range r.content {
		c.ContentFiles = append(c.ContentFiles, e.name)
	}
	for _, m := range r.manifests {
		f := facts.Manifest{Name: m.file.name, SignatureName: m.signature, Entries: []string{}}
		for _, ref := range m.refs {
			f.Entries = append(f.Entries, ref.URI)
		}
		c.Manifests = append(c.Manifests, f)
	}
	if r.odf != nil {
		f, err := r.odfManifest(r.odf)
		if err != nil {
			return err
		}
		c.Manifests = append(c.Manifests, f)
	}
	r.rules()
	for _, e := range r.signatures {
		if err := r.signature(e); err != nil {
			return err
		}
	}
	if err := r.archiveStamps(); err != nil {
		return err
	}
	// A file in META-INF that is no part of the container's own machinery is a file like another: unsigned, it is named.
	for _, e := range append(slices.Clone(r.content), r.others...) {
		if !r.covered[e.name] {
			r.out.UnsignedParts = append(r.out.UnsignedParts, e.name)
		}
	}
	return nil
}

// metaINF returns the part of a name below META-INF/, and whether it stands there.
func metaINF(name string) (string, bool) {
	if len(name) > 9 && strings.EqualFold(name[:9], "META-INF/") {
		return name[9:], true
	}
	return "", false
}

// sort tells signatures, manifests, time-stamps and content apart by the names of EN 319 162-1, 4.3.4 and 4.4.4.
func (r *reader) sort() error {
	for _, e := range r.archive.entries {
		if e.directory {
			continue
		}
		meta, inside := metaINF(e.name)
		lower := strings.ToLower(meta)
		switch {
		case e.name == "mimetype":
		case !inside:
			r.content = append(r.content, e)
		case strings.HasSuffix(lower, ".p7s") && strings.Contains(lower, "signature"),
			strings.HasSuffix(lower, ".xml") && strings.Contains(lower, "signatures") && !strings.Contains(lower, "manifest"):
			r.signatures = append(r.signatures, e)
		case strings.HasSuffix(lower, ".tst"):
			r.stamps = append(r.stamps, e)
		case lower == "manifest.xml":
			r.odf = e
		case strings.HasSuffix(lower, ".xml") && strings.HasPrefix(lower, "asicmanifest"),
			strings.HasSuffix(lower, ".xml") && strings.HasPrefix(lower, "asicarchivemanifest"):
			m, err := r.manifest(e)
			if err != nil {
				return err
			}
			r.manifests = append(r.manifests, m)
		default:
			r.others = append(r.others, e)
		}
	}
	return nil
}

// mimetype checks the mimetype file (EN 319 162-1, A.1) and decides the container type.
func (r *reader) mimetype() error {
	c := r.out.Container
	if e := r.archive.byName["mimetype"]; e != nil {
		b, err := r.archive.read(e, 1024)
		if err != nil {
			return err
		}
		c.MimetypePresent, c.Mimetype, c.MimetypeFirst = true, string(b), r.archive.first == e
		remark := func(detail string) { r.problem(facts.RemarkMimetype, detail) }
		if !c.MimetypeFirst {
			remark("mimetype is not the first file")
		}
		if e.method != 0 {
			remark("mimetype is compressed")
		}
		if e.extra {
			remark("mimetype has an extra field")
		}
		if strings.TrimSpace(c.Mimetype) != c.Mimetype {
			remark("mimetype has white space around it")
		}
	} else {
		r.problem(facts.RemarkMimetype, "mimetype is missing")
	}
	c.ZipComment = clip(strings.ToValidUTF8(r.archive.comment, "?"))
	mime := strings.TrimSpace(c.Mimetype)
	if rest, found := strings.CutPrefix(strings.TrimSpace(c.ZipComment), "mimetype="); found && mime == "" {
		mime = strings.TrimSpace(rest)
	}
	switch mime {
	case MimetypeS:
		c.Type = facts.FormatASiCS
	case MimetypeE:
		c.Type = facts.FormatASiCE
	default:
		if mime != "" {
			r.problem(facts.RemarkMimetype, "mimetype is not that of an ASiC container")
		}
		c.Type = facts.FormatASiCE
		if len(r.content) <= 1 && len(r.manifests) == 0 && mime == "" {
			c.Type = facts.FormatASiCS
		}
	}
	r.out.Format = c.Type
	return nil
}

// rules checks what EN 319 162-1 says about the set of files.
func (r *reader) rules() {
	xml, p7s := 0, 0
	for _, e := range r.signatures {
		if strings.HasSuffix(strings.ToLower(e.name), ".p7s") {
			p7s++
		} else {
			xml++
		}
	}
	if r.out.Container.Type == facts.FormatASiCS {
		if len(r.content) != 1 && len(r.signatures) > 0 {
			r.problem(facts.ProblemContainer, "ASiC-S holds not exactly one data object")
		}
		if xml+p7s > 1 {
			r.problem(facts.ProblemContainer, "ASiC-S holds several signature files")
		}
	}
	if xml > 0 && p7s > 0 {
		r.problem(facts.ProblemContainer, "container mixes CAdES and XAdES")
	}
	named := map[string]bool{}
	for _, m := range r.manifests {
		if m.signature != "" && named[m.signature] {
			r.problem(facts.ProblemAmbiguous, "two manifests belong to one signature")
		}
		named[m.signature] = true
		if m.signature != "" && r.archive.byName[m.signature] == nil {
			r.problem(facts.RemarkStructure, "manifest of a signature that is not there")
		}
	}
}

// signature reads one signature file with the files of the container as content.
func (r *reader) signature(e *entry) error {
	b, err := r.archive.read(e, min(r.env.Limits.Document, 64<<20))
	if err != nil {
		return err
	}
	env := r.env
	env.Limits.Signatures = r.env.Limits.Signatures - len(r.out.Signatures)
	if strings.HasSuffix(strings.ToLower(e.name), ".p7s") {
		return r.cades(e, b, env)
	}
	return r.xades(e, b, env)
}

func (r *reader) xades(e *entry, b []byte, env facts.Environment) error {
	env.Content = map[string]facts.Source{}
	for _, c := range r.archive.entries {
		if !c.directory && c != e {
			env.Content[c.name] = r.archive.source(c)
		}
	}
	if r.out.Container.Type == facts.FormatASiCS && len(r.content) == 1 {
		env.Content[""] = r.archive.source(r.content[0]) // the one data object, whatever the reference calls it
	}
	got, err := xades.Read(r.ctx, facts.Bytes(b), env)
	if err != nil {
		return r.unreadable(e, facts.FormatXAdES, err)
	}
	for i := range got.Signatures {
		s := &got.Signatures[i]
		for j := range s.Scopes {
			name := s.Scopes[j].Name
			if c := r.named(name); c != nil {
				s.Scopes[j].Name = c.name
				if s.Scopes[j].Kind == facts.ScopeFull {
					r.covered[c.name] = true
				}
			}
		}
		if s.Parent == "" {
			r.batch(s, got)
		}
	}
	r.merge(e, got)
	return nil
}

func (r *reader) cades(e *entry, b []byte, env facts.Environment) error {
	env.Content = map[string]facts.Source{}
	var own *manifest
	for _, m := range r.manifests {
		if m.signature == e.name && own == nil {
			own = m
		}
	}
	switch {
	case own != nil:
		env.Content[own.file.name] = facts.Bytes(own.bytes)
	case r.out.Container.Type == facts.FormatASiCS && len(r.content) == 1:
		env.Content[r.content[0].name] = r.archive.source(r.content[0])
	case r.out.Container.Type == facts.FormatASiCE:
		r.problem(facts.RemarkStructure, "no manifest names the signature")
	}
	got, err := cades.Read(r.ctx, facts.Bytes(b), env)
	if err != nil {
		return r.unreadable(e, facts.FormatCAdES, err)
	}
	for i := range got.Signatures {
		s := &got.Signatures[i]
		if s.Parent != "" || s.Depth > 0 {
			continue
		}
		if own != nil {
			r.manifestEntries(own, s, got)
		} else if len(r.content) == 1 && slices.ContainsFunc(s.Scopes, func(sc facts.Scope) bool { return sc.Kind == facts.ScopeFull }) {
			r.covered[r.content[0].name] = true
		}
	}
	r.merge(e, got)
	return nil
}

// unreadable reports a signature file that is not what its name says, as a signature that cannot be good: dropping it
// would hide it.
func (r *reader) unreadable(e *entry, format string, err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	problem := facts.Problem{Code: facts.ProblemMalformed, Detail: "signature file cannot be read"}
	var syntax *xmldom.SyntaxError
	switch {
	case errors.As(err, &syntax):
		problem.Detail += ": " + string(syntax.Reason)
	case errors.Is(err, facts.ErrTooLarge):
		problem.Code = facts.ProblemLimit
	}
	r.out.Signatures = append(r.out.Signatures, facts.Signature{
		ID: facts.ID("S", []byte("unreadable "+e.name)), Name: e.name, Format: format, SignatureValue: facts.OutcomeUnknown,
		Digests: []facts.DigestMatch{}, Scopes: []facts.Scope{}, Chain: []string{}, Problems: []facts.Problem{problem},
	})
	return nil
}

func (r *reader) hold(e *entry, ids ...string) { r.holds[e.name] = append(r.holds[e.name], ids...) }

// merge adds what one signature file gave.
func (r *reader) merge(e *entry, got *facts.Reading) {
	for i := range got.Signatures {
		s := got.Signatures[i]
		s.Name = e.name
		if r.ids[s.ID] {
			s.Problems = append(s.Problems, facts.Problem{Code: facts.ProblemDuplicateSigner, Detail: "the same signature stands in two files"})
			id := facts.ID("S", []byte(s.ID+e.name))
			got.Octets[id] = got.Octets[s.ID]
			s.ID = id
		}
		r.ids[s.ID] = true
		r.out.Octets[s.ID] = got.Octets[s.ID]
		r.out.Signatures = append(r.out.Signatures, s)
		r.hold(e, s.ID)
	}
	for _, c := range got.Certificates {
		r.hold(e, facts.ID("C", c.DER))
	}
	for _, v := range got.Revocations {
		r.hold(e, facts.ID("R", v.DER))
	}
	for _, t := range got.Tokens {
		r.hold(e, append([]string{facts.ID("T", t.DER)}, cms.TokenHolds(t.DER)...)...)
	}
	r.out.Certificates = append(r.out.Certificates, got.Certificates...)
	r.out.Revocations = append(r.out.Revocations, got.Revocations...)
	r.out.Tokens = append(r.out.Tokens, got.Tokens...)
	r.out.Problems = append(r.out.Problems, got.Problems...)
	for _, u := range got.UnsignedParts {
		r.out.UnsignedParts = append(r.out.UnsignedParts, e.name+": "+u)
	}
}

// named finds a file by the URI of a reference: as written, or percent-decoded, with a leading "./" or the "/" of the
// container's root dropped. That is the only normalisation; what else looks similar is another file.
func (r *reader) named(uri string) *entry {
	if e := r.archive.byName[uri]; e != nil && !e.directory {
		return e
	}
	decoded, err := url.PathUnescape(uri)
	if err != nil {
		return nil
	}
	for _, name := range []string{decoded, strings.TrimPrefix(decoded, "./"), strings.TrimPrefix(decoded, "/")} {
		if e := r.archive.byName[name]; e != nil && !e.directory {
			return e
		}
	}
	return nil
}

func clip(s string) string {
	if len(s) > 256 {
		return s[:256]
	}
	return s
}

func sourceOctets(src facts.Source, sum [32]byte) facts.Octets {
	return facts.Octets{Size: src.Size(), SHA256: sum, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(src, 0, src.Size())), nil
	}}
}
