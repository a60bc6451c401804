package signature_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/sign"
)

// Attacks on archived signatures: what a time-stamp covers is taken away, added
// to, exchanged or put in another order; each beside its twin that passes. At the
// time of judgement nothing but the archive time-stamp proves anything.
func TestArchiveAttacks(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	keeper := w.unit(w.now.AddDate(8, 0, 0))
	later := w.now.AddDate(3, 0, 0)
	forms := liftedForms()
	o := w.options()
	o.TSA = nil
	archived := func(name string) []byte {
		_, lta := w.lift(forms[name], forms[name].make(w, o), keeper)
		expect(t, w.at(later, lta, forms[name].beside), ok, "", "")
		return lta
	}
	refused := func(form string, doc []byte) *signature.Result {
		r := w.at(later, doc, forms[form].beside)
		require.NotEqual(t, ok, r.Indication)
		return r
	}
	replace := func(doc []byte, pattern, with string) []byte {
		out := regexp.MustCompile(pattern).ReplaceAll(doc, []byte(with))
		require.NotEqual(t, doc, out, pattern)
		return out
	}

	xml := archived("xades enveloped")
	t.Run("xades: covered property taken away", func(t *testing.T) {
		refused("xades enveloped", replace(xml, `<xades:RevocationValues.*</xades:RevocationValues>`, ""))
	})
	t.Run("xades: property put before the stamp", func(t *testing.T) {
		extra := `<xades:CertificateValues xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"></xades:CertificateValues><xades141:ArchiveTimeStamp`
		refused("xades enveloped", replace(xml, `<xades141:ArchiveTimeStamp`, extra))
	})
	t.Run("xades: object added, not covered", func(t *testing.T) {
		refused("xades enveloped", replace(xml, `</ds:Signature>`, `<ds:Object><x/></ds:Object></ds:Signature>`))
	})
	t.Run("xades: stamp moved before what it covers", func(t *testing.T) {
		stamp := regexp.MustCompile(`<xades141:ArchiveTimeStamp.*</xades141:ArchiveTimeStamp>`).Find(xml)
		moved := bytes.Replace(bytes.Replace(xml, stamp, nil, 1), []byte(`<xades:CertificateValues`), append(stamp, `<xades:CertificateValues`...), 1)
		refused("xades enveloped", moved)
	})
	t.Run("xades: stamp of another signature", func(t *testing.T) {
		other := archived("xades enveloped")
		stamp := regexp.MustCompile(`<xades141:ArchiveTimeStamp.*</xades141:ArchiveTimeStamp>`)
		refused("xades enveloped", stamp.ReplaceAll(xml, stamp.Find(other)))
	})
	t.Run("xades: revocation data behind the stamp proves nothing", func(t *testing.T) {
		values := regexp.MustCompile(`<xades:RevocationValues.*</xades:RevocationValues>`)
		bare := w.archive(forms["xades enveloped"], values.ReplaceAll(xml, nil), keeper, w.now)
		bare = regexp.MustCompile(`(?s)<xades141:ArchiveTimeStamp.*?</xades141:ArchiveTimeStamp>`).ReplaceAll(bare, nil)
		bare = w.archive(forms["xades enveloped"], bare, keeper, w.now)
		late := bytes.Replace(bare, []byte(`</xades141:ArchiveTimeStamp>`), append([]byte(`</xades141:ArchiveTimeStamp>`), values.Find(xml)...), 1)
		refused("xades enveloped", late)
	})
	t.Run("stamp of the very second", func(t *testing.T) {
		// Signature stamp, archive stamp and a second archive stamp of one second: the outer one proves the inner.
		w.stampAt = w.now
		lt, _ := w.lift(forms["xades detached"], forms["xades detached"].make(w, o), keeper)
		doc := w.archive(forms["xades detached"], lt, keeper, w.now)
		expect(t, w.at(later, doc, forms["xades detached"].beside), ok, "", "")
	})

	container := archived("asic-e cades")
	t.Run("asic: file changed", func(t *testing.T) {
		r := refused("asic-e cades", rezip(t, container, func(name string, b []byte) []byte {
			if name == "акт.json" {
				return bytes.ToUpper(b)
			}
			return b
		}))
		require.Equal(t, signature.HashFailure, r.Signatures[0].SubIndication)
	})
	t.Run("asic: signature changed under its manifest", func(t *testing.T) {
		// More revocation data in the covered signature: the signature holds, the proof of its time does not.
		r := refused("asic-e cades", rezip(t, container, func(name string, b []byte) []byte {
			if strings.HasSuffix(name, ".p7s") {
				out, err := sign.AddMaterial(b, [][]byte{w.other.Certificate.Raw}, nil, nil)
				require.NoError(t, err)
				return out
			}
			return b
		}))
		require.Equal(t, signature.CryptoIntact, r.Signatures[0].Crypto)
		require.Equal(t, ind, r.Signatures[0].Indication)
	})
	t.Run("asic: covered file taken away", func(t *testing.T) {
		refused("asic-e cades", rezip(t, container, func(name string, b []byte) []byte {
			if name == "META-INF/ASiCManifest001.xml" {
				return nil
			}
			return b
		}))
	})
	t.Run("asic: manifest names nothing", func(t *testing.T) {
		refused("asic-e cades", rezip(t, container, func(name string, b []byte) []byte {
			if name == "META-INF/ASiCArchiveManifest.xml" {
				return regexp.MustCompile(`<asic:DataObjectReference.*</asic:DataObjectReference>`).ReplaceAll(b, nil)
			}
			return b
		}))
	})
	t.Run("asic: a cycle of manifests ends", func(t *testing.T) {
		cycle := rezip(t, container, func(name string, b []byte) []byte {
			if name == "META-INF/ASiCArchiveManifest.xml" {
				return bytes.Replace(b, []byte(`URI="META-INF/ASiCManifest001.xml"`), []byte(`URI="META-INF/ASiCArchiveManifest.xml"`), 1)
			}
			return b
		})
		refused("asic-e cades", cycle)
	})
	t.Run("asic: chain of manifests broken in the middle", func(t *testing.T) {
		with := func(doc []byte) []byte {
			r := w.at(later, doc, nil)
			certs, crls, ocsps := signature.Material(r.Facts)
			out, err := (sign.Lift{Random: rand.Reader}).Material(t.Context(), doc, sign.Material{Certificates: certs, CRLs: crls, OCSPs: ocsps})
			require.NoError(t, err)
			return out
		}
		chain := w.archive(forms["asic-e cades"], with(container), w.unit(w.now.AddDate(20, 0, 0)), later.AddDate(-1, 0, 0))
		far := w.now.AddDate(12, 0, 0)
		expect(t, w.at(far, chain, nil), ok, "", "")
		broken := rezip(t, chain, func(name string, b []byte) []byte {
			if name == "META-INF/ASiCArchiveManifest001.xml" {
				return bytes.Replace(b, []byte("</asic:ASiCManifest>"), []byte(" </asic:ASiCManifest>"), 1)
			}
			return b
		})
		require.NotEqual(t, ok, w.at(far, broken, nil).Indication)
	})
}

// A time-stamp over references alone proves nothing of the signature: whoever has one from before the revocation could
// make signatures afterwards. A time-stamp over the signature value at the same time is the twin that passes.
func TestStampOverReferencesProvesNoSignature(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	before := w.stampAt.Add(-time.Hour)
	o := w.options()
	o.TSA = nil
	signer := sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw, Chain: [][]byte{w.ca.Certificate.Raw}}
	doc, err := sign.XAdESEnveloped(t.Context(), signer, clinical, sign.XAdESOptions{Options: o})
	require.NoError(t, err)
	const ns = `xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"`
	sum := sha256.Sum256(w.human.Certificate.Raw)
	refs := `<xades:CompleteCertificateRefs ` + ns + `><xades:CertRefs><xades:Cert><xades:CertDigest><ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>` +
		`<ds:DigestValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + base64.StdEncoding.EncodeToString(sum[:]) + `</ds:DigestValue></xades:CertDigest></xades:Cert></xades:CertRefs></xades:CompleteCertificateRefs>`
	property := func(kind, covered string) string {
		sum := sha256.Sum256([]byte(covered))
		answer, err := w.stamper(w.tsa, before)(t.Context(), sign.TimestampRequest(algo.SHA256, sum[:], nil))
		require.NoError(t, err)
		token, err := sign.ParseTimestampResponse(answer, sum[:], nil)
		require.NoError(t, err)
		return `<xades:` + kind + ` ` + ns + `><ds:CanonicalizationMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><xades:EncapsulatedTimeStamp>` +
			base64.StdEncoding.EncodeToString(token) + `</xades:EncapsulatedTimeStamp></xades:` + kind + `>`
	}
	value := regexp.MustCompile(`<ds:SignatureValue.*</ds:SignatureValue>`).FindString(string(doc))
	value = strings.Replace(value, "<ds:SignatureValue", `<ds:SignatureValue xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`, 1)
	w.revoked[w.human.Certificate.Serial.String()] = before.Add(time.Minute)
	for name, c := range map[string]struct {
		properties string
		passes     bool
	}{
		"over the references": {refs + property("RefsOnlyTimeStamp", refs), false},
		"over the signature":  {property("SignatureTimeStamp", value), true},
		"over both":           {refs + property("SigAndRefsTimeStamp", value+refs), true},
	} {
		with := bytes.Replace(doc, []byte(`</xades:QualifyingProperties>`), []byte(`<xades:UnsignedProperties><xades:UnsignedSignatureProperties>`+c.properties+
			`</xades:UnsignedSignatureProperties></xades:UnsignedProperties></xades:QualifyingProperties>`), 1)
		r := w.verify(with, "default")
		require.Len(t, r.Facts.Timestamps, 1, name)
		require.True(t, r.Facts.Timestamps[0].Imprint.Intact, name)
		require.Contains(t, r.Facts.Timestamps[0].Covers, r.Facts.Signatures[0].SigningCertificate.Certificate, name)
		require.Equal(t, c.passes, r.Indication == ok, name)
	}
}

// rezip writes a container again with its files edited; nil takes a file out.
func rezip(t *testing.T, doc []byte, edit func(name string, b []byte) []byte) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(doc), int64(len(doc)))
	require.NoError(t, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	changed := false
	for _, f := range in.File {
		r, err := f.Open()
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		now := edit(f.Name, b)
		changed = changed || !bytes.Equal(now, b)
		if now == nil {
			continue
		}
		fw, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Flags: f.Flags &^ 8, Method: zip.Store})
		require.NoError(t, err)
		_, err = fw.Write(now)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.True(t, changed)
	return out.Bytes()
}
