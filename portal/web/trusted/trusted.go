// Package trusted shows the trust material on pages, alike for operators and
// auditors: what ends when, revocation data, trusted lists, changes. A page draws
// it by the kit's parts "expiry" and "trusted".
package trusted

import (
	"time"

	"mist/portal/web"
	"mist/registry/material"
)

// Marks by days to the end.
const (
	alarmDays = 14
	warnDays  = 60
)

// Row is one certificate or list with its term in words.
type Row struct {
	material.Certificate
	Kind string
	Mark web.Mark
	Word string
}

// List is a trusted list with its term in words.
type List struct {
	material.List
	Mark web.Mark
	Word string
}

// Revocation is a revocation list with its freshness in words.
type Revocation struct {
	material.Revocation
	Mark web.Mark
	Word string
}

// Responder is how a responder answered, in words.
type Responder struct {
	material.Responder
	Mark   web.Mark
	Word   string
	Millis int64
}

// View is the Data of the kit's part "trusted".
type View struct {
	material.State
	// Log is where the entries of changes are shown; "" where the reader may not see them.
	Log         string
	Rows, Gone  []Row
	Lists       []List
	Revocations []Revocation
	Responders  []Responder
	// Ending counts what ends within warnDays, Mark and Sentence say so in one sentence.
	Ending   int
	Mark     web.Mark
	Word     string
	Sentence string
}

// term says how long something is good yet.
func term(q *web.Request, days int) (web.Mark, string) {
	switch {
	case days < 0:
		return web.Bad, q.T("trust.ended")
	case days <= alarmDays:
		return web.Bad, q.T("trust.days", "n", days)
	case days <= warnDays:
		return web.Unknown, q.T("trust.days", "n", days)
	}
	return web.Good, q.T("trust.days", "n", days)
}

// Show lays the state out.
func Show(q *web.Request, st material.State, log string) View {
	v := View{State: st, Log: log}
	row := func(c material.Certificate) Row {
		r := Row{Certificate: c, Kind: q.T("trust.for." + c.For)}
		r.Mark, r.Word = term(q, c.Days(st.Now))
		return r
	}
	for _, c := range st.Certificates {
		v.Rows = append(v.Rows, row(c))
	}
	for _, c := range st.Ended {
		v.Gone = append(v.Gone, row(c))
	}
	worst := web.Good
	note := func(m web.Mark) {
		if m != web.Good {
			v.Ending++
		}
		if m == web.Bad || m == web.Unknown && worst == web.Good {
			worst = m
		}
	}
	for _, r := range v.Rows {
		if !r.Successor { // what is replaced already may end
			note(r.Mark)
		}
	}
	for _, l := range st.Lists {
		one := List{List: l, Mark: web.None, Word: q.T("trust.list.closed")}
		if !l.NextUpdate.IsZero() {
			one.Mark, one.Word = term(q, l.Days(st.Now))
			note(one.Mark)
		}
		v.Lists = append(v.Lists, one)
	}
	for _, r := range st.Revocations {
		one := Revocation{Revocation: r, Mark: web.Good, Word: q.T("trust.fresh")}
		switch {
		case r.Next.IsZero():
			one.Mark, one.Word = web.None, q.T("trust.undated")
		case r.Stale(st.Now):
			one.Mark, one.Word = web.Bad, q.T("trust.stale")
			note(one.Mark)
		}
		v.Revocations = append(v.Revocations, one)
	}
	for _, r := range st.Responders {
		one := Responder{Responder: r, Mark: web.Good, Word: q.T("trust.answers"), Millis: r.Took.Round(time.Millisecond).Milliseconds()}
		if !r.Fresh() {
			one.Mark, one.Word = web.Bad, q.T("trust.silent")
			note(one.Mark)
		}
		v.Responders = append(v.Responders, one)
	}
	v.Mark = worst
	switch worst {
	case web.Good:
		v.Word, v.Sentence = q.T("trust.state.good"), q.T("trust.state.well", "n", len(v.Rows), "days", warnDays)
	case web.Unknown:
		v.Word, v.Sentence = q.T("trust.state.soon"), q.T("trust.state.ending", "n", v.Ending)
	default:
		v.Word, v.Sentence = q.T("trust.state.bad"), q.T("trust.state.ending", "n", v.Ending)
	}
	return v
}

// First gives at most n rows of those that end first.
func (v View) First(n int) View {
	v.Rows = v.Rows[:min(n, len(v.Rows))]
	return v
}
