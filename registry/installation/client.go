package installation

import (
	"context"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/prm"
)

// ClientTx is what setting up clients and legal entities needs of a transaction.
type ClientTx interface {
	Client(ctx context.Context, id registry.ID) (access.Client, error)
	PutClient(ctx context.Context, c access.Client) error
	// EndTokensOfClient ends every token and grant of a client.
	EndTokensOfClient(ctx context.Context, client registry.ID, reason string) error
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	LegalEntityByCode(ctx context.Context, code registry.EDRPOU, kind string) (prm.LegalEntity, bool, error)
	PutLegalEntity(ctx context.Context, l prm.LegalEntity) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// ClientInput describes a client system.
type ClientInput struct {
	Name             string
	Type             string
	LegalEntityID    registry.ID // whose employees it may act for
	Scopes           []string    // empty: all its type may have
	RedirectURIs     []string
	Public           bool
	CertificateBound bool
}

func (in ClientInput) check() ([]string, error) {
	var f document.Faults
	f.Required("$.name", in.Name)
	f.OneOf("$.type", in.Type, access.ClientTypes()...)
	all := access.ScopesOfClientType(in.Type)
	for _, scope := range in.Scopes {
		if !slices.Contains(all, scope) {
			f.Add("$.scopes", "subset", "a client of this type cannot have "+scope)
		}
	}
	for _, text := range in.RedirectURIs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())) {
			f.Add("$.redirect_uris", "url", "expected an https address without a fragment, or http on a loopback address")
		}
	}
	if (in.Type == "MIS" || in.Type == "NHS") && in.LegalEntityID.IsZero() {
		f.Add("$.legal_entity_id", "required", "a client of this type works for a legal entity")
	}
	if len(in.Scopes) > 0 {
		all = in.Scopes
	}
	return all, f.Err()
}

// AddClient makes a client system and tells its secret, this once. A public one
// has none.
func (s *Service) AddClient(ctx context.Context, in ClientInput) (c access.Client, secret string, err error) {
	scopes, err := in.check()
	if err != nil {
		return c, "", err
	}
	c = access.Client{ID: s.Source.NewID(), Name: strings.TrimSpace(in.Name), Type: in.Type, LegalEntityID: in.LegalEntityID, Scopes: scopes,
		RedirectURIs: in.RedirectURIs, Public: in.Public, CertificateBound: in.CertificateBound}
	if !in.Public {
		secret = s.newSecret(&c)
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if !in.LegalEntityID.IsZero() {
			l, err := tx.LegalEntity(ctx, in.LegalEntityID)
			if err != nil {
				return err
			}
			if !l.Active() {
				return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
			}
		}
		if err := tx.PutClient(ctx, c); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, entry(s.caller(), "client.created", "client", c.ID))
		return err
	})
	return c, secret, err
}

func (s *Service) newSecret(c *access.Client) string {
	secret := hex.EncodeToString(s.Source.Bytes(24))
	c.SecretSalt = s.Source.Bytes(16)
	c.SecretHash = access.HashSecret(secret, c.SecretSalt)
	return secret
}

// RenewSecret gives a client another secret; the former one and every token it
// got are void.
func (s *Service) RenewSecret(ctx context.Context, id registry.ID) (secret string, err error) {
	err = s.change(ctx, id, "client.secret_renewed", func(c *access.Client) error {
		if c.Public {
			return registry.Errorf(registry.CodeConflict, "a public client has no secret").WithReason("client_public")
		}
		secret = s.newSecret(c)
		return nil
	})
	return secret, err
}

// Block ends what a client has and lets it get nothing new; Unblock lets it
// ask again.
func (s *Service) Block(ctx context.Context, id registry.ID, blocked bool) error {
	kind := map[bool]audit.Kind{true: "client.blocked", false: "client.unblocked"}[blocked]
	return s.change(ctx, id, kind, func(c *access.Client) error {
		if c.Blocked == blocked {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("client_blocked")
		}
		c.Blocked = blocked
		return nil
	})
}

func (s *Service) change(ctx context.Context, id registry.ID, kind audit.Kind, f func(c *access.Client) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		c, err := tx.Client(ctx, id)
		if err != nil {
			return err
		}
		if err := f(&c); err != nil {
			return err
		}
		if err := tx.PutClient(ctx, c); err != nil {
			return err
		}
		if err := tx.EndTokensOfClient(ctx, id, string(kind)); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(s.caller(), kind, "client", id))
		return err
	})
}

// LegalEntityInput is a legal entity of a type that does not register itself.
type LegalEntityInput struct {
	Name, Type, Email string
	EDRPOU            registry.EDRPOU
}

// AddLegalEntity makes one; the same code and type again is refused.
func (s *Service) AddLegalEntity(ctx context.Context, in LegalEntityInput) (l prm.LegalEntity, err error) {
	var f document.Faults
	f.Required("$.name", in.Name)
	prm.CheckCode(&f, "$.edrpou", in.EDRPOU)
	prm.CheckEmail(&f, "$.email", in.Email)
	if err := f.Err(); err != nil {
		return l, err
	}
	now := s.Source.Now()
	l = prm.LegalEntity{ID: s.Source.NewID(), Name: in.Name, EDRPOU: in.EDRPOU, Type: in.Type, Status: "ACTIVE", Email: in.Email, InsertedAt: now, UpdatedAt: now}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		kind, found, err := tx.LegalEntityType(ctx, in.Type)
		if err != nil {
			return err
		}
		if !found || kind.Creatable {
			return registry.Invalid(registry.FieldError{Entry: "$.type", Rule: "inclusion", Description: "an unknown type, or one that registers itself by a signed document"})
		}
		if _, there, err := tx.LegalEntityByCode(ctx, in.EDRPOU, in.Type); err != nil {
			return err
		} else if there {
			return registry.Errorf(registry.CodeConflict, "such a legal entity is there already").WithReason("legal_entity_known")
		}
		if err := tx.PutLegalEntity(ctx, l); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(s.caller(), "legal_entity.created", "legal_entity", l.ID))
		return err
	})
	return l, err
}
