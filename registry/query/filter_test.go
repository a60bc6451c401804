package query

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestRulesOfLists(t *testing.T) {
	good := func() DeclarationFilter { return DeclarationFilter{Window: Window{Page: 1, Size: 50}} }
	require.NoError(t, good().validate())
	early, late := registry.Date{Year: 2026, Month: 1, Day: 1}, registry.Date{Year: 2026, Month: 1, Day: 2}
	for entry, change := range map[string]func(*DeclarationFilter){
		"$.status":        func(f *DeclarationFilter) { f.Status = "gone" },
		"$.start_date_to": func(f *DeclarationFilter) { f.StartFrom, f.StartTo = late, early },
		"$.end_date_to":   func(f *DeclarationFilter) { f.EndFrom, f.EndTo = late, early },
		"$.page_size":     func(f *DeclarationFilter) { f.Window.Size = 101 },
		"$.page":          func(f *DeclarationFilter) { f.Window.Page = 2002 },
	} {
		f := good()
		change(&f)
		err := registry.AsError(f.validate())
		require.NotNil(t, err, entry)
		require.Equal(t, entry, err.Fields[0].Entry)
		require.Equal(t, "query_parameter", err.Fields[0].EntryType)
	}
	for _, w := range []Window{{Page: 1}, {Page: 0, Size: 1}, {Page: -1, Size: 1}, {Cursor: true, Size: 0}} {
		require.Error(t, w.Validate(), w)
	}
	require.NoError(t, Window{Cursor: true, Size: 100}.Validate())
}

func TestPaging(t *testing.T) {
	require.Equal(t, Paging{Number: 2, Size: 50, TotalEntries: 101, TotalPages: 3}, Window{Page: 2, Size: 50}.paging(101, true))
	require.Equal(t, Paging{Number: 1, Size: 50}, Window{Page: 1, Size: 50}.paging(0, false))
	p := Window{Cursor: true, Size: 5}.paging(0, true)
	require.True(t, *p.HasMore)
}

// How far a caller sees is decided by scope, and a system of nobody sees nothing.
func TestReach(t *testing.T) {
	clinic := registry.ID{1}
	within, basis, err := reach(registry.Caller{Scopes: []string{ScopeDeclarationRead}, LegalEntityID: clinic})
	require.NoError(t, err)
	require.Equal(t, clinic, within)
	require.Equal(t, "declaration", basis)
	within, basis, err = reach(registry.Caller{Scopes: []string{ScopeDeclarationReadNHS}, LegalEntityID: clinic})
	require.NoError(t, err)
	require.True(t, within.IsZero())
	require.Equal(t, "statute", basis)
	for _, c := range []registry.Caller{{LegalEntityID: clinic}, {Scopes: []string{ScopeDeclarationRead}}} {
		_, _, err = reach(c)
		require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	}
}
