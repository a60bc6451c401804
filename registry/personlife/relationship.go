package personlife

import (
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Scopes about who speaks for whom, and about ways of confirming.
const (
	ScopeRelationshipRead   = "confidant_person_relationship:read"
	ScopeRelationshipVerify = "confidant_person_relationship:verify"
	ScopeResetMethods       = "person:reset_authentication_method"
)

// Relationships lists who speaks for a person, to the NHSU and to a legal
// entity the person has a declaration with. To others there is nobody.
func (s *Service) Relationships(ctx context.Context, c registry.Caller, person registry.ID) ([]patient.Relationship, error) {
	if err := c.Require(ScopeRelationshipRead); err != nil {
		return nil, err
	}
	basis := "declaration"
	if c.Allows(ScopeHistory) {
		basis = "statute"
	}
	var list []patient.Relationship
	var refusal error
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		refusal = nil
		p, err := tx.Person(ctx, person)
		known := err == nil && p.Version > 0
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
		allowed := basis == "statute"
		if known && !allowed && !c.LegalEntityID.IsZero() {
			if allowed, err = tx.Declared(ctx, person, c.LegalEntityID); err != nil {
				return err
			}
		}
		e := audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person}
		if !known || !allowed {
			refusal = registry.Errorf(registry.CodeNotFound, "not found")
			e.Kind, e.Code = audit.DisclosureRefused, string(registry.CodeNotFound)
			_, err := tx.Audit(ctx, e)
			return err
		}
		if list, err = tx.RelationshipsShown(ctx, person); err != nil {
			return err
		}
		e.Fields, e.LegalBasis = []string{"person.confidant_person_relationships"}, &audit.LegalBasis{Code: basis}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil {
		err = refusal
	}
	return list, err
}

// VerifyRelationship is the NHSU's word on a relationship: VERIFIED or
// NOT_VERIFIED, with a comment.
func (s *Service) VerifyRelationship(ctx context.Context, c registry.Caller, id registry.ID, status, comment string) (r patient.Relationship, err error) {
	if err := c.Require(ScopeRelationshipVerify); err != nil {
		return r, err
	}
	fields := checkReason("$.comment", comment)
	if status != patient.Verified && status != patient.NotVerified {
		fields = append(fields, registry.FieldError{Entry: "$.verification_status", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{patient.NotVerified, patient.Verified}})
	}
	if len(fields) > 0 {
		return r, registry.Invalid(fields...)
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if r, err = tx.Relationship(ctx, id); err != nil {
			return err
		}
		if err := tx.LockPerson(ctx, r.PersonID); err != nil {
			return err
		}
		if !r.IsActive {
			return registry.Errorf(registry.CodeConflict, "Relationship is not active").WithReason("relationship_ended")
		}
		r.VerificationStatus, r.VerificationReason, r.Comment, r.UpdatedAt = status, patient.ReasonManual, comment, s.source.Now()
		if err := tx.PutRelationship(ctx, r); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{
			Kind: "relationship.verified", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: r.PersonID,
			Object: &audit.ObjectRef{Type: "relationship", ID: r.ID.String()}, LegalBasis: &audit.LegalBasis{Code: "statute"}, Code: status,
		})
		return err
	})
	return r, err
}

// ResetMethods ends every way by which a person confirms: a phone was lost.
// Whoever brings the person's documents to a clinic then adds another.
func (s *Service) ResetMethods(ctx context.Context, c registry.Caller, id registry.ID, note string) (patient.Person, error) {
	if err := c.Require(ScopeResetMethods); err != nil {
		return patient.Person{}, err
	}
	if fields := checkReason("$.reason_description", note); fields != nil {
		return patient.Person{}, registry.Invalid(fields...)
	}
	var p patient.Person
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if err := tx.LockPerson(ctx, id); err != nil {
			return err
		}
		if p, err = tx.Person(ctx, id); err != nil {
			return err
		}
		switch {
		case p.Version == 0:
			return registry.Errorf(registry.CodeNotFound, "not found")
		case p.Status != patient.StatusActive:
			return registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
		}
		now := s.source.Now()
		for i := range p.AuthenticationMethods {
			if !p.AuthenticationMethods[i].Ended() {
				p.AuthenticationMethods[i].EndedAt = now
			}
		}
		p.Version, p.UpdatedAt = p.Version+1, now
		if err := tx.PutPerson(ctx, p); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{
			Kind: "person.method_reset", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id, LegalBasis: &audit.LegalBasis{Code: "statute"},
		})
		return err
	})
	return p, err
}
