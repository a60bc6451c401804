package sign

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"mist/signature/algo"
	"mist/signature/asic"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/xmldsig"
)

// MessageLogOptions say how a security server of X-Road seals a message for its log.
type MessageLogOptions struct {
	XAdESOptions
	// Batch are the SHA-512 digests of other messages signed together with
	// this one; with any, the signature covers a hash chain.
	Batch [][]byte
	// Stamp, when given, gets a time-stamp token over a hash chain result for
	// the signature (META-INF/timestamp.tst), as servers do for batches.
	Stamp TSA
	// Unlogged are attachments by name that were signed and are not kept.
	Unlogged map[string][]byte
}

// MessageLog writes the ASiC-E container in which a security server of X-Road keeps a message: message.xml and the
// attachments, a XAdES signature over them or, for a batch, over a hash chain result, and the chain.
func MessageLog(ctx context.Context, w io.Writer, signer Signer, o MessageLogOptions, message []byte, attachments ...DataObject) error {
	files := append([]DataObject{{Name: "message.xml", MediaType: "text/xml", Content: facts.Bytes(message)}}, attachments...)
	signed := make([]DataObject, len(files))
	for i, f := range files {
		f.Name = "/" + f.Name
		signed[i] = f
	}
	if len(o.Batch) > 0 || len(o.Unlogged) > 0 {
		step, list, err := o.chainStep(signed)
		if err != nil {
			return err
		}
		chain, result := chainFiles("sig-hashchain.xml", step, list)
		files = append(files, DataObject{Name: "sig-hashchain.xml", Content: facts.Bytes(chain)}, DataObject{Name: asic.SigHashChainResult, Content: facts.Bytes(result)})
		signed = []DataObject{{Name: "/" + asic.SigHashChainResult, MediaType: "application/hash-chain-result", Content: facts.Bytes(result)}}
	}
	d, err := detached(signer, o.XAdESOptions, signed)
	if err != nil {
		return err
	}
	d.before = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<asic:XAdESSignatures xmlns:asic="` + asic.Namespace + `">`
	d.after = `</asic:XAdESSignatures>`
	signatures, err := d.sign(ctx, contentOf(signed))
	if err != nil {
		return err
	}
	meta := []DataObject{
		{Name: "META-INF/signatures.xml", Content: facts.Bytes(signatures)},
		{Name: "META-INF/manifest.xml", Content: facts.Bytes(odfManifest(files))},
	}
	if o.Stamp != nil {
		stamp, err := o.batchStamp(ctx, signer, signatures)
		if err != nil {
			return err
		}
		meta = append(meta, stamp...)
	}
	z := zip.NewWriter(w)
	if err := store(z, "mimetype", facts.Bytes([]byte(asic.MimetypeE)), false); err != nil {
		return err
	}
	for _, f := range append(files, meta...) {
		if err := store(z, f.Name, f.Content, f.Content.Size() <= maxDeflated); err != nil {
			return err
		}
	}
	return z.Close()
}

const methodSHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"

// chainStep writes the step of a message: its files, and the digests of the rest of the batch.
func (o MessageLogOptions) chainStep(files []DataObject) (xml string, list [][]byte, err error) {
	var b strings.Builder
	add := func(element, uri string, sum []byte) {
		b.WriteString(`<hc:` + element)
		if uri != "" {
			b.WriteString(` URI="` + escapeXML.Replace(uri) + `"`)
		}
		b.WriteString(`><DigestValue>` + xmldsig.Base64(sum) + `</DigestValue></hc:` + element + `>`)
		list = append(list, asic.SingleDigest(methodSHA512, sum))
	}
	for _, f := range files {
		h := algo.SHA512.New(nil)
		if _, err := io.Copy(h, io.NewSectionReader(f.Content, 0, f.Content.Size())); err != nil {
			return "", nil, fmt.Errorf("hashing the file to sign: %w", err)
		}
		add("DataRef", referenceURI(f.Name), h.Sum(nil))
	}
	for name, content := range o.Unlogged {
		add("DataRef", "/"+name, algo.SHA512.Sum(content))
	}
	for _, sum := range o.Batch {
		add("HashValue", "", sum)
	}
	return b.String(), list, nil
}

// chainFiles writes a chain of one step and its result.
func chainFiles(name, step string, list [][]byte) (chain, result []byte) {
	const head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	const spaces = ` xmlns="` + xmldsig.Namespace + `" xmlns:hc="` + asic.NamespaceHashChain + `"`
	chain = []byte(head + `<hc:HashChain` + spaces + `><hc:DefaultDigestMethod Algorithm="` + methodSHA512 + `"/><hc:HashStep id="STEP0">` + step + `</hc:HashStep></hc:HashChain>` + "\n")
	result = []byte(head + `<hc:HashChainResult URI="/` + name + `#STEP0"` + spaces + `><DigestMethod Algorithm="` + methodSHA512 + `"/><DigestValue>` +
		xmldsig.Base64(algo.SHA512.Sum(ber.Seq(list...))) + `</DigestValue></hc:HashChainResult>` + "\n")
	return chain, result
}

// batchStamp makes the time-stamp of a batch: a hash chain over the signature file, the token over its result, and the
// manifest that ties them together.
func (o MessageLogOptions) batchStamp(ctx context.Context, signer Signer, signatures []byte) ([]DataObject, error) {
	file := []DataObject{{Name: "/META-INF/signatures.xml", Content: facts.Bytes(signatures)}}
	step, list, err := MessageLogOptions{}.chainStep(file)
	if err != nil {
		return nil, err
	}
	chain, result := chainFiles("ts-hashchain.xml", step, list)
	token, err := stamp(ctx, o.Stamp, algo.SHA512, algo.SHA512.Sum(result), signer.random())
	if err != nil {
		return nil, err
	}
	if len(token) == 0 {
		return nil, errors.New("stamping the batch: the authority gave no token")
	}
	manifest := `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<asic:ASiCManifest xmlns:asic="` + asic.Namespace + `" xmlns:ds="` + xmldsig.Namespace +
		`"><asic:SigReference URI="META-INF/timestamp.tst" MimeType="application/vnd.etsi.timestamp-token"/><asic:DataObjectReference URI="` + asic.TSHashChainResult +
		`" MimeType="text/xml"><ds:DigestMethod Algorithm="` + methodSHA512 + `"/><ds:DigestValue>` + xmldsig.Base64(algo.SHA512.Sum(result)) +
		`</ds:DigestValue></asic:DataObjectReference></asic:ASiCManifest>`
	return []DataObject{
		{Name: "META-INF/ASiCManifest.xml", Content: facts.Bytes([]byte(manifest))},
		{Name: "META-INF/timestamp.tst", Content: facts.Bytes(token)},
		{Name: "ts-hashchain.xml", Content: facts.Bytes(chain)},
		{Name: asic.TSHashChainResult, Content: facts.Bytes(result)},
	}, nil
}
