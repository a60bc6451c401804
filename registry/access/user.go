package access

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// Scopes of the NHSU over people who work and their logins (eHealth: party
// users, block and unblock).
const (
	ScopePartyRead   = "party:read"
	ScopeUserBlock   = "user:block"
	ScopeUserUnblock = "user:unblock"
)

// UserTx is what parties and their logins need of a transaction.
type UserTx interface {
	// Party reads a person who works with all their positions; not-found if
	// there is none.
	Party(ctx context.Context, id registry.ID) (prm.Party, []prm.Employee, error)
	// UsersByIdentifier gives who has logged in with one of the numbers, in any
	// of the forms of a certificate.
	UsersByIdentifier(ctx context.Context, forms, numbers []string) ([]User, error)
	UserByID(ctx context.Context, id registry.ID) (User, error)
	// EndUser ends every grant and token of a user.
	EndUser(ctx context.Context, id registry.ID, reason string) error
	BlackListed(ctx context.Context, taxID string) (bool, error)
}

// PartyOf is a person who works, with positions and logins.
type PartyOf struct {
	Party     prm.Party
	Positions []prm.Employee
	Users     []User
}

// forms of the identifier in a certificate (signature.Signer.RNOKPPForm).
var forms = []string{"tax-id", "national-id", "passport"}

// Party shows a person who works, to the NHSU.
func (s *Service) Party(ctx context.Context, c registry.Caller, id registry.ID) (p PartyOf, err error) {
	if err := c.Require(ScopePartyRead); err != nil {
		return p, err
	}
	err = s.walled.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		p = PartyOf{}
		if p.Party, p.Positions, err = tx.Party(ctx, id); err != nil {
			return err
		}
		if p.Users, err = tx.UsersByIdentifier(ctx, forms, registry.LatinForms(p.Party.TaxID)); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: "disclosure.party", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "party", ID: id.String()}, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Fields: []string{"party", "users"}})
		return err
	})
	return p, err
}

// BlockUser ends what a human's logins gave and lets them get nothing new, nor
// any system for them; with blocked false they may log in again.
func (s *Service) BlockUser(ctx context.Context, c registry.Caller, id registry.ID, blocked bool, reason string) (u User, err error) {
	scope, kind := ScopeUserBlock, audit.Kind("user.blocked")
	if !blocked {
		scope, kind = ScopeUserUnblock, "user.unblocked"
	}
	if err := c.Require(scope); err != nil {
		return u, err
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(reason)); n < 3 || n > 500 {
		return u, registry.Invalid(registry.FieldError{Entry: "$.reason", Rule: "length", Description: "expected 3 to 500 characters that say why"})
	}
	err = s.walled.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if u, err = tx.UserByID(ctx, id); err != nil {
			return err
		}
		if u.Blocked == blocked {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("user_blocked")
		}
		if u.ID == c.User {
			return registry.Errorf(registry.CodeForbidden, "nobody blocks or unblocks themselves").WithReason("own_user")
		}
		u.Reason = ""
		if u.Blocked = blocked; blocked {
			u.Reason = strings.TrimSpace(reason)
			if err := tx.EndUser(ctx, id, "user_blocked"); err != nil {
				return err
			}
		}
		if err := tx.PutUser(ctx, u); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "user", ID: id.String()}})
		return err
	})
	return u, err
}

var errBarred = registry.Errorf(registry.CodeForbidden, "the person may not act in the registry: on the black list, or blocked by the NHSU").WithReason("user_blocked")

// mayAct refuses whoever is on the black list or blocked, by whatever way a
// token is asked for: a login, a refresh, or a system that names the employee.
func mayAct(ctx context.Context, tx Tx, taxID string) error {
	if taxID == "" {
		return nil
	}
	listed, err := tx.BlackListed(ctx, taxID)
	if err != nil {
		return err
	}
	if listed {
		return errBarred
	}
	users, err := tx.UsersByIdentifier(ctx, forms, registry.LatinForms(taxID))
	if err == nil && slices.ContainsFunc(users, func(u User) bool { return u.Blocked }) {
		err = errBarred
	}
	return err
}
