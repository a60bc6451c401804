package prescription

import (
	"encoding/json"
	"fmt"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/jcs"
	"mist/registry/medication"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Document is what the doctor signs: the snapshot of everybody concerned as of
// the draft. Field names: domain notes 1.7.
type Document struct {
	ID                  registry.ID    `json:"id"`
	MedicationRequestID registry.ID    `json:"medication_request_id"`
	Number              string         `json:"request_number"`
	CreatedAt           registry.Date  `json:"created_at"`
	StartedAt           registry.Date  `json:"started_at"`
	EndedAt             registry.Date  `json:"ended_at"`
	DispenseFrom        registry.Date  `json:"dispense_valid_from,omitzero"`
	DispenseTo          registry.Date  `json:"dispense_valid_to,omitzero"`
	Intent              string         `json:"intent"`
	Category            string         `json:"category"`
	Person              PersonLine     `json:"person"`
	Employee            EmployeeLine   `json:"employee"`
	Division            DivisionLine   `json:"division"`
	LegalEntity         ClinicLine     `json:"legal_entity"`
	Medication          MedicationLine `json:"medication_info"`
	Program             *ProgramLine   `json:"medical_program,omitempty"`
	Context             *Reference     `json:"context,omitempty"`
	Instructions        []Instruction  `json:"dosage_instruction,omitempty"`
}

// PersonLine is the patient as a pharmacist has to recognise them.
type PersonLine struct {
	ID         registry.ID `json:"id"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
	Age        int         `json:"age"`
}

// EmployeeLine is the doctor.
type EmployeeLine struct {
	ID         registry.ID `json:"id"`
	Position   string      `json:"position"`
	Speciality string      `json:"speciality,omitempty"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
}

// DivisionLine is where the patient was seen.
type DivisionLine struct {
	ID      registry.ID `json:"id"`
	Name    string      `json:"name"`
	Address string      `json:"address"`
}

// ClinicLine is the doctor's legal entity.
type ClinicLine struct {
	ID     registry.ID     `json:"id"`
	Name   string          `json:"name"`
	EDRPOU registry.EDRPOU `json:"edrpou"`
}

// MedicationLine is what is prescribed.
type MedicationLine struct {
	ID          registry.ID             `json:"medication_id"`
	Name        string                  `json:"medication_name"`
	Form        string                  `json:"form"`
	Qty         decimal.Decimal         `json:"medication_qty"`
	Ingredients []medication.Ingredient `json:"ingredients"`
}

// ProgramLine is the programme.
type ProgramLine struct {
	ID   registry.ID `json:"id"`
	Name string      `json:"name"`
}

// ProgramID is zero where there is no programme.
func (d Document) ProgramID() registry.ID {
	if d.Program == nil {
		return registry.ID{}
	}
	return d.Program.ID
}

func newDocument(in Input, p patient.Person, e prm.Employee, d prm.Division, l prm.LegalEntity, dosage medication.Dosage, program *medication.Program, today registry.Date) Document {
	doc := Document{
		CreatedAt: in.CreatedAt, StartedAt: in.StartedAt, EndedAt: in.EndedAt, Intent: in.Intent, Category: in.Category,
		Person:      PersonLine{p.ID, p.LastName, p.FirstName, p.SecondName, p.BirthDate.YearsAt(today)},
		Employee:    EmployeeLine{e.ID, e.Position, e.Speciality, e.Party.LastName, e.Party.FirstName, e.Party.SecondName},
		Division:    DivisionLine{d.ID, d.Name, d.Address},
		LegalEntity: ClinicLine{l.ID, l.Name, l.EDRPOU},
		Medication:  MedicationLine{dosage.ID, dosage.Name, dosage.Form, in.Qty, dosage.Ingredients},
		Context:     in.Context, Instructions: in.Instructions,
	}
	if program != nil {
		doc.Program = &ProgramLine{program.ID, program.Name}
	}
	return doc
}

// ToBeSigned gives the exact bytes to sign: RFC 8785 form.
func (d Document) ToBeSigned() ([]byte, error) { return jcs.Marshal(d) }

func readDocument(b []byte) (d Document, err error) {
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("reading a frozen prescription: %w", err)
	}
	return d, nil
}
