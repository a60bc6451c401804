package sickleave

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/record"
)

// Whatever the calendar does, each day of a chain of continuations is certified
// once: no gap, no overlap, and as many days as the sum of the parts. The days
// are counted by walking them one by one, without the arithmetic of the package.
func TestChainsCoverEachDayOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 21))
	starts := []registry.Date{
		{Year: 2024, Month: 2, Day: 27}, {Year: 2023, Month: 2, Day: 27}, {Year: 2100, Month: 2, Day: 26}, {Year: 2000, Month: 2, Day: 27}, // leap and not
		{Year: 2026, Month: 3, Day: 27}, {Year: 2026, Month: 10, Day: 23}, // clocks change on the 29th and the 25th
		{Year: 2025, Month: 12, Day: 29},
	}
	for range 300 {
		starts = append(starts, registry.Date{Year: 2020, Month: 1, Day: 1}.AddDate(0, 0, random.IntN(4000)))
	}
	for _, start := range starts {
		t.Run(start.String(), func(t *testing.T) {
			a := good(t)
			a.f.Basis.Date, a.f.Today, a.f.Rules = start, start, withoutTerms(t)
			certified := map[string]int{}
			total, walk := 0, time.Date(start.Year, start.Month, start.Day, 12, 0, 0, 0, time.UTC)
			var last *Leave
			for link := range 2 + random.IntN(6) {
				n := 1 + random.IntN(40)
				from := start
				if last != nil {
					from = last.Period.Next()
				}
				a.p = Period{from, from.AddDate(0, 0, n-1)}
				require.Equal(t, n, a.p.Days())
				if last != nil {
					a.relates(Appends, last)
					for _, wrong := range []registry.Date{last.Period.End, from.AddDate(0, 0, 1)} { // an overlap, a gap
						require.Equal(t, startAt+" invalid", what(check(&a.in, Period{wrong, a.p.End.AddDate(0, 0, 2)}, &a.f)))
					}
				}
				require.NoError(t, check(&a.in, a.p, &a.f), "link %d", link)
				a.f.Others = append(a.f.Others, Leave{ID: registry.ID{20, byte(link)}, SubjectID: patientID, FocusID: patientID, Category: Sickness, Status: composition.Final,
					Period: a.p, Stored: Stored{SignedAt: start.Time()}})
				made := &a.f.Others[len(a.f.Others)-1]
				made.Relation, made.TargetID = a.in.relation()
				if last != nil {
					require.Equal(t, "conflict continued", what(check(&a.in, a.p, &a.f)), "a second continuation")
				}
				for range n {
					certified[walk.Format(time.DateOnly)]++
					require.True(t, a.p.Holds(registry.DateOf(walk)))
					walk = walk.AddDate(0, 0, 1)
				}
				require.False(t, a.p.Holds(registry.DateOf(walk)))
				total += n
				last = made
				a.f.Today = last.Period.End
			}
			require.Len(t, certified, total)
			for i, x := range a.f.Others {
				for _, y := range a.f.Others[i+1:] {
					require.False(t, x.Period.Overlaps(y.Period) || y.Period.Overlaps(x.Period))
				}
			}
			in := Input{RelatesTo: &Relation{Appends, referenceTo("composition", last.ID)}}
			require.Equal(t, total+3, a.f.caseDays(&in, Period{last.Period.Next(), last.Period.Next().AddDate(0, 0, 2)}), "the whole case")
		})
	}
}

func withoutTerms(t *testing.T) Rules {
	t.Helper()
	rules, err := BuiltIn()
	require.NoError(t, err)
	var out Rules
	for _, r := range rules {
		if r.Name == GapDays || r.Name == SameAuthor {
			r.From = registry.Date{Year: 1990, Month: 1, Day: 1}
			out = append(out, r)
		}
	}
	return out
}

// Markers are no instants: whatever the zone of the machine, the day is the one
// that is written.
func TestMarkersAreNotShifted(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	for _, zone := range []string{"Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Kyiv", "UTC"} {
		l, err := time.LoadLocation(zone)
		require.NoError(t, err)
		time.Local = l
		for _, day := range []string{"2026-03-29", "2026-10-25", "2024-02-29", "2026-12-31", "2027-01-01"} {
			start, err := parseMarker(day+"T00:00:01Z", startMarker)
			require.NoError(t, err)
			end, err := parseMarker(day+"T20:59:59Z", endMarker)
			require.NoError(t, err)
			require.Equal(t, day, start.String())
			p := Period{start, end}
			require.Equal(t, 1, p.Days(), "%s in %s", day, zone)
			require.Equal(t, day+"T00:00:01Z "+day+"T20:59:59Z", p.StartMarker()+" "+p.EndMarker())
		}
	}
}

// Terms count days of Kyiv, where a day has 23 or 25 hours twice a year.
func TestDaysAreThoseOfKyiv(t *testing.T) {
	for at, want := range map[string]string{
		"2026-11-20T21:59:59Z": "2026-11-20", "2026-11-20T22:00:00Z": "2026-11-21", // winter: +2
		"2026-07-01T20:59:59Z": "2026-07-01", "2026-07-01T21:00:00Z": "2026-07-02", // summer: +3
		"2026-03-28T21:59:59Z": "2026-03-28", "2026-03-28T22:00:00Z": "2026-03-29", "2026-03-29T20:59:59Z": "2026-03-29", "2026-03-29T21:00:00Z": "2026-03-30", // 23 hours
		"2026-10-24T21:00:00Z": "2026-10-25", "2026-10-25T21:59:59Z": "2026-10-25", "2026-10-25T22:00:00Z": "2026-10-26", // 25 hours
	} {
		instant, err := time.Parse(time.RFC3339, at)
		require.NoError(t, err)
		require.Equal(t, want, Day(instant).String(), at)
	}
}

func TestNumbers(t *testing.T) {
	seen := map[string]bool{}
	random := registry.SystemSource()
	for range 1000 {
		n := record.Conclusion(random)
		normal, ok := composition.Normalize(n)
		require.True(t, ok, n)
		require.Equal(t, n, normal)
		require.False(t, seen[n])
		seen[n] = true
	}
}

func TestTableOfTerms(t *testing.T) {
	rules, err := BuiltIn()
	require.NoError(t, err)
	at := func(name, category, day string) any {
		d, err := registry.ParseDate(day)
		require.NoError(t, err)
		v, ok := rules.At(name, category, d)
		if !ok {
			return nil
		}
		return fmt.Sprint(v)
	}
	require.Equal(t, "[1]", at(CreateDays, Sickness, "2026-11-21"))
	require.Nil(t, at(CreateDays, Sickness, "2021-09-30"), "before the order")
	require.Nil(t, at(NewLengths, Sickness, "2026-11-21"), "of another category")
	require.Equal(t, "[126 140]", at(NewLengths, Pregnancy, "2026-11-21"))
	rules = append(rules,
		Rule{Name: CreateDays, Category: "*", Values: []int{5}, From: registry.Date{Year: 2026, Month: 11, Day: 3}, To: registry.Date{Year: 2026, Month: 11, Day: 4}},
		Rule{Name: CreateDays, Category: Pregnancy, Values: []int{3}, From: registry.Date{Year: 2022, Month: 1, Day: 1}})
	require.Equal(t, "[1]", at(CreateDays, Sickness, "2026-11-02"))
	require.Equal(t, "[5]", at(CreateDays, Sickness, "2026-11-03"))
	require.Equal(t, "[5]", at(CreateDays, Sickness, "2026-11-04"))
	require.Equal(t, "[1]", at(CreateDays, Sickness, "2026-11-05"))
	require.Equal(t, "[3]", at(CreateDays, Pregnancy, "2026-11-03"), "a row that names the category goes first")

	row := func(edit string) error {
		text := `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-01","source":"s"}]`
		if edit != "" {
			text = edit
		}
		_, err := ParseRules([]byte(text))
		return err
	}
	require.NoError(t, row(""), "the unmutated twin")
	for what, text := range map[string]string{
		"no table":         `[]`,
		"an unknown rule":  `[{"name":"x","category":"*","values":[1],"from":"2026-01-01","source":"s"}]`,
		"a category":       `[{"name":"create_days","category":"x","values":[1],"from":"2026-01-01","source":"s"}]`,
		"no beginning":     `[{"name":"create_days","category":"*","values":[1],"source":"s"}]`,
		"ends before":      `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-02","to":"2026-01-01","source":"s"}]`,
		"no source":        `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-01"}]`,
		"no value":         `[{"name":"create_days","category":"*","values":[],"from":"2026-01-01","source":"s"}]`,
		"two values":       `[{"name":"create_days","category":"*","values":[1,2],"from":"2026-01-01","source":"s"}]`,
		"a negative value": `[{"name":"create_days","category":"*","values":[-1],"from":"2026-01-01","source":"s"}]`,
		"a length of none": `[{"name":"new_lengths","category":"*","values":[0],"from":"2026-01-01","source":"s"}]`,
		"neither":          `[{"name":"same_author","category":"*","values":[2],"from":"2026-01-01","source":"s"}]`,
		"a stranger":       `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-01","source":"s","x":1}]`,
		"text after":       `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-01","source":"s"}] x`,
		"twice":            `[{"name":"create_days","category":"*","values":[1],"from":"2026-01-01","source":"s"},{"name":"create_days","category":"*","values":[2],"from":"2026-01-01","source":"s"}]`,
	} {
		require.Error(t, row(text), what)
	}
}

// FuzzInput: what passes the form has a period and a category.
func FuzzInput(f *testing.F) {
	f.Add([]byte(`{"type":{"coding":[{"system":"COMPOSITION_TYPES","code":"TEMP_DISABILITY"}]}}`))
	f.Add([]byte(`{"event":[{"period":{"start":"2026-11-21T00:00:01Z"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, p, err := decodeInput(b)
		if err != nil {
			return
		}
		require.False(t, p.End.Before(p.Start))
		require.NotEmpty(t, in.category())
	})
}
