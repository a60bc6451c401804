// Package access knows the client systems, gives them tokens and says what a
// token may do. Tokens are opaque, 256 bits of randomness, stored only as
// SHA-256; secrets only as argon2id.
package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// Client is an information system that may ask for tokens.
type Client struct {
	ID            registry.ID
	Name          string
	Type          string      // MIS, NHS, AUDITOR, CABINET, PIS
	LegalEntityID registry.ID // the provider it works for; zero for systems of the centre
	Scopes        []string
	SecretHash    []byte // argon2id(secret, salt)
	SecretSalt    []byte
	Blocked       bool
	// RedirectURIs are where a browser may be sent after a login (exact match).
	RedirectURIs []string
	// Public tells that the client keeps no secret: a program on a person's own device.
	Public bool
	// CertificateBound binds every token to the certificate of the connection it
	// was asked for on (RFC 8705, 3.4).
	CertificateBound bool
}

// Token is an issued bearer token.
type Token struct {
	Hash          [32]byte // SHA-256 of the token
	ClientID      registry.ID
	GrantID       registry.ID // zero: client credentials
	UserID        registry.ID // who logged in; zero without a login
	Role          string
	PersonID      registry.ID // the citizen's own record
	EmployeeID    registry.ID // zero: the system itself
	PartyID       registry.ID
	LegalEntityID registry.ID
	Scopes        []string
	IssuedAt      time.Time
	ExpiresAt     time.Time
	// RevokedAt is when the token, its grant or its user was ended.
	RevokedAt time.Time
	// Certificate is the SHA-256 of the certificate the token is bound to; nil: none.
	Certificate []byte
}

// Tx is what access needs of a transaction.
type Tx interface {
	LogInTx
	AuthorizationTx
	APIKeyTx
	UserTx
	Client(ctx context.Context, id registry.ID) (Client, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	InsertToken(ctx context.Context, t Token) error
	// Token finds a token by its hash together with its client.
	Token(ctx context.Context, hash [32]byte) (Token, Client, error)
	RevokeToken(ctx context.Context, hash [32]byte, at time.Time) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	// Look is for one query.
	Look(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Config of a Service; every field is needed.
type Config struct {
	Store Store
	// Walled is the same store within the caller's reach: hospitals' keys are
	// kept through it.
	Walled   Store
	Verifier Verifier
	// Policies gives the policy of the kind "login".
	Policies Policies
	Source   registry.Source
	Lives    Lives
	// Key makes and checks the proofs of challenges: at least 32 bytes.
	Key []byte
	// Audience is the address people log in at; it stands in every challenge.
	Audience string
	// Profile stands in API keys: test or live.
	Profile string
}

// Service issues and checks tokens.
type Service struct {
	store    Store
	walled   Store
	verifier Verifier
	policies Policies
	source   registry.Source
	lives    Lives
	key      []byte
	audience string
	profile  string
	proven   *proven
	// slots bounds how many argon2 computations run at once: each takes 19 MiB.
	slots chan struct{}
}

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	l := c.Lives
	switch {
	case c.Store == nil, c.Walled == nil, c.Verifier == nil, c.Policies == nil, c.Source.Clock == nil, c.Source.Random == nil, c.Audience == "", c.Profile != "test" && c.Profile != "live":
		return nil, errors.New("access: a part is missing")
	case len(c.Key) < 32:
		return nil, errors.New("access: the key of challenges is shorter than 32 bytes")
	case l.Challenge <= 0, l.Code <= 0, l.Access <= 0, l.Refresh <= 0, l.Grant <= 0:
		return nil, errors.New("access: lives must be positive")
	}
	// A key of its own, so that nothing signed here passes for something else.
	m := hmac.New(sha256.New, c.Key)
	m.Write([]byte("mist login challenge"))
	return &Service{c.Store, c.Walled, c.Verifier, c.Policies, c.Source, l, m.Sum(nil), c.Audience, c.Profile, &proven{}, make(chan struct{}, 2)}, nil
}

// HashSecret is argon2id with the parameters of RFC 9106's low-memory
// recommendation as OWASP gives them: 19 MiB, 2 passes, 1 lane.
func HashSecret(secret string, salt []byte) []byte {
	return argon2.IDKey([]byte(secret), salt, 2, 19*1024, 1, 32)
}

// Grant is an OAuth2 client_credentials request (RFC 6749, 4.4). EmployeeID is
// Mist's extension: the employee of the client's own legal entity on whose
// behalf the system works; the token has the scopes of the client that the
// employee's role has too.
type Grant struct {
	Proof
	Scope      string // space separated; empty: all there is
	EmployeeID string
}

// Issued is the answer to a grant. RefreshToken and Position are there when a
// human logged in.
type Issued struct {
	AccessToken  string
	RefreshToken string
	ExpiresIn    time.Duration
	Scopes       []string
	Position     *Position
}

var errClient = registry.Errorf(registry.CodeUnauthenticated, "invalid client credentials").WithReason("invalid_client")

// authenticateClient checks who the client system is. A wrong id and a wrong
// secret take the same time and get the same answer. A public client has no
// secret and may only bring what a human granted.
func (s *Service) authenticateClient(ctx context.Context, p Proof, public bool) (Client, error) {
	id, err := registry.ParseID(p.ClientID)
	var client Client
	if err == nil {
		err = s.store.Look(ctx, func(ctx context.Context, tx Tx) error {
			client, err = tx.Client(ctx, id)
			return err
		})
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return Client{}, err
		}
	}
	if client.Public {
		if !public || client.Blocked || p.ClientSecret != "" {
			return Client{}, errClient
		}
		return client, client.checkCertificate(p.Certificate)
	}
	salt := client.SecretSalt
	if len(salt) == 0 {
		salt = make([]byte, 16)
	}
	hash, err := s.hash(ctx, p.ClientSecret, salt)
	if err != nil {
		return Client{}, err
	}
	if subtle.ConstantTimeCompare(hash, client.SecretHash) != 1 || client.Blocked {
		return Client{}, errClient
	}
	return client, client.checkCertificate(p.Certificate)
}

// hash computes argon2id when there is a slot for it.
func (s *Service) hash(ctx context.Context, secret string, salt []byte) ([]byte, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, registry.Errorf(registry.CodeUnavailable, "busy; ask again").WithCause(ctx.Err())
	}
	defer func() { <-s.slots }()
	return HashSecret(secret, salt), nil
}

func (c Client) checkCertificate(presented []byte) error {
	if c.CertificateBound && len(presented) != sha256.Size {
		return registry.Errorf(registry.CodeUnauthenticated, "this client asks for tokens over TLS with its certificate").WithReason("invalid_client")
	}
	return nil
}

// Issue checks the client's secret and issues a token for the system.
func (s *Service) Issue(ctx context.Context, c registry.Caller, g Grant) (Issued, error) {
	client, err := s.authenticateClient(ctx, g.Proof, false)
	if err != nil {
		return Issued{}, err
	}
	now := s.source.Now()
	token := Token{ClientID: client.ID, LegalEntityID: client.LegalEntityID, IssuedAt: now, ExpiresAt: now.Add(s.lives.Access)}
	if client.CertificateBound {
		token.Certificate = g.Certificate
	}
	plain := s.random()
	token.Hash = digest(plain)
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if g.EmployeeID != "" {
			wrong := registry.Errorf(registry.CodeForbidden, "employee_id is not an approved employee of the client's legal entity").WithReason("invalid_employee")
			id, err := registry.ParseID(g.EmployeeID)
			if err != nil {
				return wrong
			}
			e, err := tx.Employee(ctx, id)
			if registry.CodeOf(err) == registry.CodeNotFound {
				return wrong
			}
			if err != nil {
				return err
			}
			if e.LegalEntityID != client.LegalEntityID || !e.Approved() {
				return wrong
			}
			if err := mayAct(ctx, tx, e.Party.TaxID); err != nil {
				return err
			}
			token.EmployeeID, token.PartyID, token.Role = e.ID, e.Party.ID, e.Type
		}
		// Who acts for an employee has what both may do: the system's rights do not
		// make a receptionist a head.
		if token.Scopes, err = narrow(Effective(client, token.Role), g.Scope); err != nil {
			return err
		}
		if err := tx.InsertToken(ctx, token); err != nil {
			return err
		}
		c.ClientID, c.ClientName, c.EmployeeID, c.LegalEntityID = client.ID, client.Name, token.EmployeeID, client.LegalEntityID
		_, err := tx.Audit(ctx, audit.Entry{Kind: "access.token", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID})
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return Issued{AccessToken: plain, ExpiresIn: s.lives.Access, Scopes: token.Scopes}, nil
}

// Authenticate turns a bearer token into a caller. certificate is the SHA-256
// of the client's certificate where the connection has one: a token bound to a
// certificate is good with that one alone (RFC 8705, 3).
func (s *Service) Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error) {
	denied := registry.Errorf(registry.CodeUnauthenticated, "Invalid access token")
	if strings.HasPrefix(bearer, keyPrefix) {
		return s.byKey(ctx, bearer)
	}
	if len(bearer) != 43 {
		return registry.Caller{}, denied
	}
	var t Token
	var client Client
	err := s.store.Look(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, client, err = tx.Token(ctx, digest(bearer))
		return err
	})
	if registry.CodeOf(err) == registry.CodeNotFound {
		return registry.Caller{}, denied
	}
	if err != nil {
		return registry.Caller{}, err
	}
	bound := len(t.Certificate) > 0 && subtle.ConstantTimeCompare(t.Certificate, certificate) != 1
	if !t.RevokedAt.IsZero() || client.Blocked || bound || !s.source.Now().Before(t.ExpiresAt) {
		return registry.Caller{}, denied
	}
	return registry.Caller{
		Channel: registry.ChannelREST, ClientID: client.ID, ClientName: client.Name, ClientType: client.Type, Scopes: t.Scopes,
		User: t.UserID, Role: t.Role, PersonID: t.PersonID,
		EmployeeID: t.EmployeeID, PartyID: t.PartyID, LegalEntityID: t.LegalEntityID,
		Rows: reachOf(t, client),
	}, nil
}

// reachOf says whose rows a token may see at all: a citizen their own, the
// systems of the NHSU everybody's, all others their legal entity's.
func reachOf(t Token, client Client) registry.Reach {
	switch {
	case t.Role == registry.RolePatient:
		return registry.Reach{PersonID: t.PersonID}
	case client.Type == "NHS":
		return registry.Reach{All: true}
	}
	return registry.Reach{LegalEntityID: t.LegalEntityID}
}
