package portal

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry/declaration"
	"mist/registry/query"
)

// The members the eHealth API has in a declaration (ЕСОЗ 1.3, domain notes
// 1.4) and where ours stand; those we do not give say why.
func TestDeclarationHasTheFieldsOfTheEHealthAPI(t *testing.T) {
	const absent = "-"
	now := time.Unix(1, 0)
	full := declaration.Declaration{Reason: "r", SealedAt: &now}
	tree := func(v any) map[string]any {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		var out map[string]any
		require.NoError(t, json.Unmarshal(b, &out))
		return out
	}
	citizen := viewCitizenDeclaration(full)
	citizen.ReasonDescription = "d"
	common := map[string]string{
		"id": "id", "declaration_number": "declaration_number", "declaration_request_id": "declaration_request_id", "scope": "scope",
		"start_date": "start_date", "end_date": "end_date", "signed_at": "signed_at", "status": "status", "reason": "reason",
		"reason_description": "reason_description", "overlimit": "overlimit", "seed": "seed", "inserted_at": "inserted_at", "updated_at": "updated_at",
		"person_id": "person", "employee_id": "employee", "division_id": "division", "legal_entity_id": "legal_entity",
		"created_by": absent, // stands in the audit entry: a user is nobody's business but the log's
		"updated_by": absent,
		"content":    absent, // the printed form stands in the signed document: …/signed_content
	}
	for name, c := range map[string]struct {
		answer any
		extra  map[string]string
	}{
		"to the clinic":  {query.DeclarationDetail{Declaration: full, ReasonDescription: "d"}, map[string]string{"is_active": absent}}, // status says it
		"to the citizen": {citizen, map[string]string{"is_active": "is_active"}},
	} {
		got := tree(c.answer)
		want := maps.Clone(common)
		maps.Copy(want, c.extra)
		for field, ours := range want {
			if ours == absent {
				require.NotContains(t, got, field, "%s: take %q off the list of what is absent", name, field)
			} else {
				require.Contains(t, got, ours, "%s: %s", name, field)
			}
		}
		// And nothing that neither list names but what is ours alone.
		for member := range got {
			known := member == "sealed_at" || slices.Contains(slices.Collect(maps.Values(want)), member)
			require.True(t, known, "%s: %q stands in no list", name, member)
		}
	}
}
