// Package encounter is the act by which a doctor records a visit: who came, why
// (ICPC-2), what was found (ICD-10-AM, ICPC-2 in primary care) and within which
// course of treatment. The whole package is one document, frozen by the
// doctor's signature; it is taken back by another signed one that repeats it
// and says why.
//
// What is signed is what counts: patient, visit and episode stand in the signed
// document, unlike in the eHealth API, where they travel beside it. The room
// trusts the verifier for the signer and nobody for what a document says.
package encounter

import (
	"encoding/json"
	"time"

	"mist/registry"
)

// Systems of codes.
const (
	SystemReasons = "eHealth/ICPC2/reasons"
	SystemICPC2   = "eHealth/ICPC2/condition_codes"
	SystemICD10AM = "eHealth/ICD10_AM/condition_codes"
)

// Names of the code lists the room holds a document against.
const (
	listClasses       = "eHealth/encounter_classes"
	listTypes         = "eHealth/encounter_types"
	listEpisodeTypes  = "eHealth/episode_types"
	listClosing       = "eHealth/episode_closing_reasons"
	listRoles         = "eHealth/diagnosis_roles"
	listClinical      = "eHealth/condition_clinical_statuses"
	listVerification  = "eHealth/condition_verification_statuses"
	listCancellations = "eHealth/cancellation_reasons"
)

// classPHC is primary care: reasons are demanded, and ICPC-2 is a diagnosis.
const classPHC = "PHC"

// rolePrimary is the diagnosis the visit is counted by.
const rolePrimary = "primary"

// Statuses.
const (
	StatusFinished = "finished"
	StatusFinal    = "final" // of a diagnostic report
	EpisodeActive  = "active"
	EpisodeClosed  = "closed"
)

// Limits of a package.
const (
	maxChildren = 100
	maxText     = 3000
)

// Package is the signed document.
type Package struct {
	PatientID  registry.ID  `json:"patient_id"`
	Visit      Visit        `json:"visit"`
	Episode    EpisodeInput `json:"episode"`
	Encounter  Encounter    `json:"encounter"`
	Conditions []Condition  `json:"conditions"`
	Reports    []Report     `json:"diagnostic_reports,omitempty"`
}

// Patient implements intake.Patient.
func (p Package) Patient() registry.ID { return p.PatientID }

// Visit is when the patient was there.
type Visit struct {
	ID     registry.ID `json:"id"`
	Period Period      `json:"period"`
}

// Period has an end when it is over.
type Period struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end,omitzero"`
}

// EpisodeInput names the course of treatment: one that exists, or, with name
// and type, a new one.
type EpisodeInput struct {
	ID   registry.ID `json:"id"`
	Name string      `json:"name,omitempty"`
	Type string      `json:"type,omitempty"`
}

// Coding is a code of a list.
type Coding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

// Encounter is the meeting of patient and doctor.
type Encounter struct {
	ID          registry.ID `json:"id"`
	Status      string      `json:"status"`
	Date        time.Time   `json:"date"`
	Class       string      `json:"class"`
	Type        string      `json:"type"`
	Reasons     []Coding    `json:"reasons,omitempty"`
	Diagnoses   []Diagnosis `json:"diagnoses"`
	DivisionID  registry.ID `json:"division_id"`
	PerformerID registry.ID `json:"performer_id"` // employee
	// IncomingReferralID is the service request the patient came with; Paper
	// tells of one on paper. At most one of the two.
	IncomingReferralID registry.ID `json:"incoming_referral_id,omitzero"`
	PaperReferral      *Paper      `json:"paper_referral,omitempty"`
}

// Paper is a referral that was written on paper.
type Paper struct {
	Number      string        `json:"requisition,omitempty"`
	Requester   string        `json:"requester_legal_entity_name"`
	EDRPOU      string        `json:"requester_legal_entity_edrpou,omitempty"`
	RequestDate registry.Date `json:"service_request_date"`
}

// Diagnosis names a condition of the package by its role.
type Diagnosis struct {
	ConditionID registry.ID `json:"condition_id"`
	Role        string      `json:"role"`
	Rank        int         `json:"rank,omitempty"`
}

// Condition is what was found.
type Condition struct {
	ID                 registry.ID   `json:"id"`
	Code               Coding        `json:"code"`
	ClinicalStatus     string        `json:"clinical_status"`
	VerificationStatus string        `json:"verification_status"`
	OnsetDate          registry.Date `json:"onset_date"`
}

// Report is a diagnostic report: what an examination showed.
type Report struct {
	ID     registry.ID `json:"id"`
	Status string      `json:"status"`
	// BasedOn is the service request it answers.
	BasedOn    registry.ID `json:"based_on,omitzero"`
	Code       Coding      `json:"code"` // of services; a list of the NHSU
	Issued     time.Time   `json:"issued"`
	Conclusion string      `json:"conclusion"`
}

// EpisodeBody is what a record of an episode keeps.
type EpisodeBody struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Period Period `json:"period"`
}

// reportBody is what a record of a diagnostic report keeps.
type reportBody struct {
	Report
	EncounterID registry.ID `json:"encounter_id"`
}

// Body reads what a record of an encounter keeps: the signed package.
func Body(b []byte) (p Package, err error) { return p, json.Unmarshal(b, &p) }
