// Package referral is the act by which a doctor sends a patient on: a service
// request (е-направлення). The clinic that the patient goes to finds it by the
// number the patient was told, takes it in use, and completes it with an
// encounter or a diagnostic report; its author recalls it, or takes it back as
// an error, by another signed document.
//
// States: active → in_progress → completed; active → recalled (by the author,
// or when its time is over and nobody uses it); active, in_progress →
// entered_in_error. Taking in use and releasing change who works on it, not its state.
//
// The room trusts the verifier for the signer, the patient's word for the
// number, and nobody for what a document says.
package referral

import (
	"time"

	"mist/registry"
)

// Systems of codes, and lists.
const (
	SystemServices = "eHealth/service"

	listCategories = "eHealth/SNOMED/service_request_categories"
	listIntents    = "eHealth/service_request_intents"
	listPriorities = "eHealth/service_request_priorities"
	listReasons    = "eHealth/service_request_recall_reasons"
	listCancels    = "eHealth/service_request_cancel_reasons"
)

// Statuses.
const (
	StatusActive     = "active"
	StatusInProgress = "in_progress"
	StatusCompleted  = "completed"
	StatusRecalled   = "recalled"
)

// ReasonExpired is of a referral whose time was over before anybody used it.
const ReasonExpired = "expired"

// counselling is the one category that may name records for the other doctor.
const counselling = "counselling"

// Limits of a document.
const (
	maxText      = 3000
	maxResources = 20
)

// Document is what is signed.
type Document struct {
	PatientID registry.ID `json:"patient_id"`
	Request   Request     `json:"service_request"`
}

// Patient implements intake.Patient.
func (d Document) Patient() registry.ID { return d.PatientID }

// Request is one referral.
type Request struct {
	ID         registry.ID `json:"id"`
	Status     string      `json:"status"`
	Intent     string      `json:"intent"`
	Category   string      `json:"category"`
	Priority   string      `json:"priority"`
	Code       Coding      `json:"code"` // what is asked for
	ContextID  registry.ID `json:"context_id"`
	Requester  registry.ID `json:"requester_employee_id"`
	AuthoredOn time.Time   `json:"authored_on"`
	// PermittedResources are records that the other doctor should read; the
	// patient's approval opens them (package approval).
	PermittedResources []Resource `json:"permitted_resources,omitempty"`
	Note               string     `json:"note,omitempty"`
	PatientInstruction string     `json:"patient_instruction,omitempty"`
}

// Coding is a code of a list.
type Coding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

// Resource names a record.
type Resource struct {
	Type string      `json:"type"`
	ID   registry.ID `json:"id"`
}

// Ending is the signed document that recalls a referral or takes it back: the
// same one with another status, and why.
type Ending struct {
	Document
	StatusReason      string `json:"status_reason"`
	ExplanatoryLetter string `json:"explanatory_letter,omitempty"`
}
