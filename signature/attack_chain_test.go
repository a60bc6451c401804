package signature_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

const (
	tf  = signature.TotalFailed
	ind = signature.Indeterminate
	ok  = signature.TotalPassed
)

// 52: issuers that may not issue.
func TestIssuersThatMayNot(t *testing.T) {
	basic, usage := "2.5.29.19", "2.5.29.15"
	cases := map[string]func(x map[string][]byte){
		"not a CA":              func(x map[string][]byte) { x[basic] = ber.Seq() },
		"no basic constraints":  func(x map[string][]byte) { delete(x, basic) },
		"keyCertSign missing":   func(x map[string][]byte) { x[usage] = ber.Wrap(ber.BitString, []byte{1, 0x02}) },
		"key usage of a signer": func(x map[string][]byte) { x[usage] = ber.Wrap(ber.BitString, []byte{6, 0xc0}) },
	}
	worlds(t, func(t *testing.T, w *world) {
		check := func(ca pki.Issuer) *signature.Result {
			saved, savedOCSP := w.ca, w.ocsp
			defer func() { w.ca, w.ocsp = saved, savedOCSP }()
			w.ca = ca
			w.ocsp = w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "OCSP"}}, &ca)
			return w.verify(w.sign(w.issue(w.person(), &ca), w.options()), "default")
		}
		expect(t, check(w.variant(w.ca, w.root, func(map[string][]byte, map[string]bool) {})), ok, "", "")
		for name, edit := range cases {
			t.Run(name, func(t *testing.T) {
				bad := w.variant(w.ca, w.root, func(x map[string][]byte, _ map[string]bool) { edit(x) })
				r := check(bad)
				// Revocation data comes from below the same CA and is not
				// acceptable either; the chain rule is named first.
				expect(t, r, ind, signature.ChainConstraintsFailure, "")
			})
		}
		t.Run("path length exceeded", func(t *testing.T) {
			// The sandbox CA has path length 0: a CA below it may not issue.
			below := w.issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "Підпорядкований"}}, &w.ca)
			saved := w.ocsp
			defer func() { w.ocsp = saved }()
			w.ocsp = w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "OCSP"}}, &below)
			who := w.issue(w.person(), &below)
			crl, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.now.Add(-time.Hour), NextUpdate: w.now.Add(time.Hour)}, w.ca, rand.Reader)
			require.NoError(t, err)
			l, err := trust.ParseCRL(crl)
			require.NoError(t, err)
			s := w.snapshot()
			s = trust.NewSnapshot("w", s.Anchors(), []*cert.Certificate{w.ca.Certificate, below.Certificate, w.tsa.Certificate}, append(s.CRLs(), l))
			r := w.verifyIn(signature.Input{Document: facts.Bytes(w.sign(who, w.options()))}, s, "default")
			expect(t, r, ind, signature.ChainConstraintsFailure, "MAX_PATH_LENGTH")
		})
		t.Run("name constraint broken", func(t *testing.T) {
			dn := w.other.Certificate.Subject.Raw
			nc := ber.Seq(ber.Wrap(0xa0, ber.Seq(ber.Wrap(0xa4, dn))))
			bad := w.variant(w.ca, w.root, func(x map[string][]byte, c map[string]bool) { x["2.5.29.30"] = nc; c["2.5.29.30"] = true })
			expect(t, check(bad), ind, signature.ChainConstraintsFailure, "NAME_CONSTRAINTS")
			excluded := ber.Seq(ber.Wrap(0xa1, ber.Seq(ber.Wrap(0xa4, dn))))
			good := w.variant(w.ca, w.root, func(x map[string][]byte, c map[string]bool) { x["2.5.29.30"] = excluded; c["2.5.29.30"] = true })
			expect(t, check(good), ok, "", "")
		})
	})
}

// 53: a token or an answer by someone who may not.
func TestUnitsWithoutTheirUsage(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		o := w.options()
		o.TSA = w.stamper(w.human, w.stampAt) // the doctor stamps the time himself
		r := w.verify(w.sign(w.human, o), "default")
		require.Equal(t, ok, r.Indication) // level B still holds
		require.Nil(t, r.Signatures[0].BestSignatureTime)
		require.Equal(t, signature.ChainConstraintsFailure, r.Signatures[0].Timestamps[0].SubIndication)

		plain := w.variant(w.tsa, w.root, func(x map[string][]byte, c map[string]bool) { c["2.5.29.37"] = false })
		o.TSA = w.stamper(plain, w.stampAt)
		r = w.verify(w.sign(w.human, o), "default")
		require.Nil(t, r.Signatures[0].BestSignatureTime, "time-stamping usage must be critical")

		colleague := w.issue(w.person(), &w.ca)
		w.responder = &colleague
		expect(t, w.verify(w.sign(w.human, w.options()), "act"), ind, signature.CertificateChainGeneralFailure, "")
	})
}

// 54: who may sign an act.
func TestWrongKindOfCertificate(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		tpl := w.person()
		tpl.Profile = pki.Seal
		tpl.Subject = pki.Subject{CommonName: "Вигадана клініка", Organization: "Вигадана клініка", EDRPOU: clinicEDRPOU}
		seal := w.issue(tpl, &w.ca)
		r := w.verify(w.sign(seal, w.options()), "act")
		require.Equal(t, ok, r.Indication)
		require.True(t, r.Signatures[0].Signer.Seal)
		p, err := signature.NamedPolicy("act-person")
		require.NoError(t, err)
		r, err = w.verifier(w.snapshot()).Verify(t.Context(), signature.Input{Document: facts.Bytes(w.sign(seal, w.options()))}, p)
		require.NoError(t, err)
		expect(t, r, ind, signature.SigConstraintsFailure, "SIGNER_KIND")

		noQC := w.variant(w.human, w.ca, func(x map[string][]byte, _ map[string]bool) { delete(x, "1.3.6.1.5.5.7.1.3") })
		expect(t, w.verify(w.sign(noQC, w.options()), "act"), ind, signature.SigConstraintsFailure, "QUALIFIED_CERTIFICATE")
		noNR := w.variant(w.human, w.ca, func(x map[string][]byte, _ map[string]bool) {
			x["2.5.29.15"] = ber.Wrap(ber.BitString, []byte{7, 0x80})
		})
		expect(t, w.verify(w.sign(noNR, w.options()), "act"), ind, signature.ChainConstraintsFailure, "KEY_USAGE")
	})
}

// 55, 56, 57, 58, 59, 60: time against validity and revocation.
func TestTimeAgainstValidity(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		expired := w.person()
		expired.NotBefore, expired.NotAfter = w.now.AddDate(-2, 0, 0), w.now.AddDate(0, -1, 0)
		old := w.issue(expired, &w.ca)
		claimed := w.now.AddDate(0, -2, 0)
		expect(t, w.verify(w.sign(old, sign.Options{Time: claimed}), "default"), ind, signature.OutOfBoundsNoPOE, "")
		// A stamp from inside the validity period, and a responder that still
		// answers for expired certificates, make it pass.
		proven := w.sign(old, sign.Options{Time: claimed, TSA: w.stamper(w.tsa, claimed)})
		r := w.verify(proven, "archive-test")
		expect(t, r, ok, "", "")
		require.Equal(t, claimed, *r.Signatures[0].BestSignatureTime)
		late := w.sign(old, sign.Options{Time: claimed, TSA: w.stamper(w.tsa, w.now.Add(-time.Hour))})
		expect(t, w.verify(late, "archive-test"), ind, signature.OutOfBoundsNoPOE, "")

		future := w.sign(w.human, sign.Options{Time: w.now.Add(time.Hour)})
		expect(t, w.verify(future, "default"), ind, signature.SigConstraintsFailure, "CLAIMED_TIME_IN_PAST")
		within := w.sign(w.human, sign.Options{Time: w.now.Add(4 * time.Minute)})
		expect(t, w.verify(within, "default"), ok, "", "")
		early := w.sign(w.human, sign.Options{Time: w.now.AddDate(-2, 0, 0)})
		expect(t, w.verify(early, "default"), ind, signature.SigConstraintsFailure, "SIGNING_TIME_IN_CERT_RANGE")
		backdated := w.sign(w.human, sign.Options{Time: w.stampAt, TSA: w.stamper(w.stampedBefore(), w.now.AddDate(-2, 0, 0))})
		expect(t, w.verify(backdated, "default"), tf, signature.NotYetValid, "")

		serial := w.human.Certificate.Serial.String()
		doc := w.sign(w.human, w.options())
		plain := w.sign(w.human, sign.Options{Time: w.stampAt})
		w.revoked[serial] = w.stampAt.Add(5 * time.Minute)
		expect(t, w.verify(doc, "default"), ok, "", "") // 57: revoked after the proof
		w.revoked[serial] = w.stampAt.Add(-5 * time.Minute)
		expect(t, w.verify(doc, "default"), tf, signature.Revoked, "")         // 58
		expect(t, w.verify(plain, "default"), ind, signature.RevokedNoPOE, "") // 59
		// Stamped in the second of validation, which is no proof less than one
		// second earlier; a stamp after it proves nothing.
		for _, ahead := range []time.Duration{-time.Second, 0} {
			just := w.sign(w.human, sign.Options{Time: w.stampAt, TSA: w.stamper(w.tsa, w.now.Add(ahead))})
			expect(t, w.verify(just, "default"), tf, signature.Revoked, "")
		}
		early = w.sign(w.human, sign.Options{Time: w.stampAt, TSA: w.stamper(w.tsa, w.now.Add(time.Second))})
		expect(t, w.verify(early, "default"), ind, signature.RevokedNoPOE, "")
	})
}

// stampedBefore is a unit whose certificate is older than the signer's.
func (w *world) stampedBefore() pki.Issuer {
	return w.issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Давня служба"},
		NotBefore: w.now.AddDate(-5, 0, 0), NotAfter: w.now.AddDate(1, 0, 0)}, &w.root)
}

// 61, 62, 63, 65: answers of an OCSP responder that must not count.
func TestOCSPAnswersThatMustNotCount(t *testing.T) {
	type row struct {
		name string
		set  func(w *world)
		sub  signature.SubIndication
	}
	rows := []row{
		{"61 about another certificate", func(w *world) {
			other := w.issue(w.person(), &w.ca)
			w.rewriteOCSP = func([]byte) []byte {
				w.rewriteOCSP = nil
				b, _ := w.OCSP(w.t.Context(), "", trust.OCSPRequest(other.Certificate, w.ca.Certificate, nil))
				return b
			}
		}, signature.CertificateChainGeneralFailure},
		{"61 of another issuer", func(w *world) {
			w.rewriteOCSP = func([]byte) []byte {
				w.rewriteOCSP = nil
				b, _ := w.OCSP(w.t.Context(), "", trust.OCSPRequest(w.human.Certificate, w.root.Certificate, nil))
				return b
			}
		}, signature.CertificateChainGeneralFailure},
		{"62 responder without usage", func(w *world) {
			bad := w.variant(w.ocsp, w.ca, func(x map[string][]byte, _ map[string]bool) { delete(x, "2.5.29.37") })
			w.responder = &bad
		}, signature.CertificateChainGeneralFailure},
		{"62 responder of another authority", func(w *world) {
			bad := w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "Чужий OCSP"}}, &w.other)
			w.responder = &bad
		}, signature.CertificateChainGeneralFailure},
		{"62 responder expired when it answered", func(w *world) {
			bad := w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "OCSP"},
				NotBefore: w.now.AddDate(-2, 0, 0), NotAfter: w.now.AddDate(-1, 0, 0)}, &w.ca)
			w.responder = &bad
		}, signature.CertificateChainGeneralFailure},
		{"63 from the future", func(w *world) { w.ocspAt = w.now.Add(time.Hour) }, signature.TryLater},
		{"63 old answer replayed", func(w *world) { w.ocspAt = w.now.Add(-48 * time.Hour) }, signature.TryLater},
		{"63 next update has passed", func(w *world) { w.ocspAt, w.ocspTTL = w.now.Add(-2*time.Hour), time.Hour }, signature.TryLater},
		{"65 unknown", func(w *world) { w.unknown = true }, signature.CertificateChainGeneralFailure},
		{"65 responder down", func(w *world) { w.down = true }, signature.CertificateChainGeneralFailure},
		{"65 not an answer", func(w *world) { w.rewriteOCSP = func([]byte) []byte { return pki.OCSPFailure(3) } }, signature.CertificateChainGeneralFailure},
		{"signature of the answer broken", func(w *world) {
			w.rewriteOCSP = func(b []byte) []byte { b[120] ^= 1; return b }
		}, signature.CertificateChainGeneralFailure},
	}
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		for _, r := range rows {
			t.Run(kind+" "+r.name, func(t *testing.T) {
				w := newWorld(t, kind)
				doc := w.sign(w.human, w.options())
				expect(t, w.verify(doc, "act"), ok, "", "")
				r.set(w)
				expect(t, w.verify(doc, "act"), ind, r.sub, "")
			})
		}
	}
}

// 64: lists that must not count, and the delta that must.
func TestCRLs(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		w.down = true
		doc := w.sign(w.human, w.options())
		with := func(lists ...[]byte) *signature.Result {
			s := w.snapshot()
			crls := append([]*trust.CRL(nil), s.CRLs()...)
			for _, b := range lists {
				l, err := trust.ParseCRL(b)
				require.NoError(t, err)
				crls = append(crls, l)
			}
			s = trust.NewSnapshot("crl", s.Anchors(), []*cert.Certificate{w.ca.Certificate, w.tsa.Certificate}, crls)
			return w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, s, "default")
		}
		issue := func(by pki.Issuer, l pki.CRL) []byte {
			if l.ThisUpdate.IsZero() {
				l.ThisUpdate, l.NextUpdate = w.now.Add(-time.Hour), w.now.Add(time.Hour)
			}
			b, err := pki.IssueCRL(l, by, rand.Reader)
			require.NoError(t, err)
			return b
		}
		revoked := []pki.Revocation{{Serial: w.human.Certificate.Serial, At: w.stampAt.Add(-time.Hour)}}
		expect(t, with(), ind, signature.CertificateChainGeneralFailure, "")
		expect(t, with(issue(w.ca, pki.CRL{Number: 1})), ok, "", "")
		expect(t, with(issue(w.ca, pki.CRL{Number: 1, Revoked: revoked})), tf, signature.Revoked, "")
		expect(t, with(issue(w.other, pki.CRL{Number: 1})), ind, signature.CertificateChainGeneralFailure, "")
		impostor := w.other
		impostor.Certificate = w.ca.Certificate // the CA's name, another key
		expect(t, with(issue(impostor, pki.CRL{Number: 1})), ind, signature.CertificateChainGeneralFailure, "")
		// A delta alone says nothing; with its base it is the newest word.
		delta := issue(w.ca, pki.CRL{Number: 3, DeltaBase: 1, Revoked: revoked, ThisUpdate: w.now.Add(-time.Minute), NextUpdate: w.now.Add(time.Hour)})
		expect(t, with(delta), ind, signature.CertificateChainGeneralFailure, "")
		expect(t, with(issue(w.ca, pki.CRL{Number: 2}), delta), tf, signature.Revoked, "")
		older := issue(w.ca, pki.CRL{Number: 5})
		expect(t, with(older, delta), ok, "", "") // the list is newer than the delta
	})
}

// 66, 67, 68: stamps that prove nothing.
func TestStampsThatProveNothing(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		copied := func() []byte {
			o := w.options()
			o.TSA = func(ctx context.Context, request []byte) ([]byte, error) {
				return w.stamper(w.tsa, w.stampAt)(ctx, request)
			}
			a, b := w.sign(w.human, o), w.message(w.human, forgery{content: content})
			return graft(t, a, b)
		}()
		r := w.verify(copied, "default")
		require.Equal(t, ok, r.Indication)
		require.Equal(t, "bad", r.Signatures[0].Timestamps[0].Imprint)
		require.Nil(t, r.Signatures[0].BestSignatureTime)
		w.revoked[w.human.Certificate.Serial.String()] = w.now.Add(-time.Minute)
		expect(t, w.verify(copied, "default"), ind, signature.RevokedNoPOE, "")
		delete(w.revoked, w.human.Certificate.Serial.String())

		// 68: a unit that is valid but not among the trusted ones.
		strange := w.issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Чужа служба"}}, &w.other)
		o := w.options()
		o.TSA = w.stamper(strange, w.stampAt)
		r = w.verify(w.sign(w.human, o), "default")
		require.Equal(t, signature.NoCertificateChainFound, r.Signatures[0].Timestamps[0].SubIndication)
		require.Nil(t, r.Signatures[0].BestSignatureTime)
		// The same with an anchor that is trusted for signers only.
		s := trust.NewSnapshot("purpose", []trust.Anchor{
			{Certificate: w.root.Certificate, Trust: []facts.Trust{{Source: "list", Purposes: []string{"signer", "ocsp"}}}}},
			[]*cert.Certificate{w.ca.Certificate, w.tsa.Certificate}, w.snapshot().CRLs())
		r = w.verifyIn(signature.Input{Document: facts.Bytes(w.sign(w.human, w.options()))}, s, "default")
		require.Equal(t, signature.NoCertificateChainFound, r.Signatures[0].Timestamps[0].SubIndication)
	})
}

// 67: a content stamp that is later than the signature stamp.
func TestStampsInTheWrongOrder(t *testing.T) {
	p, err := signature.ParsePolicy([]byte(`{"id":"ordered","version":"1","extends":"default","rules":{"timestamp":{"Coherence":"FAIL"}}}`))
	require.NoError(t, err)
	worlds(t, func(t *testing.T, w *world) {
		o := w.options()
		o.ContentTSA = w.stamper(w.tsa, w.stampAt.Add(-time.Minute))
		verify := func() *signature.Result {
			r, err := w.verifier(w.snapshot()).Verify(t.Context(), signature.Input{Document: facts.Bytes(w.sign(w.human, o))}, p)
			require.NoError(t, err)
			return r
		}
		expect(t, verify(), ok, "", "")
		o.ContentTSA = w.stamper(w.tsa, w.stampAt.Add(time.Minute))
		expect(t, verify(), ind, signature.TimestampOrderFailure, "")
	})
}

// 71: an anchor withdrawn after signing.
func TestAnchorWithdrawn(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc := w.sign(w.human, w.options())
		plain := w.sign(w.human, sign.Options{Time: w.stampAt})
		with := func(doc []byte, until time.Time) *signature.Result {
			s := trust.NewSnapshot("sunset", []trust.Anchor{
				{Certificate: w.ca.Certificate, Trust: []facts.Trust{{Source: "list", Until: &until}}},
				{Certificate: w.root.Certificate, Trust: []facts.Trust{{Source: "list", Purposes: []string{"tsa"}}}}},
				[]*cert.Certificate{w.tsa.Certificate}, w.snapshot().CRLs())
			return w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, s, "archive-test")
		}
		expect(t, with(plain, w.now.Add(time.Hour)), ok, "", "")
		expect(t, with(plain, w.now.Add(-time.Minute)), ind, signature.NoCertificateChainFoundNoPOE, "")
		// Proven to exist while the anchor was trusted.
		expect(t, with(doc, w.now.Add(-time.Minute)), ok, "", "")
		expect(t, with(doc, w.stampAt.Add(-time.Minute)), ind, signature.NoCertificateChainFoundNoPOE, "")
		require.Equal(t, signature.NoCertificateChainFound, w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, trust.NewSnapshot("none", nil, nil, nil), "default").Signatures[0].SubIndication)
	})
}

// 70: an algorithm that has ended, with and without a proof from before.
func TestAlgorithmEnded(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		doc, plain := w.sign(w.human, w.options()), w.sign(w.human, sign.Options{Time: w.stampAt})
		digest := string(w.human.Key.Digest())
		judge := func(b []byte, until time.Time, only string) *signature.Report {
			r := w.verify(b, "default")
			table, err := signature.DefaultAlgorithms()
			require.NoError(t, err)
			ended := *table
			ended.Digests = append([]signature.AlgorithmEntry(nil), table.Digests...)
			require.NoError(t, ended.End(only, until))
			// Only the signature's own digest: the chain keeps another one.
			f := *r.Facts
			f.Certificates = append([]facts.Certificate(nil), f.Certificates...)
			for i := range f.Certificates {
				f.Certificates[i].Algorithm.Digest = "SHA512"
			}
			f.Revocations = append([]facts.Revocation(nil), f.Revocations...)
			for i := range f.Revocations {
				f.Revocations[i].Algorithm.Digest = "SHA512"
			}
			f.Timestamps = append([]facts.Timestamp(nil), f.Timestamps...)
			for i := range f.Timestamps {
				f.Timestamps[i].Algorithm.Digest, f.Timestamps[i].Imprint.Algorithm = "SHA512", "SHA512"
			}
			out, err := signature.JudgeWith(&f, policy(t, "default"), &ended, w.now)
			require.NoError(t, err)
			return out
		}
		end := w.now.Add(-time.Minute)
		require.Equal(t, signature.CryptoConstraintsFailureNoPOE, judge(plain, end, digest).Signatures[0].Conclusion.SubIndication)
		require.Equal(t, ok, judge(doc, end, digest).Signatures[0].Conclusion.Indication)
		require.Equal(t, signature.CryptoConstraintsFailureNoPOE, judge(doc, w.stampAt.Add(-time.Hour), digest).Signatures[0].Conclusion.SubIndication)
	})
}

// graft puts the time-stamp of one signature onto another.
func graft(t *testing.T, from, to []byte) []byte {
	a, err := cms.Parse(from)
	require.NoError(t, err)
	b, err := cms.Parse(to)
	require.NoError(t, err)
	stamp := cms.Find(a.Signers[0].Unsigned, cms.AttrSignatureTimestamp)
	require.Len(t, stamp, 1)
	out, err := sign.AddUnsigned(to, b.Signers[0].Raw, stamp[0].Raw)
	require.NoError(t, err)
	return out
}

// 51: two certificates with the same issuer and serial number: the digest in
// the signed reference decides which one signed.
func TestSameIssuerAndSerial(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		// A second authority of the same name and key identifier, another key.
		impostor := w.issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "Тестовий КНЕДП"}}, &w.other)
		forged := w.reissue(w.human, impostor)
		require.Equal(t, w.human.Certificate.SerialHex(), forged.Certificate.SerialHex())
		require.NotEqual(t, w.human.Certificate.ID, forged.Certificate.ID)
		both := [][]byte{forged.Certificate.Raw, w.human.Certificate.Raw}
		expect(t, w.verify(w.message(w.human, forgery{content: content, certs: both}), "default"), ok, "", "")
		r := w.verify(w.message(w.human, forgery{content: content, certs: both[:1]}), "default")
		require.NotEqual(t, ok, r.Indication)
		// Signed with the stranger's reference: no path to an anchor.
		expect(t, w.verify(w.message(forged, forgery{content: content, certs: both}), "default"), ind, signature.NoCertificateChainFound, "")
	})
}

// 60: a certificate on hold; the delta list that releases it.
func TestCertificateOnHold(t *testing.T) {
	worlds(t, func(t *testing.T, w *world) {
		w.down = true
		doc := w.sign(w.human, w.options())
		hold := w.crl(1, 0, w.now.Add(-2*time.Hour), w.stampAt.Add(-time.Hour), 6)
		released := w.crl(2, 1, w.now.Add(-time.Minute), w.now.Add(-2*time.Minute), 8)
		with := func(lists ...*trust.CRL) *signature.Result {
			s := w.snapshot()
			s = trust.NewSnapshot("hold", s.Anchors(), []*cert.Certificate{w.ca.Certificate, w.tsa.Certificate}, append(s.CRLs(), lists...))
			return w.verifyIn(signature.Input{Document: facts.Bytes(doc)}, s, "default")
		}
		expect(t, with(hold), ind, signature.TryLater, "NOT_ON_HOLD")
		expect(t, with(hold, released), ok, "", "")
	})
}

// crl makes a list with the doctor's certificate and a reason code.
func (w *world) crl(number, base int, this, at time.Time, reason byte) *trust.CRL {
	entry := ber.Seq(ber.EncodeInt(w.human.Certificate.Serial), ber.EncodeTime(at),
		ber.Seq(ber.Seq(ber.EncodeOID("2.5.29.21"), ber.EncodeOctets(ber.Wrap(ber.Enumerated, []byte{reason})))))
	exts := [][]byte{
		ber.Seq(ber.EncodeOID("2.5.29.35"), ber.EncodeOctets(ber.Seq(ber.Wrap(0x80, w.ca.Certificate.Ext.SubjectKeyID)))),
		ber.Seq(ber.EncodeOID("2.5.29.20"), ber.EncodeOctets(ber.EncodeSmall(number))),
	}
	if base > 0 {
		exts = append(exts, ber.Seq(ber.EncodeOID("2.5.29.27"), ber.EncodeBool(true), ber.EncodeOctets(ber.EncodeSmall(base))))
	}
	tbs := ber.Seq(ber.EncodeSmall(1), w.ca.Key.Algorithm(), w.ca.Certificate.Subject.Raw, ber.EncodeTime(this), ber.EncodeTime(w.now.Add(time.Hour)),
		ber.Seq(entry), ber.Wrap(0xa0, ber.Seq(exts...)))
	sig, err := w.ca.Key.SignBits(rand.Reader, tbs)
	require.NoError(w.t, err)
	l, err := trust.ParseCRL(ber.Seq(tbs, w.ca.Key.Algorithm(), ber.EncodeBits(sig)))
	require.NoError(w.t, err)
	return l
}

// reissue makes a certificate with the same serial number and key, signed by
// another authority.
func (w *world) reissue(of, by pki.Issuer) pki.Issuer {
	c := of.Certificate
	var exts [][]byte
	for _, x := range c.Extensions {
		parts := [][]byte{ber.EncodeOID(x.OID)}
		if x.Critical {
			parts = append(parts, ber.EncodeBool(true))
		}
		exts = append(exts, ber.Seq(append(parts, ber.EncodeOctets(x.Value))...))
	}
	tbs := ber.Seq(ber.Wrap(0xa0, ber.EncodeSmall(2)), ber.EncodeInt(c.Serial), by.Key.Algorithm(), by.Certificate.Subject.Raw,
		ber.Seq(ber.EncodeTime(c.NotBefore), ber.EncodeTime(c.NotAfter)), c.Subject.Raw, c.SPKI, ber.Wrap(0xa3, ber.Seq(exts...)))
	sig, err := by.Key.SignBits(rand.Reader, tbs)
	require.NoError(w.t, err)
	p, err := cert.Parse(ber.Seq(tbs, by.Key.Algorithm(), ber.EncodeBits(sig)))
	require.NoError(w.t, err)
	return pki.Issuer{Certificate: p, Key: of.Key}
}
