package signature_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/sign"
)

// Attacks on CMS, numbered as in the catalogue of signature validation. Each
// has its exact answer; the forgery helper's own twin passes.
func TestAttacksOnCMS(t *testing.T) {
	type row struct {
		name   string
		make   func(w *world) []byte
		ind    signature.Indication
		sub    signature.SubIndication
		reason string
	}
	const (
		tf  = signature.TotalFailed
		ind = signature.Indeterminate
	)
	rows := []row{
		{"twin", func(w *world) []byte { return w.message(w.human, forgery{content: content}) }, signature.TotalPassed, "", ""},
		{"32 attributes stripped, content is their DER", func(w *world) []byte {
			attrs := ber.SetOf(w.attrs(w.human, content)...)
			value, err := w.human.Key.Sign(rand.Reader, attrs)
			require.NoError(w.t, err)
			return w.message(w.human, forgery{content: attrs, noAttrs: true, value: value})
		}, ind, signature.SigConstraintsFailure, "NO_SIGNED_ATTRIBUTES"},
		{"33 content-type missing", func(w *world) []byte {
			return w.message(w.human, forgery{content: content, attrs: w.attrs(w.human, content)[1:]})
		}, tf, signature.FormatFailure, "CONTENT_TYPE_MISMATCH"},
		{"33 content-type differs", func(w *world) []byte {
			a := w.attrs(w.human, content)
			a[0] = attr(cms.AttrContentType, ber.EncodeOID(cms.OIDSignedData))
			return w.message(w.human, forgery{content: content, attrs: a})
		}, tf, signature.FormatFailure, "CONTENT_TYPE_MISMATCH"},
		{"34 message-digest twice", func(w *world) []byte {
			a := w.attrs(w.human, content)
			return w.message(w.human, forgery{content: content, attrs: append(a, attr(cms.AttrMessageDigest, ber.EncodeOctets(make([]byte, 32))))})
		}, tf, signature.FormatFailure, "DUPLICATE_ATTRIBUTE"},
		{"34 message-digest with two values", func(w *world) []byte {
			a := w.attrs(w.human, content)
			a[1] = attr(cms.AttrMessageDigest, ber.EncodeOctets(w.human.Key.Digest().Sum(content)), ber.EncodeOctets(make([]byte, 32)))
			return w.message(w.human, forgery{content: content, attrs: a})
		}, tf, signature.FormatFailure, "DUPLICATE_ATTRIBUTE"},
		{"35 v1 and v2 references disagree", func(w *world) []byte {
			other := attr(cms.AttrSigningCert, ber.Seq(ber.Seq(ber.Seq(ber.EncodeOctets(algo.SHA1.Sum(w.ca.Certificate.Raw))))))
			return w.message(w.human, forgery{content: content, attrs: append(w.attrs(w.human, content), other)})
		}, ind, signature.SigConstraintsFailure, "CERTIFICATE_REFERENCES_DISAGREE"},
		{"35 v2 reference twice", func(w *world) []byte {
			a := w.attrs(w.human, content)
			return w.message(w.human, forgery{content: content, attrs: append(a, a[3])})
		}, ind, signature.SigConstraintsFailure, "CERTIFICATE_REFERENCES_DISAGREE"},
		{"35 v2 reference twice, the second to another", func(w *world) []byte {
			a := w.attrs(w.human, content)
			return w.message(w.human, forgery{content: content, attrs: append(a, sign.SigningCertificateAttribute(w.ca.Certificate, w.human.Key.Digest()))})
		}, ind, signature.SigConstraintsFailure, "CERTIFICATE_REFERENCES_DISAGREE"},
		{"38 digestAlgorithm is not the signature's hash", func(w *world) []byte {
			a := w.attrs(w.human, content)
			a[1] = attr(cms.AttrMessageDigest, ber.EncodeOctets(algo.SHA512.Sum(content)))
			return w.message(w.human, forgery{content: content, attrs: a, digestAlg: sign.DigestAlgorithm(algo.SHA512)})
		}, ind, signature.SigConstraintsFailure, "ALGORITHMS_DISAGREE"},
		{"39 detached signature over other content", func(w *world) []byte {
			return w.message(w.human, forgery{content: []byte("other"), attrs: w.attrs(w.human, content)})
		}, tf, signature.HashFailure, ""},
		{"40 detached without content", func(w *world) []byte {
			return w.message(w.human, forgery{})
		}, ind, signature.SignedDataNotFound, ""},
		{"41 the same signer twice", func(w *world) []byte {
			si := w.signerInfo(w.human, forgery{content: content})
			return sign.Message(cms.OIDData, content, sign.DigestAlgorithm(w.human.Key.Digest()), [][]byte{w.human.Certificate.Raw}, nil, nil, append(bytes.Clone(si), si...))
		}, tf, signature.FormatFailure, "DUPLICATE_SIGNER"},
		{"42 bytes after the message", func(w *world) []byte {
			return append(w.message(w.human, forgery{content: content}), 0)
		}, tf, signature.FormatFailure, "TRAILING_DATA"},
		{"42 two messages", func(w *world) []byte {
			m := w.message(w.human, forgery{content: content})
			return append(bytes.Clone(m), m...)
		}, tf, signature.FormatFailure, "TRAILING_DATA"},
		{"48 r = 0", func(w *world) []byte {
			v := make([]byte, 64)
			if w.kind == sign.KindP256 {
				v = ber.Seq(ber.EncodeSmall(0), ber.EncodeSmall(1))
			}
			return w.message(w.human, forgery{content: content, value: v})
		}, tf, signature.SigCryptoFailure, ""},
		{"content changed", func(w *world) []byte {
			m := w.message(w.human, forgery{content: content})
			at := bytes.Index(m, content)
			m[at+3] ^= 1
			return m
		}, tf, signature.HashFailure, ""},
		{"signature value changed", func(w *world) []byte {
			si := forgery{content: content, message: []byte("something else")}
			return w.message(w.human, si)
		}, tf, signature.SigCryptoFailure, ""},
		{"49 own certificate of a stranger", func(w *world) []byte {
			return w.message(w.issue(w.person(), &w.other), forgery{content: content})
		}, ind, signature.NoCertificateChainFound, ""},
		{"50 another certificate for the same key", func(w *world) []byte {
			twin := w.variant(w.human, w.ca, func(map[string][]byte, map[string]bool) {})
			a := w.attrs(w.human, content)
			return w.message(twin, forgery{content: content, attrs: a, certs: [][]byte{twin.Certificate.Raw}})
		}, ind, signature.NoSigningCertificateFound, "CERT_DIGEST_MATCH"},
	}
	worlds(t, func(t *testing.T, w *world) {
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) { expect(t, w.verify(r.make(w), "default"), r.ind, r.sub, r.reason) })
		}
	})
}

// 36, 37: attributes are hashed as received, re-encoded only as second try,
// with a warning either way.
func TestOrderOfSignedAttributes(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		a := w.attrs(w.human, content)
		reversed := [][]byte{a[3], a[2], a[1], a[0]}
		r := w.verify(w.message(w.human, forgery{content: content, attrs: reversed, unsorted: true}), "default")
		expect(t, r, signature.TotalPassed, "", "")
		require.Contains(t, r.Signatures[0].Warnings, "SIGNED_ATTRIBUTES_NOT_DER")
		r = w.verify(w.message(w.human, forgery{content: content, attrs: reversed, unsorted: true, signSort: true}), "default")
		expect(t, r, signature.TotalPassed, "", "")
		require.Contains(t, r.Signatures[0].Warnings, "SIGNED_ATTRIBUTES_REENCODED")
	})
}

// 37: signed attributes in BER, with a length longer than needed and with an
// indefinite one: hashed as received, or as DER, with a warning either way.
func TestSignedAttributesInBER(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		for name, loose := range map[string]func(der []byte) []byte{
			"long length": func(der []byte) []byte {
				e, err := ber.One(der)
				require.NoError(t, err)
				return append([]byte{e.Tag, 0x82, byte(len(e.Body) >> 8), byte(len(e.Body))}, e.Body...)
			},
			"indefinite length": func(der []byte) []byte {
				e, err := ber.One(der)
				require.NoError(t, err)
				return append(append([]byte{e.Tag, 0x80}, e.Body...), 0, 0)
			},
		} {
			a := w.attrs(w.human, content)
			strict := ber.SetOf(a...)
			berForm := append([][]byte(nil), a...)
			berForm[2] = loose(a[2])
			r := w.verify(w.message(w.human, forgery{content: content, attrs: berForm, unsorted: true}), "default")
			expect(t, r, signature.TotalPassed, "", "")
			require.Contains(t, r.Signatures[0].Warnings, "SIGNED_ATTRIBUTES_NOT_DER", name)
			r = w.verify(w.message(w.human, forgery{content: content, attrs: berForm, unsorted: true, message: strict}), "default")
			expect(t, r, signature.TotalPassed, "", "")
			require.Contains(t, r.Signatures[0].Warnings, "SIGNED_ATTRIBUTES_REENCODED", name)
			r = w.verify(w.message(w.human, forgery{content: content, attrs: berForm, unsorted: true, message: strict[:len(strict)-1]}), "default")
			expect(t, r, signature.TotalFailed, signature.SigCryptoFailure, "")
			r = w.verify(w.message(w.human, forgery{content: content, attrs: a}), "default")
			expect(t, r, signature.TotalPassed, "", "")
			require.Empty(t, r.Signatures[0].Warnings)
		}
	})
}

// 39: embedded content and other content beside it.
func TestEmbeddedAndSuppliedContent(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		m := w.sign(w.human, w.options())
		in := signature.Input{Document: facts.Bytes(m), Content: map[string]facts.Source{"": facts.Bytes(content)}}
		expect(t, w.verifyIn(in, w.snapshot(), "default"), signature.TotalPassed, "", "")
		in.Content[""] = facts.Bytes([]byte("other"))
		expect(t, w.verifyIn(in, w.snapshot(), "default"), signature.TotalFailed, signature.FormatFailure, "CONTENT_DIFFERS")
	})
}

// 41: each signer is judged; zero signers are no signature.
func TestSeveralSigners(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		stranger := w.issue(w.person(), &w.other)
		alg := sign.DigestAlgorithm(w.human.Key.Digest())
		both := append(w.signerInfo(w.human, forgery{content: content}), w.signerInfo(stranger, forgery{content: content})...)
		r := w.verify(sign.Message(cms.OIDData, content, alg, [][]byte{w.human.Certificate.Raw, stranger.Certificate.Raw}, nil, nil, both), "default")
		require.Len(t, r.Signatures, 2)
		require.Equal(t, signature.TotalPassed, r.Signatures[0].Indication)
		require.Equal(t, signature.NoCertificateChainFound, r.Signatures[1].SubIndication)
		require.Equal(t, signature.Indeterminate, r.Indication)
		_, _, err := r.AllMustBePassed()
		require.Error(t, err)
		_, _, err = r.MustBePassed()
		require.Error(t, err)

		colleague := w.issue(w.person(), &w.ca)
		both = append(w.signerInfo(w.human, forgery{content: content}), w.signerInfo(colleague, forgery{content: content})...)
		r = w.verify(sign.Message(cms.OIDData, content, alg, [][]byte{w.human.Certificate.Raw, colleague.Certificate.Raw}, nil, nil, both), "act")
		b, who, err := r.AllMustBePassed()
		require.NoError(t, err)
		require.Len(t, who, 2)
		got, err := b.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got)

		none := sign.Message(cms.OIDData, content, alg, [][]byte{w.human.Certificate.Raw}, nil, nil, nil)
		require.Equal(t, signature.NoSignatureFound, w.verify(none, "default").Indication)
	})
}

// Nested signatures as eHealth collects them: outer first, innermost content.
func TestNestedSignatures(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		inner := w.sign(w.human, w.options())
		outer, err := sign.CAdES(t.Context(), sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw}, facts.Bytes(inner), w.options())
		require.NoError(t, err)
		r := w.verify(outer, "act")
		require.Len(t, r.Signatures, 2)
		require.Equal(t, []int{0, 1}, []int{r.Signatures[0].Depth, r.Signatures[1].Depth})
		b, who, err := r.AllMustBePassed()
		require.NoError(t, err)
		require.Len(t, who, 2)
		got, err := b.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got)
		at := bytes.Index(outer, content)
		outer[at+2] ^= 1
		r = w.verify(outer, "act")
		require.Equal(t, signature.TotalFailed, r.Signatures[0].Indication)
		require.Equal(t, signature.TotalFailed, r.Signatures[1].Indication)
	})
}

// 43: structures that exhaust a careless parser.
func TestHostileEncodings(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	hostile := map[string][]byte{
		"nested indefinite lengths": bytes.Repeat([]byte{0x30, 0x80}, 6_000_000),
		"nested octet strings":      append([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}, bytes.Repeat([]byte{0x24, 0x80}, 1_000_000)...),
		"length of 2^63":            {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"length of 2^64":            {0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"one byte":                  {0x30},
	}
	for name, b := range hostile {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := w.verifier(w.snapshot()).Verify(context.Background(), signature.Input{Document: facts.Bytes(b)}, policy(t, "default"))
			require.True(t, signature.IsUnreadable(err), "%v", err)
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
	// Signed data as far as one can see, and then more than any signer writes.
	for name, b := range map[string][]byte{
		"huge object identifier":  w.message(w.human, forgery{content: content, ctype: "1.2" + strings.Repeat(".9999", 40)}),
		"negative version":        bytes.Replace(w.message(w.human, forgery{content: content}), []byte{0x02, 0x01, 0x01, 0x30}, []byte{0x02, 0x01, 0xff, 0x30}, 1),
		"ten thousand attributes": w.message(w.human, forgery{content: content, attrs: slices.Repeat([][]byte{attr(cms.AttrMimeType, ber.EncodeUTF8("x"))}, 10_000)}),
		"a thousand signers": sign.Message(cms.OIDData, content, sign.DigestAlgorithm(w.human.Key.Digest()), [][]byte{w.human.Certificate.Raw}, nil, nil,
			bytes.Repeat(w.signerInfo(w.human, forgery{content: content}), 1000)),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			expect(t, w.verify(b, "default"), tf, signature.FormatFailure, "")
			require.Less(t, time.Since(start), 5*time.Second)
		})
	}
	expect(t, w.verify(w.message(w.human, forgery{content: content}), "default"), ok, "", "")
}

// 44: a signer named by a key identifier that two certificates carry: the
// signed reference decides; without one the answer is undecided.
func TestSignerByKeyIdentifier(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		twin := w.variant(w.human, w.ca, func(map[string][]byte, map[string]bool) {})
		ski := ber.Wrap(0x80, w.human.Certificate.Ext.SubjectKeyID)
		certs := [][]byte{twin.Certificate.Raw, w.human.Certificate.Raw}
		r := w.verify(w.message(w.human, forgery{content: content, sid: ski, certs: certs}), "default")
		expect(t, r, signature.TotalPassed, "", "")
		a := w.attrs(w.human, content)[:3]
		r = w.verify(w.message(w.human, forgery{content: content, sid: ski, certs: certs, attrs: a}), "default")
		expect(t, r, signature.Indeterminate, signature.NoSigningCertificateFound, "")
	})
}

// 45: what is unsigned may change without changing the verdict.
func TestUnsignedMaterialChanged(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		stranger := w.issue(w.person(), &w.other)
		f := forgery{content: content, certs: [][]byte{w.human.Certificate.Raw, stranger.Certificate.Raw},
			unsigned: [][]byte{attr("1.3.6.1.4.1.7845.123.7.1.1", ber.EncodeUTF8("anything"))}}
		expect(t, w.verify(w.message(w.human, f), "default"), signature.TotalPassed, "", "")
	})
}

// 46: a counter-signature taken from elsewhere fails; its parent does not.
func TestCounterSignatureOfAnother(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		si := w.signerInfo(w.human, forgery{content: content})
		parsed, err := cms.ParseSigner(si)
		require.NoError(t, err)
		counter := func(over []byte) []byte {
			return w.signerInfo(w.human, forgery{content: over, attrs: w.attrs(w.human, over)[1:]})
		}
		build := func(over []byte) []byte {
			m, err := sign.AddUnsigned(sign.Message(cms.OIDData, content, sign.DigestAlgorithm(w.human.Key.Digest()), [][]byte{w.human.Certificate.Raw}, nil, nil, si),
				si, attr(cms.AttrCounterSignature, counter(over)))
			require.NoError(t, err)
			return m
		}
		good := w.verify(build(parsed.Signature), "default")
		require.Len(t, good.Signatures, 2)
		require.Equal(t, "COUNTER_SIGNATURE", good.Signatures[1].Scope)
		require.Equal(t, signature.TotalPassed, good.Signatures[1].Indication, good.Signatures[1].Reason)
		bad := w.verify(build([]byte("the signature value of another")), "default")
		require.Equal(t, signature.TotalPassed, bad.Signatures[0].Indication)
		require.Equal(t, signature.TotalFailed, bad.Signatures[1].Indication)
		require.Equal(t, signature.HashFailure, bad.Signatures[1].SubIndication)
		_, _, err = bad.MustBePassed()
		require.NoError(t, err)
	})
}
