package declaration

import (
	"context"
	"errors"
	"slices"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/patient"
)

// Scopes of a citizen's own declarations.
const (
	ScopeReadPIS      = "declaration:read_pis"
	ScopeTerminatePIS = "declaration:terminate_pis"
)

// DraftByPatient implements intake.PatientKind (ЕСОЗ 1.3): the citizen names
// doctor and division, for themselves or, by person_id, for a ward.
func (k Kind) DraftByPatient(ctx context.Context, tx Tx, applicant registry.ID, draft *intake.Draft, body []byte) error {
	in, err := decodePatientInput(body)
	if err != nil {
		return err
	}
	if in.PersonID.IsZero() {
		in.PersonID = applicant
	}
	p, err := tx.Person(ctx, in.PersonID)
	if err != nil {
		return err
	}
	today := registry.DateOf(k.Source.Now())
	if err := k.mayApply(ctx, tx, applicant, p, today); err != nil {
		return err
	}
	d, err := tx.Division(ctx, in.DivisionID)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return registry.Errorf(registry.CodeConflict, "Division doesn't exist").WithReason("division_absent")
	} else if err != nil {
		return err
	}
	if !d.Active() {
		return registry.Errorf(registry.CodeConflict, "Invalid division status").WithReason("division_status")
	}
	s, err := tx.Sides(ctx, in.PersonID, in.EmployeeID, in.DivisionID, d.LegalEntityID)
	if err != nil {
		return err
	}
	if !s.HasEmployee {
		return field("$.employee_id", "invalid", "Employee does not exist")
	}
	e, l := s.Employee, s.LegalEntity
	// The same rules as for a clinic's request, as if the division's clinic asked.
	if err := checkLegalEntity(l); err != nil {
		return err
	}
	terms, err := k.Terms.over(s.Parameters)
	if err != nil {
		return err
	}
	if err := terms.checkDoctor(registry.Caller{LegalEntityID: l.ID}, p, e, d, l, today); err != nil {
		return err
	}
	c := newContent(p, e, d, l)
	c.Channel = intake.ChannelPIS
	c.ID, c.DeclarationID, c.Number = draft.ID, draft.ActID, Number(s.Sequence)
	c.StartDate, c.EndDate = terms.period(p.BirthDate, e.Speciality, today)
	draft.PersonID, draft.EmployeeID, draft.PartyID, draft.DivisionID, draft.LegalEntityID = p.ID, e.ID, e.Party.ID, d.ID, l.ID
	draft.Number = c.Number
	if draft.Data, err = jcs.Marshal(c); err != nil {
		return err
	}
	return tx.CancelDrafts(ctx, Name, p.ID, e.ID, l.ID, draft.ID)
}

// mayApply: who may act for whom in a citizens' channel.
func (k Kind) mayApply(ctx context.Context, tx Tx, applicant registry.ID, p patient.Person, today registry.Date) error {
	if p.Status != patient.StatusActive {
		return registry.Errorf(registry.CodeNotFound, "not found")
	}
	if p.VerificationStatus == patient.NotVerified {
		return registry.Errorf(registry.CodeConflict, "Person is not verified").WithReason("person_not_verified")
	}
	relations, err := tx.RelationshipsOf(ctx, p.ID)
	if err != nil {
		return err
	}
	if applicant == p.ID {
		return patient.DefaultTerms().MayActAlone(p, relations, today)
	}
	i := slices.IndexFunc(relations, func(r patient.Relationship) bool {
		return r.ConfidantPersonID == applicant && r.ApprovedStrictly(today) == nil
	})
	if i < 0 {
		return registry.Errorf(registry.CodeConflict, "Can't confirm relationship").WithReason("relationship_not_verified")
	}
	confidant, err := tx.Person(ctx, applicant)
	if err != nil {
		return err
	}
	if confidant.Status != patient.StatusActive || confidant.VerificationStatus == patient.NotVerified {
		return registry.Errorf(registry.CodeConflict, "Confidant person not found or is not verified").WithReason("confidant_not_verified")
	}
	return nil
}

// Applicant implements intake.PatientKind: the tax number, or the number of a
// passport of a person who has none.
func (Kind) Applicant(ctx context.Context, tx Tx, person registry.ID) (intake.Signatory, error) {
	p, err := tx.Person(ctx, person)
	if err != nil {
		return intake.Signatory{}, err
	}
	who := intake.Signatory{TaxID: string(p.TaxID), LastName: p.LastName}
	for _, d := range p.Documents {
		if who.TaxID == "" && (d.Type == "PASSPORT" || d.Type == "NATIONAL_ID") {
			who.TaxID = d.Number
		}
	}
	return who, nil
}

func decodePatientInput(body []byte) (Input, error) {
	return decodeMembers(body, map[string]bool{"employee_id": true, "division_id": true, "person_id": false})
}

// CitizenTx is what a citizen's own declarations need of a transaction.
type CitizenTx interface {
	LifeTx
	DeclarationNote(ctx context.Context, id registry.ID) (string, error)
	SealedContainers(ctx context.Context, id registry.ID) (signed, seal registry.Digest, sealed bool, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	OwnDeclarations(ctx context.Context, person registry.ID, f CitizenFilter) ([]Declaration, int, error)
}

// CitizenStore begins and ends transactions.
type CitizenStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx CitizenTx) error) error
}

// CitizenFilter of the list; empty members do not narrow it.
type CitizenFilter struct {
	Status                             Status
	StartFrom, StartTo, EndFrom, EndTo registry.Date
	Page, Size                         int
}

// Citizen shows citizens (their right by Law 2297-VI, article 8) their own declarations and ends them at their will.
type Citizen struct{ store CitizenStore }

// NewCitizen refuses a half-configured service.
func NewCitizen(store CitizenStore) (*Citizen, error) {
	if store == nil {
		return nil, errors.New("declaration: a store is needed")
	}
	return &Citizen{store}, nil
}

// MaxCitizenPage bounds a page of the list (ЕСОЗ 1.3).
const MaxCitizenPage = 300

// List gives a page of the citizen's declarations, newest first.
func (s *Citizen) List(ctx context.Context, c registry.Caller, f CitizenFilter) (list []Declaration, total int, err error) {
	if err := c.Require(ScopeReadPIS); err != nil {
		return nil, 0, err
	}
	person, err := c.Patient()
	if err != nil {
		return nil, 0, err
	}
	query := func(entry, text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$." + entry, EntryType: "query_parameter", Rule: "inclusion", Description: text})
	}
	switch {
	case !slices.Contains([]Status{"", StatusActive, StatusPendingVerification, StatusTerminated, StatusClosed, StatusRejected}, f.Status):
		return nil, 0, query("status", "value is not allowed in enum")
	case f.Page < 1:
		return nil, 0, query("page", "pages are counted from 1")
	case f.Size < 1 || f.Size > MaxCitizenPage:
		return nil, 0, query("page_size", "a page holds 1 to 300")
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		if _, err := active(ctx, tx, person); err != nil {
			return err
		}
		if list, total, err = tx.OwnDeclarations(ctx, person, f); err != nil {
			return err
		}
		e := audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person,
			LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "own_data"}, Fields: []string{"declarations"}}
		_, err := tx.Audit(ctx, e)
		return err
	})
	return list, total, err
}

func active(ctx context.Context, tx CitizenTx, person registry.ID) (patient.Person, error) {
	p, err := tx.Person(ctx, person)
	if err == nil && p.Status != patient.StatusActive {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	return p, err
}

// Get reads one of the citizen's declarations, with the description of its
// reason where there is one.
func (s *Citizen) Get(ctx context.Context, c registry.Caller, id registry.ID) (d Declaration, note string, err error) {
	d, err = s.own(ctx, c, ScopeReadPIS, id, func(ctx context.Context, tx CitizenTx, d Declaration) (_ Declaration, err error) {
		if note, err = tx.DeclarationNote(ctx, id); err != nil {
			return d, err
		}
		e := entry(c, audit.Disclosure, d)
		e.LegalBasis, e.Fields = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "own_data"}, []string{"declaration"}
		_, err = tx.Audit(ctx, e)
		return d, err
	})
	return d, note, err
}

// SignedContent gives the container by which the doctor signed.
func (s *Citizen) SignedContent(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, err error) {
	_, err = s.own(ctx, c, ScopeReadPIS, id, func(ctx context.Context, tx CitizenTx, d Declaration) (Declaration, error) {
		digest, _, _, err := tx.SealedContainers(ctx, id)
		if err == nil {
			b, err = tx.Container(ctx, digest)
		}
		if err != nil {
			return d, err
		}
		e := entry(c, audit.Disclosure, d)
		e.LegalBasis, e.Fields = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "own_data"}, []string{"signed_content"}
		_, err = tx.Audit(ctx, e)
		return d, err
	})
	return b, err
}

// Terminate ends the citizen's declaration that is active or awaits
// verification; 409 "Invalid declaration status" otherwise (ЕСОЗ 1.3).
func (s *Citizen) Terminate(ctx context.Context, c registry.Caller, id registry.ID, note string) (Declaration, error) {
	if err := checkNote(note); err != nil {
		return Declaration{}, err
	}
	return s.own(ctx, c, ScopeTerminatePIS, id, func(ctx context.Context, tx CitizenTx, d Declaration) (Declaration, error) {
		if !d.Active() {
			return Declaration{}, registry.Errorf(registry.CodeConflict, "Invalid declaration status").WithReason("status_" + string(d.Status))
		}
		return move(ctx, tx, c, d, StatusTerminated, ReasonManualPerson, note)
	})
}

func (s *Citizen) own(ctx context.Context, c registry.Caller, scope string, id registry.ID,
	f func(ctx context.Context, tx CitizenTx, d Declaration) (Declaration, error)) (out Declaration, err error) {
	if err := c.Require(scope); err != nil {
		return Declaration{}, err
	}
	person, err := c.Patient()
	if err != nil {
		return Declaration{}, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		d, err := tx.Declaration(ctx, id, true)
		if err == nil && d.PersonID != person {
			err = registry.Errorf(registry.CodeNotFound, "not found")
		}
		if err != nil {
			return err
		}
		out, err = f(ctx, tx, d)
		return err
	})
	return out, err
}
