package postgres_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/guess"
	"mist/registry/intake"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// Approvals of several clinics share transactions; those that must not be have
// the outcome and the traces they would have alone.
func TestApprovalsTogether(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 6)
	sql := func(q string, args ...any) {
		_, err := conn.Exec(t.Context(), q, args...)
		require.NoError(t, err)
	}
	count := func(q string, args ...any) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), q, args...).Scan(&n))
		return n
	}
	const n = 48
	list := make([]submission, n)
	code := func(id registry.ID) []byte {
		m := hmac.New(sha256.New, make([]byte, 32))
		m.Write(id[:])
		m.Write([]byte("1230"))
		return m.Sum(nil)
	}
	for i := range list {
		list[i] = room.submission(t, i)
		sql("UPDATE drafts SET status = 'NEW', auth_method = 'OTP', otp_mac = $2, otp_tries_left = 3, otp_expires_at = now() + interval '1 hour' WHERE id = $1", list[i].draft.String(), code(list[i].draft))
	}
	// Of clinic 5 too many codes were wrong, all of one telephone; of 3 the code is
	// wrong, the patient of 7 is not active any more, 13 is over, 19 is asked for by
	// another clinic, 20 twice.
	for range guess.Most {
		require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			return tx.CountMiss(ctx, "+380930000000", room.clinics[5].legalEntity, source.Now())
		}))
	}
	sql("UPDATE persons SET status = 'inactive' WHERE id = (SELECT person_id FROM drafts WHERE id = $1)", list[7].draft.String())
	sql("UPDATE drafts SET expires_at = now() WHERE id = $1", list[13].draft.String())
	list[19].caller = room.caller(room.clinics[0])
	list = append(list, list[20])

	drafts, errs := make([]intake.Draft, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	for i, one := range list {
		said := "1230"
		if i == 3 {
			said = "4560"
		}
		wg.Go(func() {
			drafts[i], errs[i] = room.service.Approve(registry.WithReach(context.Background(), one.caller.Rows), one.caller, one.draft, said)
		})
	}
	wg.Wait()
	approved, twice := 0, 0
	for i, err := range errs {
		switch {
		case i == 3:
			require.Equal(t, "otp_wrong", registry.AsError(err).Reason, "%v", err)
		case i == 7:
			require.Equal(t, "person_status", registry.AsError(err).Reason, "%v", err)
		case i == 13:
			require.Equal(t, "draft_expired", registry.AsError(err).Reason, "%v", err)
		case i == 19:
			require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		case i == 20 || i == n:
			if err == nil {
				twice++
			} else {
				require.Equal(t, "status_APPROVED", registry.AsError(err).Reason, "%v", err)
			}
		case i%6 == 5:
			require.Equal(t, "otp_guessing", registry.AsError(err).Reason, "%d: %v", i, err)
		default:
			require.NoError(t, err, i)
			require.Equal(t, intake.StatusApproved, drafts[i].Status)
			approved++
		}
	}
	require.Equal(t, 1, twice, "one of two approvals of a draft")
	require.Equal(t, approved+1, count("SELECT count(*) FROM drafts WHERE status = 'APPROVED' AND otp_mac IS NULL"))
	require.Equal(t, approved+1, count("SELECT count(*) FROM leaves WHERE kind = 'draft.approved'"))
	require.Equal(t, 2, count("SELECT otp_tries_left FROM drafts WHERE id = $1", list[3].draft.String()), "a wrong code costs a try")

	// Nobody among these stands in the others' way.
	more := make([]submission, 30)
	for i := range more {
		more[i] = room.submission(t, i+i/5) // not clinic 5
		sql("UPDATE drafts SET status = 'NEW', auth_method = 'OTP', otp_mac = $2, otp_tries_left = 3, otp_expires_at = now() + interval '1 hour' WHERE id = $1", more[i].draft.String(), code(more[i].draft))
	}
	before := count("SELECT count(DISTINCT xid::text) FROM leaves WHERE kind = 'draft.approved'")
	for _, one := range more {
		wg.Go(func() {
			if _, err := room.service.Approve(registry.WithReach(context.Background(), one.caller.Rows), one.caller, one.draft, "1230"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Less(t, count("SELECT count(DISTINCT xid::text) FROM leaves WHERE kind = 'draft.approved'")-before, len(more), "some were together")

	// What was approved together is signed without being read again.
	for i := range 4 {
		one := list[6*i]
		ctx := registry.WithReach(t.Context(), one.caller.Rows)
		peeks := room.peeks.Load()
		frozen, err := room.service.Frozen(ctx, one.caller, one.draft)
		require.NoError(t, err)
		require.Equal(t, peeks, room.peeks.Load(), "the revision that the approval told holds")
		require.Equal(t, drafts[6*i].ToBeSigned, frozen.ToBeSigned)
	}
}

// The last places of a doctor are counted with the party's row held; before
// them nobody waits. No approval takes a place that is not there.
func TestLimitOfApprovalsAtOnce(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	room := newSigningRoom(t, s, 1)
	const n = 12
	list := make([]submission, n)
	for i := range list {
		list[i] = room.submission(t, i)
	}
	_, err := conn.Exec(t.Context(), "UPDATE drafts SET status = 'NEW', auth_method = 'OFFLINE'")
	require.NoError(t, err)
	all := func(list []submission, limit int) (approved int) {
		room.kind.Terms.Limits["FAMILY_DOCTOR"] = limit // the service's map
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, one := range list {
			wg.Go(func() {
				_, err := room.service.Approve(registry.WithReach(context.Background(), one.caller.Rows), one.caller, one.draft, "")
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					approved++
				} else if registry.AsError(err).Reason != "declaration_limit" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return approved
	}
	require.Equal(t, 2, all(list[:5], 2))
	require.Equal(t, 3, all(list[5:9], 5), "one place more than the rest")
	require.Equal(t, 3, all(list[9:], 500), "places enough")
}
