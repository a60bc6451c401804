// Package facts holds what was found in a signed document, as data: digests,
// the outcome of each cryptographic operation, certificates, revocation data,
// time-stamps and signed attributes. Facts contain no judgement. The readers
// (cades, xades, asic) and the verifier write them, signature.Judge reads
// them, and they survive a trip through JSON unchanged, so that an act can be
// judged again years later without the network (EN 319 102-1, 5.1.4.1 keeps
// the same split between validation data and validation policy).
//
// Times are UTC, truncated to seconds. Binary values are base64 in JSON.
package facts

import "time"

// Version of the fact model; a reader of stored facts refuses others.
const Version = 1

// Formats of signed documents.
const (
	FormatCAdES = "CAdES"
	FormatXAdES = "XAdES"
	FormatASiCS = "ASiC-S"
	FormatASiCE = "ASiC-E"
)

// Facts is everything known about one document before judgement.
type Facts struct {
	Version       int           `json:"version"`
	Document      Document      `json:"document"`
	Container     *Container    `json:"container,omitempty"`
	Signatures    []Signature   `json:"signatures"`
	Timestamps    []Timestamp   `json:"timestamps"`
	Certificates  []Certificate `json:"certificates"`
	Revocations   []Revocation  `json:"revocations"`
	UnsignedParts []string      `json:"unsignedParts"`
	Problems      []Problem     `json:"problems,omitempty"` // of the document as a whole
	TrustVersion  string        `json:"trustVersion,omitempty"`
}

// Document names the input that was read.
type Document struct {
	Name   string `json:"name,omitempty"`
	Format string `json:"format"`
	Size   int64  `json:"size"`
	SHA256 []byte `json:"sha256"`
}

// Container describes an ASiC container (EN 319 162-1).
type Container struct {
	Type            string     `json:"type"` // ASiC-S or ASiC-E
	MimetypePresent bool       `json:"mimetypePresent"`
	Mimetype        string     `json:"mimetype,omitempty"`
	MimetypeFirst   bool       `json:"mimetypeFirst"`
	ZipComment      string     `json:"zipComment,omitempty"`
	ContentFiles    []string   `json:"contentFiles"`
	Manifests       []Manifest `json:"manifests,omitempty"`
}

// Manifest is one ASiCManifest or OpenDocument manifest file.
type Manifest struct {
	Name          string   `json:"name"`
	SignatureName string   `json:"signatureName,omitempty"`
	Entries       []string `json:"entries"`
}

// Problem is a structural finding. A reader reports problems, it does not
// decide what they cost; Judge maps them by Code and the policy.
type Problem struct {
	Code   ProblemCode `json:"code"`
	Detail string      `json:"detail,omitempty"` // English, no personal data, no content
}

// ProblemCode is a stable machine word for a structural finding.
type ProblemCode string

const (
	// Format problems: Judge answers TOTAL-FAILED / FORMAT_FAILURE.
	ProblemAmbiguous          ProblemCode = "AMBIGUOUS_STRUCTURE"    // two readings are possible
	ProblemDuplicateID        ProblemCode = "DUPLICATE_ID"           // XML ids, manifests, zip names
	ProblemDuplicateSigner    ProblemCode = "DUPLICATE_SIGNER"       // same SignerInfo twice
	ProblemDuplicateAttribute ProblemCode = "DUPLICATE_ATTRIBUTE"    // a signed attribute occurs twice
	ProblemContentType        ProblemCode = "CONTENT_TYPE_MISMATCH"  // content-type attribute absent or different
	ProblemContentDiffers     ProblemCode = "CONTENT_DIFFERS"        // embedded and supplied content differ
	ProblemMalformed          ProblemCode = "MALFORMED"              // not the syntax the standard demands
	ProblemTrailingData       ProblemCode = "TRAILING_DATA"          // bytes after the structure
	ProblemContainer          ProblemCode = "CONTAINER_RULE"         // EN 319 162-1 rule broken
	ProblemNoReference        ProblemCode = "NO_REFERENCE"           // signature covers no data object
	ProblemCanonicalization   ProblemCode = "CANONICALIZATION_ERROR" // c14n failed or gave nothing
	ProblemWrongTarget        ProblemCode = "WRONG_TARGET"           // QualifyingProperties of another signature

	// Refusals of something the verifier does not process:
	// INDETERMINATE / SIG_CONSTRAINTS_FAILURE with the code as reason.
	ProblemAlgorithmUnsupported ProblemCode = "ALGORITHM_UNSUPPORTED"
	ProblemTransformRefused     ProblemCode = "TRANSFORM_REFUSED"
	ProblemReferenceRefused     ProblemCode = "REFERENCE_REFUSED" // xpointer, external URI that may not be read
	ProblemManifestRefused      ProblemCode = "MANIFEST_REFUSED"
	ProblemKeyRefused           ProblemCode = "KEY_REFUSED" // HMAC, RetrievalMethod, bare KeyValue
	ProblemLimit                ProblemCode = "LIMIT_EXCEEDED"

	// Signed attribute rules: INDETERMINATE / SIG_CONSTRAINTS_FAILURE.
	ProblemNoSignedAttributes  ProblemCode = "NO_SIGNED_ATTRIBUTES"
	ProblemNoSignedProperties  ProblemCode = "NO_SIGNED_PROPERTIES"
	ProblemCertificateRefs     ProblemCode = "CERTIFICATE_REFERENCES_DISAGREE"
	ProblemAlgorithmsDisagree  ProblemCode = "ALGORITHMS_DISAGREE" // digestAlgorithm and signatureAlgorithm
	ProblemSignaturePolicyHash ProblemCode = "SIGNATURE_POLICY_HASH"

	// Remarks: they become warnings.
	RemarkAttributesNotDER    ProblemCode = "SIGNED_ATTRIBUTES_NOT_DER"     // verified as received
	RemarkAttributesReencoded ProblemCode = "SIGNED_ATTRIBUTES_REENCODED"   // verified only after DER re-encoding
	RemarkStructure           ProblemCode = "STRUCTURE"                     // schema-level remark
	RemarkMimetype            ProblemCode = "MIMETYPE"                      // ASiC mimetype missing, not first, compressed …
	RemarkUnknownCritical     ProblemCode = "UNKNOWN_CRITICAL_EXTENSION"    // in a certificate
	RemarkSignatureWrapped    ProblemCode = "SIGNATURE_VALUE_OCTET_WRAPPED" // DSTU value inside an OCTET STRING
)

// Kinds of scope: how much of the named object the signature covers.
const (
	ScopeFull             = "FULL"
	ScopePartial          = "PARTIAL"
	ScopeDigest           = "DIGEST"
	ScopeArchived         = "ARCHIVED"
	ScopeCounterSignature = "COUNTER_SIGNATURE"
)

// Scope names one object that the signature covers.
type Scope struct {
	Kind       string   `json:"kind"`
	Name       string   `json:"name,omitempty"` // file name or reference URI
	MediaType  string   `json:"mediaType,omitempty"`
	Transforms []string `json:"transforms,omitempty"`
	Size       int64    `json:"size"`
	SHA256     []byte   `json:"sha256,omitempty"` // of the exact octets that were hashed
}

// Algorithm is how one token was signed. Names are those of package algo:
// RSA, RSASSA-PSS, ECDSA, DSTU4145 …; SHA256, GOST34311, KUPYNA256 ….
type Algorithm struct {
	Encryption string `json:"encryption"`
	Digest     string `json:"digest"`
	KeyBits    int    `json:"keyBits"`
	Curve      string `json:"curve,omitempty"`
}

// Outcome of one cryptographic operation.
type Outcome string

const (
	OutcomeGood    Outcome = "good"
	OutcomeBad     Outcome = "bad"
	OutcomeUnknown Outcome = "unknown" // could not be computed: no key, no data, algorithm unsupported
)

// Kinds of digest matcher.
const (
	MatchMessageDigest    = "MESSAGE_DIGEST"
	MatchReference        = "REFERENCE"
	MatchSignedProperties = "SIGNED_PROPERTIES"
	MatchManifest         = "MANIFEST"
	MatchManifestEntry    = "MANIFEST_ENTRY"
	MatchObject           = "OBJECT"
	MatchKeyInfo          = "KEY_INFO"
	MatchCounterSigned    = "COUNTER_SIGNED_SIGNATURE_VALUE"
	MatchImprint          = "MESSAGE_IMPRINT"
)

// DigestMatch is one comparison of a signed digest with the data it names.
type DigestMatch struct {
	Kind      string `json:"kind"`
	Name      string `json:"name,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	Found     bool   `json:"found"`
	Intact    bool   `json:"intact"`
	Duplicate bool   `json:"duplicate,omitempty"` // several objects answer to the name
}

// SigningCertificate says how the signer's certificate was identified
// (EN 319 102-1, 5.2.3). Certificate is empty when none was found.
type SigningCertificate struct {
	Certificate       string `json:"certificate,omitempty"` // id
	ReferencePresent  bool   `json:"referencePresent"`      // signed signing-certificate attribute
	References        int    `json:"references"`            // number of such attributes
	DigestPresent     bool   `json:"digestPresent"`
	DigestMatch       bool   `json:"digestMatch"`
	DigestAlgorithm   string `json:"digestAlgorithm,omitempty"`
	IssuerSerialGiven bool   `json:"issuerSerialGiven"`
	IssuerSerialMatch bool   `json:"issuerSerialMatch"`
	SignerInfoMatch   bool   `json:"signerInfoMatch"` // CMS sid names the same certificate
	Ambiguous         bool   `json:"ambiguous,omitempty"`
	ChainRefs         bool   `json:"chainRefs,omitempty"` // references name certificates of the chain too
}

// SignaturePolicy is a signature policy the signer referred to.
type SignaturePolicy struct {
	ID         string `json:"id,omitempty"`
	URL        string `json:"url,omitempty"`
	Implied    bool   `json:"implied,omitempty"`
	Identified bool   `json:"identified"`
	HashMatch  bool   `json:"hashMatch"`
	Error      string `json:"error,omitempty"`
}

// Signature is one signature found in the document, outermost first.
type Signature struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"` // of a counter-signature
	Depth  int    `json:"depth,omitempty"`  // nesting: 0 outermost, 1 the signed content is a signature …
	Name   string `json:"name,omitempty"`   // file in a container
	Format string `json:"format"`           // CAdES or XAdES
	Level  string `json:"level"`            // CAdES-BASELINE-T …; a property of form, not of truth

	Algorithm          Algorithm          `json:"algorithm"`
	SignatureValue     Outcome            `json:"signatureValue"`
	Digests            []DigestMatch      `json:"digests"`
	SigningCertificate SigningCertificate `json:"signingCertificate"`
	Chain              []string           `json:"chain"` // certificate ids, signer first

	ClaimedSigningTime *time.Time       `json:"claimedSigningTime,omitempty"`
	ContentType        string           `json:"contentType,omitempty"` // OID
	ContentHints       string           `json:"contentHints,omitempty"`
	MediaType          string           `json:"mediaType,omitempty"`
	Policy             *SignaturePolicy `json:"policy,omitempty"`
	CommitmentTypes    []string         `json:"commitmentTypes,omitempty"`
	ClaimedRoles       []string         `json:"claimedRoles,omitempty"`
	MessageDigest      bool             `json:"messageDigest"` // message-digest attribute or SignedProperties present
	UnsignedAttributes []string         `json:"unsignedAttributes,omitempty"`

	StructureValid  bool      `json:"structureValid"`
	StructureDetail string    `json:"structureDetail,omitempty"`
	Problems        []Problem `json:"problems,omitempty"`
	Scopes          []Scope   `json:"scopes"`
	Timestamps      []string  `json:"timestamps,omitempty"`   // ids of tokens that belong to it
	Certificates    []string  `json:"certificates,omitempty"` // ids found in it
	Revocations     []string  `json:"revocations,omitempty"`  // ids found in it
	ValueSHA256     []byte    `json:"valueSHA256,omitempty"`  // of the signature value octets
	Value           []byte    `json:"value,omitempty"`        // the octets; ValueSHA256 stands for them in the digest of the facts
}

// Kinds of time-stamp.
const (
	TimestampContent       = "content"
	TimestampSignature     = "signature"
	TimestampValidation    = "validation-data" // refs only, and refs and signature
	TimestampArchive       = "archive"
	TimestampContainer     = "container" // ASiC archive manifest
	TimestampEvidence      = "evidence-record"
	TimestampDocument      = "document"
	ArchiveTypeV2          = "v2"
	ArchiveTypeV3          = "v3"
	ArchiveTypeXAdES       = "xades"
	ArchiveTypeXAdES141    = "xades141"
	ArchiveTypeASiCArchive = "asic"
)

// Timestamp is one RFC 3161 token.
type Timestamp struct {
	ID          string   `json:"id"`
	Signature   string   `json:"signature,omitempty"` // id of the signature it belongs to
	Type        string   `json:"type"`
	ArchiveType string   `json:"archiveType,omitempty"`
	Covers      []string `json:"covers,omitempty"` // ids of the objects it proves to have existed

	Time           time.Time          `json:"time"`
	Imprint        DigestMatch        `json:"imprint"`
	MoreDigests    []DigestMatch      `json:"moreDigests,omitempty"` // container files, evidence record objects
	Algorithm      Algorithm          `json:"algorithm"`
	SignatureValue Outcome            `json:"signatureValue"`
	Signer         SigningCertificate `json:"signer"`
	Chain          []string           `json:"chain"`
	TSAName        string             `json:"tsaName,omitempty"`
	TSANameMatch   *bool              `json:"tsaNameMatch,omitempty"`
	HashIndexValid *bool              `json:"hashIndexValid,omitempty"` // ats-hash-index of an archive v3 token
	Policy         string             `json:"policy,omitempty"`
	Serial         string             `json:"serial,omitempty"`
	Problems       []Problem          `json:"problems,omitempty"`
	Token          []byte             `json:"token,omitempty"`
}
