package facts

import "time"

// Purposes a trust anchor may be trusted for.
const (
	PurposeSigner = "signer"
	PurposeTSA    = "tsa"
	PurposeOCSP   = "ocsp"
)

// Trust says why and when a certificate is a trust anchor.
type Trust struct {
	Source   string     `json:"source"` // folder, bundle, or list territory and sequence number
	Purposes []string   `json:"purposes"`
	From     *time.Time `json:"from,omitempty"`
	Until    *time.Time `json:"until,omitempty"` // sunset: trusted only for proofs before it
	Service  string     `json:"service,omitempty"`
	Type     string     `json:"type,omitempty"`   // service type URI
	Status   string     `json:"status,omitempty"` // service status URI
}

// Identity is what a certificate says about its subject.
// RNOKPP, EDRPOU and UNZR are read from every place Ukrainian issuers use:
// subjectDirectoryAttributes, subject serialNumber (TINUA-…),
// organizationIdentifier (NTRUA-…) and the UNZR attribute.
type Identity struct {
	CommonName   string `json:"commonName,omitempty"`
	Surname      string `json:"surname,omitempty"`
	GivenName    string `json:"givenName,omitempty"`
	Title        string `json:"title,omitempty"`
	Organization string `json:"organization,omitempty"`
	Unit         string `json:"unit,omitempty"`
	Country      string `json:"country,omitempty"`
	Region       string `json:"region,omitempty"`
	Locality     string `json:"locality,omitempty"`
	Email        string `json:"email,omitempty"`
	Pseudonym    string `json:"pseudonym,omitempty"`
	SerialNumber string `json:"serialNumber,omitempty"` // subject serialNumber as written
	RNOKPP       string `json:"rnokpp,omitempty"`
	RNOKPPForm   string `json:"rnokppForm,omitempty"`   // tax-id, national-id, passport
	RNOKPPSource string `json:"rnokppSource,omitempty"` // where it stood
	EDRPOU       string `json:"edrpou,omitempty"`
	EDRPOUSource string `json:"edrpouSource,omitempty"`
	UNZR         string `json:"unzr,omitempty"`
}

// Certificate is one certificate and what the verifier found out about it.
type Certificate struct {
	ID        string     `json:"id"`
	DER       []byte     `json:"der,omitempty"`
	Subject   string     `json:"subject"` // RFC 4514
	Issuer    string     `json:"issuer"`
	Serial    string     `json:"serial"` // decimal
	NotBefore time.Time  `json:"notBefore"`
	NotAfter  time.Time  `json:"notAfter"`
	Key       Algorithm  `json:"key"`       // Encryption, KeyBits, Curve
	Algorithm Algorithm  `json:"algorithm"` // how the issuer signed it; KeyBits of the issuer's key
	Signature Outcome    `json:"signature"` // checked with the issuer's key
	IssuerID  string     `json:"issuerId,omitempty"`
	Chain     []string   `json:"chain,omitempty"` // issuer first
	SelfSign  bool       `json:"selfSigned,omitempty"`
	Identity  Identity   `json:"identity"`
	Trusted   []Trust    `json:"trusted,omitempty"`
	Ext       Extensions `json:"extensions"`

	IssuerNameMatch bool              `json:"issuerNameMatch"` // issuer field equals the issuer's subject
	Revocation      []CertificateInfo `json:"revocation,omitempty"`
	Origins         []string          `json:"origins,omitempty"` // signed-data, store, ocsp-response, fetched …
}

// Extensions of a certificate that the policy looks at.
type Extensions struct {
	BasicConstraints    bool     `json:"basicConstraints,omitempty"`
	CA                  bool     `json:"ca,omitempty"`
	PathLen             *int     `json:"pathLen,omitempty"`
	KeyUsagePresent     bool     `json:"keyUsagePresent,omitempty"`
	KeyUsage            []string `json:"keyUsage,omitempty"`    // digitalSignature, nonRepudiation, keyCertSign …
	ExtKeyUsage         []string `json:"extKeyUsage,omitempty"` // OIDs
	ExtKeyUsageCritical bool     `json:"extKeyUsageCritical,omitempty"`
	SubjectKeyID        []byte   `json:"subjectKeyId,omitempty"`
	AuthorityKeyID      []byte   `json:"authorityKeyId,omitempty"`
	Policies            []string `json:"policies,omitempty"`
	OCSP                []string `json:"ocsp,omitempty"`
	CAIssuers           []string `json:"caIssuers,omitempty"`
	CRL                 []string `json:"crl,omitempty"`
	FreshestCRL         []string `json:"freshestCrl,omitempty"`
	OCSPNoCheck         bool     `json:"ocspNoCheck,omitempty"`
	NoRevAvail          bool     `json:"noRevAvail,omitempty"`
	ShortTerm           bool     `json:"shortTerm,omitempty"` // 0.4.0.194121.2.1 validity assured
	NameConstraints     bool     `json:"nameConstraints,omitempty"`
	NameConstraintsOK   bool     `json:"nameConstraintsOk,omitempty"` // the subjects below satisfy them
	RequireExplicit     *int     `json:"requireExplicit,omitempty"`
	PolicyTreeOK        *bool    `json:"policyTreeOk,omitempty"`
	Critical            []string `json:"critical,omitempty"` // OIDs of critical extensions
	All                 []string `json:"all,omitempty"`      // OIDs of all extensions
	QC                  QC       `json:"qc"`
}

// QC holds the qualified certificate statements (EN 319 412-5) and their
// Ukrainian predecessors.
type QC struct {
	Compliance bool     `json:"compliance,omitempty"` // 0.4.0.1862.1.1
	UA         bool     `json:"ua,omitempty"`         // 1.2.804.2.1.1.1.2.1
	SSCD       bool     `json:"sscd,omitempty"`       // private key in a qualified device
	Types      []string `json:"types,omitempty"`      // esign, eseal, web
	Countries  []string `json:"countries,omitempty"`
	Statements []string `json:"statements,omitempty"` // OIDs
}

// States of a certificate in revocation data.
const (
	StatusGood    = "good"
	StatusRevoked = "revoked"
	StatusUnknown = "unknown"
)

// CertificateInfo is what one revocation object says about one certificate.
type CertificateInfo struct {
	Revocation string     `json:"revocation"` // id
	Status     string     `json:"status"`
	RevokedAt  *time.Time `json:"revokedAt,omitempty"`
	Reason     string     `json:"reason,omitempty"` // RFC 5280 name: keyCompromise, certificateHold …
}

// Revocation is one CRL or OCSP response.
type Revocation struct {
	ID             string     `json:"id"`
	Kind           string     `json:"kind"` // OCSP or CRL
	Origin         string     `json:"origin"`
	Source         string     `json:"source,omitempty"` // URL it was fetched from
	ProducedAt     time.Time  `json:"producedAt"`
	ThisUpdate     *time.Time `json:"thisUpdate,omitempty"`
	NextUpdate     *time.Time `json:"nextUpdate,omitempty"`
	Algorithm      Algorithm  `json:"algorithm"`
	SignatureValue Outcome    `json:"signatureValue"`
	Signer         string     `json:"signer,omitempty"` // certificate id
	Chain          []string   `json:"chain,omitempty"`
	Authorised     bool       `json:"authorised"` // issuer itself, or delegated by it (RFC 6960, 4.2.2.2; RFC 5280, 6.3.3)
	ResponderMatch bool       `json:"responderMatch"`
	Problems       []Problem  `json:"problems,omitempty"`
	ExpiredCerts   *time.Time `json:"expiredCerts,omitempty"` // expiredCertsOnCRL
	ArchiveCutOff  *time.Time `json:"archiveCutOff,omitempty"`
	CertHash       *bool      `json:"certHash,omitempty"` // certHash extension matches, nil when absent
	Base           string     `json:"base,omitempty"`     // id of the complete CRL a delta was combined with
	DER            []byte     `json:"der,omitempty"`
}

// Kinds of revocation data.
const (
	KindOCSP = "OCSP"
	KindCRL  = "CRL"
)

// Origins of certificates and revocation data.
const (
	OriginSignedData  = "signed-data"
	OriginUnsigned    = "unsigned-attribute" // certificate-values, revocation-values
	OriginTimestamp   = "time-stamp"
	OriginOCSP        = "ocsp-response"
	OriginStore       = "store"
	OriginFetched     = "fetched"
	OriginKeyInfo     = "key-info"
	OriginTrustedList = "trusted-list"
)
