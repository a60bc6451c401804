package query

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// ScopeEventRead is what the feed demands.
const ScopeEventRead = "event:read"

// Cursor is a place in the feed of status changes: the transaction's place in
// its cluster's life and the line's number.
type Cursor struct {
	Epoch int32
	XID   uint64
	ID    int64
}

// String writes a cursor as the caller gives it back: epoch-xid-id.
func (c Cursor) String() string { return fmt.Sprintf("%d-%d-%d", c.Epoch, c.XID, c.ID) }

// ParseCursor reads what String writes, and "" as the beginning.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	var c Cursor
	if _, err := fmt.Sscanf(s, "%d-%d-%d", &c.Epoch, &c.XID, &c.ID); err != nil || c.String() != s || c.Epoch < 0 || c.ID < 0 {
		return Cursor{}, parameter("after", "format", "give the cursor of an event, or nothing to begin with the first")
	}
	return c, nil
}

// Event is one change: of the status (eHealth StatusChangeEvent) or of anything
// else (StateChangeEvent, with the status as it stands).
type Event struct {
	Cursor     Cursor          `json:"-"`
	ID         string          `json:"id"` // the cursor
	Type       string          `json:"event_type"`
	EntityType string          `json:"entity_type"`
	EntityID   registry.ID     `json:"entity_id"`
	Properties EventProperties `json:"properties"`
	Time       time.Time       `json:"event_time"`
}

// EventProperties tells the new state.
type EventProperties struct {
	Status StatusChange `json:"status"`
}

// StatusChange is the new state with its reason.
type StatusChange struct {
	NewValue string `json:"new_value"`
	Reason   string `json:"reason,omitempty"`
}

// EventsTx is what the feed needs of a transaction.
type EventsTx interface {
	// Events gives at most limit changes of what belongs to a legal entity and,
	// with patients, of its patients (zero: of all) that follow a cursor and
	// before which nothing can appear any more.
	Events(ctx context.Context, within registry.ID, patients bool, after Cursor, limit int) ([]Event, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// EventsStore begins and ends transactions.
type EventsStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx EventsTx) error) error
}

// Feed tells systems what changed, so that they need not ask for everything.
type Feed struct{ store EventsStore }

// NewFeed makes the feed.
func NewFeed(store EventsStore) (*Feed, error) {
	if store == nil {
		return nil, fmt.Errorf("query: a store is needed")
	}
	return &Feed{store}, nil
}

// Events gives the changes after a cursor, oldest first: what was given once
// is followed by everything else, whatever transactions were open meanwhile.
func (s *Feed) Events(ctx context.Context, c registry.Caller, after string, limit int) ([]Event, error) {
	if err := c.Require(ScopeEventRead); err != nil {
		return nil, err
	}
	// Who may not read declarations, a pharmacy say, is told of providers alone.
	within, basis, patients := c.LegalEntityID, audit.BasisStatute, c.Allows(ScopeDeclarationRead) || c.Allows(ScopeDeclarationReadNHS)
	if patients {
		var err error
		if within, basis, err = reach(c); err != nil {
			return nil, err
		}
	} else if within.IsZero() {
		return nil, registry.Errorf(registry.CodeForbidden, "the client works for no legal entity").WithReason("no_legal_entity")
	}
	cursor, err := ParseCursor(after)
	if err != nil {
		return nil, err
	}
	if limit < 1 || limit > MaxPageSize {
		return nil, parameter("limit", "number", "must lie between 1 and 100")
	}
	list := []Event{}
	err = s.store.Update(ctx, func(ctx context.Context, tx EventsTx) error {
		found, err := tx.Events(ctx, within, patients, cursor, limit)
		if err != nil || len(found) == 0 {
			list = []Event{}
			return err
		}
		list = found
		_, err = tx.Audit(ctx, audit.Entry{
			Kind: "disclosure.events", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			LegalBasis: &audit.LegalBasis{Code: basis}, Fields: []string{"event.entity_id", "event.status"}, Reason: strconv.Itoa(len(found)) + " events",
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
