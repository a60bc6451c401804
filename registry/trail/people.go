package trail

import (
	"context"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/facts"
)

// PeopleShown is the entry of whoever had the people of an entry named; the
// citizen it is about sees it, with its reason, in the access log.
const PeopleShown audit.Kind = "disclosure.unmasked"

// minReason is how short a reason may be, in letters.
const minReason = 10

// People are the humans behind an entry.
type People struct {
	// Signer is what the certificate says, nil where nobody signed.
	Signer *facts.Identity
	// Subject is the patient's record; zero where the entry is about nobody, or
	// the link was wiped.
	Subject     registry.ID
	SubjectName string
	Reason      string
}

// ShowPeople names who signed and who an entry is about. It needs a reason in
// words, which stands in the log and is told to the citizen.
func (s *Service) ShowPeople(ctx context.Context, c registry.Caller, id registry.ID, reason string) (p People, err error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < minReason || n > 500 {
		return p, registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "length", Description: "say in 10 to 500 letters what the names are needed for"})
	}
	if registry.MayHoldIdentifier(reason) {
		return p, registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "invalid", Description: "a reason stands in the log: name a case, not a person's number"})
	}
	if err := c.Require(Scope); err != nil {
		return p, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p = People{Reason: reason}
		r, err := tx.Record(ctx, id)
		if err != nil {
			return err
		}
		if p.Subject, err = tx.SubjectOf(ctx, r.ID); err != nil {
			return err
		}
		if !p.Subject.IsZero() {
			if p.SubjectName, err = tx.NameOfPerson(ctx, p.Subject); err != nil {
				return err
			}
		}
		if r.Act != nil && r.Report != nil {
			j, found, err := tx.Judgement(ctx, r.Act.Container, r.Report.Digest)
			if err != nil {
				return err
			}
			if signer := j.Signer(); found && signer != nil {
				p.Signer = &signer.Identity
			}
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: PeopleShown, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: p.Subject, Fields: []string{"person"},
			LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Purpose: reason}, Object: &audit.ObjectRef{Type: "audit_entry", ID: r.ID.String()}})
		return err
	})
	return p, err
}
