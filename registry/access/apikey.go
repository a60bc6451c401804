package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Scopes of a hospital's keys.
const (
	ScopeAPIKeyRead  = "api_key:read"
	ScopeAPIKeyWrite = "api_key:write"
)

// APIKey is a hospital's key for its own programs: it stands for the legal
// entity through one client system, and for no human. What the patient index
// tells of a person's health it never opens: clinical data need an employee.
type APIKey struct {
	ID            registry.ID
	ClientID      registry.ID
	LegalEntityID registry.ID
	Name          string
	Scopes        []string
	SecretHash    []byte
	SecretSalt    []byte
	CreatedBy     registry.ID
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     time.Time
	// Standing tells whether the legal entity still stands: a key ends with it.
	Standing bool
}

// KeyRequest asks for a key.
type KeyRequest struct {
	Name   string
	Scopes []string
	Days   int // life; zero: a year
}

// APIKeyTx is what keys need of a transaction.
type APIKeyTx interface {
	InsertAPIKey(ctx context.Context, k APIKey) error
	APIKey(ctx context.Context, id registry.ID) (APIKey, Client, error)
	APIKeys(ctx context.Context, legalEntity registry.ID) ([]APIKey, error)
	RevokeAPIKey(ctx context.Context, id, legalEntity registry.ID, at time.Time) (changed bool, err error)
}

// keyPrefix begins every key, with the profile after it: a scanner of
// repositories finds it, and a test key never opens production.
const keyPrefix = "mist_"

// keyScopes are what a program may do without a human: never what a role does.
var keyScopes = []string{"person:search", "declaration:read", "declaration_request:read", "legal_entity:read", "division:read", "employee:read", "event:read", "signature:verify", ScopeEdge}

const (
	maxKeyDays = 2 * 366
	maxKeys    = 50
)

// CreateKey makes a key for the caller's legal entity. The second answer is the
// key itself; it is never to be had again.
func (s *Service) CreateKey(ctx context.Context, c registry.Caller, r KeyRequest) (APIKey, string, error) {
	if err := administers(c, ScopeAPIKeyWrite); err != nil {
		return APIKey{}, "", err
	}
	return s.newKey(ctx, c, c.ClientID, c.LegalEntityID, r)
}

// administers demands the scope and an administrator's position.
func administers(c registry.Caller, scope string) error {
	if err := c.Require(scope); err != nil {
		return err
	}
	if c.EmployeeID.IsZero() || Group(c.Role) != GroupAdministrator || c.LegalEntityID.IsZero() {
		return registry.Errorf(registry.CodeForbidden, "keys of a hospital are for its owner and administrators").WithReason("role")
	}
	return nil
}

// newKey is used by operators too, who name client and legal entity.
func (s *Service) newKey(ctx context.Context, c registry.Caller, client, legalEntity registry.ID, r KeyRequest) (APIKey, string, error) {
	var fields []registry.FieldError
	if n := len([]rune(strings.TrimSpace(r.Name))); n < 3 || n > 80 {
		fields = append(fields, registry.FieldError{Entry: "$.name", Rule: "length", Description: "must have 3 to 80 characters"})
	}
	if len(r.Scopes) == 0 || slices.ContainsFunc(r.Scopes, func(scope string) bool { return !slices.Contains(keyScopes, scope) }) {
		fields = append(fields, registry.FieldError{Entry: "$.scopes", Rule: "subset", Description: "name scopes a program may have without a human", Params: keyScopes})
	}
	if r.Days == 0 {
		r.Days = 365
	}
	if r.Days < 1 || r.Days > maxKeyDays {
		fields = append(fields, registry.FieldError{Entry: "$.days", Rule: "number", Description: "must lie between 1 and 732"})
	}
	if len(fields) > 0 {
		return APIKey{}, "", registry.Invalid(fields...)
	}
	now := s.source.Now()
	k := APIKey{ID: s.source.NewID(), ClientID: client, LegalEntityID: legalEntity, Name: strings.TrimSpace(r.Name), Scopes: r.Scopes,
		SecretSalt: s.source.Bytes(16), CreatedBy: c.EmployeeID, CreatedAt: now, ExpiresAt: now.AddDate(0, 0, r.Days)}
	secret := s.random()
	var err error
	if k.SecretHash, err = s.hash(ctx, secret, k.SecretSalt); err != nil {
		return APIKey{}, "", err
	}
	err = s.walled.Update(ctx, func(ctx context.Context, tx Tx) error {
		system, err := tx.Client(ctx, client)
		if err != nil {
			return err
		}
		if system.CertificateBound {
			return registry.Errorf(registry.CodeConflict, "the client system is bound to its certificate, and a key cannot be: ask for tokens over TLS with it").WithReason("certificate_bound")
		}
		if len(intersect(r.Scopes, system.Scopes)) != len(r.Scopes) {
			return registry.Errorf(registry.CodeForbidden, "the client system itself lacks one of these scopes").WithReason("invalid_scope")
		}
		list, err := tx.APIKeys(ctx, legalEntity)
		if err != nil {
			return err
		}
		alive := 0
		for _, other := range list {
			if other.RevokedAt.IsZero() && now.Before(other.ExpiresAt) {
				alive++
			}
		}
		if alive >= maxKeys {
			return registry.Errorf(registry.CodeConflict, "the legal entity has %d keys; revoke one first", alive).WithReason("too_many_keys")
		}
		if err := tx.InsertAPIKey(ctx, k); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, keyEntry("access.api_key_created", c, k.ID))
		return err
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return k, keyPrefix + s.profile + "_" + hex.EncodeToString(k.ID[:]) + "_" + secret, nil
}

// OperatorKey makes a key by an operator's command.
func (s *Service) OperatorKey(ctx context.Context, client, legalEntity registry.ID, r KeyRequest) (APIKey, string, error) {
	return s.newKey(ctx, registry.Caller{Channel: registry.ChannelJob}, client, legalEntity, r)
}

func keyEntry(kind audit.Kind, c registry.Caller, id registry.ID) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Object: &audit.ObjectRef{Type: "api_key", ID: id.String()}}
}

// Keys lists the keys of the caller's legal entity, without their secrets.
func (s *Service) Keys(ctx context.Context, c registry.Caller) (list []APIKey, err error) {
	if err := administers(c, ScopeAPIKeyRead); err != nil {
		return nil, err
	}
	return s.OperatorKeys(ctx, c.LegalEntityID)
}

// OperatorKeys lists the keys of a legal entity.
func (s *Service) OperatorKeys(ctx context.Context, legalEntity registry.ID) (list []APIKey, err error) {
	err = s.walled.View(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.APIKeys(ctx, legalEntity); return err })
	return list, err
}

// RevokeKey ends a key of the caller's legal entity at once.
func (s *Service) RevokeKey(ctx context.Context, c registry.Caller, id registry.ID) error {
	if err := administers(c, ScopeAPIKeyWrite); err != nil {
		return err
	}
	return s.revokeKey(ctx, c, id, c.LegalEntityID)
}

// OperatorRevoke ends a key by an operator's command.
func (s *Service) OperatorRevoke(ctx context.Context, id, legalEntity registry.ID) error {
	return s.revokeKey(ctx, registry.Caller{Channel: registry.ChannelJob}, id, legalEntity)
}

func (s *Service) revokeKey(ctx context.Context, c registry.Caller, id, legalEntity registry.ID) error {
	return s.walled.Update(ctx, func(ctx context.Context, tx Tx) error {
		changed, err := tx.RevokeAPIKey(ctx, id, legalEntity, s.source.Now())
		if err != nil {
			return err
		}
		if !changed {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		_, err = tx.Audit(ctx, keyEntry("access.api_key_revoked", c, id))
		return err
	})
}

// byKey turns a key into a caller. The row is read every time, so that a
// revocation counts at once; the slow hash is computed once in a while.
func (s *Service) byKey(ctx context.Context, bearer string) (registry.Caller, error) {
	denied := registry.Errorf(registry.CodeUnauthenticated, "Invalid access token")
	rest, ok := strings.CutPrefix(bearer, keyPrefix+s.profile+"_")
	name, secret, cut := strings.Cut(rest, "_")
	raw, err := hex.DecodeString(name)
	if !ok || !cut || err != nil || len(raw) != 16 || len(secret) != 43 {
		return registry.Caller{}, denied
	}
	var k APIKey
	var client Client
	err = s.store.Look(ctx, func(ctx context.Context, tx Tx) error { k, client, err = tx.APIKey(ctx, registry.ID(raw)); return err })
	if registry.CodeOf(err) == registry.CodeNotFound {
		return registry.Caller{}, denied
	}
	if err != nil {
		return registry.Caller{}, err
	}
	now := s.source.Now()
	// A key cannot be tied to a certificate: a client that promised to use its
	// own has none.
	if !k.RevokedAt.IsZero() || !now.Before(k.ExpiresAt) || client.Blocked || client.CertificateBound || !k.Standing {
		return registry.Caller{}, denied
	}
	mark := sha256.Sum256(slices.Concat([]byte(secret), k.SecretHash))
	if !s.proven.has(mark, now) {
		hash, err := s.hash(ctx, secret, k.SecretSalt)
		if err != nil {
			return registry.Caller{}, err
		}
		if subtle.ConstantTimeCompare(hash, k.SecretHash) != 1 {
			return registry.Caller{}, denied
		}
		s.proven.put(mark, now)
	}
	return registry.Caller{
		Channel: registry.ChannelREST, ClientID: client.ID, ClientName: client.Name, ClientType: client.Type,
		Scopes: intersect(k.Scopes, client.Scopes), LegalEntityID: k.LegalEntityID, KeyID: k.ID, Rows: registry.Reach{LegalEntityID: k.LegalEntityID},
	}, nil
}

// proven remembers for a while that a secret fitted its slow hash; it holds a
// digest over both, never the secret.
type proven struct {
	mu sync.Mutex
	by map[[32]byte]time.Time // guarded by mu
}

const (
	provenFor = 5 * time.Minute
	maxProven = 1000
)

func (p *proven) has(mark [32]byte, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.by[mark]
	return ok && now.Sub(at) < provenFor
}

func (p *proven) put(mark [32]byte, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil || len(p.by) >= maxProven {
		p.by = map[[32]byte]time.Time{}
	}
	p.by[mark] = now
}
