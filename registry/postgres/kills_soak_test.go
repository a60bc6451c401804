//go:build soak

package postgres_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/monitor"
	"mist/registry/audit/sequencer"
	"mist/registry/postgres"
	"mist/registry/postgres/local"
	"mist/registry/postgres/pgtest"
)

// killedServer is what a process of the test below is told.
type killedServer struct {
	DSN, LogKey string
	Clinic      [5]registry.ID
}

const killedEnv = "MIST_KILLED_SERVER"

// killedWriters write at once in each of the killed servers, over so many connections.
const killedWriters, killedConns = 8, 8

// TestKilledServer is a server of [TestKills]: a process of its own that stores
// acts and sequences, until it is killed. It writes a line for each act it has
// answered and each checkpoint it has seen published.
func TestKilledServer(t *testing.T) {
	text := os.Getenv(killedEnv)
	if text == "" {
		t.Skip("a process of TestKills")
	}
	var c killedServer
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); cancel() }() // the parent closes it to end us in order
	signer, err := audit.NewSigner("log.example", c.LogKey)
	require.NoError(t, err)
	var s *postgres.Store
	for s == nil && ctx.Err() == nil { // the database may be away when we start
		opt := postgres.Options{Source: registry.SystemSource(), Keys: pgtest.Keys(t), WriteLimit: 10 * time.Second, MaxConns: killedConns}
		if s, err = postgres.Open(ctx, c.DSN, opt); err != nil {
			s = nil
			time.Sleep(20 * time.Millisecond)
		}
	}
	if s == nil {
		return
	}
	q, err := sequencer.New(sequencer.Config{Store: s, Signer: signer, Now: time.Now, Period: 20 * time.Millisecond})
	require.NoError(t, err)
	var out sync.Mutex
	say := func(format string, a ...any) { out.Lock(); defer out.Unlock(); fmt.Printf("\n"+format+"\n", a...) }
	var writers, all sync.WaitGroup
	sequencing, stopSequencing := context.WithCancel(context.Background())
	all.Go(func() { _ = q.Run(sequencing) })
	all.Go(func() {
		last := ""
		for sequencing.Err() == nil {
			if note, err := s.LogCheckpoint(sequencing); err == nil && string(note) != last {
				last = string(note)
				say("C %s", base64.StdEncoding.EncodeToString(note))
			}
			time.Sleep(15 * time.Millisecond)
		}
	})
	place := clinic{c.Clinic[0], c.Clinic[1], c.Clinic[2], c.Clinic[3], c.Clinic[4]}
	// Half of the writers commit alone, half share their transactions as signings do.
	together := func(a registry.Act) error {
		return s.Together(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.InsertAct(ctx, a); err != nil {
				return err
			}
			_, err := tx.Audit(ctx, accepted(a))
			return err
		})
	}
	for n := range killedWriters {
		writers.Go(func() {
			for ctx.Err() == nil {
				a := place.act()
				write := func() error { return store(context.Background(), s, a) }
				if n%2 == 1 {
					write = func() error { return together(a) }
				}
				if write() == nil {
					say("A %s", a.ID)
				}
				time.Sleep(time.Duration(mrand.IntN(12)) * time.Millisecond)
			}
		})
	}
	writers.Wait()
	_ = s.FlushVoids(context.Background())
	time.Sleep(500 * time.Millisecond)
	stopSequencing()
	all.Wait()
	_ = s.Close(context.Background())
}

// kills is what came out of the servers.
type kills struct {
	mu          sync.Mutex
	answered    map[string]bool
	checkpoints map[string][]byte
}

func (k *kills) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		kind, value, ok := strings.Cut(lines.Text(), " ")
		k.mu.Lock()
		switch {
		case ok && kind == "A" && len(value) == 36:
			k.answered[value] = true
		case ok && kind == "C":
			if note, err := base64.StdEncoding.DecodeString(value); err == nil {
				k.checkpoints[value] = note
			}
		}
		k.mu.Unlock()
	}
}

// Three servers work on one database; 300 times (KILLS) one of them or
// PostgreSQL is killed with SIGKILL at a random moment, and started again. At
// the end every act that was answered is there with its leaf, no number is
// missing but those a crash left open, and the tree continues every checkpoint
// that was ever shown, also to a server that was killed the moment after.
func TestKills(t *testing.T) {
	rounds := 300
	if text := os.Getenv("KILLS"); text != "" {
		var err error
		rounds, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	server, err := local.Start(t.Context(), local.Config{Dir: filepath.Join(t.TempDir(), "pg"), Settings: map[string]string{"max_connections": "60"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	require.NoError(t, server.EnsureDatabase(t.Context(), "mist"))
	dsn := server.DSN("mist")
	require.NoError(t, postgres.Migrate(t.Context(), dsn))
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	private, public, err := audit.GenerateKey(rand.Reader, "log.example")
	require.NoError(t, err)
	key, err := audit.ReadVerifier(public)
	require.NoError(t, err)
	told, err := json.Marshal(killedServer{DSN: dsn, LogKey: private, Clinic: [5]registry.ID{c.legalEntity, c.division, c.party, c.doctor, c.person}})
	require.NoError(t, err)

	seen := &kills{answered: map[string]bool{}, checkpoints: map[string][]byte{}}
	var reading sync.WaitGroup
	type process struct {
		cmd *exec.Cmd
		end io.Closer
	}
	start := func() process {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilledServer$")
		cmd.Env = append(os.Environ(), killedEnv+"="+string(told))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		pipe, out, err := os.Pipe()
		require.NoError(t, err)
		cmd.Stdout = out
		require.NoError(t, cmd.Start())
		_ = out.Close()
		reading.Go(func() { seen.read(pipe); _ = pipe.Close() })
		return process{cmd, in}
	}
	servers := make([]process, 3)
	for i := range servers {
		servers[i] = start()
	}
	t.Cleanup(func() {
		for _, p := range servers {
			_ = p.cmd.Process.Kill()
		}
	})
	ofServers, ofDatabase := 0, 0
	for round := range rounds {
		time.Sleep(time.Duration(20+mrand.IntN(400)) * time.Millisecond)
		if round%2 == 0 {
			i := mrand.IntN(len(servers))
			require.NoError(t, servers[i].cmd.Process.Signal(syscall.SIGKILL))
			_ = servers[i].cmd.Wait()
			servers[i] = start()
			ofServers++
			continue
		}
		old := server.PID()
		require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
		require.Eventually(t, func() bool {
			return server.PID() != 0 && server.PID() != old && s.Ping(context.Background()) == nil
		}, 60*time.Second, 5*time.Millisecond)
		ofDatabase++
	}
	time.Sleep(time.Second)
	for _, p := range servers {
		_ = p.end.Close()
	}
	for _, p := range servers {
		_ = p.cmd.Wait()
	}
	reading.Wait()
	require.NoError(t, s.FlushVoids(t.Context()))
	signer, err := audit.NewSigner("log.example", private)
	require.NoError(t, err)
	sequence(t, s, signer)
	settled(t, s)

	size := checkBooks(t, dsn, s, key)
	conn := pgtest.Connect(t, dsn)
	for id := range seen.answered {
		var there bool
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM acts a JOIN leaves l ON l.id = a.leaf_id JOIN entries e ON e.leaf_id = l.id WHERE a.id = $1)", id).Scan(&there))
		require.True(t, there, "an act that was answered is lost: %s", id)
	}
	signed, err := s.LogCheckpoint(t.Context())
	require.NoError(t, err)
	now, err := audit.OpenCheckpoint(signed, key)
	require.NoError(t, err)
	for _, note := range seen.checkpoints {
		older, err := audit.OpenCheckpoint(note, key)
		require.NoError(t, err)
		_, err = audit.ProveConsistency(t.Context(), fetch(s), older, now)
		require.NoError(t, err, "a checkpoint of %d that was shown is not in the log's past", older.Size)
	}
	// What shares a transaction lives for three write limits at most, of 10 s here.
	m, err := monitor.New(monitor.Config{Key: key, Now: func() time.Time { return time.Now().Add(5 * time.Minute) }, Stale: time.Hour, Longest: time.Minute})
	require.NoError(t, err)
	var report monitor.Report
	require.NoError(t, postgres.Snapshot(t.Context(), dsn, func(src monitor.Source) (err error) {
		report, err = m.Pass(t.Context(), src, true)
		return err
	}))
	interrupted, of := 0, map[string]int{}
	for _, f := range report.Findings {
		require.False(t, f.Alarm, "%+v", f)
		require.Equal(t, monitor.WriterInterrupted, f.Rule)
		interrupted++
		writer, _, _ := strings.Cut(f.Row, " number ")
		of[writer]++
	}
	// A server leaves open what it had under way when it was killed, and no more.
	most := 0
	for _, n := range of {
		most = max(most, n)
	}
	require.LessOrEqual(t, most, killedWriters+killedConns)
	require.Greater(t, len(seen.answered), 2*rounds)
	require.Greater(t, len(seen.checkpoints), rounds)
	t.Logf("%d kills of servers, %d of PostgreSQL; %d acts answered, %d entries, %d checkpoints seen, %d numbers left open by crashes, %d of one server at most",
		ofServers, ofDatabase, len(seen.answered), size, len(seen.checkpoints), interrupted, most)
}
