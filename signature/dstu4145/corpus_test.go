package dstu4145

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature/gost34311"
	"mist/signature/kupyna"
)

// corpus returns the folder ua of the corpus; it skips when there is none.
func corpus(t *testing.T) string {
	t.Helper()
	return outside.Dir(t, "ua")
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(s))
	require.NoError(t, err)
	return b
}

// TestCorpusFixedNonce signs with given one-time keys; the values come from an
// independent implementation and are big-endian (pk = x‖y, sig = s‖r).
func TestCorpusFixedNonce(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus(t), "primitives", "li0ard_dstu4145_index.tsv"))
	require.NoError(t, err)
	ran := 0
	var digest []byte
	cases := map[string]map[string]string{}
	var cur map[string]string
	for line := range strings.Lines(string(data)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "\t")
		require.True(t, ok, line)
		switch name {
		case "digest":
			digest = unhex(t, value)
		case "privateKey":
			cur = map[string]string{"digest": hex.EncodeToString(digest)}
			cases[value] = cur
			fallthrough
		default:
			cur[name] = value
		}
	}
	for _, v := range cases {
		var c *Curve
		switch len(v["privateKey"]) {
		case 66:
			c = M257()
		case 108:
			c = M431()
		default: // the base points of the examples of annex Б are other ones
			continue
		}
		ran++
		t.Run(c.Name(), func(t *testing.T) {
			le := func(name string) []byte {
				b := unhex(t, v[name])
				slices.Reverse(b)
				return b
			}
			var d, e scalar
			// The private scalars of these vectors are above n.
			reduce := func(name string) []byte {
				n := new(big.Int).SetBytes(c.orderBytes())
				v := new(big.Int).SetBytes(unhex(t, v[name]))
				b := v.Mod(v, n).Bytes()
				slices.Reverse(b)
				return b
			}
			require.True(t, c.order.setBytes(&d, reduce("privateKey")))
			require.True(t, c.order.setBytes(&e, reduce("rand")))
			key := newPrivateKey(keyParams{curve: c, sbox: gost34311.DefaultSBox()}, &d)

			x, l := key.pub.q.X, key.pub.q.L
			l.Add(&l, &x)
			c.field.Mul(&l, &l, &x) // y = x(λ + x)
			xy := append(c.field.AppendBytes(nil, &l), c.field.AppendBytes(nil, &x)...)
			require.Equal(t, le("expectedPk"), xy)

			h := c.hashElement(le("digest"))
			sig, ok := key.signWith(&e, &h)
			require.True(t, ok)
			require.Equal(t, le("expectedSign"), sig)
			require.True(t, Verify(key.PublicKey(), le("digest"), sig))
		})
	}
	require.Equal(t, 2, ran)
	outside.Count(t, "ua/primitives", ran, 0)
}

// hashFor computes the digest a signature OID asks for.
func hashFor(t *testing.T, oid asn1.ObjectIdentifier, key *PublicKey, data []byte) []byte {
	t.Helper()
	switch {
	case oid.Equal(OIDSignatureGOST34311LE), oid.Equal(OIDSignatureGOST34311BE):
		h := gost34311.NewSBox(key.SBox())
		h.Write(data)
		return h.Sum(nil)
	case oid.Equal(OIDSignatureKupyna256), oid.Equal(OIDSignatureKupyna256Parent):
		s := kupyna.Sum256(data)
		return s[:]
	case oid.Equal(OIDSignatureKupyna512), oid.Equal(OIDSignatureKupyna512Parent):
		s := kupyna.Sum512(data)
		return s[:]
	}
	t.Fatalf("unexpected signature algorithm %s", oid)
	return nil
}

// signed is what certificates and CRLs have in common.
type signed struct {
	TBS       asn1.RawValue
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params asn1.RawValue `asn1:"optional"`
	}
	Signature asn1.BitString
}

func parseSigned(t *testing.T, b []byte) signed {
	t.Helper()
	var s signed
	_, err := asn1.Unmarshal(b, &s)
	require.NoError(t, err)
	return s
}

func isDSTU(oid asn1.ObjectIdentifier) bool {
	arc := asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3}
	return len(oid) > len(arc) && oid[:len(arc)].Equal(arc)
}

// bundle returns the certificates of the degenerate SignedData file.
func bundle(t *testing.T) []*x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(corpus(t), "certs", "eu-sign-node__CACertificates.p7b"))
	require.NoError(t, err)
	var ci struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version      int
			Digests      asn1.RawValue
			Encap        asn1.RawValue
			Certificates asn1.RawValue `asn1:"tag:0"`
			Rest         asn1.RawValue
		} `asn1:"explicit,tag:0"`
	}
	_, err = asn1.Unmarshal(b, &ci)
	require.NoError(t, err)
	certs, err := x509.ParseCertificates(ci.Content.Certificates.Bytes)
	require.NoError(t, err)
	return certs
}

// TestCorpusBundle checks the issuer's signature of every certificate of the
// bundle signed with DSTU 4145; issuers are chosen by key identifier.
func TestCorpusBundle(t *testing.T) {
	certs := bundle(t)
	require.Len(t, certs, 771)
	bySKI := map[string][]*x509.Certificate{}
	for _, c := range certs {
		bySKI[string(c.SubjectKeyId)] = append(bySKI[string(c.SubjectKeyId)], c)
	}
	var keys, verified, others, foreign, mismatched int
	for _, c := range certs {
		issuers := bySKI[string(c.AuthorityKeyId)]
		require.NotEmpty(t, issuers, "serial %x: issuer not in the bundle", c.SerialNumber)
		if s := parseSigned(t, c.Raw); !isDSTU(s.Algorithm.OID) {
			ok := false
			for _, issuer := range issuers {
				ok = ok || issuer.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
			}
			require.True(t, ok, "serial %x", c.SerialNumber)
			others++
		} else {
			ok := false
			for _, issuer := range issuers {
				key, err := ParsePKIXPublicKey(issuer.RawSubjectPublicKeyInfo)
				require.NoError(t, err)
				digest := hashFor(t, s.Algorithm.OID, key, s.TBS.FullBytes)
				if Verify(key, digest, s.Signature.Bytes) {
					ok = true
					digest[0] ^= 1
					require.False(t, Verify(key, digest, s.Signature.Bytes))
					break
				}
			}
			if ok {
				verified++
			} else {
				mismatched++
			}
		}
		var spki struct {
			Algorithm struct {
				OID    asn1.ObjectIdentifier
				Params asn1.RawValue `asn1:"optional"`
			}
			Key asn1.BitString
		}
		_, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki)
		require.NoError(t, err)
		if !spki.Algorithm.OID.Equal(OIDSignatureGOST34311LE) && !spki.Algorithm.OID.Equal(OIDSignatureGOST34311BE) {
			continue
		}
		key, err := ParsePKIXPublicKey(c.RawSubjectPublicKeyInfo)
		require.NoError(t, err, "serial %x", c.SerialNumber)
		keys++
		if !key.SBox().Equal(gost34311.DefaultSBox()) {
			foreign++
		}
		der, err := key.MarshalPKIX()
		require.NoError(t, err)
		require.Equal(t, c.RawSubjectPublicKeyInfo, der)
		require.True(t, bytes.HasSuffix(der, key.KeyIdentifierInput()))
		id := gost34311.Sum256(key.KeyIdentifierInput())
		id2 := kupyna.Sum256(key.KeyIdentifierInput())
		if len(c.SubjectKeyId) == 32 && !bytes.Equal(c.SubjectKeyId, id[:]) && !bytes.Equal(c.SubjectKeyId, id2[:]) {
			t.Logf("serial %x: key identifier is neither GOST 34.311 nor Kupyna-256 of the key", c.SerialNumber)
		}
	}
	t.Logf("keys %d, signatures valid %d, keys with a foreign S-box %d, other algorithms %d", keys, verified, foreign, others)
	require.Zero(t, mismatched)
	require.Equal(t, 480, verified)
	require.Equal(t, 771, verified+others)
}

// TestCorpusCRL checks the lists whose issuer the corpus holds.
func TestCorpusCRL(t *testing.T) {
	dir := corpus(t)
	for list, issuer := range map[string]string{
		"cryptonite__CZO-Full.crl":                                                                 "certs/jkurwa__CZOROOT.cer",
		"cryptonite__pkiExample_DSTU4145_M257_PB_full.crl":                                         "ocsp-crl-tsp/cryptonite__pkiExample_DSTU4145_M257_PB_root_certificate.cer",
		"UAPKI__BED5083160DBC59BCDDF707C10293F58BB6ED263C6EA5893D3781B61F493BE57-delta-0ABEA7.crl": "certs/UAPKI__diia-CA-05E19E2CD92EA2990100000001000000E1000000.cer",
	} {
		t.Run(list, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "ocsp-crl-tsp", list))
			require.NoError(t, err)
			s := parseSigned(t, b)
			cert, err := os.ReadFile(filepath.Join(dir, issuer))
			require.NoError(t, err)
			key, err := ParsePKIXPublicKey(certificateKey(t, cert))
			require.NoError(t, err)
			digest := hashFor(t, s.Algorithm.OID, key, s.TBS.FullBytes)
			require.True(t, Verify(key, digest, s.Signature.Bytes))
			digest[31] ^= 0x80
			require.False(t, Verify(key, digest, s.Signature.Bytes))
		})
	}
}

// certificateKey returns the SubjectPublicKeyInfo of a certificate, also of one
// that crypto/x509 refuses.
func certificateKey(t *testing.T, b []byte) []byte {
	t.Helper()
	s := parseSigned(t, b)
	rest := s.TBS.Bytes
	for i := 0; ; i++ {
		var v asn1.RawValue
		var err error
		rest, err = asn1.Unmarshal(rest, &v)
		require.NoError(t, err)
		if i == 6 {
			return v.FullBytes
		}
	}
}
