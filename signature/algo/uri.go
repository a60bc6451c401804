package algo

import "strings"

// SchemeURI names a signature algorithm as reports in XML do: the identifier of
// XML Signature (RFC 9231) where there is one, else urn:oid: of the algorithm
// (RFC 3061); "" for what this package does not know.
func SchemeURI(encryption string, d Digest) string {
	const (
		more  = "http://www.w3.org/2001/04/xmldsig-more#"
		newer = "http://www.w3.org/2007/05/xmldsig-more#"
	)
	name := strings.ToLower(string(d))
	uri := ""
	switch encryption {
	case RSA:
		uri = more + "rsa-" + name
		if d == SHA1 {
			uri = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
		}
	case RSAPSS:
		uri = newer + name + "-rsa-MGF1"
	case ECDSA, PlainECDSA:
		uri = more + "ecdsa-" + name
		switch {
		case d == RIPEMD160:
			uri = newer + "ecdsa-ripemd160"
		case strings.HasPrefix(name, "sha3-"):
			uri = "http://www.w3.org/2021/04/xmldsig-more#ecdsa-" + name
		}
	case EdDSA:
		uri = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
		if d == SHAKE256 {
			uri = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed448"
		}
	case DSTU4145:
		oid := map[Digest]string{GOST34311: ".1.3.1.1", Kupyna256: ".1.3.6.1", Kupyna384: ".1.3.6.2", Kupyna512: ".1.3.6.3"}[d]
		if oid == "" {
			return ""
		}
		return "urn:oid:" + UA + oid
	}
	if _, known := schemeByURI[uri]; !known {
		return ""
	}
	return uri
}
