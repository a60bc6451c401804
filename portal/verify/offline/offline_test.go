package offline_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"

	"mist/fixtures/corpus"
	"mist/portal/verify/offline"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// desk is what a server serves, and people who sign.
type desk struct {
	t      *testing.T
	signer *audit.Signer
	root   pki.Issuer
	ca     pki.Issuer
	who    pki.Issuer
	tsa    sign.TSA
}

func newDesk(t *testing.T) *desk {
	private, _, err := note.GenerateKey(rand.Reader, "log.test/mist")
	require.NoError(t, err)
	d := &desk{t: t}
	d.signer, err = audit.NewSigner("log.test/mist", private)
	require.NoError(t, err)
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(sign.KindDSTU257, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	d.root = issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Корінь"}}, nil)
	d.ca = issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "КНЕДП"}}, &d.root)
	unit := issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Позначки часу"}}, &d.root)
	d.who = issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана О.І.", RNOKPP: "2222222225"}}, &d.ca)
	d.tsa = func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, unit, now.Add(-time.Hour), rand.Reader)
		return pki.StampResponse(token), err
	}
	return d
}

// served is the answer of the server, with or without revocation lists.
func (d *desk) served(lists bool) []byte {
	anchors := []trust.Anchor{{Certificate: d.root.Certificate, Trust: []facts.Trust{{Source: "test", Purposes: []string{"signer", "tsa", "ocsp"}}}}}
	var crls []*trust.CRL
	if lists {
		for _, by := range []pki.Issuer{d.root, d.ca} {
			der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour)}, by, rand.Reader)
			require.NoError(d.t, err)
			l, err := trust.ParseCRL(der)
			require.NoError(d.t, err)
			crls = append(crls, l)
		}
	}
	snap := trust.NewSnapshot("test", anchors, []*cert.Certificate{d.ca.Certificate}, crls)
	b, err := snap.Bundle()
	require.NoError(d.t, err)
	return d.signed(b, snap.Version())
}

func (d *desk) signed(bundle []byte, version string) []byte {
	statement, err := d.signer.Material(audit.Material{Version: version, SHA256: sha256.Sum256(bundle), Time: now})
	require.NoError(d.t, err)
	quoted, err := json.Marshal(statement)
	require.NoError(d.t, err)
	return bytes.Join([][]byte{[]byte(`{"statement":`), quoted, []byte(`,"bundle":`), bundle, []byte(`}`)}, nil)
}

func (d *desk) open(served []byte) (*offline.Checker, error) {
	return offline.Open(served, d.signer.Verifier(), func() time.Time { return now })
}

func (d *desk) document(content string, detached bool) []byte {
	b, err := sign.CAdES(d.t.Context(), sign.Signer{Key: d.who.Key, Certificate: d.who.Certificate.Raw, Chain: [][]byte{d.ca.Certificate.Raw}}, facts.Bytes([]byte(content)),
		sign.Options{Time: now.Add(-time.Hour), TSA: d.tsa, Detached: detached})
	require.NoError(d.t, err)
	return b
}

var words = map[string]string{"verdict.good": "Чинний", "report.signature": "Підпис {level}", "answer.good": "так"}

func TestVerifies(t *testing.T) {
	d := newDesk(t)
	c, err := d.open(d.served(true))
	require.NoError(t, err)
	require.Equal(t, 1, c.State().Anchors)
	require.Equal(t, now, c.State().Signed)
	require.Equal(t, now.Add(-time.Minute), *c.State().Revocations)
	signed := d.document("зміст", false)
	a, err := c.Verify(t.Context(), "uk", words, offline.File{Name: "d.p7s", Bytes: signed})
	require.NoError(t, err)
	require.Equal(t, string(signature.TotalPassed), a.Indication, "%v", a.Protocol.Verdict)
	require.Equal(t, "good", a.Mark)
	require.False(t, a.Offline)
	require.Equal(t, "Підпис CAdES-BASELINE-T", a.Tree[0].Title)
	require.Equal(t, "Чинний", a.Tree[0].Word)
	require.True(t, bytes.HasPrefix(a.PDF, []byte("%PDF-")))
	require.Contains(t, string(a.ETSI), "urn:etsi:019102:mainindication:total-passed")

	altered := bytes.Clone(signed)
	altered[bytes.Index(altered, []byte("зміст"))] ^= 1
	a, err = c.Verify(t.Context(), "uk", words, offline.File{Name: "d.p7s", Bytes: altered})
	require.NoError(t, err)
	require.Equal(t, string(signature.TotalFailed), a.Indication)
}

// Every format people bring, as producers of this house make it and as foreign
// ones do in TestBundleOfTheCorpus.
func TestFormats(t *testing.T) {
	d := newDesk(t)
	c, err := d.open(d.served(true))
	require.NoError(t, err)
	who := sign.Signer{Key: d.who.Key, Certificate: d.who.Certificate.Raw, Chain: [][]byte{d.ca.Certificate.Raw}}
	var container bytes.Buffer
	require.NoError(t, sign.ASiC(t.Context(), &container, who, sign.ASiCOptions{Extended: true, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: now, TSA: d.tsa}}}, sign.DataObject{Name: "лист.txt", MediaType: "text/plain", Content: facts.Bytes([]byte("лист"))}))
	enveloped, err := sign.XAdESEnveloped(t.Context(), who, []byte("<лист>зміст</лист>"), sign.XAdESOptions{Options: sign.Options{Time: now, TSA: d.tsa}})
	require.NoError(t, err)
	for name, f := range map[string]struct {
		body   []byte
		format string
	}{"a.asice": {container.Bytes(), "ASiC-E"}, "a.xml": {enveloped, "XAdES"}} {
		a, err := c.Verify(t.Context(), "uk", words, offline.File{Name: name, Bytes: f.body})
		require.NoError(t, err, name)
		require.Equal(t, string(signature.TotalPassed), a.Indication, "%s: %v", name, a.Protocol.Verdict)
		require.Contains(t, a.Protocol.Sections[0].Rows[3].Value, f.format)
	}
}

// What no list and no answer tells is not known, and the page says whom to ask.
func TestWithoutRevocationDataNothingPasses(t *testing.T) {
	d := newDesk(t)
	c, err := d.open(d.served(false))
	require.NoError(t, err)
	require.Nil(t, c.State().Revocations)
	a, err := c.Verify(t.Context(), "uk", words, offline.File{Name: "d.p7s", Bytes: d.document("зміст", false)})
	require.NoError(t, err)
	require.Equal(t, string(signature.Indeterminate), a.Indication)
	require.True(t, a.Offline, "%v", a.Protocol.Verdict)
	require.NotContains(t, a.Protocol.Verdict.Advice, "--")
}

// A signature beside its file, in either order.
func TestSignatureAndItsFile(t *testing.T) {
	d := newDesk(t)
	c, err := d.open(d.served(true))
	require.NoError(t, err)
	signed, content := offline.File{Name: "лист.pdf.p7s", Bytes: d.document("лист", true)}, offline.File{Name: "лист.pdf", Bytes: []byte("лист")}
	for _, files := range [][]offline.File{{signed, content}, {content, signed}} {
		a, err := c.Verify(t.Context(), "uk", words, files...)
		require.NoError(t, err)
		require.Equal(t, string(signature.TotalPassed), a.Indication)
		require.Equal(t, "лист.pdf", a.Content)
	}
	a, err := c.Verify(t.Context(), "uk", words, signed)
	require.NoError(t, err)
	require.True(t, a.Needs)
	a, err = c.Verify(t.Context(), "uk", words, signed, offline.File{Name: "лист.pdf", Bytes: []byte("інший лист")})
	require.NoError(t, err)
	require.Equal(t, string(signature.TotalFailed), a.Indication)
}

func TestRefuses(t *testing.T) {
	d := newDesk(t)
	good := d.served(true)
	_, err := d.open(good)
	require.NoError(t, err)
	for name, edit := range map[string]func() []byte{
		"an altered anchor":    func() []byte { return bytes.Replace(good, []byte(`"source":"test"`), []byte(`"source":"tesT"`), 1) },
		"another statement":    func() []byte { return bytes.Replace(good, []byte(`2026-11-21T12`), []byte(`2026-11-21T13`), 1) },
		"no statement":         func() []byte { return []byte(`{"bundle":{}}`) },
		"cut off":              func() []byte { return good[:len(good)/2] },
		"a version of another": func() []byte { return d.signed([]byte(`{"format":1,"version":"x"}`), "y") },
		"a certificate unread": func() []byte { return d.signed([]byte(`{"format":1,"version":"x","certificates":["AA=="]}`), "x") },
		"an anchor unread": func() []byte {
			return d.signed([]byte(`{"format":1,"version":"x","anchors":[{"certificate":"AA=="}]}`), "x")
		},
		"a list unread":           func() []byte { return d.signed([]byte(`{"format":1,"version":"x","crls":["AA=="]}`), "x") },
		"a form of another year":  func() []byte { return d.signed([]byte(`{"format":2,"version":"x"}`), "x") },
		"a field nobody knows of": func() []byte { return d.signed([]byte(`{"format":1,"version":"x","trusted":true}`), "x") },
	} {
		bad := edit()
		require.NotEqual(t, good, bad, name)
		_, err := d.open(bad)
		require.Error(t, err, name)
	}
	// The same bytes by another log are not taken either.
	other := newDesk(t)
	_, err = other.open(good)
	require.ErrorIs(t, err, offline.ErrMaterial)

	c, err := d.open(good)
	require.NoError(t, err)
	_, err = c.Verify(t.Context(), "uk", words)
	require.ErrorIs(t, err, offline.ErrNoFile)
	_, err = c.Verify(t.Context(), "uk", words, offline.File{Name: "x", Bytes: make([]byte, offline.MaxFile+1)})
	require.ErrorIs(t, err, offline.ErrLarge)
	_, err = c.Verify(t.Context(), "uk", words, offline.File{Name: "x.p7s", Bytes: []byte("0\x82\xff\xff")})
	require.True(t, signature.IsUnreadable(err))
	a, err := c.Verify(t.Context(), "uk", words, offline.File{Name: "лист.txt", Bytes: []byte("лист")})
	require.NoError(t, err)
	require.Equal(t, string(signature.NoSignatureFound), a.Indication)
	require.Empty(t, a.ETSI)
}

// Material of the country: a snapshot of the corpus goes through a bundle and
// judges foreign documents as before.
func TestBundleOfTheCorpus(t *testing.T) {
	d := newDesk(t)
	snap, err := trust.LoadFolder(os.DirFS(corpus.Dir(t, "ua/certs")), "corpus")
	require.NoError(t, err)
	b, err := snap.Bundle()
	require.NoError(t, err)
	again, err := snap.Bundle()
	require.NoError(t, err)
	require.Equal(t, b, again)
	read, err := trust.ReadBundle(b)
	require.NoError(t, err)
	require.Equal(t, snap.Version(), read.Version())
	require.Len(t, read.Anchors(), len(snap.Anchors()))
	require.Equal(t, snap.Pool().Len(), read.Pool().Len())
	c, err := d.open(d.signed(b, snap.Version()))
	require.NoError(t, err)
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(snap), Now: func() time.Time { return now }})
	require.NoError(t, err)
	p, err := signature.NamedPolicy("default")
	require.NoError(t, err)
	list, err := filepath.Glob(filepath.Join(corpus.Dir(t, "ua/cms"), "*.p7s"))
	require.NoError(t, err)
	ran := 0
	for _, name := range list {
		doc, err := os.ReadFile(name)
		require.NoError(t, err)
		want, wantErr := v.Verify(t.Context(), signature.Input{Name: filepath.Base(name), Document: facts.Bytes(doc)}, p)
		got, err := c.Verify(t.Context(), "uk", words, offline.File{Name: filepath.Base(name), Bytes: doc})
		require.Equal(t, wantErr == nil, err == nil, name)
		if err == nil {
			require.Equal(t, string(want.Indication), got.Indication, name)
			require.Equal(t, want.Report.Digest(), got.Protocol.Digest, name)
			ran++
		}
	}
	require.Greater(t, ran, 10)
	corpus.Count(t, "ua/cms in the browser's verifier", ran, len(list)-ran)
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(`{"statement":"","bundle":{}}`))
	f.Add([]byte(`{"format":1,"version":"x","anchors":[],"certificates":[],"crls":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := offline.Open(b, "log.test/mist+3b1c2fd3+AWc8dXX0f5w7jXrTbkuqvXVq5v9n6kqkx1j6c3sZ0Q3l", time.Now)
		require.Error(t, err)
		if s, err := trust.ReadBundle(b); err == nil {
			again, err := s.Bundle()
			require.NoError(t, err)
			require.True(t, strings.Contains(string(again), `"format":1`))
		}
	})
}
