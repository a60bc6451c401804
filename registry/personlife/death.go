package personlife

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Scopes of taking a record out of use and of reading what it was before.
const (
	ScopeDeactivate = "person:deactivate"
	ScopeHistory    = "person:read_nhs"
)

// Reasons of a record out of use; they are also the reasons its declaration ended.
const (
	ReasonDeath  = "death"
	ReasonManual = "manual_deactivation"
)

// Deactivation is an order to take a record out of use.
type Deactivation struct {
	Reason    string        // death, manual_deactivation
	DeathDate registry.Date // with death
	Note      string        // kept by the caller's own papers; here it is only demanded
}

var firstDeath = registry.Date{Year: 1900, Month: time.January, Day: 1}

// Validate holds an order against its rules (domain notes 1.1: death_date lies
// between 1900-01-01 and today).
func (d Deactivation) Validate(today registry.Date) error {
	fields := checkReason("$.reason_description", d.Note)
	switch {
	case d.Reason != ReasonDeath && d.Reason != ReasonManual:
		fields = append(fields, registry.FieldError{Entry: "$.reason", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{ReasonDeath, ReasonManual}})
	case d.Reason == ReasonDeath && d.DeathDate.IsZero():
		fields = append(fields, registry.FieldError{Entry: "$.death_date", Rule: "required", Description: "required property death_date was not present"})
	case d.Reason == ReasonDeath && (d.DeathDate.Before(firstDeath) || today.Before(d.DeathDate)):
		fields = append(fields, registry.FieldError{Entry: "$.death_date", Rule: "invalid", Description: "expected a day from 1900-01-01 to today"})
	case d.Reason == ReasonManual && !d.DeathDate.IsZero():
		fields = append(fields, registry.FieldError{Entry: "$.death_date", Rule: "exclusion", Description: "only death has a death_date"})
	}
	if len(fields) > 0 {
		return registry.Invalid(fields...)
	}
	return nil
}

// Deactivate takes a record out of use: the declaration ends, relationships in
// which the person speaks or is spoken for end. It is the operation behind the
// match of a death register too; the same order again changes nothing.
func (s *Service) Deactivate(ctx context.Context, c registry.Caller, id registry.ID, d Deactivation) (patient.Person, error) {
	if err := c.Require(ScopeDeactivate); err != nil {
		return patient.Person{}, err
	}
	if err := d.Validate(registry.DateOf(s.source.Now())); err != nil {
		return patient.Person{}, err
	}
	var p patient.Person
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		p, err = s.deactivate(ctx, tx, c, id, d)
		return err
	})
	if err != nil {
		return patient.Person{}, err
	}
	return p, nil
}

func (s *Service) deactivate(ctx context.Context, tx Tx, c registry.Caller, id registry.ID, d Deactivation) (p patient.Person, err error) {
	now := s.source.Now()
	if err := tx.LockPerson(ctx, id); err != nil {
		return p, err
	}
	if p, err = tx.Person(ctx, id); err != nil {
		return p, err
	}
	done, err := mayDeactivate(p, d)
	if err != nil {
		return p, err
	}
	if done { // nothing changes, and the record is told
		_, err = tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id,
			LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Reason: d.Reason})
		return p, err
	}
	active, found, err := tx.ActiveDeclaration(ctx, id)
	if err != nil {
		return p, err
	}
	if found {
		if err := endDeclaration(ctx, tx, c, active, d.Reason); err != nil {
			return p, err
		}
	}
	if err := endRelationships(ctx, tx, c, id, now); err != nil {
		return p, err
	}
	p.Status, p.StatusReason, p.DeathDate, p.UpdatedAt = patient.StatusInactive, d.Reason, d.DeathDate, now
	if err := tx.SetPersonState(ctx, p); err != nil {
		return p, err
	}
	_, err = tx.Audit(ctx, audit.Entry{
		Kind: "person.deactivated", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id,
		LegalBasis: &audit.LegalBasis{Code: "statute"}, Reason: d.Reason,
	})
	return p, err
}

// mayDeactivate says whether there is anything to do.
func mayDeactivate(p patient.Person, d Deactivation) (done bool, err error) {
	switch {
	case p.Version == 0:
		return false, registry.Errorf(registry.CodeNotFound, "not found")
	case p.Status == patient.StatusActive && !p.DeathDate.IsZero() && d.Reason != ReasonDeath:
		return false, registry.Errorf(registry.CodeConflict, "person has a day of death").WithReason("person_status")
	case p.Status == patient.StatusActive:
		return false, nil
	case p.StatusReason == d.Reason && p.DeathDate == d.DeathDate:
		return true, nil
	}
	return false, registry.Errorf(registry.CodeConflict, "person is not active").WithReason("person_status")
}

func endRelationships(ctx context.Context, tx Tx, c registry.Caller, id registry.ID, now time.Time) error {
	of, err := tx.RelationshipsOf(ctx, id)
	if err != nil {
		return err
	}
	by, err := tx.RelationshipsFor(ctx, id)
	if err != nil {
		return err
	}
	for _, r := range append(of, by...) {
		r.IsActive, r.UpdatedAt = false, now
		if err := tx.PutRelationship(ctx, r); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{
			Kind: "relationship.ended", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: r.PersonID,
			Object: &audit.ObjectRef{Type: "relationship", ID: r.ID.String()}, LegalBasis: &audit.LegalBasis{Code: "statute"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Line is one step of a record's history: what it was until a time, without
// the values; Changed names the members that the next step changed.
type Line struct {
	Version            int
	Status             patient.Status
	StatusReason       string
	VerificationStatus string
	MasterID           registry.ID
	From               time.Time
	Until              time.Time // zero: as it stands
	Changed            []string
}

// History tells how a record came to be what it is, newest first. Values of
// earlier versions are not told, only which members changed.
func (s *Service) History(ctx context.Context, c registry.Caller, id registry.ID) ([]Line, error) {
	if err := c.Require(ScopeHistory); err != nil {
		return nil, err
	}
	var lines []Line
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return err
		}
		if p.Version == 0 {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		versions, err := tx.PersonVersions(ctx, id)
		if err != nil {
			return err
		}
		lines = history(p, versions)
		_, err = tx.Audit(ctx, audit.Entry{
			Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id,
			LegalBasis: &audit.LegalBasis{Code: "statute"}, Fields: []string{"person.history"},
		})
		return err
	})
	return lines, err
}

func history(p patient.Person, earlier []patient.Version) []Line {
	line := func(p patient.Person, until time.Time) Line {
		return Line{Version: p.Version, Status: p.Status, StatusReason: p.StatusReason, VerificationStatus: p.VerificationStatus, MasterID: p.MasterID, From: p.UpdatedAt, Until: until}
	}
	lines := []Line{line(p, time.Time{})}
	next := p
	for _, v := range earlier {
		lines[len(lines)-1].Changed = patient.Changed(v.Person, next)
		lines = append(lines, line(v.Person, v.EndedAt))
		next = v.Person
	}
	return lines
}
