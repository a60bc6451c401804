// Package extend lifts signatures to higher levels so that they outlive their
// certificates: T, LT and LTA of CAdES, XAdES and ASiC (EN 319 122-1, 132-1,
// 162-1). It verifies before, between and after: only what passes is lifted, and
// only what passes when lifted is handed out. It changes nothing that was signed.
package extend

import (
	"context"
	"errors"
	"fmt"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// Levels that a signature can be lifted to.
const (
	LevelT   = "T"
	LevelLT  = "LT"
	LevelLTA = "LTA"
)

// ErrNoRevocationData says that level LT is out of reach: nothing is at hand
// that says that the certificates were not revoked.
var ErrNoRevocationData = errors.New("no revocation data is at hand")

// NotPassedError is returned for a document that does not pass, before lifting
// or after.
type NotPassedError struct{ Result *signature.Result }

func (e *NotPassedError) Error() string {
	if len(e.Result.Signatures) == 0 {
		return "there is no signature in it"
	}
	for _, s := range e.Result.Signatures {
		if s.Indication != signature.TotalPassed {
			return fmt.Sprintf("the signature is %s %s (%s); only one that passes is extended", s.Indication, s.SubIndication, s.Reason)
		}
	}
	return fmt.Sprintf("the document is %s; only one that passes is extended", e.Result.Indication)
}

// Extender lifts documents under one policy.
type Extender struct {
	Verifier *signature.Verifier
	Policy   signature.Policy
	Lift     sign.Lift
}

// To lifts every signature of a document to a level, and returns it with the
// verdict on it. A signature that has the level gets what it lacks for keeping it:
// asked for LTA again, a further archive time-stamp over the earlier ones and
// what proves them. Errors: *NotPassedError, ErrNoRevocationData, an
// *signature.UnreadableError, and those of the time-stamping authority.
func (e Extender) To(ctx context.Context, level string, document []byte, content map[string]facts.Source) ([]byte, *signature.Result, error) {
	if level != LevelT && level != LevelLT && level != LevelLTA {
		return nil, nil, fmt.Errorf("extending a signature: no level %q", level)
	}
	plain, err := signature.Unwrap(facts.Bytes(document))
	if err != nil {
		return nil, nil, fmt.Errorf("extending a signature: %w", err)
	}
	if document, err = facts.ReadAll(plain, facts.DefaultLimits.Document); err != nil {
		return nil, nil, fmt.Errorf("extending a signature: %w", err)
	}
	if _, err = e.check(ctx, document, content); err != nil {
		return nil, nil, err
	}
	if document, err = e.Lift.Stamp(ctx, document, content); err != nil {
		return nil, nil, err
	}
	r, err := e.check(ctx, document, content)
	if err != nil || level == LevelT {
		return document, r, err
	}
	var m sign.Material
	m.Certificates, m.CRLs, m.OCSPs = signature.Material(r.Facts)
	if len(m.CRLs)+len(m.OCSPs) == 0 {
		return nil, nil, ErrNoRevocationData
	}
	if document, err = e.Lift.Material(ctx, document, m); err != nil {
		return nil, nil, err
	}
	if level == LevelLTA {
		if document, err = e.Lift.Archive(ctx, document, content); err != nil {
			return nil, nil, err
		}
	}
	if r, err = e.check(ctx, document, content); err != nil {
		return nil, nil, err
	}
	return document, r, nil
}

func (e Extender) check(ctx context.Context, document []byte, content map[string]facts.Source) (*signature.Result, error) {
	r, err := e.Verifier.Verify(ctx, signature.Input{Document: facts.Bytes(document), Content: content}, e.Policy)
	if err != nil {
		return nil, err
	}
	if r.Indication != signature.TotalPassed {
		return nil, &NotPassedError{r}
	}
	return r, nil
}
