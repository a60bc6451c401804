package signature

import (
	"fmt"
	"strings"

	"mist/signature/facts"
)

// awaitingSuffix marks the policy of a result of [Result.AwaitingStatus].
const awaitingSuffix = "+awaiting-status"

// statusRules demand that revocation data be there and recent. What the data
// say (NotRevoked, NotOnHold) is not among them.
var statusRules = []string{"RevocationDataAvailable", "AcceptableRevocationDataFound", "RevocationFreshness", "OnlineStatus"}

// withoutStatus is the policy without those rules, under a name of its own.
func (p Policy) withoutStatus() Policy {
	loose := p
	loose.ID += awaitingSuffix
	loose.Rules = make(map[string]map[string]Rule, len(p.Rules))
	for context, rules := range p.Rules {
		copied := make(map[string]Rule, len(rules))
		for key, rule := range rules {
			copied[key] = rule
		}
		if strings.HasSuffix(context, subSigner) || strings.HasSuffix(context, subCA) {
			for _, key := range statusRules {
				delete(copied, key) // an absent rule is ignored
			}
		}
		loose.Rules[context] = copied
	}
	loose.digest = digestJSON(loose)
	return loose
}

// AwaitingStatus tells whether a signature is sound in everything but the
// status of its certificates, which could not be had: OCSP is dark, no list is
// recent. It answers with a second result: the same facts at the same time
// under the same policy without its demand for that status, TOTAL-PASSED. The
// policy's id in it ends in "+awaiting-status".
//
// It is nil when the first result is not INDETERMINATE, when anything else is
// wrong, and when any answer that is there says something but good.
// A document may be kept on its word, and nothing may take effect.
func (r *Result) AwaitingStatus() (*Result, error) {
	if r.Indication != Indeterminate || r.table == nil {
		return nil, nil
	}
	for i := range r.Facts.Certificates {
		for _, info := range r.Facts.Certificates[i].Revocation {
			if info.Status != facts.StatusGood {
				return nil, nil
			}
		}
	}
	report, err := JudgeWith(r.Facts, r.policy.withoutStatus(), r.table, r.Report.Time)
	if err != nil {
		return nil, fmt.Errorf("judging without the status: %w", err)
	}
	if report.Indication != TotalPassed {
		return nil, nil
	}
	return newResult(r.ID, r.Facts, report, r.octets), nil
}
