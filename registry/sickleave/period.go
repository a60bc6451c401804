package sickleave

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // Kyiv days, also on a machine without the time zone database

	"mist/registry"
)

// Period is the days of validity, both ends included. Days are days of the
// calendar: nothing here knows of hours, zones or clock changes.
type Period struct {
	Start registry.Date `json:"start"`
	End   registry.Date `json:"end"`
}

// Markers of the ends of a period in a document. They are written after the
// day as they stand and are no instants: never shifted through a time zone
// (ЕСОЗ 2.3).
const (
	startMarker = "T00:00:01Z"
	endMarker   = "T20:59:59Z"
)

// StartMarker and EndMarker write the ends as documents do.
func (p Period) StartMarker() string { return p.Start.String() + startMarker }

// EndMarker writes the last day.
func (p Period) EndMarker() string { return p.End.String() + endMarker }

// parseMarker reads a day with exactly its marker.
func parseMarker(s, marker string) (registry.Date, error) {
	day, ok := strings.CutSuffix(s, marker)
	if !ok {
		return registry.Date{}, fmt.Errorf("expected a day and then %s", marker)
	}
	return registry.ParseDate(day)
}

const dayLength = 24 * time.Hour

// between is the number of days from one day to another.
func between(from, to registry.Date) int { return int(to.Time().Sub(from.Time()) / dayLength) }

// Days counts the days of the period.
func (p Period) Days() int { return between(p.Start, p.End) + 1 }

// Next is the day after the last.
func (p Period) Next() registry.Date { return p.End.AddDate(0, 0, 1) }

// Holds reports whether a day is one of the period.
func (p Period) Holds(d registry.Date) bool { return !d.Before(p.Start) && !p.End.Before(d) }

// Overlaps reports whether two periods share a day.
func (p Period) Overlaps(o Period) bool { return !p.End.Before(o.Start) && !o.End.Before(p.Start) }

// kyiv is where the days of terms are counted.
var kyiv = func() *time.Location {
	l, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		panic("sickleave: " + err.Error()) // the database of zones is built in
	}
	return l
}()

// Day is the calendar day in Kyiv of an instant.
func Day(t time.Time) registry.Date { return registry.DateOf(t.In(kyiv)) }
