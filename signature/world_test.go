package signature_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
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

// world is a small PKI of one algorithm with everything a signature needs: a
// root, a CA, a time-stamp unit, an OCSP responder, a doctor.
type world struct {
	t                          testing.TB
	kind                       string
	now                        time.Time
	root, ca, tsa, ocsp, human pki.Issuer
	other                      pki.Issuer // a stranger's root
	stampAt                    time.Time
	revoked                    map[string]time.Time // by serial
	unknown, down              bool
	ocspAt                     time.Time
	ocspTTL                    time.Duration
	responder                  *pki.Issuer
	rewriteOCSP                func([]byte) []byte
}

var content = []byte(`{"declaration":"0001-AAAA-BBBB","text":"зміст"}`)

const (
	doctorRNOKPP = "2222222225"
	clinicEDRPOU = "12345679"
)

func newWorld(t testing.TB, kind string) *world {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := &world{t: t, kind: kind, now: now, stampAt: now.Add(-10 * time.Minute), revoked: map[string]time.Time{}, ocspAt: now.Add(-time.Minute), ocspTTL: time.Hour}
	w.root = w.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий корінь"}}, nil)
	w.other = w.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Чужий корінь"}}, nil)
	w.ca = w.issue(pki.Template{Profile: pki.CA, Subject: pki.Subject{CommonName: "Тестовий КНЕДП"}}, &w.root)
	w.tsa = w.issue(pki.Template{Profile: pki.TSA, Subject: pki.Subject{CommonName: "Тестова служба позначок часу"}}, &w.root)
	w.ocsp = w.issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "Тестовий OCSP"}}, &w.ca)
	w.human = w.issue(w.person(), &w.ca)
	return w
}

func (w *world) person() pki.Template {
	return pki.Template{Profile: pki.Person, OCSP: "http://ocsp.test", Subject: pki.Subject{
		CommonName: "Вигадана Олена Іванівна", Surname: "Вигадана", GivenName: "Олена Іванівна", RNOKPP: doctorRNOKPP,
		Organization: "Вигадана клініка", EDRPOU: clinicEDRPOU, UNZR: "19900101-00025",
	}}
}

func (w *world) issue(t pki.Template, by *pki.Issuer) pki.Issuer {
	if t.NotBefore.IsZero() {
		t.NotBefore, t.NotAfter = w.now.AddDate(-1, 0, 0), w.now.AddDate(1, 0, 0)
	}
	k, err := sign.GenerateKey(w.kind, rand.Reader)
	require.NoError(w.t, err)
	c, err := pki.Issue(t, k, by, rand.Reader)
	require.NoError(w.t, err)
	return pki.Issuer{Certificate: c, Key: k}
}

// variant re-issues a certificate after editing its extensions: raw certificate
// surgery for what the issuing side refuses to make.
func (w *world) variant(of pki.Issuer, by pki.Issuer, edit func(exts map[string][]byte, critical map[string]bool)) pki.Issuer {
	exts, critical := map[string][]byte{}, map[string]bool{}
	var order []string
	for _, x := range of.Certificate.Extensions {
		exts[x.OID], critical[x.OID] = x.Value, x.Critical
		order = append(order, x.OID)
	}
	edit(exts, critical)
	for oid := range exts {
		if !contains(order, oid) {
			order = append(order, oid)
		}
	}
	var list [][]byte
	for _, oid := range order {
		v, ok := exts[oid]
		if !ok {
			continue
		}
		parts := [][]byte{ber.EncodeOID(oid)}
		if critical[oid] {
			parts = append(parts, ber.EncodeBool(true))
		}
		list = append(list, ber.Seq(append(parts, ber.EncodeOctets(v))...))
	}
	c := of.Certificate
	tbs := ber.Seq(ber.Wrap(0xa0, ber.EncodeSmall(2)), ber.EncodeInt(new(big.Int).Add(c.Serial, big.NewInt(1))), by.Key.Algorithm(),
		by.Certificate.Subject.Raw, ber.Seq(ber.EncodeTime(c.NotBefore), ber.EncodeTime(c.NotAfter)), c.Subject.Raw, c.SPKI,
		ber.Wrap(0xa3, ber.Seq(list...)))
	sig, err := by.Key.SignBits(rand.Reader, tbs)
	require.NoError(w.t, err)
	p, err := cert.Parse(ber.Seq(tbs, by.Key.Algorithm(), ber.EncodeBits(sig)))
	require.NoError(w.t, err)
	return pki.Issuer{Certificate: p, Key: of.Key}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// stamper is the time-stamp unit as a signer sees it.
func (w *world) stamper(unit pki.Issuer, at time.Time) sign.TSA {
	return func(_ context.Context, request []byte) ([]byte, error) {
		r, err := pki.ParseStampRequest(request)
		if err != nil {
			return nil, err
		}
		token, err := pki.Stamp(r, unit, at, rand.Reader)
		if err != nil {
			return nil, err
		}
		return pki.StampResponse(token), nil
	}
}

func (w *world) options() sign.Options {
	return sign.Options{Time: w.stampAt.Add(-5 * time.Second), TSA: w.stamper(w.tsa, w.stampAt)}
}

func (w *world) sign(who pki.Issuer, o sign.Options) []byte {
	b, err := sign.CAdES(context.Background(), sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}, facts.Bytes(content), o)
	require.NoError(w.t, err)
	return b
}

// The world answers as the network would.
func (w *world) OCSP(_ context.Context, _ string, request []byte) ([]byte, error) {
	if w.down {
		return nil, errors.New("responder is down")
	}
	id, nonce, err := pki.ParseOCSPRequest(request)
	if err != nil {
		return nil, err
	}
	by := w.ocsp
	if w.responder != nil {
		by = *w.responder
	}
	status := pki.Status{Unknown: w.unknown, Revoked: w.revoked[id.Serial.String()]}
	b, err := pki.RespondOCSP(id, nonce, status, by, w.ocspAt, w.ocspTTL, rand.Reader)
	if err == nil && w.rewriteOCSP != nil {
		b = w.rewriteOCSP(b)
	}
	return b, err
}

func (w *world) CRL(context.Context, string) ([]byte, error) {
	return nil, errors.New("no CRL is published")
}

func (w *world) Certificate(context.Context, string) ([]byte, error) {
	return nil, errors.New("no certificate is published")
}

// snapshot trusts the root; the CA and the units are known. CRLs cover what
// has no OCSP address.
func (w *world) snapshot() *trust.Snapshot {
	crl := func(by pki.Issuer) *trust.CRL {
		der, err := pki.IssueCRL(pki.CRL{Number: 1, ThisUpdate: w.now.Add(-time.Hour), NextUpdate: w.now.Add(24 * time.Hour)}, by, rand.Reader)
		require.NoError(w.t, err)
		l, err := trust.ParseCRL(der)
		require.NoError(w.t, err)
		return l
	}
	return trust.NewSnapshot("world",
		[]trust.Anchor{{Certificate: w.root.Certificate, Trust: []facts.Trust{{Source: "world", Purposes: []string{"signer", "tsa", "ocsp"}}}}},
		[]*cert.Certificate{w.ca.Certificate, w.tsa.Certificate, w.ocsp.Certificate}, []*trust.CRL{crl(w.root)})
}

func (w *world) verifier(s *trust.Snapshot) *signature.Verifier {
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(s), Fetcher: w, Now: func() time.Time { return w.now }})
	require.NoError(w.t, err)
	return v
}

func (w *world) verify(b []byte, policyName string) *signature.Result {
	return w.verifyIn(signature.Input{Document: facts.Bytes(b)}, w.snapshot(), policyName)
}

func (w *world) verifyIn(in signature.Input, s *trust.Snapshot, policyName string) *signature.Result {
	r, err := w.verifier(s).Verify(context.Background(), in, policy(w.t, policyName))
	require.NoError(w.t, err)
	return r
}

// forgery builds a CMS message part by part, so that each part can be wrong.
type forgery struct {
	content   []byte   // eContent; nil: detached
	attrs     [][]byte // signed attributes; nil with noAttrs: none
	noAttrs   bool
	unsorted  bool // encode the attributes as given, not in DER order
	signSort  bool // sign the DER order although encoded otherwise
	digestAlg []byte
	sigAlg    []byte
	sid       []byte
	certs     [][]byte
	unsigned  [][]byte
	message   []byte // what to sign instead of the attributes
	value     []byte // signature value instead of a made one
	ctype     string
}

func attr(oid string, values ...[]byte) []byte {
	return ber.Seq(ber.EncodeOID(oid), ber.SetOf(values...))
}

func (w *world) attrs(who pki.Issuer, over []byte) [][]byte {
	d := who.Key.Digest()
	return [][]byte{
		attr(cms.AttrContentType, ber.EncodeOID(cms.OIDData)),
		attr(cms.AttrMessageDigest, ber.EncodeOctets(d.Sum(over))),
		attr(cms.AttrSigningTime, ber.EncodeTime(w.stampAt)),
		sign.SigningCertificateAttribute(who.Certificate, d),
	}
}

func (w *world) signerInfo(who pki.Issuer, f forgery) []byte {
	attrs := f.attrs
	if attrs == nil && !f.noAttrs {
		over := f.content
		if over == nil {
			over = content
		}
		attrs = w.attrs(who, over)
	}
	set := ber.SetOf(attrs...)
	sorted := bytes.Clone(set)
	if f.unsorted {
		set = ber.Wrap(ber.Set, attrs...)
	}
	toSign := set
	if f.signSort {
		toSign = sorted
	}
	if f.noAttrs {
		toSign = f.content
	}
	if f.message != nil {
		toSign = f.message
	}
	value := f.value
	if value == nil {
		var err error
		value, err = who.Key.Sign(rand.Reader, toSign)
		require.NoError(w.t, err)
	}
	pick := func(a, b []byte) []byte {
		if a != nil {
			return a
		}
		return b
	}
	sid := pick(f.sid, ber.Seq(who.Certificate.Issuer.Raw, ber.EncodeInt(who.Certificate.Serial)))
	parts := [][]byte{ber.EncodeSmall(1), sid, pick(f.digestAlg, sign.DigestAlgorithm(who.Key.Digest()))}
	if !f.noAttrs {
		implicit := bytes.Clone(set)
		implicit[0] = 0xa0
		parts = append(parts, implicit)
	}
	parts = append(parts, pick(f.sigAlg, who.Key.Algorithm()), ber.EncodeOctets(value))
	if len(f.unsigned) > 0 {
		u := ber.SetOf(f.unsigned...)
		u[0] = 0xa1
		parts = append(parts, u)
	}
	return ber.Seq(parts...)
}

func (w *world) message(who pki.Issuer, f forgery) []byte {
	certs := f.certs
	if certs == nil {
		certs = [][]byte{who.Certificate.Raw}
	}
	ctype := f.ctype
	if ctype == "" {
		ctype = cms.OIDData
	}
	return sign.Message(ctype, f.content, sign.DigestAlgorithm(who.Key.Digest()), certs, nil, nil, w.signerInfo(who, f))
}

// worlds runs a test for DSTU and for ECDSA keys.
func worlds(t *testing.T, f func(t *testing.T, w *world)) {
	for _, kind := range []string{sign.KindDSTU257, sign.KindP256} {
		t.Run(kind, func(t *testing.T) { f(t, newWorld(t, kind)) })
	}
}

func expect(t testing.TB, r *signature.Result, ind signature.Indication, sub signature.SubIndication, reason string) {
	t.Helper()
	require.NotEmpty(t, r.Signatures)
	s := r.Signatures[0]
	have := fmt.Sprintf("%s / %s / %s", s.Indication, s.SubIndication, s.Reason)
	require.Equal(t, ind, s.Indication, have)
	require.Equal(t, sub, s.SubIndication, have)
	if reason != "" {
		require.Equal(t, reason, s.Reason)
	}
	if ind != signature.TotalPassed {
		_, _, err := s.MustBePassed()
		require.Error(t, err)
	}
}
