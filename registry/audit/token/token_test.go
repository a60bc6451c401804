//go:build pkcs11

package token_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/audit"
	"mist/registry/audit/token"
)

const pin = "4321"

// softToken makes an empty SoftHSM token of its own.
func softToken(t *testing.T) token.Config {
	t.Helper()
	module := ""
	for _, path := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"} {
		if _, err := os.Stat(path); err == nil {
			module = path
			break
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || module == "" {
		t.Skip("softhsm2 is not installed")
	}
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+filepath.Join(dir, "tokens")+"\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "mist", "--pin", pin, "--so-pin", "8765").CombinedOutput()
	require.NoError(t, err, string(out))
	return token.Config{Module: module, Token: "mist", Key: "log", PIN: pin, Origin: "log.example"}
}

// A checkpoint signed in the device verifies by the public key it gave; the
// private half is not in the token's files; a wrong PIN, an unknown label and a
// label that is taken are refused, and no error repeats the PIN.
func TestTheLogsKeyInADevice(t *testing.T) {
	c := softToken(t)
	_, _, _, err := token.Open(c)
	require.ErrorContains(t, err, "no key")
	verifier, err := token.Make(c)
	require.NoError(t, err)
	_, err = token.Make(c)
	require.ErrorContains(t, err, "never written over")

	key, again, stop, err := token.Open(c)
	require.NoError(t, err)
	defer stop()
	require.Equal(t, verifier, again)
	signer, err := audit.SignerOf(key, verifier)
	require.NoError(t, err)
	require.Equal(t, "log.example", signer.Origin())
	v, err := audit.ReadVerifier(verifier)
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			signed, err := signer.Sign(int64(i), audit.EmptyRoot())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := audit.OpenCheckpoint(signed, v); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r, err := signer.Promise(audit.Receipt{LeafHash: audit.LeafHash(nil).String()})
	require.NoError(t, err)
	_, err = audit.OpenPromise(r, v)
	require.NoError(t, err)

	// Another key is another log's: rotation is a new label.
	other := c
	other.Key = "log-2"
	second, err := token.Make(other)
	require.NoError(t, err)
	require.NotEqual(t, verifier, second)

	other.Token = "elsewhere"
	_, _, _, err = token.Open(other)
	require.ErrorContains(t, err, "labelled")
	other = c
	other.Module = "/nowhere.so"
	_, _, _, err = token.Open(other)
	require.ErrorContains(t, err, "cannot be loaded")
}

func TestAWrongPINIsRefusedAndNotRepeated(t *testing.T) {
	c := softToken(t)
	c.PIN = "135790"
	_, err := token.Make(c)
	require.Error(t, err)
	require.False(t, strings.Contains(err.Error(), c.PIN))
}
