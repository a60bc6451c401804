package audit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/audit"
)

func TestWitnessKeysAreReadStrictly(t *testing.T) {
	private, public, err := audit.GenerateWitnessKey(strings.NewReader(strings.Repeat("k", 64)), "w.example/a")
	require.NoError(t, err)
	_, err = audit.NewCosigner(private)
	require.NoError(t, err)
	_, err = audit.ReadWitnessKey(public)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty":         "",
		"private":       private,
		"no hash":       "w.example/a+AAAA",
		"another name":  strings.Replace(public, "w.example/a", "w.example/b", 1),
		"a log's key":   "log.example+00000000+AQ==",
		"name with tab": strings.Replace(public, "w.example/a", "w.\texample/a", 1),
		"trailing":      public + "+x",
	} {
		_, err := audit.ReadWitnessKey(text)
		require.Error(t, err, name)
		_, err = audit.NewCosigner(text)
		if name != "private" {
			require.Error(t, err, name)
			require.NotContains(t, err.Error(), "AAAA")
		}
	}
	_, _, err = audit.GenerateWitnessKey(strings.NewReader(""), "two words")
	require.Error(t, err)
	_, err = audit.NewCosigner(strings.Replace(private, "w.example/a", "w.example/b", 1))
	require.Error(t, err)
}

func TestQuorumIsChecked(t *testing.T) {
	key := func(name string) *audit.WitnessKey {
		_, public, err := audit.GenerateWitnessKey(strings.NewReader(strings.Repeat(name, 64)), name)
		require.NoError(t, err)
		w, err := audit.ReadWitnessKey(public)
		require.NoError(t, err)
		return w
	}
	a, b := key("a"), key("b")
	require.NoError(t, audit.Quorum{}.Check())
	require.NoError(t, audit.Quorum{Need: 2, Witnesses: []*audit.WitnessKey{a, b}}.Check())
	require.Error(t, audit.Quorum{Need: 3, Witnesses: []*audit.WitnessKey{a, b}}.Check())
	require.ErrorContains(t, audit.Quorum{Need: 2, Witnesses: []*audit.WitnessKey{a, a}}.Check(), "twice")
}
