package wsdl_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/wsdl"
)

// Contracts of services that we call compile; they follow their owners' names,
// not our linter.
func TestContractsOfConsumedServices(t *testing.T) {
	files, err := filepath.Glob("consumed/*.wsdl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	seen := map[string]string{}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".wsdl")
		c, err := wsdl.Load(filepath.ToSlash(name))
		require.NoError(t, err, file)
		require.NotEmpty(t, c.Operations, file)
		for _, o := range c.Operations {
			require.Empty(t, seen[o], "%s stands in two contracts", o)
			seen[o] = file
		}
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(b), "docs/divergences.md", "%s says what is attested", file)
	}
	c, err := wsdl.Load("consumed/mvs")
	require.NoError(t, err)
	require.NoError(t, c.Validate([]byte(`<checkunzrResponse xmlns="urn:mist:ws:consumed:mvs:v1"><resultCode>2</resultCode></checkunzrResponse>`)))
	require.Error(t, c.Validate([]byte(`<checkunzrResponse xmlns="urn:mist:ws:consumed:mvs:v1"><resultCode>9</resultCode></checkunzrResponse>`)))
}
