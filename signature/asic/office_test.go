package asic_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// 82: an office document whose signature leaves out a macro or outside data:
// what is signed is the scope, what is not is named.
func TestOfficeDocuments(t *testing.T) {
	w := newWorkshop(t, sign.KindDSTU257)
	part := func(name, text string) sign.DataObject {
		return sign.DataObject{Name: name, Content: facts.Bytes([]byte(text))}
	}
	body, manifest := part("content.xml", "<office:document-content xmlns:office='urn:o'>зміст</office:document-content>"), part("META-INF/manifest.xml", "<m:manifest xmlns:m='urn:m'/>")
	macro, outside := part("Basic/Standard/Module1.xml", "<module>Shell</module>"), part("Object 1/link.xml", "<link href='http://example.org/'/>")
	document := func(signed []sign.DataObject, files ...sign.DataObject) []byte {
		sig, err := sign.XAdESDetached(t.Context(), w.signer, sign.XAdESOptions{Options: sign.Options{Time: w.now}}, signed...)
		require.NoError(t, err)
		a := archive{files: []file{{name: "mimetype", body: []byte("application/vnd.oasis.opendocument.text")}}}
		for _, f := range append(files, sign.DataObject{Name: "META-INF/documentsignatures.xml", Content: facts.Bytes(sig)}) {
			b, err := facts.ReadAll(f.Content, 1<<20)
			require.NoError(t, err)
			a.files = append(a.files, file{name: f.Name, body: b})
		}
		return a.bytes()
	}
	passed := func(b []byte) *signature.Result {
		t.Helper()
		r := w.verify(t, b)
		require.Equal(t, signature.TotalPassed, r.Indication, "%s %s", r.Signatures[0].SubIndication, r.Signatures[0].Reason)
		return r
	}
	names := func(r *signature.Result) (out []string) {
		signed, err := r.Signatures[0].Signed()
		require.NoError(t, err)
		for _, s := range signed {
			require.Equal(t, facts.ScopeFull, s.Scope().Kind)
			out = append(out, s.Scope().Name)
		}
		return out
	}
	all := []sign.DataObject{body, macro, outside, manifest}
	whole := passed(document(all, all...))
	require.Empty(t, whole.UnsignedParts)
	require.ElementsMatch(t, []string{"content.xml", "Basic/Standard/Module1.xml", "Object 1/link.xml", "META-INF/manifest.xml"}, names(whole))

	partly := passed(document([]sign.DataObject{body}, all...))
	require.Equal(t, []string{"Basic/Standard/Module1.xml", "Object 1/link.xml"}, partly.UnsignedParts)
	require.Equal(t, []string{"content.xml"}, names(partly))
	strict, err := signature.ParsePolicy([]byte(`{"id":"whole","version":"1","extends":"archive-test","rules":{"container":{"AllFilesSigned":"FAIL"}}}`))
	require.NoError(t, err)
	for doc, want := range map[string]signature.Indication{string(document(all, all...)): signature.TotalPassed, string(document([]sign.DataObject{body}, all...)): signature.TotalFailed} {
		r, err := w.verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes([]byte(doc))}, strict)
		require.NoError(t, err)
		require.Equal(t, want, r.Indication)
	}

	// The same with Office Open XML, whose signatures are not read: the document has none, and every part is named.
	ooxml := archive{files: []file{{name: "[Content_Types].xml", body: []byte("<Types/>")}, {name: "word/document.xml", body: []byte("<d/>")},
		{name: "word/vbaProject.bin", body: []byte{0xd0, 0xcf}}, {name: "_xmlsignatures/sig1.xml", body: []byte("<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/>")}}}
	r := w.verify(t, ooxml.bytes())
	require.Equal(t, signature.NoSignatureFound, r.Indication)
	require.Contains(t, r.UnsignedParts, "word/vbaProject.bin")
	_, _, err = r.MustBePassed()
	require.Error(t, err)
}

// 78: a file in META-INF that belongs to nothing is named like any other.
func TestStrangeFilesInMetaINFAreNamed(t *testing.T) {
	w := newWorkshop(t, sign.KindP256)
	for _, xml := range []bool{false, true} {
		for _, extended := range []bool{false, true} {
			a := w.archive(t, extended, xml, one)
			require.Empty(t, w.verify(t, a.bytes()).UnsignedParts)
			a.files = append(a.files, file{name: "META-INF/readme.html", body: []byte("<script/>")})
			r := w.verify(t, a.bytes())
			require.Equal(t, signature.TotalPassed, r.Indication)
			require.Equal(t, []string{"META-INF/readme.html"}, r.UnsignedParts)
		}
	}
}

// 79: a manifest that no signature belongs to vouches for nothing.
func TestManifestOfNobody(t *testing.T) {
	w := newWorkshop(t, sign.KindDSTU257)
	a := w.archive(t, true, false, one)
	m := *a.find("ASiCManifest")
	twin := w.verify(t, a.bytes())
	require.Equal(t, signature.TotalPassed, twin.Indication)
	require.Empty(t, twin.UnsignedParts)
	// Its files are unsigned, whatever it says about them.
	m.name = "META-INF/ASiCManifest009.xml"
	m.body = []byte(`<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><asic:SigReference URI="META-INF/signature009.p7s"/>` +
		`<asic:DataObjectReference URI="evil.txt"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>` +
		`AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</ds:DigestValue></asic:DataObjectReference></asic:ASiCManifest>`)
	a.files = append(a.files, m, file{name: "evil.txt", body: []byte("x")})
	r := w.verify(t, a.bytes())
	require.Equal(t, signature.TotalPassed, r.Indication)
	require.Equal(t, []string{"evil.txt"}, r.UnsignedParts)
	require.Len(t, r.Facts.Problems, 1)
	require.Equal(t, "manifest of a signature that is not there", r.Facts.Problems[0].Detail)
	// The container's only manifest exchanged for that one: the signature has lost what it signs.
	lost := w.archive(t, true, false, one)
	lost.find("ASiCManifest").body = m.body
	r = w.verify(t, lost.bytes())
	require.Equal(t, signature.Indeterminate, r.Indication)
	require.Equal(t, signature.SignedDataNotFound, r.Signatures[0].SubIndication)
}
