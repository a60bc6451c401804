package sign

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"mist/signature/algo"
	"mist/signature/asic"
	"mist/signature/facts"
	"mist/signature/xmldsig"
)

// container is an ASiC container that is being lifted.
type container struct{ *asic.Layout }

func openContainer(b []byte) (*container, error) {
	l, err := asic.Open(facts.Bytes(b))
	if err != nil {
		return nil, fmt.Errorf("lifting a container: %w", err)
	}
	return &container{l}, nil
}

func (c *container) part(name string) *asic.Part {
	for i := range c.Parts {
		if c.Parts[i].Name == name {
			return &c.Parts[i]
		}
	}
	return nil
}

// newest is the archive manifest that no other one covers, nil without any.
func (c *container) newest() *asic.Part {
	for i := range c.Parts {
		if p := &c.Parts[i]; p.Role == asic.RoleArchiveManifest && !p.Covered {
			return p
		}
	}
	return nil
}

// stampOf is the time-stamp of an archive manifest.
func (c *container) stampOf(manifest *asic.Part) *asic.Part {
	for i := range c.Parts {
		if p := &c.Parts[i]; p.Role == asic.RoleStamp && p.Manifest == manifest.Name {
			return p
		}
	}
	return nil
}

// contentOf is what a signature file of the container refers to.
func (c *container) contentOf(signature *asic.Part) map[string]facts.Source {
	out := map[string]facts.Source{}
	if signature.Role == asic.RoleCAdES && signature.Manifest != "" {
		out[signature.Manifest] = c.part(signature.Manifest).Source
		return out
	}
	objects := 0
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Role == asic.RoleContent {
			objects++
			if out[""] = p.Source; objects > 1 || c.Type != facts.FormatASiCS && signature.Role == asic.RoleXAdES {
				delete(out, "")
			}
		}
		if p != signature && signature.Role == asic.RoleXAdES {
			out[p.Name] = p.Source
		}
	}
	return out
}

func (c *container) write() ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	if c.Comment != "" {
		if err := z.SetComment(c.Comment); err != nil {
			return nil, fmt.Errorf("writing the container: %w", err)
		}
	}
	for _, first := range []bool{true, false} { // the media type first, stored (EN 319 162-1, A.1)
		for _, p := range c.Parts {
			if (p.Role == asic.RoleMimetype) != first {
				continue
			}
			if err := store(z, p.Name, p.Source, !first && p.Source.Size() <= maxDeflated); err != nil {
				return nil, err
			}
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("writing the container: %w", err)
	}
	return out.Bytes(), nil
}

type lifting func(ctx context.Context, signature []byte, content map[string]facts.Source) ([]byte, error)

// container lifts the signature files of a container, each with the content it
// refers to. Where an archive time-stamp covers them, the newest one is lifted by
// covered instead, or nothing when that is nil.
func (l Lift) container(ctx context.Context, document []byte, lift, covered lifting) ([]byte, error) {
	c, err := openContainer(document)
	if err != nil {
		return nil, err
	}
	if m := c.newest(); m != nil {
		p := c.stampOf(m)
		if covered == nil {
			return document, nil
		}
		if p == nil {
			return nil, errors.New("lifting a container: the newest archive manifest has no time-stamp")
		}
		if err := apply(ctx, p, covered, nil); err != nil {
			return nil, err
		}
		return c.write()
	}
	found := false
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Role != asic.RoleCAdES && p.Role != asic.RoleXAdES {
			continue
		}
		found = true
		if err := apply(ctx, p, lift, c.contentOf(p)); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("lifting a container: %w", ErrNothingToLift)
	}
	return c.write()
}

func apply(ctx context.Context, p *asic.Part, lift lifting, content map[string]facts.Source) error {
	b, err := facts.ReadAll(p.Source, facts.DefaultLimits.Document)
	if err == nil {
		b, err = lift(ctx, b, content)
	}
	if err != nil {
		return fmt.Errorf("lifting a container: %s: %w", p.Name, err)
	}
	p.Source = facts.Bytes(b)
	return nil
}

const newestManifest = "META-INF/ASiCArchiveManifest.xml"

// archiveContainer archives a container as its kind wants it: ASiC-E with CAdES
// by an archive manifest with its time-stamp, the others in the signature.
func (l Lift) archiveContainer(ctx context.Context, document []byte) ([]byte, error) {
	c, err := openContainer(document)
	if err != nil {
		return nil, err
	}
	cades := false
	for _, p := range c.Parts {
		cades = cades || p.Role == asic.RoleCAdES
	}
	if c.newest() == nil && (!cades || c.Type != facts.FormatASiCE) {
		return l.container(ctx, document, l.Archive, nil)
	}
	return l.addManifest(ctx, c)
}

// addManifest adds an ASiCArchiveManifest over every file there is and its
// time-stamp (EN 319 162-1, A.7). The newest one has the name without a number;
// the one that had it gets the next number, and is named as the root of what is
// older.
func (l Lift) addManifest(ctx context.Context, c *container) ([]byte, error) {
	root := c.newest()
	if root != nil && root.Name == newestManifest {
		old := root.Name
		root.Name = c.free("META-INF/ASiCArchiveManifest%03d.xml")
		for i := range c.Parts {
			if c.Parts[i].Manifest == old {
				c.Parts[i].Manifest = root.Name
			}
		}
	}
	stampName := c.free("META-INF/timestamp%03d.tst")
	var b strings.Builder
	b.WriteString(manifestHead(stampName, "application/vnd.etsi.timestamp-token"))
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Role == asic.RoleMimetype {
			continue
		}
		attributes := ""
		if p == root {
			attributes = ` Rootfile="true"`
		}
		if err := manifestEntry(&b, DataObject{Name: p.Name, MediaType: mediaTypeOf(p.Role), Content: p.Source}, l.Digest, attributes); err != nil {
			return nil, err
		}
	}
	b.WriteString(manifestTail)
	manifest := []byte(b.String())
	token, err := stamp(ctx, l.TSA, l.Digest, l.Digest.Sum(manifest), l.Random)
	if err != nil {
		return nil, fmt.Errorf("archive time-stamp: %w", err)
	}
	c.Parts = append(c.Parts,
		asic.Part{File: asic.File{Name: newestManifest, Source: facts.Bytes(manifest)}, Role: asic.RoleArchiveManifest},
		asic.Part{File: asic.File{Name: stampName, Source: facts.Bytes(token)}, Role: asic.RoleStamp, Manifest: newestManifest})
	return c.write()
}

// free is the first name of a series that no file has.
func (c *container) free(format string) string {
	for n := 1; ; n++ {
		if name := fmt.Sprintf(format, n); c.part(name) == nil {
			return name
		}
	}
}

func mediaTypeOf(role string) string {
	switch role {
	case asic.RoleCAdES:
		return "application/pkcs7-signature"
	case asic.RoleStamp:
		return "application/vnd.etsi.timestamp-token"
	case asic.RoleManifest, asic.RoleArchiveManifest, asic.RoleXAdES:
		return "text/xml"
	}
	return ""
}

// manifestHead begins an ASiCManifest (EN 319 162-1, A.4) that belongs to a
// signature or time-stamp.
func manifestHead(reference, mediaType string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<asic:ASiCManifest xmlns:asic="` + asic.Namespace + `" xmlns:ds="` + xmldsig.Namespace +
		`"><asic:SigReference URI="` + reference + `" MimeType="` + mediaType + `"/>`
}

const manifestTail = `</asic:ASiCManifest>`

// manifestEntry writes the reference to one file.
func manifestEntry(b *strings.Builder, obj DataObject, d algo.Digest, attributes string) error {
	h := d.New(nil)
	if _, err := copySource(h, obj.Content); err != nil {
		return fmt.Errorf("hashing a file of the container: %w", err)
	}
	b.WriteString(`<asic:DataObjectReference URI="` + escapeXML.Replace(referenceURI(obj.Name)) + `"`)
	if obj.MediaType != "" {
		b.WriteString(` MimeType="` + escapeXML.Replace(obj.MediaType) + `"`)
	}
	b.WriteString(attributes + `><ds:DigestMethod Algorithm="` + d.URI() + `"/><ds:DigestValue>` + xmldsig.Base64(h.Sum(nil)) +
		`</ds:DigestValue></asic:DataObjectReference>`)
	return nil
}
