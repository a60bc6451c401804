package abac_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/audit"
	"mist/registry/consent"
)

// facts is what the database would say; registry/postgres drives the same rules
// with real rows.
type facts struct {
	merged               bool
	declared, declaredTo bool
	approvals            []consent.Record
	emergency            registry.ID
	fails                error
}

func (f facts) SamePerson(context.Context, registry.ID, registry.ID) (bool, error) {
	return f.merged, f.fails
}

func (f facts) Declared(context.Context, registry.ID, registry.ID) (bool, error) {
	return f.declared, f.fails
}

func (f facts) DeclaredTo(context.Context, registry.ID, registry.ID, registry.ID) (bool, error) {
	return f.declaredTo, f.fails
}

func (f facts) ApprovalsFor(context.Context, registry.ID, []string, time.Time) ([]consent.Record, error) {
	return f.approvals, f.fails
}

func (f facts) EmergencyFor(context.Context, registry.ID, registry.ID, time.Time) (registry.ID, bool, error) {
	return f.emergency, !f.emergency.IsZero(), f.fails
}

var (
	here, elsewhere = registry.ID{1}, registry.ID{2}
	patientID       = registry.ID{3}
	episodeID       = registry.ID{4}
	recordID        = registry.ID{5}
	employeeID      = registry.ID{6}
	partyID         = registry.ID{7}
	accessID        = registry.ID{8}
	now             = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
)

func doctor(role string) registry.Caller {
	return registry.Caller{Channel: registry.ChannelREST, RequestID: "r-1", ClientType: "MIS", Role: role, LegalEntityID: here, EmployeeID: employeeID, PartyID: partyID}
}

// record is a clinical record that another clinic made within its own episode.
func record(change ...func(*abac.Resource)) abac.Resource {
	r := abac.Resource{Type: "encounter", ID: recordID, PatientID: patientID, LegalEntityID: elsewhere, Episode: abac.Episode{ID: episodeID, LegalEntityID: elsewhere}, Clinical: true}
	for _, f := range change {
		f(&r)
	}
	return r
}

func approval(level string, scope ...string) consent.Record {
	return consent.Record{ID: registry.ID{9}, PersonID: patientID, Method: consent.CodeConfirmed, Purpose: "огляд", AccessLevel: level, Scope: scope, Status: consent.StatusActive}
}

// The six rules of domain notes 1.10, each with what it allows and with the
// nearest case it does not: the same record with the one attribute changed.
func TestSixRules(t *testing.T) {
	whole, episode := consent.ResourceName(consent.ResourcePatient, patientID), consent.ResourceName(consent.ResourceEpisode, episodeID)
	report := func(r *abac.Resource) {
		r.Type, r.Origin = "diagnostic_report", abac.Episode{ID: registry.ID{10}, LegalEntityID: here}
	}
	citizen := registry.Caller{Role: registry.RolePatient, PersonID: patientID}
	for _, c := range []struct {
		name    string
		caller  registry.Caller
		facts   facts
		record  abac.Resource
		level   abac.Level
		allowed bool
		rule    abac.Rule
		basis   string
	}{
		{"1 the doctor of the declaration", doctor("DOCTOR"), facts{declaredTo: true, declared: true}, record(), abac.Read, true, abac.RuleDeclaration, audit.BasisDeclaration},
		{"1 writes too", doctor("DOCTOR"), facts{declaredTo: true, declared: true}, record(), abac.Write, true, abac.RuleDeclaration, audit.BasisDeclaration},
		{"1 a colleague in the clinic of the declaration", doctor("DOCTOR"), facts{declared: true}, record(), abac.Read, false, abac.RuleNone, ""},
		{"1 a specialist cannot hold a declaration", doctor("SPECIALIST"), facts{declaredTo: true, declared: true}, record(), abac.Read, false, abac.RuleNone, ""},
		{"2 made here", doctor("SPECIALIST"), facts{}, record(func(r *abac.Resource) { r.LegalEntityID = here }), abac.Read, true, abac.RuleCreatedHere, audit.BasisStatute},
		{"2 made elsewhere", doctor("SPECIALIST"), facts{}, record(), abac.Read, false, abac.RuleNone, ""},
		{"2 made nowhere that is known", doctor("SPECIALIST"), facts{}, record(func(r *abac.Resource) { r.LegalEntityID, r.Episode = registry.ID{}, abac.Episode{} }), abac.Read, false, abac.RuleNone, ""},
		{"3 of an episode led here", doctor("SPECIALIST"), facts{}, record(func(r *abac.Resource) { r.Episode.LegalEntityID = here }), abac.Read, true, abac.RuleEpisodeHere, audit.BasisStatute},
		{"3 of an episode led elsewhere", doctor("SPECIALIST"), facts{}, record(), abac.Read, false, abac.RuleNone, ""},
		{"4 the patient approved everything", doctor("DOCTOR"), facts{approvals: []consent.Record{approval("read", whole)}}, record(), abac.Read, true, abac.RuleApprovalPatient, audit.BasisConsent},
		{"4 approved to read, asked to write", doctor("DOCTOR"), facts{approvals: []consent.Record{approval("read", whole)}}, record(), abac.Write, false, abac.RuleNone, ""},
		{"4 approved to write", doctor("DOCTOR"), facts{approvals: []consent.Record{approval("write", whole)}}, record(), abac.Write, true, abac.RuleApprovalPatient, audit.BasisConsent},
		{"4 to write allows to read", doctor("DOCTOR"), facts{approvals: []consent.Record{approval("write", whole)}}, record(), abac.Read, true, abac.RuleApprovalPatient, audit.BasisConsent},
		{"4 another patient's name in the scope", doctor("DOCTOR"), facts{approvals: []consent.Record{approval("read", consent.ResourceName(consent.ResourcePatient, registry.ID{99}))}}, record(), abac.Read, false, abac.RuleNone, ""},
		{"5 the patient approved the episode", doctor("SPECIALIST"), facts{approvals: []consent.Record{approval("read", episode)}}, record(), abac.Read, true, abac.RuleApprovalEpisode, audit.BasisConsent},
		{"5 another episode", doctor("SPECIALIST"), facts{approvals: []consent.Record{approval("read", episode)}}, record(func(r *abac.Resource) { r.Episode.ID = registry.ID{99} }), abac.Read, false, abac.RuleNone, ""},
		{"5 a record of no episode", doctor("SPECIALIST"), facts{approvals: []consent.Record{approval("read", consent.ResourceName(consent.ResourceEpisode, registry.ID{}))}}, record(func(r *abac.Resource) { r.Episode = abac.Episode{} }), abac.Read, false, abac.RuleNone, ""},
		{"5 the record itself", doctor("SPECIALIST"), facts{approvals: []consent.Record{approval("read", "encounter/"+recordID.String())}}, record(), abac.Read, true, abac.RuleApprovalEpisode, audit.BasisConsent},
		{"5 a record of another type with the same id", doctor("SPECIALIST"), facts{approvals: []consent.Record{approval("read", "condition/"+recordID.String())}}, record(), abac.Read, false, abac.RuleNone, ""},
		{"6 a report on a referral from here", doctor("SPECIALIST"), facts{}, record(report), abac.Read, true, abac.RuleOriginHere, audit.BasisStatute},
		{"6 a report on another's referral", doctor("SPECIALIST"), facts{}, record(report, func(r *abac.Resource) { r.Origin.LegalEntityID = elsewhere }), abac.Read, false, abac.RuleNone, ""},
		{"6 is for diagnostic reports alone", doctor("SPECIALIST"), facts{}, record(report, func(r *abac.Resource) { r.Type = "encounter" }), abac.Read, false, abac.RuleNone, ""},

		{"who works on a referral", doctor("SPECIALIST"), facts{}, record(func(r *abac.Resource) { r.Type, r.HolderID = "service_request", here }), abac.Read, true, abac.RuleHolder, audit.BasisStatute},
		{"another works on it", doctor("SPECIALIST"), facts{}, record(func(r *abac.Resource) { r.Type, r.HolderID = "service_request", elsewhere }), abac.Read, false, abac.RuleNone, ""},

		{"the first rule that allows is told", doctor("DOCTOR"), facts{declaredTo: true, approvals: []consent.Record{approval("read", whole)}}, record(func(r *abac.Resource) { r.LegalEntityID = here }), abac.Read, true, abac.RuleDeclaration, audit.BasisDeclaration},
		{"an administrator, whatever the rules say", doctor("OWNER"), facts{declaredTo: true, declared: true, approvals: []consent.Record{approval("read", whole)}}, record(func(r *abac.Resource) { r.LegalEntityID = here }), abac.Read, false, abac.RuleAdministrator, ""},
		{"a role nobody knows", doctor("WIZARD"), facts{declaredTo: true, declared: true}, record(func(r *abac.Resource) { r.LegalEntityID = here }), abac.Read, false, abac.RuleAdministrator, ""},
		{"a system without an employee", registry.Caller{LegalEntityID: here, Role: "DOCTOR"}, facts{declaredTo: true, declared: true}, record(func(r *abac.Resource) { r.LegalEntityID = here }), abac.Read, false, abac.RuleNoEmployee, ""},
		{"a caller of no legal entity", registry.Caller{EmployeeID: employeeID, Role: "DOCTOR"}, facts{declaredTo: true, declared: true}, record(func(r *abac.Resource) { r.LegalEntityID = registry.ID{} }), abac.Read, false, abac.RuleNone, ""},
		{"the card of a person, for the clinic of the declaration", doctor("OWNER"), facts{declared: true}, abac.Resource{Type: "person", ID: patientID, PatientID: patientID}, abac.Read, true, abac.RuleClinic, audit.BasisDeclaration},
		{"the card of a person, for another clinic", doctor("OWNER"), facts{}, abac.Resource{Type: "person", ID: patientID, PatientID: patientID}, abac.Read, false, abac.RuleNone, ""},
		{"the citizen themselves", citizen, facts{}, record(), abac.Read, true, abac.RuleSelf, audit.BasisOwnData},
		{"the citizen's merged record", registry.Caller{Role: registry.RolePatient, PersonID: registry.ID{99}}, facts{merged: true}, record(), abac.Read, true, abac.RuleSelf, audit.BasisOwnData},
		{"the citizen does not write their merged record either", registry.Caller{Role: registry.RolePatient, PersonID: registry.ID{99}}, facts{merged: true}, record(), abac.Write, false, abac.RuleOther, ""},
		{"the citizen does not write", citizen, facts{}, record(), abac.Write, false, abac.RuleOther, ""},
		{"another citizen", registry.Caller{Role: registry.RolePatient, PersonID: registry.ID{99}}, facts{declaredTo: true, declared: true}, record(), abac.Read, false, abac.RuleOther, ""},
		{"a citizen whose record is not known", registry.Caller{Role: registry.RolePatient}, facts{}, record(func(r *abac.Resource) { r.PatientID = registry.ID{} }), abac.Read, false, abac.RuleOther, ""},
		{"break-glass", doctor("DOCTOR"), facts{emergency: accessID}, record(), abac.Read, true, abac.RuleEmergency, audit.BasisVitalInterest},
		{"break-glass does not write", doctor("DOCTOR"), facts{emergency: accessID}, record(), abac.Write, false, abac.RuleNone, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := abac.Decide(t.Context(), c.facts, c.caller, c.record, c.level, now)
			require.NoError(t, err)
			require.Equal(t, c.allowed, d.Allowed, d.Rule)
			require.Equal(t, c.rule, d.Rule)
			line := d.Entry(c.caller, c.record)
			require.Equal(t, audit.AccessDecision, line.Kind)
			require.Equal(t, "rule "+string(c.rule), line.Reason)
			require.Equal(t, c.record.PatientID, line.SubjectID)
			if c.record.Type == "person" {
				require.Nil(t, line.Object, "the log names nobody")
			} else {
				require.Equal(t, &audit.ObjectRef{Type: c.record.Type, ID: c.record.ID.String()}, line.Object)
			}
			if !c.allowed {
				require.Nil(t, d.Basis, "a refusal has no legal basis")
				require.Equal(t, string(registry.CodeForbidden), line.Code)
				return
			}
			require.Equal(t, "allowed", line.Code)
			require.Equal(t, c.basis, line.LegalBasis.Code)
			switch c.basis {
			case audit.BasisConsent:
				require.Equal(t, registry.ID{9}, d.Basis.Consent)
				require.Equal(t, "огляд", d.Basis.Purpose)
			case audit.BasisVitalInterest:
				require.Equal(t, "emergency_access "+accessID.String(), d.Basis.Purpose)
			}
		})
	}
}

// A fact that could not be had decides nothing.
func TestNoDecisionWithoutFacts(t *testing.T) {
	lost := errors.New("the database is away")
	for _, r := range []abac.Resource{record(), {Type: "person", ID: patientID, PatientID: patientID}} {
		d, err := abac.Decide(t.Context(), facts{declared: true, declaredTo: true, fails: lost}, doctor("DOCTOR"), r, abac.Read, now)
		require.ErrorIs(t, err, lost)
		require.False(t, d.Allowed)
	}
}
