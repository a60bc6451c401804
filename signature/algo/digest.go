// Package algo names the algorithms of signatures and verifies with them:
// digests, signature schemes and public keys, by object identifier (CMS,
// X.509) and by URI (XML). It decides nothing about strength or dates; the
// dated table the policy judges by is in package signature.
//
// It refuses HMAC, DSA and everything not listed, with ErrUnsupported.
package algo

import (
	"crypto"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	//lint:ignore SA1019 historic signatures use it; the algorithm table ends it in 2014
	"golang.org/x/crypto/ripemd160"

	"mist/signature/gost34311"
	"mist/signature/kupyna"
)

// ErrUnsupported is wrapped by errors about algorithms this package lacks.
var ErrUnsupported = errors.New("algorithm is not supported")

// Digest is the name of a hash function, as facts and policies write it.
type Digest string

const (
	MD5       Digest = "MD5"
	SHA1      Digest = "SHA1"
	RIPEMD160 Digest = "RIPEMD160"
	// SHAKE256 names what Ed448 hashes with; it is no digest of its own here.
	SHAKE256  Digest = "SHAKE256"
	SHA224    Digest = "SHA224"
	SHA256    Digest = "SHA256"
	SHA384    Digest = "SHA384"
	SHA512    Digest = "SHA512"
	SHA3_224  Digest = "SHA3-224"
	SHA3_256  Digest = "SHA3-256"
	SHA3_384  Digest = "SHA3-384"
	SHA3_512  Digest = "SHA3-512"
	GOST34311 Digest = "GOST34311"
	Kupyna256 Digest = "KUPYNA256"
	Kupyna384 Digest = "KUPYNA384"
	Kupyna512 Digest = "KUPYNA512"
)

// UA is the arc of Ukrainian cryptographic identifiers.
const UA = "1.2.804.2.1.1.1"

type digestInfo struct {
	oid  string
	uri  []string // first one is written
	std  crypto.Hash
	make func(*gost34311.SBox) hash.Hash
}

func plain(f func() hash.Hash) func(*gost34311.SBox) hash.Hash {
	return func(*gost34311.SBox) hash.Hash { return f() }
}

var digests = map[Digest]digestInfo{
	MD5:       {"1.2.840.113549.2.5", []string{"http://www.w3.org/2001/04/xmldsig-more#md5"}, crypto.MD5, plain(md5.New)},
	SHA1:      {"1.3.14.3.2.26", []string{"http://www.w3.org/2000/09/xmldsig#sha1"}, crypto.SHA1, plain(sha1.New)},
	RIPEMD160: {"1.3.36.3.2.1", []string{"http://www.w3.org/2001/04/xmlenc#ripemd160"}, crypto.RIPEMD160, plain(ripemd160.New)},
	SHA224:    {"2.16.840.1.101.3.4.2.4", []string{"http://www.w3.org/2001/04/xmldsig-more#sha224"}, crypto.SHA224, plain(sha256.New224)},
	SHA256:    {"2.16.840.1.101.3.4.2.1", []string{"http://www.w3.org/2001/04/xmlenc#sha256"}, crypto.SHA256, plain(sha256.New)},
	SHA384:    {"2.16.840.1.101.3.4.2.2", []string{"http://www.w3.org/2001/04/xmldsig-more#sha384"}, crypto.SHA384, plain(sha512.New384)},
	SHA512:    {"2.16.840.1.101.3.4.2.3", []string{"http://www.w3.org/2001/04/xmlenc#sha512"}, crypto.SHA512, plain(sha512.New)},
	SHA3_224: {"2.16.840.1.101.3.4.2.7", []string{"http://www.w3.org/2007/05/xmldsig-more#sha3-224"}, crypto.SHA3_224,
		plain(func() hash.Hash { return sha3.New224() })},
	SHA3_256: {"2.16.840.1.101.3.4.2.8", []string{"http://www.w3.org/2007/05/xmldsig-more#sha3-256"}, crypto.SHA3_256,
		plain(func() hash.Hash { return sha3.New256() })},
	SHA3_384: {"2.16.840.1.101.3.4.2.9", []string{"http://www.w3.org/2007/05/xmldsig-more#sha3-384"}, crypto.SHA3_384,
		plain(func() hash.Hash { return sha3.New384() })},
	SHA3_512: {"2.16.840.1.101.3.4.2.10", []string{"http://www.w3.org/2007/05/xmldsig-more#sha3-512"}, crypto.SHA3_512,
		plain(func() hash.Hash { return sha3.New512() })},
	GOST34311: {UA + ".1.2.1", []string{
		"http://www.w3.org/2001/04/xmlenc#gost34311",
		"http://www.w3.org/2001/04/xmldsig-more#gost34311",
		"urn:oid:" + UA + ".1.2.1",
	}, 0, newGOST},
	Kupyna256: {UA + ".1.2.2.1", []string{
		"http://www.w3.org/2001/04/xmlenc#dstu7564-256",
		"http://www.w3.org/2001/04/xmldsig-more#kupyna256",
		"http://www.w3.org/2001/04/xmlenc#kupyna256",
		"urn:oid:" + UA + ".1.2.2.1",
	}, 0, plain(kupyna.New256)},
	Kupyna384: {UA + ".1.2.2.2", []string{
		"http://www.w3.org/2001/04/xmlenc#dstu7564-384",
		"urn:oid:" + UA + ".1.2.2.2",
	}, 0, plain(kupyna.New384)},
	Kupyna512: {UA + ".1.2.2.3", []string{
		"http://www.w3.org/2001/04/xmlenc#dstu7564-512",
		"urn:oid:" + UA + ".1.2.2.3",
	}, 0, plain(kupyna.New512)},
}

func newGOST(s *gost34311.SBox) hash.Hash {
	if s == nil {
		return gost34311.New()
	}
	return gost34311.NewSBox(s)
}

var (
	digestByOID = map[string]Digest{}
	digestByURI = map[string]Digest{}
)

func init() {
	for d, i := range digests {
		digestByOID[i.oid] = d
		for _, u := range i.uri {
			digestByURI[u] = d
		}
	}
}

// DigestByOID finds a digest. Some signers write a signature algorithm where
// a digest belongs (sha256WithRSAEncryption in digestAlgorithm); they are not
// understood here.
func DigestByOID(oid string) (Digest, error) {
	if d, ok := digestByOID[oid]; ok {
		return d, nil
	}
	return "", fmt.Errorf("digest %s: %w", oid, ErrUnsupported)
}

// DigestByURI finds a digest by its whole URI.
func DigestByURI(uri string) (Digest, error) {
	if d, ok := digestByURI[uri]; ok {
		return d, nil
	}
	return "", fmt.Errorf("digest %q: %w", uri, ErrUnsupported)
}

// OID of the digest.
func (d Digest) OID() string { return digests[d].oid }

// URI of the digest as this program writes it.
func (d Digest) URI() string {
	if u := digests[d].uri; len(u) > 0 {
		return u[0]
	}
	return ""
}

// Known says whether the digest can be computed.
func (d Digest) Known() bool { _, ok := digests[d]; return ok }

// New starts a computation. The S-box matters to GOST 34.311 only; nil means
// DKE 1. It panics for an unknown digest: callers have names from this
// package's look-ups.
func (d Digest) New(sbox *gost34311.SBox) hash.Hash {
	i, ok := digests[d]
	if !ok {
		panic("algo: unknown digest " + string(d))
	}
	return i.make(sbox)
}

// Sum of b with the default parameters.
func (d Digest) Sum(b []byte) []byte {
	h := d.New(nil)
	h.Write(b)
	return h.Sum(nil)
}
