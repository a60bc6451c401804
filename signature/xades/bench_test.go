package xades_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
)

// clinicalDocument is about size octets of the element density of a clinical document (30 octets an element).
func clinicalDocument(size int) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><encounter xmlns="urn:mist:encounter" xmlns:t="urn:mist:types">`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "\n  <t:observation code=\"8480-6\" id=\"o%d\" status=\"final\"><value unit=\"mm[Hg]\">1%02d</value><note>артеріальний тиск &amp; пульс</note></t:observation>", i, i%100)
	}
	b.WriteString("\n</encounter>")
	return []byte(b.String())
}

type benchCase struct {
	verifier *workshop
	signed   []byte
	root     *x509.Certificate
	key      *sign.Key
}

// enveloped20KB is a XAdES-B of 20 KB with RSA-2048, SHA-256 and exclusive canonicalisation, made with a self-signed
// certificate so that goxmldsig, which knows no chains, can verify it too.
func enveloped20KB(tb testing.TB) benchCase {
	w := newWorkshop(tb, sign.KindRSA2048)
	document := clinicalDocument(20 << 10)
	signed, err := sign.XAdESEnveloped(context.Background(), sign.Signer{Key: w.key, Certificate: w.cert.Raw}, document, sign.XAdESOptions{Options: sign.Options{Time: w.now}})
	require.NoError(tb, err)
	require.InDelta(tb, 20<<10, len(signed), 6<<10)
	c, err := x509.ParseCertificate(w.cert.Raw)
	require.NoError(tb, err)
	return benchCase{w, signed, c, w.key}
}

func (c benchCase) mist(tb testing.TB) {
	r, err := c.verifier.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(c.signed)}, c.verifier.policy)
	if err != nil || r.Indication != signature.TotalPassed {
		tb.Fatal(err, r.Signatures[0].SubIndication, r.Signatures[0].Reason)
	}
}

func (c benchCase) goxmldsig(tb testing.TB, context *dsig.ValidationContext) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(c.signed); err != nil {
		tb.Fatal(err)
	}
	if _, err := context.Validate(doc.Root()); err != nil {
		tb.Fatal(err)
	}
}

func (c benchCase) goxmldsigContext() *dsig.ValidationContext {
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c.root}})
	return v
}

// xmlsec1 measures CPU time per verification of the C library, parsing included, in one process.
func (c benchCase) xmlsec1(tb testing.TB, n int) (time.Duration, bool) {
	path, err := exec.LookPath("xmlsec1")
	if err != nil {
		return 0, false
	}
	dir := tb.TempDir()
	spki, err := c.key.PublicKey()
	require.NoError(tb, err)
	pub, doc := filepath.Join(dir, "key.pem"), filepath.Join(dir, "doc.xml")
	require.NoError(tb, os.WriteFile(pub, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), 0o600))
	require.NoError(tb, os.WriteFile(doc, c.signed, 0o600))
	cmd := exec.Command(path, "--verify", "--pubkey-pem", pub, "--enabled-key-data", "rsa", "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties", "--repeat", fmt.Sprint(n), doc)
	out, err := cmd.CombinedOutput()
	require.NoError(tb, err, string(out))
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()) / time.Duration(n), true
}

// cpu reports user and system time per operation: on a shared machine wall time says more about the neighbours.
func cpu(b *testing.B, run func()) {
	var before, after syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		run()
		n++
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
		b.Fatal(err)
	}
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/float64(n), "cpu-ns/verify")
}

func BenchmarkXAdESB20KB(b *testing.B) {
	c := enveloped20KB(b)
	b.Run("mist", func(b *testing.B) {
		b.SetBytes(int64(len(c.signed)))
		b.ReportAllocs()
		cpu(b, func() { c.mist(b) })
	})
	b.Run("goxmldsig", func(b *testing.B) {
		v := c.goxmldsigContext()
		b.SetBytes(int64(len(c.signed)))
		b.ReportAllocs()
		cpu(b, func() { c.goxmldsig(b, v) })
	})
	b.Run("xmlsec1", func(b *testing.B) {
		per, found := c.xmlsec1(b, 300)
		if !found {
			b.Skip("xmlsec1 is absent")
		}
		for b.Loop() {
		}
		b.ReportMetric(float64(per.Nanoseconds()), "cpu-ns/verify")
	})
}

func BenchmarkXAdESLT20KB(b *testing.B) {
	w := newWorkshop(b, sign.KindRSA2048)
	root, err := sign.GenerateKey(sign.KindRSA2048, rand.Reader)
	require.NoError(b, err)
	issuer, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Позначки"}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour)}, root, nil, rand.Reader)
	require.NoError(b, err)
	authority := pki.Issuer{Certificate: issuer, Key: root}
	unitKey, err := sign.GenerateKey(sign.KindRSA2048, rand.Reader)
	require.NoError(b, err)
	unit, err := pki.Issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "TSA"}, NotBefore: w.now.Add(-time.Hour), NotAfter: w.now.Add(time.Hour)}, unitKey, &authority, rand.Reader)
	require.NoError(b, err)
	crl, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.now, NextUpdate: w.now.Add(time.Hour)}, authority, rand.Reader)
	require.NoError(b, err)
	tsa := func(_ context.Context, request []byte) ([]byte, error) {
		q, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(q, pki.Issuer{Certificate: unit, Key: unitKey}, w.now, rand.Reader)
		return pki.StampResponse(token), err
	}
	signer := sign.Signer{Key: w.key, Certificate: w.cert.Raw, Chain: [][]byte{issuer.Raw, unit.Raw}}
	signed, err := sign.XAdESEnveloped(context.Background(), signer, clinicalDocument(20<<10), sign.XAdESOptions{Options: sign.Options{Time: w.now, TSA: tsa, CRLs: [][]byte{crl}}})
	require.NoError(b, err)
	b.SetBytes(int64(len(signed)))
	b.ReportAllocs()
	cpu(b, func() {
		r, err := w.verifier.Verify(context.Background(), signature.Input{Document: facts.Bytes(signed)}, w.policy)
		if err != nil || r.Indication != signature.TotalPassed || r.Signatures[0].Level != "XAdES-BASELINE-LT" {
			b.Fatal(err, r.Signatures[0].Level, r.Signatures[0].SubIndication, r.Signatures[0].Reason)
		}
	})
}
