// This file is policy, not something to bend when a build fails: it says who
// may import whom in the house of Mist (docs/ARCHITECTURE.md). A change here
// needs an ADR.
package mist_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", "./...").Output()
	require.NoError(t, err)
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all[strings.TrimPrefix(p.ImportPath, "mist/")] = p
	}
	require.NotEmpty(t, all)
	return all
}

// only says which packages (patterns of path.Match, or a folder with /...) may
// import something directly.
var only = []struct {
	imported string
	by       []string
	why      string
}{
	{"github.com/jackc/pgx/...", []string{"registry/postgres/..."}, "all SQL lives in one room"},
	{"github.com/pressly/goose/...", []string{"registry/postgres/..."}, "migrations live with the SQL"},
	{"github.com/riverqueue/...", []string{"registry/postgres/..."}, "the queue lives with the SQL"},
	{"go.etcd.io/bbolt/...", []string{"portal/edge/vault"}, "the clinic's store is behind one door (ADR 0860)"},
	{"database/sql", []string{"registry/postgres/..."}, "all SQL lives in one room"},
	{"net/http", []string{"cmd/...", "portal/...", "soap/...", "signature/trust/fetch", "registry/media", "registry/audit/witness"}, "the network is at the edge"},
	{"encoding/xml", []string{"cmd/...", "wsdl/...", "soap/...", "signature/...", "fixtures/..."}, "the registry speaks no XML"},
	{"github.com/miekg/pkcs11", []string{"registry/audit/token"}, "cgo stands behind one build tag (ADR 0825)"},
	{"go.mozilla.org/pkcs7", nil, "it serves differential tests, never verification"},
	{"mist/cmd/...", []string{"cmd/..."}, "nothing leans on a program"},
}

// never says which room must not import which.
var never = []struct{ room, imported, why string }{
	{"signature/...", "mist/registry/...", "signatures know nothing of the registry"},
	{"signature/...", "mist/portal/...", "signatures know nothing of transports"},
	{"signature/...", "mist/soap/...", "signatures know nothing of transports"},
	{"registry/...", "mist/portal/...", "transports lean on the registry"},
	{"registry/...", "mist/soap/...", "transports lean on the registry"},
	{"soap/...", "mist/portal/...", "the two transports do not know each other"},
	{"portal/...", "mist/soap/...", "the two transports do not know each other"},
	{"soap/...", "mist/registry/postgres/...", "transports reach storage through services"},
	{"portal/...", "mist/registry/postgres/...", "transports reach storage through services"},
	{"registry/intake", "mist/registry/declaration", "the pipeline is generic over kinds"},
	{"registry/audit", "mist/registry/intake", "the log is importable by an auditor"},
	{"registry/audit", "mist/signature/...", "the log is importable by an auditor"},
	{"cmd/mist-verify", "mist/registry/postgres/...", "the offline verifier has no database"},
	{"cmd/mist-verify", "mist/registry/intake", "the offline verifier has no database"},
}

// kinds are the rooms of act kinds: one never imports another.
var kinds = []string{"registry/declaration", "registry/personrequest", "registry/personchange", "registry/encounter", "registry/prescription", "registry/referral", "registry/sickleave"}

func match(pattern, name string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == folder || strings.HasPrefix(name, folder+"/")
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func TestImportRules(t *testing.T) {
	for room, p := range list(t) {
		for _, imported := range p.Imports {
			for _, r := range only {
				if match(r.imported, imported) {
					ok := slices.ContainsFunc(r.by, func(by string) bool { return match(by, room) })
					require.True(t, ok, "%s imports %s: %s", room, imported, r.why)
				}
			}
			for _, r := range never {
				require.False(t, match(r.room, room) && match(r.imported, imported), "%s imports %s: %s", room, imported, r.why)
			}
			// cmd/mist offers the simulator of security servers as a command, and the
			// simulated registers of the sandbox stand behind one.
			simulator := (room == "cmd/mist" || room == "soap/connector/simulator") && imported == "mist/soap/xroad/sstest"
			require.False(t, strings.HasSuffix(imported, "test") && strings.HasPrefix(imported, "mist/") && !simulator,
				"%s imports %s: test packages are for tests", room, imported)
		}
	}
}

func TestActKindsDoNotKnowEachOther(t *testing.T) {
	all := list(t)
	for _, a := range kinds {
		for _, b := range kinds {
			if a != b {
				require.NotContains(t, all[a].Imports, "mist/"+b)
			}
		}
	}
}

// The cryptography and the domain words stand on the standard library alone,
// through all of their dependencies.
func TestStandardLibraryOnly(t *testing.T) {
	all := list(t)
	for room, allowed := range map[string][]string{
		"registry":            nil,
		"signature/gost34311": {"mist/signature/internal/..."},
		"signature/kupyna":    {"mist/signature/internal/..."},
		"signature/dstu4145":  {"mist/signature/gost34311", "mist/signature/kupyna", "mist/signature/dstu4145/...", "mist/signature/internal/..."},
		"registry/jcs":        nil,
		"registry/sealing":    nil,
	} {
		p, ok := all[room]
		require.True(t, ok, "%s is missing", room)
		for _, dep := range p.Deps {
			first, _, _ := strings.Cut(dep, "/")
			own := slices.ContainsFunc(allowed, func(a string) bool { return match(a, dep) })
			require.True(t, own || !strings.Contains(first, ".") && first != "mist", "%s depends on %s", room, dep)
		}
	}
}

func TestNoRoomIsADrawer(t *testing.T) {
	for room := range list(t) {
		for _, part := range strings.Split(room, "/") {
			require.NotContains(t, []string{"util", "utils", "common", "core", "models", "types", "helpers", "pkg", "manager", "impl", "v2"}, part, room)
		}
	}
}
