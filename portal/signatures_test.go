package portal

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/signature"
)

// judge stands for the verifier; what it judges is shown by signature's tests.
type judge struct{ *fakes }

func (j judge) Verify(_ context.Context, in signature.Input, p signature.Policy) (*signature.Result, error) {
	j.verified, j.policy = in, p.ID
	return &signature.Result{Indication: signature.TotalPassed}, j.err
}

var _ SignatureVerifier = (*signature.Verifier)(nil)

func TestVerifyOnly(t *testing.T) {
	b := newBench(t)
	const path = "/api/v3/signatures/verify"
	failure(t, b.do("POST", path, `{"signed_content":"MII=","signed_content_encoding":"base64"}`), 403, "forbidden")
	b.scopes = []string{ScopeSignatureVerify}
	w := b.do("POST", path, `{"signed_content":"MII=","signed_content_encoding":"base64","content":"AAAA","policy":"act","time":"2026-01-02T03:04:05Z"}`)
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `"indication":"TOTAL-PASSED"`)
	require.Len(t, b.verified.Content, 1)
	require.Equal(t, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), b.verified.Time)
	act, err := signature.NamedPolicy("act")
	require.NoError(t, err)
	require.Equal(t, act.ID, b.policy)
	for body, entry := range map[string]string{
		`{"signed_content_encoding":"base64"}`:                                          "$.signed_content",
		`{"signed_content":"?","signed_content_encoding":"base64"}`:                     "$.signed_content",
		`{"signed_content":"MII=","signed_content_encoding":"hex"}`:                     "$.signed_content_encoding",
		`{"signed_content":"MII=","signed_content_encoding":"base64","policy":"lax"}`:   "$.policy",
		`{"signed_content":"MII=","signed_content_encoding":"base64","time":"now"}`:     "$.time",
		`{"signed_content":"MII=","signed_content_encoding":"base64","content":"AA="}`:  "$.content",
		`{"signed_content":"MII=","signed_content_encoding":"base64","reports":["x"]}`:  "$.reports.[0]",
		`{"signed_content":"MII=","signed_content_encoding":"base64","reports":"etsi"}`: "$.reports",
	} {
		e := failure(t, b.do("POST", path, body), 422, "validation_failed")
		require.Equal(t, entry, e.Invalid[0].Entry, body)
	}
	b.err = &signature.UnreadableError{}
	failure(t, b.do("POST", path, `{"signed_content":"MII=","signed_content_encoding":"base64"}`), 400, "request_malformed")
}

func TestETagOfARead(t *testing.T) {
	b := newBench(t)
	tag := b.do("GET", onePath, "").Header().Get("ETag")
	require.Len(t, tag, 34)
	w := b.do("GET", onePath, "", "If-None-Match", tag)
	require.Equal(t, 304, w.Code)
	require.Empty(t, w.Body.Bytes())
	require.Equal(t, tag, w.Header().Get("ETag"))
	b.draft.ID = registry.ID{10}
	require.Equal(t, 200, b.do("GET", onePath, "", "If-None-Match", tag).Code)
}
