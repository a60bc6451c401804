package evidence

import "mist/signature"

// Words of the verdicts, the same on the auditors' pages and from mist-verify:
// whoever compares the two must find one sentence, not two.

// ProvenWords say that an entry stands in the log; l is uk or en.
func ProvenWords(l string) string {
	if l == "en" {
		return "Proven: this entry stands in the log that was signed and cosigned."
	}
	return "Доведено: цей запис стоїть у журналі, який підписано й засвідчено."
}

// SignatureWords say how the signature of an act was judged; l is uk or en.
func SignatureWords(i signature.Indication, l string) string {
	words := map[signature.Indication][2]string{
		signature.TotalPassed: {"Підпис чинний", "Signature valid"}, signature.TotalFailed: {"Підпис недійсний", "Signature not valid"},
	}
	w, known := words[i]
	if !known {
		w = [2]string{"Підпис не підтверджено", "Signature not confirmed"}
	}
	if l == "en" {
		return w[1]
	}
	return w[0]
}
