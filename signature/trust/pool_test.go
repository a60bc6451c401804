package trust_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/cert"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// Certificates are recognised by all of their octets: one that ends like a
// known certificate and says something else before is not that certificate.
func TestKnownByAllOctets(t *testing.T) {
	key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(t, err)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Вигаданий центр"}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}, key, nil, rand.Reader)
	require.NoError(t, err)
	pool, edges := trust.NewPool(), trust.NewEdges()
	pool.Add(c)
	require.Same(t, c, edges.Intern(c))
	same := append([]byte(nil), c.Raw...)
	require.Same(t, c, pool.Over().Known(same))
	require.Same(t, c, edges.Known(same))
	for i := 0; i < len(same)-16; i++ {
		same[i] ^= 1
		require.Nil(t, pool.Known(same))
		require.Nil(t, edges.Known(same))
		same[i] ^= 1
	}
	for _, short := range [][]byte{nil, {0x30}, same[len(same)-16:], same[1:]} {
		require.Nil(t, pool.Known(short))
		require.Nil(t, edges.Known(short))
	}
	var none *cert.Certificate
	require.Equal(t, none, trust.NewPool().Known(same))
}

// What is kept of a document's certificates survives the document: its memory
// is the caller's.
func TestKeptCertificatesOwnTheirOctets(t *testing.T) {
	key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(t, err)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	made, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Вигаданий центр"}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}, key, nil, rand.Reader)
	require.NoError(t, err)
	document := append([]byte(nil), made.Raw...)
	c, err := cert.Parse(document)
	require.NoError(t, err)
	edges := trust.NewEdges()
	kept := edges.Keep(c)
	require.Equal(t, made.Raw, kept.Raw)
	clear(document)
	require.Equal(t, made.Raw, kept.Raw)
	require.Equal(t, made.Subject.Raw, kept.Subject.Raw)
	require.NoError(t, kept.CheckSignature(kept))
	require.Same(t, kept, edges.Known(made.Raw))
	again, err := cert.Parse(append([]byte(nil), made.Raw...))
	require.NoError(t, err)
	require.Same(t, kept, edges.Keep(again))
}
