package portal

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

func (f *fakes) Declaration(ctx context.Context, c registry.Caller, id registry.ID) (query.DeclarationDetail, error) {
	_, err := f.call(ctx, c)
	return query.DeclarationDetail{Declaration: declaration.Declaration{ID: id}}, err
}

func (f *fakes) SignedContent(context.Context, registry.Caller, registry.ID) ([]byte, error) {
	return []byte("signed"), f.err
}

func (f *fakes) Seal(context.Context, registry.Caller, registry.ID) ([]byte, error) {
	return []byte("sealed"), f.err
}

func (f *fakes) DeclarationHistory(ctx context.Context, c registry.Caller, _ registry.ID) ([]query.StatusLine, error) {
	_, err := f.call(ctx, c)
	return []query.StatusLine{{Status: declaration.StatusActive}}, err
}

func (f *fakes) Declarations(ctx context.Context, c registry.Caller, filter query.DeclarationFilter) (query.DeclarationPage, error) {
	f.filter = filter
	_, err := f.call(ctx, c)
	return query.DeclarationPage{Rows: []query.DeclarationItem{}}, err
}

func (f *fakes) Verify(ctx context.Context, c registry.Caller, _ registry.ID, approve bool, note string) (declaration.Declaration, error) {
	f.approved, f.note = approve, note
	_, err := f.call(ctx, c)
	return declaration.Declaration{}, err
}

func (f *fakes) Terminate(ctx context.Context, c registry.Caller, t declaration.Termination) (int, error) {
	f.termination = t
	_, err := f.call(ctx, c)
	return 7, err
}

var (
	_ DeclarationReads = (*query.Providers)(nil)
	_ DeclarationLife  = (*declaration.Life)(nil)
)

const oneDeclaration = declarationsPath + "/01890a5d-ac96-774b-bcce-b302099a8057"

func TestDeclarationFilterOfTheQueryString(t *testing.T) {
	b := newBench(t)
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	parsed, err := registry.ParseID(id)
	require.NoError(t, err)
	w := b.do("GET", declarationsPath+"?person_id="+id+"&status=active&start_date_from=2026-01-02&end_date_to=2066-01-01&page=3&page_size=20", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Equal(t, query.DeclarationFilter{
		PersonID: parsed, Status: "active", StartFrom: registry.Date{Year: 2026, Month: 1, Day: 2}, EndTo: registry.Date{Year: 2066, Month: 1, Day: 1},
		Window: query.Window{Page: 3, Size: 20},
	}, b.filter)
	require.Contains(t, w.Body.String(), `"data":[]`)
	require.Contains(t, w.Body.String(), `"type":"list"`)

	require.Equal(t, 200, b.do("GET", declarationsPath+"?limit=5&starting_after="+id, "").Code)
	require.Equal(t, query.Window{Cursor: true, Size: 5, After: parsed}, b.filter.Window)

	for text, entry := range map[string]string{
		"person_id=1": "$.person_id", "start_date_from=2026-02-30": "$.start_date_from", "page=x": "$.page", "page=%2B1": "$.page",
		"colour=red": "$.colour", "status=active&status=closed": "$.status", "limit=5&page=1": "$.page",
	} {
		e := failure(t, b.do("GET", declarationsPath+"?"+text, ""), 422, "validation_failed")
		require.Equal(t, entry, e.Invalid[0].Entry, text)
		require.Equal(t, "query_parameter", e.Invalid[0].Type, text)
	}
	failure(t, b.do("GET", declarationsPath+"?a=%zz", ""), 400, "request_malformed")
}

func TestDeclarationActions(t *testing.T) {
	b := newBench(t)
	require.Equal(t, 200, b.do("PATCH", oneDeclaration+"/actions/approve", `{"reason_description":"so"}`).Code)
	require.True(t, b.approved)
	require.Equal(t, "so", b.note)
	require.Equal(t, 200, b.do("PATCH", oneDeclaration+"/actions/reject", "").Code)
	require.False(t, b.approved)
	require.Empty(t, b.note)
	failure(t, b.do("PATCH", oneDeclaration+"/actions/reject", `{"reason_description":5}`), 422, "validation_failed")

	w := b.do("PATCH", declarationsPath+"/actions/terminate", `{"person_id":"01890a5d-ac96-774b-bcce-b302099a8057"}`)
	require.Equal(t, 200, w.Code)
	require.False(t, b.termination.PersonID.IsZero())
	var got struct{ Data map[string]int }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, map[string]int{"terminated": 7}, got.Data)
	for _, body := range []string{`{"person_id":""}`, `{"person_id":7}`, `{"person_id":"00000000-0000-0000-0000-000000000000"}`, `{"x":1}`} {
		failure(t, b.do("PATCH", declarationsPath+"/actions/terminate", body), 422, "validation_failed")
	}
	failure(t, b.do("GET", declarationsPath+"/17", ""), 422, "validation_failed")
	require.Equal(t, 200, b.do("GET", oneDeclaration, "").Code)
	require.Contains(t, b.do("GET", oneDeclaration+"/history", "").Body.String(), `"total_entries":1`)
}

func TestContainersByREST(t *testing.T) {
	b := newBench(t)
	const one = "/api/v3/declarations/01890a5d-ac96-774b-bcce-b302099a8057/"
	for name, body := range map[string]string{"signed_content": "signed", "seal": "sealed"} {
		w := b.do("GET", one+name, "")
		require.Equal(t, 200, w.Code)
		require.Equal(t, body, w.Body.String())
		require.Equal(t, "application/pkcs7-mime", w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Content-Disposition"), "attachment")
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	}
	b.err = registry.Errorf(registry.CodeNotFound, "not found")
	require.Equal(t, 404, b.do("GET", one+"seal", "").Code)
}
