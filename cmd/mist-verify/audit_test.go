package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/portal/tlog"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/sequencer"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// auditStand is a log on a real database behind HTTP, with a hand between the
// log and its reader that may change what is answered.
type auditStand struct {
	t        *testing.T
	dsn      string
	store    *postgres.Store
	signer   *audit.Signer
	url      string
	key      string // file
	state    string // file
	receipts []audit.Receipt

	mu     sync.Mutex
	change map[string]func(body []byte) (status int, changed []byte) // by path
	tokens []string
}

func newAuditStand(t *testing.T, cluster *pgtest.Cluster, private, public string, entries int) *auditStand {
	t.Helper()
	a := &auditStand{t: t, dsn: cluster.DSN(t), key: filepath.Join(t.TempDir(), "log.key"), state: filepath.Join(t.TempDir(), "log.state"),
		change: map[string]func([]byte) (int, []byte){}}
	a.store = pgtest.Open(t, a.dsn)
	var err error
	a.signer, err = audit.NewSigner("log.example", private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.key, []byte(public+"\n"), 0o600))
	h, err := tlog.New(tlog.Config{Store: a.store, Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") == "Bearer nobody" {
			return registry.Errorf(registry.CodeForbidden, "no right")
		}
		return nil
	}})
	require.NoError(t, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		change := a.change[r.URL.Path]
		if !strings.HasPrefix(r.URL.Path, "/log/entry/") {
			a.tokens = append(a.tokens, r.Header.Get("Authorization"))
		}
		a.mu.Unlock()
		rec := httptest.NewRecorder()
		http.StripPrefix("/log", h).ServeHTTP(rec, r)
		status, body := rec.Code, rec.Body.Bytes()
		if change != nil {
			status, body = change(body)
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL + "/log"
	a.write(entries)
	a.sequence()
	return a
}

func (a *auditStand) write(n int) {
	a.t.Helper()
	require.NoError(a.t, a.store.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
		for range n {
			r, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Channel: "soap", Fields: []string{"status"}, Code: "OK",
				LegalBasis: &audit.LegalBasis{Code: "consent"}, SubjectID: registry.SystemSource().NewID()})
			if err != nil {
				return err
			}
			a.receipts = append(a.receipts, r)
		}
		return nil
	}))
}

// sequence lets the sequencer run until every leaf is covered.
func (a *auditStand) sequence() {
	a.t.Helper()
	q, err := sequencer.New(sequencer.Config{Store: a.store, Signer: a.signer, Now: time.Now, Period: 2 * time.Millisecond})
	require.NoError(a.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = q.Run(ctx) }()
	require.Eventually(a.t, func() bool {
		st, err := a.store.LogState(context.Background())
		return err == nil && st.Size == int64(len(a.receipts))
	}, 20*time.Second, 5*time.Millisecond)
	cancel()
	<-done
}

func (a *auditStand) sabotage(sql string, args ...any) {
	a.t.Helper()
	conn := pgtest.Connect(a.t, a.dsn)
	_, err := conn.Exec(context.Background(), "SET session_replication_role = replica") // no trigger stands in a superuser's way
	require.NoError(a.t, err)
	tag, err := conn.Exec(context.Background(), sql, args...)
	require.NoError(a.t, err)
	require.Positive(a.t, tag.RowsAffected())
}

func (a *auditStand) answer(path string, f func(body []byte) (int, []byte)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f == nil {
		delete(a.change, "/log/"+path)
		return
	}
	a.change["/log/"+path] = f
}

// verify runs the command and gives exit code, output and errors.
func (a *auditStand) verify(args ...string) (int, string, string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	all := append([]string{"--log", a.url, "--key", a.key, "--wait", "0s", "--lang", "en"}, args...)
	code := auditCommand(a.t.Context(), all, &out, &errs)
	return code, out.String(), errs.String()
}

func (a *auditStand) expect(code int, text string, args ...string) {
	a.t.Helper()
	got, out, errs := a.verify(args...)
	require.Equal(a.t, code, got, "%s%s", out, errs)
	require.Contains(a.t, out+errs, text)
}

func TestAudit(t *testing.T) {
	var cluster pgtest.Cluster
	t.Cleanup(cluster.Stop)
	private, public, err := audit.GenerateKey(rand.Reader, "log.example")
	require.NoError(t, err)
	stand := func(t *testing.T) *auditStand { return newAuditStand(t, &cluster, private, public, 300) }

	t.Run("proven", func(t *testing.T) {
		a := stand(t)
		id := a.receipts[17].EntryID.String()
		a.expect(0, "PROVEN", id)
		a.expect(0, "first time", "--state", a.state, id)
		a.expect(0, "300 → 300", "--state", a.state, id)
		a.write(500)
		a.sequence()
		a.expect(0, "300 → 800", id, "--state", a.state)
		a.expect(0, "800 → 800", "--state", a.state, strings.ToUpper(a.receipts[799].EntryID.String()))
		a.expect(0, "only grew", "--state", a.state)

		code, out, _ := a.verify("--json", "--state", a.state, id)
		require.Zero(t, code)
		var r auditResult
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		require.Equal(t, auditSchema, r.Schema)
		require.Equal(t, "proven", r.Verdict)
		require.Equal(t, id, r.Entry.ID.String())
		require.Equal(t, a.receipts[17].LeafHash, r.Entry.LeafHash)
		require.EqualValues(t, 800, r.Checkpoint.Size)
		require.Equal(t, []auditStep{{"checkpoint", "proven"}, {"consistency", "proven"}, {"inclusion", "proven"}, {"form", "proven"}}, r.Checks)
		require.NotEmpty(t, r.Entry.Proof)

		var uk bytes.Buffer
		require.Zero(t, auditCommand(t.Context(), []string{"--log", a.url, "--key", a.key, "--lang", "uk", id}, &uk, io.Discard))
		require.Contains(t, uk.String(), "ДОВЕДЕНО")
		require.Contains(t, uk.String(), "не порівняно")
	})

	t.Run("receipt", func(t *testing.T) {
		a := stand(t)
		file := filepath.Join(t.TempDir(), "receipt.json")
		keep := func(r audit.Receipt) {
			b, err := json.Marshal(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, b, 0o600))
		}
		keep(a.receipts[3])
		a.expect(0, "PROVEN", "--receipt", file)
		a.expect(0, "PROVEN", "--receipt", file, a.receipts[3].EntryID.String())
		a.expect(4, "another entry", "--receipt", file, a.receipts[4].EntryID.String())
		keep(audit.Receipt{EntryID: a.receipts[3].EntryID, LeafHash: a.receipts[4].LeafHash})
		a.expect(1, "receipt", "--receipt", file)
		require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
		a.expect(5, "not a receipt", "--receipt", file)
	})

	t.Run("a promise", func(t *testing.T) {
		a := stand(t)
		file := filepath.Join(t.TempDir(), "receipt.json")
		keep := func(r audit.Receipt, change func(*audit.Receipt)) {
			r, err := a.signer.Promise(r)
			require.NoError(t, err)
			if change != nil {
				change(&r)
			}
			b, err := json.Marshal(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, b, 0o600))
		}
		token := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(token, []byte("nobody\n"), 0o600))
		keep(a.receipts[170], nil)
		a.expect(0, "PROVEN", "--receipt", file)
		a.expect(0, "stands unchanged in the log", "--receipt", file, "--token-file", token) // without the right to read it
		require.NoError(t, os.Remove(file))
		a.sabotage(`DELETE FROM leaves WHERE id = $1`, a.receipts[170].EntryID.String())
		keep(a.receipts[170], nil)
		a.expect(0, "stands unchanged in the log", "--receipt", file) // the tree cannot forget it

		// A leaf that never came into the tree: before the promised time nothing is
		// decided, after it the log is convicted.
		gone := audit.Receipt{EntryID: registry.SystemSource().NewID(), LeafHash: audit.LeafHash([]byte("dropped")).String(), Time: time.Now()}
		keep(gone, nil)
		a.expect(2, "promised it by", "--receipt", file)
		gone.Time = time.Now().Add(-audit.Delay - time.Second)
		keep(gone, nil)
		a.expect(1, "does not have it", "--receipt", file)
		// Tiles that are not the signed tree are told as that, and not as absence.
		a.answer("tile/0/000", func(b []byte) (int, []byte) { b[100] ^= 1; return 200, b })
		a.expect(1, "do not give the signed root", "--receipt", file)
		a.answer("tile/0/000", nil)

		// A promise of nobody, about another receipt, or of another log.
		keep(gone, func(r *audit.Receipt) { r.Promise = strings.Replace(r.Promise, "\n60\n", "\n10\n", 1) })
		a.expect(5, "false signature", "--receipt", file)
		keep(gone, func(r *audit.Receipt) { r.LeafHash = a.receipts[1].LeafHash })
		a.expect(5, "not a promise", "--receipt", file)
		private, _, err := audit.GenerateKey(rand.Reader, "another.example")
		require.NoError(t, err)
		other, err := audit.NewSigner("another.example", private)
		require.NoError(t, err)
		keep(gone, func(r *audit.Receipt) { r.Promise = ""; *r, err = other.Promise(*r) })
		require.NoError(t, err)
		a.expect(5, "not signed by the given key", "--receipt", file)
		// A checkpoint is no promise.
		signed, err := a.signer.Sign(300, audit.EmptyRoot())
		require.NoError(t, err)
		keep(gone, func(r *audit.Receipt) { r.Promise = string(signed) })
		a.expect(5, "not a promise", "--receipt", file)
	})

	t.Run("a changed entry", func(t *testing.T) {
		a := stand(t)
		id := a.receipts[17].EntryID
		a.expect(0, "PROVEN", id.String())
		a.sabotage(`UPDATE leaves SET entry = convert_to(replace(convert_from(entry, 'UTF8'), '"OK"', '"NO"'), 'UTF8') WHERE id = $1`, id.String())
		a.expect(1, "is not this entry", id.String())
		a.expect(0, "PROVEN", a.receipts[18].EntryID.String())
	})

	t.Run("two entries in each other's place", func(t *testing.T) {
		a := stand(t)
		a.sabotage(`UPDATE entries SET idx = 1000 - idx WHERE idx IN (5, 6)`)
		a.sabotage(`UPDATE entries SET idx = idx - 989 WHERE idx IN (994, 995)`)
		code, out, _ := a.verify("--json", "5")
		require.Equal(t, 1, code, out)
		require.Contains(t, out, `"step": "inclusion"`)
	})

	t.Run("an entry taken away", func(t *testing.T) {
		a := stand(t)
		a.sabotage(`DELETE FROM leaves WHERE id = $1`, a.receipts[17].EntryID.String())
		a.expect(2, "knows no such entry", a.receipts[17].EntryID.String())
	})

	t.Run("a rewritten log under the same key", func(t *testing.T) {
		a, b := stand(t), newAuditStand(t, &cluster, private, public, 400)
		a.expect(0, "first time", "--state", a.state)
		old, err := os.ReadFile(a.state)
		require.NoError(t, err)
		b.expect(1, "rewritten", "--state", a.state)
		kept, err := os.ReadFile(a.state)
		require.NoError(t, err)
		require.Equal(t, old, kept, "the state does not move to a log that contradicts it")
		evidence, err := os.ReadFile(a.state + ".conflict")
		require.NoError(t, err)
		require.Contains(t, string(evidence), "\n400\n")
	})

	t.Run("a split view and a shrunk log", func(t *testing.T) {
		a, b := stand(t), stand(t)
		a.expect(0, "first time", "--state", a.state)
		b.expect(1, "two different trees", "--state", a.state)
		older, err := os.ReadFile(a.state)
		require.NoError(t, err)
		a.write(1)
		a.sequence()
		a.expect(0, "300 → 301", "--state", a.state)
		a.answer("checkpoint", func([]byte) (int, []byte) { return 200, older })
		a.expect(1, "shrunk", "--state", a.state)
		a.expect(2, "does not reach", a.receipts[300].EntryID.String())
	})

	t.Run("a tile that lies and one that does not come", func(t *testing.T) {
		a := stand(t)
		id := a.receipts[17].EntryID.String()
		a.answer("tile/0/000", func(b []byte) (int, []byte) { b[100] ^= 1; return 200, b })
		a.expect(1, "do not agree", id)
		a.answer("tile/0/000", func(b []byte) (int, []byte) { return 503, nil })
		a.expect(2, "503", id)
		a.answer("tile/0/000", func(b []byte) (int, []byte) { return 200, b[:100] })
		a.expect(2, "bytes", id)
		a.answer("tile/0/000", func(b []byte) (int, []byte) { return 302, b })
		a.expect(2, "302", id)
		a.answer("tile/0/000", nil)
		a.expect(0, "PROVEN", id)
	})

	t.Run("checkpoints of others", func(t *testing.T) {
		a := stand(t)
		id := a.receipts[17].EntryID.String()
		a.answer("checkpoint", func(b []byte) (int, []byte) { return 200, bytes.Replace(b, []byte("\n300\n"), []byte("\n301\n"), 1) })
		a.expect(1, "false signature", id)
		a.answer("checkpoint", func([]byte) (int, []byte) { return 200, []byte("nonsense") })
		a.expect(2, "not a checkpoint", id)
		a.answer("checkpoint", func([]byte) (int, []byte) { return 500, nil })
		a.expect(2, "500", id)
		a.answer("checkpoint", nil)
		_, other, err := audit.GenerateKey(rand.Reader, "log.example")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(a.key, []byte(other), 0o600))
		a.expect(2, "not signed by the given key", id)
	})

	t.Run("an answer with another entry", func(t *testing.T) {
		a := stand(t)
		id, other := a.receipts[17].EntryID.String(), a.receipts[18].EntryID.String()
		res, err := http.Get(a.url + "/entry/" + other)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		a.answer("entry/"+id, func([]byte) (int, []byte) { return 200, body })
		a.expect(1, "DISPROVEN", id)
		a.answer("entry/"+id, func(b []byte) (int, []byte) { return 200, append(b, '\n') })
		a.expect(1, "DISPROVEN", id)
	})

	t.Run("not yet in the tree", func(t *testing.T) {
		a := stand(t)
		a.write(1)
		a.expect(2, "not in the tree yet", a.receipts[300].EntryID.String())
	})

	t.Run("rights", func(t *testing.T) {
		a := stand(t)
		token := filepath.Join(t.TempDir(), "token")
		require.NoError(t, os.WriteFile(token, []byte("nobody\n"), 0o600))
		a.expect(2, "--token-file", "--token-file", token, "1")
		require.NoError(t, os.WriteFile(token, []byte("auditor\n"), 0o600))
		a.expect(0, "PROVEN", "--token-file", token, "1")
		for _, sent := range a.tokens {
			require.Empty(t, sent, "the token goes with entries only")
		}
	})

	t.Run("wrong use and unreadable files", func(t *testing.T) {
		a := stand(t)
		a.expect(4, "nothing to prove")
		a.expect(4, "one entry at a time", "1", "2")
		a.expect(4, "UUID", "entry")
		a.expect(4, "UUID", "--", "-1")
		a.expect(4, "flag provided but not defined", "--nonsense", "1")
		a.expect(4, "--lang", "--lang", "fr", "1")
		a.expect(4, "http", "--log", "ftp://x", "1")
		require.NoError(t, os.WriteFile(a.state, []byte("nonsense"), 0o600))
		a.expect(5, "not a checkpoint", "--state", a.state, "1")
		require.NoError(t, os.WriteFile(a.key, []byte(private), 0o600))
		code, out, errs := a.verify("1")
		require.Equal(t, 5, code)
		require.NotContains(t, out+errs, private)
		require.NoError(t, os.Remove(a.key))
		a.expect(5, "no such file", "1")
		var help bytes.Buffer
		require.Zero(t, auditCommand(t.Context(), []string{"--help"}, &help, io.Discard))
		require.Contains(t, help.String(), "Exit codes")
		require.Equal(t, 4, auditCommand(t.Context(), []string{"--key", "k", "1"}, io.Discard, io.Discard))
		a.url = "http://127.0.0.1:1/log"
	})
}

func TestAuditTextsAreComplete(t *testing.T) {
	for _, lang := range []string{"uk", "en"} {
		for _, verdict := range []string{"proven", "disproven", "undecided", "error"} {
			require.NotEmpty(t, auditText[lang].verdict[verdict])
			if verdict != "proven" {
				require.NotEmpty(t, auditAdvice[lang][verdict])
			}
		}
		for _, step := range []string{stepState, stepEntry, stepCheckpoint, stepConsistency, stepReceipt, stepPromise, stepForm, stepInclusion} {
			require.NotEmpty(t, auditText[lang].steps[step])
		}
	}
	for key, text := range auditReasons {
		require.NotEmpty(t, text)
		require.Len(t, strings.Fields(key), 2)
		for _, r := range text {
			require.False(t, r >= 'a' && r <= 'z', "Latin letters in Ukrainian: %s", text)
		}
	}
	require.Equal(t, "a�b", printable("a\x1bb"))
	require.Equal(t, "uk", auditLanguage("", func(string) string { return "" }))
	require.Equal(t, "en", auditLanguage("", func(n string) string { return map[string]string{"LANG": "en_GB.UTF-8"}[n] }))
	require.Equal(t, "uk", auditLanguage("uk", func(n string) string { return map[string]string{"MIST_LANG": "en"}[n] }))
}
