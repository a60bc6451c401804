// Package contract is capitation contracts of providers with the NHSU: a
// request signed by the head, what the NHSU adds to it, one frozen document
// that the officer of the NHSU, its seal and the head sign each for
// themselves, and the contract that comes of it.
//
// Rules: domain notes 1.6. The room trusts the verifier for the signers; a
// party signs exactly the frozen bytes, so that nobody has to sign over
// somebody else's container.
package contract

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/prm"
)

// Status of a request: NEW → IN_PROCESS → APPROVED → PENDING_NHS_SIGN →
// NHS_SIGNED → SIGNED; IN_PROCESS → DECLINED; any open one → TERMINATED.
type Status string

// States.
const (
	StatusNew        Status = "NEW"
	StatusInProcess  Status = "IN_PROCESS"
	StatusApproved   Status = "APPROVED"
	StatusPendingNHS Status = "PENDING_NHS_SIGN"
	StatusNHSSigned  Status = "NHS_SIGNED"
	StatusSigned     Status = "SIGNED"
	StatusDeclined   Status = "DECLINED"
	StatusTerminated Status = "TERMINATED"
)

// Open reports whether a request can still move.
func (s Status) Open() bool { return s != StatusSigned && s != StatusDeclined && s != StatusTerminated }

// Input is the document the head signs.
type Input struct {
	ID                      registry.ID `json:"id"` // of the draft
	ParentContractID        registry.ID `json:"parent_contract_id,omitzero"`
	Statute                 string      `json:"statute_sha256"` // of the uploaded PDF, in hex
	AdditionalDocument      string      `json:"additional_document_sha256,omitempty"`
	ContractorLegalEntityID registry.ID `json:"contractor_legal_entity_id"`
	// MedicalProgramID makes it a contract of reimbursement: a pharmacy's, for one
	// programme, with drugstores and without doctors.
	MedicalProgramID       registry.ID          `json:"medical_program_id,omitzero"`
	ContractorOwnerID      registry.ID          `json:"contractor_owner_id"`
	ContractorBase         string               `json:"contractor_base"`
	PaymentDetails         PaymentDetails       `json:"contractor_payment_details"`
	ContractorRMSPAmount   int                  `json:"contractor_rmsp_amount"`
	ContractorDivisions    []registry.ID        `json:"contractor_divisions"`
	EmployeeDivisions      []EmployeeDivision   `json:"contractor_employee_divisions"`
	ExternalContractors    []ExternalContractor `json:"external_contractors,omitempty"`
	ExternalContractorFlag bool                 `json:"external_contractor_flag"`
	StartDate              registry.Date        `json:"start_date"`
	EndDate                registry.Date        `json:"end_date"`
	IDForm                 string               `json:"id_form"`
	ConsentText            string               `json:"consent_text"`
}

// PaymentDetails say where the money goes.
type PaymentDetails struct {
	BankName     string `json:"bank_name"`
	MFO          string `json:"MFO"`
	PayerAccount string `json:"payer_account"`
}

// EmployeeDivision is a doctor at a place of the contract.
type EmployeeDivision struct {
	EmployeeID       registry.ID `json:"employee_id"`
	DivisionID       registry.ID `json:"division_id"`
	StaffUnits       float64     `json:"staff_units"`
	DeclarationLimit int         `json:"declaration_limit"`
}

// ExternalContractor works for the contractor at some of its places.
type ExternalContractor struct {
	LegalEntityID registry.ID        `json:"legal_entity_id"`
	Contract      ExternalContract   `json:"contract"`
	Divisions     []ExternalDivision `json:"divisions"`
}

// ExternalContract is the paper between the two.
type ExternalContract struct {
	Number    string        `json:"number"`
	IssuedAt  registry.Date `json:"issued_at"`
	ExpiresAt registry.Date `json:"expires_at"`
}

// ExternalDivision says what is done where.
type ExternalDivision struct {
	ID             registry.ID `json:"id"`
	MedicalService string      `json:"medical_service"`
}

// NHS is what the NHSU adds.
type NHS struct {
	AssigneeID    registry.ID `json:"assignee_id,omitzero"`
	SignerID      registry.ID `json:"nhs_signer_id,omitzero"`
	SignerBase    string      `json:"nhs_signer_base,omitempty"`
	ContractPrice *float64    `json:"nhs_contract_price,omitempty"`
	PaymentMethod string      `json:"nhs_payment_method,omitempty"`
	IssueCity     string      `json:"issue_city,omitempty"`
	Misc          string      `json:"misc,omitempty"`
	LegalEntityID registry.ID `json:"nhs_legal_entity_id,omitzero"`
}

// Body is what is kept of a request.
type Body struct {
	Input
	NHS
	ContractNumber string      `json:"contract_number,omitempty"`
	ContractID     registry.ID `json:"contract_id,omitzero"`
}

// Request is one request.
type Request struct {
	ID            registry.ID
	ActID         registry.ID
	LegalEntityID registry.ID
	Status        Status
	StatusReason  string
	Body          Body
	// Document is the frozen bytes to be signed; empty until approve_msp.
	Document   string
	InsertedAt time.Time
	UpdatedAt  time.Time
}

// Contract is what both sides signed.
type Contract struct {
	ID            registry.ID
	Number        string
	RequestID     registry.ID
	LegalEntityID registry.ID
	Status        string // VERIFIED, TERMINATED
	StatusReason  string
	Suspended     bool
	ParentID      registry.ID // the contract this one took the place of
	StartDate     registry.Date
	EndDate       registry.Date
	Body          Body
	InsertedAt    time.Time
	UpdatedAt     time.Time
}

// ContractEmployee is a doctor of a contract for a time.
type ContractEmployee struct {
	EmployeeDivision
	StartDate registry.Date `json:"start_date"`
	EndDate   registry.Date `json:"end_date,omitzero"` // zero: works on
}

// Limits of declarations by speciality in office (domain notes 1.3).
var declarationLimits = map[string]int{"THERAPIST": 2000, "FAMILY_DOCTOR": 1800, "PEDIATRICIAN": 900}

var (
	digestPattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	mfoPattern     = regexp.MustCompile(`^[0-9]{6}$`)
	accountPattern = regexp.MustCompile(`^(UA[0-9]{27}|[0-9]{5,29})$`)
)

// read decodes a request and holds it against the rules that need no rows.
func read(body []byte, lists prm.Lists, consent string, today registry.Date) (in Input, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	var f document.Faults
	if !digestPattern.MatchString(in.Statute) {
		f.Add("$.statute_sha256", "format", "expected the SHA-256 of the uploaded PDF, 64 hexadecimal digits")
	}
	if in.AdditionalDocument != "" && !digestPattern.MatchString(in.AdditionalDocument) {
		f.Add("$.additional_document_sha256", "format", "expected the SHA-256 of the uploaded PDF, 64 hexadecimal digits")
	}
	f.Required("$.contractor_base", in.ContractorBase)
	f.Required("$.contractor_payment_details.bank_name", in.PaymentDetails.BankName)
	if !mfoPattern.MatchString(in.PaymentDetails.MFO) {
		f.Add("$.contractor_payment_details.MFO", "format", "string does not match pattern: 6 digits")
	}
	if !accountPattern.MatchString(in.PaymentDetails.PayerAccount) {
		f.Add("$.contractor_payment_details.payer_account", "format", "expected an IBAN (UA and 27 digits)")
	}
	if in.ContractorRMSPAmount < 0 {
		f.Add("$.contractor_rmsp_amount", "number", "must not be negative")
	}
	if !lists.Has("CONTRACT_TYPE", in.IDForm) {
		f.Add("$.id_form", "inclusion", "value is not allowed in enum", "CONTRACT_TYPE")
	}
	switch {
	case in.StartDate.Year < today.Year || in.StartDate.Year > today.Year+1:
		f.Add("$.start_date", "invalid", "Start date must be within this or next year")
	case in.StartDate.Before(today):
		f.Add("$.start_date", "invalid", "Start date must be greater than or equal to current date")
	}
	if in.EndDate.Year != in.StartDate.Year {
		f.Add("$.end_date", "invalid", "The year of start_date and end_date must be equal")
	} else if in.EndDate.Before(in.StartDate) {
		f.Add("$.end_date", "invalid", "end_date should be equal or greater than start_date")
	}
	if in.ConsentText != consent {
		f.Add("$.consent_text", "invalid", "Consent text does not match: read it from the dictionary CAPITATION_CONTRACT_CONSENT_TEXT")
	}
	checkDivisions(&f, in)
	checkForm(&f, in)
	checkExternal(&f, in, lists)
	return in, f.Err()
}

// FormReimbursement is the form of contracts of reimbursement.
const FormReimbursement = "REIMBURSEMENT"

// Reimbursement tells the kind of contract.
func (in Input) Reimbursement() bool { return !in.MedicalProgramID.IsZero() }

// checkForm: form and programme name the same kind, and a pharmacy has no
// patients' doctors (domain notes 1.6).
func checkForm(f *document.Faults, in Input) {
	if (in.IDForm == FormReimbursement) != in.Reimbursement() {
		f.Add("$.medical_program_id", "invalid", "A contract of the form REIMBURSEMENT names its medical program, and no other does")
	}
	if in.Reimbursement() && len(in.EmployeeDivisions) > 0 {
		f.Add("$.contractor_employee_divisions", "length", "A contract of reimbursement has no doctors", "0")
	}
}

func checkDivisions(f *document.Faults, in Input) {
	if len(in.ContractorDivisions) == 0 {
		f.Add("$.contractor_divisions", "length", "expected a minimum of 1 items but got 0", "1")
	}
	for i, id := range in.ContractorDivisions {
		if slices.Contains(in.ContractorDivisions[:i], id) {
			f.Add(fmt.Sprintf("$.contractor_divisions.[%d]", i), "unique", "divisions must be unique")
		}
	}
	seen := map[[2]registry.ID]bool{}
	for i, e := range in.EmployeeDivisions {
		at := "$.contractor_employee_divisions.[" + strconv.Itoa(i) + "]"
		checkWork(f, at, e, in.ContractorDivisions)
		key := [2]registry.ID{e.EmployeeID, e.DivisionID}
		if seen[key] {
			f.Add(at, "unique", "Employee division must be unique")
		}
		seen[key] = true
	}
}

// checkWork holds one doctor's place and share of a contract against the rules.
func checkWork(f *document.Faults, at string, e EmployeeDivision, divisions []registry.ID) {
	if !slices.Contains(divisions, e.DivisionID) {
		f.Add(at+".division_id", "inclusion", "The division is not belong to contractor_divisions")
	}
	if e.StaffUnits <= 0 || e.StaffUnits > 2 {
		f.Add(at+".staff_units", "number", "expected more than 0 and at most 2")
	}
	if e.DeclarationLimit < 1 {
		f.Add(at+".declaration_limit", "number", "must be greater than 0")
	}
}

func checkExternal(f *document.Faults, in Input, lists prm.Lists) {
	if in.ExternalContractorFlag != (len(in.ExternalContractors) > 0) {
		f.Add("$.external_contractor_flag", "invalid", "Invalid external_contractor_flag")
	}
	for i, x := range in.ExternalContractors {
		at := fmt.Sprintf("$.external_contractors.[%d]", i)
		f.Required(at+".contract.number", x.Contract.Number)
		if x.Contract.ExpiresAt.Before(x.Contract.IssuedAt) {
			f.Add(at+".contract.expires_at", "invalid", "Expires date must be greater than issued_at date")
		}
		if x.Contract.ExpiresAt.Before(in.StartDate) {
			f.Add(at+".contract.expires_at", "invalid", "Expires date must be greater than contract start_date")
		}
		for j, d := range x.Divisions {
			if !slices.Contains(in.ContractorDivisions, d.ID) {
				f.Add(fmt.Sprintf("%s.divisions.[%d].id", at, j), "inclusion", "The division is not belong to contractor_divisions")
			}
			if !lists.Has("MEDICAL_SERVICE", d.MedicalService) {
				f.Add(fmt.Sprintf("%s.divisions.[%d].medical_service", at, j), "inclusion", "value is not allowed in enum", "MEDICAL_SERVICE")
			}
		}
	}
}

// checkDoctor holds one employee of a request against the registry.
func checkDoctor(f *document.Faults, at string, e prm.Employee, legalEntity registry.ID, limit int) {
	if e.LegalEntityID != legalEntity || !e.Approved() || e.Type != "DOCTOR" {
		f.Add(at+".employee_id", "invalid", "Employee must be an active DOCTOR of the contractor")
		return
	}
	most, ok := declarationLimits[e.Speciality]
	if !ok {
		f.Add(at+".employee_id", "speciality_inclusion", "Employee speciality doesn't match: THERAPIST, PEDIATRICIAN or FAMILY_DOCTOR in office")
		return
	}
	if limit > most {
		f.Add(at+".declaration_limit", "number", "declaration limit is not allowed for employee speciality", strconv.Itoa(most))
	}
}

// numberAlphabet has no symbols that people mistake for one another.
const numberAlphabet = "0A1E2H3K4M5P6T7X89"

// number writes a drawn number as 0000-XXXX-XXXX, least significant first, as
// declaration numbers are written (domain notes 1.3, 1.6).
func number(n uint64) string {
	b := []byte("0000-0000-0000")
	for _, i := range []int{5, 6, 7, 8, 10, 11, 12, 13} {
		b[i] = numberAlphabet[n%uint64(len(numberAlphabet))]
		n /= uint64(len(numberAlphabet))
	}
	return string(b)
}
