package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/record"
	"mist/registry/sickleave"
)

// InsertSickLeave implements sickleave.LinksTx.
func (tx *Tx) InsertSickLeave(ctx context.Context, l sickleave.Links) error {
	defer tx.across()()
	return tx.exec(ctx, `INSERT INTO sick_leave_links (id, focus_id, relation, target_id, live) VALUES ($1, $2, $3, $4, true)`, l.ID, l.FocusID, l.Relation, l.TargetID)
}

// DropSickLeave implements sickleave.LinksTx.
func (tx *Tx) DropSickLeave(ctx context.Context, id registry.ID) error {
	defer tx.across()()
	return tx.execChecked(ctx, oneRow, `UPDATE sick_leave_links SET live = false WHERE id = $1`, id)
}

// SickLeavesFor implements sickleave.LinksTx.
func (tx *Tx) SickLeavesFor(ctx context.Context, focus registry.ID) ([]record.Record, error) {
	defer tx.across()()
	return tx.records(ctx, selectRecords+` JOIN sick_leave_links s ON s.id = r.id WHERE s.focus_id = $1 ORDER BY r.inserted_at, r.id`, focus)
}

// SickLeaveRules implements sickleave.LinksTx.
func (tx *Tx) SickLeaveRules(ctx context.Context) (rules sickleave.Rules, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r sickleave.Rule
		err := rows.Scan(&r.Name, &r.Category, &r.Values, &r.From, &r.To, &r.Source)
		rules = append(rules, r)
		return err
	}, `SELECT name, category, days, valid_from, valid_to, source FROM sick_leave_rules ORDER BY name, category, valid_from`)
	return rules, err
}

// PutSickLeaveRules implements sickleave.RulesTx.
func (tx *Tx) PutSickLeaveRules(ctx context.Context, rules sickleave.Rules) error {
	for _, r := range rules {
		if err := tx.exec(ctx, `INSERT INTO sick_leave_rules (name, category, days, valid_from, valid_to, source) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name, category, valid_from) DO UPDATE SET days = excluded.days, valid_to = excluded.valid_to, source = excluded.source`,
			r.Name, r.Category, r.Values, r.From, r.To, r.Source); err != nil {
			return err
		}
	}
	return nil
}

// ActContainer reads the signed container of an act.
func (tx *Tx) ActContainer(ctx context.Context, act registry.ID) ([]byte, error) {
	defer tx.across()()
	var digest []byte
	found, err := tx.queryOne(ctx, []any{&digest}, `SELECT container FROM acts WHERE id = $1`, act)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return nil, err
	}
	return tx.Container(ctx, registry.Digest(digest))
}

var (
	_ sickleave.Tx        = (*Tx)(nil)
	_ sickleave.CancelTx  = (*Tx)(nil)
	_ sickleave.ServiceTx = (*Tx)(nil)
	_ sickleave.WorkTx    = (*Tx)(nil)
	_ sickleave.RulesTx   = (*Tx)(nil)
)
