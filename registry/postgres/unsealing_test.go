package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/media"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/sealing"
)

// keep puts a signed container into the tables.
func keep(t *testing.T, s *postgres.Store) registry.Digest {
	t.Helper()
	container := []byte("a signed document about somebody")
	digest := registry.Digest(sha256.Sum256(container))
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutContainer(ctx, digest, container))
	})
	return digest
}

// The books of reads and of unsealing agree; a read planted past the trail, by
// another way through the program or past its transactions, is named, and so is
// a book that was touched.
func TestPlantedReadsAreReported(t *testing.T) {
	t.Parallel()
	type planted struct {
		store *postgres.Store
		ring  *sealing.Keyring
		who   registry.ID
		dsn   string
	}
	read := func(ctx context.Context, tx *postgres.Tx, who registry.ID) error {
		p, err := tx.Person(ctx, who)
		if err == nil && p.LastName == "" {
			err = errors.New("nothing was read")
		}
		return err
	}
	entry := func(who registry.ID) audit.Entry {
		return audit.Entry{Kind: audit.Disclosure, Channel: "rest", LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, SubjectID: who}
	}
	for name, c := range map[string]struct {
		do    func(t *testing.T, p planted)
		rules []string
	}{
		"reads with their entries, a refusal, two steps of one request": {do: func(t *testing.T, p planted) {
			require.NoError(t, p.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				if err := read(ctx, tx, p.who); err != nil {
					return err
				}
				_, err := tx.Audit(ctx, entry(p.who))
				return err
			}))
			refused := errors.New("refused")
			require.ErrorIs(t, p.store.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
				return errors.Join(read(ctx, tx, p.who), refused)
			}), refused)
			ctx, books := registry.WithLedger(t.Context())
			require.NoError(t, p.store.View(ctx, func(ctx context.Context, tx *postgres.Tx) error { return read(ctx, tx, p.who) }))
			require.NoError(t, p.store.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error { _, err := tx.Audit(ctx, entry(p.who)); return err }))
			books.Close(true, "two steps")
		}},
		"a read without an entry": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			require.NoError(t, p.store.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return read(ctx, tx, p.who) }))
		}},
		"a request that answers without an entry": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			ctx, books := registry.WithLedger(t.Context())
			require.NoError(t, p.store.View(ctx, func(ctx context.Context, tx *postgres.Tx) error { return read(ctx, tx, p.who) }))
			books.Close(true, "GET /planted")
		}},
		"papers of people: told in a request without an entry": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			digest := keep(t, p.store)
			ctx, books := registry.WithLedger(t.Context())
			require.NoError(t, p.store.View(ctx, func(ctx context.Context, tx *postgres.Tx) error { _, err := tx.Container(ctx, digest); return err }))
			books.Close(true, "GET /planted")
		}},
		"papers of people: a scan told in a request without an entry": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			files, err := media.OpenFiles(t.TempDir())
			require.NoError(t, err)
			documents, err := media.New(files, p.ring)
			require.NoError(t, err)
			documents.Opened = p.store.NoteOpened
			scan, err := documents.Put(t.Context(), []byte("scan"))
			require.NoError(t, err)
			ctx, books := registry.WithLedger(t.Context())
			_, err = documents.Get(ctx, scan)
			require.NoError(t, err)
			books.Close(true, "GET /planted")
		}},
		"papers of people: for the registry itself, in a request with its entry, refused": {do: func(t *testing.T, p planted) {
			digest := keep(t, p.store)
			get := func(ctx context.Context, tx *postgres.Tx) error { _, err := tx.Container(ctx, digest); return err }
			require.NoError(t, p.store.View(t.Context(), get), "a job that seals or judges again")
			ctx, books := registry.WithLedger(t.Context())
			require.NoError(t, p.store.View(ctx, get))
			require.NoError(t, p.store.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error { _, err := tx.Audit(ctx, entry(p.who)); return err }))
			books.Close(true, "GET /told")
			ctx, books = registry.WithLedger(t.Context())
			require.NoError(t, p.store.View(ctx, get))
			books.Close(false, "GET /refused")
		}},
		"a container opened past the transactions": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			digest := keep(t, p.store)
			var body []byte
			require.NoError(t, pgtest.Connect(t, p.dsn).QueryRow(t.Context(), `SELECT body FROM media WHERE digest = $1`, digest[:]).Scan(&body))
			_, err := p.ring.Open(sealing.Place{Table: "media", Row: hex.EncodeToString(digest[:])}, body)
			require.NoError(t, err)
		}},
		"a value opened past the transactions": {rules: []string{monitor.UnsealedUnread}, do: func(t *testing.T, p planted) {
			var body []byte
			require.NoError(t, pgtest.Connect(t, p.dsn).QueryRow(t.Context(), `SELECT body FROM persons WHERE id = $1`, p.who).Scan(&body))
			_, err := p.ring.Open(sealing.Place{Table: "persons", Row: p.who.String()}, body)
			require.NoError(t, err)
		}},
		"a book that was touched": {rules: []string{monitor.UnsealingBook}, do: func(t *testing.T, p planted) {
			require.NoError(t, p.store.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return read(ctx, tx, p.who) }))
			require.NoError(t, p.store.WriteUnsealing(t.Context()))
			conn := pgtest.Connect(t, p.dsn)
			_, err := conn.Exec(t.Context(), `SET session_replication_role = replica`)
			require.NoError(t, err)
			tag, err := conn.Exec(t.Context(), `UPDATE unsealings SET unread = 0, places = ''`)
			require.NoError(t, err)
			require.EqualValues(t, 1, tag.RowsAffected())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := planted{dsn: cluster.DSN(t), ring: pgtest.Keys(t)}
			p.store = pgtest.Open(t, p.dsn, func(o *postgres.Options) { o.Keys = p.ring })
			p.who = populate(t, p.store).person
			signer, key := logKey(t)
			sequence(t, p.store, signer)
			c.do(t, p)
			require.NoError(t, p.store.WriteUnsealing(t.Context()))
			settled(t, p.store)
			m, err := monitor.New(monitor.Config{Key: key, Now: source.Clock})
			require.NoError(t, err)
			for range 2 { // the second pass says nothing twice
				var got []string
				require.NoError(t, postgres.Snapshot(t.Context(), p.dsn, func(src monitor.Source) error {
					r, err := m.Pass(t.Context(), src, false)
					for _, f := range r.Findings {
						require.True(t, f.Alarm)
						got = append(got, f.Rule)
					}
					return err
				}))
				require.Equal(t, c.rules, got)
				c.rules = nil
			}
			var rows int
			require.NoError(t, pgtest.Connect(t, p.dsn).QueryRow(t.Context(), `SELECT count(*) FROM unsealings`).Scan(&rows))
			require.Equal(t, 1, rows)
		})
	}
}
