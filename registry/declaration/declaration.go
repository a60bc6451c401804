// Package declaration is the act by which a patient chooses a primary-care
// doctor: its draft (declaration request), the document that is signed, its
// rules and its life as a declaration.
//
// Rules: eHealth declaration request V3 and declaration (domain notes 1.3, 1.4,
// ЕСОЗ 1.1). It refuses a document that is not exactly the one drafted, and
// trusts only bytes that the verifier hands over.
package declaration

import (
	"time"

	"mist/registry"
)

// Name is the stable name of the act kind.
const Name registry.KindName = "declaration"

// Version of the signed document's shape.
const Version = 1

// Status of a declaration.
type Status string

// Declaration states.
const (
	StatusPendingVerification Status = "pending_verification"
	StatusActive              Status = "active"
	StatusTerminated          Status = "terminated"
	StatusClosed              Status = "closed"
	StatusRejected            Status = "rejected"
)

// Reasons of a state that the registry sets by itself.
const (
	ReasonOffline      = "offline"
	ReasonNoTaxID      = "no_tax_id"
	ReasonSuperseded   = "new_declaration" // ended by the person's next declaration
	ScopeFamilyDoctor  = "family_doctor"
	ChannelMIS         = "MIS"
	statusDocApproved  = "APPROVED"
	employeeTypeDoctor = "DOCTOR"
)

// Declaration is the stored fact. JSON names are those of the eHealth API.
type Declaration struct {
	ID            registry.ID   `json:"id"`
	Number        string        `json:"declaration_number"`
	RequestID     registry.ID   `json:"declaration_request_id"`
	ActID         registry.ID   `json:"-"`
	PersonID      registry.ID   `json:"-"`
	EmployeeID    registry.ID   `json:"-"`
	DivisionID    registry.ID   `json:"-"`
	LegalEntityID registry.ID   `json:"-"`
	Scope         string        `json:"scope"`
	StartDate     registry.Date `json:"start_date"`
	EndDate       registry.Date `json:"end_date"`
	SignedAt      time.Time     `json:"signed_at"`
	Status        Status        `json:"status"`
	Reason        string        `json:"reason,omitempty"`
	Seed          string        `json:"seed"`
	// Overlimit: signed over the doctor's limit.
	Overlimit bool `json:"overlimit"`
	// ParentID is the declaration with a reorganised legal entity that this one
	// takes the place of; details tell of it.
	ParentID registry.ID `json:"-"`
	// SealedAt is when the NHSU's seal was set; nil before.
	SealedAt   *time.Time `json:"sealed_at,omitempty"`
	InsertedAt time.Time  `json:"inserted_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// Active reports whether the declaration is in force or awaits verification;
// a person has at most one of these (unique index declarations_one_active).
func (d *Declaration) Active() bool {
	return d.Status == StatusActive || d.Status == StatusPendingVerification
}

// alphabet of declaration numbers: 18 symbols that are not mistaken for each
// other in Latin and Cyrillic print.
const alphabet = "0A1E2H3K4M5P6T7X89"

// Number writes a sequence value as 0001-XXXX-XXXX: base 18, least significant
// symbol first, padded with 0 on the right (domain notes 1.3). Values from
// 18⁸ upwards have no number and give "".
func Number(sequence uint64) string {
	var s [8]byte
	for i := range s {
		s[i] = alphabet[sequence%18]
		sequence /= 18
	}
	if sequence != 0 {
		return ""
	}
	return "0001-" + string(s[:4]) + "-" + string(s[4:])
}
