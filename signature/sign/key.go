// Package sign produces CAdES signatures with DSTU 4145, ECDSA and RSA keys:
// the system's electronic seal, the signers of the sandbox and the fixtures of
// tests. Time-stamps and revocation data come through functions the caller
// injects; the package does no network.
//
// It refuses digests that are no longer relied upon and keys that do not
// belong to the certificate.
package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"mist/signature/algo"
	"mist/signature/dstu4145"
	"mist/signature/internal/ber"
	"mist/signature/keystore"
)

// Key is a private key that signs. The zero value is unusable.
type Key struct {
	dstu   *dstu4145.PrivateKey
	std    crypto.Signer
	digest algo.Digest
}

// Kinds of key that GenerateKey makes.
const (
	KindDSTU257 = "DSTU4145-M257"
	KindDSTU431 = "DSTU4145-M431"
	KindP256    = "ECDSA-P256"
	KindP384    = "ECDSA-P384"
	KindRSA2048 = "RSA-2048"
	KindRSA3072 = "RSA-3072"
)

// GenerateKey makes a key of one of the kinds.
func GenerateKey(kind string, random io.Reader) (*Key, error) {
	var k *Key
	var err error
	switch kind {
	case KindDSTU257, KindDSTU431:
		c := dstu4145.M257()
		if kind == KindDSTU431 {
			c = dstu4145.M431()
		}
		var p *dstu4145.PrivateKey
		if p, err = dstu4145.GenerateKey(c, random); err == nil {
			k = &Key{dstu: p, digest: algo.GOST34311}
		}
	case KindP256, KindP384:
		c := elliptic.P256()
		if kind == KindP384 {
			c = elliptic.P384()
		}
		var p *ecdsa.PrivateKey
		if p, err = ecdsa.GenerateKey(c, random); err == nil {
			k, err = fromStd(p)
		}
	case KindRSA2048, KindRSA3072:
		bits := 2048
		if kind == KindRSA3072 {
			bits = 3072
		}
		var p *rsa.PrivateKey
		if p, err = rsa.GenerateKey(random, bits); err == nil {
			k, err = fromStd(p)
		}
	default:
		return nil, fmt.Errorf("unknown kind of key %q", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("generating a %s key: %w", kind, err)
	}
	return k, nil
}

func fromStd(s crypto.Signer) (*Key, error) {
	switch p := s.(type) {
	case *ecdsa.PrivateKey:
		d := algo.SHA256
		switch p.Curve.Params().BitSize {
		case 256:
		case 384:
			d = algo.SHA384
		case 521:
			d = algo.SHA512
		default:
			return nil, fmt.Errorf("curve %s: %w", p.Curve.Params().Name, algo.ErrUnsupported)
		}
		return &Key{std: p, digest: d}, nil
	case *rsa.PrivateKey:
		if p.N.BitLen() < 2048 {
			return nil, fmt.Errorf("RSA key of %d bits is too short to sign with", p.N.BitLen())
		}
		return &Key{std: p, digest: algo.SHA256}, nil
	}
	return nil, fmt.Errorf("private key: %w", algo.ErrUnsupported)
}

// ParseKey reads an unencrypted PKCS #8 key, PEM or DER (also SEC 1 and
// PKCS #1 in PEM).
func ParseKey(b []byte) (*Key, error) {
	for rest := b; ; {
		block, more := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = more
		switch block.Type {
		case "PRIVATE KEY":
			return parsePKCS8(block.Bytes)
		case "EC PRIVATE KEY":
			p, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("reading private key: %w", err)
			}
			return fromStd(p)
		case "RSA PRIVATE KEY":
			p, err := x509.ParsePKCS1PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("reading private key: %w", err)
			}
			return fromStd(p)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted; a password is needed")
		}
	}
	if bytes.Contains(b, []byte("-----BEGIN")) {
		return nil, errors.New("no private key in the PEM file")
	}
	return parsePKCS8(b)
}

// OpenContainer opens a key container (package keystore) with its password and
// returns the keys this package can sign with and the certificates beside
// them, DER. A container of Ukrainian authorities often holds two keys, one of
// them for key agreement: Key.Fits tells which one a certificate is about.
func OpenContainer(b []byte, password string) (keys []*Key, certificates [][]byte, err error) {
	c, err := keystore.Open(b, password)
	if err != nil {
		return nil, nil, err
	}
	var first error
	for _, k := range c.Keys {
		key, err := parsePKCS8(k.PKCS8)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, nil, first
	}
	return keys, c.Certificates, nil
}

func parsePKCS8(der []byte) (*Key, error) {
	if p, err := dstu4145.ParsePKCS8PrivateKey(der); err == nil {
		return &Key{dstu: p, digest: algo.GOST34311}, nil
	} else if bytes.Contains(der[:min(len(der), 40)], []byte{0x2a, 0x86, 0x24, 0x02, 0x01, 0x01, 0x01, 0x01, 0x03}) {
		return nil, fmt.Errorf("reading DSTU 4145 private key: %w", err)
	}
	p, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	s, ok := p.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key: %w", algo.ErrUnsupported)
	}
	return fromStd(s)
}

// MarshalPKCS8 returns the unencrypted PKCS #8 form.
func (k *Key) MarshalPKCS8() ([]byte, error) {
	if k.dstu != nil {
		return k.dstu.MarshalPKCS8()
	}
	return x509.MarshalPKCS8PrivateKey(k.std)
}

// PEM is MarshalPKCS8 in PEM.
func (k *Key) PEM() ([]byte, error) {
	der, err := k.MarshalPKCS8()
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// WithDigest returns the key signing with another digest: Kupyna for DSTU
// keys, SHA-2 and SHA-3 for others.
func (k *Key) WithDigest(d algo.Digest) (*Key, error) {
	c := *k
	c.digest = d
	if _, ok := schemeOIDs[c.encryption()+"-"+string(d)]; !ok {
		return nil, fmt.Errorf("%s with %s: %w", c.encryption(), d, algo.ErrUnsupported)
	}
	return &c, nil
}

func (k *Key) encryption() string {
	switch {
	case k.dstu != nil:
		return algo.DSTU4145
	default:
		if _, ok := k.std.(*rsa.PrivateKey); ok {
			return algo.RSA
		}
		return algo.ECDSA
	}
}

// Digest the key signs with.
func (k *Key) Digest() algo.Digest { return k.digest }

// PublicKey returns the DER SubjectPublicKeyInfo.
func (k *Key) PublicKey() ([]byte, error) {
	if k.dstu != nil {
		return k.dstu.PublicKey().MarshalPKIX()
	}
	return x509.MarshalPKIXPublicKey(k.std.Public())
}

// KeyID is the subject key identifier: GOST 34.311 over the point for DSTU
// keys (requirements to formats of Ukrainian certificates), SHA-1 over the
// key bits otherwise (RFC 5280, 4.2.1.2).
func (k *Key) KeyID() ([]byte, error) {
	if k.dstu != nil {
		return algo.GOST34311.Sum(k.dstu.PublicKey().KeyIdentifierInput()), nil
	}
	spki, err := k.PublicKey()
	if err != nil {
		return nil, err
	}
	e, err := ber.One(spki)
	if err != nil {
		return nil, err
	}
	c := e.Children()
	if _, err := c.Next(); err != nil {
		return nil, err
	}
	b, err := c.Next()
	if err != nil {
		return nil, err
	}
	bits, err := b.Bits()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(bits)
	return sum[:], nil
}

var schemeOIDs = map[string]string{
	"RSA-SHA256": "1.2.840.113549.1.1.11", "RSA-SHA384": "1.2.840.113549.1.1.12", "RSA-SHA512": "1.2.840.113549.1.1.13",
	"ECDSA-SHA256": "1.2.840.10045.4.3.2", "ECDSA-SHA384": "1.2.840.10045.4.3.3", "ECDSA-SHA512": "1.2.840.10045.4.3.4",
	"ECDSA-SHA3-256":     "2.16.840.1.101.3.4.3.10",
	"DSTU4145-GOST34311": algo.UA + ".1.3.1.1",
	"DSTU4145-KUPYNA256": algo.UA + ".1.3.6.1.1",
	"DSTU4145-KUPYNA384": algo.UA + ".1.3.6.2.1",
	"DSTU4145-KUPYNA512": algo.UA + ".1.3.6.3.1",
}

// Algorithm is the DER AlgorithmIdentifier of the key's signatures.
func (k *Key) Algorithm() []byte {
	oid := ber.EncodeOID(schemeOIDs[k.encryption()+"-"+string(k.digest)])
	if k.encryption() == algo.RSA {
		return ber.Seq(oid, ber.EncodeNull())
	}
	return ber.Seq(oid)
}

// DigestAlgorithm is the DER AlgorithmIdentifier of a digest.
func DigestAlgorithm(d algo.Digest) []byte {
	// Absent parameters, as RFC 5754 and Ukrainian practice have it.
	return ber.Seq(ber.EncodeOID(d.OID()))
}

// Sign signs message. The value is what CMS carries: bare r||s for DSTU.
func (k *Key) Sign(random io.Reader, message []byte) ([]byte, error) {
	if k.dstu != nil {
		h := k.digest.New(k.dstu.PublicKey().SBox())
		h.Write(message)
		return dstu4145.Sign(random, k.dstu, h.Sum(nil))
	}
	h := k.digest.New(nil)
	h.Write(message)
	return k.std.Sign(random, h.Sum(nil), stdHash[k.digest])
}

// SignBits signs message for a certificate, CRL or OCSP response, where a
// DSTU value stands inside an OCTET STRING.
func (k *Key) SignBits(random io.Reader, message []byte) ([]byte, error) {
	sig, err := k.Sign(random, message)
	if err == nil && k.dstu != nil {
		sig = ber.EncodeOctets(sig)
	}
	return sig, err
}

var stdHash = map[algo.Digest]crypto.Hash{
	algo.SHA256: crypto.SHA256, algo.SHA384: crypto.SHA384, algo.SHA512: crypto.SHA512, algo.SHA3_256: crypto.SHA3_256,
}
