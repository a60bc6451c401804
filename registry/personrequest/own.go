package personrequest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/signature"
)

// OwnName is the act by which people change their own contacts (domain notes,
// patient's cabinet): signed with their own КЕП, without a clinic.
const OwnName registry.KindName = "person_own_change"

// ScopeOwn is what a citizen needs to change their own record.
const ScopeOwn = "person:write_pis"

// OwnChange is the signed document: who, from which version of the record, and
// what becomes of the contacts. What is absent stays. Names, documents, numbers
// and the ways of confirming are not the person's alone to change: a doctor
// holds the papers against them.
type OwnChange struct {
	PersonID                  registry.ID               `json:"person_id"`
	Version                   int                       `json:"version"`
	Email                     *string                   `json:"email,omitempty"`
	Phones                    *[]patient.Phone          `json:"phones,omitempty"`
	PreferredWayCommunication *string                   `json:"preferred_way_communication,omitempty"`
	Addresses                 *[]patient.Address        `json:"addresses,omitempty"`
	EmergencyContact          *patient.EmergencyContact `json:"emergency_contact,omitempty"`
}

// OwnTx is what the kind needs of a transaction.
type OwnTx interface {
	intake.SubmissionTx
	address.CheckTx
	// LockPerson takes the row lock that orders acts of one patient.
	LockPerson(ctx context.Context, id registry.ID) error
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	RelationshipsOf(ctx context.Context, person registry.ID) ([]patient.Relationship, error)
	PutPerson(ctx context.Context, p patient.Person) error
}

// OwnKind is the change as an act kind without drafts.
type OwnKind struct {
	Terms  patient.Terms
	Source registry.Source
}

// Name implements intake.SubmissionKind.
func (OwnKind) Name() registry.KindName { return OwnName }

// Version implements intake.SubmissionKind.
func (OwnKind) Version() int { return 1 }

// Scope implements intake.SubmissionKind.
func (OwnKind) Scope() string { return ScopeOwn }

// Decode implements intake.SubmissionKind.
func (OwnKind) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	return readOwn(body)
}

func readOwn(body []byte) (in OwnChange, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	if in.Email == nil && in.Phones == nil && in.PreferredWayCommunication == nil && in.Addresses == nil && in.EmergencyContact == nil {
		return in, registry.Invalid(registry.FieldError{Entry: "$", Rule: "required", Description: "the document changes nothing: name email, phones, preferred_way_communication, addresses or emergency_contact"})
	}
	return in, nil
}

// on gives the record after the change, and the members that changed.
func (in OwnChange) on(p patient.Person) (patient.Person, []string) {
	var names []string
	if in.Email != nil {
		p.Email, names = strings.ToLower(*in.Email), append(names, "email")
	}
	if in.Phones != nil {
		p.Phones, names = *in.Phones, append(names, "phones")
	}
	if in.PreferredWayCommunication != nil {
		p.PreferredWayCommunication, names = *in.PreferredWayCommunication, append(names, "preferred_way_communication")
	}
	if in.Addresses != nil {
		p.Addresses, names = *in.Addresses, append(names, "addresses")
	}
	if in.EmergencyContact != nil {
		p.EmergencyContact, names = *in.EmergencyContact, append(names, "emergency_contact")
	}
	return p, names
}

// validate holds what changed against the rules of a record: an old document in
// the record is no reason to refuse a new telephone.
func (k OwnKind) validate(p patient.Person, names []string, today registry.Date) error {
	var broken []registry.FieldError
	if err := k.Terms.Validate(p, today); err != nil {
		for _, f := range registry.AsError(err).Fields {
			f.Entry = strings.Replace(f.Entry, "$.person.", "$.", 1)
			if slices.ContainsFunc(names, func(name string) bool { return f.Entry == "$."+name || strings.HasPrefix(f.Entry, "$."+name+".") }) {
				broken = append(broken, f)
			}
		}
	}
	if len(broken) > 0 {
		return registry.Invalid(broken...)
	}
	return nil
}

// OwnResult is what the caller is shown.
type OwnResult struct {
	ID       registry.ID `json:"id"` // of the act
	PersonID registry.ID `json:"person_id"`
	Version  int         `json:"version,omitempty"` // of the record from now on
	Status   string      `json:"status"`
}

// Accept implements intake.SubmissionKind.
func (k OwnKind) Accept(ctx context.Context, tx OwnTx, c registry.Caller, signer signature.Signer, a *registry.Act, decoded any) (any, error) {
	in := decoded.(OwnChange)
	self, err := c.Patient()
	if err != nil {
		return nil, err
	}
	if in.PersonID != self {
		return nil, registry.Errorf(registry.CodeForbidden, "a citizen changes their own record").WithReason("another_person")
	}
	if err := tx.LockPerson(ctx, self); err != nil {
		return nil, err
	}
	stored, err := tx.Person(ctx, self)
	if err != nil {
		return nil, err
	}
	if err := checkStored(stored); err != nil {
		return nil, err
	}
	if err := signedBy(signer, stored); err != nil {
		return nil, err
	}
	relations, err := tx.RelationshipsOf(ctx, self)
	if err != nil {
		return nil, err
	}
	today := registry.DateOf(a.AcceptedAt)
	if err := k.Terms.MayActAlone(stored, relations, today); err != nil {
		return nil, err
	}
	if in.Version != stored.Version {
		return nil, registry.Errorf(registry.CodeConflict, "the record was changed meanwhile: read it and sign again").WithReason("person_version")
	}
	p, names := in.on(stored)
	if err := k.validate(p, names, today); err != nil {
		return nil, err
	}
	if in.Addresses != nil {
		if err := address.Check(ctx, tx, "$.addresses", places(p)); err != nil {
			return nil, err
		}
	}
	p.Version, p.UpdatedAt = p.Version+1, a.AcceptedAt
	if err := tx.PutPerson(ctx, p); err != nil {
		return nil, err
	}
	a.PatientID = self
	return OwnResult{a.ID, self, p.Version, "SIGNED"}, nil
}

// signedBy holds the signer against the record: by tax number, else by the
// document that stands for it, else by УНЗР.
func signedBy(signer signature.Signer, p patient.Person) error {
	if p.UNZR != "" && signer.UNZR == p.UNZR {
		return nil
	}
	number := p.TaxID
	for _, d := range p.Documents {
		if number == "" && (d.Type == "PASSPORT" || d.Type == "NATIONAL_ID") {
			number = d.Number
		}
	}
	return intake.CheckSigner(signer, number)
}

// Repeat implements intake.SubmissionKind.
func (OwnKind) Repeat(_ context.Context, _ OwnTx, c registry.Caller, a registry.Act) (any, error) {
	if self, err := c.Patient(); err != nil || self != a.PatientID {
		return nil, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return OwnResult{ID: a.ID, PersonID: a.PatientID, Status: "SIGNED"}, nil
}
