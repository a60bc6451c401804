// Package evidence keeps what an act was judged by, judges it again, and makes
// of it a package that proves an act to somebody who has nothing of ours but
// the log's public key.
//
// A package (ASiC-E with CAdES, EN 319 162-1) holds the exact bytes of the
// entry, the proof that it stands in the log (C2SP tlog-proof), the facts, the
// report and the rules of the judgement, the certificates and revocation data,
// and by right the signed document. Verify believes nothing in it: each part is
// led back to the entry, and the entry to the checkpoint signed by the log.
//
// The service tells what it exports in the log first. It refuses documents to
// who may only read the log.
package evidence

import (
	"errors"
	"fmt"

	"mist/signature"
	"mist/signature/facts"
)

// Kept is what is kept of a judgement, read back (intake.OpenEvidence): from the
// facts it is judged again offline, years later, to the same digest.
type Kept struct {
	Report *signature.Report `json:"report"`
	Facts  *facts.Facts      `json:"facts"`
}

// Rules are the rules of one judgement, as they were kept when they came into
// force: a program of later years need not bring them along.
type Rules struct {
	Policy     []byte // signature.Policy.Form
	Algorithms []byte // signature.AlgorithmTable.Form
}

// ErrOtherRules tells that the rules given are not those the report names.
var ErrOtherRules = errors.New("the rules are not those the report was made by")

// MismatchError tells that a judgement made again is another one.
type MismatchError struct{ Want, Have string }

// Error gives both digests.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("judged again the report is %s, recorded was %s", e.Have, e.Want)
}

// Rejudge judges the kept facts again, at the time of the report and by its
// rules, and compares the outcome with the digest that the log recorded.
//
// Errors: ErrOtherRules, *MismatchError.
func Rejudge(k Kept, r Rules, recorded string) (*signature.Report, error) {
	p, err := signature.RestorePolicy(r.Policy)
	if err != nil {
		return nil, err
	}
	table, err := signature.ParseAlgorithms(r.Algorithms)
	if err != nil {
		return nil, err
	}
	if p.Ref() != k.Report.Policy || table.Version != k.Report.Algorithms {
		return nil, ErrOtherRules
	}
	again, err := signature.JudgeWith(k.Facts, p, table, k.Report.Time)
	if err != nil {
		return nil, fmt.Errorf("judging kept facts: %w", err)
	}
	if have := again.Digest(); have != recorded {
		return nil, &MismatchError{Want: recorded, Have: have}
	}
	return again, nil
}
