package postgres

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/intake"
)

const actColumns = `a.id, a.kind, a.version, a.patient_id, a.author_id, a.legal_entity_id, a.container, a.content, a.refers_to, a.accepted_at`

// actRow holds what a scan of actColumns needs beside the act itself.
type actRow struct {
	act                registry.Act
	container, content []byte
}

func (r *actRow) dest() []any {
	a := &r.act
	return []any{&a.ID, &a.Kind, &a.Version, &a.PatientID, &a.AuthorID, &a.LegalEntityID, &r.container, &r.content, &a.RefersTo, &a.AcceptedAt}
}

func (r *actRow) value() registry.Act {
	copy(r.act.Container[:], r.container)
	copy(r.act.Content[:], r.content)
	r.act.AcceptedAt = r.act.AcceptedAt.UTC()
	return r.act
}

// ActByContainer finds the act accepted from these exact container bytes.
func (tx *Tx) ActByContainer(ctx context.Context, digest registry.Digest) (registry.Act, bool, error) {
	var r actRow
	found, err := tx.queryOne(ctx, r.dest(), `SELECT `+actColumns+` FROM acts a WHERE a.container = $1`, digest[:])
	return r.value(), found, err
}

// Act reads an act; not-found if there is none.
func (tx *Tx) Act(ctx context.Context, id registry.ID) (registry.Act, error) {
	var r actRow
	found, err := tx.queryOne(ctx, r.dest(), `SELECT `+actColumns+` FROM acts a WHERE a.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return r.value(), err
}

const actInto = `(id, kind, version, patient_id, author_id, legal_entity_id, container, content, refers_to, accepted_at, leaf_id)`

const insertAct = `INSERT INTO acts ` + actInto + `
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// An act and its leaf as one statement.
const insertActWithLeaf = `WITH leaf AS (INSERT INTO leaves ` + leafInto + `
VALUES ($11, $12, $13, $1, $14, $15, $16, $17, $18)) ` + insertAct

// InsertAct queues an act. Its acceptance is recorded with Audit, before it or
// before anything is read: both go as one statement, and the database takes no
// act that ends a statement without its leaf.
func (tx *Tx) InsertAct(ctx context.Context, a registry.Act) error {
	err := tx.exec(ctx, insertAct,
		a.ID, string(a.Kind), int32(a.Version), a.PatientID, a.AuthorID, a.LegalEntityID, a.Container[:], a.Content[:], a.RefersTo, a.AcceptedAt, tx.reserveLeaf(a.ID))
	if err == nil {
		tx.queue[len(tx.queue)-1].act = a.ID
	}
	return err
}

// PutContainer keeps a signed container under its digest, sealed. The same
// bytes a second time change nothing.
func (tx *Tx) PutContainer(ctx context.Context, digest registry.Digest, b []byte) error {
	sealed, err := tx.seal("media", hexOf(digest), b)
	if err != nil {
		return err
	}
	return tx.exec(ctx, insertMedia, digest[:], sealed)
}

const insertMedia = `INSERT INTO media (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING`

// Container reads a signed container; not-found if it is not kept.
func (tx *Tx) Container(ctx context.Context, digest registry.Digest) ([]byte, error) {
	var sealed []byte
	found, err := tx.queryOne(ctx, []any{&sealed}, `SELECT body FROM media WHERE digest = $1`, digest[:])
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNotFound
	}
	return tx.openShort("media", hexOf(digest), sealed)
}

// InsertReport keeps a signature report, sealed: it names the signer. Its
// objects are kept among the containers, by digest, when this server has not
// done so before.
func (tx *Tx) InsertReport(ctx context.Context, r intake.Report) error {
	for _, o := range r.Objects {
		if tx.store.kept.has(o.Digest) {
			continue
		}
		if err := tx.PutContainer(ctx, o.Digest, o.Body); err != nil {
			return err
		}
		tx.keeping = append(tx.keeping, o.Digest)
	}
	body, err := tx.sealShort("reports", r.ID.String(), r.Body)
	if err != nil {
		return err
	}
	return tx.exec(ctx, insertReport, r.ID, r.ActID, r.Container[:], r.Digest, r.Indication, r.Policy, body, r.CreatedAt)
}

const (
	reportInto   = `(id, act_id, container, digest, indication, policy, body, created_at)`
	insertReport = `INSERT INTO reports ` + reportInto + ` VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
)

// Report reads a signature report; not-found if there is none.
func (tx *Tx) Report(ctx context.Context, id registry.ID) (intake.Report, error) {
	var r intake.Report
	var container, body []byte
	found, err := tx.queryOne(ctx, []any{&r.ID, &r.ActID, &container, &r.Digest, &r.Indication, &r.Policy, &body, &r.CreatedAt},
		`SELECT id, act_id, container, digest, indication, policy, body, created_at FROM reports WHERE id = $1`, id)
	if err != nil {
		return intake.Report{}, err
	}
	if !found {
		return intake.Report{}, errNotFound
	}
	copy(r.Container[:], container)
	r.CreatedAt = r.CreatedAt.UTC()
	r.Body, err = tx.openShort("reports", id.String(), body)
	return r, err
}

// nullTime turns the zero time into NULL.
func nullTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// utc reads a nullable time.
func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
