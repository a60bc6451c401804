package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/outbox"
)

const exchangePage = 2000

// Identifiers of leaves begin with their time, so the key is the order of writing.
const selectEntryPage = `SELECT id, entry FROM leaves WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2`

// ExchangeEntries calls f for each entry of the trail that speaks of an X-Road message and was written in [from, until);
// a zero time does not bound. Entries come roughly in the order they were written, page by page, outside one
// transaction: nothing in the trail ever changes.
func (s *Store) ExchangeEntries(ctx context.Context, from, until time.Time, f func(audit.Entry) error) error {
	type row struct {
		id    registry.ID
		entry []byte
	}
	var last registry.ID
	for {
		rows, err := s.pool.Query(ctx, selectEntryPage, last, exchangePage)
		if err != nil {
			return mapError(err)
		}
		page, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (out row, err error) {
			err = r.Scan(&out.id, &out.entry)
			return out, err
		})
		if err != nil {
			return mapError(err)
		}
		for _, r := range page {
			e, err := audit.Decode(r.entry)
			if err != nil {
				return fmt.Errorf("reading entry %s: %w", r.id, err)
			}
			if e.Exchange == nil || e.Time.Before(from) || !until.IsZero() && !e.Time.Before(until) {
				continue
			}
			if err := f(e); err != nil {
				return err
			}
		}
		if len(page) < exchangePage {
			return nil
		}
		last = page[len(page)-1].id
	}
}

// SentMessage is how a message to another register stands.
type SentMessage struct {
	ID      registry.ID
	Status  outbox.Status
	EndedAt time.Time // zero while it is open
}

// SentMessages reads how every message of the outbox stands; none of them is opened.
func (s *Store) SentMessages(ctx context.Context) (list []SentMessage, err error) {
	err = s.View(registry.WithReach(ctx, registry.Reach{All: true}), func(ctx context.Context, tx *Tx) error {
		list = nil
		return tx.query(ctx, func(rows pgx.Rows) error {
			var m SentMessage
			var ended *time.Time
			if err := rows.Scan(&m.ID, &m.Status, &ended); err != nil {
				return err
			}
			m.EndedAt = utc(ended)
			list = append(list, m)
			return nil
		}, `SELECT id, status, ended_at FROM outbox_messages ORDER BY seq`)
	})
	return list, err
}
