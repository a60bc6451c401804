package main

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/approval"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/emergency"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/record"
)

// The six rules of access on real records, asked by REST: each with what it
// allows and with the nearest record it does not, and the line each answer left
// in the decision log. One record and one list per row.
func TestRulesOfAccessByREST(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	dsn := m.copy(t)
	h, store := m.handler(t, dsn, nil)
	conn := pgtest.Connect(t, dsn)
	source := registry.SystemSource()
	now := source.Now()
	// last is the newest line of the log.
	last := func(t *testing.T) audit.Entry {
		t.Helper()
		var b []byte
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT entry FROM leaves WHERE kind LIKE 'disclosure%' ORDER BY xid DESC, n DESC LIMIT 1`).Scan(&b))
		e, err := audit.Decode(b)
		require.NoError(t, err)
		return e
	}
	var elsewhere, author, specialist registry.ID
	for _, e := range m.state.Employees {
		if e.LegalEntityID != m.clinic && e.Type == "DOCTOR" {
			elsewhere, author = e.LegalEntityID, e.ID
		}
	}
	hash := sha256.Sum256([]byte(m.tokens["specialist"]))
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT employee_id FROM tokens WHERE hash = $1`, hash[:]).Scan(&specialist))
	patientID, other := m.ids["/api/v3/persons"], m.spare
	update := func(f func(ctx context.Context, tx *postgres.Tx) error) {
		t.Helper()
		require.NoError(t, store.Update(t.Context(), f))
	}
	// made is a record that the other clinic made within an episode of its own.
	made := func(change ...func(*record.Record)) record.Record {
		t.Helper()
		r := record.Record{ID: source.NewID(), Kind: record.KindEncounter, PatientID: patientID, AuthorID: author, LegalEntityID: elsewhere,
			Episode: abac.Episode{ID: source.NewID(), LegalEntityID: elsewhere}, Status: "finished", Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now}
		for _, f := range change {
			f(&r)
		}
		update(func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) })
		return r
	}
	ofOther := func(r *record.Record) { r.PatientID = other }
	report := func(r *record.Record) {
		r.Kind, r.Origin = record.KindDiagnosticReport, abac.Episode{ID: source.NewID(), LegalEntityID: m.clinic}
	}
	approve := func(person registry.ID, resource string) {
		t.Helper()
		a := approval.Approval{Record: consent.Record{ID: source.NewID(), PersonID: person, Method: consent.CodeConfirmed, Recipient: consent.EmployeeRecipient(specialist), Purpose: "огляд",
			Scope: []string{resource}, AccessLevel: "read", GrantedAt: now, ExpiresAt: now.Add(time.Hour), Status: consent.StatusActive, CreatedAt: now, Text: "Доступ до записів"},
			LegalEntityID: m.clinic, CreatedBy: specialist, AuthMethod: "OTP"}
		update(func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.InsertConsent(ctx, a.Record); err != nil {
				return err
			}
			return tx.InsertApproval(ctx, a)
		})
	}
	approved, untold := made(ofOther), made(ofOther)
	approve(other, consent.ResourceName(consent.ResourceEpisode, approved.Episode.ID))
	third := m.state.Persons[len(m.state.Persons)-2].Person.ID
	ofThird := func(r *record.Record) { r.PatientID = third }
	everything := made(ofThird)
	approve(third, consent.ResourceName(consent.ResourcePatient, third))
	fourth := m.state.Persons[len(m.state.Persons)-3].Person.ID
	danger := made(func(r *record.Record) { r.PatientID = fourth })
	update(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.InsertEmergency(ctx, emergency.Access{ID: source.NewID(), PersonID: fourth, EmployeeID: specialist, LegalEntityID: m.clinic, Reason: "UNCONSCIOUS",
			Words: emergency.Words{Explanation: "доставлено непритомним з вулиці"}, OpenedAt: now, ExpiresAt: now.Add(time.Hour), Status: "open"})
	})
	paths := map[record.Kind]string{record.KindEncounter: "/api/v3/encounters", record.KindDiagnosticReport: "/api/v3/diagnostic_reports", record.KindServiceRequest: "/api/v3/service_requests"}

	for _, c := range []struct {
		name, who string
		record    record.Record
		rule      abac.Rule
		basis     string // empty: refused
	}{
		{"1 the doctor of the declaration", "doctor", made(), abac.RuleDeclaration, audit.BasisDeclaration},
		{"1 a colleague of that doctor", "specialist", made(), abac.RuleNone, ""},
		{"1 the doctor of the declaration, another patient", "doctor", made(ofOther), abac.RuleNone, ""},
		{"2 made here", "specialist", made(func(r *record.Record) { r.LegalEntityID = m.clinic }), abac.RuleCreatedHere, audit.BasisStatute},
		{"2 made elsewhere", "specialist", made(), abac.RuleNone, ""},
		{"3 of an episode led here", "specialist", made(func(r *record.Record) { r.Episode.LegalEntityID = m.clinic }), abac.RuleEpisodeHere, audit.BasisStatute},
		{"3 of an episode led elsewhere", "specialist", made(), abac.RuleNone, ""},
		{"4 the patient approved everything", "specialist", everything, abac.RuleApprovalPatient, audit.BasisConsent},
		{"4 to one employee alone", "surgeon", everything, abac.RuleNone, ""},
		{"5 the patient approved the episode", "specialist", approved, abac.RuleApprovalEpisode, audit.BasisConsent},
		{"5 another episode of that patient", "specialist", untold, abac.RuleNone, ""},
		{"6 a report on a referral from here", "specialist", made(report), abac.RuleOriginHere, audit.BasisStatute},
		{"6 a report on another's referral", "specialist", made(report, func(r *record.Record) { r.Origin.LegalEntityID = elsewhere }), abac.RuleNone, ""},
		{"6 is for reports alone", "specialist", made(report, func(r *record.Record) { r.Kind = record.KindEncounter }), abac.RuleNone, ""},
		{"a referral in use here", "specialist", made(func(r *record.Record) { r.Kind, r.HolderID = record.KindServiceRequest, m.clinic }), abac.RuleHolder, audit.BasisStatute},
		{"a referral in use elsewhere", "specialist", made(func(r *record.Record) { r.Kind, r.HolderID = record.KindServiceRequest, elsewhere }), abac.RuleNone, ""},
		{"break-glass", "specialist", danger, abac.RuleEmergency, audit.BasisVitalInterest},
		{"break-glass of somebody else", "surgeon", danger, abac.RuleNone, ""},
		{"a system for nobody", "system", made(func(r *record.Record) { r.LegalEntityID = m.clinic }), abac.RuleNoEmployee, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := m.ask(h, c.who, "GET", paths[c.record.Kind]+"/"+c.record.ID.String(), "")
			kind, code := audit.Disclosure, ""
			if c.basis == "" {
				require.Equal(t, 404, w.Code, w.Body)
				require.NotContains(t, w.Body.String(), c.record.PatientID.String())
				kind, code = audit.DisclosureRefused, string(registry.CodeNotFound)
			} else {
				require.Equal(t, 200, w.Code, w.Body)
				require.Contains(t, w.Body.String(), c.record.ID.String())
			}
			line := last(t)
			require.Equal(t, kind, line.Kind)
			require.Equal(t, code, line.Code)
			require.Equal(t, "rule "+string(c.rule), line.Reason)
			require.Equal(t, &audit.ObjectRef{Type: string(c.record.Kind), ID: c.record.ID.String()}, line.Object)
			require.NotEmpty(t, line.Subject, "the patient stands there as a commitment")
			if c.basis == "" {
				require.Nil(t, line.LegalBasis)
			} else {
				require.Equal(t, c.basis, line.LegalBasis.Code)
			}
			// A list of the patient's tells the record exactly when a read does.
			w = m.ask(h, c.who, "GET", paths[c.record.Kind]+"?page_size=100&patient_id="+c.record.PatientID.String(), "")
			require.Equal(t, 200, w.Code, w.Body)
			if c.basis == "" {
				require.NotContains(t, w.Body.String(), c.record.ID.String())
			} else {
				require.Contains(t, w.Body.String(), c.record.ID.String())
			}
		})
	}
	// Who has no scope is told so, and nothing of whether there is a record.
	for _, who := range []string{"owner", "receptionist", "nhs", "auditor"} {
		require.Equal(t, 403, m.ask(h, who, "GET", "/api/v3/encounters/"+approved.ID.String(), "").Code, who)
	}
}
