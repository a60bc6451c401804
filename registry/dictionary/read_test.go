package dictionary

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/registry"
	"mist/registry/audit"
)

func sample(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "terminology", "sample.json"))
	require.NoError(t, err)
	return b
}

func TestFileIsReadStrictly(t *testing.T) {
	list, err := Read(sample(t))
	require.NoError(t, err)
	require.Len(t, list, 4)
	require.Equal(t, "REGISTER_DOCUMENTS", list[0].Name)
	require.Equal(t, "паспорт", list[0].Groups["PATIENT"]["PASSPORT"])
	b, err := json.Marshal(list[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"REGISTER_DOCUMENTS","values":{"PATIENT":{"PASSPORT":"паспорт","TAX_ID":"податковий номер"},"DECLARATION":{"DECLARATION_ID":"номер декларації"}},"labels":["SYSTEM"],"is_active":true}`, string(b))

	const good = `[{"name":"A","values":{"1":"один"},"labels":["SYSTEM"],"is_active":true}]`
	_, err = Read([]byte(good))
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"$.[0].name":      {`"name":"A"`, `"name":7`},
		"$.[0].values":    {`"один"`, `1`},
		"$.[0].labels":    {`"SYSTEM"`, `"OTHER"`},
		"$.[0].is_active": {`true`, `"true"`},
		"$.[0]":           {`"is_active":true`, `"is_active":true,"x":1`},
	} {
		_, err := Read([]byte(strings.Replace(good, change[0], change[1], 1)))
		e := registry.AsError(err)
		require.NotNil(t, e, name)
		require.Equal(t, name, e.Fields[0].Entry)
	}
	for what, text := range map[string]string{
		"control character": strings.Replace(good, "один", `оди\u0001н`, 1), "empty code": strings.Replace(good, `"1"`, `""`, 1),
		"twice": strings.Replace(good, "]", "", -1), "no list": `{}`, "name twice": `[` + good[1:len(good)-1] + `,` + good[1:],
	} {
		_, err := Read([]byte(text))
		require.Error(t, err, what)
	}
	_, err = Read(make([]byte, MaxFile+1))
	require.Equal(t, registry.CodeTooLarge, registry.CodeOf(err))
}

// The published file of 122 lists is read whole, and searched.
func TestCorpus(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t, "terminology"), "dictionaries.json"))
	require.NoError(t, err)
	list, err := Read(b)
	require.NoError(t, err)
	require.Len(t, list, 122)
	total := 0
	for _, d := range list {
		total += d.size()
	}
	require.Equal(t, 13_689, total)
	s := newSnapshot(1, nil, list, nil)
	const icd, icpc = "eHealth/ICD10/condition_codes", "eHealth/ICPC2/condition_codes"
	require.True(t, s.Has(icd, "A00.00"))
	require.False(t, s.Has(icd, "X"))
	found, err := s.Search(icd, "A00", "", 10)
	require.NoError(t, err)
	require.Len(t, found, min(10, len(found)))
	require.Equal(t, "A00.00", found[0].Code)
	found, err = s.Search(icpc, "", "БІЛЬ загальний", 5)
	require.NoError(t, err)
	require.Equal(t, "A01", found[0].Code)
	found, err = s.Search(icd, "", "такого слова немає ніде", 5)
	require.NoError(t, err)
	require.Empty(t, found)
}

type memory struct {
	Tx
	epoch   int64
	lists   map[string]Dictionary
	digests map[string][32]byte
	params  map[string]string
	entries []audit.Entry
	reads   int
}

func (m *memory) View(ctx context.Context, f func(context.Context, Tx) error) error { return f(ctx, m) }
func (m *memory) Update(ctx context.Context, f func(context.Context, Tx) error) error {
	return f(ctx, m)
}
func (m *memory) DictionaryEpoch(context.Context) (int64, error) { return m.epoch, nil }
func (m *memory) GrowDictionaryEpoch(context.Context) error      { m.epoch++; return nil }

func (m *memory) Dictionaries(context.Context) (list []Dictionary, _ error) {
	m.reads++
	for _, d := range m.lists {
		list = append(list, d)
	}
	return list, nil
}

func (m *memory) DictionaryDigest(_ context.Context, name string) ([32]byte, bool, error) {
	d, ok := m.digests[name]
	return d, ok, nil
}

func (m *memory) PutDictionary(_ context.Context, d Dictionary, digest [32]byte) error {
	m.lists[d.Name], m.digests[d.Name] = d, digest
	return nil
}

func (m *memory) Parameters(context.Context) (map[string]string, error) { return m.params, nil }

func (m *memory) PutParameter(_ context.Context, name, value string) error {
	m.params[name] = value
	return nil
}

func (m *memory) Audit(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	m.entries = append(m.entries, e)
	return audit.Receipt{}, nil
}

func TestImportAndChange(t *testing.T) {
	m := &memory{lists: map[string]Dictionary{}, digests: map[string][32]byte{}, params: map[string]string{}}
	now := time.Now()
	s, err := New(m, registry.Source{Clock: func() time.Time { return now }})
	require.NoError(t, err)
	first, err := s.Import(t.Context(), registry.Caller{}, sample(t), func(int, int) {})
	require.NoError(t, err)
	require.Equal(t, Imported{Lists: 4, Changed: 4, Values: 15}, first)
	require.Len(t, m.entries, 4)
	again, err := s.Import(t.Context(), registry.Caller{}, sample(t), func(int, int) {})
	require.NoError(t, err)
	require.Equal(t, Imported{Lists: 4}, again)
	require.Len(t, m.entries, 4, "the same file changes nothing")

	snapshot, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.True(t, snapshot.Has("eHealth/ICD10/condition_codes", "I10"))
	require.True(t, snapshot.Has("GENDER", "MALE"), "what is built in stays")
	reads := m.reads
	_, err = s.Snapshot(t.Context())
	require.NoError(t, err)
	now = now.Add(2 * time.Second)
	_, err = s.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, reads, m.reads, "nothing changed, nothing is read")

	nhs := registry.Caller{Scopes: []string{ScopeWrite, ScopeParametersWrite}}
	_, err = s.Change(t.Context(), registry.Caller{}, "GENDER", []byte(`{}`))
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	d, err := s.Change(t.Context(), nhs, "eHealth/ICD10/condition_codes", []byte(`{"values":{"I11":"нова назва"}}`))
	require.NoError(t, err)
	require.Len(t, d.Values, 6)
	_, err = s.Change(t.Context(), nhs, "NONE", []byte(`{}`))
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	m.lists["FIXED"] = Dictionary{Name: "FIXED", Labels: []string{"READ_ONLY"}, IsActive: true}
	_, err = s.Change(t.Context(), nhs, "FIXED", []byte(`{}`))
	require.Equal(t, "read_only", registry.AsError(err).Reason)
	_, err = s.Change(t.Context(), nhs, "eHealth/ICPC2/reasons", []byte(`{"is_active":false}`))
	require.NoError(t, err)
	snapshot, err = s.Snapshot(t.Context())
	require.NoError(t, err)
	require.False(t, snapshot.Has("eHealth/ICPC2/reasons", "A03"), "a list that is off gives no code")

	require.Equal(t, 30*24*time.Hour, snapshot.Days("employee_request_expiration"))
	all, err := s.SetParameters(t.Context(), nhs, []byte(`{"employee_request_expiration":"10","declaration_term_unit":"DAYS"}`))
	require.NoError(t, err)
	require.Equal(t, "10", all["employee_request_expiration"])
	for _, bad := range []string{`{"employee_request_expiration":"0"}`, `{"employee_request_expiration":"07"}`, `{"adult_age":"x"}`, `{"declaration_term_unit":"CENTURIES"}`, `{"stranger":"1"}`} {
		_, err := s.SetParameters(t.Context(), nhs, []byte(bad))
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err), bad)
	}
	require.Equal(t, "10", m.params["employee_request_expiration"])
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`[]`, `[{"name":"A","values":{"1":{"2":"3"}},"labels":[],"is_active":true}]`, `[{"values":[]}]`, `[7]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Read(b)
		if err == nil {
			for _, d := range list {
				_, err := d.Digest()
				require.NoError(t, err)
			}
		}
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
