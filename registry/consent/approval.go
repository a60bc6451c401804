package consent

import (
	"slices"
	"time"

	"mist/registry"
)

// CodeConfirmed is an approval the patient confirmed by the code of an SMS;
// ClinicAttested one of a patient who confirms by documents, which the clinic
// has seen (ЕСОЗ, approvals: OFFLINE).
const (
	CodeConfirmed  = "otp"
	ClinicAttested = "offline"
)

// Resources of an approval: all records of the patient, or one of a type.
const (
	ResourcePatient = "patient"
	ResourceEpisode = "episode"
)

// LegalEntityRecipient and EmployeeRecipient write a recipient within the
// registry; one outside is an X-Road address.
func LegalEntityRecipient(id registry.ID) string { return "legal_entity/" + id.String() }

// EmployeeRecipient is the recipient of one employee.
func EmployeeRecipient(id registry.ID) string { return "employee/" + id.String() }

// ResourceName is how an approval's scope names one record.
func ResourceName(kind string, id registry.ID) string { return kind + "/" + id.String() }

// StatusNew is an approval the patient has not confirmed yet.
const StatusNew Status = "new"

// InForce reports whether the record gives a right at a time. It is the one
// judgement of a stored consent, whoever it was given to and however.
func (r Record) InForce(now time.Time) bool {
	return r.Status == StatusActive && !now.Add(Skew).Before(r.GrantedAt) && now.Before(r.ExpiresAt)
}

// Names reports whether the record names a resource.
func (r Record) Names(kind string, id registry.ID) bool {
	return slices.Contains(r.Scope, ResourceName(kind, id))
}
