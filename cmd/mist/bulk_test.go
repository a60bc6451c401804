package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGenerateGivesTheSameFileForTheSameSeed(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	var stdout, stderr bytes.Buffer
	for path, seed := range map[string]string{a: "3", b: "3", c: "4"} {
		require.Equal(t, exitOK, run([]string{"generate", "--persons", "50", "--seed", seed, path}, &stdout, &stderr), stderr.String())
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	require.Equal(t, read(a), read(b))
	require.NotEqual(t, read(a), read(c))
	require.Equal(t, exitUsage, run([]string{"generate", "--persons", "0", a}, &stdout, &stderr))
}

func TestImportBelongsToTheSandbox(t *testing.T) {
	config := filepath.Join(t.TempDir(), "mist.yaml")
	require.NoError(t, os.WriteFile(config, []byte("profile: production\n"), 0o600))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, run([]string{"import", "population", "--config", config, "nowhere"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "sandbox profile")
}

func TestProgressLine(t *testing.T) {
	p := &progress{name: "import"}
	require.Equal(t, "import  25 %  250/1000  125/s  6s left\n", p.line(250, 1000, 2*time.Second))
	p.terminal = true
	require.Contains(t, p.line(1000, 1000, time.Second), "[████████████████████████████████████████] import 100 %")
}
