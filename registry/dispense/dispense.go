// Package dispense is what a pharmacy does with a prescription: a hold of ten
// minutes with brands, quantities and amounts, signed by the pharmacist, or
// given up; and the report of what the state owes for it.
//
// Rules: domain notes 1.7, ЕСОЗ 5. It leans on prescriptions and reference data,
// counts in exact decimals, and leaves to the database that one prescription is
// dispensed once. It trusts no pharmacy to know the code: wrong ones are counted.
package dispense

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/document"
	"mist/registry/guess"
	"mist/registry/intake"
	"mist/registry/medication"
	"mist/registry/prescription"
	"mist/registry/prm"
	"mist/registry/record"
)

// Name of the act kind, and of its record.
const (
	Name       registry.KindName = "medication_dispense"
	KindRecord record.Kind       = "medication_dispense"
)

// Version of the signed document's shape.
const Version = 1

// States.
const (
	StatusNew       = "NEW"
	StatusProcessed = "PROCESSED"
	StatusRejected  = "REJECTED"
	StatusExpired   = "EXPIRED"
)

// Detail is one brand of a dispense.
type Detail struct {
	MedicationID   registry.ID     `json:"medication_id"`
	Qty            decimal.Decimal `json:"medication_qty"`
	SellPrice      decimal.Decimal `json:"sell_price"`
	SellAmount     decimal.Decimal `json:"sell_amount"`
	DiscountAmount decimal.Decimal `json:"discount_amount"`
}

// Input is what a pharmacist asks for.
type Input struct {
	PrescriptionID registry.ID      `json:"medication_request_id"`
	DivisionID     registry.ID      `json:"division_id"`
	ProgramID      registry.ID      `json:"medical_program_id,omitzero"`
	DispensedAt    registry.Date    `json:"dispensed_at"`
	DispensedBy    string           `json:"dispensed_by,omitempty"`
	Details        []Detail         `json:"dispense_details"`
	PaymentID      string           `json:"payment_id,omitempty"`
	PaymentAmount  *decimal.Decimal `json:"payment_amount,omitempty"`
}

type createBody struct {
	Code     string `json:"code,omitempty"`
	Dispense Input  `json:"medication_dispense"`
}

// Document is what the pharmacist signs.
type Document struct {
	ID             registry.ID   `json:"id"`
	PrescriptionID registry.ID   `json:"medication_request_id"`
	Number         string        `json:"request_number"`
	PersonID       registry.ID   `json:"person_id"`
	Employee       EmployeeLine  `json:"employee"`
	Division       DivisionLine  `json:"division"`
	LegalEntity    PharmacyLine  `json:"legal_entity"`
	Program        *ProgramLine  `json:"medical_program,omitempty"`
	ContractID     registry.ID   `json:"contract_id,omitzero"`
	ContractNumber string        `json:"contract_number,omitempty"`
	DispensedAt    registry.Date `json:"dispensed_at"`
	DispensedBy    string        `json:"dispensed_by,omitempty"`
	Details        []Line        `json:"dispense_details"`
}

// EmployeeLine is the pharmacist.
type EmployeeLine struct {
	ID         registry.ID `json:"id"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
}

// DivisionLine is the drugstore.
type DivisionLine struct {
	ID      registry.ID `json:"id"`
	Name    string      `json:"name"`
	Address string      `json:"address"`
}

// PharmacyLine is its legal entity.
type PharmacyLine struct {
	ID     registry.ID     `json:"id"`
	Name   string          `json:"name"`
	EDRPOU registry.EDRPOU `json:"edrpou"`
}

// ProgramLine is the programme it is dispensed within.
type ProgramLine struct {
	ID   registry.ID `json:"id"`
	Name string      `json:"name"`
}

// Line is a detail with the brand and what the state pays for it.
type Line struct {
	Detail
	MedicationName string          `json:"medication_name"`
	Form           string          `json:"form"`
	PackageQty     decimal.Decimal `json:"package_qty"`
	PartID         registry.ID     `json:"program_medication_id,omitzero"`
	// ReimbursementAmount is the most that is reimbursed for the quantity.
	ReimbursementAmount decimal.Decimal `json:"reimbursement_amount"`
}

// Body is what the registry keeps of a dispense.
type Body struct {
	Document      Document         `json:"document"`
	PaymentID     string           `json:"payment_id,omitempty"`
	PaymentAmount *decimal.Decimal `json:"payment_amount,omitempty"`
	// ActID is the pharmacist's signature; zero where the programme asks for none.
	ActID   registry.ID `json:"act_id,omitzero"`
	Several bool        `json:"several,omitempty"`
}

// Dispense is a record with its body read.
type Dispense struct {
	record.Record
	Body Body
}

// Read reads the body of a record.
func Read(r record.Record) (d Dispense, err error) {
	d.Record = r
	if err := json.Unmarshal(r.Body, &d.Body); err != nil {
		return d, fmt.Errorf("reading a dispense: %w", err)
	}
	return d, nil
}

// Stored gives the record with its body written.
func (d Dispense) Stored() (record.Record, error) {
	b, err := json.Marshal(d.Body)
	if err != nil {
		return record.Record{}, fmt.Errorf("writing a dispense: %w", err)
	}
	d.Record.Body = b
	return d.Record, nil
}

type shown struct {
	Document
	PaymentID     string           `json:"payment_id,omitempty"`
	PaymentAmount *decimal.Decimal `json:"payment_amount,omitempty"`
	ActID         registry.ID      `json:"act_id,omitzero"`
}

// View is the record as callers are told of it.
func (d Dispense) View() (record.Record, error) {
	b, err := json.Marshal(shown{d.Body.Document, d.Body.PaymentID, d.Body.PaymentAmount, d.Body.ActID})
	if err != nil {
		return record.Record{}, fmt.Errorf("showing a dispense: %w", err)
	}
	r := d.Record
	r.Body = b
	return r, nil
}

// Total is the quantity of all brands.
func (d Document) Total() (sum decimal.Decimal) {
	for _, l := range d.Details {
		sum += l.Qty
	}
	return sum
}

// Place is a dispense's claim on its prescription; the database gives one at a
// time, and one in all where Several is false.
type Place struct {
	ID             registry.ID
	PrescriptionID registry.ID
	Status         string
	Several        bool
	ProcessedOn    registry.Date
}

// PlaceTx keeps the claims.
type PlaceTx interface {
	// TakePlace queues a claim; forbidden when another one is open or done.
	TakePlace(ctx context.Context, p Place) error
	MovePlace(ctx context.Context, id registry.ID, status string, processed registry.Date) error
	Places(ctx context.Context, prescription registry.ID) ([]Place, error)
}

// Contract is a reimbursement contract in force.
type Contract struct {
	ID        registry.ID
	Number    string
	Divisions []registry.ID
}

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	record.Tx
	record.AuthorTx
	prescription.QualifyTx
	PlaceTx
	ReportTx
	guess.Tx
	// ReimbursementContract finds the verified one of a programme that is not
	// suspended and in force on a day.
	ReimbursementContract(ctx context.Context, legalEntity, program registry.ID, day registry.Date) (Contract, bool, error)
	TryLock(ctx context.Context, name string) (bool, error)
}

// Terms are the registry's own parameters.
type Terms struct {
	Hold time.Duration
	// Types of legal entities that dispense.
	LegalEntityTypes []string
	// DLS says whether drugstores must be verified in the register of drug traders.
	DLS bool
	// DeviationPercent is how far below the reimbursement a discount may lie.
	DeviationPercent int64
}

// DefaultTerms: domain notes 1.7.
func DefaultTerms() Terms {
	return Terms{Hold: 10 * time.Minute, LegalEntityTypes: []string{"PHARMACY", "MSP_PHARMACY"}, DeviationPercent: 10}
}

func wrong(name, rule, text string, params ...string) error {
	return registry.Invalid(registry.FieldError{Entry: "$.medication_dispense." + name, Rule: rule, Description: text, Params: params})
}

// checkInput holds a request against the rules that need no rows.
func checkInput(in Input, today registry.Date) error {
	var f document.Faults
	const at = "$.medication_dispense."
	if n := len(in.Details); n < 1 || n > 50 {
		f.Add(at+"dispense_details", "length", "expected 1 to 50 items")
	}
	if today.Before(in.DispensedAt) {
		f.Add(at+"dispensed_at", "invalid", "Dispensed date must be <= Current date!")
	}
	seen := map[registry.ID]bool{}
	for i, d := range in.Details {
		here := fmt.Sprintf("%sdispense_details[%d].", at, i)
		if d.Qty <= 0 {
			f.Add(here+"medication_qty", "number", "must be greater than 0")
		}
		if d.SellPrice < 0 || d.SellAmount < 0 || d.DiscountAmount < 0 {
			f.Add(here+"sell_amount", "number", "amounts must be greater than or equal to 0")
		}
		if d.SellAmount < d.DiscountAmount {
			f.Add(here+"discount_amount", "number", "discount_amount must not exceed sell_amount")
		}
		if seen[d.MedicationID] {
			f.Add(here+"medication_id", "unique", "a medication stands once")
		}
		seen[d.MedicationID] = true
	}
	if in.PaymentAmount != nil && *in.PaymentAmount < 0 {
		f.Add(at+"payment_amount", "number", "must be greater than or equal to 0")
	}
	return f.Err()
}

// checkCode compares the patient's word (ЕСОЗ 5). "0000", or none, is right
// only where the prescription has none.
func checkCode(code, want string) error {
	refuse := func(text string) error {
		return registry.Errorf(registry.CodeUnauthenticated, "%s", text).WithReason("dispense_code")
	}
	switch {
	case want == "" && (code == "" || code == "0000"):
		return nil
	case want != "" && code == "":
		return refuse("Missing or Invalid code")
	case !same(code, want):
		return refuse("Incorrect code")
	}
	return nil
}

// checkPayment: what was paid is told when the dispense is done, and only then.
func checkPayment(in Input, g *medication.Program) error {
	if g == nil || !g.Settings.SkipDispenseSign {
		var f document.Faults
		if in.PaymentAmount != nil {
			f.Add("$.medication_dispense.payment_amount", "schema", "schema does not allow additional properties")
		}
		if in.PaymentID != "" {
			f.Add("$.medication_dispense.payment_id", "schema", "schema does not allow additional properties")
		}
		return f.Err()
	}
	if in.PaymentAmount == nil && g.FundingSource == medication.FundingNHS {
		return wrong("payment_amount", "required", "required property payment_amount was not present")
	}
	return nil
}

// lines holds quantities and amounts against what may be dispensed, and works
// out what is reimbursed.
func (t Terms) lines(in Input, q prescription.Qualified, left decimal.Decimal) (list []Line, err error) {
	total := decimal.Decimal(0)
	for i, d := range in.Details {
		at := fmt.Sprintf("dispense_details[%d].", i)
		o, found := offered(q.Offers, d.MedicationID)
		if !found {
			if q.Program != nil {
				return nil, wrong(at+"medication_id", "invalid", "There are no active program medications for this program and medication")
			}
			return nil, wrong(at+"medication_id", "invalid", "Medication not found")
		}
		if !d.Qty.MultipleOf(o.Step()) {
			return nil, wrong(at+"medication_qty", "invalid", "Requested medication brand quantity must be a multiplier of package_min_qty (or package_qty if program_medication.package_quantity_divisible = false)", o.Step().String())
		}
		l := Line{Detail: d, MedicationName: o.Brand.Name, Form: o.Brand.Form, PackageQty: o.Brand.PackageQty, PartID: o.Participant.ID}
		if q.Program != nil {
			l.ReimbursementAmount = o.Participant.Allowed(o.Brand, d.Qty)
		}
		if err := t.checkDiscount(at, d, l.ReimbursementAmount, q.Program != nil); err != nil {
			return nil, err
		}
		list, total = append(list, l), total+d.Qty
	}
	if total > left {
		return nil, wrong("dispense_details", "invalid", "Dispensed medication quantity must be lower or equal to medication quantity in Medication Request", left.String())
	}
	return list, nil
}

// penny is the tolerance of sums that others have rounded.
const penny = decimal.Decimal(100)

// checkDiscount: the discount is what the state pays for; at most that, and not
// less than the deviation below it.
func (t Terms) checkDiscount(at string, d Detail, allowed decimal.Decimal, program bool) error {
	switch {
	case !program && d.DiscountAmount != 0:
		return wrong(at+"discount_amount", "number", "Without a medical program nothing is reimbursed", "0")
	case d.DiscountAmount > allowed+penny:
		return wrong(at+"discount_amount", "number", "Requested discount price does not satisfy allowed reimbursement amount", allowed.String())
	case d.DiscountAmount*100 < allowed*decimal.Decimal(100-t.DeviationPercent):
		return wrong(at+"discount_amount", "number", "Requested discount price does not satisfy allowed reimbursement amount", allowed.String())
	}
	return nil
}

func offered(list []medication.Offer, brand registry.ID) (medication.Offer, bool) {
	for _, o := range list {
		if o.Brand.ID == brand {
			return o, true
		}
	}
	return medication.Offer{}, false
}

// checkPharmacy holds the counter against the rules: who, where.
func (t Terms) checkPharmacy(c registry.Caller, l prm.LegalEntity, d prm.Division, g *medication.Program) error {
	if d.LegalEntityID != c.LegalEntityID {
		return wrong("division_id", "invalid", "Division does not belong to user's legal entity")
	}
	if !d.Active() {
		return wrong("division_id", "invalid", "Division is not active")
	}
	if t.DLS && (g == nil || !g.Settings.SkipDLS) && !d.Details.DLSVerified {
		return wrong("division_id", "invalid", "Division is not verified in the register of drug traders")
	}
	if g != nil && len(g.Settings.LicenseTypes) > 0 && !contains(g.Settings.LicenseTypes, l.Licence.Type) {
		return registry.Errorf(registry.CodeConflict, "Legal entity has no licence that the medical program demands").WithReason("license_type")
	}
	return nil
}
