package registry

import "time"

// KindName is the stable name of an act kind (declaration, sick_leave …). It
// stands in stored rows and audit leaves and is never reused.
type KindName string

// Digest is SHA-256 of the exact bytes it speaks of.
type Digest [32]byte

// Act is one immutable signed document the registry has accepted. Termination,
// cancellation and dispensing are acts that refer to an act.
type Act struct {
	ID      ID
	Kind    KindName
	Version int
	// PatientID is the person the act is about.
	PatientID ID
	// AuthorID is the employee who signed; LegalEntityID the employer.
	AuthorID      ID
	LegalEntityID ID
	// Container is the digest of the signed container as received; it makes a
	// repeated submission recognisable. Content is the digest of the signed bytes.
	Container Digest
	Content   Digest
	// RefersTo is the act this one ends, cancels or fulfils; zero if none.
	RefersTo   ID
	AcceptedAt time.Time
}
