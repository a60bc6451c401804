package intake

import (
	"strings"

	"mist/registry"
	"mist/signature"
)

// CheckSigner compares the identifier in the signer's certificate with the
// party's (domain notes 2.5) under the rule of most acts.
func CheckSigner(signer signature.Signer, partyTaxID string) error {
	return MatchDRFO.Compare(signer, Signatory{TaxID: partyTaxID}, "one-signature-of-the-author")
}

// lookalike maps Cyrillic capitals to the Latin ones that print the same: the
// series of a passport stands in certificates in either alphabet
// (ehealth.api issues 324, 345).
var lookalike = strings.NewReplacer(
	"А", "A", "В", "B", "С", "C", "Е", "E", "Н", "H", "І", "I", "К", "K", "М", "M", "О", "O", "Р", "P", "Т", "T", "Х", "X", "У", "Y",
)

// latin is the official transliteration (Cabinet of Ministers, resolution 55 of
// 2010): the other way issuers write a series.
var latin = strings.NewReplacer(
	"А", "A", "Б", "B", "В", "V", "Г", "H", "Ґ", "G", "Д", "D", "Е", "E", "Є", "YE", "Ж", "ZH", "З", "Z", "И", "Y", "І", "I", "Ї", "YI",
	"Й", "Y", "К", "K", "Л", "L", "М", "M", "Н", "N", "О", "O", "П", "P", "Р", "R", "С", "S", "Т", "T", "У", "U", "Ф", "F", "Х", "KH",
	"Ц", "TS", "Ч", "CH", "Ш", "SH", "Щ", "SHCH", "Ю", "YU", "Я", "YA",
)

// SameIdentifier compares identifiers without spaces and case; letters are
// equal when they look alike in the two alphabets, or when one identifier is
// the transliteration of the other. Digits are compared as they are.
func SameIdentifier(certificate, party string) bool {
	plain := func(s string) string { return strings.ToUpper(strings.Join(strings.Fields(s), "")) }
	a, b := plain(certificate), plain(party)
	return a != "" && (lookalike.Replace(a) == lookalike.Replace(b) || latin.Replace(a) == latin.Replace(b))
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
