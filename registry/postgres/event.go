package postgres

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/query"
)

// Events reads the feed below the snapshot's horizon: of transactions that are
// still open, and of those begun after them, nothing is told yet.
func (tx *Tx) Events(ctx context.Context, within registry.ID, patients bool, after query.Cursor, limit int) (list []query.Event, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		e := query.Event{Type: "StatusChangeEvent"}
		var xid string
		var state bool
		if err := rows.Scan(&e.Cursor.Epoch, &xid, &e.Cursor.ID, &e.EntityType, &e.EntityID, &e.Properties.Status.NewValue, &e.Properties.Status.Reason, &e.Time, nil, &state); err != nil {
			return err
		}
		var err error
		if e.Cursor.XID, err = strconv.ParseUint(xid, 10, 64); err != nil {
			return err
		}
		if state {
			e.Type = "StateChangeEvent"
		}
		e.ID, e.Time = e.Cursor.String(), e.Time.UTC()
		list = append(list, e)
		return nil
	}, `(SELECT s.epoch, s.xid::text, s.id, 'declaration', s.declaration_id, s.status, s.reason, s.inserted_at, s.xid AS at, false
FROM declaration_statuses s JOIN declarations d ON d.id = s.declaration_id
WHERE (s.epoch, s.xid, s.id) > ($1, $2::text::xid8, $3)
  AND (s.epoch < $4 OR s.xid < pg_snapshot_xmin(pg_current_snapshot()))
  AND $7 AND ($5::uuid IS NULL OR d.legal_entity_id = $5)
ORDER BY s.epoch, s.xid, s.id LIMIT $6)
UNION ALL
(SELECT s.epoch, s.xid::text, s.id, CASE WHEN d.kind LIKE '%\_request' THEN d.kind ELSE d.kind || '_request' END, s.draft_id, s.status, s.reason, s.inserted_at, s.xid AS at, false
FROM draft_statuses s JOIN drafts d ON d.id = s.draft_id
WHERE (s.epoch, s.xid, s.id) > ($1, $2::text::xid8, $3)
  AND (s.epoch < $4 OR s.xid < pg_snapshot_xmin(pg_current_snapshot()))
  AND $7 AND ($5::uuid IS NULL OR d.legal_entity_id = $5)
ORDER BY s.epoch, s.xid, s.id LIMIT $6)
UNION ALL
(SELECT s.epoch, s.xid::text, s.id, s.entity_type, s.entity_id, s.status, s.reason, s.inserted_at, s.xid AS at, s.state
FROM status_events s
WHERE (s.epoch, s.xid, s.id) > ($1, $2::text::xid8, $3)
  AND (s.epoch < $4 OR s.xid < pg_snapshot_xmin(pg_current_snapshot()))
  AND CASE WHEN s.person_id IS NULL THEN $5::uuid IS NULL OR s.legal_entity_id = $5 ELSE $7 AND ($5::uuid IS NULL OR person_known_to(s.person_id, $5)) END
ORDER BY s.epoch, s.xid, s.id LIMIT $6)
ORDER BY epoch, at, id LIMIT $6`,
		after.Epoch, strconv.FormatUint(after.XID, 10), after.ID, tx.store.epoch, within, limit, patients)
	return list, err
}
