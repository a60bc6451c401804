package local

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Binaries is a folder with the programs initdb and postgres of one version.
type Binaries struct {
	Dir   string
	Major string // "15"
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// NoBinariesError tells that no PostgreSQL programs were found.
type NoBinariesError struct {
	Looked []string
}

// Error is one sentence with the remedies.
func (e *NoBinariesError) Error() string {
	return fmt.Sprintf("no PostgreSQL programs (initdb, postgres) in %s: install them (on Debian: apt-get install postgresql), or point PG_BIN at their folder, or set DATABASE_URL to a server you run",
		strings.Join(e.Looked, ", "))
}

// VersionError tells that the cluster was made by another major version.
type VersionError struct {
	Cluster string
	Found   []string
}

// Error names both versions and the remedy.
func (e *VersionError) Error() string {
	return fmt.Sprintf("the database folder was made by PostgreSQL %s, but only version %s was found: install postgresql-%s, or point PG_BIN at it, or move the data with pg_upgrade",
		e.Cluster, strings.Join(e.Found, ", "), e.Cluster)
}

// FindBinaries looks in PG_BIN (alone, when set), in PATH, and in Debian's
// versioned folders, newest first. With a cluster version only that major
// version will do.
func FindBinaries(cluster string) (Binaries, error) {
	var dirs []string
	if own := os.Getenv("PG_BIN"); own != "" {
		dirs = []string{own}
	} else {
		if p, err := exec.LookPath("postgres"); err == nil {
			// A link in PATH points to where the other programs are.
			if real, err := filepath.EvalSymlinks(p); err == nil {
				p = real
			}
			dirs = append(dirs, filepath.Dir(p))
		}
		versioned, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
		slices.SortFunc(versioned, func(a, b string) int {
			return cmp.Compare(versionOf(b), versionOf(a))
		})
		dirs = append(dirs, versioned...)
	}
	var others []string
	for _, dir := range dirs {
		major, ok := probe(dir)
		if !ok {
			continue
		}
		if cluster == "" || cluster == major {
			return Binaries{Dir: dir, Major: major}, nil
		}
		others = append(others, major)
	}
	if len(others) > 0 {
		return Binaries{}, &VersionError{Cluster: cluster, Found: others}
	}
	looked := []string{"PATH", "/usr/lib/postgresql/*/bin"}
	if own := os.Getenv("PG_BIN"); own != "" {
		looked = []string{"PG_BIN=" + own}
	}
	return Binaries{}, &NoBinariesError{Looked: looked}
}

func versionOf(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// probe asks postgres for its version and demands initdb beside it.
func probe(dir string) (major string, ok bool) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return "", false
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return "", false
	}
	// "postgres (PostgreSQL) 15.18 (Debian …)", "… 18beta1"
	fields := strings.Fields(string(out))
	if len(fields) < 3 {
		return "", false
	}
	v := fields[2]
	if end := strings.IndexFunc(v, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		v = v[:end]
	}
	return v, v != ""
}

// CanInstall reports whether Install may be tried here: Debian's package
// manager and the right to use it.
func CanInstall() bool {
	_, err := exec.LookPath("apt-get")
	return runtime.GOOS == "linux" && err == nil && os.Geteuid() == 0
}

// Install installs Debian's PostgreSQL without the cluster Debian would create
// and start by itself. It needs root and apt-get ([CanInstall]).
func Install(ctx context.Context) error {
	if !CanInstall() {
		return &NoBinariesError{Looked: []string{"PATH", "/usr/lib/postgresql/*/bin"}}
	}
	apt := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("installing PostgreSQL: apt-get %s: %w: %s", args[0], err, lastLines(out))
		}
		return nil
	}
	install := func(name string) error {
		return apt("install", "-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", name)
	}
	if err := apt("update", "-q"); err != nil {
		return err
	}
	// The common package comes first: its configuration decides whether the
	// server package makes and starts a cluster of its own.
	if err := install("postgresql-common"); err != nil {
		return err
	}
	if err := noMainCluster(createClusterConf); err != nil {
		return fmt.Errorf("installing PostgreSQL: %w", err)
	}
	return install("postgresql")
}

const createClusterConf = "/etc/postgresql-common/createcluster.conf"

var mainCluster = regexp.MustCompile(`(?m)^#?[ \t]*create_main_cluster[ \t]*=.*$`)

// noMainCluster sets create_main_cluster to false in Debian's file.
func noMainCluster(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	const off = "create_main_cluster = false"
	if mainCluster.Match(b) {
		b = mainCluster.ReplaceAll(b, []byte(off))
	} else {
		b = append(b, "\n"+off+"\n"...)
	}
	return os.WriteFile(path, b, 0o644)
}
