package postgres_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/approval"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/emergency"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prm"
)

// The six rules over real rows, behind the wall of the asker's legal entity, as
// the server asks: declaration, approvals and break-glass from their tables, the
// record described as its room will describe it. Every right ends with its row.
func TestRulesOfAccessOverRows(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	w := newWalls(t, s)
	now := source.Now()
	here, elsewhere, person := w.a.legalEntity, w.b.legalEntity, w.b.person // the patient of clinic b
	specialist := source.NewID()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutEmployee(ctx, prm.Employee{ID: specialist, LegalEntityID: here, DivisionID: w.a.division, Type: "SPECIALIST", Position: "P8", Speciality: "SURGERY", Status: "APPROVED",
			Party: prm.Party{ID: source.NewID(), LastName: "Різаленко", FirstName: "Олег", TaxID: "3067305998", BirthDate: registry.Date{Year: 1983, Month: 12, Day: 24}}, StartDate: registry.DateOf(now)}))
	})
	who := func(role string, employee, party, legalEntity registry.ID) registry.Caller {
		return registry.Caller{Channel: registry.ChannelREST, RequestID: "abac", Role: role, EmployeeID: employee, PartyID: party, LegalEntityID: legalEntity,
			Rows: registry.Reach{LegalEntityID: legalEntity}}
	}
	own, surgeon := who("DOCTOR", w.b.doctor, w.b.party, elsewhere), who("SPECIALIST", specialist, source.NewID(), here)
	episode := abac.Episode{ID: source.NewID(), LegalEntityID: elsewhere}
	record := abac.Resource{Type: "encounter", ID: source.NewID(), PatientID: person, LegalEntityID: elsewhere, Episode: episode, Clinical: true}
	report := record
	report.Type, report.Origin = "diagnostic_report", abac.Episode{ID: source.NewID(), LegalEntityID: here}

	// decide asks at a time and writes the decision down, as a room does.
	decide := func(c registry.Caller, r abac.Resource, level abac.Level, at time.Time) (d abac.Decision) {
		t.Helper()
		require.NoError(t, w.as(t, c.Rows, func(ctx context.Context, tx *postgres.Tx) (err error) {
			if d, err = abac.Decide(ctx, tx, c, r, level, at); err != nil {
				return err
			}
			_, err = tx.Audit(ctx, d.Entry(c, r))
			return err
		}))
		return d
	}
	demand := func(want abac.Rule, allowed bool, c registry.Caller, r abac.Resource, level abac.Level, at time.Time) {
		t.Helper()
		d := decide(c, r, level, at)
		require.Equal(t, want, d.Rule)
		require.Equal(t, allowed, d.Allowed)
	}
	approve := func(resource, level string, to string) approval.Approval {
		a := approval.Approval{Record: consent.Record{ID: source.NewID(), PersonID: person, Method: consent.CodeConfirmed, Recipient: to, Purpose: "огляд", Scope: []string{resource}, AccessLevel: level,
			GrantedAt: now, ExpiresAt: now.Add(24 * time.Hour), Status: consent.StatusActive, CreatedAt: now, Text: "Доступ до записів"}, LegalEntityID: here, CreatedBy: specialist, AuthMethod: "OTP"}
		require.NoError(t, w.as(t, surgeon.Rows, func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.InsertConsent(ctx, a.Record); err != nil {
				return err
			}
			return tx.InsertApproval(ctx, a)
		}))
		return a
	}
	end := func(a approval.Approval) {
		a.Status, a.RevokedAt = consent.StatusRevoked, source.Now()
		require.NoError(t, w.as(t, surgeon.Rows, func(ctx context.Context, tx *postgres.Tx) error { return tx.UpdateApproval(ctx, a) }))
	}

	// 2, 3, 6: attributes of the record.
	demand(abac.RuleNone, false, surgeon, record, abac.Read, now)
	made := record
	made.LegalEntityID = here
	demand(abac.RuleCreatedHere, true, surgeon, made, abac.Read, now)
	led := record
	led.Episode.LegalEntityID = here
	demand(abac.RuleEpisodeHere, true, surgeon, led, abac.Read, now)
	demand(abac.RuleOriginHere, true, surgeon, report, abac.Read, now)

	// 4 and 5: the patient's approvals, while they are in force and for whom they are.
	a := approve(consent.ResourceName(consent.ResourceEpisode, episode.ID), "read", consent.EmployeeRecipient(specialist))
	demand(abac.RuleApprovalEpisode, true, surgeon, record, abac.Read, now)
	demand(abac.RuleNone, false, surgeon, record, abac.Write, now)
	demand(abac.RuleNone, false, surgeon, record, abac.Read, now.Add(25*time.Hour))
	demand(abac.RuleNone, false, who("DOCTOR", w.a.doctor, w.a.party, here), record, abac.Read, now)
	end(a)
	demand(abac.RuleNone, false, surgeon, record, abac.Read, now)
	a = approve(consent.ResourceName(consent.ResourcePatient, person), "write", consent.LegalEntityRecipient(here))
	demand(abac.RuleApprovalPatient, true, surgeon, record, abac.Write, now)
	demand(abac.RuleApprovalPatient, true, who("DOCTOR", w.a.doctor, w.a.party, here), record, abac.Read, now)
	demand(abac.RuleNoEmployee, false, who("", registry.ID{}, registry.ID{}, here), record, abac.Read, now)
	end(a)
	demand(abac.RuleNone, false, surgeon, record, abac.Read, now)

	// The glass: an hour, for the one who broke it.
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertEmergency(ctx, emergency.Access{ID: source.NewID(), PersonID: person, EmployeeID: specialist, LegalEntityID: here, Reason: "UNCONSCIOUS",
			Words: emergency.Words{Explanation: "доставлено непритомним з вулиці"}, OpenedAt: now, ExpiresAt: now.Add(time.Hour), Status: "open"}))
	})
	demand(abac.RuleEmergency, true, surgeon, record, abac.Read, now)
	demand(abac.RuleNone, false, surgeon, record, abac.Write, now)
	demand(abac.RuleNone, false, surgeon, record, abac.Read, now.Add(61*time.Minute))
	demand(abac.RuleNone, false, who("DOCTOR", w.a.doctor, w.a.party, here), record, abac.Read, now)

	// 1: the doctor of the declaration, while it is active; one that waits for
	// verification shows the card to the clinic, and no clinical record.
	demand(abac.RuleDeclaration, true, own, record, abac.Read, now)
	card := abac.Resource{Type: "person", ID: person, PatientID: person}
	setStatus := func(from, to declaration.Status) {
		update(t, s, func(ctx context.Context, tx *postgres.Tx) {
			require.NoError(t, tx.SetDeclarationStatus(ctx, w.actB.ID, from, to, "manual", ""))
		})
	}
	foreign := record
	foreign.LegalEntityID, foreign.Episode = here, abac.Episode{}
	demand(abac.RuleDeclaration, true, own, foreign, abac.Read, now)
	setStatus(declaration.StatusActive, declaration.StatusTerminated)
	demand(abac.RuleNone, false, own, foreign, abac.Read, now)
	demand(abac.RuleNone, false, own, card, abac.Read, now)

	// Every decision stands in the log with its rule and, where it allows, its basis.
	rows, err := pgtest.Connect(t, dsn).Query(t.Context(), `SELECT convert_from(entry, 'UTF8') FROM leaves WHERE kind = 'access.decision' ORDER BY n`)
	require.NoError(t, err)
	defer rows.Close()
	log := map[string]int{}
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		var e struct {
			Code   string `json:"code"`
			Reason string `json:"reason"`
			Basis  *struct {
				Code string `json:"code"`
			} `json:"legal_basis"`
		}
		require.NoError(t, json.Unmarshal([]byte(text), &e))
		require.Equal(t, e.Code == "allowed", e.Basis != nil, text)
		require.NotContains(t, text, person.String(), "the log names nobody")
		log[e.Reason]++
	}
	require.NoError(t, rows.Err())
	require.Equal(t, map[string]int{"rule 1_declaration": 2, "rule 2_created_here": 1, "rule 3_episode_here": 1, "rule 4_approval_patient": 2, "rule 5_approval_episode": 1,
		"rule 6_origin_here": 1, "rule emergency": 1, "rule no_employee": 1, "rule none": 11}, log)
}
