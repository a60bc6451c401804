package gost34311_test

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature/gost34311"
)

// corpus returns the folder ua of the corpus; it skips when there is none.
func corpus(t *testing.T) string {
	t.Helper()
	return outside.Dir(t, "ua")
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimSpace(s))
	require.NoError(t, err)
	return b
}

// testParamSBox is id-GostR3411-94-TestParamSet (RFC 4357, 11.2), packed.
const testParamSBox = "4a92d80e6b1c7f53eb4c6dfa23810759581da342efc7609b7da1089fe46cb253" +
	"6c715fd84a9e03b24ba0721d36859cfedb413f590ae7682c1fd057a4923e6b8c"

// TestCorpusDKE1 runs the vectors with the S-box number 1 and a zero starting
// vector.
func TestCorpusDKE1(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus(t), "primitives", "utest_gost34_311.c.tsv"))
	require.NoError(t, err)
	var sync, input string
	ran := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		require.Len(t, f, 3)
		switch {
		case f[1] == "sync":
			sync, input = f[2], ""
		case f[1] == "data":
			input = f[2]
		case f[1] == "" && input != "" && strings.Trim(sync, "0") == "":
			got := gost34311.Sum256(unhex(t, input))
			require.Equal(t, f[2], hex.EncodeToString(got[:]), f[0])
			ran++
		}
	}
	require.Equal(t, 2, ran)
	outside.Count(t, "ua/primitives", ran, 0)
}

// TestCorpusTestParamSet runs the vectors with another S-box.
func TestCorpusTestParamSet(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(corpus(t), "primitives", "uapkic_gost34311.c_self_test.tsv"))
	require.NoError(t, err)
	sbox, err := gost34311.ParseSBox(unhex(t, testParamSBox))
	require.NoError(t, err)
	v := map[string][]byte{}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		require.Len(t, f, 3)
		v[f[1]] = unhex(t, f[2])
	}
	for _, n := range []string{"1", "2"} {
		require.NotEmpty(t, v["M"+n])
		h := gost34311.NewSBox(sbox)
		h.Write(v["M"+n])
		require.Equal(t, v["H"+n], h.Sum(nil))
		def := gost34311.Sum256(v["M"+n])
		require.NotEqual(t, v["H"+n], def[:])
	}
}
