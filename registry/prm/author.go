package prm

import (
	"slices"

	"mist/registry"
)

var (
	personLegalEntityTypes = []string{"MSP", "OUTPATIENT", "EMERGENCY", "PRIMARY_CARE", "MSP_PHARMACY"}
	personEmployeeTypes    = []string{"DOCTOR", "SPECIALIST", "RECEPTIONIST", "ASSISTANT"}
)

// MayWritePersons holds the rules about who drafts requests about a person of
// the index (ЕСОЗ 1.5).
func MayWritePersons(c registry.Caller, e Employee, l LegalEntity) error {
	switch {
	case !slices.Contains(personLegalEntityTypes, l.Type):
		return registry.Errorf(registry.CodeConflict, "Invalid legal entity type").WithReason("legal_entity_type")
	case !l.Active():
		return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	case e.LegalEntityID != c.LegalEntityID || !e.Approved() || !slices.Contains(personEmployeeTypes, e.Type):
		return registry.Errorf(registry.CodeForbidden, "the token's employee must be an approved doctor, specialist, receptionist or assistant of the legal entity").WithReason("employee")
	}
	return nil
}
