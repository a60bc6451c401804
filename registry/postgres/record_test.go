package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/abac"
	"mist/registry/approval"
	"mist/registry/consent"
	"mist/registry/emergency"
	"mist/registry/personlife"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/record"
)

// Records behind the wall: seen where they were made, where their episode is
// led, by who works on them and by the patient; written by who makes them; moved past
// the wall by the kind for whoever works on them. Numbers and ids are there once, and a life is told in order.
func TestRecordsBehindTheWall(t *testing.T) {
	t.Parallel()
	w := newWalls(t, cluster.Store(t))
	now := source.Now()
	reach := func(id registry.ID) registry.Reach { return registry.Reach{LegalEntityID: id} }
	made := func(c clinic, number string, change func(*record.Record)) record.Record {
		r := record.Record{ID: source.NewID(), Kind: "service_request", PatientID: c.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity, Number: number, Status: "active",
			Body: []byte(`{"note":"прошу оглянути"}`), InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(-time.Second)}
		change(&r)
		return r
	}
	insert := func(by registry.Reach, r record.Record) error {
		return w.as(t, by, func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) })
	}
	listed := func(by registry.Reach, f record.Filter) (ids []registry.ID) {
		t.Helper()
		f.Limit = 10
		require.NoError(t, w.as(t, by, func(ctx context.Context, tx *postgres.Tx) error {
			list, err := tx.Records(ctx, f)
			for _, r := range list {
				ids = append(ids, r.ID)
			}
			return err
		}))
		return ids
	}
	a, b := reach(w.a.legalEntity), reach(w.b.legalEntity)
	plain := made(w.a, "0000-0000-0000-0001", func(*record.Record) {})
	require.NoError(t, insert(a, plain))
	require.Equal(t, []registry.ID{plain.ID}, listed(a, record.Filter{Kind: plain.Kind}))
	require.Empty(t, listed(b, record.Filter{Kind: plain.Kind}), "made elsewhere")
	require.Empty(t, listed(registry.Reach{}, record.Filter{Kind: plain.Kind}), "nobody")
	require.Equal(t, []registry.ID{plain.ID}, listed(registry.Reach{PersonID: w.a.person}, record.Filter{Kind: plain.Kind}), "the patient")
	require.Empty(t, listed(b, record.Filter{Kind: plain.Kind, PatientID: w.a.person}), "of a patient whom the clinic does not treat")

	led := made(w.a, "", func(r *record.Record) { r.Episode = abac.Episode{ID: source.NewID(), LegalEntityID: w.b.legalEntity} })
	require.NoError(t, insert(a, led))
	require.Equal(t, []registry.ID{led.ID}, listed(b, record.Filter{Kind: led.Kind}), "of an episode led there")

	// Nobody writes a record of another clinic; the twin is written.
	foreign := made(w.b, "", func(*record.Record) {})
	var db *postgres.DatabaseError
	require.ErrorAs(t, insert(a, foreign), &db)
	require.Equal(t, "42501", db.SQLState)
	require.NoError(t, insert(b, foreign))

	// An id and a number stand once; the same number of another kind is another number.
	require.Equal(t, "record_exists", registry.AsError(insert(a, plain)).Reason)
	again := made(w.a, plain.Number, func(*record.Record) {})
	require.Equal(t, "record_number", registry.AsError(insert(a, again)).Reason)
	again.Kind = "medication_request"
	require.NoError(t, insert(a, again))

	// Who works on a record moves it, and sees it from then on; its life is in order.
	require.NoError(t, w.as(t, b, func(ctx context.Context, tx *postgres.Tx) error {
		due, err := tx.RecordsDue(ctx, plain.Kind, []string{"active"}, now, 10)
		require.NoError(t, err)
		require.Len(t, due, 2, "those the clinic sees, its own and the one of its episode: jobs see all")
		r, err := tx.RecordByNumber(ctx, plain.Kind, plain.Number, true)
		require.NoError(t, err)
		require.Equal(t, plain, r, "what was put down comes back")
		r.HolderID, r.Status, r.UpdatedAt = w.b.legalEntity, "in_progress", now.Add(time.Second)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(w.as(t, b, func(ctx context.Context, tx *postgres.Tx) error { return tx.MoveRecord(ctx, r) })), "behind the wall")
		return tx.MoveAcross(ctx, r)
	}))
	require.Contains(t, listed(b, record.Filter{Kind: plain.Kind, HolderID: w.b.legalEntity}), plain.ID)
	require.NoError(t, w.as(t, registry.Reach{All: true}, func(ctx context.Context, tx *postgres.Tx) error {
		due, err := tx.RecordsDue(ctx, plain.Kind, []string{"active", "in_progress"}, now, 10)
		require.NoError(t, err)
		for _, r := range due {
			require.NotEqual(t, plain.ID, r.ID, "somebody works on it")
		}
		history, err := tx.RecordHistory(ctx, plain.ID)
		require.NoError(t, err)
		require.Len(t, history, 2, "each state once, though two clinics are told")
		require.Equal(t, [2]string{"active", "in_progress"}, [2]string{history[0].Status, history[1].Status})
		_, err = tx.RecordByID(ctx, "encounter", plain.ID, false)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), "an id of another kind")
		return nil
	}))
}

// The wall around records knows the rules of access as far as they are of a legal
// entity: its people see those of a patient whom it treats, whom the patient
// approved, or who needed help at once, and change none of them.
func TestRecordsAreOpenToWhoTreatsThePatient(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	w := newWalls(t, pgtest.Open(t, dsn))
	now := source.Now()
	r := record.Record{ID: source.NewID(), Kind: record.KindEncounter, PatientID: w.a.person, AuthorID: w.a.doctor, LegalEntityID: w.a.legalEntity, Status: "finished", Body: []byte(`{}`), InsertedAt: now, UpdatedAt: now}
	a, b := registry.Reach{LegalEntityID: w.a.legalEntity}, registry.Reach{LegalEntityID: w.b.legalEntity}
	require.NoError(t, w.as(t, a, func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertRecord(ctx, r) }))
	sees := func(who registry.Reach, patient registry.ID) (yes bool) {
		t.Helper()
		require.NoError(t, w.as(t, who, func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.RecordByID(ctx, r.Kind, r.ID, false)
			list, failed := tx.Records(ctx, record.Filter{Kind: r.Kind, PatientID: patient, Limit: 10})
			require.NoError(t, failed)
			yes = err == nil
			if yes {
				require.Len(t, list, 1)
			} else {
				require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
				require.Empty(t, list)
			}
			if who != a {
				_, err = tx.RecordByID(ctx, r.Kind, r.ID, true)
				require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), "nobody else holds it")
			}
			any, err := tx.RecordAcross(ctx, r.Kind, r.ID, false)
			require.Equal(t, r.ID, any.ID, "a kind may look")
			return err
		}))
		if who != a {
			require.Equal(t, registry.CodeNotFound, registry.CodeOf(w.as(t, who, func(ctx context.Context, tx *postgres.Tx) error { return tx.MoveRecord(ctx, r) })), "nobody else changes it")
		}
		return yes
	}
	require.True(t, sees(a, w.a.person), "the unmutated twin: where it was made")
	require.False(t, sees(b, w.a.person))

	// An approval in force; one of another clinic, one that is over, one revoked.
	approve := func(by clinic, until time.Time) approval.Approval {
		x := approval.Approval{Record: consent.Record{ID: source.NewID(), PersonID: w.a.person, Method: consent.CodeConfirmed, Recipient: consent.LegalEntityRecipient(by.legalEntity), Purpose: "огляд",
			Scope: []string{consent.ResourceName(consent.ResourcePatient, w.a.person)}, AccessLevel: "read", GrantedAt: now, ExpiresAt: until, Status: consent.StatusActive, CreatedAt: now, Text: "Доступ до записів"},
			LegalEntityID: by.legalEntity, CreatedBy: by.doctor, AuthMethod: "OTP"}
		update(t, w.Store, func(ctx context.Context, tx *postgres.Tx) {
			require.NoError(t, tx.InsertConsent(ctx, x.Record))
			require.NoError(t, tx.InsertApproval(ctx, x))
		})
		return x
	}
	approve(populate(t, w.Store), now.Add(time.Hour))
	approve(w.b, now.Add(-time.Second))
	require.False(t, sees(b, w.a.person))
	x := approve(w.b, now.Add(time.Hour))
	require.True(t, sees(b, w.a.person))
	x.Status, x.RevokedAt = consent.StatusRevoked, now
	update(t, w.Store, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.UpdateApproval(ctx, x)) })
	require.False(t, sees(b, w.a.person))

	// The glass.
	breaks := func(until time.Time) {
		update(t, w.Store, func(ctx context.Context, tx *postgres.Tx) {
			require.NoError(t, tx.InsertEmergency(ctx, emergency.Access{ID: source.NewID(), PersonID: w.a.person, EmployeeID: w.b.doctor, LegalEntityID: w.b.legalEntity, Reason: "UNCONSCIOUS",
				Words: emergency.Words{Explanation: "доставлено непритомним з вулиці"}, OpenedAt: now, ExpiresAt: until, Status: "open"}))
		})
	}
	breaks(now.Add(-time.Second))
	require.False(t, sees(b, w.a.person))
	breaks(now.Add(time.Hour))
	require.True(t, sees(b, w.a.person))
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), "DELETE FROM emergency_accesses")
	require.NoError(t, err)
	require.False(t, sees(b, w.a.person))

	// The patient is found to be the one whom clinic b treats: the records of both
	// are one person's, by either id, for the clinic and for the citizen.
	citizen := registry.Reach{PersonID: w.b.person}
	require.False(t, sees(citizen, w.a.person))
	room, err := personlife.New(postgres.NewPort[personlife.Tx](w.Store), source)
	require.NoError(t, err)
	operator := func(n byte) registry.Caller {
		return registry.Caller{RequestID: "r", PartyID: registry.ID{n}, Scopes: []string{personlife.ScopeMergeWrite}}
	}
	m, err := room.Propose(t.Context(), operator(1), w.b.person, w.a.person, "одна людина, два записи")
	require.NoError(t, err)
	m, err = room.Agree(t.Context(), operator(2), m.ID)
	require.NoError(t, err)
	for _, id := range []registry.ID{w.a.person, w.b.person} {
		require.True(t, sees(b, id), "the doctor of the survivor")
		require.True(t, sees(citizen, id))
		require.True(t, sees(a, id), "where it was made")
		require.False(t, sees(registry.Reach{LegalEntityID: source.NewID(), PersonID: source.NewID()}, id))
	}
	// What one record was promised counts for both.
	surgeon := registry.Caller{Role: "SPECIALIST", EmployeeID: source.NewID(), PartyID: source.NewID(), LegalEntityID: w.b.legalEntity, Rows: b}
	own := registry.Caller{Role: "DOCTOR", EmployeeID: w.b.doctor, PartyID: w.b.party, LegalEntityID: w.b.legalEntity, Rows: b}
	self := registry.Caller{Role: registry.RolePatient, PersonID: w.b.person, Rows: citizen}
	rule := func(c registry.Caller) (rule abac.Rule) {
		t.Helper()
		require.NoError(t, w.as(t, c.Rows, func(ctx context.Context, tx *postgres.Tx) error {
			shown, err := tx.RecordByID(ctx, r.Kind, r.ID, false)
			if err != nil {
				return err
			}
			d, err := abac.Decide(ctx, tx, c, shown.Resource(), abac.Read, now)
			rule = d.Rule
			return err
		}))
		return rule
	}
	require.Equal(t, abac.RuleDeclaration, rule(own))
	require.Equal(t, abac.RuleSelf, rule(self))
	require.Equal(t, abac.RuleNone, rule(surgeon), "of the clinic, and no more")
	x = approve(w.b, now.Add(time.Hour))
	require.Equal(t, abac.RuleApprovalPatient, rule(surgeon), "given for the record that was merged")

	_, err = room.ProposeUndo(t.Context(), operator(1), m.ID, "це різні люди, близнюки")
	require.NoError(t, err)
	_, err = room.Agree(t.Context(), operator(2), m.ID)
	require.NoError(t, err)
	require.False(t, sees(citizen, w.a.person))
	x.Status, x.RevokedAt = consent.StatusRevoked, now
	update(t, w.Store, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.UpdateApproval(ctx, x)) })
	require.False(t, sees(b, w.a.person))
}
