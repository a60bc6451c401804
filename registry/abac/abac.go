// Package abac decides who may see what of a patient: six rules over the
// attributes of caller and record (domain notes 1.10), any one of which is
// enough, and what stands before and after them. It is generic over records: a
// room describes its own by a [Resource].
//
// It refuses by default, tells which rule decided and on which legal basis, and
// trusts the transaction for the facts.
package abac

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/consent"
)

// Level is what is to be done with a record.
type Level string

// Levels; an approval for writing allows reading too.
const (
	Read  Level = "read"
	Write Level = "write"
)

// Episode is the course of treatment a record belongs to.
type Episode struct {
	ID            registry.ID
	LegalEntityID registry.ID // where it is led
}

// Resource describes one record of a patient.
type Resource struct {
	Type      string // person, encounter, diagnostic_report …
	ID        registry.ID
	PatientID registry.ID
	// LegalEntityID is where the record was created; zero where that gives no right.
	LegalEntityID registry.ID
	Episode       Episode
	// Origin is the episode whose referral a diagnostic report answers.
	Origin Episode
	// HolderID is the legal entity that works on the record: who uses a referral.
	HolderID registry.ID
	// Clinical tells health data from the personal data of a record card.
	Clinical bool
}

// Rule names what decided; the names stand in the audit log.
type Rule string

// Rules that allow, by their numbers in the domain notes, and the others.
const (
	RuleDeclaration     Rule = "1_declaration"      // the doctor has the patient's declaration, in this legal entity
	RuleCreatedHere     Rule = "2_created_here"     // the record was created in the doctor's legal entity
	RuleEpisodeHere     Rule = "3_episode_here"     // its episode is led there
	RuleApprovalPatient Rule = "4_approval_patient" // the patient approved, all records
	RuleApprovalEpisode Rule = "5_approval_episode" // the patient approved, this episode or record
	RuleOriginHere      Rule = "6_origin_here"      // the report answers a referral of an episode led there
	RuleHolder          Rule = "holder"             // the legal entity works on the record, as on a referral the patient brought
	RuleSelf            Rule = "self"               // the citizen themselves
	RuleClinic          Rule = "clinic_declaration" // personal data: the clinic has the patient's declaration
	RuleEmergency       Rule = "emergency"          // break-glass, open now

	RuleNone          Rule = "none"           // no rule allows it
	RuleAdministrator Rule = "administrator"  // an administrator sees no clinical data, whatever the rules say
	RuleNoEmployee    Rule = "no_employee"    // clinical data are shown to a person, not to a system
	RuleOther         Rule = "another_person" // a citizen asks about somebody else
)

// Decision is the answer, with what the audit entry needs.
type Decision struct {
	Allowed bool
	Rule    Rule
	Basis   *audit.LegalBasis // nil when refused
}

// Tx gives the facts. A person may be in the index as several records that were
// merged: what is said of one counts for each.
type Tx interface {
	// SamePerson: the two records are one person today.
	SamePerson(ctx context.Context, a, b registry.ID) (bool, error)
	// Declared: an active or pending declaration of the person with the legal entity.
	Declared(ctx context.Context, person, legalEntity registry.ID) (bool, error)
	// DeclaredTo: an active one, with this party as the doctor.
	DeclaredTo(ctx context.Context, person, party, legalEntity registry.ID) (bool, error)
	// ApprovalsFor gives the person's consents to one of the recipients that are in force.
	ApprovalsFor(ctx context.Context, person registry.ID, recipients []string, now time.Time) ([]consent.Record, error)
	// EmergencyFor gives the open break-glass access of the employee to the person.
	EmergencyFor(ctx context.Context, person, employee registry.ID, now time.Time) (id registry.ID, found bool, err error)
}

// Decide applies the rules in order; the first that allows decides.
func Decide(ctx context.Context, tx Tx, c registry.Caller, r Resource, level Level, now time.Time) (Decision, error) {
	if c.Role == registry.RolePatient {
		self := c.PersonID == r.PatientID
		if !self && !c.PersonID.IsZero() && !r.PatientID.IsZero() {
			var err error
			if self, err = tx.SamePerson(ctx, c.PersonID, r.PatientID); err != nil {
				return Decision{}, err
			}
		}
		if self && !c.PersonID.IsZero() && level == Read {
			return allow(RuleSelf, audit.BasisOwnData), nil
		}
		return Decision{Rule: RuleOther}, nil
	}
	if c.LegalEntityID.IsZero() {
		return Decision{Rule: RuleNone}, nil
	}
	if r.Clinical {
		switch {
		case c.EmployeeID.IsZero():
			return Decision{Rule: RuleNoEmployee}, nil
		case access.Group(c.Role) != access.GroupFamilyDoctor && access.Group(c.Role) != access.GroupSpecialist:
			return Decision{Rule: RuleAdministrator}, nil
		}
	}
	d, err := byDeclaration(ctx, tx, c, r)
	if err != nil || d.Allowed {
		return d, err
	}
	here := c.LegalEntityID
	switch {
	case r.LegalEntityID == here:
		return allow(RuleCreatedHere, audit.BasisStatute), nil
	case r.Episode.LegalEntityID == here:
		return allow(RuleEpisodeHere, audit.BasisStatute), nil
	}
	if d, err = byApproval(ctx, tx, c, r, level, now); err != nil || d.Allowed {
		return d, err
	}
	if r.Type == "diagnostic_report" && r.Origin.LegalEntityID == here {
		return allow(RuleOriginHere, audit.BasisStatute), nil
	}
	if !r.HolderID.IsZero() && r.HolderID == here {
		return allow(RuleHolder, audit.BasisStatute), nil
	}
	if !c.EmployeeID.IsZero() && level == Read {
		id, found, err := tx.EmergencyFor(ctx, r.PatientID, c.EmployeeID, now)
		if err != nil {
			return Decision{}, err
		}
		if found {
			d := allow(RuleEmergency, audit.BasisVitalInterest)
			d.Basis.Purpose = "emergency_access " + id.String()
			return d, nil
		}
	}
	return Decision{Rule: RuleNone}, nil
}

// byDeclaration: clinical data for the doctor of the declaration alone,
// personal data for the clinic.
func byDeclaration(ctx context.Context, tx Tx, c registry.Caller, r Resource) (Decision, error) {
	if !r.Clinical {
		yes, err := tx.Declared(ctx, r.PatientID, c.LegalEntityID)
		if err != nil || !yes {
			return Decision{}, err
		}
		return allow(RuleClinic, audit.BasisDeclaration), nil
	}
	if access.Group(c.Role) != access.GroupFamilyDoctor || c.PartyID.IsZero() {
		return Decision{}, nil
	}
	yes, err := tx.DeclaredTo(ctx, r.PatientID, c.PartyID, c.LegalEntityID)
	if err != nil || !yes {
		return Decision{}, err
	}
	return allow(RuleDeclaration, audit.BasisDeclaration), nil
}

func byApproval(ctx context.Context, tx Tx, c registry.Caller, r Resource, level Level, now time.Time) (Decision, error) {
	recipients := []string{consent.LegalEntityRecipient(c.LegalEntityID)}
	if !c.EmployeeID.IsZero() {
		recipients = append(recipients, consent.EmployeeRecipient(c.EmployeeID))
	}
	list, err := tx.ApprovalsFor(ctx, r.PatientID, recipients, now)
	if err != nil {
		return Decision{}, err
	}
	for _, a := range list {
		if level == Write && a.AccessLevel != string(Write) {
			continue
		}
		rule := RuleApprovalEpisode
		switch {
		case a.Names(consent.ResourcePatient, r.PatientID), a.Names(consent.ResourcePatient, a.PersonID):
			rule = RuleApprovalPatient
		case !r.Episode.ID.IsZero() && a.Names(consent.ResourceEpisode, r.Episode.ID):
		case a.Names(r.Type, r.ID):
		default:
			continue
		}
		d := allow(rule, audit.BasisConsent)
		d.Basis.Consent, d.Basis.Method, d.Basis.Purpose, d.Basis.Digest = a.ID, a.Method, a.Purpose, a.Content[:]
		return d, nil
	}
	return Decision{}, nil
}

func allow(rule Rule, basis string) Decision {
	return Decision{true, rule, &audit.LegalBasis{Code: basis}}
}

// Entry is the line of the decision log. A read that is allowed may be recorded
// by its disclosure instead, with the rule as its reason.
func (d Decision) Entry(c registry.Caller, r Resource) audit.Entry {
	e := audit.Entry{
		Kind: audit.AccessDecision, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: r.PatientID,
		LegalBasis: d.Basis, Code: "allowed", Reason: d.Reason(),
	}
	// The patient stands in the log as a commitment alone; their card has their id.
	if r.ID != r.PatientID {
		e.Object = &audit.ObjectRef{Type: r.Type, ID: r.ID.String()}
	}
	if !d.Allowed {
		e.Code = string(registry.CodeForbidden)
	}
	return e
}

// Reason names the rule for an audit entry.
func (d Decision) Reason() string { return "rule " + string(d.Rule) }
