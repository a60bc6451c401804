package portal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
)

// lists stand for the room: what is built in, and nothing changes.
type lists struct{ *fakes }

func (lists) Snapshot(context.Context) (*dictionary.Snapshot, error) { return dictionary.Built() }

func (l lists) Change(_ context.Context, c registry.Caller, name string, _ []byte) (dictionary.Dictionary, error) {
	l.caller = c
	return dictionary.Dictionary{Name: name, Values: map[string]string{"A": "а"}, IsActive: true}, l.err
}

func (l lists) SetParameters(_ context.Context, c registry.Caller, _ []byte) (map[string]string, error) {
	l.caller = c
	return map[string]string{"adult_age": "18"}, l.err
}

var _ DictionaryRoom = (*dictionary.Service)(nil)

func TestDictionariesArePublic(t *testing.T) {
	b := newBench(t)
	w := b.do("GET", "/api/v3/dictionaries?name=GENDER", "", "Authorization", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"FEMALE":"жіноча"`)
	require.Equal(t, "public, max-age=60", w.Header().Get("Cache-Control"))
	require.Contains(t, b.do("GET", "/api/v3/dictionaries?name=NONE", "").Body.String(), `"data":[]`)
	w = b.do("GET", "/api/v3/dictionaries/values?name=KVEDS&code=86.2&text=практика", "", "Authorization", "")
	require.Contains(t, w.Body.String(), `86.21`)
	require.NotContains(t, w.Body.String(), `86.10`)
	failure(t, b.do("GET", "/api/v3/dictionaries/values?name=NONE", ""), 404, "not_found")
	failure(t, b.do("GET", "/api/v3/dictionaries/values?name=KVEDS&limit=1000", ""), 422, "validation_failed")
	require.Contains(t, b.do("GET", "/api/v3/global_parameters", "", "Authorization", "").Body.String(), `"adult_age":"18"`)
	failure(t, b.do("PATCH", "/api/v3/dictionaries?name=GENDER", `{"values":{"A":"а"}}`, "Authorization", ""), 401, "access_denied")
	require.Contains(t, b.do("PATCH", "/api/v3/dictionaries?name=GENDER", `{"values":{"A":"а"}}`).Body.String(), `"A":"а"`)
	require.Contains(t, b.do("PATCH", "/api/v3/global_parameters", `{"adult_age":"18"}`).Body.String(), "adult_age")
}
