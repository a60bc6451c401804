package asic

import (
	"context"
	"strings"

	"mist/signature/facts"
)

// File is one file of a zip archive.
type File struct {
	Name   string
	Source facts.Source
}

// Files lists the files of a zip archive that is no container of its own: the
// folder of signed documents people send. The archive is checked as a container
// is; *Refusal, facts.ErrNotThisFormat as Read says. A source compares the
// checksum when it has been read to the end.
func Files(src facts.Source) ([]File, error) {
	if !isZip(src) {
		return nil, facts.ErrNotThisFormat
	}
	a, err := openArchive(src)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, e := range a.entries {
		if !e.directory {
			out = append(out, File{e.name, a.source(e)})
		}
	}
	return out, nil
}

// Roles of the files of a container.
const (
	RoleMimetype        = "mimetype"
	RoleContent         = "content"
	RoleCAdES           = "cades"
	RoleXAdES           = "xades"
	RoleManifest        = "manifest"
	RoleArchiveManifest = "archive-manifest"
	RoleStamp           = "time-stamp"
	RoleOther           = "other" // in META-INF
)

// Part is a file of a container with its role.
type Part struct {
	File
	Role string
	// Manifest of a CAdES signature or of a time-stamp, by name; "" when it has none.
	Manifest string
	// Covered says that an archive manifest names the file.
	Covered bool
}

// Layout is how a container is put together, for those who add to it. Parts
// stand in the order of the archive.
type Layout struct {
	Type    string // facts.FormatASiCS or facts.FormatASiCE
	Comment string
	Parts   []Part
}

// Open reads how a container is put together; it looks at no signature.
// Errors are those of Read.
func Open(src facts.Source) (*Layout, error) {
	r, err := open(context.Background(), src, facts.Environment{Limits: facts.Limits{}.OrDefault()})
	if err != nil {
		return nil, err
	}
	if err := r.sort(); err != nil {
		return nil, err
	}
	if err := r.mimetype(); err != nil {
		return nil, err
	}
	role := map[*entry]string{}
	covered := map[string]bool{}
	for _, e := range r.content {
		role[e] = RoleContent
	}
	for _, e := range r.stamps {
		role[e] = RoleStamp
	}
	for _, e := range r.signatures {
		role[e] = RoleXAdES
		if strings.HasSuffix(strings.ToLower(e.name), ".p7s") {
			role[e] = RoleCAdES
		}
	}
	for _, m := range r.manifests {
		role[m.file] = RoleManifest
		if !m.archive {
			continue
		}
		role[m.file] = RoleArchiveManifest
		for _, ref := range m.refs {
			if e := r.named(ref.URI); e != nil {
				covered[e.name] = true
			}
		}
	}
	l := &Layout{Type: r.out.Container.Type, Comment: r.archive.comment}
	for _, e := range r.archive.entries {
		if e.directory {
			continue
		}
		p := Part{File: File{e.name, r.archive.source(e)}, Role: role[e], Covered: covered[e.name]}
		switch {
		case e.name == "mimetype":
			p.Role = RoleMimetype
		case p.Role == "":
			p.Role = RoleOther
		}
		if m := r.manifestOf(e.name); m != nil {
			p.Manifest = m.file.name
		}
		l.Parts = append(l.Parts, p)
	}
	return l, nil
}
