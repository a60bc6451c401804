package signature

import (
	"errors"

	"mist/signature/asic"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// refused turns a reader's refusal of a recognised format into facts: one
// signature that could not be read, with the reason. A document that is not
// conformant enough to process is TOTAL-FAILED / FORMAT_FAILURE (EN 319 102-1,
// 5.2.2), which is a verdict and not an error.
func refused(format string, err error) *facts.Reading {
	var p facts.Problem
	var container *asic.Refusal
	var syntax *xmldom.SyntaxError
	var message *cms.ParseError
	switch {
	case errors.As(err, &container):
		p = container.Problem
	case errors.As(err, &syntax):
		p = facts.Problem{Code: facts.ProblemMalformed, Detail: err.Error()}
	case errors.As(err, &message):
		p = facts.Problem{Code: facts.ProblemMalformed, Detail: err.Error()}
	default:
		return nil
	}
	if !formatProblems[p.Code] {
		p = facts.Problem{Code: facts.ProblemContainer, Detail: string(p.Code) + " " + p.Detail}
	}
	return &facts.Reading{
		Format: format,
		Signatures: []facts.Signature{{
			ID: "S-REFUSED", Format: format, SignatureValue: facts.OutcomeUnknown, Digests: []facts.DigestMatch{},
			Chain: []string{}, Scopes: []facts.Scope{}, Problems: []facts.Problem{p},
		}},
		Octets: map[string][]facts.Octets{},
	}
}
