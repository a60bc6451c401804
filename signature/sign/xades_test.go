package sign_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"mist/signature/algo"
	"mist/signature/asic"
	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/xades"
)

type ring struct {
	root, doctor, unit pki.Issuer
	now                time.Time
}

func (r ring) signer() sign.Signer {
	return sign.Signer{Key: r.doctor.Key, Certificate: r.doctor.Certificate.Raw, Chain: [][]byte{r.root.Certificate.Raw}}
}

func (r ring) tsa(_ context.Context, request []byte) ([]byte, error) {
	q, err := pki.ParseStampRequest(request)
	if err != nil {
		return nil, err
	}
	token, err := pki.Stamp(q, r.unit, r.now, rand.Reader)
	if err != nil {
		return nil, err
	}
	return pki.StampResponse(token), nil
}

func newRing(t testing.TB, kind string) ring {
	t.Helper()
	now := time.Now().Truncate(time.Second)
	issue := func(p pki.Profile, s pki.Subject, by *pki.Issuer) pki.Issuer {
		key, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(pki.Template{Profile: p, Subject: s, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}, key, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: key}
	}
	r := ring{now: now}
	r.root = issue(pki.Root, pki.Subject{CommonName: "Корінь"}, nil)
	r.doctor = issue(pki.Person, pki.Subject{CommonName: "Зразкова Марія", RNOKPP: "3126509817"}, &r.root)
	r.unit = issue(pki.TSA, pki.Subject{CommonName: "Позначка часу"}, &r.root)
	return r
}

var kinds = []string{sign.KindDSTU257, sign.KindDSTU431, sign.KindP256, sign.KindP384, sign.KindRSA2048}

func requireIntact(t *testing.T, got *facts.Reading, level string, scopes int) {
	t.Helper()
	require.Len(t, got.Signatures, 1)
	s := got.Signatures[0]
	require.Equal(t, facts.OutcomeGood, s.SignatureValue)
	require.Empty(t, s.Problems)
	require.Equal(t, level, s.Level)
	require.Len(t, s.Scopes, scopes)
	for _, d := range s.Digests {
		require.True(t, d.Found && d.Intact, d)
	}
	for i, sc := range s.Scopes {
		require.Equal(t, facts.ScopeFull, sc.Kind)
		require.Equal(t, sc.Size, got.Octets[s.ID][i].Size)
	}
	require.True(t, s.SigningCertificate.DigestMatch && s.SigningCertificate.IssuerSerialMatch)
	require.NotNil(t, s.ClaimedSigningTime)
	require.Empty(t, got.UnsignedParts)
}

func octets(t *testing.T, got *facts.Reading, scope int) string {
	t.Helper()
	r, err := got.Octets[got.Signatures[0].ID][scope].Open()
	require.NoError(t, err)
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

func TestXAdESPackagings(t *testing.T) {
	document := []byte("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- акт -->\n<акт xmlns=\"urn:mist:test\" id=\"7\">\r\n  <b a='1'>вміст &amp; &lt;</b>\n</акт>\n<!-- кінець -->")
	for _, kind := range kinds {
		r := newRing(t, kind)
		for _, m := range []c14n.Method{"", c14n.Inclusive10, c14n.Inclusive11, c14n.ExclusiveWithComments} {
			for _, filter := range []bool{false, true} {
				o := sign.XAdESOptions{Options: sign.Options{Time: r.now}, Canonicalization: m, XPathFilter: filter}
				signed, err := sign.XAdESEnveloped(t.Context(), r.signer(), document, o)
				require.NoError(t, err)
				got, err := xades.Read(t.Context(), facts.Bytes(signed), facts.Environment{})
				require.NoError(t, err)
				requireIntact(t, got, xades.LevelB, 1)
				require.Equal(t, "<акт xmlns=\"urn:mist:test\" id=\"7\">\n  <b a=\"1\">вміст &amp; &lt;</b>\n</акт>", octets(t, got, 0))
				require.Equal(t, "text/xml", got.Signatures[0].MediaType)
			}
		}
		o := sign.XAdESOptions{Options: sign.Options{Time: r.now, TSA: r.tsa}}
		signed, err := sign.XAdESEnveloping(t.Context(), r.signer(), []byte{0, 1, 2, 255}, "application/dicom", o)
		require.NoError(t, err)
		got, err := xades.Read(t.Context(), facts.Bytes(signed), facts.Environment{})
		require.NoError(t, err)
		requireIntact(t, got, xades.LevelT, 1)
		require.Equal(t, "\x00\x01\x02\xff", octets(t, got, 0))
		require.Len(t, got.Tokens, 1)
		require.Equal(t, "application/dicom", got.Signatures[0].MediaType)

		o.CRLs = [][]byte{crl(t, r)}
		files := []sign.DataObject{{Name: "виписка №1.txt", Content: facts.Bytes([]byte("один"))}, {Name: "b c.txt", Content: facts.Bytes([]byte("два"))}}
		signed, err = sign.XAdESDetached(t.Context(), r.signer(), o, files...)
		require.NoError(t, err)
		env := facts.Environment{Content: map[string]facts.Source{files[0].Name: files[0].Content, files[1].Name: files[1].Content}}
		got, err = xades.Read(t.Context(), facts.Bytes(signed), env)
		require.NoError(t, err)
		requireIntact(t, got, xades.LevelLT, 2)
		require.Len(t, got.Revocations, 1)

		got, err = xades.Read(t.Context(), facts.Bytes(signed), facts.Environment{})
		require.NoError(t, err)
		require.False(t, got.Signatures[0].Digests[0].Found)
		require.Equal(t, facts.OutcomeGood, got.Signatures[0].SignatureValue)
		env.Content["b c.txt"] = facts.Bytes([]byte("три"))
		got, err = xades.Read(t.Context(), facts.Bytes(signed), env)
		require.NoError(t, err)
		require.True(t, got.Signatures[0].Digests[1].Found)
		require.False(t, got.Signatures[0].Digests[1].Intact)
	}
}

// Kupyna signs with the same keys; the digest is the signer's choice and is named by its own URIs.
func TestXAdESKupyna(t *testing.T) {
	r := newRing(t, sign.KindDSTU257)
	for _, d := range []algo.Digest{algo.GOST34311, algo.Kupyna256, algo.Kupyna384, algo.Kupyna512} {
		key, err := r.doctor.Key.WithDigest(d)
		require.NoError(t, err)
		signer := sign.Signer{Key: key, Certificate: r.doctor.Certificate.Raw}
		signed, err := sign.XAdESEnveloped(t.Context(), signer, []byte("<a><b/></a>"), sign.XAdESOptions{Options: sign.Options{Time: r.now, TSA: r.tsa}})
		require.NoError(t, err)
		got, err := xades.Read(t.Context(), facts.Bytes(signed), facts.Environment{})
		require.NoError(t, err)
		requireIntact(t, got, xades.LevelT, 1)
		require.Equal(t, string(d), got.Signatures[0].Algorithm.Digest)
		require.Contains(t, string(signed), d.URI())
		broken := bytes.Replace(signed, []byte("<b/>"), []byte("<c/>"), 1)
		got, err = xades.Read(t.Context(), facts.Bytes(broken), facts.Environment{})
		require.NoError(t, err)
		require.False(t, got.Signatures[0].Digests[0].Intact)
		// A URI that only contains a known one is another algorithm.
		foreign := bytes.Replace(signed, []byte("xmldsig-more#dstu4145"), []byte("xmldsig-more#x-dstu4145"), 1)
		got, err = xades.Read(t.Context(), facts.Bytes(foreign), facts.Environment{})
		require.NoError(t, err)
		require.Equal(t, facts.OutcomeUnknown, got.Signatures[0].SignatureValue)
		require.Equal(t, facts.ProblemAlgorithmUnsupported, got.Signatures[0].Problems[0].Code)
	}
}

// The encoding of the document is not what is signed: canonical XML is UTF-8 with line feeds.
func TestXAdESSurvivesTranscoding(t *testing.T) {
	r := newRing(t, sign.KindDSTU257)
	signed, err := sign.XAdESEnveloped(t.Context(), r.signer(), []byte("<a>\n<b>їжак</b>\n</a>"), sign.XAdESOptions{Options: sign.Options{Time: r.now}})
	require.NoError(t, err)
	utf16le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(string(signed))) {
		utf16le = binary.LittleEndian.AppendUint16(utf16le, u)
	}
	for _, b := range [][]byte{utf16le, bytes.ReplaceAll(signed, []byte("\n"), []byte("\r\n"))} {
		got, err := xades.Read(t.Context(), facts.Bytes(b), facts.Environment{})
		require.NoError(t, err)
		requireIntact(t, got, xades.LevelB, 1)
		require.Equal(t, "<a>\n<b>їжак</b>\n</a>", octets(t, got, 0))
	}
}

func crl(t *testing.T, r ring) []byte {
	t.Helper()
	der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: r.now, NextUpdate: r.now.Add(time.Hour)}, r.root, rand.Reader)
	require.NoError(t, err)
	return der
}

func TestContainers(t *testing.T) {
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		r := newRing(t, kind)
		one := []sign.DataObject{{Name: "message.xml", MediaType: "text/xml", Content: facts.Bytes([]byte("<m/>"))}}
		two := append(one, sign.DataObject{Name: "знімок 1.bin", Content: facts.Bytes(bytes.Repeat([]byte{7}, 3<<20))})
		for _, c := range []struct {
			name            string
			extended, xades bool
			objects         []sign.DataObject
			format, level   string
		}{
			{"ASiC-S with CAdES", false, false, one, facts.FormatASiCS, "CAdES-BASELINE-T"},
			{"ASiC-S with XAdES", false, true, one, facts.FormatASiCS, xades.LevelT},
			{"ASiC-E with CAdES", true, false, two, facts.FormatASiCE, "CAdES-BASELINE-T"},
			{"ASiC-E with XAdES", true, true, two, facts.FormatASiCE, xades.LevelT},
		} {
			t.Run(kind+" "+c.name, func(t *testing.T) {
				var out bytes.Buffer
				o := sign.ASiCOptions{Extended: c.extended, XAdES: c.xades, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: r.now, TSA: r.tsa}}}
				require.NoError(t, sign.ASiC(t.Context(), &out, r.signer(), o, c.objects...))
				require.Equal(t, "mimetypeapplication/vnd.etsi.asic-", out.String()[30:64])
				got, err := asic.Read(t.Context(), facts.Bytes(out.Bytes()), facts.Environment{})
				require.NoError(t, err)
				require.Equal(t, c.format, got.Format)
				require.Empty(t, got.Problems)
				requireIntact(t, got, c.level, len(c.objects))
				require.Equal(t, "<m/>", octets(t, got, 0))
				require.Equal(t, c.objects[0].Name, got.Signatures[0].Scopes[0].Name)
				// A foreign reader of the archive agrees.
				z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
				require.NoError(t, err)
				require.Equal(t, "mimetype", z.File[0].Name)
				f, err := z.Open(c.objects[len(c.objects)-1].Name)
				require.NoError(t, err)
				b, err := io.ReadAll(f)
				require.NoError(t, err)
				require.Len(t, b, int(c.objects[len(c.objects)-1].Content.Size()))
			})
		}
	}
}

func TestProducersRefuse(t *testing.T) {
	r := newRing(t, sign.KindP256)
	o := sign.XAdESOptions{Options: sign.Options{Time: r.now}}
	for name, document := range map[string]string{
		"empty element": "<a/>", "not xml": "a", "doctype": "<!DOCTYPE a><a></a>",
		"other encoding": "<?xml version=\"1.0\" encoding=\"windows-1251\"?><a></a>",
	} {
		_, err := sign.XAdESEnveloped(t.Context(), r.signer(), []byte(document), o)
		require.Error(t, err, name)
	}
	_, err := sign.XAdESEnveloped(t.Context(), r.signer(), []byte("<a></a>"), sign.XAdESOptions{})
	require.Error(t, err, "no time")
	_, err = sign.XAdESEnveloped(t.Context(), sign.Signer{}, []byte("<a></a>"), o)
	require.Error(t, err, "no key")
	_, err = sign.XAdESDetached(t.Context(), r.signer(), o)
	require.Error(t, err, "nothing to sign")
	x := facts.Bytes([]byte("x"))
	for _, objects := range [][]sign.DataObject{{}, {{Name: "a", Content: x}, {Name: "b", Content: x}}, {{Name: "mimetype", Content: x}}, {{Name: "meta-inf/x", Content: x}}} {
		require.Error(t, sign.ASiC(t.Context(), io.Discard, r.signer(), sign.ASiCOptions{XAdESOptions: o}, objects...))
	}
}
