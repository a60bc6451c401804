package intake

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/compact"
	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// authority is a root, a CA, its responder, a time-stamp unit and a doctor.
type authority struct {
	at                         time.Time
	root, ca, tsa, ocsp, human pki.Issuer
	snapshot                   func() *trust.Snapshot
	verifier                   *signature.Verifier
	policy                     signature.Policy
}

func newAuthority(t testing.TB, kind string) *authority {
	a := &authority{at: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = a.at.AddDate(-1, 0, 0), a.at.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	a.root = issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий корінь"}}, nil)
	a.ca = issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "Тестовий КНЕДП"}}, &a.root)
	a.tsa = issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Тестова служба позначок часу"}}, &a.root)
	a.ocsp = issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "Тестовий OCSP"}}, &a.ca)
	a.human = issue(pki.Template{Profile: pki.Person, OCSP: "http://ocsp.test", Subject: pki.Subject{CommonName: "Вигадана Олена", Surname: "Вигадана", GivenName: "Олена", RNOKPP: "2222222225"}}, &a.ca)
	der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: a.at.Add(-time.Hour), NextUpdate: a.at.AddDate(0, 0, 9)}, a.root, rand.Reader)
	require.NoError(t, err)
	crl, err := trust.ParseCRL(der)
	require.NoError(t, err)
	a.snapshot = func() *trust.Snapshot {
		anchors := []trust.Anchor{{Certificate: a.root.Certificate, Trust: []facts.Trust{{Source: "world", Purposes: []string{facts.PurposeSigner, facts.PurposeTSA, facts.PurposeOCSP}}}}}
		return trust.NewSnapshot("world", anchors, []*cert.Certificate{a.ca.Certificate}, []*trust.CRL{crl})
	}
	a.verifier, err = signature.NewVerifier(signature.Config{Trust: fixed{a.snapshot()}, Fetcher: a, Now: func() time.Time { return a.at }})
	require.NoError(t, err)
	a.policy, err = signature.NamedPolicy("act-person")
	require.NoError(t, err)
	return a
}

type fixed struct{ s *trust.Snapshot }

func (f fixed) Snapshot() *trust.Snapshot { return f.s }

// OCSP implements signature.Fetcher.
func (a *authority) OCSP(_ context.Context, _ string, request []byte) ([]byte, error) {
	id, nonce, err := pki.ParseOCSPRequest(request)
	if err != nil {
		return nil, err
	}
	return pki.RespondOCSP(id, nonce, pki.Status{}, a.ocsp, a.at, time.Hour, rand.Reader)
}

// CRL implements signature.Fetcher.
func (a *authority) CRL(context.Context, string) ([]byte, error) {
	return nil, fmt.Errorf("there is none")
}

// Certificate implements signature.Fetcher.
func (a *authority) Certificate(context.Context, string) ([]byte, error) {
	return nil, fmt.Errorf("there is none")
}

func (a *authority) sign(t testing.TB, document []byte) []byte {
	b, err := sign.CAdES(t.Context(), sign.Signer{Key: a.human.Key, Certificate: a.human.Certificate.Raw}, facts.Bytes(document), sign.Options{Time: a.at.Add(-time.Minute), TSA: func(_ context.Context, request []byte) ([]byte, error) {
		r, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(r, a.tsa, a.at.Add(-time.Minute), rand.Reader)
		return pki.StampResponse(token), err
	}})
	require.NoError(t, err)
	return b
}

func (a *authority) verify(t testing.TB, container []byte) *signature.Result {
	r, err := a.verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes(container)}, a.policy)
	require.NoError(t, err)
	require.Equal(t, signature.TotalPassed, r.Indication)
	return r
}

// What is kept of a judgement is short, and with the container and the objects
// beside it gives the facts and the report again, digest for digest; bytes that
// were exchanged are noticed.
func TestEvidenceIsJudgedAgain(t *testing.T) {
	source := registry.SystemSource()
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		t.Run(kind, func(t *testing.T) {
			a := newAuthority(t, kind)
			container := a.sign(t, []byte(`{"status":"APPROVED"}`))
			result := a.verify(t, container)
			kept := newReport(source, container, registry.Digest{1}, result)
			require.Equal(t, result.Report.Digest(), kept.Digest)
			require.True(t, json.Valid(kept.Body))
			c, err := compact.New()
			require.NoError(t, err)
			short, err := c.Shorten(kept.Body)
			require.NoError(t, err)
			require.Less(t, len(short), 4<<10, "of %d bytes", len(kept.Body))

			objects := map[registry.Digest][]byte{}
			for _, o := range kept.Objects {
				objects[o.Digest] = o.Body
			}
			require.GreaterOrEqual(t, len(objects), 3, "root, CA and list are shared")
			object := func(d registry.Digest) ([]byte, error) {
				if b, ok := objects[d]; ok {
					return b, nil
				}
				return nil, fmt.Errorf("not kept")
			}
			f, report, err := OpenEvidence(kept.Body, container, object)
			require.NoError(t, err)
			require.Equal(t, result.Facts, f)
			again, err := signature.Judge(f, a.policy, report.Time)
			require.NoError(t, err)
			require.Equal(t, kept.Digest, again.Digest())
			require.Equal(t, kept.Digest, report.Digest())

			// Evidence of before: everything in one, without a number.
			old, err := json.Marshal(map[string]any{"result": result, "report": result.Report, "facts": result.Facts})
			require.NoError(t, err)
			f, _, err = OpenEvidence(old, nil, nil)
			require.NoError(t, err)
			require.Equal(t, result.Facts, f)

			exchanged := append([]byte{}, container...)
			exchanged[len(exchanged)-300] ^= 1
			_, _, err = OpenEvidence(kept.Body, exchanged, object)
			require.Error(t, err, "the token was changed")
			_, _, err = OpenEvidence(kept.Body, container[:100], object)
			require.Error(t, err)
			_, _, err = OpenEvidence([]byte(strings.Replace(string(kept.Body), `"version":2`, `"version":3`, 1)), container, object)
			require.Error(t, err)
			delete(objects, kept.Objects[0].Digest)
			_, _, err = OpenEvidence(kept.Body, container, object)
			require.Error(t, err)
		})
	}
}

// Verification of a declaration's container with its OCSP answer, and what is
// kept of it, shortened.
func BenchmarkJudgement(b *testing.B) {
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		b.Run(kind, func(b *testing.B) {
			a, source := newAuthority(b, kind), registry.SystemSource()
			container := a.sign(b, []byte(`{"content":"`+strings.Repeat("декларація ", 200)+`"}`))
			c, err := compact.New()
			require.NoError(b, err)
			// The responder is not ours: its answer is made once.
			answer, err := a.OCSP(b.Context(), "", trust.OCSPRequest(a.human.Certificate, a.ca.Certificate, nil))
			require.NoError(b, err)
			v, err := signature.NewVerifier(signature.Config{Trust: fixed{a.snapshot()}, Fetcher: made{a, answer}, Now: func() time.Time { return a.at }})
			require.NoError(b, err)
			size := 0
			b.ReportAllocs()
			for b.Loop() {
				r, err := v.Verify(b.Context(), signature.Input{Document: facts.Bytes(container)}, a.policy)
				if err != nil || r.Indication != signature.TotalPassed {
					b.Fatal(err)
				}
				kept := newReport(source, container, registry.Digest{}, r)
				short, err := c.Shorten(kept.Body)
				if err != nil {
					b.Fatal(err)
				}
				size = len(short)
			}
			b.ReportMetric(float64(size), "kept-bytes")
		})
	}
}

// made answers always the same.
type made struct {
	*authority
	answer []byte
}

// OCSP implements signature.Fetcher.
func (m made) OCSP(context.Context, string, []byte) ([]byte, error) { return m.answer, nil }
