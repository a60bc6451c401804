package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/approval"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/personlife"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/record"
)

// kept are the tables that a merge adds lines to and that nothing takes back: the
// log, the feed, histories, and the requests of the merges themselves.
var kept = []string{"leaves", "leaves_first", "entries", "entry_search", "entry_search_first", "status_events", "declaration_statuses", "person_versions", "person_merges"}

// stand is every row of every other table of the database, whole but for the
// times of last changes: what a merge and its undoing must leave as it was.
func stand(t *testing.T, dsn string) map[string]string {
	t.Helper()
	conn := pgtest.Connect(t, dsn)
	rows, err := conn.Query(t.Context(), `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname <> ALL ($1) AND NOT c.relispartition`, kept)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	all := map[string]string{}
	for _, table := range tables {
		var text string
		require.NoError(t, conn.QueryRow(t.Context(), `SELECT COALESCE(string_agg(line, E'\n' ORDER BY line), '') FROM (SELECT (to_jsonb(x) - 'updated_at')::text AS line FROM `+table+` x) lines`).Scan(&text))
		all[table] = text
	}
	for _, table := range []string{"persons", "person_keys", "declarations", "person_relationships", "drafts", "records", "consents", "approvals", "acts"} {
		require.NotEmpty(t, all[table], "there is nothing to lose in %s", table)
	}
	return all
}

func (c clinic) declareFor(ctx context.Context, t *testing.T, tx *postgres.Tx, person registry.ID, status declaration.Status, reason, note string) registry.ID {
	t.Helper()
	a := c.act()
	a.PatientID = person
	require.NoError(t, tx.InsertAct(ctx, a))
	_, err := tx.Audit(ctx, accepted(a))
	require.NoError(t, err)
	sides, err := tx.Sides(ctx, person, c.doctor, c.division, c.legalEntity)
	require.NoError(t, err)
	require.True(t, sides.HasEmployee && sides.HasDivision)
	n := sides.Sequence
	now := source.Now()
	require.NoError(t, tx.InsertDeclaration(ctx, declaration.Declaration{
		ID: a.ID, ActID: a.ID, RequestID: source.NewID(), Number: declaration.Number(n), PersonID: person, EmployeeID: c.doctor, DivisionID: c.division, LegalEntityID: c.legalEntity,
		Scope: "family_doctor", StartDate: registry.DateOf(now), EndDate: registry.DateOf(now), SignedAt: now, Status: declaration.StatusPendingVerification, Reason: "offline", InsertedAt: now, UpdatedAt: now,
	}))
	if status != declaration.StatusPendingVerification {
		require.NoError(t, tx.SetDeclarationStatus(ctx, a.ID, declaration.StatusPendingVerification, status, reason, note))
	}
	return a.ID
}

func TestMergeAndUndoLeaveTheSameRows(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	room, err := personlife.New(postgres.NewPort[personlife.Tx](s), source)
	require.NoError(t, err)
	operator := func(n byte) registry.Caller {
		return registry.Caller{Channel: registry.ChannelREST, RequestID: "r", ClientID: registry.ID{1}, PartyID: registry.ID{n}, Scopes: []string{personlife.ScopeMergeWrite, personlife.ScopeMergeRead, personlife.ScopeHistory}}
	}
	one, two := operator(1), operator(2)
	const why = "та сама людина, два записи"
	chance := rand.New(rand.NewPCG(1, 2))
	var people []registry.ID
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		for i := range 8 {
			p := somebody(source.NewID())
			p.FirstName, p.TaxID = []string{"Марія", "Марійка", "Марися"}[i%3], ""
			p.Documents = []patient.Document{{Type: "PASSPORT", Number: fmt.Sprintf("КВ%06d", i)}}
			require.NoError(t, tx.PutPerson(ctx, p))
			people = append(people, p.ID)
			mine := c
			mine.person = p.ID
			d := mine.draft()
			d.Number = fmt.Sprintf("0001-AAAA-%04d", i)
			require.NoError(t, tx.InsertDraft(ctx, d))
			require.NoError(t, tx.InsertRecord(ctx, record.Record{ID: source.NewID(), Kind: record.KindEncounter, PatientID: p.ID, AuthorID: c.doctor, LegalEntityID: c.legalEntity, Status: "finished",
				Body: []byte(`{}`), InsertedAt: p.InsertedAt, UpdatedAt: p.InsertedAt}))
			given := approval.Approval{Record: consentOf(p.ID), LegalEntityID: c.legalEntity, CreatedBy: c.doctor, AuthMethod: "OTP"}
			given.Nonce = registry.Digest{byte(i + 1)}
			require.NoError(t, tx.InsertConsent(ctx, given.Record))
			require.NoError(t, tx.InsertApproval(ctx, given))
			if i > 0 {
				require.NoError(t, tx.PutRelationship(ctx, patient.Relationship{ID: source.NewID(), PersonID: p.ID, ConfidantPersonID: people[i-1], IsActive: true,
					VerificationStatus: patient.VerificationNeeded, VerificationReason: patient.ReasonCreatedByDoctor, InsertedAt: p.InsertedAt, UpdatedAt: p.InsertedAt}))
			}
			switch i % 4 {
			case 0:
				c.declareFor(ctx, t, tx, p.ID, declaration.StatusActive, "manual_verified", "слова оператора")
			case 1:
				c.declareFor(ctx, t, tx, p.ID, declaration.StatusPendingVerification, "", "")
			case 2:
				c.declareFor(ctx, t, tx, p.ID, declaration.StatusTerminated, "manual_person", "інші слова")
			}
		}
	})

	// Chains of merges, undone from the last to the first: every stand comes back.
	for round := range 6 {
		left := append([]registry.ID(nil), people...)
		chance.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
		var stands []map[string]string
		var done []personlife.Merge
		for depth := 1 + chance.IntN(4); depth > 0; depth-- {
			loser, master := left[0], left[1]
			left = left[1:]
			stands = append(stands, stand(t, dsn))
			m, err := room.Propose(t.Context(), one, master, loser, why)
			require.NoError(t, err)
			require.Equal(t, stands[len(stands)-1], stand(t, dsn), "a proposal changes nobody")
			_, err = room.Agree(t.Context(), one, m.ID)
			require.Equal(t, "same_operator", registry.AsError(err).Reason)
			m, err = room.Agree(t.Context(), two, m.ID)
			require.NoError(t, err)
			done = append(done, m)
			update(t, s, func(ctx context.Context, tx *postgres.Tx) {
				p, err := tx.Person(ctx, loser)
				require.NoError(t, err)
				require.Equal(t, []any{patient.StatusInactive, master, personlife.ReasonMerge}, []any{p.Status, p.MasterID, p.StatusReason})
				_, found, err := tx.ActiveDeclaration(ctx, loser)
				require.NoError(t, err)
				require.False(t, found)
			})
		}
		for i := len(done) - 1; i >= 0; i-- {
			_, err := room.ProposeUndo(t.Context(), two, done[i].ID, "це різні люди, близнюки")
			require.NoError(t, err)
			_, err = room.Agree(t.Context(), two, done[i].ID)
			require.Equal(t, "same_operator", registry.AsError(err).Reason)
			m, err := room.Agree(t.Context(), one, done[i].ID)
			require.NoError(t, err)
			require.Equal(t, personlife.MergeUndone, m.Status)
			require.Equal(t, stands[i], stand(t, dsn), "round %d, merge %d", round, i)
		}
	}
	// Every step stands in the log and in the feed of the declaration.
	merged := count(t, dsn, `SELECT count(*) FROM person_merges WHERE status = 'UNDONE'`)
	require.Positive(t, merged)
	require.Equal(t, merged, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'merge.done'`))
	require.Equal(t, merged, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'merge.undone'`))
	ended := count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'declaration.terminated'`)
	require.Positive(t, ended)
	require.Equal(t, ended, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'declaration.restored'`))
	require.Equal(t, ended, count(t, dsn, `SELECT count(*) FROM declaration_statuses WHERE reason = 'manual_merge'`))
}

func TestRulesOfMerges(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	room, err := personlife.New(postgres.NewPort[personlife.Tx](s), source)
	require.NoError(t, err)
	a, b := somebody(source.NewID()), somebody(source.NewID())
	a.TaxID, b.TaxID, b.LastName, b.UNZR = "", "", "Інша", "19900228-99999"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, a))
		require.NoError(t, tx.PutPerson(ctx, b))
	})
	one := registry.Caller{RequestID: "r", PartyID: registry.ID{1}, Scopes: []string{personlife.ScopeMergeWrite, personlife.ScopeMergeRead, personlife.ScopeHistory, personlife.ScopeDeactivate}}
	two := one
	two.PartyID = registry.ID{2}
	const why = "та сама людина, два записи"
	reason := func(err error) string {
		e := registry.AsError(err)
		if len(e.Fields) > 0 {
			return e.Fields[0].Entry + " " + e.Fields[0].Rule
		}
		return e.Reason
	}
	_, err = room.Propose(t.Context(), one, a.ID, a.ID, why)
	require.Equal(t, "$.merge_person_id invalid", reason(err))
	_, err = room.Propose(t.Context(), one, a.ID, b.ID, "бо")
	require.Equal(t, "$.reason length", reason(err))
	_, err = room.Propose(t.Context(), one, a.ID, source.NewID(), why)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	m, err := room.Propose(t.Context(), one, a.ID, b.ID, why)
	require.NoError(t, err)
	_, err = room.Propose(t.Context(), two, a.ID, b.ID, why)
	require.Equal(t, "merge_exists", reason(err))
	_, err = room.ProposeUndo(t.Context(), one, m.ID, why)
	require.Equal(t, "status_NEW", reason(err))
	declined, err := room.Decline(t.Context(), one, m.ID)
	require.NoError(t, err)
	require.Equal(t, personlife.MergeDeclined, declined.Status)
	_, err = room.Agree(t.Context(), two, m.ID)
	require.Equal(t, "status_DECLINED", reason(err))
	m, err = room.Propose(t.Context(), one, a.ID, b.ID, why)
	require.NoError(t, err)
	_, err = room.Agree(t.Context(), two, m.ID)
	require.NoError(t, err)
	_, err = room.Propose(t.Context(), one, b.ID, a.ID, why)
	require.Equal(t, "person_status", reason(err))

	// Whoever asks by the loser's names, numbers or id gets the survivor.
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		p, found, err := tx.FindPerson(ctx, patient.Query{UNZR: "19900228-99999"})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, a.ID, p.ID)
	})
	search, err := patient.NewSearch(postgres.NewPort[patient.SearchTx](s), source, make([]byte, 32), patient.DefaultSearchLimits())
	require.NoError(t, err)
	searcher := registry.Caller{RequestID: "r", ClientID: registry.ID{3}, Scopes: []string{patient.ScopeSearch}}
	for _, last := range []string{a.LastName, b.LastName} {
		got, err := search.Find(t.Context(), searcher, patient.Criteria{Purpose: "medical_care", LastName: last, FirstName: a.FirstName, BirthDate: a.BirthDate})
		require.NoError(t, err)
		require.Equal(t, a.ID, got.PersonID, last)
	}
	// Four eyes are a rule of the database too.
	_, err = pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE person_merges SET approved_by = proposed_by WHERE id = $1`, [16]byte(m.ID))
	require.ErrorContains(t, err, "person_merges_four_eyes")

	// A death ends the declaration and relationships; told again it changes nothing.
	order := personlife.Deactivation{Reason: personlife.ReasonDeath, DeathDate: registry.DateOf(source.Now()), Note: why}
	_, err = room.Deactivate(t.Context(), one, b.ID, order)
	require.Equal(t, "person_status", reason(err))
	dead, err := room.Deactivate(t.Context(), one, a.ID, order)
	require.NoError(t, err)
	require.Equal(t, patient.StatusInactive, dead.Status)
	_, err = room.Deactivate(t.Context(), one, a.ID, order)
	require.NoError(t, err)
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'person.deactivated'`))
	lines, err := room.History(t.Context(), one, a.ID)
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Equal(t, []string{"status", "status_reason", "death_date"}, lines[0].Changed)
	var rows pgx.Rows
	rows, err = pgtest.Connect(t, dsn).Query(t.Context(), `SELECT version FROM person_versions WHERE person_id = $1`, [16]byte(b.ID))
	require.NoError(t, err)
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	require.Equal(t, []int{1}, versions)
}

// Several operators agree at once, while others take the loser out of use: one
// of the two happens, once, and the declaration ends once.
func TestOneMergeOfManyAgreements(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	room, err := personlife.New(postgres.NewPort[personlife.Tx](s), source)
	require.NoError(t, err)
	operator := func(n int) registry.Caller {
		return registry.Caller{RequestID: "r", PartyID: registry.ID{1, byte(n)}, Scopes: []string{personlife.ScopeMergeWrite, personlife.ScopeDeactivate}}
	}
	a, b := somebody(source.NewID()), somebody(source.NewID())
	a.TaxID, b.TaxID = "", ""
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, a))
		require.NoError(t, tx.PutPerson(ctx, b))
		c.declareFor(ctx, t, tx, b.ID, declaration.StatusActive, "manual_verified", "")
	})
	const why = "та сама людина, два записи"
	m, err := room.Propose(t.Context(), operator(0), a.ID, b.ID, why)
	require.NoError(t, err)
	const many = 8
	errs := make([]error, 2*many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() { _, errs[i] = room.Agree(context.Background(), operator(i+1), m.ID) })
		wg.Go(func() {
			_, errs[many+i] = room.Deactivate(context.Background(), operator(i+1), b.ID, personlife.Deactivation{Reason: personlife.ReasonManual, Note: why})
		})
	}
	wg.Wait()
	agreed, taken := 0, 0
	for i, err := range errs {
		switch {
		case err != nil:
			require.Equal(t, registry.CodeConflict, registry.CodeOf(err), "%v", err)
		case i < many:
			agreed++
		default:
			taken++
		}
	}
	// Either the record was merged once, or it was out of use before; never both.
	require.True(t, agreed == 1 && taken == 0 || agreed == 0 && taken == many, "%d agreements, %d deactivations", agreed, taken)
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'declaration.terminated'`))
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM declarations WHERE status = 'terminated'`))
}
