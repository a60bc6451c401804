package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/sealing"
)

func fileKEK(t *testing.T, current uint16, ids ...byte) *sealing.FileKEK {
	t.Helper()
	keys := map[uint16][]byte{}
	for _, id := range ids {
		keys[uint16(id)] = bytes.Repeat([]byte{id}, 32)
	}
	k, err := sealing.NewFileKEK(keys, current, rand.Reader)
	require.NoError(t, err)
	return k
}

// withKeys opens a store as a server does that reads its keys from the database.
func withKeys(t *testing.T, dsn string, kek sealing.KEK, role string) *postgres.Store {
	t.Helper()
	ring, err := postgres.LoadKeys(t.Context(), dsn, kek, rand.Reader)
	require.NoError(t, err)
	return pgtest.Open(t, dsn, func(o *postgres.Options) { o.Keys, o.Role = ring, role })
}

func TestTwoServersStartWithTheSameFirstKeys(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	kek := fileKEK(t, 1, 1)
	rings, failed := make([]*sealing.Keyring, 4), make([]error, 4)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() { rings[i], failed[i] = postgres.LoadKeys(t.Context(), dsn, kek, rand.Reader) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(failed...))
	place := sealing.Place{Table: "t", Row: "r"}
	for _, r := range rings {
		require.NotNil(t, r)
		require.Equal(t, rings[0].Blind("c", "v"), r.Blind("c", "v"))
		sealed, err := r.Seal(place, []byte("x"))
		require.NoError(t, err)
		_, err = rings[0].Open(place, sealed)
		require.NoError(t, err)
	}
	_, err := postgres.LoadKeys(t.Context(), dsn, fileKEK(t, 2, 2), rand.Reader)
	require.ErrorIs(t, err, sealing.ErrUnwrap)

	// What one server saw of the other's row, slowed down: the transaction that
	// wrote it began later than the statement that reads it.
	_, err = pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE data_keys SET active_from = now() + interval '1 minute'`)
	require.NoError(t, err)
	ring, err := postgres.LoadKeys(t.Context(), dsn, kek, rand.Reader)
	require.NoError(t, err)
	require.Equal(t, uint16(1), ring.Current())
}

func TestDatabaseSealedWithoutDataKeysIsNotGivenNewOnes(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	update(t, pgtest.Open(t, dsn), func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, somebody(source.NewID())))
	})
	_, err := postgres.LoadKeys(t.Context(), dsn, fileKEK(t, 1, 1), rand.Reader)
	require.ErrorIs(t, err, postgres.ErrSealedBefore)
}

// Persons are written and read all the time while a new key is published and
// everything is sealed again; nothing is lost and nothing stays behind.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	kek := fileKEK(t, 1, 1)
	server, operator := withKeys(t, dsn, kek, postgres.Role), withKeys(t, dsn, kek, postgres.OperatorRole)
	var first []registry.ID
	for range 3 {
		update(t, server, func(ctx context.Context, tx *postgres.Tx) {
			for range 150 {
				p := somebody(source.NewID())
				p.TaxID, p.NoTaxID = "", true
				require.NoError(t, tx.PutPerson(ctx, p))
				first = append(first, p.ID)
			}
			b := source.Bytes(300)
			require.NoError(t, tx.PutContainer(ctx, registry.Digest(append(b[:0:0], b[:32]...)), b))
		})
	}

	stop := make(chan struct{})
	failed := make(chan error, 1)
	var load sync.WaitGroup
	for worker := range 3 {
		load.Go(func() {
			for i := worker; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := first[i%len(first)]
				err := server.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
					p, err := tx.Person(ctx, id)
					if err != nil {
						return err
					}
					p.Version++
					return tx.PutPerson(ctx, p)
				})
				if err == nil && i%10 == 0 {
					err = server.SyncKeys(context.Background(), kek)
				}
				if err != nil {
					select {
					case failed <- err:
					default:
					}
					return
				}
			}
		})
	}
	k, err := operator.PublishDataKey(t.Context(), kek, 500*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, uint16(2), k.ID)
	require.NoError(t, operator.SyncKeys(t.Context(), kek))
	require.Equal(t, uint16(1), operator.SealingKey(), "published is not yet used")
	for end := time.Now().Add(20 * time.Second); operator.SealingKey() != 2 || server.SealingKey() != 2; time.Sleep(20 * time.Millisecond) {
		require.True(t, time.Now().Before(end))
		require.NoError(t, operator.SyncKeys(t.Context(), kek))
	}
	for _, table := range postgres.SealedTables() {
		_, err := operator.Reseal(t.Context(), table, func(int) {})
		require.NoError(t, err)
	}
	close(stop)
	load.Wait()
	select {
	case err := <-failed:
		require.NoError(t, err)
	default:
	}
	// Whoever sealed at the moment of the change is met by a second run.
	for table, n := range map[string]int{"persons": 450, "media": 3} {
		_, err := operator.Reseal(t.Context(), table, func(int) {})
		require.NoError(t, err)
		counts, err := operator.SealedUnder(t.Context(), table)
		require.NoError(t, err)
		require.Equal(t, map[uint16]int{2: n}, counts, table)
	}
	// A server that starts now reads everything.
	fresh := withKeys(t, dsn, kek, postgres.Role)
	update(t, fresh, func(ctx context.Context, tx *postgres.Tx) {
		for _, id := range first {
			p, err := tx.Person(ctx, id)
			require.NoError(t, err)
			require.Equal(t, id, p.ID)
		}
		_, found, err := tx.FindPerson(ctx, patient.Query{DocumentType: "PASSPORT", DocumentNumber: "КВ123456"})
		require.NoError(t, err)
		require.False(t, found, "450 have the same passport")
	})
	var published, batches int
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE kind = $1), count(*) FILTER (WHERE kind = $2) FROM leaves`,
		string(audit.KeyChanged), string(audit.OperatorCommand)).Scan(&published, &batches))
	require.Equal(t, 1, published)
	require.Positive(t, batches) // the load itself seals much of it again
}

func TestRewrapMovesTheKeysToAnotherKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := withKeys(t, dsn, fileKEK(t, 1, 1), postgres.OperatorRole)
	both := fileKEK(t, 2, 1, 2)
	n, err := s.RewrapDataKeys(t.Context(), both)
	require.NoError(t, err)
	require.Equal(t, 2, n) // data key 1 and the blind root
	n, err = s.RewrapDataKeys(t.Context(), both)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = postgres.LoadKeys(t.Context(), dsn, fileKEK(t, 2, 2), rand.Reader)
	require.NoError(t, err, "the earlier key-encryption key can be destroyed")
	_, err = postgres.LoadKeys(t.Context(), dsn, fileKEK(t, 1, 1), rand.Reader)
	require.ErrorIs(t, err, sealing.ErrUnwrap)
}

func TestServerNeitherPublishesNorReseals(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	kek := fileKEK(t, 1, 1)
	s := withKeys(t, dsn, kek, postgres.Role)
	var refused *postgres.DatabaseError
	_, err := s.PublishDataKey(t.Context(), kek, time.Second)
	require.True(t, errors.As(err, &refused))
	require.Equal(t, "42501", refused.SQLState)
	conn := pgtest.Connect(t, dsn)
	for _, sql := range []string{"UPDATE media SET body = ''", "UPDATE reports SET body = ''", "UPDATE exchanges SET answer = ''", "DELETE FROM data_keys"} {
		_, err := conn.Exec(t.Context(), "SET ROLE mist_app; "+sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
	for _, sql := range []string{"UPDATE media SET digest = ''", "DELETE FROM media", "UPDATE reports SET indication = ''"} {
		_, err := conn.Exec(t.Context(), "RESET ROLE; "+sql)
		require.ErrorContains(t, err, "append-only", sql)
	}
}

// Every column of bytes holds sealed values, which a rotation reaches, or is
// named here with the reason why it holds no personal data.
func TestEveryColumnOfBytesIsSealedOrExplained(t *testing.T) {
	t.Parallel()
	plain := map[string]string{
		"container_extensions.original": "digest", "container_extensions.predecessor": "digest", "container_extensions.extended": "digest", "container_attempts.original": "digest",
		"acts.container": "digest", "pending_acts.container": "digest", "declarations.seal": "digest", "acts.content": "digest", "media.digest": "digest", "reports.container": "digest",
		"consents.container": "digest", "consents.content": "digest", "consents.nonce": "digest", "exchanges.request": "digest",
		"tokens.hash":         "digest of a random token",
		"clients.secret_hash": "slow hash of a random secret", "clients.secret_salt": "salt",
		"persons.identity": "blind key", "person_keys.key": "blind key", "parties.tax_id_key": "blind key", "drafts.otp_mac": "MAC",
		"leaves.entry": "no person's identifier stands in an entry (ADR 0300)", "leaves.subject_salt": "salt",
		"tiles.data": "hashes", "checkpoints.root": "hash", "checkpoints.note": "signed root", "publications.note": "signed root with cosignatures", "entry_search.container": "digest",
		"data_keys.wrapped": "wrapped key", "orders.digest": "digest", "judgement_rules.body": "policies and algorithm tables, public", "replies.key": "digest", "replies.request": "digest", "draft_documents.digest": "digest", "contract_documents.digest": "digest of a document of a legal entity", "registers.file": "digest",
		"users.key": "blind key", "medication_periods.substance_key": "blind key", "code_misses.phone_key": "blind key", "records.number_key": "blind key", "compositions.number_key": "blind key", "approvals.otp_mac": "MAC",
		"api_keys.secret_hash": "slow hash of a random secret", "api_keys.secret_salt": "salt", "codes.hash": "digest of a random code", "refresh_tokens.hash": "digest of a random token",
		"tokens.certificate": "digest of a certificate", "refresh_tokens.certificate": "digest of a certificate",
		"log_archives.manifest":        "counts and digests of a month of the log",
		"log_archived.manifest":        "the same, of the months that are away",
		"employee_requests.invitation": "digest of a random token", "black_list_users.tax_id_key": "blind key", "dictionaries.digest": "digest",
	}
	rows, err := pgtest.Connect(t, cluster.DSN(t)).Query(t.Context(), `SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'bytea'
  AND table_name NOT IN (SELECT c.relname FROM pg_class c WHERE c.relispartition AND c.relnamespace = 'public'::regnamespace)`)
	require.NoError(t, err)
	defer rows.Close()
	sealed := postgres.SealedColumns()
	seen := 0
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		_, explained := plain[name]
		require.True(t, explained != sealed[name], "%s: add it to sealedColumns (reseal.go), or here with the reason why it is not sealed", name)
		delete(sealed, name)
		seen++
	}
	require.NoError(t, rows.Err())
	require.Empty(t, sealed, "columns that do not exist")
	require.Greater(t, seen, 20)
}
