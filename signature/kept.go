package signature

import (
	"slices"
	"time"

	"mist/signature/facts"
)

// Kept says how long what proves the signatures of a document goes on proving
// it: until the first of the certificates or algorithms of each signature's
// newest time-stamp ends. An archive that lasts is extended before that.
type Kept struct {
	Until   time.Time
	Because string // certificate, or the name of an algorithm
	// Algorithms are the names of what it rests on, for those who learn of a break.
	Algorithms []string
}

// KeptUntil computes it from facts that passed, with the table of algorithms.
// The zero time says that no end is known.
func KeptUntil(f *facts.Facts, table *AlgorithmTable) Kept {
	var k Kept
	certs := map[string]*facts.Certificate{}
	for i := range f.Certificates {
		certs[f.Certificates[i].ID] = &f.Certificates[i]
	}
	sooner := func(at time.Time, because string) {
		if !at.IsZero() && (k.Until.IsZero() || at.Before(k.Until)) {
			k.Until, k.Because = at, because
		}
	}
	algorithm := func(a facts.Algorithm) {
		for _, name := range []string{a.Digest, a.Encryption} {
			if name != "" && !slices.Contains(k.Algorithms, name) {
				k.Algorithms = append(k.Algorithms, name)
			}
		}
		if _, until := table.Reliable(a, time.Time{}); !until.IsZero() {
			because := a.Encryption
			if d := table.digest(a.Digest, time.Time{}); d.until.Equal(until) {
				because = a.Digest
			}
			sooner(until, because)
		}
	}
	chain := func(ids []string) {
		for _, id := range ids {
			c := certs[id]
			if c == nil || len(c.Trusted) > 0 {
				break // an anchor is trusted by itself
			}
			sooner(c.NotAfter, "certificate")
			algorithm(c.Algorithm)
		}
	}
	for i := range f.Signatures {
		s := &f.Signatures[i]
		if s.Parent != "" {
			continue
		}
		newest := newestStamp(f, s.ID)
		if newest == nil {
			chain(s.Chain)
			algorithm(s.Algorithm)
			continue
		}
		chain(newest.Chain)
		algorithm(newest.Algorithm)
		algorithm(facts.Algorithm{Digest: newest.Imprint.Algorithm, Encryption: newest.Algorithm.Encryption, KeyBits: newest.Algorithm.KeyBits})
	}
	slices.Sort(k.Algorithms)
	return k
}

// newestStamp is the youngest time-stamp that covers a signature.
func newestStamp(f *facts.Facts, signature string) (newest *facts.Timestamp) {
	for i := range f.Timestamps {
		t := &f.Timestamps[i]
		if slices.Contains(t.Covers, signature) && t.Type != facts.TimestampContent && (newest == nil || t.Time.After(newest.Time)) {
			newest = t
		}
	}
	return newest
}
