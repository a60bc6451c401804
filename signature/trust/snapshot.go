// Package trust holds what a verifier trusts and what it needs to build and
// check certificate chains: trust anchors with purpose and period, known
// certificates, revocation data, time-stamp tokens. Snapshots are immutable.
package trust

// Snapshot is an immutable set of trust anchors, certificates and revocation
// data with a version.
type Snapshot struct {
	version string
}

// Version identifies the content of the snapshot.
func (s *Snapshot) Version() string { return s.version }
