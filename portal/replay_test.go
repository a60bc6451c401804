package portal

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/idempotency"
	"mist/registry/query"
)

func (f *fakes) Events(ctx context.Context, c registry.Caller, after string, limit int) ([]query.Event, error) {
	f.note = after
	_, err := f.call(ctx, c)
	return make([]query.Event, limit), err
}

func (f *fakes) Begin(_ context.Context, _ registry.Caller, key string, request [32]byte) (*idempotency.Reply, error) {
	if first, taken := f.requests[key]; taken && first != request {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.idempotency-key", EntryType: "header", Rule: "unique"})
	}
	if f.requests == nil {
		f.requests, f.kept = map[string][32]byte{}, map[string]idempotency.Reply{}
	}
	f.requests[key] = request
	if r, ok := f.kept[key]; ok {
		return &r, nil
	}
	return nil, nil
}

func (f *fakes) Finish(_ context.Context, _ registry.Caller, key string, r idempotency.Reply) error {
	f.kept[key] = r
	return nil
}

var (
	_ Events  = (*query.Feed)(nil)
	_ Replies = (*idempotency.Service)(nil)
)

func TestSameKeySameAnswer(t *testing.T) {
	b := newBench(t)
	const body = draftBody
	first := b.do("POST", draftPath, body, "Idempotency-Key", "key-1")
	require.Equal(t, 201, first.Code, first.Body.String())
	b.draft.ID, b.body = registry.ID{77}, nil
	again := b.do("POST", draftPath, body, "Idempotency-Key", "key-1")
	require.Equal(t, 201, again.Code)
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Nil(t, b.body, "the room was not asked again")

	failure(t, b.do("POST", draftPath, strings.Replace(body, "8057", "8060", 1), "Idempotency-Key", "key-1"), 422, "validation_failed")
	require.NotEqual(t, first.Body.String(), b.do("POST", draftPath, body, "Idempotency-Key", "key-2").Body.String())
	for _, bad := range []string{"12345", "key 1", "ключ"} {
		failure(t, b.do("POST", draftPath, body, "Idempotency-Key", bad), 422, "validation_failed")
	}

	// A refusal is an answer too.
	b.err = registry.Errorf(registry.CodeConflict, "no")
	failure(t, b.do("POST", draftPath, body, "Idempotency-Key", "key-3"), 409, "request_conflict")
	b.err = nil
	failureBody := b.do("POST", draftPath, body, "Idempotency-Key", "key-3")
	require.Equal(t, 409, failureBody.Code)
}

func TestEventsOfTheQueryString(t *testing.T) {
	b := newBench(t)
	w := b.do("GET", "/api/v3/events?after=1-2-3&limit=2", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, "1-2-3", b.note)
	require.Contains(t, w.Body.String(), `"has_more":true`)
	failure(t, b.do("GET", "/api/v3/events?since=1", ""), 422, "validation_failed")
}
