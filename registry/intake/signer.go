package intake

import (
	"mist/registry"
	"mist/signature"
)

// CheckSigner compares the identifier in the signer's certificate with the
// party's (domain notes 2.5) under the rule of most acts.
func CheckSigner(signer signature.Signer, partyTaxID string) error {
	return MatchDRFO.Compare(signer, Signatory{TaxID: partyTaxID}, "one-signature-of-the-author")
}

// judgementError turns a judgement other than TOTAL-PASSED into the refusal.
func judgementError(reportID registry.ID, cause error) error {
	e := &registry.Error{Code: registry.CodeSignatureInvalid, ReportID: reportID.String(), Err: cause, Detail: "The signature was not accepted"}
	np, ok := signature.AsNotPassed(cause)
	if !ok {
		if known := registry.AsError(cause); known.Code != registry.CodeInternal {
			known.ReportID = e.ReportID
			return known
		}
		return cause
	}
	e.Reason = string(np.SubIndication)
	if e.Reason == "" {
		e.Reason = np.Reason
	}
	switch {
	case np.Indication == signature.NoSignatureFound:
		e.Code, e.Reason = registry.CodeMalformed, "no_signature"
		e.Detail = "the document carries no signature"
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
