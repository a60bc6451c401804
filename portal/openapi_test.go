package portal

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"mist/registry"
)

func specTree(t *testing.T) map[string]any {
	t.Helper()
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal(spec, &tree))
	return tree
}

func TestSpecAndRouterAgree(t *testing.T) {
	f := &fakes{}
	p, err := build(Config{
		BaseURL: "http://127.0.0.1:1", Access: f, Acts: []Act{DeclarationRequests(f), PersonRequests(f), AuthenticationMethodRequests(f), ConfidantRelationshipRequests(f), CompositionRequests(f), MedicationRequestRequests(f)}, Declarations: f, DeclarationLife: f, Persons: f, PersonSearch: f, Signatures: judge{f}, Events: f, Replies: f, Providers: providers{f}, Jobs: jobDesk{f}, Approvals: newConsented(), Emergencies: emergencies{newConsented()}, APIKeys: apiKeys{newConsented()},
		PersonLife: lifeDesk{f}, Documents: scans{f}, DocumentLinks: linksOf(time.Time{}),
		Rooms:  []Room{LegalEntities(nil), Divisions(nil), EmployeeRequests(nil), BlackList(nil), Contracts(nil), Dictionaries(nil), Directory(nil), Addresses(nil), Registers(nil), PIS(nil, nil), OwnPerson(nil), Parties(nil), Compositions(noConclusions{}), Medications(nil), Prescriptions(nil), Dispenses(nil), Outbox(nil), Verifications(nil), Payments(nil), Edges(nil)},
		Source: registry.SystemSource(), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits(),
	})
	require.NoError(t, err)
	var routes []string
	require.NoError(t, chi.Walk(p.router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes = append(routes, method+" "+route)
		return nil
	}))
	var described []string
	ids := map[string]bool{}
	for path, item := range specTree(t)["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			if slices.Contains(op.(map[string]any)["tags"].([]any), any("Clinical records")) {
				continue // the kinds say where they are: TestKindsStandInTheContract of cmd/mist
			}
			described = append(described, strings.ToUpper(method)+" "+path)
			id := op.(map[string]any)["operationId"].(string)
			require.False(t, ids[id], "operationId %s stands twice", id)
			ids[id] = true
		}
	}
	slices.Sort(routes)
	slices.Sort(described)
	require.NotEmpty(t, routes)
	require.Equal(t, routes, described)
}

func TestSpecReferencesResolve(t *testing.T) {
	tree := specTree(t)
	require.Equal(t, "3.0.3", tree["openapi"])
	seen := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				seen++
				var node any = tree
				for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
					m, ok := node.(map[string]any)
					require.True(t, ok, "%s: %s", at, ref)
					node = m[name]
				}
				require.NotNil(t, node, "%s: %s leads nowhere", at, ref)
			}
			for name, sub := range v {
				walk(at+"/"+name, sub)
			}
		case []any:
			for _, sub := range v {
				walk(at, sub)
			}
		}
	}
	walk("", tree)
	require.Greater(t, seen, 50)
}

func TestSpecIsServed(t *testing.T) {
	w := newBench(t).do("GET", "/openapi.yaml", "", "Authorization", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, spec, w.Body.Bytes())
	require.Equal(t, "application/yaml; charset=utf-8", w.Header().Get("Content-Type"))
}
