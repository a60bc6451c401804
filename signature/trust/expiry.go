package trust

import (
	"fmt"
	"time"
)

// Warning is something an operator must do before a date.
type Warning struct {
	What    string // anchor, certificate, crl, list
	Name    string
	When    time.Time
	Expired bool
}

func (w Warning) String() string {
	verb := "expires"
	if w.Expired {
		verb = "expired"
	}
	return fmt.Sprintf("%s %s %s: %s", w.What, verb, w.When.UTC().Format(time.RFC3339), w.Name)
}

// Expiring names anchors, CA certificates and trusted lists that end within a
// period after at, and CRLs whose next update has passed. What expired long ago is kept
// for old signatures and not named again after a year.
func Expiring(s *Snapshot, at time.Time, within time.Duration) []Warning {
	var out []Warning
	for _, c := range s.pool.All() {
		anchor := s.Anchor(c.ID) != nil
		if !anchor && !c.Ext.CA || c.NotAfter.After(at.Add(within)) || c.NotAfter.Before(at.AddDate(-1, 0, 0)) {
			continue
		}
		what := "certificate"
		if anchor {
			what = "anchor"
		}
		out = append(out, Warning{What: what, Name: c.Subject.String(), When: c.NotAfter, Expired: c.NotAfter.Before(at)})
	}
	for _, l := range s.Lists {
		if !l.NextUpdate.IsZero() && l.NextUpdate.Before(at.Add(within)) {
			out = append(out, Warning{What: "list", Name: fmt.Sprintf("%s %d", l.Territory, l.Sequence), When: l.NextUpdate, Expired: l.NextUpdate.Before(at)})
		}
	}
	for _, l := range s.crls {
		if !l.NextUpdate.IsZero() && l.NextUpdate.Before(at) {
			out = append(out, Warning{What: "crl", Name: l.Issuer.String(), When: l.NextUpdate, Expired: true})
		}
	}
	return out
}
