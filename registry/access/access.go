// Package access knows the client systems, gives them tokens and says what a
// token may do. Tokens are opaque, 256 bits of randomness, stored only as
// SHA-256; secrets only as argon2id.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
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
	Type          string      // MIS, NHS, AUDITOR
	LegalEntityID registry.ID // the provider it works for; zero for systems of the centre
	Scopes        []string
	SecretHash    []byte // argon2id(secret, salt)
	SecretSalt    []byte
	Blocked       bool
}

// Token is an issued bearer token.
type Token struct {
	Hash          [32]byte // SHA-256 of the token
	ClientID      registry.ID
	EmployeeID    registry.ID // zero: the system itself
	PartyID       registry.ID
	LegalEntityID registry.ID
	Scopes        []string
	IssuedAt      time.Time
	ExpiresAt     time.Time
	RevokedAt     time.Time
}

// Tx is what access needs of a transaction.
type Tx interface {
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
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service issues and checks tokens.
type Service struct {
	store  Store
	source registry.Source
	ttl    time.Duration
	// slots bounds how many argon2 computations run at once: each takes 19 MiB.
	slots chan struct{}
}

// New makes the service. ttl is the life of a token.
func New(store Store, source registry.Source, ttl time.Duration) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil || ttl <= 0 {
		return nil, errors.New("access: a part is missing")
	}
	return &Service{store, source, ttl, make(chan struct{}, 2)}, nil
}

// HashSecret is argon2id with the parameters of RFC 9106's low-memory
// recommendation as OWASP gives them: 19 MiB, 2 passes, 1 lane.
func HashSecret(secret string, salt []byte) []byte {
	return argon2.IDKey([]byte(secret), salt, 2, 19*1024, 1, 32)
}

// Grant is an OAuth2 client_credentials request (RFC 6749, 4.4). EmployeeID is
// Mist's extension: the employee of the client's own legal entity on whose
// behalf the system works.
type Grant struct {
	ClientID     string
	ClientSecret string
	Scope        string // space separated; empty: all the client has
	EmployeeID   string
}

// Issued is the answer to a grant.
type Issued struct {
	AccessToken string
	ExpiresIn   time.Duration
	Scopes      []string
}

var errClient = registry.Errorf(registry.CodeUnauthenticated, "invalid client credentials").WithReason("invalid_client")

// Issue checks the client's secret and issues a token. A wrong id and a wrong
// secret take the same time and get the same answer.
func (s *Service) Issue(ctx context.Context, c registry.Caller, g Grant) (Issued, error) {
	id, err := registry.ParseID(g.ClientID)
	var client Client
	if err == nil {
		err = s.store.View(ctx, func(ctx context.Context, tx Tx) error {
			client, err = tx.Client(ctx, id)
			return err
		})
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return Issued{}, err
		}
	}
	salt := client.SecretSalt
	if len(salt) == 0 {
		salt = make([]byte, 16)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return Issued{}, registry.Errorf(registry.CodeUnavailable, "busy; ask again").WithCause(ctx.Err())
	}
	hash := HashSecret(g.ClientSecret, salt)
	<-s.slots
	if subtle.ConstantTimeCompare(hash, client.SecretHash) != 1 || client.Blocked {
		return Issued{}, errClient
	}

	scopes := client.Scopes
	if g.Scope != "" {
		scopes = nil
		for _, want := range strings.Fields(g.Scope) {
			if !slices.Contains(client.Scopes, want) {
				return Issued{}, registry.Errorf(registry.CodeForbidden, "the client has no scope %q", want).WithReason("invalid_scope")
			}
			scopes = append(scopes, want)
		}
	}
	now := s.source.Now()
	token := Token{ClientID: client.ID, LegalEntityID: client.LegalEntityID, Scopes: scopes, IssuedAt: now, ExpiresAt: now.Add(s.ttl)}
	plain := base64.RawURLEncoding.EncodeToString(s.source.Bytes(32))
	token.Hash = sha256.Sum256([]byte(plain))
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
			token.EmployeeID, token.PartyID = e.ID, e.Party.ID
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
	return Issued{AccessToken: plain, ExpiresIn: s.ttl, Scopes: scopes}, nil
}

// Authenticate turns a bearer token into a caller.
func (s *Service) Authenticate(ctx context.Context, bearer string) (registry.Caller, error) {
	denied := registry.Errorf(registry.CodeUnauthenticated, "Invalid access token")
	if len(bearer) != 43 {
		return registry.Caller{}, denied
	}
	var t Token
	var client Client
	err := s.store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		t, client, err = tx.Token(ctx, sha256.Sum256([]byte(bearer)))
		return err
	})
	if registry.CodeOf(err) == registry.CodeNotFound {
		return registry.Caller{}, denied
	}
	if err != nil {
		return registry.Caller{}, err
	}
	if !t.RevokedAt.IsZero() || client.Blocked || !s.source.Now().Before(t.ExpiresAt) {
		return registry.Caller{}, denied
	}
	return registry.Caller{
		Channel: registry.ChannelREST, ClientID: client.ID, ClientName: client.Name, Scopes: t.Scopes,
		EmployeeID: t.EmployeeID, PartyID: t.PartyID, LegalEntityID: t.LegalEntityID,
	}, nil
}

// Revoke ends a token at once (RFC 7009).
func (s *Service) Revoke(ctx context.Context, bearer string) error {
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		return tx.RevokeToken(ctx, sha256.Sum256([]byte(bearer)), s.source.Now())
	})
}
