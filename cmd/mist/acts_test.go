package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/verification"
	"mist/signature"
)

// kindsOf builds the list of kinds as the server does.
func kindsOf(t *testing.T, store *postgres.Store) actRooms {
	t.Helper()
	s := &server{cfg: defaultConfig(), store: store, source: registry.SystemSource()}
	s.cfg.Profile, s.cfg.Media.Dir = profileSandbox, t.TempDir()
	key := bytes.Repeat([]byte{7}, 32)
	policies, err := signature.ParsePolicyTable(policyTable)
	require.NoError(t, err)
	documents, err := s.newDocuments(t.Context(), pgtest.Keys(t), key)
	require.NoError(t, err)
	lists, err := dictionary.New(postgres.NewPort[dictionary.Tx](store), s.source)
	require.NoError(t, err)
	acts, err := actKinds(parts{store, s.source, noSignature{}, policies, documents.media, key, s.cfg.Limits, lists, verification.Starter{}})
	require.NoError(t, err)
	return acts
}

// The contract has an operation for every address of a kind of records, and
// none that no kind serves.
func TestKindsStandInTheContract(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	spec, err := os.ReadFile(filepath.Join("..", "..", "portal", "openapi.yaml"))
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if slices.Contains(op.Tags, "Clinical records") {
				described = append(described, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, k := range kindsOf(t, cluster.Store(t)).places {
		served = append(served, k.Routes()...)
	}
	slices.Sort(described)
	slices.Sort(served)
	require.NotEmpty(t, served)
	require.Equal(t, described, served)
}
