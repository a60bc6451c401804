package local

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary play a copy of Mist that another test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCAL_TEST_DIR"); dir != "" {
		s, err := Start(context.Background(), Config{Dir: dir})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println("ready:", s.PID(), s.DSN("postgres"))
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func count(t *testing.T, dsn string) (n int) {
	t.Helper()
	conn := connect(t, dsn)
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n))
	return n
}

func TestDataSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	s := start(t, Config{Dir: dir})
	require.NoError(t, s.EnsureDatabase(t.Context(), "registry"))
	require.NoError(t, s.EnsureDatabase(t.Context(), "registry"), "second call finds it")
	conn := connect(t, s.DSN("registry"))
	_, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 1 AS n")
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	require.NoError(t, s.Stop())

	began := time.Now()
	s = start(t, Config{Dir: dir})
	took := time.Since(began)
	require.Equal(t, 1, count(t, s.DSN("registry")))
	require.Less(t, took, 5*time.Second, "the aim is 1 s on a quiet machine")
	t.Logf("second start took %v", took)
}

func TestListensOnItsSocketOnly(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(t.TempDir(), "pg")})
	var addresses, folders string
	conn := connect(t, s.DSN("postgres"))
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories')").Scan(&addresses, &folders))
	require.Empty(t, addresses)
	require.Equal(t, s.socket, folders)
	st, err := os.Stat(s.socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), st.Mode().Perm())
}

func TestSecondCopyIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	start(t, Config{Dir: dir})
	_, err := Start(t.Context(), Config{Dir: dir})
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, strconv.Itoa(os.Getpid()), inUse.PID)
	require.Contains(t, err.Error(), "give this copy another folder")
}

func TestLongFolderGetsShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("довга", 20), "pg")
	s := start(t, Config{Dir: dir})
	connect(t, s.DSN("postgres"))
	socket := s.socket
	require.NoError(t, s.Stop())
	require.NoDirExists(t, socket)
}

func TestServerKilledComesBackWithItsRows(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(t.TempDir(), "pg")})
	conn := connect(t, s.DSN("postgres"))
	_, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	require.NoError(t, err)
	old := s.PID()
	require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		c, err := pgx.Connect(t.Context(), s.DSN("postgres"))
		if err != nil {
			return false
		}
		defer c.Close(t.Context())
		var n int
		return c.QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n) == nil && n == 1000
	}, 20*time.Second, 20*time.Millisecond)
	require.NotEqual(t, old, s.PID())
}

// copyOfMist starts this test binary as another process on the folder.
func copyOfMist(t *testing.T, dir string, cred *syscall.Credential) (cmd *exec.Cmd, answer []string) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	if cred != nil {
		// Another account cannot enter the folder go test builds in.
		b, err := os.ReadFile(exe)
		require.NoError(t, err)
		exe = filepath.Join(filepath.Dir(dir), "mist")
		require.NoError(t, os.WriteFile(exe, b, 0o755))
	}
	cmd = exec.Command(exe)
	cmd.Env = append(os.Environ(), "LOCAL_TEST_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	cmd.Dir = filepath.Dir(dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	answer = strings.Fields(line)
	require.Equal(t, "ready:", answer[0], line)
	return cmd, answer
}

func TestMistKilledTakesItsServerAlongAndKeepsRows(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	cmd, answer := copyOfMist(t, dir, nil)
	conn := connect(t, answer[2])
	_, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	require.NoError(t, err)

	_, err = Start(t.Context(), Config{Dir: dir})
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse, "a second copy in another process")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	s := start(t, Config{Dir: dir}) // waits for the orphan to end
	require.Equal(t, 1000, count(t, s.DSN("postgres")))
	require.NotEqual(t, answer[1], strconv.Itoa(s.PID()))
}

func TestPlainUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		start(t, Config{Dir: filepath.Join(t.TempDir(), "pg")})
		return
	}
	top, err := os.MkdirTemp("", "mist-plain-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	require.NoError(t, os.Chown(top, 65534, 65534))
	require.NoError(t, os.Chmod(top, 0o755))
	_, answer := copyOfMist(t, filepath.Join(top, "pg"), &syscall.Credential{Uid: 65534, Gid: 65534})
	connect(t, answer[2])
}

func TestRootWithoutNamespaces(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("speaks of root alone")
	}
	top, err := os.MkdirTemp("", "mist-cred-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	require.NoError(t, os.Chmod(top, 0o755))
	dir := filepath.Join(top, "pg")
	require.NoError(t, os.Mkdir(dir, 0o700))
	bin, err := FindBinaries("")
	require.NoError(t, err)
	m := mode{uid: 65534, gid: 65534}
	require.NoError(t, m.claim(dir))
	s := &Server{cfg: Config{Dir: dir, Log: slog.New(slog.DiscardHandler)}, bin: bin, mode: m}
	require.NoError(t, s.initdb(t.Context(), filepath.Join(dir, "data")))
	st, err := os.Stat(filepath.Join(dir, "data", "PG_VERSION"))
	require.NoError(t, err)
	require.EqualValues(t, 65534, st.Sys().(*syscall.Stat_t).Uid)

	// The same folder under namespaces afterwards: files change hands.
	full := start(t, Config{Dir: dir})
	connect(t, full.DSN("postgres"))
}

func TestUnfinishedClusterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
	s := start(t, Config{Dir: dir})
	connect(t, s.DSN("postgres"))
}

func TestBrokenClusterSaysWhy(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	bin, err := FindBinaries("")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte(bin.Major+"\n"), 0o600))
	_, err = Start(t.Context(), Config{Dir: dir})
	require.ErrorContains(t, err, "ended while starting")
	require.ErrorContains(t, err, "postgresql.conf")
}

func TestNoBinariesNamesTheRemedies(t *testing.T) {
	t.Setenv("PG_BIN", t.TempDir())
	_, err := Start(t.Context(), Config{Dir: filepath.Join(t.TempDir(), "pg")})
	var missing *NoBinariesError
	require.ErrorAs(t, err, &missing)
	for _, remedy := range []string{"apt-get install postgresql", "PG_BIN", "DATABASE_URL"} {
		require.ErrorContains(t, err, remedy)
	}
}

func TestOtherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "pg")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := Start(t.Context(), Config{Dir: dir})
	var version *VersionError
	require.ErrorAs(t, err, &version)
	require.Equal(t, "9", version.Cluster)
	require.ErrorContains(t, err, "pg_upgrade")
}
