package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Lives of what a login gives (domain notes 1.10).
type Lives struct {
	Challenge time.Duration
	Code      time.Duration
	Access    time.Duration
	Refresh   time.Duration
	// Grant is how long a human stays logged in, however often they refresh.
	Grant time.Duration
}

// DefaultLives: challenges and codes of 5 minutes, access tokens of an hour,
// refresh tokens of 7 days, 30 days in all.
func DefaultLives() Lives {
	return Lives{Challenge: 5 * time.Minute, Code: 5 * time.Minute, Access: time.Hour, Refresh: 7 * 24 * time.Hour, Grant: 30 * 24 * time.Hour}
}

// Authorization is what a human granted a client system: the root of its code,
// refresh tokens and access tokens.
type Authorization struct {
	ID        registry.ID
	ClientID  registry.ID
	UserID    registry.ID
	Position  Position
	Scopes    []string
	CreatedAt time.Time
	ExpiresAt time.Time
	EndedAt   time.Time
}

func (g Authorization) entry(kind audit.Kind, c registry.Caller, client Client) audit.Entry {
	c.ClientID, c.ClientName, c.User, c.EmployeeID, c.LegalEntityID = client.ID, client.Name, g.UserID, g.Position.EmployeeID, g.Position.LegalEntityID
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: g.Position.PersonID,
		Object: &audit.ObjectRef{Type: "grant", ID: g.ID.String()},
	}
}

// Code is an authorization code (RFC 6749, 4.1.2).
type Code struct {
	Hash        [32]byte
	GrantID     registry.ID
	RedirectURI string
	Challenge   string
	ExpiresAt   time.Time
	UsedAt      time.Time
}

// RefreshToken is used once and then replaced by its successor.
type RefreshToken struct {
	Hash        [32]byte
	GrantID     registry.ID
	Certificate []byte
	ExpiresAt   time.Time
	UsedAt      time.Time
}

// AuthorizationTx is what grants need of a transaction. Code and RefreshToken
// lock their row.
type AuthorizationTx interface {
	InsertGrant(ctx context.Context, g Authorization) error
	Grant(ctx context.Context, id registry.ID) (g Authorization, user User, err error)
	EndGrant(ctx context.Context, id registry.ID, at time.Time, reason string) error
	InsertCode(ctx context.Context, c Code) error
	Code(ctx context.Context, hash [32]byte) (Code, bool, error)
	UseCode(ctx context.Context, hash [32]byte, at time.Time) error
	InsertRefreshToken(ctx context.Context, t RefreshToken) error
	RefreshToken(ctx context.Context, hash [32]byte) (RefreshToken, bool, error)
	UseRefreshToken(ctx context.Context, hash [32]byte, at time.Time) error
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
}

// Authorized is where a browser goes on after the login.
type Authorized struct {
	Code        string
	State       string
	RedirectURI string
}

// Authorize exchanges a signed challenge for an authorization code. employeeID
// chooses among several positions.
func (s *Service) Authorize(ctx context.Context, c registry.Caller, container []byte, employeeID string) (Authorized, error) {
	ch, signer, err := s.signed(ctx, container)
	if err != nil {
		return Authorized{}, err
	}
	if ch.RedirectURI == "" {
		return Authorized{}, registry.Errorf(registry.CodeForbidden, "this challenge is for the token endpoint: it names no redirect_uri").WithReason("challenge")
	}
	plain := s.random()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		g, err := s.logIn(ctx, tx, c, ch, signer, employeeID, ch.Scope)
		if err != nil {
			return err
		}
		return tx.InsertCode(ctx, Code{Hash: digest(plain), GrantID: g.ID, RedirectURI: ch.RedirectURI, Challenge: ch.CodeChallenge,
			ExpiresAt: s.source.Now().Add(s.lives.Code)})
	})
	if err != nil {
		return Authorized{}, s.refuseLogin(ctx, c, ch, err)
	}
	return Authorized{plain, ch.State, ch.RedirectURI}, nil
}

// Proof is how a client system shows who it is: its secret, and the SHA-256 of
// the certificate of its connection where there is one (RFC 8705).
type Proof struct {
	ClientID     string
	ClientSecret string
	Certificate  []byte
}

// SignIn exchanges a signed challenge for tokens in one step.
func (s *Service) SignIn(ctx context.Context, c registry.Caller, proof Proof, container []byte, scope, employeeID string) (Issued, error) {
	client, err := s.authenticateClient(ctx, proof, true)
	if err != nil {
		return Issued{}, err
	}
	ch, signer, err := s.signed(ctx, container)
	if err != nil {
		return Issued{}, err
	}
	if ch.ClientID != client.ID || ch.RedirectURI != "" {
		return Issued{}, registry.Errorf(registry.CodeForbidden, "the challenge was made for another client or for the authorization endpoint").WithReason("challenge")
	}
	scopes, err := narrow(ch.Scope, scope)
	if err != nil {
		return Issued{}, err
	}
	var out Issued
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		g, err := s.logIn(ctx, tx, c, ch, signer, employeeID, scopes)
		if err != nil {
			return err
		}
		out, err = s.issue(ctx, tx, g, g.Scopes, client.CertificateBound, proof.Certificate)
		return err
	})
	if err != nil {
		return Issued{}, s.refuseLogin(ctx, c, ch, err)
	}
	return out, nil
}

var errGrant = registry.Errorf(registry.CodeForbidden, "the code or refresh token is unknown, expired or used").WithReason("invalid_grant")

// Exchange gives tokens for an authorization code (RFC 6749, 4.1.3; RFC 7636,
// 4.6). A code that comes a second time ends everything the first one gave.
func (s *Service) Exchange(ctx context.Context, c registry.Caller, proof Proof, code, redirectURI, verifier string) (Issued, error) {
	client, err := s.authenticateClient(ctx, proof, true)
	if err != nil {
		return Issued{}, err
	}
	hash := digest(code)
	var out Issued
	var refusal error
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		out, refusal = Issued{}, nil
		now := s.source.Now()
		stored, found, err := tx.Code(ctx, hash)
		if err != nil {
			return err
		}
		if !found {
			return errGrant
		}
		g, user, err := tx.Grant(ctx, stored.GrantID)
		if err != nil {
			return err
		}
		if g.ClientID != client.ID {
			return errGrant
		}
		if !stored.UsedAt.IsZero() {
			refusal = errGrant
			return s.end(ctx, tx, c, client, g, "code_reused")
		}
		// From here on the code is spent, whatever else is wrong with the request:
		// who guesses a verifier has one guess.
		if err := tx.UseCode(ctx, hash, now); err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(verifier))
		switch {
		case !now.Before(stored.ExpiresAt), !g.alive(now), user.Blocked, stored.RedirectURI != redirectURI:
			refusal = errGrant
		case len(verifier) < 43 || len(verifier) > 128,
			subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(stored.Challenge)) != 1:
			refusal = registry.Errorf(registry.CodeForbidden, "code_verifier does not fit the code_challenge").WithReason("invalid_grant")
		}
		if refusal != nil {
			return s.end(ctx, tx, c, client, g, "code_refused")
		}
		out, err = s.issue(ctx, tx, g, g.Scopes, client.CertificateBound, proof.Certificate)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Issued{}, err
	}
	return out, nil
}

// Refresh replaces a refresh token and gives a new access token (RFC 6749, 6;
// RFC 9700, 4.14.2). A refresh token that comes a second time was stolen from
// one of the two who sent it: everything of the grant ends.
func (s *Service) Refresh(ctx context.Context, c registry.Caller, proof Proof, refresh, scope string) (Issued, error) {
	client, err := s.authenticateClient(ctx, proof, true)
	if err != nil {
		return Issued{}, err
	}
	hash := digest(refresh)
	var out Issued
	var refusal error
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		out, refusal = Issued{}, nil
		now := s.source.Now()
		stored, found, err := tx.RefreshToken(ctx, hash)
		if err != nil {
			return err
		}
		if !found {
			return errGrant
		}
		g, user, err := tx.Grant(ctx, stored.GrantID)
		if err != nil {
			return err
		}
		switch {
		case g.ClientID != client.ID || client.Public && len(stored.Certificate) > 0 && !slices.Equal(stored.Certificate, proof.Certificate):
			return errGrant
		case !stored.UsedAt.IsZero():
			refusal = errGrant
			if !g.EndedAt.IsZero() {
				return nil
			}
			return s.end(ctx, tx, c, client, g, "refresh_token_reused")
		case !now.Before(stored.ExpiresAt), !g.alive(now), user.Blocked:
			return errGrant
		}
		still, err := s.stillHolds(ctx, tx, g.Position)
		if err != nil {
			return err
		}
		if !still {
			refusal = registry.Errorf(registry.CodeForbidden, "the position of the login has ended").WithReason("invalid_grant")
			return s.end(ctx, tx, c, client, g, "position_ended")
		}
		// Rights taken away since the login are not given again.
		scopes, err := narrow(intersect(g.Scopes, client.allowed(), roleScopes(g.Position.Role)), scope)
		if err != nil {
			return err
		}
		if err := tx.UseRefreshToken(ctx, hash, now); err != nil {
			return err
		}
		if out, err = s.issue(ctx, tx, g, scopes, client.CertificateBound, proof.Certificate); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, g.entry("access.refreshed", c, client))
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Issued{}, err
	}
	return out, nil
}

func (g Authorization) alive(now time.Time) bool {
	return g.EndedAt.IsZero() && now.Before(g.ExpiresAt)
}

// stillHolds looks again at what the login was based on.
func (s *Service) stillHolds(ctx context.Context, tx Tx, p Position) (bool, error) {
	if !p.EmployeeID.IsZero() {
		e, err := tx.Employee(ctx, p.EmployeeID)
		if err != nil || !e.Approved() {
			return false, absent(err)
		}
		if err := mayAct(ctx, tx, e.Party.TaxID); errors.Is(err, errBarred) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		l, err := tx.LegalEntity(ctx, e.LegalEntityID)
		return err == nil && l.Active(), absent(err)
	}
	person, err := tx.Person(ctx, p.PersonID)
	return err == nil && person.Status == patient.StatusActive && person.DeathDate.IsZero(), absent(err)
}

func absent(err error) error {
	if registry.CodeOf(err) == registry.CodeNotFound {
		return nil
	}
	return err
}

// issue makes the tokens of a grant.
func (s *Service) issue(ctx context.Context, tx Tx, g Authorization, scopes []string, bound bool, certificate []byte) (Issued, error) {
	now := s.source.Now()
	until := now.Add(s.lives.Access)
	if until.After(g.ExpiresAt) {
		until = g.ExpiresAt
	}
	if !bound {
		certificate = nil
	}
	bearer, refresh := s.random(), s.random()
	t := Token{
		Hash: digest(bearer), ClientID: g.ClientID, GrantID: g.ID, UserID: g.UserID, Role: g.Position.Role, EmployeeID: g.Position.EmployeeID,
		PartyID: g.Position.PartyID, LegalEntityID: g.Position.LegalEntityID, PersonID: g.Position.PersonID, Scopes: scopes,
		IssuedAt: now, ExpiresAt: until, Certificate: certificate,
	}
	if err := tx.InsertToken(ctx, t); err != nil {
		return Issued{}, err
	}
	r := RefreshToken{Hash: digest(refresh), GrantID: g.ID, Certificate: certificate, ExpiresAt: now.Add(s.lives.Refresh)}
	if r.ExpiresAt.After(g.ExpiresAt) {
		r.ExpiresAt = g.ExpiresAt
	}
	if err := tx.InsertRefreshToken(ctx, r); err != nil {
		return Issued{}, err
	}
	p := g.Position
	return Issued{AccessToken: bearer, RefreshToken: refresh, ExpiresIn: until.Sub(now), Scopes: scopes, Position: &p}, nil
}

// end closes a grant with all its tokens.
func (s *Service) end(ctx context.Context, tx Tx, c registry.Caller, client Client, g Authorization, reason string) error {
	if err := tx.EndGrant(ctx, g.ID, s.source.Now(), reason); err != nil {
		return err
	}
	e := g.entry("access.grant_ended", c, client)
	e.Reason = reason
	_, err := tx.Audit(ctx, e)
	return err
}

// Revoke ends a token at once (RFC 7009): an access token alone, a refresh
// token with the whole grant. Who holds a token may end it; an unknown one is
// no error.
func (s *Service) Revoke(ctx context.Context, c registry.Caller, token string) error {
	hash := digest(token)
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		stored, found, err := tx.RefreshToken(ctx, hash)
		if err != nil {
			return err
		}
		if !found {
			return tx.RevokeToken(ctx, hash, s.source.Now())
		}
		g, _, err := tx.Grant(ctx, stored.GrantID)
		if err != nil || !g.EndedAt.IsZero() {
			return err
		}
		client, err := tx.Client(ctx, g.ClientID)
		if err != nil {
			return err
		}
		return s.end(ctx, tx, c, client, g, "revoked")
	})
}

// random gives a token: 256 bits, 43 characters.
func (s *Service) random() string { return base64.RawURLEncoding.EncodeToString(s.source.Bytes(32)) }

func digest(token string) [32]byte { return sha256.Sum256([]byte(token)) }
