// Package prescription is the e-prescription (medication request): its draft
// (medication request request) with the rules of medical programmes, the
// document the doctor signs, and its life: resent, blocked, rejected by a
// signature, completed by a dispense, expired.
//
// Rules: domain notes 1.7, ЕСОЗ 5. Every switch of a programme is data of
// registry/medication. The room refuses a document that is not exactly the one
// drafted and trusts only bytes that the verifier hands over; the verification
// code is told to the patient alone.
package prescription

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/intake"
	"mist/registry/medication"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/record"
)

// Names of the act kinds.
const (
	Name       registry.KindName = "medication_request"
	RejectName registry.KindName = "medication_request_reject"
)

// KindRecord is the kind of the record that an act leaves.
const KindRecord record.Kind = "medication_request"

// Version of the signed document's shape.
const Version = 1

// States of a prescription. Blocked is a flag beside them (ЕСОЗ 5).
const (
	StatusActive    = "ACTIVE"
	StatusCompleted = "COMPLETED"
	StatusRejected  = "REJECTED"
	StatusExpired   = "EXPIRED"
)

// Intents.
const (
	IntentOrder = "order"
	IntentPlan  = "plan"
)

// numberForm: 0000-XXXX-XXXX-XXXX over the 18 symbols that are not mistaken
// for each other in Latin and Cyrillic print (domain notes 1.3, 1.7).
var numberForm = regexp.MustCompile(`^0000(-[0A1E2H3K4M5P6T7X89]{4}){3}$`)

// ValidNumber reports whether a text can be the number of a prescription.
func ValidNumber(s string) bool { return numberForm.MatchString(s) }

// newCode draws four digits of 1 to 9 each.
func newCode(source registry.Source) string {
	var code [4]byte
	for i := range code {
		code[i] = draw(source, "123456789")
	}
	return string(code[:])
}

// draw takes a symbol, each as likely as any other: what is left of a byte over
// whole multiples is thrown away.
func draw(source registry.Source, alphabet string) byte {
	most := 256 - 256%len(alphabet)
	for {
		if b := int(source.Bytes(1)[0]); b < most {
			return alphabet[b%len(alphabet)]
		}
	}
}

// Body is what the registry keeps of a prescription beside the columns of its
// record.
type Body struct {
	// Code is told to the patient and to nobody else; empty where they have no phone.
	Code      string      `json:"code,omitempty"`
	Phone     string      `json:"phone,omitempty"`
	RequestID registry.ID `json:"request_id"`
	// Document is the signed content.
	Document Document `json:"document"`
	Block    *Block   `json:"block,omitempty"`
	Reject   *Reject  `json:"reject,omitempty"`
	// Dispensed is how much pharmacies have given out of it.
	Dispensed decimal.Decimal `json:"dispensed,omitzero"`
}

// Block says who has stopped a prescription and why.
type Block struct {
	Code          string      `json:"block_reason_code"`
	Reason        string      `json:"block_reason,omitempty"`
	LegalEntityID registry.ID `json:"block_legal_entity_id"`
	At            time.Time   `json:"blocked_at"`
}

// Reject is the doctor's signed reason.
type Reject struct {
	Code   string      `json:"reject_reason_code"`
	Reason string      `json:"reject_reason"`
	ActID  registry.ID `json:"act_id"`
}

// Prescription is a record with its body read.
type Prescription struct {
	record.Record
	Body Body
}

// Read reads the body of a record.
func Read(r record.Record) (p Prescription, err error) {
	p.Record = r
	if err := json.Unmarshal(r.Body, &p.Body); err != nil {
		return p, fmt.Errorf("reading a prescription: %w", err)
	}
	return p, nil
}

// Stored gives the record with its body written.
func (p Prescription) Stored() (record.Record, error) {
	b, err := json.Marshal(p.Body)
	if err != nil {
		return record.Record{}, fmt.Errorf("writing a prescription: %w", err)
	}
	p.Record.Body = b
	return p.Record, nil
}

// Dosage is the prescribed INNM_DOSAGE, Program the programme; zero: none.
func (p Prescription) Dosage() registry.ID  { return p.Body.Document.Medication.ID }
func (p Prescription) Program() registry.ID { return p.Body.Document.ProgramID() }

// Left is what is still to be dispensed.
func (p Prescription) Left() decimal.Decimal {
	return p.Body.Document.Medication.Qty - p.Body.Dispensed
}

// Usable refuses what cannot be dispensed, resent or rejected.
func (p Prescription) Usable() error {
	if p.Status != StatusActive {
		return registry.Errorf(registry.CodeConflict, "Medication request is not active").WithReason("status_" + p.Status)
	}
	return nil
}

// NotBlocked refuses a blocked one (ЕСОЗ 5).
func (p Prescription) NotBlocked() error {
	if p.Body.Block != nil {
		return registry.Errorf(registry.CodeRuleViolated, "Medication request is blocked").WithReason("blocked")
	}
	return nil
}

// shown is what callers are told of a prescription: the signed document and the
// registry's own knowledge, without the code.
type shown struct {
	Document
	RequestID registry.ID     `json:"medication_request_request_id"`
	HasCode   bool            `json:"has_verification_code"`
	IsBlocked bool            `json:"is_blocked"`
	Block     *Block          `json:"block,omitempty"`
	Reject    *Reject         `json:"reject,omitempty"`
	Dispensed decimal.Decimal `json:"dispensed_qty"`
}

// View is the record with what may be told as its body.
func (p Prescription) View() (record.Record, error) {
	b, err := json.Marshal(shown{p.Body.Document, p.Body.RequestID, p.Body.Code != "", p.Body.Block != nil, p.Body.Block, p.Body.Reject, p.Body.Dispensed})
	if err != nil {
		return record.Record{}, fmt.Errorf("showing a prescription: %w", err)
	}
	r := p.Record
	r.Body = b
	return r, nil
}

// Period is the time of an earlier prescription of the same substance.
type Period struct {
	ID      registry.ID
	Start   registry.Date
	End     registry.Date
	Program bool // prescribed within a programme
	Status  string
}

// PeriodTx keeps when a person was prescribed a substance, across clinics.
type PeriodTx interface {
	InsertPeriod(ctx context.Context, person, innm registry.ID, p Period) error
	// Periods are those of prescriptions that are neither rejected nor expired.
	Periods(ctx context.Context, person, innm registry.ID) ([]Period, error)
}

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.Tx
	record.Tx
	patient.ConfirmTx
	medication.Reader
	PeriodTx
	record.AuthorTx
	TryLock(ctx context.Context, name string) (bool, error)
}

// Terms are the registry's own parameters; programmes narrow them.
type Terms struct {
	Lists prm.Lists
	// DispenseDays is how long a prescription may be dispensed, from its creation.
	DispenseDays int
	// BackdateDays is how far back created_at may lie.
	BackdateDays int
	// A prescription of at least StandardDays may be renewed RenewLong days before
	// its end, a shorter one RenewShort.
	StandardDays, RenewLong, RenewShort int
	// EmployeeTypes prescribe where a programme says nothing, FreeTypes without one.
	EmployeeTypes, FreeTypes []string
}

// DefaultTerms: domain notes 1.7.
func DefaultTerms() Terms {
	return Terms{DispenseDays: 30, BackdateDays: 3, StandardDays: 21, RenewLong: 7, RenewShort: 3,
		EmployeeTypes: []string{"DOCTOR"}, FreeTypes: []string{"DOCTOR", "SPECIALIST"}}
}
