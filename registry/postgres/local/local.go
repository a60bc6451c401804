// Package local runs a PostgreSQL server for one copy of Mist: for `make run`,
// for tests, and for a clinic that has no database of its own.
//
// It looks for installed PostgreSQL programs, makes a cluster in a folder, and
// keeps the server alive as a child that dies with its parent. The server
// listens on a UNIX socket in a folder of mode 0700 and on nothing else, so
// there is no port to clash and no password to guess.
//
// It refuses a folder that another copy uses, a cluster made by another major
// version, and to guess when no programs are found. It trusts everybody who can
// enter its folder: the operating system's user is the boundary.
package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// User is the database superuser that owns everything in a local cluster.
const User = "mist"

// Socket paths are limited by sockaddr_un.sun_path (108 bytes with the final
// zero on Linux); PostgreSQL adds "/.s.PGSQL.5432.lock" while starting.
const maxSocketFolder = 107 - len("/.s.PGSQL.5432.lock")

// Config says where a cluster lives. Only Dir is required.
type Config struct {
	// Dir holds everything: data (the cluster), run (the socket), server.log, mist.lock.
	Dir string
	// Settings are server parameters over the defaults of this package (fsync, shared_buffers …).
	Settings map[string]string
	// StartTimeout bounds the wait for a ready server; zero means 60 s, which
	// leaves room for crash recovery.
	StartTimeout time.Duration
	// Log receives the life of the server; nil is silent.
	Log *slog.Logger
}

// InUseError tells that another process works on the folder.
type InUseError struct {
	Dir string
	PID string // process that holds the folder, as it wrote itself down
}

// Error names the folder, the holder and the remedy.
func (e *InUseError) Error() string {
	return fmt.Sprintf("database folder %s is in use by process %s: stop it, or give this copy another folder", e.Dir, e.PID)
}

// BlockedError tells that root cannot run PostgreSQL in this folder: it refuses
// to run as root, user namespaces are forbidden, and the other account cannot
// pass Folder.
type BlockedError struct {
	Folder string
	UID    int
	Err    error // why no user namespace
}

// Error names the remedy.
func (e *BlockedError) Error() string {
	return fmt.Sprintf("PostgreSQL does not run as root, user namespaces are not allowed here (%v) and account %d cannot enter %s: run Mist as a plain user, or put the database folder where others may pass", e.Err, e.UID, e.Folder)
}

// Unwrap gives the reason why there is no user namespace.
func (e *BlockedError) Unwrap() error { return e.Err }

// elsewhere is where the cluster of a folder lives when nobody but root can
// enter that folder, as under root's home in a container.
func elsewhere(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/var/lib/mist", "pg-"+hex.EncodeToString(sum[:8]))
}

// Server is a running PostgreSQL. It restarts itself when its process dies
// while it should be running.
type Server struct {
	cfg    Config
	bin    Binaries
	mode   mode
	lock   *os.File
	socket string // folder
	ownRun bool   // socket folder was made under the system's temporary folder

	stopping chan struct{}
	stopOnce sync.Once
	done     chan struct{} // closed when the last process is gone

	mu   sync.Mutex // guards proc
	proc *os.Process
}

// Start opens or makes the cluster in cfg.Dir and waits until it answers.
//
// Errors: *NoBinariesError, *VersionError, *InUseError, and plain errors that
// carry the end of the server's log.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Dir == "" {
		return nil, errors.New("starting local PostgreSQL: no folder given")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting local PostgreSQL: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{stopping: make(chan struct{}), done: make(chan struct{})}
	if s.bin, err = FindBinaries(clusterVersion(filepath.Join(dir, "data"))); err != nil {
		return nil, err
	}
	s.mode, err = chooseMode(s.bin, dir)
	var blocked *BlockedError
	if errors.As(err, &blocked) {
		cfg.Log.Warn("only root can enter the database folder: the cluster lives elsewhere", "folder", dir, "cluster", elsewhere(dir))
		dir = elsewhere(dir)
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return nil, fmt.Errorf("making the folder of clusters: %w", err)
		}
		if s.bin, err = FindBinaries(clusterVersion(filepath.Join(dir, "data"))); err != nil {
			return nil, err
		}
		s.mode, err = chooseMode(s.bin, dir)
	}
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	s.cfg = cfg
	if cfg.StartTimeout == 0 {
		s.cfg.StartTimeout = time.Minute
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making database folder: %w", err)
	}
	if s.lock, err = takeLock(ctx, dir); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		s.release()
		return nil, err
	}
	ready := make(chan error, 1)
	go s.supervise(ready)
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = fmt.Errorf("starting local PostgreSQL: %w", ctx.Err())
	}
	if err != nil {
		_ = s.Stop()
		return nil, err
	}
	return s, nil
}

// prepare makes folders and, the first time, the cluster.
func (s *Server) prepare(ctx context.Context) error {
	if err := s.mode.claim(s.cfg.Dir); err != nil {
		return fmt.Errorf("taking over database folder: %w", err)
	}
	s.socket = filepath.Join(s.cfg.Dir, "run")
	if len(s.socket) > maxSocketFolder {
		// Anything longer ends in PostgreSQL's "invalid argument".
		var err error
		if s.socket, err = os.MkdirTemp("", "mist-pg-"); err != nil {
			return fmt.Errorf("making socket folder: %w", err)
		}
		s.ownRun = true
	} else if err := os.MkdirAll(s.socket, 0o700); err != nil {
		return fmt.Errorf("making socket folder: %w", err)
	}
	if err := s.mode.claim(s.socket); err != nil {
		return fmt.Errorf("taking over socket folder: %w", err)
	}
	data := filepath.Join(s.cfg.Dir, "data")
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return nil
	}
	return s.initdb(ctx, data)
}

// initdb makes the cluster beside its final place and moves it there, so that
// a kill in the middle leaves nothing that looks like a cluster.
func (s *Server) initdb(ctx context.Context, data string) error {
	tmp := data + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("clearing an unfinished cluster: %w", err)
	}
	if err := os.Mkdir(tmp, 0o700); err != nil {
		return fmt.Errorf("making cluster folder: %w", err)
	}
	if err := s.mode.claim(tmp); err != nil {
		return fmt.Errorf("taking over cluster folder: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.bin.path("initdb"), "-D", tmp, "-U", User, "-E", "UTF8",
		"--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", "--data-checksums")
	cmd.Dir = s.cfg.Dir
	cmd.Env = s.environment()
	s.mode.apply(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("making a database cluster with %s: %w: %s", s.bin.path("initdb"), err, lastLines(out))
	}
	if err := os.Rename(tmp, data); err != nil {
		return fmt.Errorf("moving the new cluster into place: %w", err)
	}
	s.cfg.Log.Info("database cluster made", "version", s.bin.Major)
	return nil
}

// DSN is the connection string of one database of the cluster.
func (s *Server) DSN(database string) string {
	q := url.Values{"host": {s.socket}, "user": {User}, "sslmode": {"disable"}}
	return "postgres:///" + url.PathEscape(database) + "?" + q.Encode()
}

// PID is the process id of the server's first process; 0 while it is down.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid
}

// EnsureDatabase creates the database unless it is there.
func (s *Server) EnsureDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var there bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&there)
	if err == nil && !there {
		_, err = conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	return nil
}

// Stop ends the server (fast shutdown: transactions are rolled back, data is
// flushed) and gives the folder free. It may be called twice.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		close(s.stopping)
		s.signal(syscall.SIGINT)
	})
	select {
	case <-s.done:
		return nil
	case <-time.After(30 * time.Second):
	}
	s.signal(syscall.SIGQUIT)
	<-s.done
	return errors.New("stopping local PostgreSQL: not down after 30 s, ended at once; the next start recovers")
}

func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc != nil {
		_ = s.proc.Signal(sig)
	}
}

func (s *Server) release() {
	if s.ownRun {
		_ = os.RemoveAll(s.socket)
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
	close(s.done)
}

// arguments of the server: command line over configuration files, so that an
// old data folder follows a new Mist.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": s.socket,
		"unix_socket_permissions": "0700",
		"port":                    "5432",
		"max_connections":         "100",
		"shared_buffers":          "256MB",
		"max_wal_size":            "2GB",
		"jit":                     "off", // compiles for longer than our queries run
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
	}
	maps.Copy(settings, s.cfg.Settings)
	args := []string{"-D", filepath.Join(s.cfg.Dir, "data")}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", k+"="+settings[k])
	}
	return args
}

// environment hides variables by which PostgreSQL programs could be led astray.
func (s *Server) environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return append(env, "LC_ALL=C.UTF-8")
}

// clusterVersion is the major version that made the cluster; "" without one.
func clusterVersion(data string) string {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// lastLines gives the end of a log, short enough for an error text.
func lastLines(b []byte) string {
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return string(bytes.Join(lines, []byte("; ")))
}

// readTail reads the last 4 KB of a file.
func readTail(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > 4096 {
		_, _ = f.Seek(-4096, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, 4096))
	return b
}
