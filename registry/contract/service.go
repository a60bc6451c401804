package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/medication"
	"mist/registry/prm"
)

// Scopes (eHealth).
const (
	ScopeCreate    = "contract_request:create"
	ScopeRead      = "contract_request:read"
	ScopeUpdate    = "contract_request:update" // the NHSU's hand
	ScopeSign      = "contract_request:sign"
	ScopeTerminate = "contract_request:terminate"

	ScopeContractRead      = "contract:read"
	ScopeContractTerminate = "contract:terminate"
	ScopeContractUpdate    = "contract:update"
	// ScopeReadNHS widens lists and reads to every provider.
	ScopeReadNHS = "contract:read_nhs"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	LegalEntityType(ctx context.Context, name string) (prm.LegalEntityType, bool, error)
	Division(ctx context.Context, id registry.ID) (prm.Division, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	ProgramByID(ctx context.Context, id registry.ID) (medication.Program, error)
	// Head finds the approved head of a legal entity.
	Head(ctx context.Context, legalEntity registry.ID) (prm.Employee, bool, error)
	PutContractDocument(ctx context.Context, d Document) error
	// ContractDocuments lists a request's documents; with lock their rows are held.
	ContractDocuments(ctx context.Context, request registry.ID, lock bool) ([]Document, error)
	PutContractRequest(ctx context.Context, r Request) error
	Seed(ctx context.Context) (string, error)
	// ContractRequest reads one; with lock set, its row is held until commit.
	ContractRequest(ctx context.Context, id registry.ID, lock bool) (Request, error)
	ContractRequestByAct(ctx context.Context, act registry.ID) (Request, error)
	ContractRequests(ctx context.Context, f prm.Filter) ([]Request, int, error)
	NextContractNumber(ctx context.Context) (uint64, error)
	// PutContractSignature keeps who signed; already-done for the same side again.
	PutContractSignature(ctx context.Context, request registry.ID, side string, act registry.ID) error
	ContractSides(ctx context.Context, request registry.ID) ([]string, error)
	InsertContract(ctx context.Context, c Contract) error
	Contract(ctx context.Context, id registry.ID, lock bool) (Contract, error)
	Contracts(ctx context.Context, f prm.Filter) ([]Contract, int, error)
	UpdateContract(ctx context.Context, c Contract) error
	// ContractEmployees lists who works under a contract, or with ended those who did.
	ContractEmployees(ctx context.Context, contract registry.ID, ended bool) ([]ContractEmployee, error)
	InsertContractEmployee(ctx context.Context, contract registry.ID, e ContractEmployee, act registry.ID) error
	// EndContractEmployee ends a doctor's work at a place; false if there was none.
	EndContractEmployee(ctx context.Context, contract, employee, division registry.ID, on registry.Date) (bool, error)
	// EndWorkOfContract ends everybody's work under a contract.
	EndWorkOfContract(ctx context.Context, contract registry.ID, on registry.Date) error
	// EndWorkOfDismissed ends the work of doctors who were dismissed and names their contracts.
	EndWorkOfDismissed(ctx context.Context, limit int) ([]registry.ID, error)
	// EndContracts ends contracts past their last day, and open requests whose
	// start has passed.
	EndContracts(ctx context.Context, today registry.Date, limit int) (contracts, requests []registry.ID, err error)
	TryLock(ctx context.Context, name string) (bool, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Config of a Service; every field is needed.
type Config struct {
	Store    Store
	Media    intake.Media
	Verifier intake.Verifier
	Policies intake.Policies
	Source   registry.Source
	Lists    func(ctx context.Context) (prm.Lists, error)
	// Consent is the text a provider consents to.
	Consent func(ctx context.Context) (string, error)
}

// Service leads requests and contracts.
type Service struct{ Config }

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Media == nil || c.Verifier == nil || c.Policies == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Lists == nil || c.Consent == nil {
		return nil, errors.New("contract: a part is missing")
	}
	return &Service{c}, nil
}

var errNotFound = registry.Errorf(registry.CodeNotFound, "not found")

func entry(c registry.Caller, kind audit.Kind, object string, id registry.ID, status string) audit.Entry {
	e := audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: object, ID: id.String()}}
	if status != "" {
		e.Reason = "status_" + status
	}
	return e
}

func sees(c registry.Caller, legalEntity registry.ID) bool {
	return c.Allows(ScopeReadNHS) || !c.LegalEntityID.IsZero() && c.LegalEntityID == legalEntity
}

// Get reads a request of the own legal entity, or any for the NHSU.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (r Request, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return r, err
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { r, err = tx.ContractRequest(ctx, id, false); return err })
	if err == nil && !sees(c, r.LegalEntityID) {
		return Request{}, errNotFound
	}
	return r, err
}

// List shows a page of requests.
func (s *Service) List(ctx context.Context, c registry.Caller, f prm.Filter) (list []Request, total int, err error) {
	if err := errors.Join(c.Require(ScopeRead), f.Validate()); err != nil {
		return nil, 0, err
	}
	if !narrow(c, &f) {
		return nil, 0, nil
	}
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.ContractRequests(ctx, f); return err })
	return list, total, err
}

func narrow(c registry.Caller, f *prm.Filter) bool {
	if c.Allows(ScopeReadNHS) {
		return true
	}
	if c.LegalEntityID.IsZero() || !f.LegalEntityID.IsZero() && f.LegalEntityID != c.LegalEntityID {
		return false
	}
	f.LegalEntityID = c.LegalEntityID
	return true
}

// step moves a request from one of the given states.
func (s *Service) step(ctx context.Context, c registry.Caller, id registry.ID, scope string, own bool, from []Status,
	f func(ctx context.Context, tx Tx, r *Request) error) (r Request, err error) {
	if err := c.Require(scope); err != nil {
		return r, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r, err = tx.ContractRequest(ctx, id, true); err != nil {
			return err
		}
		if own && (c.LegalEntityID.IsZero() || r.LegalEntityID != c.LegalEntityID) || !own && !c.Allows(ScopeReadNHS) {
			return errNotFound
		}
		if err := allowed(r.Status, from); err != nil {
			return err
		}
		if err := f(ctx, tx, &r); err != nil {
			return err
		}
		r.UpdatedAt = s.Source.Now()
		if err := tx.PutContractRequest(ctx, r); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(c, "contract_request.moved", "contract_request", id, string(r.Status)))
		return err
	})
	return r, err
}

func allowed(at Status, from []Status) error {
	for _, s := range from {
		if at == s {
			return nil
		}
	}
	return registry.Errorf(registry.CodeConflict, "Incorrect status of contract_request to modify it").WithReason("status_" + string(at))
}

// officer demands an approved employee of the NHSU.
func officer(ctx context.Context, tx Tx, c registry.Caller, at string, id registry.ID, kinds ...string) (prm.Employee, error) {
	e, err := tx.Employee(ctx, id)
	wrong := registry.Invalid(registry.FieldError{Entry: at, Rule: "invalid", Description: "must be an approved employee of the NHSU of the type " + strings.Join(kinds, " or ")})
	if registry.CodeOf(err) == registry.CodeNotFound {
		return e, wrong
	}
	if err != nil {
		return e, err
	}
	for _, k := range kinds {
		if e.Type == k && e.Approved() && e.LegalEntityID == c.LegalEntityID {
			return e, nil
		}
	}
	return e, wrong
}

// Assign gives a request to an officer: NEW → IN_PROCESS, or another officer.
func (s *Service) Assign(ctx context.Context, c registry.Caller, id, employee registry.ID) (Request, error) {
	return s.step(ctx, c, id, ScopeUpdate, false, []Status{StatusNew, StatusInProcess}, func(ctx context.Context, tx Tx, r *Request) error {
		if _, err := officer(ctx, tx, c, "$.employee_id", employee, "NHS ADMIN", "NHS ADMIN SIGNER"); err != nil {
			return err
		}
		r.Status, r.Body.AssigneeID, r.Body.NHS.LegalEntityID = StatusInProcess, employee, c.LegalEntityID
		return nil
	})
}

type nhsInput struct {
	SignerID      registry.ID `json:"nhs_signer_id,omitzero"`
	SignerBase    string      `json:"nhs_signer_base,omitempty"`
	ContractPrice *float64    `json:"nhs_contract_price,omitempty"`
	PaymentMethod string      `json:"nhs_payment_method,omitempty"`
	IssueCity     string      `json:"issue_city,omitempty"`
	Misc          string      `json:"misc,omitempty"`
}

// Update writes what the NHSU adds while a request is IN_PROCESS.
func (s *Service) Update(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (Request, error) {
	var in nhsInput
	if err := document.Read(body, &in); err != nil {
		return Request{}, err
	}
	var f document.Faults
	if in.PaymentMethod != "" {
		f.OneOf("$.nhs_payment_method", in.PaymentMethod, "FORWARD", "BACKWARD")
	}
	if in.ContractPrice != nil && *in.ContractPrice < 0 {
		f.Add("$.nhs_contract_price", "number", "must be greater than or equal to 0")
	}
	if utf8.RuneCountInString(in.Misc) > 10_000 {
		f.Add("$.misc", "length", "expected at most 10000 characters")
	}
	if err := f.Err(); err != nil {
		return Request{}, err
	}
	return s.step(ctx, c, id, ScopeUpdate, false, []Status{StatusInProcess}, func(ctx context.Context, tx Tx, r *Request) error {
		n := &r.Body.NHS
		if !in.SignerID.IsZero() {
			if _, err := officer(ctx, tx, c, "$.nhs_signer_id", in.SignerID, "NHS ADMIN SIGNER"); err != nil {
				return err
			}
			n.SignerID = in.SignerID
		}
		set := func(to *string, v string) {
			if v != "" {
				*to = v
			}
		}
		set(&n.SignerBase, in.SignerBase)
		set(&n.PaymentMethod, in.PaymentMethod)
		set(&n.IssueCity, in.IssueCity)
		set(&n.Misc, in.Misc)
		if in.ContractPrice != nil {
			n.ContractPrice = in.ContractPrice
		}
		return nil
	})
}

// approve holds a request the NHSU says yes to against the rules of the moment.
func (s *Service) approve(ctx context.Context, tx Tx, r *Request) error {
	var f document.Faults
	n := r.Body.NHS
	f.Required("$.nhs_signer_base", n.SignerBase)
	f.Required("$.nhs_payment_method", n.PaymentMethod)
	f.Required("$.issue_city", n.IssueCity)
	if n.SignerID.IsZero() {
		f.Add("$.nhs_signer_id", "required", "can't be blank")
	}
	if n.ContractPrice == nil {
		f.Add("$.nhs_contract_price", "required", "can't be blank")
	}
	if err := f.Err(); err != nil {
		return err
	}
	l, err := checkRows(ctx, tx, r.Body.Input)
	if err != nil {
		return err
	}
	if !l.NHSVerified {
		return registry.Errorf(registry.CodeConflict, "Legal entity is not verified by the NHSU").WithReason("legal_entity_not_verified")
	}
	drawn, err := tx.NextContractNumber(ctx)
	if err != nil {
		return err
	}
	r.Status, r.Body.ContractNumber = StatusApproved, number(drawn)
	return nil
}

// ApproveMSP is the provider's yes to what the NHSU added; the document both
// sides sign is frozen.
func (s *Service) ApproveMSP(ctx context.Context, c registry.Caller, id registry.ID) (Request, error) {
	return s.step(ctx, c, id, ScopeSign, true, []Status{StatusApproved}, func(ctx context.Context, tx Tx, r *Request) error {
		if _, err := checkRows(ctx, tx, r.Body.Input); err != nil {
			return err
		}
		r.Status, r.Body.ContractID = StatusPendingNHS, s.Source.NewID()
		doc, err := freeze(ctx, tx, *r)
		r.Document = string(doc)
		return err
	})
}

// Terminate is the provider's withdrawal.
func (s *Service) Terminate(ctx context.Context, c registry.Caller, id registry.ID, reason string) (Request, error) {
	if n := utf8.RuneCountInString(reason); n < 3 || n > 3000 {
		return Request{}, registry.Invalid(registry.FieldError{Entry: "$.status_reason", Rule: "length", Description: "expected 3 to 3000 characters that say why"})
	}
	open := []Status{StatusNew, StatusInProcess, StatusApproved, StatusPendingNHS, StatusNHSSigned}
	return s.step(ctx, c, id, ScopeTerminate, true, open, func(_ context.Context, _ Tx, r *Request) error {
		r.Status, r.StatusReason = StatusTerminated, reason
		return nil
	})
}

// dispensing are the types of legal entities that contracts of reimbursement are with.
var dispensing = []string{"PHARMACY", "MSP_PHARMACY"}

// mayContract: who may ask for a contract at all, or for one of a kind.
func mayContract(l prm.LegalEntity, kind prm.LegalEntityType, in *Input) error {
	may := kind.Capitation || slices.Contains(dispensing, l.Type)
	if in != nil && in.Reimbursement() {
		may = slices.Contains(dispensing, l.Type)
	} else if in != nil {
		may = kind.Capitation
	}
	if l.Active() && !may && in != nil && in.Reimbursement() {
		return registry.Errorf(registry.CodeConflict, "Legal entity may not have a reimbursement contract").WithReason("legal_entity_type")
	}
	if !l.Active() || !may {
		return registry.Errorf(registry.CodeConflict, "Legal entity is not active or may not have a capitation contract").WithReason("legal_entity_status")
	}
	return nil
}

// checkRows holds a request against provider, head, places and doctors as they
// are now.
func checkRows(ctx context.Context, tx Tx, in Input) (prm.LegalEntity, error) {
	l, err := tx.LegalEntity(ctx, in.ContractorLegalEntityID)
	if err != nil {
		return l, err
	}
	kind, _, err := tx.LegalEntityType(ctx, l.Type)
	if err != nil {
		return l, err
	}
	if err := mayContract(l, kind, &in); err != nil {
		return l, err
	}
	var f document.Faults
	if in.Reimbursement() {
		g, err := tx.ProgramByID(ctx, in.MedicalProgramID)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return l, err
		}
		if err != nil || !g.IsActive || g.Type != medication.ProgramMedication {
			f.Add("$.medical_program_id", "invalid", "Reimbursement program with such id does not exist")
		}
	}
	if !in.ParentContractID.IsZero() {
		parent, err := tx.Contract(ctx, in.ParentContractID, false)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return l, err
		}
		if err != nil || parent.LegalEntityID != l.ID || parent.Status != "VERIFIED" {
			f.Add("$.parent_contract_id", "invalid", "Parent contract must be a verified contract of the contractor")
		}
	}
	owner, err := tx.Employee(ctx, in.ContractorOwnerID)
	if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return l, err
	}
	if err != nil || owner.LegalEntityID != l.ID || !owner.Approved() || owner.Type != kind.OwnerType {
		f.Add("$.contractor_owner_id", "invalid", "Contractor owner must be active within current legal entity in contract request")
	}
	for i, id := range in.ContractorDivisions {
		d, err := tx.Division(ctx, id)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return l, err
		}
		if err != nil || d.LegalEntityID != l.ID || !d.Active() {
			f.Add("$.contractor_divisions.["+strconv.Itoa(i)+"]", "invalid", "Division must be active and within current legal_entity")
		} else if in.Reimbursement() && d.Type != "DRUGSTORE" && d.Type != "DRUGSTORE_POINT" {
			f.Add("$.contractor_divisions.["+strconv.Itoa(i)+"]", "invalid", "Division must be a drugstore")
		}
	}
	for i, x := range in.EmployeeDivisions {
		at := "$.contractor_employee_divisions.[" + strconv.Itoa(i) + "]"
		e, err := tx.Employee(ctx, x.EmployeeID)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return l, err
		}
		checkDoctor(&f, at, e, l.ID, x.DeclarationLimit)
	}
	for i, x := range in.ExternalContractors {
		other, err := tx.LegalEntity(ctx, x.LegalEntityID)
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return l, err
		}
		if err != nil || !other.Active() {
			f.Add(fmt.Sprintf("$.external_contractors.[%d].legal_entity_id", i), "invalid", "Active legal entity with such id doesn't exist")
		}
	}
	return l, f.Err()
}
