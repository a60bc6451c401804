package signature_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
)

func TestPoliciesRefuseWhatTheyDoNotKnow(t *testing.T) {
	for name, doc := range map[string]string{
		"unknown rule":    `{"id":"x","version":"1","rules":{"signature":{"FulScope":"FAIL"}}}`,
		"unknown context": `{"id":"x","version":"1","rules":{"signatur":{"FullScope":"FAIL"}}}`,
		"unknown level":   `{"id":"x","version":"1","rules":{"signature":{"FullScope":"MUST"}}}`,
		"unknown field":   `{"id":"x","version":"1","rulez":{}}`,
		"unknown parent":  `{"id":"x","version":"1","extends":"nobody"}`,
		"no version":      `{"id":"x"}`,
		"two documents":   `{"id":"x","version":"1"}{}`,
	} {
		_, err := signature.ParsePolicy([]byte(doc))
		require.Error(t, err, name)
	}
	for _, n := range signature.PolicyNames() {
		p, err := signature.NamedPolicy(n)
		require.NoError(t, err, n)
		require.Equal(t, n, p.ID)
		require.NotEmpty(t, p.LegalSource, n)
		require.NotEmpty(t, p.Title["uk"], n)
	}
	_, err := signature.Judge(&facts.Facts{Version: facts.Version}, signature.Policy{}, time.Now())
	require.Error(t, err, "the zero policy judges nothing")
}

func TestPolicyTable(t *testing.T) {
	table, err := signature.ParsePolicyTable([]byte(`[
		{"kind":"*","from":"2020-01-01","policy":"act","legalSource":"test"},
		{"kind":"prescription","from":"2020-01-01","policy":"act-person","legalSource":"test"},
		{"kind":"prescription","from":"2027-01-01","policy":"act-employee","legalSource":"test"}]`))
	require.NoError(t, err)
	at := func(kind, day string) string {
		d, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		p, err := table.For(kind, d)
		if err != nil {
			return "none"
		}
		return p.ID
	}
	require.Equal(t, "act", at("declaration", "2026-01-01"))
	require.Equal(t, "act-person", at("prescription", "2026-12-31"))
	require.Equal(t, "act-employee", at("prescription", "2027-01-01"))
	require.Equal(t, "none", at("declaration", "2019-12-31"))
	for _, bad := range []string{`[{"kind":"*","from":"soon","policy":"act","legalSource":"x"}]`, `[{"kind":"*","from":"2020-01-01","policy":"none","legalSource":"x"}]`, `[{"kind":"*","from":"2020-01-01","policy":"act"}]`} {
		_, err := signature.ParsePolicyTable([]byte(bad))
		require.Error(t, err)
	}
}
