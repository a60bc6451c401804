package declaration

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
)

// applying is a transaction that knows persons and relationships alone.
type applying struct {
	Tx
	persons   map[registry.ID]patient.Person
	relations []patient.Relationship
}

func (a applying) Person(_ context.Context, id registry.ID) (patient.Person, error) {
	p, ok := a.persons[id]
	if !ok {
		return p, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return p, nil
}

func (a applying) RelationshipsOf(context.Context, registry.ID) ([]patient.Relationship, error) {
	return a.relations, nil
}

// Who may act for whom in a citizens' channel (ЕСОЗ 1.3): each rule broken
// alone, beside its twin that passes.
func TestWhoMayApply(t *testing.T) {
	today := registry.Date{Year: 2026, Month: 11, Day: 21}
	me, parent := registry.ID{1}, registry.ID{2}
	person := func(id registry.ID, year int) patient.Person {
		return patient.Person{ID: id, Status: patient.StatusActive, VerificationStatus: patient.Verified, BirthDate: registry.Date{Year: year, Month: 1, Day: 1}}
	}
	relation := patient.Relationship{PersonID: me, ConfidantPersonID: parent, IsActive: true, VerificationStatus: patient.Verified}
	capacity := patient.Document{Type: "MARRIAGE_CERTIFICATE"}
	for name, c := range map[string]struct {
		born      int
		applicant registry.ID
		change    func(p, confidant *patient.Person, r *patient.Relationship)
		related   bool
		code      registry.Code
		message   string
	}{
		"an adult for themselves":          {born: 1990, applicant: me},
		"a person who is not active":       {born: 1990, applicant: me, change: func(p, _ *patient.Person, _ *patient.Relationship) { p.Status = patient.StatusInactive }, code: registry.CodeNotFound, message: "not found"},
		"a person found not verified":      {born: 1990, applicant: me, change: func(p, _ *patient.Person, _ *patient.Relationship) { p.VerificationStatus = patient.NotVerified }, code: registry.CodeConflict, message: "Person is not verified"},
		"a child for themselves":           {born: 2015, applicant: me, code: registry.CodeConflict, message: "Request must be authorized by confidant person"},
		"an adolescent without capacity":   {born: 2010, applicant: me, code: registry.CodeConflict, message: "Request must be authorized by confidant person"},
		"an adolescent of full capacity":   {born: 2010, applicant: me, change: func(p, _ *patient.Person, _ *patient.Relationship) { p.Documents = []patient.Document{capacity} }},
		"an adult for whom another speaks": {born: 1990, applicant: me, related: true, code: registry.CodeConflict, message: "Request must be authorized by confidant person"},
		"a parent for a child":             {born: 2015, applicant: parent, related: true},
		"a stranger for a child":           {born: 2015, applicant: parent, code: registry.CodeConflict, message: "Can't confirm relationship"},
		"a relationship made by a doctor": {born: 2015, applicant: parent, related: true, change: func(_, _ *patient.Person, r *patient.Relationship) {
			r.VerificationStatus, r.VerificationReason = patient.VerificationNeeded, patient.ReasonCreatedByDoctor
		}, code: registry.CodeConflict, message: "Can't confirm relationship"},
		"a relationship that ended":         {born: 2015, applicant: parent, related: true, change: func(_, _ *patient.Person, r *patient.Relationship) { r.ActiveTo = today.AddDate(0, 0, -1) }, code: registry.CodeConflict, message: "Can't confirm relationship"},
		"a confidant who is not active":     {born: 2015, applicant: parent, related: true, change: func(_, c *patient.Person, _ *patient.Relationship) { c.Status = patient.StatusInactive }, code: registry.CodeConflict, message: "Confidant person not found or is not verified"},
		"a confidant found not verified":    {born: 2015, applicant: parent, related: true, change: func(_, c *patient.Person, _ *patient.Relationship) { c.VerificationStatus = patient.NotVerified }, code: registry.CodeConflict, message: "Confidant person not found or is not verified"},
		"a relationship ending today":       {born: 2015, applicant: parent, related: true, change: func(_, _ *patient.Person, r *patient.Relationship) { r.ActiveTo = today }},
		"an adult whose confidant is ended": {born: 1990, applicant: me, related: true, change: func(_, _ *patient.Person, r *patient.Relationship) { r.IsActive = false }},
	} {
		t.Run(name, func(t *testing.T) {
			p, confidant, r := person(me, c.born), person(parent, 1985), relation
			if c.change != nil {
				c.change(&p, &confidant, &r)
			}
			tx := applying{persons: map[registry.ID]patient.Person{parent: confidant}}
			if c.related {
				tx.relations = []patient.Relationship{r}
			}
			err := Kind{Terms: DefaultTerms()}.mayApply(t.Context(), tx, c.applicant, p, today)
			if c.message == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.code, registry.CodeOf(err))
			require.Equal(t, c.message, registry.AsError(err).Detail)
		})
	}
}
