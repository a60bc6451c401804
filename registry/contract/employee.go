package contract

import (
	"context"
	"fmt"
	"slices"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/signature"
)

// EmployeeName is the act by which a head changes who works under a contract.
const EmployeeName registry.KindName = "contract_employee"

// employeeChange is what the head signs: a doctor's new share at a place, or,
// with is_active false, the end of it.
type employeeChange struct {
	ContractID       registry.ID `json:"contract_id"`
	EmployeeID       registry.ID `json:"employee_id"`
	DivisionID       registry.ID `json:"division_id"`
	StaffUnits       float64     `json:"staff_units,omitempty"`
	DeclarationLimit int         `json:"declaration_limit,omitempty"`
	IsActive         *bool       `json:"is_active,omitempty"`
}

func (e employeeChange) ends() bool { return e.IsActive != nil && !*e.IsActive }

func (e employeeChange) work() EmployeeDivision {
	return EmployeeDivision{e.EmployeeID, e.DivisionID, e.StaffUnits, e.DeclarationLimit}
}

func readChange(body []byte, contract registry.ID) (in employeeChange, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	var f document.Faults
	if in.ContractID != contract {
		f.Add("$.contract_id", "invalid", "The document is about another contract")
	}
	if in.ends() && (in.StaffUnits != 0 || in.DeclarationLimit != 0) {
		f.Add("$.is_active", "invalid", "An end has neither staff_units nor declaration_limit")
	}
	if !in.ends() {
		checkWork(&f, "$", in.work(), []registry.ID{in.DivisionID})
	}
	return in, f.Err()
}

type employeeKind struct {
	s  *Service
	id registry.ID
}

func (employeeKind) Name() registry.KindName { return EmployeeName }
func (employeeKind) Version() int            { return 1 }
func (employeeKind) Scope() string           { return ScopeContractUpdate }

func (k employeeKind) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	return readChange(body, k.id)
}

func (k employeeKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	in := content.(employeeChange)
	contract, err := tx.Contract(ctx, k.id, true)
	if err != nil {
		return nil, err
	}
	if c.LegalEntityID.IsZero() || contract.LegalEntityID != c.LegalEntityID {
		return nil, errNotFound
	}
	if contract.Status != "VERIFIED" {
		return nil, notVerified(contract)
	}
	head, found, err := tx.Head(ctx, contract.LegalEntityID)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, registry.Errorf(registry.CodeConflict, "the legal entity has no approved head").WithReason("head")
	}
	if err := checkPerson(s, head); err != nil {
		return nil, err
	}
	if err := k.apply(ctx, tx, contract, in, a); err != nil {
		return nil, err
	}
	a.LegalEntityID, a.AuthorID, contract.UpdatedAt = contract.LegalEntityID, head.ID, a.AcceptedAt
	if err := tx.UpdateContract(ctx, contract); err != nil {
		return nil, err
	}
	_, err = tx.Audit(ctx, entry(c, "contract.employee_changed", "contract", contract.ID, ""))
	return contract, err
}

func (k employeeKind) apply(ctx context.Context, tx Tx, contract Contract, in employeeChange, a *registry.Act) error {
	today := registry.DateOf(a.AcceptedAt)
	ended, err := tx.EndContractEmployee(ctx, contract.ID, in.EmployeeID, in.DivisionID, today)
	if err != nil {
		return err
	}
	if in.ends() {
		if !ended {
			return registry.Invalid(registry.FieldError{Entry: "$.employee_id", Rule: "invalid", Description: "Invalid employee_id to deactivate"})
		}
		return nil
	}
	var f document.Faults
	if !slices.Contains(contract.Body.ContractorDivisions, in.DivisionID) {
		f.Add("$.division_id", "inclusion", "Division should be among contract_divisions")
	} else if d, err := tx.Division(ctx, in.DivisionID); err != nil {
		return err
	} else if !d.Active() {
		f.Add("$.division_id", "invalid", "Division must be active and within current legal_entity")
	}
	e, err := tx.Employee(ctx, in.EmployeeID)
	if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return err
	}
	checkDoctor(&f, "$", e, contract.LegalEntityID, in.DeclarationLimit)
	if err := f.Err(); err != nil {
		return err
	}
	begin := today
	if begin.Before(contract.StartDate) {
		begin = contract.StartDate
	}
	return tx.InsertContractEmployee(ctx, contract.ID, ContractEmployee{EmployeeDivision: in.work(), StartDate: begin}, a.ID)
}

func (k employeeKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	contract, err := tx.Contract(ctx, k.id, false)
	if err == nil && (a.LegalEntityID != contract.LegalEntityID || c.LegalEntityID != a.LegalEntityID) {
		err = errNotFound
	}
	return contract, err
}

// ChangeEmployee takes the head's signed change of who works under a contract.
func (s *Service) ChangeEmployee(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Contract, audit.Receipt, error) {
	p, err := intake.NewSubmissions(employeeKind{s, id}, intakeStore{s.Store}, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return Contract{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, c, container)
	if err != nil {
		return Contract{}, audit.Receipt{}, err
	}
	return out.Resource.(Contract), out.Receipt, nil
}
