package patient

import (
	"context"
	"slices"
	"time"

	"mist/registry"
)

// Relationship says that one person of the index speaks for another: a parent
// for a child, a guardian for a ward (ЕСОЗ 1.4).
type Relationship struct {
	ID                 registry.ID
	PersonID           registry.ID
	ConfidantPersonID  registry.ID
	IsActive           bool
	ActiveTo           registry.Date // last day; zero: without an end
	VerificationStatus string
	VerificationReason string
	Comment            string     // of whoever verified it
	Documents          []Document // documents_relationship
	InsertedAt         time.Time
	UpdatedAt          time.Time
}

// Verification states and reasons of a relationship.
const (
	Verified              = "VERIFIED"
	NotVerified           = "NOT_VERIFIED"
	VerificationNeeded    = "VERIFICATION_NEEDED"
	VerificationNotNeeded = "VERIFICATION_NOT_NEEDED"

	ReasonOnlineTriggered = "ONLINE_TRIGGERED"
	ReasonCreatedByDoctor = "MANUAL_CREATED_BY_DOCTOR"
	ReasonManual          = "MANUAL"
)

// InForce reports whether the relationship stands on a day.
func (r Relationship) InForce(on registry.Date) bool {
	return r.IsActive && (r.ActiveTo.IsZero() || !r.ActiveTo.Before(on))
}

// Approved is the check of a clinic's channel: VERIFIED, or made by a doctor
// and not verified yet.
func (r Relationship) Approved(on registry.Date) error {
	switch {
	case !r.InForce(on):
		return registry.Errorf(registry.CodeConflict, "Relationship is not found").WithReason("relationship_absent")
	case r.VerificationStatus == Verified, r.VerificationStatus == VerificationNeeded && r.VerificationReason == ReasonCreatedByDoctor:
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "Relationship is not approved yet").WithReason("relationship_not_approved")
}

// ApprovedStrictly is the check of the citizens' channels (PIS, Diia): VERIFIED alone.
func (r Relationship) ApprovedStrictly(on registry.Date) error {
	if r.InForce(on) && r.VerificationStatus == Verified {
		return nil
	}
	return registry.Errorf(registry.CodeConflict, "Can't confirm relationship").WithReason("relationship_not_verified")
}

// legalCapacityDocuments give full capacity before the age for it: marriage,
// own work, a court's decision (PIS_PERSON_LEGAL_CAPACITY_DOCUMENT_TYPES).
var legalCapacityDocuments = []string{"LEGAL_CAPACITY_DOCUMENT", "MARRIAGE_CERTIFICATE", "COURT_DECISION_LEGAL_CAPACITY"}

// HasLegalCapacity reports whether the person holds a document of full legal capacity.
func (p *Person) HasLegalCapacity() bool {
	return slices.ContainsFunc(p.Documents, func(d Document) bool { return slices.Contains(legalCapacityDocuments, d.Type) })
}

// MayActAlone is the rule of the citizens' channels about who acts for
// themselves (ЕСОЗ 1.3): nobody below the age of registration; between it and
// full capacity only with a document of capacity; nobody for whom an approved
// confidant speaks.
func (t Terms) MayActAlone(p Person, confidants []Relationship, today registry.Date) error {
	refused := registry.Errorf(registry.CodeConflict, "Request must be authorized by confidant person").WithReason("confidant_needed")
	age := p.BirthDate.YearsAt(today)
	switch {
	case age < t.RegistrationAge:
		return refused
	case age < t.CapacityAge:
		if !p.HasLegalCapacity() {
			return refused
		}
		return nil
	}
	for _, r := range confidants {
		if r.Approved(today) == nil {
			return refused
		}
	}
	return nil
}

// NewRelationship is a relationship a clinic brings in. A minor's ends at the
// latest on the day before full legal capacity.
func (t Terms) NewRelationship(id registry.ID, ward Person, confidant registry.ID, documents []Document, activeTo registry.Date, now time.Time) Relationship {
	r := Relationship{
		ID: id, PersonID: ward.ID, ConfidantPersonID: confidant, IsActive: true, ActiveTo: activeTo, Documents: documents,
		VerificationStatus: VerificationNeeded, VerificationReason: ReasonCreatedByDoctor, InsertedAt: now, UpdatedAt: now,
	}
	if slices.ContainsFunc(documents, func(d Document) bool { return d.Type == "BIRTH_CERTIFICATE" }) {
		r.VerificationReason = ReasonOnlineTriggered
	}
	if last := ward.BirthDate.AddDate(t.CapacityAge, 0, 0).AddDate(0, 0, -1); ward.BirthDate.YearsAt(registry.DateOf(now)) < t.CapacityAge &&
		(r.ActiveTo.IsZero() || last.Before(r.ActiveTo)) {
		r.ActiveTo = last
	}
	return r
}

// RelationshipChecks are the records a new relationship is held against.
type RelationshipChecks struct {
	Confidant   Person
	OfConfidant []Relationship // those that speak for the confidant
	OfWard      []Relationship // those that speak for the ward already
}

// MayRelate holds the rules of a new relationship (ЕСОЗ 1.4).
func (t Terms) MayRelate(ward Person, c RelationshipChecks, today registry.Date) error {
	const at = "$.confidant_person_relationship.confidant_person_id"
	broken := func(text string) error {
		return registry.Invalid(registry.FieldError{Entry: at, Rule: "invalid", Description: text})
	}
	inForce := func(r Relationship) bool { return r.InForce(today) }
	switch {
	case c.Confidant.ID == ward.ID:
		return broken("Person can not be confidant for themselves")
	case c.Confidant.Version == 0 || c.Confidant.Status != StatusActive:
		return broken("Confidant person is not found")
	case c.Confidant.VerificationStatus == NotVerified:
		return registry.Errorf(registry.CodeConflict, "Confidant person not found or is not verified").WithReason("confidant_not_verified")
	case c.Confidant.BirthDate.YearsAt(today) < t.ConfidantAge:
		return broken("Incorrect person age for such an action")
	case slices.ContainsFunc(c.OfConfidant, inForce):
		return broken("Patient who has confidant person can not be used as confidant for other patients")
	case slices.ContainsFunc(c.OfWard, func(r Relationship) bool { return r.IsActive && r.ConfidantPersonID == c.Confidant.ID }):
		return broken("Relationship between confidant patient and related patient already exists")
	case ward.BirthDate.YearsAt(today) < t.CapacityAge && ward.HasLegalCapacity():
		return broken("Confidant is not allowed for a person of full legal capacity")
	}
	return nil
}

// RelateTx is what changing relationships needs of a transaction.
type RelateTx interface {
	Person(ctx context.Context, id registry.ID) (Person, error)
	// RelationshipsOf lists active relationships that speak for a person,
	// RelationshipsFor those in which the person speaks for others.
	RelationshipsOf(ctx context.Context, person registry.ID) ([]Relationship, error)
	RelationshipsFor(ctx context.Context, confidant registry.ID) ([]Relationship, error)
	PutRelationship(ctx context.Context, r Relationship) error
}

// ReadRelationshipChecks reads what [Terms.MayRelate] judges by.
func ReadRelationshipChecks(ctx context.Context, tx RelateTx, ward, confidant registry.ID) (c RelationshipChecks, err error) {
	if c.Confidant, err = tx.Person(ctx, confidant); err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return c, err
	}
	if c.OfConfidant, err = tx.RelationshipsOf(ctx, confidant); err != nil {
		return c, err
	}
	c.OfWard, err = tx.RelationshipsOf(ctx, ward)
	return c, err
}
