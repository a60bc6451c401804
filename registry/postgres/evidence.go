package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/evidence"
	"mist/registry/intake"
)

var _ evidence.Tx = (*Tx)(nil)

// SubjectOf implements evidence.Tx.
func (tx *Tx) SubjectOf(ctx context.Context, entry registry.ID) (person registry.ID, err error) {
	var id *registry.ID
	_, err = tx.queryOne(ctx, []any{&id}, `SELECT subject_id FROM leaves WHERE id = $1`, entry)
	if id != nil {
		person = *id
	}
	return person, err
}

const algorithmsName = "algorithms:"

// JudgementRules implements evidence.Tx.
func (tx *Tx) JudgementRules(ctx context.Context, policy, algorithms string) (r evidence.Rules, err error) {
	found, err := tx.queryOne(ctx, []any{&r.Policy, &r.Algorithms},
		`SELECT p.body, a.body FROM judgement_rules p, judgement_rules a WHERE p.name = $1 AND a.name = $2`, policy, algorithmsName+algorithms)
	if err == nil && !found {
		err = errNotFound
	}
	return r, err
}

// KeepRules implements evidence.Tx.
func (tx *Tx) KeepRules(ctx context.Context, policy, algorithms string, r evidence.Rules) error {
	return tx.exec(ctx, `INSERT INTO judgement_rules (name, body) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING`,
		policy, r.Policy, algorithmsName+algorithms, r.Algorithms)
}

// CheckpointByRoot implements evidence.Tx.
func (tx *Tx) CheckpointByRoot(ctx context.Context, root tlog.Hash) (signed []byte, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&signed}, `SELECT note FROM checkpoints WHERE root = $1 ORDER BY seq LIMIT 1`, root[:])
	return signed, found, err
}

// rejudgeRound is the least time between two rounds over all reports.
const rejudgeRound = 30 * 24 * time.Hour

// NextReports implements evidence.Tx: the row of the place is locked, so that
// one server at a time goes on. At the end of a round nothing comes until the
// next may begin.
func (tx *Tx) NextReports(ctx context.Context, limit int) (list []evidence.Stored, err error) {
	now := tx.store.source.Now()
	var after registry.ID
	var begun time.Time
	if _, err = tx.queryOne(ctx, []any{&after, &begun}, `SELECT after, begun FROM rejudgements_upto FOR UPDATE`); err != nil {
		return nil, err
	}
	list, err = tx.reportsAfter(ctx, after, limit)
	if err != nil || len(list) > 0 || now.Sub(begun) < rejudgeRound {
		return list, err
	}
	if err := tx.exec(ctx, `UPDATE rejudgements_upto SET after = '00000000-0000-0000-0000-000000000000', begun = $1`, now); err != nil {
		return nil, err
	}
	return tx.reportsAfter(ctx, registry.ID{}, limit)
}

func (tx *Tx) reportsAfter(ctx context.Context, after registry.ID, limit int) (list []evidence.Stored, err error) {
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var s evidence.Stored
		var act *registry.ID
		var container, body []byte
		if err := rows.Scan(&s.ID, &act, &container, &s.Digest, &body); err != nil {
			return err
		}
		if act != nil {
			s.ActID = *act
		}
		copy(s.Container[:], container)
		list, bodies = append(list, s), append(bodies, body)
		return nil
	}, `SELECT id, act_id, container, digest, body FROM reports WHERE id > $1 ORDER BY id LIMIT $2`, [16]byte(after), limit)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Kept, err = tx.kept(ctx, list[i].ID, list[i].Container, bodies[i]); err != nil {
			var failed *DatabaseError
			if tx.err != nil || errors.As(err, &failed) || ctx.Err() != nil {
				return nil, err
			}
			list[i].Err, err = err, nil
		}
	}
	return list, nil
}

// Kept implements evidence.Tx.
func (tx *Tx) Kept(ctx context.Context, container []byte, digest string) (evidence.Kept, bool, error) {
	s, found, err := tx.StoredReport(ctx, container, digest)
	if err == nil && found {
		err = s.Err
	}
	return s.Kept, found && err == nil, err
}

// StoredReport implements evidence.Tx.
func (tx *Tx) StoredReport(ctx context.Context, container []byte, digest string) (s evidence.Stored, found bool, err error) {
	var body []byte
	found, err = tx.queryOne(ctx, []any{&s.ID, &body}, `SELECT id, body FROM reports WHERE container = $1 AND digest = $2 ORDER BY created_at DESC LIMIT 1`, container, digest)
	if err != nil || !found {
		return s, false, err
	}
	s.Container, s.Digest = registry.Digest(container), digest
	s.Kept, err = tx.kept(ctx, s.ID, s.Container, body)
	return s, err == nil, err
}

// NoteRejudged implements evidence.Tx.
func (tx *Tx) NoteRejudged(ctx context.Context, report registry.ID, outcome string) error {
	return tx.exec(ctx, `INSERT INTO rejudgements (report_id, outcome, at) VALUES ($1, $2, $3)
ON CONFLICT (report_id) DO UPDATE SET outcome = excluded.outcome, at = excluded.at`, report, outcome, tx.store.source.Now())
}

// kept opens a report's body. Of a refused document there is no container.
func (tx *Tx) kept(ctx context.Context, report registry.ID, container registry.Digest, sealed []byte) (k evidence.Kept, err error) {
	body, err := tx.openShort("reports", report.String(), sealed)
	if err != nil {
		return k, err
	}
	document, err := tx.Container(ctx, container)
	if err != nil && !errors.Is(err, errNotFound) {
		return k, err
	}
	k.Facts, k.Report, err = intake.OpenEvidence(body, document, func(d registry.Digest) ([]byte, error) { return tx.Container(ctx, d) })
	return k, err
}

// ReportRejudged implements evidence.Tx.
func (tx *Tx) ReportRejudged(ctx context.Context, s evidence.Stored, outcome string) error {
	if err := tx.NoteRejudged(ctx, s.ID, outcome); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE rejudgements_upto SET after = $1`, s.ID)
}
