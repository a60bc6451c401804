package query

import (
	"cmp"
	"context"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Scopes of reading a person.
const (
	ScopePersonRead    = "person:read"
	ScopePersonReadNHS = "person:read_nhs"
	ScopePersonReadOwn = "person:read_pis"
)

// PersonsTx is what reads of persons need of a transaction.
type PersonsTx interface {
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	// PersonDeclared is Person and Declared at once.
	PersonDeclared(ctx context.Context, person, legalEntity registry.ID) (patient.Person, bool, error)
	// SeesPerson reports whether the database shows the caller the record: the
	// second wall behind a scope that reaches everywhere.
	SeesPerson(ctx context.Context, person registry.ID) (bool, error)
	abac.Tx
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// PersonsStore begins and ends transactions.
type PersonsStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx PersonsTx) error) error
}

// Persons discloses person records: to the legal entity with which the person
// has a declaration, and to the NHSU.
type Persons struct {
	store  PersonsStore
	source registry.Source
}

// NewPersons refuses a half-configured service.
func NewPersons(store PersonsStore, source registry.Source) (*Persons, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("query: a store and a clock are needed")
	}
	return &Persons{store, source}, nil
}

// PersonView is a person as a system is shown them: without the secret word,
// and with phones of authentication masked.
type PersonView struct {
	patient.Person
	Status             patient.Status `json:"status"`
	StatusReason       string         `json:"status_reason,omitempty"`
	IsActive           bool           `json:"is_active"`
	VerificationStatus string         `json:"verification_status"`
	DeathDate          registry.Date  `json:"death_date,omitzero"`
	InsertedAt         time.Time      `json:"inserted_at"`
	UpdatedAt          time.Time      `json:"updated_at"`
}

var personFields = []string{
	"person.names", "person.birth", "person.gender", "person.tax_id", "person.unzr", "person.documents", "person.addresses",
	"person.phones", "person.email", "person.emergency_contact", "person.confidant_person", "person.authentication_methods",
}

// ruleNHSU is the rule of the NHSU's operators: any record, by law.
const ruleNHSU abac.Rule = "nhsu"

// Person reads a person. Whoever has no right to the record gets the answer of
// an absent one; both leave the same kind of entry.
func (s *Persons) Person(ctx context.Context, c registry.Caller, id registry.ID) (PersonView, error) {
	everywhere := c.Allows(ScopePersonReadNHS)
	if !everywhere {
		if err := c.Require(ScopePersonRead); err != nil {
			return PersonView{}, err
		}
	}
	var out PersonView
	found := false
	err := s.store.Update(ctx, func(ctx context.Context, tx PersonsTx) error {
		found = false
		p, declared, err := tx.PersonDeclared(ctx, id, c.LegalEntityID)
		merged := err == nil && !p.MasterID.IsZero()
		if merged || err == nil && p.Version == 0 {
			p, err = survivor(ctx, tx, id)
		}
		known := err == nil
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return err
		}
		var d abac.Decision
		switch {
		case !known:
			d.Rule = abac.RuleNone
		case everywhere:
			d = abac.Decision{Rule: ruleNHSU, Basis: &audit.LegalBasis{Code: audit.BasisStatute}}
			if d.Allowed, err = tx.SeesPerson(ctx, p.ID); err != nil {
				return err
			}
		default:
			var facts abac.Tx = tx
			if !merged {
				facts = declaredAlready{tx, declared}
			}
			if d, err = abac.Decide(ctx, facts, c, abac.Resource{Type: "person", ID: p.ID, PatientID: p.ID}, abac.Read, s.source.Now()); err != nil {
				return err
			}
		}
		e := audit.Entry{Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID}
		e.Reason = d.Reason() // the decision is logged with what followed from it
		if !known || !d.Allowed {
			e.Kind, e.Code, e.SubjectID = audit.DisclosureRefused, string(registry.CodeNotFound), id
			_, err := tx.Audit(ctx, e)
			return err
		}
		found, out = true, personView(p)
		e.Kind, e.SubjectID, e.Fields, e.LegalBasis = audit.Disclosure, p.ID, personFields, d.Basis
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil && !found {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	if err != nil {
		return PersonView{}, err
	}
	return out, nil
}

// Own is the citizen's own record, as the registry has it. Looking at oneself
// leaves its entry, too.
func (s *Persons) Own(ctx context.Context, c registry.Caller) (out PersonView, err error) {
	person, err := citizen(c, ScopePersonReadOwn)
	if err != nil {
		return out, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx PersonsTx) error {
		p, err := survivor(ctx, tx, person)
		if err != nil {
			return err
		}
		if mine, err := tx.SeesPerson(ctx, person); err != nil || !mine { // whatever the caller is believed to be
			return cmp.Or(err, error(registry.Errorf(registry.CodeNotFound, "not found")))
		}
		out = personView(p)
		e := own(c, audit.Disclosure, p.ID)
		e.Fields, e.LegalBasis = personFields, &audit.LegalBasis{Code: audit.BasisOwnData}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return PersonView{}, err
	}
	return out, nil
}

// declaredAlready spares the rules the trip for what came with the record.
type declaredAlready struct {
	abac.Tx
	declared bool
}

// Declared implements abac.Tx.
func (d declaredAlready) Declared(context.Context, registry.ID, registry.ID) (bool, error) {
	return d.declared, nil
}

type personTx interface {
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
}

// survivor reads a record and follows merges to the one that stands for it.
func survivor(ctx context.Context, tx personTx, id registry.ID) (patient.Person, error) {
	p, err := tx.Person(ctx, id)
	for n := 0; err == nil && !p.MasterID.IsZero(); n++ {
		if n == patient.MaxMerges {
			return patient.Person{}, registry.Errorf(registry.CodeNotFound, "not found")
		}
		p, err = tx.Person(ctx, p.MasterID)
	}
	if err == nil && p.Version == 0 {
		// A record that is only reserved for an open person request.
		return patient.Person{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return p, err
}

func personView(p patient.Person) PersonView {
	p.Secret = ""
	methods := make([]patient.AuthenticationMethod, len(p.AuthenticationMethods))
	for i, m := range p.AuthenticationMethods {
		m.PhoneNumber = registry.Mask(m.PhoneNumber)
		methods[i] = m
	}
	p.AuthenticationMethods = methods
	return PersonView{p, p.Status, p.StatusReason, p.Status == patient.StatusActive, p.VerificationStatus, p.DeathDate, p.InsertedAt, p.UpdatedAt}
}
