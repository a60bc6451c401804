package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/prm"
	"mist/signature"
)

// Act kinds of the room.
const (
	RequestName   registry.KindName = "contract_request"
	SignatureName registry.KindName = "contract_signature"
)

// Sides that sign.
const (
	sideSigner     = "nhs_signer"
	sideSeal       = "nhs_seal"
	sideContractor = "contractor"
)

// requestKind is the provider's signed request.
type requestKind struct {
	s  *Service
	id registry.ID // of the draft
}

type requestContent struct{ in Input }

func (requestKind) Name() registry.KindName { return RequestName }
func (requestKind) Version() int            { return 1 }
func (requestKind) Scope() string           { return ScopeCreate }

func (k requestKind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	lists, err := k.s.Lists(ctx)
	if err != nil {
		return nil, err
	}
	consent, err := k.s.Consent(ctx)
	if err != nil {
		return nil, err
	}
	in, err := read(body, lists, consent, registry.DateOf(k.s.Source.Now()))
	if err != nil {
		return nil, err
	}
	if in.ID != k.id {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.id", Rule: "invalid", Description: "The document is about another request: id is that of the draft"})
	}
	return requestContent{in}, k.s.kept(ctx, in)
}

func (k requestKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	in := content.(requestContent).in
	if c.LegalEntityID.IsZero() || in.ContractorLegalEntityID != c.LegalEntityID {
		return nil, registry.Errorf(registry.CodeForbidden, "User is not allowed to perform this action: the contractor is another legal entity").WithReason("legal_entity")
	}
	// The rows of the documents are held: of two containers for one draft the
	// second finds the request.
	documents, err := tx.ContractDocuments(ctx, k.id, true)
	if err != nil {
		return nil, err
	}
	if len(documents) == 0 || documents[0].LegalEntityID != c.LegalEntityID {
		return nil, errNotFound
	}
	if _, err := tx.ContractRequest(ctx, k.id, false); err == nil {
		return nil, registry.Errorf(registry.CodeConflict, "the request is signed already; begin another one").WithReason("contract_request_signed")
	} else if registry.CodeOf(err) != registry.CodeNotFound {
		return nil, err
	}
	if err := fits(documents, in); err != nil {
		return nil, err
	}
	if _, err := checkRows(ctx, tx, in); err != nil {
		return nil, err
	}
	owner, err := tx.Employee(ctx, in.ContractorOwnerID)
	if err != nil {
		return nil, err
	}
	if err := checkPerson(s, owner); err != nil {
		return nil, err
	}
	a.LegalEntityID, a.AuthorID = c.LegalEntityID, owner.ID
	r := Request{ID: k.id, ActID: a.ID, LegalEntityID: c.LegalEntityID, Status: StatusNew, Body: Body{Input: in}, InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt}
	return r, tx.PutContractRequest(ctx, r)
}

func (k requestKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	r, err := tx.ContractRequestByAct(ctx, a.ID)
	if err == nil && (a.LegalEntityID != c.LegalEntityID || r.ID != k.id) {
		err = errNotFound
	}
	return r, err
}

// checkPerson: tax number and surname of the certificate are the employee's
// (domain notes 2.5).
func checkPerson(s signature.Signer, e prm.Employee) error {
	const rule = "drfo-and-surname-of-the-side"
	who := intake.Signatory{TaxID: e.Party.TaxID, LastName: e.Party.LastName}
	if err := intake.MatchDRFO.Compare(s, who, rule); err != nil {
		return err
	}
	return intake.MatchSurname.Compare(s, who, rule)
}

// Create takes the signed request of a provider's head for a draft.
func (s *Service) Create(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Request, audit.Receipt, error) {
	p, err := intake.NewSubmissions(requestKind{s, id}, intakeStore{s.Store}, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return Request{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, c, container)
	if err != nil {
		return Request{}, audit.Receipt{}, err
	}
	return out.Resource.(Request), out.Receipt, nil
}

// intakeStore is the room's store as the pipeline names it.
type intakeStore struct{ Store }

// frozen is the document both sides sign.
type frozen struct {
	ID       registry.ID `json:"id"`
	Number   string      `json:"contract_number"`
	Request  Body        `json:"contract_request"`
	Party    partyLine   `json:"contractor"`
	NHS      partyLine   `json:"nhs"`
	Printout string      `json:"printout_content"`
	Seed     string      `json:"seed"`
}

type partyLine struct {
	Name   string `json:"name"`
	EDRPOU string `json:"edrpou"`
}

func freeze(ctx context.Context, tx Tx, r Request) ([]byte, error) {
	l, err := tx.LegalEntity(ctx, r.LegalEntityID)
	if err != nil {
		return nil, err
	}
	n, err := tx.LegalEntity(ctx, r.Body.NHS.LegalEntityID)
	if err != nil {
		return nil, err
	}
	d := frozen{ID: r.ID, Number: r.Body.ContractNumber, Request: r.Body, Party: partyLine{l.Name, string(l.EDRPOU)}, NHS: partyLine{n.Name, string(n.EDRPOU)}}
	if d.Seed, err = tx.Seed(ctx); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := printout.Execute(&b, d); err != nil {
		return nil, fmt.Errorf("rendering the contract: %w", err)
	}
	d.Printout = b.String()
	return jcs.Marshal(d)
}

// printout is what people read; html/template escapes every value.
var printout = template.Must(template.New("contract").Parse(`<!DOCTYPE html>
<html lang="uk"><head><meta charset="utf-8"><title>Договір {{.Number}}</title></head><body>
<h1>Договір про медичне обслуговування населення № {{.Number}}</h1>
<p>{{.NHS.Name}} (ЄДРПОУ {{.NHS.EDRPOU}}) та {{.Party.Name}} (ЄДРПОУ {{.Party.EDRPOU}}), {{.Request.IssueCity}}</p>
<p>Строк: {{.Request.StartDate}} – {{.Request.EndDate}}. Ціна: {{with .Request.ContractPrice}}{{.}}{{end}} грн.</p>
<ul>{{range .Request.EmployeeDivisions}}<li>{{.EmployeeID}} · {{.DivisionID}} · {{.StaffUnits}} · {{.DeclarationLimit}}</li>{{end}}</ul>
</body></html>
`))

// signKind is one party's signature under the frozen document of a request.
type signKind struct {
	s   *Service
	id  registry.ID
	nhs bool // whose step it is
}

func (signKind) Name() registry.KindName { return SignatureName }
func (signKind) Version() int            { return 1 }
func (signKind) Scope() string           { return ScopeSign }

func (signKind) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	b, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	return b, nil
}

// Signed is the outcome of one signature.
type Signed struct {
	Request  Request
	Contract *Contract // when the last side has signed
}

func (k signKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	r, err := tx.ContractRequest(ctx, k.id, true)
	if err != nil {
		return nil, err
	}
	if !sees(c, r.LegalEntityID) {
		return nil, errNotFound
	}
	if r.Document == "" {
		return nil, allowed(r.Status, []Status{StatusPendingNHS, StatusNHSSigned})
	}
	if !bytes.Equal(content.([]byte), []byte(r.Document)) {
		if err := intake.SameDocument([]byte(r.Document), content.([]byte)); err != nil {
			return nil, err
		}
	}
	a.LegalEntityID, a.RefersTo = r.LegalEntityID, r.ActID
	side, err := k.side(ctx, tx, c, s, r, a)
	if err != nil {
		return nil, err
	}
	sides, err := tx.ContractSides(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	if slices.Contains(sides, side) {
		return nil, registry.Errorf(registry.CodeConflict, "this side has signed already").WithReason("signed_" + side)
	}
	if err := tx.PutContractSignature(ctx, r.ID, side, a.ID); err != nil {
		return nil, err
	}
	sides = append(sides, side)
	out := Signed{}
	if slices.Contains(sides, sideSigner) && slices.Contains(sides, sideSeal) {
		r.Status = StatusNHSSigned
	}
	if side == sideContractor {
		r.Status = StatusSigned
		contract := Contract{ID: r.Body.ContractID, Number: r.Body.ContractNumber, RequestID: r.ID, LegalEntityID: r.LegalEntityID, Status: "VERIFIED", ParentID: r.Body.ParentContractID,
			StartDate: r.Body.StartDate, EndDate: r.Body.EndDate, Body: r.Body, InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt}
		out.Contract = &contract
		if err := k.replace(ctx, tx, c, contract); err != nil {
			return nil, err
		}
		// The request first: the contract refers to it.
		if err := tx.InsertContract(ctx, contract); err != nil {
			return nil, err
		}
	}
	r.UpdatedAt = a.AcceptedAt
	out.Request = r
	return out, tx.PutContractRequest(ctx, r)
}

// replace ends the contract a new one takes the place of.
func (k signKind) replace(ctx context.Context, tx Tx, c registry.Caller, by Contract) error {
	if by.ParentID.IsZero() {
		return nil
	}
	parent, err := tx.Contract(ctx, by.ParentID, true)
	if err != nil {
		return err
	}
	parent.Status, parent.StatusReason, parent.UpdatedAt = "TERMINATED", "REPLACED", by.InsertedAt
	if err := tx.UpdateContract(ctx, parent); err != nil {
		return err
	}
	if err := tx.EndWorkOfContract(ctx, parent.ID, registry.DateOf(by.InsertedAt)); err != nil {
		return err
	}
	_, err = tx.Audit(ctx, entry(c, "contract.terminated", "contract", parent.ID, parent.Status))
	return err
}

// side tells for whom a signature stands. The NHSU signs first: officer and
// seal in any order; then the head of the provider.
func (k signKind) side(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, r Request, a *registry.Act) (string, error) {
	if !k.nhs {
		if c.LegalEntityID != r.LegalEntityID {
			return "", registry.Errorf(registry.CodeForbidden, "the provider signs here").WithReason("side")
		}
		if err := allowed(r.Status, []Status{StatusNHSSigned}); err != nil {
			return "", err
		}
		owner, err := tx.Employee(ctx, r.Body.ContractorOwnerID)
		if err != nil {
			return "", err
		}
		if _, err := checkRows(ctx, tx, r.Body.Input); err != nil {
			return "", err
		}
		a.AuthorID = owner.ID
		return sideContractor, checkPerson(s, owner)
	}
	if c.LegalEntityID != r.Body.NHS.LegalEntityID {
		return "", registry.Errorf(registry.CodeForbidden, "the NHSU signs here").WithReason("side")
	}
	if err := allowed(r.Status, []Status{StatusPendingNHS}); err != nil {
		return "", err
	}
	if s.Seal {
		n, err := tx.LegalEntity(ctx, r.Body.NHS.LegalEntityID)
		if err != nil {
			return "", err
		}
		if s.EDRPOU != string(n.EDRPOU) {
			return "", intake.Mismatch("EDRPOU of the seal is not the NHSU's", "signer_mismatch", "edrpou-of-the-seal", "equal digits",
				intake.Side{Masked: registry.Mask(s.EDRPOU), Source: s.EDRPOUSource}, intake.Side{Masked: registry.Mask(string(n.EDRPOU)), Source: "legal_entity.edrpou"})
		}
		return sideSeal, nil
	}
	signer, err := tx.Employee(ctx, r.Body.SignerID)
	if err != nil {
		return "", err
	}
	a.AuthorID = signer.ID
	return sideSigner, checkPerson(s, signer)
}

func (k signKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	r, err := tx.ContractRequest(ctx, k.id, false)
	if err != nil {
		return nil, err
	}
	if a.RefersTo != r.ActID || !sees(c, r.LegalEntityID) {
		return nil, errNotFound
	}
	return Signed{Request: r}, nil
}

// SignNHS takes the signature of the NHSU's officer, or its seal.
func (s *Service) SignNHS(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Signed, audit.Receipt, error) {
	return s.sign(ctx, c, signKind{s, id, true}, container)
}

// SignMSP takes the signature of the provider's head: the contract is made.
func (s *Service) SignMSP(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Signed, audit.Receipt, error) {
	return s.sign(ctx, c, signKind{s, id, false}, container)
}

// Printout is the form of a request that both sides sign.
func (s *Service) Printout(ctx context.Context, c registry.Caller, id registry.ID) (string, error) {
	b, err := s.DataToBeSigned(ctx, c, id, "sign")
	if err != nil {
		return "", err
	}
	var d frozen
	if err := json.Unmarshal(b, &d); err != nil {
		return "", fmt.Errorf("reading a frozen contract: %w", err)
	}
	return d.Printout, nil
}

func (s *Service) sign(ctx context.Context, c registry.Caller, k signKind, container []byte) (Signed, audit.Receipt, error) {
	p, err := intake.NewSubmissions(k, intakeStore{s.Store}, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return Signed{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, c, container)
	if err != nil {
		return Signed{}, audit.Receipt{}, err
	}
	return out.Resource.(Signed), out.Receipt, nil
}
