package signature_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/pki"
	"mist/signature/trust"
)

// answer is an OCSP response part by part, so that each part can be wrong.
type answer struct {
	about     *cert.Certificate
	issuer    *cert.Certificate
	hash      algo.Digest // named in the CertID
	computed  algo.Digest // really used; empty: the same
	responder []byte      // responder id; nil: the signer's name
	by        pki.Issuer
}

func (w *world) response(a answer) []byte {
	used := a.computed
	if used == "" {
		used = a.hash
	}
	spki, err := ber.One(a.issuer.SPKI)
	require.NoError(w.t, err)
	c := spki.Children()
	_, err = c.Next()
	require.NoError(w.t, err)
	bits, err := c.Next()
	require.NoError(w.t, err)
	key, err := bits.Bits()
	require.NoError(w.t, err)
	id := ber.Seq(ber.Seq(ber.EncodeOID(a.hash.OID())), ber.EncodeOctets(used.Sum(a.issuer.Subject.Raw)), ber.EncodeOctets(used.Sum(key)), ber.EncodeInt(a.about.Serial))
	if a.responder == nil {
		a.responder = ber.Wrap(0xa1, a.by.Certificate.Subject.Raw)
	}
	tbs := ber.Seq(a.responder, ber.EncodeGeneralizedTime(w.ocspAt), ber.Seq(ber.Seq(id, ber.Wrap(0x80),
		ber.EncodeGeneralizedTime(w.ocspAt), ber.Wrap(0xa0, ber.EncodeGeneralizedTime(w.ocspAt.Add(w.ocspTTL))))))
	value, err := a.by.Key.SignBits(rand.Reader, tbs)
	require.NoError(w.t, err)
	basic := ber.Seq(tbs, a.by.Key.Algorithm(), ber.EncodeBits(value), ber.Wrap(0xa0, ber.Seq(a.by.Certificate.Raw)))
	return ber.Seq(ber.Wrap(ber.Enumerated, []byte{0}),
		ber.Wrap(0xa0, ber.Seq(ber.EncodeOID("1.3.6.1.5.5.7.48.1.1"), ber.EncodeOctets(basic))))
}

// 61, 62: an answer whose hashes are not those its algorithm gives, or whose
// responder is not the one that signed it.
func TestOCSPAnswersThatContradictThemselves(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		verify := func(a answer) *signature.Result {
			a.about, a.by = w.human.Certificate, w.ocsp
			if a.issuer == nil {
				a.issuer = w.ca.Certificate
			}
			b := w.response(a)
			w.rewriteOCSP = func([]byte) []byte { return b }
			return w.verify(doc, "act")
		}
		missing := func(r *signature.Result) {
			t.Helper()
			expect(t, r, ind, signature.CertificateChainGeneralFailure, "")
		}
		for _, h := range []algo.Digest{algo.SHA1, algo.SHA256, algo.GOST34311} {
			expect(t, verify(answer{hash: h}), ok, "", "")
		}
		missing(verify(answer{hash: algo.SHA256, computed: algo.SHA1}))
		missing(verify(answer{hash: algo.SHA1, computed: algo.SHA256}))
		missing(verify(answer{hash: "MD5", computed: algo.SHA256}))
		missing(verify(answer{hash: algo.SHA256, issuer: w.other.Certificate}))
		// The name of another responder, and the hash of another key.
		missing(verify(answer{hash: algo.SHA256, responder: ber.Wrap(0xa1, w.tsa.Certificate.Subject.Raw)}))
		missing(verify(answer{hash: algo.SHA256, responder: ber.Wrap(0xa2, ber.EncodeOctets(make([]byte, 20)))}))
	})
}

// 62: the responder's certificate was good when it answered and is out of its
// period now: the answer is still what was said then, but nothing proves when.
func TestResponderExpiredSince(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		short := w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "Короткий OCSP"},
			NotBefore: w.now.AddDate(0, -1, 0), NotAfter: w.now.Add(-5 * time.Minute)}, &w.ca)
		w.responder, w.ocspAt = &short, w.stampAt.Add(time.Minute)
		expect(t, w.verify(doc, "default"), ind, signature.RevocationOutOfBoundsNoPOE, "")
		lasting := w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "Короткий OCSP"},
			NotBefore: w.now.AddDate(0, -1, 0), NotAfter: w.now.AddDate(0, 1, 0)}, &w.ca)
		w.responder = &lasting
		expect(t, w.verify(doc, "default"), ok, "", "")
	})
}

// 64: lists with powers nobody gave them.
func TestCRLsOfOthersAndWithUnknownRules(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		w.down = true
		doc := w.sign(w.human, w.options())
		with := func(by pki.Issuer, extra ...[]byte) *signature.Result {
			exts := append([][]byte{
				ber.Seq(ber.EncodeOID("2.5.29.20"), ber.EncodeOctets(ber.EncodeSmall(1))),
			}, extra...)
			tbs := ber.Seq(ber.EncodeSmall(1), by.Key.Algorithm(), by.Certificate.Subject.Raw, ber.EncodeTime(w.now.Add(-time.Hour)), ber.EncodeTime(w.now.Add(time.Hour)),
				ber.Wrap(0xa0, ber.Seq(exts...)))
			sig, err := by.Key.SignBits(rand.Reader, tbs)
			require.NoError(t, err)
			l, err := trust.ParseCRL(ber.Seq(tbs, by.Key.Algorithm(), ber.EncodeBits(sig)))
			require.NoError(t, err)
			s := w.snapshot()
			s = trust.NewSnapshot("crl", s.Anchors(), []*cert.Certificate{w.ca.Certificate, w.tsa.Certificate, by.Certificate}, append(s.CRLs(), l))
			return w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, s, "default")
		}
		critical := func(oid string, value []byte) []byte {
			return ber.Seq(ber.EncodeOID(oid), ber.EncodeBool(true), ber.EncodeOctets(value))
		}
		const idp = "2.5.29.28"
		expect(t, with(w.ca), ok, "", "")
		expect(t, with(w.ca, critical(idp, ber.Seq(ber.Wrap(0x81, []byte{0xff})))), ok, "", "") // only user certificates
		for name, extra := range map[string][]byte{
			"indirect":           critical(idp, ber.Seq(ber.Wrap(0x84, []byte{0xff}))),
			"only authorities":   critical(idp, ber.Seq(ber.Wrap(0x82, []byte{0xff}))),
			"only some reasons":  critical(idp, ber.Seq(ber.Wrap(0x83, []byte{1, 0x40}))),
			"only attributes":    critical(idp, ber.Seq(ber.Wrap(0x85, []byte{0xff}))),
			"unknown and needed": critical("1.3.6.1.4.1.99999.1", ber.EncodeNull()),
		} {
			t.Run(name, func(t *testing.T) { expect(t, with(w.ca, extra), ind, signature.CertificateChainGeneralFailure, "") })
		}
		// An indirect list of an authority that has no power over the CA.
		expect(t, with(w.root, critical(idp, ber.Seq(ber.Wrap(0x84, []byte{0xff})))), ind, signature.CertificateChainGeneralFailure, "")
	})
}
