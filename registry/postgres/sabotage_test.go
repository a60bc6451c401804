package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/audit/sequencer"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// watched is a log with some hundred acts in a real cluster, and the saboteur's
// connection: a superuser for whom no trigger works.
type watched struct {
	t      *testing.T
	dsn    string
	store  *postgres.Store
	clinic clinic
	signer *audit.Signer
	key    note.Verifier
	conn   *pgx.Conn
	now    func() time.Time // the monitor's clock
	acts   []registry.Act
	stop   func() error // of the sequencer
	// receipts were handed in by those who hold them.
	receipts map[string]audit.Receipt
}

const watchedActs = 620 // three tiles of the lowest level

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{t: t, dsn: cluster.DSN(t), now: time.Now, receipts: map[string]audit.Receipt{}}
	w.store = pgtest.Open(t, w.dsn)
	w.clinic = populate(t, w.store)
	w.signer, w.key = logKey(t)
	w.number()
	for range watchedActs / 20 {
		w.accept(20)
	}
	w.settle()
	w.conn = pgtest.Connect(t, w.dsn)
	t.Cleanup(func() { _ = w.conn.Close(context.Background()) })
	w.sql(`SET session_replication_role = replica`)
	w.promise(w.acts[30])
	return w
}

// promise hands in the receipt of an act.
func (w *watched) promise(a registry.Act) registry.ID {
	w.t.Helper()
	var entry []byte
	w.one(&entry, `SELECT entry FROM leaves WHERE act_id = $1`, a.ID)
	e, err := audit.Decode(entry)
	require.NoError(w.t, err)
	r, err := w.signer.Promise(audit.Receipt{EntryID: e.ID, LeafHash: audit.LeafHash(entry).String(), Time: e.Time})
	require.NoError(w.t, err)
	w.receipts[a.ID.String()] = r
	return e.ID
}

func (w *watched) number() {
	w.stop = sequence(w.t, w.store, w.signer, func(c *sequencer.Config) { c.Batch = 100 })
}

func (w *watched) settle() {
	settled(w.t, w.store)
	require.NoError(w.t, w.stop())
}

// accept stores n acts of the clinic.
func (w *watched) accept(n int) []registry.Act {
	acts := make([]registry.Act, n)
	for i := range acts {
		acts[i] = w.clinic.act()
	}
	require.NoError(w.t, store(context.Background(), w.store, acts...))
	w.acts = append(w.acts, acts...)
	return acts
}

func (w *watched) sql(sql string, args ...any) int64 {
	w.t.Helper()
	tag, err := w.conn.Exec(context.Background(), sql, args...)
	require.NoError(w.t, err)
	return tag.RowsAffected()
}

func (w *watched) one(dest any, sql string, args ...any) {
	w.t.Helper()
	require.NoError(w.t, w.conn.QueryRow(context.Background(), sql, args...).Scan(dest))
}

// leafAt gives the leaf at a place.
func (w *watched) leafAt(place int64) (id registry.ID, entry []byte) {
	w.t.Helper()
	require.NoError(w.t, w.conn.QueryRow(context.Background(), `SELECT l.id, l.entry FROM entries e JOIN leaves l ON l.id = e.leaf_id WHERE e.idx = $1`, place).Scan(&id, &entry))
	return id, entry
}

// monitor makes a monitor with short patience.
func (w *watched) monitor(change ...func(*monitor.Config)) *monitor.Monitor {
	w.t.Helper()
	// An hour, for a leaf of the test's own may wait long on a loaded machine; who stops the log moves the clock on.
	cfg := monitor.Config{Key: w.key, Now: func() time.Time { return w.now() }, Stale: time.Hour, Tolerance: 2 * time.Second, Longest: 30 * time.Second,
		Receipts: func() (map[string]audit.Receipt, error) { return w.receipts, nil }}
	for _, f := range change {
		f(&cfg)
	}
	m, err := monitor.New(cfg)
	require.NoError(w.t, err)
	return m
}

func (w *watched) pass(m *monitor.Monitor, full bool) (r monitor.Report) {
	w.t.Helper()
	require.NoError(w.t, postgres.Snapshot(context.Background(), w.dsn, func(src monitor.Source) (err error) {
		r, err = m.Pass(context.Background(), src, full)
		return err
	}))
	return r
}

// checkpointNow is the newest checkpoint's text.
func (w *watched) checkpointNow() audit.Checkpoint {
	w.t.Helper()
	signed, err := w.store.LogCheckpoint(context.Background())
	require.NoError(w.t, err)
	c, err := audit.OpenCheckpoint(signed, w.key)
	require.NoError(w.t, err)
	return c
}

func TestAnUntouchedLogHasNoFindings(t *testing.T) {
	t.Parallel()
	w := watch(t)
	m := w.monitor()
	r := w.pass(m, true)
	require.Empty(t, r.Findings)
	require.True(t, r.Full)
	require.EqualValues(t, watchedActs, r.Size)
	require.EqualValues(t, watchedActs, r.Acts)
	require.Greater(t, r.Checkpoints, int64(5))

	// What comes later is recounted by itself; a second full pass agrees.
	m.Remember(w.checkpointNow())
	require.Error(t, store(context.Background(), w.store, w.acts[0])) // the database says no: its number is taken again
	w.accept(100)
	w.number()
	require.NoError(t, w.store.FlushVoids(context.Background()))
	w.settle()
	r = w.pass(m, false)
	require.Empty(t, r.Findings)
	require.False(t, r.Full)
	require.EqualValues(t, watchedActs+100, r.Size)
	require.Empty(t, w.pass(m, true).Findings)
}

// Each line of the attack table (data notes, section 4), done by a superuser on
// a real cluster: the monitor names the row or the checkpoint.
func TestSabotageIsNamed(t *testing.T) {
	t.Parallel()
	type outcome struct{ rule, row string }
	for name, c := range map[string]struct {
		sabotage func(w *watched) []outcome
		seen     bool // the monitor remembers the checkpoint from before
	}{
		"an entry is changed": {sabotage: func(w *watched) []outcome {
			id, entry := w.leafAt(300)
			e, err := audit.Decode(entry)
			require.NoError(w.t, err)
			e.Actor.EmployeeID = source.NewID() // somebody else did it
			changed, err := audit.Encode(e)
			require.NoError(w.t, err)
			require.EqualValues(w.t, 1, w.sql(`UPDATE leaves SET entry = $2 WHERE id = $1`, id, changed))
			return []outcome{{monitor.LeafChanged, "leaf " + id.String()}}
		}},
		"two entries are changed in one tile": {sabotage: func(w *watched) (out []outcome) {
			for _, place := range []int64{17, 18} {
				id, _ := w.leafAt(place)
				w.sql(`UPDATE leaves SET entry = replace(convert_from(entry, 'UTF8'), '"channel":"rest"', '"channel":"soap"')::bytea WHERE id = $1`, id)
				out = append(out, outcome{monitor.LeafChanged, "leaf " + id.String()})
			}
			return out
		}},
		"a leaf is deleted": {sabotage: func(w *watched) []outcome {
			id, _ := w.leafAt(10)
			require.EqualValues(w.t, 1, w.sql(`DELETE FROM leaves WHERE id = $1`, id))
			var act registry.ID
			w.one(&act, `SELECT id FROM acts WHERE leaf_id = $1`, id)
			return []outcome{{monitor.EntryMissing, "entry 10"}, {monitor.ActWithoutLeaf, "act " + act.String()}}
		}},
		"an act and all of its rows are deleted": {sabotage: func(w *watched) []outcome {
			id, _ := w.leafAt(511)
			w.sql(`DELETE FROM acts WHERE leaf_id = $1`, id)
			w.sql(`DELETE FROM entries WHERE idx = 511`)
			w.sql(`DELETE FROM leaves WHERE id = $1`, id)
			return []outcome{{monitor.EntryMissing, "entry 511"}}
		}},
		"an act is deleted": {sabotage: func(w *watched) []outcome {
			require.EqualValues(w.t, 1, w.sql(`DELETE FROM acts WHERE id = $1`, w.acts[44].ID))
			return []outcome{{monitor.ActMissing, "act " + w.acts[44].ID.String()}}
		}},
		"an act's digest is changed": {sabotage: func(w *watched) []outcome {
			w.sql(`UPDATE acts SET content = sha256(content) WHERE id = $1`, w.acts[3].ID)
			return []outcome{{monitor.ActChanged, "act " + w.acts[3].ID.String()}}
		}},
		"an act is back-dated": {sabotage: func(w *watched) []outcome {
			w.sql(`UPDATE acts SET accepted_at = accepted_at - interval '1 day' WHERE id = $1`, w.acts[5].ID)
			return []outcome{{monitor.ActChanged, "act " + w.acts[5].ID.String()}}
		}},
		"two entries change places": {sabotage: func(w *watched) []outcome {
			a, _ := w.leafAt(100)
			b, _ := w.leafAt(400)
			w.sql(`ALTER TABLE entries DROP CONSTRAINT entries_leaf_key`)
			w.sql(`UPDATE entries SET leaf_id = CASE idx WHEN 100 THEN $1::uuid ELSE $2::uuid END WHERE idx IN (100, 400)`, b, a)
			return []outcome{{monitor.LeafChanged, "leaf " + a.String()}, {monitor.LeafChanged, "leaf " + b.String()}}
		}},
		"a back-dated entry is put in": {sabotage: func(w *watched) []outcome {
			e := accepted(w.clinic.act())
			id := w.insert(e, time.Now().Add(-24*time.Hour), `pg_current_xact_id()`)
			w.number()
			w.settle()
			return []outcome{{monitor.TimeOrder, "leaf " + id.String()}, {monitor.ActMissing, "act " + e.Act.ID.String()}}
		}},
		"an act without a leaf, the trigger disabled": {sabotage: func(w *watched) []outcome {
			a := w.clinic.act()
			w.sql(`INSERT INTO acts (id, kind, version, patient_id, author_id, legal_entity_id, container, content, accepted_at, leaf_id)
SELECT $1, kind, version, patient_id, author_id, legal_entity_id, $2, $3, now(), $4 FROM acts WHERE id = $5`, a.ID, a.Container[:], a.Content[:], source.NewID(), w.acts[0].ID)
			return []outcome{{monitor.ActWithoutLeaf, "act " + a.ID.String()}}
		}},
		"an act that borrows another's leaf": {sabotage: func(w *watched) []outcome {
			a := w.clinic.act()
			w.sql(`INSERT INTO acts (id, kind, version, patient_id, author_id, legal_entity_id, container, content, accepted_at, leaf_id)
SELECT $1, kind, version, patient_id, author_id, legal_entity_id, $2, $3, now(), leaf_id FROM acts WHERE id = $4`, a.ID, a.Container[:], a.Content[:], w.acts[0].ID)
			return []outcome{{monitor.ActWithoutLeaf, "act " + a.ID.String()}}
		}},
		"act and leaf are deleted before they are numbered": {sabotage: func(w *watched) []outcome {
			a := w.accept(1)[0]
			w.accept(1)
			time.Sleep(3 * time.Second) // longer than a crash could explain
			w.accept(1)
			var writer registry.ID
			var n int64
			require.NoError(w.t, w.conn.QueryRow(context.Background(), `SELECT writer, n FROM leaves WHERE act_id = $1`, a.ID).Scan(&writer, &n))
			w.sql(`DELETE FROM leaves WHERE act_id = $1`, a.ID)
			w.sql(`DELETE FROM acts WHERE id = $1`, a.ID)
			w.number()
			w.settle()
			w.now = func() time.Time { return time.Now().Add(time.Minute) }
			return []outcome{{monitor.WriterGap, "writer " + writer.String() + " number " + registryNumber(n)}}
		}},
		"the last act of a writer is deleted with its leaf before it is numbered": {sabotage: func(w *watched) []outcome {
			a := w.accept(1)[0]
			id := w.promise(a)
			w.sql(`DELETE FROM leaves WHERE act_id = $1`, a.ID)
			w.sql(`DELETE FROM acts WHERE id = $1`, a.ID)
			w.now = func() time.Time { return time.Now().Add(audit.Delay + time.Second) }
			return []outcome{{monitor.PromiseBroken, "leaf " + id.String()}}
		}},
		"an entry is exchanged before it is numbered": {sabotage: func(w *watched) []outcome {
			a := w.accept(1)[0]
			id := w.promise(a)
			w.sql(`UPDATE leaves SET entry = replace(convert_from(entry, 'UTF8'), '"channel":"rest"', '"channel":"soap"')::bytea WHERE id = $1`, id)
			w.number()
			w.settle()
			return []outcome{{monitor.PromiseBroken, "leaf " + id.String()}}
		}},
		"a leaf with an old transaction number is never taken": {sabotage: func(w *watched) []outcome {
			id := w.insert(accepted(w.clinic.act()), time.Now(), `'3'::xid8`)
			w.number()
			w.settle()
			return []outcome{{monitor.LeafSkipped, "leaf " + id.String()}}
		}},
		"a leaf with a transaction number of the far future is never taken": {sabotage: func(w *watched) []outcome {
			id := w.insert(accepted(w.clinic.act()), time.Now(), `'1000000000000'::xid8`)
			return []outcome{{monitor.LeafFuture, "leaf " + id.String()}}
		}},
		"a number is used twice": {sabotage: func(w *watched) []outcome {
			var writer registry.ID
			w.one(&writer, `SELECT writer FROM leaves LIMIT 1`)
			e := accepted(w.clinic.act())
			e.Kind, e.Act = audit.OperatorCommand, nil
			e.Writer = audit.Writer{ID: writer, N: 7}
			w.insert(e, time.Now(), `pg_current_xact_id()`)
			w.number()
			w.settle()
			return []outcome{{monitor.WriterDuplicate, "writer " + writer.String() + " number 7"}}
		}},
		"a column beside the entry is changed": {sabotage: func(w *watched) []outcome {
			id, _ := w.leafAt(77)
			w.sql(`UPDATE leaves SET kind = 'act.refused' WHERE id = $1`, id)
			return []outcome{{monitor.LeafColumns, "leaf " + id.String()}}
		}},
		"a lowest tile is changed": {sabotage: func(w *watched) []outcome {
			w.sql(`UPDATE tiles SET data = set_byte(data, 40, get_byte(data, 40) # 1) WHERE level = 0 AND n = 1`)
			return []outcome{{monitor.TileChanged, "tile 0/1"}}
		}},
		"an upper tile is changed": {sabotage: func(w *watched) []outcome {
			w.sql(`UPDATE tiles SET data = set_byte(data, 33, get_byte(data, 33) # 1) WHERE level = 1 AND n = 0`)
			return []outcome{{monitor.TileChanged, "tile 1/0"}}
		}},
		"a tile is deleted": {sabotage: func(w *watched) []outcome {
			w.sql(`DELETE FROM tiles WHERE level = 0 AND n = 2`)
			return []outcome{{monitor.TileChanged, "tile 0/2"}}
		}},
		"entry and tile are changed together": {sabotage: func(w *watched) []outcome {
			id, entry := w.leafAt(0)
			e, err := audit.Decode(entry)
			require.NoError(w.t, err)
			e.RequestID = "another"
			changed, err := audit.Encode(e)
			require.NoError(w.t, err)
			hash := audit.LeafHash(changed)
			w.sql(`UPDATE leaves SET entry = $2 WHERE id = $1`, id, changed)
			w.sql(`UPDATE tiles SET data = overlay(data PLACING $1::bytea FROM 1) WHERE level = 0 AND n = 0`, hash[:])
			return []outcome{{monitor.RootMismatch, "checkpoint 2"}}
		}},
		"a checkpoint's row is changed": {sabotage: func(w *watched) []outcome {
			w.sql(`UPDATE checkpoints SET root = sha256(root) WHERE seq = 3`)
			return []outcome{{monitor.CheckpointFalse, "checkpoint 3"}}
		}},
		"a checkpoint is signed by another key": {sabotage: func(w *watched) []outcome {
			other, _ := logKey(w.t)
			var size int64
			var root []byte
			require.NoError(w.t, w.conn.QueryRow(context.Background(), `SELECT size, root FROM checkpoints WHERE seq = 2`).Scan(&size, &root))
			signed, err := other.Sign(size, tlog.Hash(root))
			require.NoError(w.t, err)
			w.sql(`UPDATE checkpoints SET note = $1 WHERE seq = 2`, signed)
			return []outcome{{monitor.CheckpointFalse, "checkpoint 2"}}
		}},
		"a checkpoint is deleted": {sabotage: func(w *watched) []outcome {
			w.sql(`DELETE FROM checkpoints WHERE seq = 3`)
			return []outcome{{monitor.CheckpointOrder, "checkpoint 4"}}
		}},
		"the world is shown another tree": {sabotage: func(w *watched) []outcome {
			c := w.checkpointNow()
			signed, err := w.signer.Sign(c.Size, audit.LeafHash([]byte("another history")))
			require.NoError(w.t, err)
			var seq int64
			w.one(&seq, `SELECT max(seq) FROM publications`)
			w.sql(`UPDATE publications SET note = $1 WHERE seq = $2`, signed, seq)
			return []outcome{{monitor.SplitView, "checkpoint " + registryNumber(seq)}}
		}},
		"the whole log is written anew with its key": {seen: true, sabotage: func(w *watched) []outcome {
			id, entry := w.leafAt(200)
			e, err := audit.Decode(entry)
			require.NoError(w.t, err)
			e.RequestID = "another"
			changed, err := audit.Encode(e)
			require.NoError(w.t, err)
			size := w.checkpointNow().Size
			w.sql(`UPDATE leaves SET entry = $2 WHERE id = $1`, id, changed)
			w.sql(`TRUNCATE entries, tiles, checkpoints, publications`)
			w.number()
			w.settle()
			return []outcome{{monitor.HistoryRewritten, "seen checkpoint of " + registryNumber(size) + " entries"}}
		}},
		"the log is stopped": {sabotage: func(w *watched) []outcome {
			a := w.accept(1)[0]
			var id registry.ID
			w.one(&id, `SELECT leaf_id FROM acts WHERE id = $1`, a.ID)
			w.now = func() time.Time { return time.Now().Add(time.Hour + time.Second) }
			return []outcome{{monitor.LogStopped, "leaf " + id.String()}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch(t)
			before := w.checkpointNow()
			m := w.monitor(func(cfg *monitor.Config) {
				if c.seen {
					cfg.Seen = &before
				}
			})
			require.Empty(t, w.pass(m, true).Findings, "the untouched twin")
			want := c.sabotage(w)
			var got []outcome
			for _, f := range w.pass(w.monitor(func(cfg *monitor.Config) {
				if c.seen {
					cfg.Seen = &before
				}
			}), true).Findings {
				require.True(t, f.Alarm, f)
				require.NotEmpty(t, f.Text)
				got = append(got, outcome{f.Rule, f.Row})
			}
			require.ElementsMatch(t, want, got)
		})
	}
}

// insert puts a leaf in by hand, past everything that would refuse it.
func (w *watched) insert(e audit.Entry, at time.Time, xid string) registry.ID {
	w.t.Helper()
	e.ID, e.Time, e.Nonce = source.NewID(), at.UTC().Truncate(time.Microsecond), make([]byte, 16)
	if e.Writer.ID.IsZero() {
		e.Writer = audit.Writer{ID: source.NewID(), N: 1}
	}
	entry, err := audit.Encode(e)
	require.NoError(w.t, err)
	var act any
	if e.Act != nil {
		act = e.Act.ID
	}
	w.sql(`INSERT INTO leaves (id, epoch, xid, kind, act_id, writer, n, entry) VALUES ($1, log_epoch(), `+xid+`, $2, $3, $4, $5, $6)`,
		e.ID, string(e.Kind), act, e.Writer.ID, int64(e.Writer.N), entry)
	return e.ID
}

func registryNumber(n int64) string { return strconv.FormatInt(n, 10) }

func TestAForeignCheckpointIsASplitView(t *testing.T) {
	t.Parallel()
	w := watch(t)
	m := w.monitor()
	w.pass(m, true)
	shown := func(signed []byte) (found []monitor.Finding) {
		require.NoError(t, postgres.Snapshot(t.Context(), w.dsn, func(src monitor.Source) (err error) {
			found, err = m.Shown(t.Context(), src, signed)
			return err
		}))
		return found
	}
	own, err := w.store.LogCheckpoint(t.Context())
	require.NoError(t, err)
	require.Empty(t, shown(own))
	for _, size := range []int64{w.checkpointNow().Size, w.checkpointNow().Size + 5} {
		other, err := w.signer.Sign(size, audit.LeafHash([]byte("another history")))
		require.NoError(t, err)
		found := shown(other)
		require.Len(t, found, 1)
		require.Equal(t, monitor.SplitView, found[0].Rule)
	}
	require.Equal(t, monitor.CheckpointFalse, shown([]byte("nothing"))[0].Rule)
}

// A crash leaves numbers open: that is told, and is no alarm.
func TestACrashIsNoAlarm(t *testing.T) {
	t.Parallel()
	w := watch(t)
	hanging := errors.New("killed")
	_ = w.store.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
		if _, err := tx.Audit(ctx, accepted(w.clinic.act())); err != nil {
			return err
		}
		w.accept(1) // a later number commits
		return hanging
	})
	// The process dies before it gives the number back as void.
	w.number()
	w.settle()
	w.now = func() time.Time { return time.Now().Add(time.Minute) }
	r := w.pass(w.monitor(), true)
	require.Len(t, r.Findings, 1)
	require.Equal(t, monitor.WriterInterrupted, r.Findings[0].Rule)
	require.Zero(t, r.Alarms())
}

func TestTheMonitorReadsNothingOfAPerson(t *testing.T) {
	t.Parallel()
	w := watch(t)
	w.sql(`SET ROLE mist_monitor`)
	for _, sql := range []string{`SELECT * FROM leaves`, `SELECT subject_id FROM leaves`, `SELECT patient_id FROM acts`, `SELECT * FROM persons`,
		`SELECT * FROM media`, `INSERT INTO publications VALUES (1, '', now())`, `DELETE FROM entries`} {
		_, err := w.conn.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "permission denied", sql)
	}
	var n int
	w.one(&n, `SELECT count(id) FROM leaves`)
	require.Equal(t, watchedActs, n)
}
