package verification

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/patient"
)

func TestCumulative(t *testing.T) {
	s := func(stream Stream, status Status) State { return State{Stream: stream, Status: status} }
	for name, c := range map[string]struct {
		list []State
		want Status
	}{
		"nothing said":        {nil, Needed},
		"all verified":        {[]State{s(StreamDRFO, Verified), s(StreamUNZR, Verified)}, Verified},
		"not needed is left":  {[]State{s(StreamDRFO, Verified), s(StreamUNZR, NotNeeded)}, Verified},
		"only not needed":     {[]State{s(StreamUNZR, NotNeeded)}, Needed},
		"one waits":           {[]State{s(StreamDRFO, Verified), s(StreamUNZR, Needed)}, Needed},
		"one fails":           {[]State{s(StreamDRFO, NotVerified), s(StreamUNZR, Needed)}, ChangesNeeded},
		"people's no blocks":  {[]State{s(StreamDRFO, Verified), s(StreamNHS, NotVerified)}, NotVerified},
		"people's yes counts": {[]State{s(StreamNHS, Verified)}, Verified},
	} {
		require.Equal(t, c.want, Cumulative(c.list), name)
	}
}

var (
	born = registry.Date{Year: 1985, Month: time.May, Day: 17}
	died = registry.Date{Year: 2026, Month: time.January, Day: 3}
)

// A record of death that names the person in every way is certain; one that
// misses anything is not.
func TestDeathIsCertainOrAMark(t *testing.T) {
	p := patient.Person{LastName: "Тестова", FirstName: "Олена", BirthDate: born, TaxID: "3126509817"}
	good := DeathRecord{LastName: "ТЕСТОВА", FirstName: "Олена", BirthDate: born, DeathDate: died, TaxID: "3126509817"}
	require.True(t, good.certain(p), "the twin")
	for name, change := range map[string]func(*DeathRecord){
		"no number":        func(d *DeathRecord) { d.TaxID = "" },
		"another number":   func(d *DeathRecord) { d.TaxID = "3067305998" },
		"another surname":  func(d *DeathRecord) { d.LastName = "Інша" },
		"another name":     func(d *DeathRecord) { d.FirstName = "Ольга" },
		"another birth":    func(d *DeathRecord) { d.BirthDate = died },
		"no day of death":  func(d *DeathRecord) { d.DeathDate = registry.Date{} },
		"dead before born": func(d *DeathRecord) { d.DeathDate = registry.Date{Year: 1980, Month: time.May, Day: 1} },
	} {
		d := good
		change(&d)
		require.False(t, d.certain(p), name)
	}
	require.False(t, DeathRecord{LastName: "Тестова", FirstName: "Олена", BirthDate: born, DeathDate: died}.certain(patient.Person{LastName: "Тестова", FirstName: "Олена", BirthDate: born}), "two without a number are not one")
}

// Who is asked about what: by the configured registers, the data there are, age and sex.
func TestQuestions(t *testing.T) {
	today := registry.Date{Year: 2026, Month: time.November, Day: 21}
	all := Starter{Asked: func(outbox.Destination) bool { return true }}
	man := patient.Person{Gender: "MALE", BirthDate: born, TaxID: "3126509817", UNZR: "19850517-00012"}
	child := patient.Person{Gender: "FEMALE", BirthDate: registry.Date{Year: 2020, Month: time.May, Day: 1}, TaxID: "3067305998", Documents: []patient.Document{{Type: "BIRTH_CERTIFICATE", Number: "І-БК 123456"}}}
	woman := man
	woman.Gender = "FEMALE"
	for name, c := range map[string]struct {
		p    patient.Person
		s    Starter
		want map[Stream]bool // asked or not
	}{
		"man":        {man, all, map[Stream]bool{StreamDRFO: true, StreamUNZR: true, StreamDeath: true, StreamBirth: false}},
		"woman":      {woman, all, map[Stream]bool{StreamDRFO: false, StreamUNZR: true, StreamDeath: true, StreamBirth: false}},
		"child":      {child, all, map[Stream]bool{StreamDRFO: true, StreamUNZR: false, StreamDeath: true, StreamBirth: true}},
		"only dracs": {man, Starter{Asked: func(d outbox.Destination) bool { return d == DRACS }}, map[Stream]bool{StreamDeath: true, StreamBirth: false}},
		"nobody":     {man, Starter{Asked: func(outbox.Destination) bool { return false }}, map[Stream]bool{}},
	} {
		got := map[Stream]bool{}
		for _, q := range c.s.questions(c.p, today) {
			got[q.stream] = q.operation != ""
			if got[q.stream] {
				require.Contains(t, q.fields, "person.names", name)
			}
		}
		require.Equal(t, c.want, got, name)
	}
}
