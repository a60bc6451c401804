package contract

import (
	"context"
	"fmt"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/signature"
)

// DecisionName is the act of an officer of the NHSU: yes or no to a request.
const DecisionName registry.KindName = "contract_decision"

// decision is what the officer signs (domain notes 2.6: the request as the
// registry renders it, with the state it goes to).
type decision struct {
	ID         registry.ID `json:"id"`
	NextStatus Status      `json:"next_status"`
	Contractor decided     `json:"contractor_legal_entity"`
	// StatusReason says why; with DECLINED alone.
	StatusReason string `json:"status_reason,omitempty"`
}

type decided struct {
	ID     registry.ID `json:"id"`
	Name   string      `json:"name"`
	EDRPOU string      `json:"edrpou"`
}

func render(ctx context.Context, tx Tx, r Request, to Status, reason string) (decision, error) {
	l, err := tx.LegalEntity(ctx, r.LegalEntityID)
	return decision{r.ID, to, decided{l.ID, l.Name, string(l.EDRPOU)}, reason}, err
}

// decisionKind is one decision about one request.
type decisionKind struct {
	s  *Service
	id registry.ID
	to Status // APPROVED, DECLINED
}

func (decisionKind) Name() registry.KindName { return DecisionName }
func (decisionKind) Version() int            { return 1 }
func (decisionKind) Scope() string           { return ScopeUpdate }

func (k decisionKind) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	return readDecision(body, k.to)
}

func readDecision(body []byte, to Status) (in decision, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	var f document.Faults
	f.OneOf("$.next_status", string(in.NextStatus), string(to))
	switch n := utf8.RuneCountInString(in.StatusReason); {
	case to == StatusApproved && n > 0:
		f.Add("$.status_reason", "exclusion", "only a refusal has a reason")
	case to == StatusDeclined && (n < 3 || n > 3000):
		f.Add("$.status_reason", "length", "expected 3 to 3000 characters that say why")
	}
	return in, f.Err()
}

func (k decisionKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	in := content.(decision)
	r, err := tx.ContractRequest(ctx, k.id, true)
	if err != nil {
		return nil, err
	}
	if !c.Allows(ScopeReadNHS) {
		return nil, errNotFound
	}
	if err := allowed(r.Status, []Status{StatusInProcess}); err != nil {
		return nil, err
	}
	now, err := render(ctx, tx, r, k.to, in.StatusReason)
	if err != nil {
		return nil, err
	}
	if in != now {
		return nil, differs(in, now)
	}
	by, err := officer(ctx, tx, c, "$.employee_id", c.EmployeeID, "NHS ADMIN", "NHS ADMIN SIGNER")
	if err != nil {
		return nil, err
	}
	if err := checkPerson(s, by); err != nil {
		return nil, err
	}
	if k.to == StatusApproved {
		err = k.s.approve(ctx, tx, &r)
	} else {
		r.Status, r.StatusReason = StatusDeclined, in.StatusReason
	}
	if err != nil {
		return nil, err
	}
	a.LegalEntityID, a.RefersTo, a.AuthorID, r.UpdatedAt = r.LegalEntityID, r.ActID, by.ID, a.AcceptedAt
	if err := tx.PutContractRequest(ctx, r); err != nil {
		return nil, err
	}
	_, err = tx.Audit(ctx, entry(c, "contract_request.moved", "contract_request", r.ID, string(r.Status)))
	return r, err
}

// differs names the members in which a decision is not the request's.
func differs(in, now decision) error {
	signed, err := jcs.Marshal(in)
	if err != nil {
		return err
	}
	drawn, err := jcs.Marshal(now)
	if err != nil {
		return err
	}
	return intake.SameDocument(drawn, signed)
}

func (k decisionKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	r, err := tx.ContractRequest(ctx, k.id, false)
	if err == nil && (a.RefersTo != r.ActID || !c.Allows(ScopeReadNHS)) {
		err = errNotFound
	}
	return r, err
}

func (s *Service) decide(ctx context.Context, c registry.Caller, id registry.ID, to Status, container []byte) (Request, audit.Receipt, error) {
	p, err := intake.NewSubmissions(decisionKind{s, id, to}, intakeStore{s.Store}, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return Request{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, c, container)
	if err != nil {
		return Request{}, audit.Receipt{}, err
	}
	return out.Resource.(Request), out.Receipt, nil
}

// Approve is the NHSU's signed yes: everything it adds is there, and the
// provider is still what the request says. A contract number is drawn.
func (s *Service) Approve(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Request, audit.Receipt, error) {
	return s.decide(ctx, c, id, StatusApproved, container)
}

// Decline is the NHSU's signed no, with its words.
func (s *Service) Decline(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Request, audit.Receipt, error) {
	return s.decide(ctx, c, id, StatusDeclined, container)
}

// DataToBeSigned is what a step's signature goes over: action "approve" or
// "decline" what the officer decides (the reason of a refusal is the officer's
// to add), "sign" the frozen contract.
func (s *Service) DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID, action string) ([]byte, error) {
	r, err := s.Get(ctx, c, id)
	if err != nil {
		return nil, err
	}
	switch action {
	case "sign":
		if r.Document == "" {
			return nil, registry.Errorf(registry.CodeConflict, "there is nothing to sign in status %s", r.Status).WithReason("status_" + string(r.Status))
		}
		return []byte(r.Document), nil
	case "approve", "decline":
		if err := allowed(r.Status, []Status{StatusInProcess}); err != nil {
			return nil, err
		}
		to := map[string]Status{"approve": StatusApproved, "decline": StatusDeclined}[action]
		var d decision
		err := s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) { d, err = render(ctx, tx, r, to, ""); return err })
		if err != nil {
			return nil, err
		}
		return jcs.Marshal(d)
	}
	return nil, registry.Invalid(registry.FieldError{Entry: "$.action", EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum",
		Params: []string{"approve", "decline", "sign"}})
}
