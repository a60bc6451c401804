// Package dstu4145 implements the digital signature of DSTU 4145-2002 on the
// ten standard curves in polynomial basis, M163 … M431.
//
// It reads and writes the keys of Ukrainian certificates
// (SubjectPublicKeyInfo) and PKCS#8 private keys, verifies and signs digests.
// The digest comes from the caller: GOST 34.311 with the S-box that
// PublicKey.SBox returns, or Kupyna, as the signature algorithm says.
//
// Refused: curves that are not in the standard table, even when their
// parameters are given in full; points outside the subgroup of prime order;
// encodings that are not DER. Optimal normal bases are not supported.
//
// Signing and key generation take time independent of the secrets.
// Verification works on public values and does not.
package dstu4145

import "encoding/asn1"

// Object identifiers of the arc 1.2.804.2.1.1.1.1. The signature identifiers
// with GOST 34.311 also name the key in a SubjectPublicKeyInfo, whatever hash
// the signature uses.
var (
	// OIDSignatureGOST34311LE is DSTU 4145 with GOST 34.311, polynomial basis,
	// little-endian encodings.
	OIDSignatureGOST34311LE = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 1, 1}
	// OIDSignatureGOST34311BE is the same with big-endian encodings.
	OIDSignatureGOST34311BE = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 1, 1, 1, 1}
	// OIDSignatureKupyna256 is DSTU 4145 with Kupyna-256, polynomial basis.
	OIDSignatureKupyna256 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 1, 1}
	// OIDSignatureKupyna384 is DSTU 4145 with Kupyna-384, polynomial basis.
	OIDSignatureKupyna384 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 2, 1}
	// OIDSignatureKupyna512 is DSTU 4145 with Kupyna-512, polynomial basis.
	OIDSignatureKupyna512 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 3, 1}
	// OIDSignatureKupyna256Parent, …384Parent and …512Parent stand in some
	// documents in place of the identifiers above.
	OIDSignatureKupyna256Parent = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 1}
	OIDSignatureKupyna384Parent = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 2}
	OIDSignatureKupyna512Parent = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 3, 6, 3}

	// OIDDigestGOST34311 is GOST 34.311-95.
	OIDDigestGOST34311 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 2, 1}
	// OIDDigestKupyna256, OIDDigestKupyna384 and OIDDigestKupyna512 are the
	// variants of DSTU 7564:2014.
	OIDDigestKupyna256 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 2, 2, 1}
	OIDDigestKupyna384 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 2, 2, 2}
	OIDDigestKupyna512 = asn1.ObjectIdentifier{1, 2, 804, 2, 1, 1, 1, 1, 2, 2, 3}
)
