package query

import (
	"context"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/consent"
	"mist/registry/prescription"
	"mist/registry/record"
	"mist/registry/sickleave"
)

// clinicalTx is what is asked of a person's records.
type clinicalTx interface {
	// Records lists a person's records of a kind, newest first.
	Records(ctx context.Context, f record.Filter) ([]record.Record, error)
	// SickLeavesFor reads the conclusions for one who is off work, oldest first.
	SickLeavesFor(ctx context.Context, focus registry.ID) ([]record.Record, error)
}

// PrescriptionView is a prescription as the citizen sees it. Its code is told to
// the patient's telephone and to nobody else; neither are diagnoses, the age and
// names of the patient, and what a pharmacy was paid.
type PrescriptionView struct {
	Number      string        `json:"number,omitempty"`
	Status      string        `json:"status,omitempty"`
	Blocked     *bool         `json:"blocked,omitempty"` // with the status
	StartDate   registry.Date `json:"start_date,omitzero"`
	EndDate     registry.Date `json:"end_date,omitzero"`
	Medication  string        `json:"medication,omitempty"`
	Quantity    string        `json:"quantity,omitempty"`  // with the medication
	Dispensed   string        `json:"dispensed,omitempty"` // with the medication
	Instruction string        `json:"instruction,omitempty"`
	Programme   string        `json:"programme,omitempty"`
	Doctor      string        `json:"doctor,omitempty"`
	LegalEntity string        `json:"legal_entity,omitempty"`
}

// prescriptionFields is the catalogue a consent chooses from.
var prescriptionFields = []string{"number", "status", "period", "medication", "instruction", "programme", "doctor", "legalEntity"}

// SickLeaveView is a medical conclusion of temporary disability as the person who
// is off work sees it: neither diagnosis nor, in care, the patient's name.
type SickLeaveView struct {
	Number      string        `json:"number,omitempty"`
	Status      string        `json:"status,omitempty"`
	Category    string        `json:"category,omitempty"`
	StartDate   registry.Date `json:"start_date,omitzero"`
	EndDate     registry.Date `json:"end_date,omitzero"`
	SignedAt    time.Time     `json:"signed_at,omitzero"`
	SickLeave   string        `json:"sick_leave,omitempty"` // number at the Pension Fund
	Doctor      string        `json:"doctor,omitempty"`
	LegalEntity string        `json:"legal_entity,omitempty"`
}

// sickLeaveFields is the catalogue a consent chooses from.
var sickLeaveFields = []string{"number", "status", "category", "period", "signedAt", "sickLeave", "doctor", "legalEntity"}

// maxRecords bounds an answer; the newest are told.
const maxRecords = 50

// Prescriptions tells a citizen's prescriptions, newest first, on a consent of
// scope "prescription".
func (s *Service) Prescriptions(ctx context.Context, c registry.Caller, r Request) (Answer[[]PrescriptionView], error) {
	return ask(ctx, s, c, r, disclosure[[]PrescriptionView]{scope: consent.ScopePrescription, names: prescriptionFields,
		read: func(ctx context.Context, tx Tx, q *reading) ([]PrescriptionView, error) {
			list, err := tx.Records(ctx, record.Filter{Kind: prescription.KindRecord, PatientID: q.person.ID, Limit: maxRecords})
			if err != nil {
				return nil, err
			}
			q.told = under("prescription", q.fields)
			views := make([]PrescriptionView, 0, len(list))
			for _, one := range list[:min(len(list), maxRecords)] { // a list may hold one more
				p, err := prescription.Read(one)
				if err != nil {
					return nil, err
				}
				views = append(views, prescriptionView(p, q.fields))
			}
			return views, nil
		}})
}

// under names the fields of a record in the trail.
func under(what string, fields []string) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = what + "." + f
	}
	return out
}

func prescriptionView(p prescription.Prescription, fields []string) (v PrescriptionView) {
	d := p.Body.Document
	for _, name := range fields {
		switch name {
		case "number":
			v.Number = p.Number
		case "status":
			blocked := p.Body.Block != nil
			v.Status, v.Blocked = p.Status, &blocked
		case "period":
			v.StartDate, v.EndDate = d.StartedAt, d.EndedAt
		case "medication":
			v.Medication, v.Quantity, v.Dispensed = d.Medication.Name, d.Medication.Qty.String(), p.Body.Dispensed.String()
		case "instruction":
			var texts []string
			for _, i := range d.Instructions {
				texts = append(texts, strings.Join(slices.DeleteFunc([]string{i.Text, i.PatientInstruction}, func(s string) bool { return s == "" }), "; "))
			}
			v.Instruction = strings.Join(texts, "; ")
		case "programme":
			if d.Program != nil {
				v.Programme = d.Program.Name
			}
		case "doctor":
			v.Doctor = strings.Join(slices.DeleteFunc([]string{d.Employee.LastName, d.Employee.FirstName, d.Employee.SecondName}, func(s string) bool { return s == "" }), " ")
		case "legalEntity":
			v.LegalEntity = d.LegalEntity.Name
		}
	}
	return v
}

// SickLeaves tells the conclusions by which a citizen is off work, newest first,
// on a consent of scope "sick_leave".
func (s *Service) SickLeaves(ctx context.Context, c registry.Caller, r Request) (Answer[[]SickLeaveView], error) {
	return ask(ctx, s, c, r, disclosure[[]SickLeaveView]{scope: consent.ScopeSickLeave, names: sickLeaveFields,
		read: func(ctx context.Context, tx Tx, q *reading) ([]SickLeaveView, error) {
			list, err := tx.SickLeavesFor(ctx, q.person.ID)
			if err != nil {
				return nil, err
			}
			q.told = under("sickLeave", q.fields)
			views := make([]SickLeaveView, 0, len(list))
			for i := len(list) - 1; i >= 0 && len(views) < maxRecords; i-- {
				l, err := sickleave.Told(list[i])
				if err != nil {
					return nil, err
				}
				views = append(views, sickLeaveView(l, q.fields))
			}
			return views, nil
		}})
}

func sickLeaveView(l sickleave.View, fields []string) (v SickLeaveView) {
	for _, name := range fields {
		switch name {
		case "number":
			v.Number = l.Number
		case "status":
			v.Status = string(l.Status)
		case "category":
			v.Category = l.Category
		case "period":
			if l.Status != composition.EnteredInError {
				v.StartDate, v.EndDate = l.Period.Start, l.Period.End
			}
		case "signedAt":
			v.SignedAt = l.SignedAt
		case "sickLeave":
			v.SickLeave = l.SickLeave
		case "doctor":
			v.Doctor = l.Names.Author
		case "legalEntity":
			v.LegalEntity = l.Names.LegalEntity
		}
	}
	return v
}
