package pki_test

import (
	"crypto/rand"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func authority(t testing.TB, algorithm string) pki.Issuer {
	t.Helper()
	key, err := sign.GenerateKey(algorithm, rand.Reader)
	require.NoError(t, err)
	c, err := pki.Issue(pki.Template{
		Profile: pki.Root, Subject: pki.Subject{CommonName: "Тестовий корінь"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(5, 0, 0),
	}, key, nil, rand.Reader)
	require.NoError(t, err)
	return pki.Issuer{Certificate: c, Key: key}
}

func below(t testing.TB, by pki.Issuer, p pki.Profile, algorithm string, s pki.Subject) pki.Issuer {
	t.Helper()
	key, err := sign.GenerateKey(algorithm, rand.Reader)
	require.NoError(t, err)
	c, err := pki.Issue(pki.Template{
		Profile: p, Subject: s, NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(1, 0, 0), OCSP: "http://127.0.0.1:1/ocsp", CRL: "http://127.0.0.1:1/crl",
	}, key, &by, rand.Reader)
	require.NoError(t, err)
	return pki.Issuer{Certificate: c, Key: key}
}

func TestUkrainianProfile(t *testing.T) {
	for _, algorithm := range []string{sign.KindDSTU257, sign.KindDSTU431, sign.KindP256} {
		root := authority(t, algorithm)
		require.True(t, root.Certificate.SelfSigned(), algorithm)
		require.True(t, root.Certificate.Ext.CA)
		doctor := below(t, root, pki.Person, algorithm, pki.Subject{
			CommonName: "Зразкова Ганна Іванівна", Surname: "Зразкова", GivenName: "Ганна Іванівна", RNOKPP: "3126509817", UNZR: "19850427-12345",
		}).Certificate
		require.NoError(t, doctor.CheckSignature(root.Certificate))
		require.Error(t, doctor.CheckSignature(authority(t, algorithm).Certificate), "a foreign authority")
		require.Equal(t, root.Certificate.Ext.SubjectKeyID, doctor.Ext.AuthorityKeyID)
		require.Equal(t, "3126509817", doctor.Identity.RNOKPP)
		require.Equal(t, cert.SourceDirectory, doctor.Identity.RNOKPPSource)
		require.Equal(t, "TINUA-3126509817", doctor.Identity.SerialNumber)
		require.Equal(t, "19850427-12345", doctor.Identity.UNZR)
		require.Equal(t, []string{"digitalSignature", "nonRepudiation"}, doctor.Ext.KeyUsage)
		require.True(t, doctor.QualifiedCertificate())
		require.True(t, doctor.Ext.QC.SSCD)
		require.False(t, doctor.IsSeal())
		require.Equal(t, []string{"http://127.0.0.1:1/ocsp"}, doctor.Ext.OCSP)
		seal := below(t, root, pki.Seal, algorithm, pki.Subject{CommonName: "Клініка", Organization: "Клініка", EDRPOU: "42032422"}).Certificate
		require.True(t, seal.IsSeal())
		require.Equal(t, "42032422", seal.Identity.EDRPOU)
		require.Empty(t, doctor.Remarks)
	}
}

func TestOCSPAnswersWhatWasAsked(t *testing.T) {
	root := authority(t, sign.KindDSTU257)
	responder := below(t, root, pki.Responder, sign.KindDSTU257, pki.Subject{CommonName: "OCSP"})
	doctor := below(t, root, pki.Person, sign.KindDSTU257, pki.Subject{CommonName: "Зразкова", RNOKPP: "3126509817"})
	other := below(t, root, pki.Person, sign.KindDSTU257, pki.Subject{CommonName: "Тестова", RNOKPP: "3067305998"})
	id, nonce, err := pki.ParseOCSPRequest(trust.OCSPRequest(doctor.Certificate, root.Certificate, []byte("0123456789abcdef")))
	require.NoError(t, err)
	require.NotEmpty(t, nonce)
	require.Zero(t, id.Serial.Cmp(doctor.Certificate.Serial))
	revoked := now.Add(-time.Hour)
	der, err := pki.RespondOCSP(id, nonce, pki.Status{Revoked: revoked}, responder, now, time.Minute, rand.Reader)
	require.NoError(t, err)
	o, err := trust.ParseOCSP(der)
	require.NoError(t, err)
	require.NoError(t, o.CheckSignature(responder.Certificate))
	require.Error(t, o.CheckSignature(doctor.Certificate))
	require.Len(t, o.Answers, 1)
	require.True(t, o.Answers[0].Matches(doctor.Certificate, root.Certificate))
	require.False(t, o.Answers[0].Matches(other.Certificate, root.Certificate))
	for _, bad := range [][]byte{nil, {0x30}, der, []byte("GET / HTTP/1.1")} {
		_, _, err := pki.ParseOCSPRequest(bad)
		require.ErrorIs(t, err, pki.ErrRequest)
	}
}

func TestCRLNamesTheRevoked(t *testing.T) {
	root := authority(t, sign.KindDSTU257)
	der, err := pki.IssueCRL(pki.CRL{Number: 7, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Revoked: []pki.Revocation{{Serial: big.NewInt(5), At: now}}}, root, rand.Reader)
	require.NoError(t, err)
	l, err := trust.ParseCRL(der)
	require.NoError(t, err)
	require.NoError(t, l.CheckSignature(root.Certificate))
	require.False(t, l.IsDelta())
	_, found := l.Lookup(big.NewInt(5).Bytes())
	require.True(t, found)
	_, found = l.Lookup(big.NewInt(6).Bytes())
	require.False(t, found)
	der, err = pki.IssueCRL(pki.CRL{Number: 8, DeltaBase: 7, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, root, rand.Reader)
	require.NoError(t, err)
	l, err = trust.ParseCRL(der)
	require.NoError(t, err)
	require.True(t, l.IsDelta())
}

// The whole way of a time-stamp: request of the client, token of the unit,
// checks of the client; an answer to another question is refused.
func TestStampAnswersTheQuestion(t *testing.T) {
	root := authority(t, sign.KindDSTU257)
	unit := below(t, root, pki.TSA, sign.KindDSTU257, pki.Subject{CommonName: "TSA"})
	for _, d := range []algo.Digest{algo.GOST34311, algo.Kupyna256, algo.SHA256} {
		digest, nonce := d.Sum([]byte("value")), big.NewInt(42)
		request := sign.TimestampRequest(d, digest, nonce)
		r, err := pki.ParseStampRequest(request)
		require.NoError(t, err)
		token, err := pki.Stamp(r, unit, now, rand.Reader)
		require.NoError(t, err)
		_, err = sign.ParseTimestampResponse(pki.StampResponse(token), digest, nonce)
		require.NoError(t, err)
		_, err = sign.ParseTimestampResponse(pki.StampResponse(token), digest, big.NewInt(43))
		require.Error(t, err)
		_, err = sign.ParseTimestampResponse(pki.StampResponse(token), d.Sum([]byte("other")), nonce)
		require.Error(t, err)
		_, err = sign.ParseTimestampResponse(pki.StampRefusal(), digest, nonce)
		require.Error(t, err)
		parsed, err := cms.ParseToken(token)
		require.NoError(t, err)
		require.Equal(t, now, parsed.Time.UTC())
		require.Equal(t, d, parsed.Digest)
	}
}

func FuzzRequests(f *testing.F) {
	root := authority(f, sign.KindP256)
	f.Add(trust.OCSPRequest(root.Certificate, root.Certificate, []byte("nonce")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := pki.ParseOCSPRequest(b); err != nil {
			require.ErrorIs(t, err, pki.ErrRequest)
		}
		if _, err := pki.ParseStampRequest(b); err != nil {
			require.ErrorIs(t, err, pki.ErrRequest)
		}
	})
}
