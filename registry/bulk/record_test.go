package bulk_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/bulk"
	"mist/registry/prm"
)

func file(t *testing.T, n int) []string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, population.WriteFile(&b, n, 5, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), nil))
	return strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// memory is a store that keeps what it is told, for the rules of the import;
// the database's side is tested in registry/postgres.
type memory struct {
	mu      sync.Mutex
	persons map[registry.ID]bool
	entries []audit.Entry
	refuse  int // batches above this size pass the time limit
	lost    int // conflicts with an earlier try still to come
}

func (m *memory) Update(ctx context.Context, f func(context.Context, bulk.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(ctx, m)
}
func (m *memory) PutLegalEntity(context.Context, prm.LegalEntity) error { return nil }
func (m *memory) PutDivision(context.Context, prm.Division) error       { return nil }
func (m *memory) PutEmployee(context.Context, prm.Employee) error       { return nil }
func (m *memory) ImportMembers(_ context.Context, members []bulk.Member) (added int, err error) {
	if m.refuse > 0 && len(members) > m.refuse {
		return 0, registry.Errorf(registry.CodeUnavailable, "too slow")
	}
	if m.lost > 0 {
		m.lost--
		return 0, registry.Errorf(registry.CodeConflict, "this person exists")
	}
	for _, p := range members {
		if !m.persons[p.Person.ID] {
			m.persons[p.Person.ID] = true
			added++
		}
	}
	return added, nil
}
func (m *memory) Audit(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	m.entries = append(m.entries, e)
	return audit.Receipt{}, nil
}

func TestEveryBatchHasItsEntry(t *testing.T) {
	lines := file(t, 25)
	m := &memory{persons: map[registry.ID]bool{}}
	sum, err := bulk.Import(t.Context(), strings.NewReader(strings.Join(lines, "")), bulk.Options{Store: m, Batch: 10, Workers: 1})
	require.NoError(t, err)
	require.Equal(t, bulk.Summary{Persons: 25, Declarations: 25, Employees: 1, Clinics: 1, Added: 25, Transactions: 4}, sum)
	first := len(lines) - 25 // index of the first person
	require.Equal(t, "import.providers", m.entries[0].Object.Type)
	for i, from := range []int{first, first + 10, first + 20} {
		to := min(from+10, len(lines))
		digest := sha256.Sum256([]byte(strings.Join(lines[from:to], "") + map[bool]string{true: "\n"}[to == len(lines)]))
		require.Equal(t, audit.OperatorCommand, m.entries[i+1].Kind)
		require.Equal(t, &audit.ObjectRef{Type: "import.persons", ID: fmt.Sprintf("lines %d-%d", from+1, to), Digest: digest[:]}, m.entries[i+1].Object)
	}

	again, err := bulk.Import(t.Context(), strings.NewReader(strings.Join(lines, "")), bulk.Options{Store: m, Batch: 10})
	require.NoError(t, err)
	require.Zero(t, again.Added)
}

func TestSlowBatchesAreHalved(t *testing.T) {
	lines := file(t, 25)
	m := &memory{persons: map[registry.ID]bool{}, refuse: 3}
	sum, err := bulk.Import(t.Context(), strings.NewReader(strings.Join(lines, "")), bulk.Options{Store: m, Batch: 10})
	require.NoError(t, err)
	require.Equal(t, 25, sum.Added)
	require.Len(t, m.persons, 25)
	covered := map[string]bool{}
	for _, e := range m.entries {
		covered[e.Object.ID] = true
	}
	require.Len(t, covered, sum.Transactions) // no batch twice
}

func TestAnEarlierTryThatCommittedLateIsMet(t *testing.T) {
	text := strings.Join(file(t, 25), "")
	m := &memory{persons: map[registry.ID]bool{}, refuse: 20, lost: 2}
	sum, err := bulk.Import(t.Context(), strings.NewReader(text), bulk.Options{Store: m, Batch: 25, Workers: 1})
	require.NoError(t, err)
	require.Equal(t, 25, sum.Added)

	// Without an earlier try a conflict is somebody else's person.
	m = &memory{persons: map[registry.ID]bool{}, lost: 1}
	_, err = bulk.Import(t.Context(), strings.NewReader(text), bulk.Options{Store: m, Batch: 25, Workers: 1})
	require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
}

func TestImportRefuses(t *testing.T) {
	good := file(t, 3)
	person := len(good) - 3
	change := func(i int, from, to string) func([]string) {
		return func(lines []string) {
			if !strings.Contains(lines[i], from) {
				panic("the twin lacks " + from)
			}
			lines[i] = strings.Replace(lines[i], from, to, 1)
		}
	}
	for name, c := range map[string]struct {
		line   int
		change func([]string)
	}{
		"unmutated twin":      {0, func([]string) {}},
		"another format":      {1, change(0, "mist-population", "population")},
		"another version":     {1, change(0, `"version":1`, `"version":2`)},
		"real people":         {1, change(0, `"synthetic":true`, `"synthetic":false`)},
		"too many persons":    {1, change(0, `"persons":3`, `"persons":100000001`)},
		"unknown member":      {person + 1, change(person, `"gender"`, `"sex"`)},
		"no id":               {person + 1, change(person, `{"person":{"id":"01`, `{"person":{"id":"","x":"`)},
		"tax number":          {person + 2, change(person+1, `"tax_id":"`, `"tax_id":"1`)},
		"no tax number":       {person + 2, change(person+1, `"tax_id":"`, `"email":"`)},
		"unzr of another day": {person + 3, change(person+2, `"unzr":"19`, `"unzr":"18`)},
		"no name":             {person + 1, change(person, `"last_name":"`, `"last_name":"","email":"`)},
		"dates in disorder":   {person + 1, change(person, `"end_date":"20`, `"end_date":"19`)},
		"no doctor":           {person + 1, change(person, `"employee_id":"`, `"employee_id":"","id":"`)},
		"not JSON":            {person + 3, change(person+2, "{", "")},
		"two values":          {person + 1, change(person, "}}\n", "}} {}\n")},
		"clinic among people": {person + 2, func(lines []string) { lines[person+1] = `{"person":null,"employee":null}` + "\n" }},
		"line too long":       {person + 1, change(person, `"gender"`, `"email":"`+strings.Repeat("a", bulk.MaxLine)+`","gender"`)},
	} {
		t.Run(name, func(t *testing.T) {
			lines := append([]string{}, good...)
			c.change(lines)
			m := &memory{persons: map[registry.ID]bool{}}
			_, err := bulk.Import(t.Context(), strings.NewReader(strings.Join(lines, "")), bulk.Options{Store: m, Batch: 1, Workers: 1})
			if c.line == 0 {
				require.NoError(t, err)
				require.Len(t, m.persons, 3)
				return
			}
			var line *bulk.LineError
			require.True(t, errors.As(err, &line), "%v", err)
			require.Equal(t, c.line, line.Line, err.Error())
			require.Less(t, len(err.Error()), 200)
		})
	}

	t.Run("cut off", func(t *testing.T) {
		m := &memory{persons: map[registry.ID]bool{}}
		_, err := bulk.Import(t.Context(), strings.NewReader(strings.Join(good[:len(good)-1], "")), bulk.Options{Store: m})
		require.ErrorContains(t, err, "names 3 persons and holds 2")
	})
}

func FuzzParseRecord(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, population.WriteFile(&b, 2, 5, time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), nil))
	for line := range strings.SplitSeq(b.String(), "\n") {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := bulk.ParseRecord(line)
		if err != nil {
			require.Zero(t, r)
			return
		}
		if r.Person != nil && r.Person.TaxID != "" {
			require.True(t, registry.RNOKPP(r.Person.TaxID).Valid())
		}
	})
}
