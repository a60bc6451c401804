package order

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Unlink is the command that wipes what ties entries of the log to a person.
const Unlink = "unlink-person"

// Unlinked is the entry of each batch; it does not say whom.
const Unlinked audit.Kind = "trail.unlinked"

// UnlinkTx is what unlinking needs of a transaction.
type UnlinkTx interface {
	// PersonActive tells whether the record is in use; it reads nothing of the person.
	PersonActive(ctx context.Context, id registry.ID) (bool, error)
	// SubjectEntries counts the entries about a person among the next part of
	// the log after an entry and before a moment; last is zero at the end.
	SubjectEntries(ctx context.Context, person, after registry.ID, before time.Time) (n int, last registry.ID, err error)
	// UnlinkEntries wipes salt and person of the same part, and the person's lines
	// in the index of who saw whose data.
	UnlinkEntries(ctx context.Context, person, after registry.ID, before time.Time) (n int, last registry.ID, err error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// UnlinkStore begins and ends transactions.
type UnlinkStore interface {
	View(ctx context.Context, f func(ctx context.Context, tx UnlinkTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx UnlinkTx) error) error
}

// Unlinking wipes the salts of one person's commitments: what the log holds of
// them becomes random bytes, and the tree stays provable.
type Unlinking struct{ Store UnlinkStore }

// Plan counts the entries about a person before a moment. Only a record out of
// use may be unlinked: while it lives, the access log belongs to the citizen.
func (u Unlinking) Plan(ctx context.Context, person registry.ID, before time.Time) (n int, err error) {
	err = u.Store.View(ctx, func(ctx context.Context, tx UnlinkTx) error {
		active, err := tx.PersonActive(ctx, person)
		if err != nil {
			return err
		}
		if active {
			return registry.Errorf(registry.CodeConflict, "the record of the person is active: it is taken out of use before its trail is unlinked").WithReason("person_active")
		}
		return nil
	})
	for after := (registry.ID{}); err == nil; {
		err = u.Store.View(ctx, func(ctx context.Context, tx UnlinkTx) error {
			k, last, err := tx.SubjectEntries(ctx, person, after, before)
			n, after = n+k, last
			return err
		})
		if after.IsZero() {
			break
		}
	}
	return n, err
}

// Run wipes part after part, each with its entry.
func (u Unlinking) Run(ctx context.Context, o Order, person registry.ID) error {
	for after := (registry.ID{}); ; {
		err := u.Store.Update(ctx, func(ctx context.Context, tx UnlinkTx) error {
			k, last, err := tx.UnlinkEntries(ctx, person, after, o.IssuedAt)
			if err != nil {
				return err
			}
			after = last
			if k == 0 {
				return nil
			}
			_, err = tx.Audit(ctx, audit.Entry{Kind: Unlinked, Channel: channel, Object: &audit.ObjectRef{Type: "order:" + o.Command, ID: o.ID.String()}, Code: fmt.Sprintf("entries_%d", k)})
			return err
		})
		if err != nil || after.IsZero() {
			return err
		}
	}
}

// PersonParameter reads whom an unlinking is about.
func PersonParameter(text string) (registry.ID, error) {
	id, err := registry.ParseID(text)
	if err != nil {
		return id, errors.New("--person is the id of a record")
	}
	return id, nil
}
