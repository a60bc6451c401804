package prm

import (
	"context"
	"errors"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
)

// Scopes of the black list.
const (
	ScopeBlackListRead   = "bl_user:read"
	ScopeBlackListWrite  = "bl_user:write"
	ScopeBlackListRemove = "bl_user:deactivate"
)

// BlackListed is a person who may not work with the registry.
type BlackListed struct {
	ID         registry.ID
	TaxID      string // sealed at rest
	Reason     string
	Active     bool
	InsertedAt time.Time
	UpdatedAt  time.Time
}

// BlackListTx is what the room needs of a transaction.
type BlackListTx interface {
	BlackListed(ctx context.Context, taxID string) (bool, error)
	PutBlackListed(ctx context.Context, b BlackListed) error
	BlackListRow(ctx context.Context, id registry.ID) (BlackListed, error)
	BlackList(ctx context.Context, f Filter) ([]BlackListed, int, error)
	// PartiesOf names the parties of a tax number.
	PartiesOf(ctx context.Context, taxID string) ([]registry.ID, error)
	// RevokeTokensOfParty ends every token and grant of a party's positions.
	RevokeTokensOfParty(ctx context.Context, party registry.ID) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// BlackListStore begins and ends transactions.
type BlackListStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx BlackListTx) error) error
}

// BlackList is kept by the NHSU.
type BlackList struct {
	store  BlackListStore
	source registry.Source
}

// NewBlackList refuses a half-configured service.
func NewBlackList(store BlackListStore, source registry.Source) (*BlackList, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("prm: a part is missing")
	}
	return &BlackList{store, source}, nil
}

type blackListInput struct {
	TaxID  string `json:"tax_id"`
	Reason string `json:"reason"`
}

// Add bars a person: tokens end at once, no new employee is made.
func (s *BlackList) Add(ctx context.Context, c registry.Caller, body []byte) (b BlackListed, err error) {
	if err := c.Require(ScopeBlackListWrite); err != nil {
		return b, err
	}
	var in blackListInput
	if err := document.Read(body, &in); err != nil {
		return b, err
	}
	var f document.Faults
	if !registry.RNOKPP(in.TaxID).Valid() && !documentPattern.MatchString(in.TaxID) {
		f.Add("$.tax_id", "invalid", "invalid tax_id value")
	}
	if n := utf8.RuneCountInString(in.Reason); n < 3 || n > 500 {
		f.Add("$.reason", "length", "expected 3 to 500 characters that say why")
	}
	if err := f.Err(); err != nil {
		return b, err
	}
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx BlackListTx) error {
		listed, err := tx.BlackListed(ctx, in.TaxID)
		if err != nil {
			return err
		}
		if listed {
			return registry.Errorf(registry.CodeConflict, "This user is already in a black list").WithReason("black_listed")
		}
		b = BlackListed{ID: s.source.NewID(), TaxID: in.TaxID, Reason: in.Reason, Active: true, InsertedAt: now, UpdatedAt: now}
		if err := tx.PutBlackListed(ctx, b); err != nil {
			return err
		}
		parties, err := tx.PartiesOf(ctx, in.TaxID)
		if err != nil {
			return err
		}
		for _, party := range parties {
			if err := tx.RevokeTokensOfParty(ctx, party); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, c, "black_list.added", b.ID)
	})
	return b, err
}

// Remove lets a person work again; the row stays.
func (s *BlackList) Remove(ctx context.Context, c registry.Caller, id registry.ID) (b BlackListed, err error) {
	if err := c.Require(ScopeBlackListRemove); err != nil {
		return b, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx BlackListTx) error {
		if b, err = tx.BlackListRow(ctx, id); err != nil {
			return err
		}
		if !b.Active {
			return registry.Errorf(registry.CodeConflict, "User is not in a black list").WithReason("not_active")
		}
		b.Active, b.UpdatedAt = false, s.source.Now()
		if err := tx.PutBlackListed(ctx, b); err != nil {
			return err
		}
		return s.record(ctx, tx, c, "black_list.removed", id)
	})
	return b, err
}

// List shows a page; the read is recorded, for it names people.
func (s *BlackList) List(ctx context.Context, c registry.Caller, f Filter) (list []BlackListed, total int, err error) {
	if err := errors.Join(c.Require(ScopeBlackListRead), f.validate()); err != nil {
		return nil, 0, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx BlackListTx) error {
		if list, total, err = tx.BlackList(ctx, f); err != nil {
			return err
		}
		return s.record(ctx, tx, c, "disclosure.black_list", registry.ID{})
	})
	return list, total, err
}

func (s *BlackList) record(ctx context.Context, tx BlackListTx, c registry.Caller, kind audit.Kind, id registry.ID) error {
	e := audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Object: &audit.ObjectRef{Type: "black_list_user"}}
	if id.IsZero() { // a list was shown
		e.LegalBasis, e.Fields = &audit.LegalBasis{Code: audit.BasisStatute}, []string{"black_list_users"}
	} else {
		e.Object.ID = id.String()
	}
	_, err := tx.Audit(ctx, e)
	return err
}
