package signature

// Indication is the main status of a validation, EN 319 102-1, 5.1.3. It has
// three answers and no conversion to bool: INDETERMINATE is not "almost
// valid". Code that acts on a signature goes through MustBePassed.
type Indication string

// Main indications. NoSignatureFound is technical, as in DSS.
const (
	TotalPassed      Indication = "TOTAL-PASSED"
	TotalFailed      Indication = "TOTAL-FAILED"
	Indeterminate    Indication = "INDETERMINATE"
	NoSignatureFound Indication = "NO_SIGNATURE_FOUND"

	// Of building blocks and time-stamps.
	Passed Indication = "PASSED"
	Failed Indication = "FAILED"
)

// URI is the identifier of EN 319 102-1, table 5; NoSignatureFound has none.
func (i Indication) URI() string {
	switch i {
	case TotalPassed:
		return "urn:etsi:019102:mainindication:total-passed"
	case TotalFailed:
		return "urn:etsi:019102:mainindication:total-failed"
	case Indeterminate:
		return "urn:etsi:019102:mainindication:indeterminate"
	case Passed:
		return "urn:etsi:019102:mainindication:passed"
	case Failed:
		return "urn:etsi:019102:mainindication:failed"
	}
	return ""
}

// SubIndication is the reason class of a status that is not passed.
type SubIndication string

// Sub-indications of EN 319 102-1, table 6.
const (
	FormatFailure    SubIndication = "FORMAT_FAILURE"
	HashFailure      SubIndication = "HASH_FAILURE"
	SigCryptoFailure SubIndication = "SIG_CRYPTO_FAILURE"
	Revoked          SubIndication = "REVOKED"
	Expired          SubIndication = "EXPIRED"
	NotYetValid      SubIndication = "NOT_YET_VALID"

	SigConstraintsFailure          SubIndication = "SIG_CONSTRAINTS_FAILURE"
	ChainConstraintsFailure        SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	CertificateChainGeneralFailure SubIndication = "CERTIFICATE_CHAIN_GENERAL_FAILURE"
	CryptoConstraintsFailure       SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	CryptoConstraintsFailureNoPOE  SubIndication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
	PolicyProcessingError          SubIndication = "POLICY_PROCESSING_ERROR"
	SignaturePolicyNotAvailable    SubIndication = "SIGNATURE_POLICY_NOT_AVAILABLE"
	TimestampOrderFailure          SubIndication = "TIMESTAMP_ORDER_FAILURE"
	NoSigningCertificateFound      SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	NoCertificateChainFound        SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	NoCertificateChainFoundNoPOE   SubIndication = "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
	RevokedNoPOE                   SubIndication = "REVOKED_NO_POE"
	RevokedCANoPOE                 SubIndication = "REVOKED_CA_NO_POE"
	OutOfBoundsNotRevoked          SubIndication = "OUT_OF_BOUNDS_NOT_REVOKED"
	OutOfBoundsNoPOE               SubIndication = "OUT_OF_BOUNDS_NO_POE"
	RevocationOutOfBoundsNoPOE     SubIndication = "REVOCATION_OUT_OF_BOUNDS_NO_POE"
	NoPOE                          SubIndication = "NO_POE"
	TryLater                       SubIndication = "TRY_LATER"
	SignedDataNotFound             SubIndication = "SIGNED_DATA_NOT_FOUND"
)

// SubIndications lists all of them, TOTAL-FAILED ones first.
func SubIndications() []SubIndication {
	return []SubIndication{
		FormatFailure, HashFailure, SigCryptoFailure, Revoked, Expired, NotYetValid,
		SigConstraintsFailure, ChainConstraintsFailure, CertificateChainGeneralFailure,
		CryptoConstraintsFailure, CryptoConstraintsFailureNoPOE, PolicyProcessingError,
		SignaturePolicyNotAvailable, TimestampOrderFailure, NoSigningCertificateFound,
		NoCertificateChainFound, NoCertificateChainFoundNoPOE, RevokedNoPOE, RevokedCANoPOE,
		OutOfBoundsNotRevoked, OutOfBoundsNoPOE, RevocationOutOfBoundsNoPOE, NoPOE, TryLater,
		SignedDataNotFound,
	}
}

// URI is the identifier of EN 319 102-1, table 6 (the strings DSS writes).
func (s SubIndication) URI() string {
	if s == "" {
		return ""
	}
	return "urn:etsi:019102:subindication:" + string(s)
}

// Retryable says whether more data (revocation, a trusted list, the content,
// a proof of existence) could turn the answer into another one. An act whose
// signature has such an answer is kept as pending, never accepted.
func (s SubIndication) Retryable() bool {
	switch s {
	case CertificateChainGeneralFailure, CryptoConstraintsFailureNoPOE, PolicyProcessingError,
		SignaturePolicyNotAvailable, NoSigningCertificateFound, NoCertificateChainFound,
		NoCertificateChainFoundNoPOE, RevokedNoPOE, RevokedCANoPOE, OutOfBoundsNotRevoked,
		OutOfBoundsNoPOE, RevocationOutOfBoundsNoPOE, NoPOE, TryLater, SignedDataNotFound:
		return true
	}
	return false
}
