package personchange

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/patient"
)

var (
	now    = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	today  = registry.DateOf(now)
	source = registry.Source{Clock: func() time.Time { return now }, Random: registry.SystemSource().Random}
	phone  = patient.AuthenticationMethod{ID: registry.ID{1}, Type: "OTP", PhoneNumber: "+380390000001"}
	papers = patient.AuthenticationMethod{ID: registry.ID{2}, Type: "OFFLINE"}
)

// book is as much of the index as the rules ask.
type book struct {
	Tx
	relationship patient.Relationship
	count        int
}

func (b book) RelationshipBetween(context.Context, registry.ID, registry.ID) (patient.Relationship, bool, error) {
	return b.relationship, !b.relationship.ID.IsZero(), nil
}

func (b book) CountByMethod(context.Context, patient.AuthenticationMethod, registry.ID) (int, error) {
	return b.count, nil
}

func what(err error) string {
	e := registry.AsError(err)
	switch {
	case e == nil:
		return ""
	case len(e.Fields) > 0:
		return e.Fields[0].Entry + " " + e.Fields[0].Rule
	}
	return e.Reason
}

func TestFormOfAMethodRequest(t *testing.T) {
	k := NewMethods(patient.DefaultTerms(), source)
	good := MethodInput{PersonID: registry.ID{9}, Action: ActionInsert, Method: patient.AuthenticationMethod{Type: "OTP", PhoneNumber: "+380390000002"}}
	require.NoError(t, k.checkForm(good))
	require.NoError(t, k.checkForm(MethodInput{Action: ActionDeactivate, Method: patient.AuthenticationMethod{ID: phone.ID}}))
	require.NoError(t, k.checkForm(MethodInput{Action: ActionUpdate, Method: patient.AuthenticationMethod{ID: phone.ID, Alias: "мама"}}))
	for want, in := range map[string]MethodInput{
		"$.action inclusion":                            {Action: "DELETE"},
		"$.authentication_method.id schema":             {Action: ActionInsert, Method: phone},
		"$.authentication_method.type inclusion":        {Action: ActionInsert, Method: patient.AuthenticationMethod{Type: "NA"}},
		"$.authentication_method.phone_number required": {Action: ActionInsert, Method: patient.AuthenticationMethod{Type: "OTP"}},
		"$.authentication_method.value required":        {Action: ActionInsert, Method: patient.AuthenticationMethod{Type: "THIRD_PERSON"}},
		"$.authentication_method.id required":           {Action: ActionDeactivate},
		"$.authentication_method.alias required":        {Action: ActionUpdate, Method: patient.AuthenticationMethod{ID: phone.ID}},
		"$.authentication_method exclusion":             {Action: ActionDeactivate, Method: phone},
		"$.authentication_method.alias length":          {Action: ActionUpdate, Method: patient.AuthenticationMethod{ID: phone.ID, Alias: strings.Repeat("а", 101)}},
	} {
		require.Equal(t, want, what(k.checkForm(in)))
	}
	_, err := decodeMethod([]byte(`{"person_id":"0190a000-0000-7000-8000-000000000001","action":"INSERT","authentication_method":{"type":"OTP","ended_at":"2026-01-01T00:00:00Z"}}`))
	require.Equal(t, "$.authentication_method.ended_at schema", what(err))
	_, err = decodeMethod([]byte(`{}`))
	require.Len(t, registry.AsError(err).Fields, 3)
}

func TestRulesOfMethods(t *testing.T) {
	k := NewMethods(patient.DefaultTerms(), source)
	p := patient.Person{ID: registry.ID{9}, AuthenticationMethods: []patient.AuthenticationMethod{phone}}
	third := patient.AuthenticationMethod{Type: "THIRD_PERSON", Value: registry.ID{7}}
	approved := patient.Relationship{ID: registry.ID{5}, IsActive: true, VerificationStatus: patient.Verified}
	insert := func(m patient.AuthenticationMethod) MethodInput {
		return MethodInput{Action: ActionInsert, Method: m}
	}
	other := patient.AuthenticationMethod{Type: "OTP", PhoneNumber: "+380390000002"}
	require.NoError(t, k.check(t.Context(), book{count: 4}, p, insert(other)))
	require.NoError(t, k.check(t.Context(), book{relationship: approved}, p, insert(third)))
	two := p
	two.AuthenticationMethods = []patient.AuthenticationMethod{phone, papers}
	require.NoError(t, k.check(t.Context(), book{}, two, MethodInput{Action: ActionDeactivate, Method: phone}))
	crowd := p
	for i := range 3 {
		crowd.AuthenticationMethods = append(crowd.AuthenticationMethods, patient.AuthenticationMethod{Type: "THIRD_PERSON", Value: registry.ID{0x20, byte(i)}})
	}
	require.Equal(t, "$.authentication_method.type invalid", what(k.check(t.Context(), book{relationship: approved}, crowd, insert(third))))
	unapproved, ended := approved, approved
	unapproved.VerificationStatus, unapproved.VerificationReason = patient.VerificationNeeded, patient.ReasonOnlineTriggered
	ended.ActiveTo = today.AddDate(0, 0, -1)
	for name, r := range map[string]struct {
		book book
		in   MethodInput
		want string
	}{
		"the same phone":        {book{}, insert(patient.AuthenticationMethod{Type: "OTP", PhoneNumber: phone.PhoneNumber}), "$.authentication_method unique"},
		"a crowded phone":       {book{count: 5}, insert(other), "$.authentication_method.phone_number invalid"},
		"a crowded confidant":   {book{count: 10, relationship: approved}, insert(third), "$.authentication_method.value invalid"},
		"no relationship":       {book{}, insert(third), "relationship_absent"},
		"not approved":          {book{relationship: unapproved}, insert(third), "relationship_not_approved"},
		"past its last day":     {book{relationship: ended}, insert(third), "relationship_absent"},
		"somebody else's":       {book{}, MethodInput{Action: ActionDeactivate, Method: papers}, "$.authentication_method.id invalid"},
		"the last one":          {book{}, MethodInput{Action: ActionDeactivate, Method: phone}, "$.authentication_method.id invalid"},
		"alias of nothing held": {book{}, MethodInput{Action: ActionUpdate, Method: papers}, "$.authentication_method.id invalid"},
	} {
		require.Equal(t, r.want, what(k.check(t.Context(), r.book, p, r.in)), name)
	}
}

func TestFormOfARelationshipRequest(t *testing.T) {
	k := NewRelationships(patient.DefaultTerms(), source)
	proof := []patient.Document{{Type: "COURT_DECISION", Number: "1", IssuedBy: "суд", IssuedAt: today}}
	good := relationship{ConfidantPersonID: registry.ID{7}, Documents: proof, ActiveTo: today}
	require.NoError(t, k.checkForm(RelationshipInput{Action: ActionInsert, Relationship: good}, today))
	require.NoError(t, k.checkForm(RelationshipInput{Action: ActionDeactivate, Relationship: relationship{ID: registry.ID{5}}}, today))
	const at = "$.confidant_person_relationship"
	for want, change := range map[string]func(in *RelationshipInput){
		"$.action inclusion":                  func(in *RelationshipInput) { in.Action = ActionUpdate },
		at + ".id schema":                     func(in *RelationshipInput) { in.Relationship.ID = registry.ID{5} },
		at + ".confidant_person_id required":  func(in *RelationshipInput) { in.Relationship.ConfidantPersonID = registry.ID{} },
		at + ".active_to invalid":             func(in *RelationshipInput) { in.Relationship.ActiveTo = today.AddDate(0, 0, -1) },
		at + ".documents_relationship length": func(in *RelationshipInput) { in.Relationship.Documents = nil },
		at + ".id required":                   func(in *RelationshipInput) { in.Action = ActionDeactivate },
		at + " exclusion":                     func(in *RelationshipInput) { in.Action, in.Relationship.ID = ActionDeactivate, registry.ID{5} },
		at + ".documents_relationship.[0].type inclusion": func(in *RelationshipInput) {
			in.Relationship.Documents = []patient.Document{{Type: "LETTER", Number: "1", IssuedBy: "x", IssuedAt: today}}
		},
	} {
		in := RelationshipInput{Action: ActionInsert, Relationship: good}
		change(&in)
		require.Equal(t, want, what(k.checkForm(in, today)))
	}
}

func TestScopes(t *testing.T) {
	require.Equal(t, "authentication_method_request:read", NewMethods(patient.Terms{}, source).Scope(intake.StepRead))
	require.Equal(t, "confidant_person_relationship_request:write", NewRelationships(patient.Terms{}, source).Scope(intake.StepApprove))
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"person_id":"0190a000-0000-7000-8000-000000000001","action":"INSERT","authentication_method":{"type":"OTP","phone_number":"+380390000001"}}`,
		`{"person_id":"","confidant_person_relationship":{"documents_relationship":[{"type":1}],"active_to":"x"}}`, `[`, `{"authentication_method":[]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := decodeMethod(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
		_, err = decodeRelationship(b)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
