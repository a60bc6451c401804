package legalentity

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/address"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/prm"
	"mist/registry/verification"
	"mist/signature"
)

// Name is the stable name of the act kind; Version that of its document.
const (
	Name    registry.KindName = "legal_entity"
	Version int               = 1
)

// Scopes (eHealth).
const (
	ScopeWrite      = "legal_entity:write"
	ScopeVerify     = "legal_entity:nhs_verify"
	ScopeDeactivate = "legal_entity:deactivate"
	ScopeMerge      = "legal_entity:merge"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	intake.SubmissionTx
	job.Tx
	verification.EntityTx
	address.CheckTx
	LegalEntityType(ctx context.Context, name string) (prm.LegalEntityType, bool, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	// LockLegalEntity holds the row until the transaction ends.
	LockLegalEntity(ctx context.Context, id registry.ID) error
	LegalEntityByCode(ctx context.Context, code registry.EDRPOU, kind string) (prm.LegalEntity, bool, error)
	PutLegalEntity(ctx context.Context, l prm.LegalEntity) error
	// Head is the approved head of a legal entity.
	Head(ctx context.Context, legalEntity registry.ID) (prm.Employee, bool, error)
	BlackListed(ctx context.Context, taxID string) (bool, error)
	PutClient(ctx context.Context, c access.Client) error
	PutEmployeeRequest(ctx context.Context, r prm.EmployeeRequest) error
	// ExpireHeadRequests ends open invitations of a head: a new one comes.
	ExpireHeadRequests(ctx context.Context, legalEntity registry.ID) error
	// TerminateContractRequests ends the open requests of a legal entity.
	TerminateContractRequests(ctx context.Context, legalEntity registry.ID, reason string) ([]registry.ID, error)
	EndingTx
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Kind is the registration as an act kind without drafts.
type Kind struct {
	Source registry.Source
	// Lists gives the dictionaries as they are now.
	Lists func(ctx context.Context) (prm.Lists, error)
	// RequestTerm is how long the head has to answer the invitation.
	RequestTerm func(ctx context.Context) (time.Duration, error)
	// Verification asks the register of legal entities about each registration.
	Verification verification.Starter
}

// Name implements intake.SubmissionKind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.SubmissionKind.
func (Kind) Version() int { return Version }

// Scope implements intake.SubmissionKind.
func (Kind) Scope() string { return ScopeWrite }

// content is a registration that was read, with what a new client needs: the
// slow hash of its secret is made before the transaction.
type content struct {
	Registration
	secret     string
	hash, salt []byte
	term       time.Duration
}

// Decode implements intake.SubmissionKind.
func (k Kind) Decode(ctx context.Context, signed signature.SignedBytes, s signature.Signer) (any, error) {
	body, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	lists, err := k.Lists(ctx)
	if err != nil {
		return nil, err
	}
	c := content{}
	if c.Registration, err = read(body, lists, registry.DateOf(k.Source.Now())); err != nil {
		return nil, err
	}
	if err := checkSigner(s, c.EDRPOU); err != nil {
		return nil, err
	}
	if c.term, err = k.RequestTerm(ctx); err != nil {
		return nil, err
	}
	c.secret, c.salt = hex.EncodeToString(k.Source.Bytes(24)), k.Source.Bytes(16)
	c.hash = access.HashSecret(c.secret, c.salt)
	return c, nil
}

// Credentials of the client made for a new legal entity; shown once.
type Credentials struct {
	ClientID     registry.ID `json:"client_id"`
	ClientSecret string      `json:"client_secret"`
	RedirectURI  string      `json:"redirect_uri"`
}

// Accepted is the outcome of a registration.
type Accepted struct {
	LegalEntity prm.LegalEntity
	Created     bool
	// Security is set once, for a new legal entity.
	Security *Credentials
	// HeadRequest is the request that invites the head; zero when the head stays.
	HeadRequest registry.ID
}

// Accept implements intake.SubmissionKind.
func (k Kind) Accept(ctx context.Context, tx Tx, c registry.Caller, _ signature.Signer, a *registry.Act, read any) (any, error) {
	in := read.(content)
	kind, found, err := tx.LegalEntityType(ctx, in.Type)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.type", Rule: "inclusion", Description: "value is not allowed in enum"})
	}
	if err := checkType(in.Registration, kind); err != nil {
		return nil, err
	}
	if err := prm.CheckSettlements(ctx, tx, "$.addresses", in.Addresses); err != nil {
		return nil, err
	}
	listed, err := tx.BlackListed(ctx, in.Owner.TaxID)
	if err != nil {
		return nil, err
	}
	if listed {
		return nil, registry.Errorf(registry.CodeConflict, "new employee with this tax_id can't be created").WithReason("black_listed")
	}
	l, known, err := tx.LegalEntityByCode(ctx, in.EDRPOU, in.Type)
	if err != nil {
		return nil, err
	}
	out := Accepted{Created: !known}
	if known {
		if l.Status == "CLOSED" || l.Status == "REORGANIZED" {
			return nil, registry.Errorf(registry.CodeConflict, "LegalEntity can't be updated").WithReason("status_" + l.Status)
		}
	} else {
		l = prm.LegalEntity{ID: k.Source.NewID(), Status: "ACTIVE", InsertedAt: a.AcceptedAt}
	}
	l = in.apply(l)
	l.UpdatedAt = a.AcceptedAt
	a.LegalEntityID = l.ID
	if err := tx.PutLegalEntity(ctx, l); err != nil {
		return nil, err
	}
	out.LegalEntity = l
	if out.Created {
		client := access.Client{ID: k.Source.NewID(), Name: in.Type + " " + string(in.EDRPOU), Type: "MIS", LegalEntityID: l.ID,
			Scopes: append(slices.Clone(kind.Scopes), access.Registered(kind.Type)...), SecretHash: in.hash, SecretSalt: in.salt}
		if err := tx.PutClient(ctx, client); err != nil {
			return nil, err
		}
		out.Security = &Credentials{client.ID, in.secret, in.Security.RedirectURI}
	} else if err := k.endContractRequests(ctx, tx, c, l.ID); err != nil {
		return nil, err
	}
	if err := k.invite(ctx, tx, in, kind, a, &out); err != nil {
		return nil, err
	}
	if err := k.Verification.BeginEntity(ctx, tx, c, l.ID, string(l.EDRPOU), l.Name); err != nil {
		return nil, err
	}
	return out, nil
}

// endContractRequests: a changed legal entity asks for its contracts anew.
func (k Kind) endContractRequests(ctx context.Context, tx Tx, c registry.Caller, id registry.ID) error {
	ended, err := tx.TerminateContractRequests(ctx, id, "AUTO_LEGAL_ENTITY_CHANGED")
	if err != nil {
		return err
	}
	for _, request := range ended {
		if _, err := tx.Audit(ctx, entry(c, "contract_request.terminated", "contract_request", request)); err != nil {
			return err
		}
	}
	return nil
}

// invite asks the head to confirm, unless the same person is head already.
func (k Kind) invite(ctx context.Context, tx Tx, in content, kind prm.LegalEntityType, a *registry.Act, out *Accepted) error {
	head, found, err := tx.Head(ctx, a.LegalEntityID)
	if err != nil {
		return err
	}
	if found && head.Party.TaxID == in.Owner.TaxID {
		return nil
	}
	if err := tx.ExpireHeadRequests(ctx, a.LegalEntityID); err != nil {
		return err
	}
	token := base64.RawURLEncoding.EncodeToString(k.Source.Bytes(32))
	r := prm.EmployeeRequest{
		ID: k.Source.NewID(), ActID: a.ID, LegalEntityID: a.LegalEntityID, Status: prm.RequestNew, Invitation: sha256.Sum256([]byte(token)),
		Body:       prm.EmployeeRequestBody{EmployeeType: kind.OwnerType, Position: in.Owner.Position, StartDate: registry.DateOf(a.AcceptedAt), Party: in.Owner.PartyInput},
		InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt, ExpiresAt: a.AcceptedAt.Add(in.term),
	}
	out.HeadRequest = r.ID
	if err := tx.PutEmployeeRequest(ctx, r); err != nil {
		return err
	}
	return prm.Invite(ctx, tx, k.Source, r, in.Name, token)
}

// Repeat implements intake.SubmissionKind. Legal entities are public; the
// secret of the client is not shown again.
func (Kind) Repeat(ctx context.Context, tx Tx, _ registry.Caller, a registry.Act) (any, error) {
	l, err := tx.LegalEntity(ctx, a.LegalEntityID)
	return Accepted{LegalEntity: l}, err
}

func entry(c registry.Caller, kind audit.Kind, object string, id registry.ID) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: object, ID: id.String()}}
}

// Service registers legal entities and ends them.
type Service struct {
	submissions *intake.Submissions[Tx]
	store       Store
	source      registry.Source
}

// New refuses a half-configured service.
func New(submissions *intake.Submissions[Tx], store Store, source registry.Source) (*Service, error) {
	if submissions == nil || store == nil || source.Clock == nil {
		return nil, errors.New("legalentity: a part is missing")
	}
	return &Service{submissions, store, source}, nil
}

// Register takes a signed registration.
func (s *Service) Register(ctx context.Context, c registry.Caller, container []byte) (Accepted, audit.Receipt, error) {
	out, err := s.submissions.Submit(ctx, c, container)
	if err != nil {
		return Accepted{}, audit.Receipt{}, err
	}
	return out.Resource.(Accepted), out.Receipt, nil
}
