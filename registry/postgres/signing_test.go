package postgres_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// Acts of several clinics are signed at once and share transactions; among them
// are some that must not be: each has the outcome it would have alone.
func TestSigningsTogether(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 6)
	const n = 60
	list := make([]submission, n)
	for i := range list {
		list[i] = room.submission(t, i)
	}
	room.meet(t)
	met := len(room.clinics)
	person := func(i int) (id registry.ID) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT person_id FROM drafts WHERE id = $1", list[i].draft.String()).Scan(&id))
		return id
	}
	// The patient of 7 is not active any more, that of 10 not verified; the doctor
	// of 5, 11, 17 … is dismissed; 19 is handed in for another clinic's caller, 25
	// with another one's document, 31 twice.
	sql := func(q string, args ...any) {
		_, err := conn.Exec(t.Context(), q, args...)
		require.NoError(t, err)
	}
	sql("UPDATE persons SET status = 'inactive' WHERE id = $1", person(7).String())
	sql("UPDATE persons SET verification_status = $2 WHERE id = $1", person(10).String(), patient.NotVerified)
	sql("UPDATE employees SET status = 'DISMISSED' WHERE id = $1", room.clinics[5].doctor.String())
	list[19].caller = room.caller(room.clinics[0])
	list[25].container = list[26].container
	list = append(list, list[31])

	outcomes, errs := make([]intake.Outcome, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	for i, one := range list {
		wg.Go(func() {
			outcomes[i], errs[i] = room.service.Sign(registry.WithReach(context.Background(), one.caller.Rows), one.caller, one.draft, one.container)
		})
	}
	wg.Wait()
	accepted := 0
	for i, err := range errs {
		reason := registry.AsError(err)
		switch {
		case i == 19:
			require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), i)
		case i == 25: // refused for its content, or, when 26 was first, as reused
			require.Error(t, err)
		case i == 7:
			require.Equal(t, "person_status", reason.Reason, "%v", err)
		case i == 10:
			require.Equal(t, "person_not_verified", reason.Reason, "%v", err)
		case i < n && i%6 == 5:
			require.Equal(t, "employee_status", reason.Reason, "%v", err)
		default:
			require.NoError(t, err, i)
			require.Equal(t, outcomes[i].Act.LegalEntityID, list[i].caller.LegalEntityID)
			if i < n {
				accepted++
			}
		}
	}
	require.Equal(t, outcomes[31].Receipt.EntryID, outcomes[n].Receipt.EntryID, "the same bytes twice are one act with one receipt")
	require.NotEqual(t, outcomes[31].Repeated, outcomes[n].Repeated)
	require.Equal(t, n-14, accepted, "all but 7, 10, 19, 25 and the ten of the dismissed doctor")
	var acts, leaves, lines, declarations, reports int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM acts), (SELECT count(*) FROM leaves l JOIN acts a ON a.leaf_id = l.id AND l.act_id = a.id AND l.kind = 'act.accepted'),
    (SELECT count(*) FROM declaration_statuses), (SELECT count(*) FROM declarations d JOIN drafts r ON r.id = d.request_id AND r.status = 'SIGNED' AND r.act_id = d.act_id WHERE d.status = 'active'),
    (SELECT count(*) FROM reports r JOIN acts a ON a.id = r.act_id AND r.container = a.container)`).Scan(&acts, &leaves, &lines, &declarations, &reports))
	for _, got := range []int{acts, leaves, lines, declarations, reports} {
		require.Equal(t, accepted+met, got)
	}
	// What was written together reads like what is written alone.
	for i, out := range outcomes[:n] {
		if errs[i] != nil {
			continue
		}
		require.NoError(t, s.View(registry.WithReach(t.Context(), list[i].caller.Rows), func(ctx context.Context, tx *postgres.Tx) error {
			act, err := tx.Act(ctx, out.Act.ID)
			require.NoError(t, err)
			require.Equal(t, out.Act, act)
			d, err := tx.DeclarationByAct(ctx, act.ID)
			require.NoError(t, err)
			require.Equal(t, out.Resource, d)
			receipt, err := tx.AuditOfAct(ctx, act.ID)
			require.Equal(t, out.Receipt, receipt)
			require.NoError(t, err)
			container, err := tx.Container(ctx, act.Container)
			require.Equal(t, list[i].container, container)
			return err
		}))
	}
}

// A draft whose bytes to sign were read here, by a doctor met before, is signed
// without being read again; what has changed meanwhile is seen all the same.
func TestSignedWithoutReadingAgain(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 2)
	room.meet(t)
	sign := func(one submission) (intake.Outcome, error) {
		return room.service.Sign(registry.WithReach(t.Context(), one.caller.Rows), one.caller, one.draft, one.container)
	}
	sql := func(q string, args ...any) {
		_, err := conn.Exec(t.Context(), q, args...)
		require.NoError(t, err)
	}
	peeks := room.peeks.Load()
	one := room.submission(t, 0)
	peeks++ // the bytes to sign
	out, err := sign(one)
	require.NoError(t, err)
	require.Equal(t, peeks, room.peeks.Load(), "nothing was read again")
	again, err := sign(one)
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, out.Receipt, again.Receipt)

	for _, c := range []struct {
		name   string
		change func(one *submission)
		code   registry.Code
		reason string
	}{
		{"rejected meanwhile", func(one *submission) { sql("UPDATE drafts SET status = 'REJECTED' WHERE id = $1", one.draft.String()) }, registry.CodeConflict, "status_REJECTED"},
		{"expired meanwhile", func(one *submission) {
			sql("UPDATE drafts SET expires_at = now() - interval '1 minute' WHERE id = $1", one.draft.String())
		}, registry.CodeConflict, "draft_expired"},
		{"another clinic's caller", func(one *submission) { one.caller = room.caller(room.clinics[1]) }, registry.CodeNotFound, ""},
		{"no signature", func(one *submission) { one.container = []byte("{}") }, registry.CodeMalformed, "no_signature"},
		{"another document", func(one *submission) { one.container = room.submission(t, 0).container }, registry.CodeInvalid, "content_differs"},
		{"an accepted document", func(one *submission) {
			other := room.submission(t, 0)
			one.container = other.container
			_, err := sign(other)
			require.NoError(t, err)
		}, registry.CodeAlreadyDone, "container_reused"},
		{"dismissed meanwhile", func(one *submission) {
			sql("UPDATE employees SET status = 'DISMISSED' WHERE id = $1", room.clinics[0].doctor.String())
		}, registry.CodeForbidden, "employee_status"},
	} {
		one := room.submission(t, 0)
		c.change(&one)
		_, err := sign(one)
		require.Equal(t, c.code, registry.CodeOf(err), "%s: %v", c.name, err)
		require.Equal(t, c.reason, registry.AsError(err).Reason, c.name)
	}
	var acts int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM acts").Scan(&acts))
	require.Equal(t, 2+1+1, acts, "those who were met, the first and the one that was handed in twice")
}

// Bytes to sign of a draft approved here are told without being read again, with
// their entry, until the draft changes; others are read.
func TestFrozenWithoutReading(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 2)
	c := room.clinics[0]
	caller := room.caller(c)
	ctx := registry.WithReach(t.Context(), caller.Rows)
	count := func(sql string, args ...any) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&n))
		return n
	}
	_, err := conn.Exec(t.Context(), "UPDATE persons SET verification_status = 'VERIFIED'")
	require.NoError(t, err)
	one := room.submission(t, 0)
	_, err = conn.Exec(t.Context(), "UPDATE drafts SET status = 'NEW', auth_method = 'OFFLINE' WHERE id = $1", one.draft.String())
	require.NoError(t, err)
	approved, err := room.service.Approve(ctx, caller, one.draft, "")
	require.NoError(t, err)

	peeks, told := room.peeks.Load(), count("SELECT count(*) FROM leaves WHERE kind = 'disclosure.draft'")
	frozen, err := room.service.Frozen(ctx, caller, one.draft)
	require.NoError(t, err)
	require.Equal(t, peeks, room.peeks.Load(), "nothing was read")
	require.Equal(t, told+1, count("SELECT count(*) FROM leaves WHERE kind = 'disclosure.draft'"), "it was told with its entry")
	read, err := room.service.Get(ctx, caller, one.draft)
	require.NoError(t, err)
	require.Equal(t, read.ToBeSigned, frozen.ToBeSigned)
	require.Equal(t, approved.ToBeSigned, frozen.ToBeSigned)
	require.Equal(t, read.Revision, frozen.Revision, "the revision that the approval told")

	other := room.caller(room.clinics[1])
	_, err = room.service.Frozen(registry.WithReach(t.Context(), other.Rows), other, one.draft)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	other.LegalEntityID = caller.LegalEntityID // the room's check removed: the reach is another clinic's
	_, err = room.service.Frozen(registry.WithReach(t.Context(), other.Rows), other, one.draft)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	less := caller
	less.Scopes = []string{"declaration_request:sign"}
	_, err = room.service.Frozen(ctx, less, one.draft)
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))

	_, err = conn.Exec(t.Context(), "UPDATE drafts SET status = 'REJECTED' WHERE id = $1", one.draft.String())
	require.NoError(t, err)
	now, err := room.service.Frozen(ctx, caller, one.draft)
	require.NoError(t, err)
	require.Equal(t, intake.StatusRejected, now.Status, "what changed is read")
}

// What clinics share reaches their rows and nobody else's.
func TestReachOfSeveralClinics(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	w := newWalls(t, pgtest.Open(t, dsn))
	third := populate(t, w.Store)
	conn := pgtest.Connect(t, dsn)
	for _, c := range []struct {
		list string
		want int
	}{
		{"{" + w.a.legalEntity.String() + "," + w.b.legalEntity.String() + "}", 2},
		{"{" + w.a.legalEntity.String() + "," + third.legalEntity.String() + "}", 1},
		{"{" + third.legalEntity.String() + "}", 0},
		{"{}", 0},
		{"", 0},
	} {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SET LOCAL ROLE mist_app`)
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SELECT set_config('mist.reach', 'several', true), set_config('mist.legal_entities', $1, true),
    set_config('mist.legal_entity', '00000000-0000-0000-0000-000000000000', true), set_config('mist.person', '00000000-0000-0000-0000-000000000000', true)`, c.list)
		require.NoError(t, err)
		for _, table := range []string{"drafts", "declarations", "acts"} {
			var n int
			require.NoError(t, tx.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
			require.Equal(t, c.want, n, "%s of %s", table, c.list)
		}
		tag, err := tx.Exec(t.Context(), "UPDATE drafts SET status_reason = 'x' WHERE id = $1", w.draftB.ID.String())
		require.NoError(t, err)
		require.Equal(t, c.want == 2, tag.RowsAffected() == 1)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}
