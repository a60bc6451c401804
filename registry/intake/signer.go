package intake

import (
	"strings"

	"mist/registry"
	"mist/signature"
)

// checkSigner compares the identifier in the signer's certificate with the
// party's (domain notes 2.5). The refusal shows both masked, with the field of
// the certificate it was read from and the rule applied.
func checkSigner(signer signature.Signer, partyTaxID string) error {
	if signer.RNOKPP == "" {
		return &registry.Error{Code: registry.CodeSignatureInvalid, Reason: "signer_without_identifier",
			Detail: "The signer's certificate carries no РНОКПП or document number"}
	}
	if !sameIdentifier(signer.RNOKPP, partyTaxID) {
		return &registry.Error{Code: registry.CodeSignatureInvalid, Reason: "signer_mismatch",
			Detail: "Does not match the signer drfo: the certificate names " + registry.Mask(signer.RNOKPP) + " (" + signer.RNOKPPSource +
				"), the employee's party " + registry.Mask(partyTaxID) + " (tax_id); compared without spaces, Latin and Cyrillic look-alikes equal"}
	}
	return nil
}

// lookalike maps Cyrillic capitals to the Latin ones that print the same: the
// series of a passport stands in certificates in either alphabet
// (ehealth.api issues 324, 345).
var lookalike = strings.NewReplacer(
	" ", "", "А", "A", "В", "B", "С", "C", "Е", "E", "Н", "H", "І", "I", "К", "K", "М", "M", "О", "O", "Р", "P", "Т", "T", "Х", "X",
)

func sameIdentifier(certificate, party string) bool {
	a, b := lookalike.Replace(strings.ToUpper(certificate)), lookalike.Replace(strings.ToUpper(party))
	return a != "" && a == b
}

// judgementError turns a judgement other than TOTAL-PASSED into the refusal.
func judgementError(reportID registry.ID, cause error) error {
	e := &registry.Error{Code: registry.CodeSignatureInvalid, ReportID: reportID.String(), Err: cause, Detail: "The signature was not accepted"}
	np, ok := signature.AsNotPassed(cause)
	if !ok {
		return cause
	}
	e.Reason = string(np.SubIndication)
	if e.Reason == "" {
		e.Reason = np.Reason
	}
	switch {
	case np.Indication == signature.NoSignatureFound:
		e.Code, e.Reason = registry.CodeMalformed, "no_signature"
		e.Detail = "document must contain 1 signature and 0 stamps but contains 0 signatures"
	case np.Reason == signature.ReasonSeveralSignatures:
		e.Code = registry.CodeMalformed
		e.Detail = "document must contain 1 signature and 0 stamps but contains more"
	case np.Indication == signature.Indeterminate:
		e.Code = registry.CodeSignatureIndeterminate
		e.Detail += ": " + string(np.Indication) + " / " + string(np.SubIndication)
	default:
		e.Detail += ": " + string(np.Indication) + " / " + string(np.SubIndication)
	}
	if np.Reason != "" && np.Reason != e.Reason {
		e.Detail += " (" + np.Reason + ")"
	}
	return e
}

// verifierError sorts what the verifier could not judge: unreadable bytes are
// the caller's, everything else is ours.
func verifierError(err error) error {
	if signature.IsUnreadable(err) {
		return registry.Errorf(registry.CodeMalformed, "not a readable signed container").WithReason("container_unreadable").WithCause(err)
	}
	return registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; send it again").WithCause(err)
}
