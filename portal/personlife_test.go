package portal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/personlife"
)

// lifeDesk stands for the room; its rules are tested there.
type lifeDesk struct{ f *fakes }

func (l lifeDesk) merge(c registry.Caller, word string) (personlife.Merge, error) {
	l.f.caller, l.f.note = c, word
	return personlife.Merge{ID: registry.ID{8}, Status: personlife.MergeNew, Reason: "та сама людина"}, l.f.err
}

func (l lifeDesk) Propose(_ context.Context, c registry.Caller, master, loser registry.ID, reason string) (personlife.Merge, error) {
	return l.merge(c, "propose "+master.String()[:2]+loser.String()[:2]+reason)
}

func (l lifeDesk) Agree(_ context.Context, c registry.Caller, _ registry.ID) (personlife.Merge, error) {
	return l.merge(c, "agree")
}

func (l lifeDesk) Decline(_ context.Context, c registry.Caller, _ registry.ID) (personlife.Merge, error) {
	return l.merge(c, "decline")
}

func (l lifeDesk) ProposeUndo(_ context.Context, c registry.Caller, _ registry.ID, reason string) (personlife.Merge, error) {
	return l.merge(c, "undo "+reason)
}

func (l lifeDesk) Get(_ context.Context, c registry.Caller, _ registry.ID) (personlife.Merge, error) {
	return l.merge(c, "get")
}

func (l lifeDesk) List(_ context.Context, c registry.Caller, status personlife.MergeStatus, _ registry.ID) ([]personlife.Merge, error) {
	m, err := l.merge(c, "list "+string(status))
	return []personlife.Merge{m}, err
}

func (l lifeDesk) Deactivate(_ context.Context, c registry.Caller, id registry.ID, d personlife.Deactivation) (patient.Person, error) {
	l.f.caller, l.f.note = c, d.Reason+d.DeathDate.String()+d.Note
	return patient.Person{ID: id, Status: patient.StatusInactive, StatusReason: d.Reason, DeathDate: d.DeathDate}, l.f.err
}

func (l lifeDesk) History(_ context.Context, c registry.Caller, _ registry.ID) ([]personlife.Line, error) {
	l.f.caller = c
	return []personlife.Line{{Version: 1, Status: patient.StatusActive}}, l.f.err
}

func (l lifeDesk) Relationships(_ context.Context, c registry.Caller, person registry.ID) ([]patient.Relationship, error) {
	l.f.caller = c
	return []patient.Relationship{{ID: registry.ID{5}, PersonID: person}}, l.f.err
}

func (l lifeDesk) VerifyRelationship(_ context.Context, c registry.Caller, id registry.ID, status, comment string) (patient.Relationship, error) {
	l.f.caller, l.f.note = c, status+comment
	return patient.Relationship{ID: id, VerificationStatus: status}, l.f.err
}

func (l lifeDesk) ResetMethods(_ context.Context, c registry.Caller, id registry.ID, note string) (patient.Person, error) {
	l.f.caller, l.f.note = c, note
	return patient.Person{ID: id, Status: patient.StatusActive}, l.f.err
}

var _ PersonLife = (*personlife.Service)(nil)

func TestPersonLife(t *testing.T) {
	b := newBench(t)
	const a, z = "0190a000-0000-7000-8000-000000000001", "0290a000-0000-7000-8000-000000000001"
	one := mergesPath + "/" + a
	for _, r := range []struct {
		method, path, body, word string
		status                   int
	}{
		{"POST", mergesPath, `{"master_person_id":"` + a + `","merge_person_id":"` + z + `","reason":"причина причина"}`, "propose 0102причина причина", 201},
		{"GET", mergesPath + "?status=NEW", "", "list NEW", 200},
		{"GET", one, "", "get", 200},
		{"PATCH", one + "/actions/approve", "", "agree", 200},
		{"PATCH", one + "/actions/decline", "{}", "decline", 200},
		{"PATCH", one + "/actions/undo", `{"reason":"причина причина"}`, "undo причина причина", 200},
		{"PATCH", personsPath + "/" + a + "/actions/deactivate", `{"reason":"death","death_date":"2026-01-02","reason_description":"запис"}`, "death2026-01-02запис", 200},
		{"GET", personsPath + "/" + a + "/history", "", "death2026-01-02запис", 200},
		{"GET", personsPath + "/" + a + "/confidant_person_relationships", "", "death2026-01-02запис", 200},
		{"PATCH", "/api/v3/confidant_person_relationships/" + a + "/actions/verify", `{"verification_status":"VERIFIED","comment":"звірено"}`, "VERIFIEDзвірено", 200},
		{"PATCH", personsPath + "/" + a + "/actions/reset_authentication_method", `{"reason_description":"загублено"}`, "загублено", 200},
	} {
		w := b.do(r.method, r.path, r.body)
		require.Equal(t, r.status, w.Code, "%s %s %s", r.method, r.path, w.Body.String())
		require.Equal(t, r.word, b.note, r.path)
	}
	for path, body := range map[string]string{
		mergesPath:               `{"master_person_id":"1","merge_person_id":"` + z + `","reason":"x"}`,
		one + "/actions/undo":    `{}`,
		one + "/actions/approve": `{"x":1}`,
		personsPath + "/" + a + "/actions/deactivate": `{"reason":"death","death_date":"yesterday","reason_description":"x"}`,
	} {
		method := "PATCH"
		if path == mergesPath {
			method = "POST"
		}
		failure(t, b.do(method, path, body), 422, "validation_failed")
	}
}
