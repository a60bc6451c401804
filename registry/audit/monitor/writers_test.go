package monitor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
)

// A number that was under way when the database went away is closed after it is
// back, a moment after others were written. It is no gap yet; one that stays
// missing is, and so is one the writer had passed before the pause.
func TestNumbersOpenOverAPause(t *testing.T) {
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	id := registry.ID{1}
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	type entry struct {
		n  uint64
		at float64
	}
	for name, c := range map[string]struct {
		entries []entry
		now     float64
		lost    []string
	}{
		"none is missing":                       {[]entry{{1, 0}, {2, 1}, {3, 60}}, 200, nil},
		"the database is just back":             {[]entry{{1, 0}, {3, 1}, {4, 60}}, 61, nil},
		"and the number was closed":             {[]entry{{1, 0}, {3, 1}, {4, 60}, {2, 60.5}}, 200, nil},
		"and it was not":                        {[]entry{{1, 0}, {3, 1}, {4, 60}}, 96, []string{"writer 01000000-0000-0000-0000-000000000000 number 2"}},
		"passed before the pause":               {[]entry{{1, 0}, {3, 1}, {4, 5}, {5, 9}, {6, 60}}, 61, []string{"writer 01000000-0000-0000-0000-000000000000 number 2"}},
		"several pauses, the last one young":    {[]entry{{1, 0}, {3, 1}, {4, 20}, {5, 60}}, 61, []string{"writer 01000000-0000-0000-0000-000000000000 number 2"}},
		"an idle writer's number is not hidden": {[]entry{{1, 0}, {3, 1}, {4, 10}, {5, 20}, {6, 30}, {7, 40}, {8, 50}}, 51, []string{"writer 01000000-0000-0000-0000-000000000000 number 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &Monitor{cfg: Config{Tolerance: 5 * time.Second, Longest: 30 * time.Second, MaxFindings: 10}, told: map[touched]bool{}, rep: &Report{}, tree: newCounted()}
			for _, e := range c.entries {
				m.tree.count(m, audit.Entry{Kind: audit.Disclosure, Time: at(e.at), Writer: audit.Writer{ID: id, N: e.n}})
			}
			m.tree.gaps(m, at(c.now), nil)
			var lost []string
			for _, f := range m.rep.Findings {
				require.Equal(t, WriterGap, f.Rule)
				lost = append(lost, f.Row)
			}
			require.Equal(t, c.lost, lost)
		})
	}
}
