package sign

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"mist/signature/algo"
	"mist/signature/asic"
	"mist/signature/facts"
)

// ASiCOptions of a container (EN 319 162-1).
type ASiCOptions struct {
	// Extended makes ASiC-E, which holds any number of files; ASiC-S holds one.
	Extended bool
	// XAdES signs with XAdES instead of CAdES.
	XAdES bool
	XAdESOptions
}

// maxDeflated is up to where files are compressed; larger ones are stored, so that verifying reads them in place.
const maxDeflated = 1 << 20

// ASiC writes a container with the files and one signature over all of them.
func ASiC(ctx context.Context, w io.Writer, signer Signer, o ASiCOptions, objects ...DataObject) error {
	if len(objects) == 0 || !o.Extended && len(objects) > 1 {
		return errors.New("signing a container: ASiC-S holds exactly one file, ASiC-E at least one")
	}
	for _, obj := range objects {
		if obj.Name == "" || obj.Name == "mimetype" || strings.HasPrefix(strings.ToUpper(obj.Name), "META-INF/") {
			return fmt.Errorf("signing a container: file name is reserved or empty")
		}
	}
	var meta []DataObject
	var err error
	if o.XAdES {
		meta, err = o.xades(ctx, signer, objects)
	} else {
		meta, err = o.cades(ctx, signer, objects)
	}
	if err != nil {
		return err
	}
	mimetype := asic.MimetypeS
	if o.Extended {
		mimetype = asic.MimetypeE
	}
	z := zip.NewWriter(w)
	// The media type comes first, stored, without extra field, so that it stands at octet 38 (EN 319 162-1, A.1).
	if err := store(z, "mimetype", facts.Bytes([]byte(mimetype)), false); err != nil {
		return err
	}
	for _, obj := range append(append([]DataObject(nil), objects...), meta...) {
		if err := store(z, obj.Name, obj.Content, obj.Content.Size() <= maxDeflated); err != nil {
			return err
		}
	}
	return z.Close()
}

func (o ASiCOptions) xades(ctx context.Context, signer Signer, objects []DataObject) ([]DataObject, error) {
	d, err := detached(signer, o.XAdESOptions, objects)
	if err != nil {
		return nil, err
	}
	d.before = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<asic:XAdESSignatures xmlns:asic="` + asic.Namespace + `">`
	d.after = `</asic:XAdESSignatures>`
	signed, err := d.sign(ctx, contentOf(objects))
	if err != nil {
		return nil, err
	}
	if !o.Extended {
		return []DataObject{{Name: "META-INF/signatures.xml", Content: facts.Bytes(signed)}}, nil
	}
	return []DataObject{
		{Name: "META-INF/manifest.xml", Content: facts.Bytes(odfManifest(objects))},
		{Name: "META-INF/signatures001.xml", Content: facts.Bytes(signed)},
	}, nil
}

// odfManifest writes META-INF/manifest.xml (OpenDocument 1.2, part 3), which validators of ASiC-E with XAdES look for.
func odfManifest(objects []DataObject) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">` +
		`<manifest:file-entry manifest:full-path="/" manifest:media-type="` + asic.MimetypeE + `"/>`)
	for _, obj := range objects {
		b.WriteString(`<manifest:file-entry manifest:full-path="` + escapeXML.Replace(obj.Name) + `" manifest:media-type="` + escapeXML.Replace(mediaType(obj)) + `"/>`)
	}
	b.WriteString(`</manifest:manifest>`)
	return []byte(b.String())
}

func mediaType(obj DataObject) string {
	if obj.MediaType == "" {
		return "application/octet-stream"
	}
	return obj.MediaType
}

func (o ASiCOptions) cades(ctx context.Context, signer Signer, objects []DataObject) ([]DataObject, error) {
	c := o.Options
	c.Detached = true
	if !o.Extended {
		p7s, err := CAdES(ctx, signer, objects[0].Content, c)
		if err != nil {
			return nil, err
		}
		return []DataObject{{Name: "META-INF/signature.p7s", Content: facts.Bytes(p7s)}}, nil
	}
	const signatureName = "META-INF/signature001.p7s"
	manifest, err := asicManifest(signatureName, objects)
	if err != nil {
		return nil, err
	}
	p7s, err := CAdES(ctx, signer, facts.Bytes(manifest), c)
	if err != nil {
		return nil, err
	}
	return []DataObject{
		{Name: "META-INF/ASiCManifest001.xml", Content: facts.Bytes(manifest)},
		{Name: signatureName, Content: facts.Bytes(p7s)},
	}, nil
}

// asicManifest writes the ASiCManifest (EN 319 162-1, A.4) with SHA-256 digests.
func asicManifest(signatureName string, objects []DataObject) ([]byte, error) {
	var b strings.Builder
	b.WriteString(manifestHead(signatureName, "application/pkcs7-signature"))
	for _, obj := range objects {
		if err := manifestEntry(&b, obj, algo.SHA256, ""); err != nil {
			return nil, err
		}
	}
	b.WriteString(manifestTail)
	return []byte(b.String()), nil
}

func copySource(w io.Writer, src facts.Source) (int64, error) {
	return io.Copy(w, io.NewSectionReader(src, 0, src.Size()))
}

// store writes one file with its sizes and checksum in the local header: no data descriptor, no extra field.
func store(z *zip.Writer, name string, content facts.Source, deflate bool) error {
	sum := crc32.NewIEEE()
	size := content.Size()
	if _, err := io.Copy(sum, io.NewSectionReader(content, 0, size)); err != nil {
		return fmt.Errorf("reading a file of the container: %w", err)
	}
	h := &zip.FileHeader{Name: name, CRC32: sum.Sum32(), UncompressedSize64: uint64(size), CompressedSize64: uint64(size)}
	var body io.Reader = io.NewSectionReader(content, 0, size)
	if deflate && size > 0 {
		var packed bytes.Buffer
		f, err := flate.NewWriter(&packed, flate.DefaultCompression)
		if err != nil {
			return err
		}
		if _, err := io.Copy(f, body); err != nil {
			return fmt.Errorf("reading a file of the container: %w", err)
		}
		if err := f.Close(); err != nil {
			return err
		}
		h.Method, h.CompressedSize64, body = zip.Deflate, uint64(packed.Len()), &packed
	}
	for _, r := range name {
		if r >= 0x80 {
			h.Flags |= 1 << 11 // the name is UTF-8
		}
	}
	w, err := z.CreateRaw(h)
	if err != nil {
		return fmt.Errorf("writing the container: %w", err)
	}
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("writing the container: %w", err)
	}
	return nil
}
