package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/intake"
)

// Documents reads what a draft demands, in the order of their types.
func (tx *Tx) Documents(ctx context.Context, draft registry.ID) (list []intake.Document, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var d intake.Document
		var digest []byte
		var uploaded *time.Time
		if err := rows.Scan(&d.ID, &d.DraftID, &d.Type, &digest, &d.MediaType, &d.Size, &uploaded); err != nil {
			return err
		}
		copy(d.Digest[:], digest)
		d.UploadedAt = utc(uploaded)
		list = append(list, d)
		return nil
	}, `SELECT id, draft_id, type, digest, media_type, size, uploaded_at FROM draft_documents WHERE draft_id = $1 ORDER BY type`, draft)
	return list, err
}

// Document reads a document with its draft, whose row is held until commit.
func (tx *Tx) Document(ctx context.Context, id registry.ID) (d intake.Document, draft intake.Draft, err error) {
	var kind string
	found, err := tx.queryOne(ctx, []any{&d.DraftID, &kind},
		`SELECT r.id, r.kind FROM draft_documents dd JOIN drafts r ON r.id = dd.draft_id WHERE dd.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	if err != nil {
		return d, draft, err
	}
	if draft, err = tx.Draft(ctx, registry.KindName(kind), d.DraftID, true); err != nil {
		return d, draft, err
	}
	for _, one := range draft.Documents {
		if one.ID == id {
			return one, draft, nil
		}
	}
	return d, draft, errNotFound
}

// KeepDocument queues what was uploaded to a document's place.
func (tx *Tx) KeepDocument(ctx context.Context, d intake.Document) error {
	var digest []byte
	if d.Uploaded() {
		digest = d.Digest[:]
	}
	return tx.execChecked(ctx, oneRow, `UPDATE draft_documents SET digest = $2, media_type = $3, size = $4, uploaded_at = $5 WHERE id = $1`,
		d.ID, digest, d.MediaType, d.Size, nullTime(d.UploadedAt))
}

// ErasableDocuments names uploaded documents of cleared drafts that came to
// nothing: nobody signed or completed them.
func (tx *Tx) ErasableDocuments(ctx context.Context, limit int) (list []intake.Erasable, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var e intake.Erasable
		var digest []byte
		if err := rows.Scan(&e.Document.ID, &e.Document.DraftID, &e.Document.Type, &digest, &e.Draft.Kind, &e.Draft.ActID, &e.Draft.PersonID, &e.Shared); err != nil {
			return err
		}
		copy(e.Document.Digest[:], digest)
		e.Draft.ID = e.Document.DraftID
		list = append(list, e)
		return nil
	}, `SELECT dd.id, dd.draft_id, dd.type, dd.digest, r.kind, r.act_id, r.person_id,
    EXISTS (SELECT FROM draft_documents o WHERE o.digest = dd.digest AND o.id <> dd.id)
FROM draft_documents dd JOIN drafts r ON r.id = dd.draft_id
WHERE dd.digest IS NOT NULL AND r.cleared_at IS NOT NULL AND r.status IN ('REJECTED', 'CANCELLED', 'EXPIRED') ORDER BY dd.id LIMIT $1`, limit)
	return list, err
}

// DocumentDigests gives the next digests of kept documents in their order, for
// the walk of a rotation through the storage.
func (tx *Tx) DocumentDigests(ctx context.Context, after registry.Digest, limit int) (list []registry.Digest, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return err
		}
		list = append(list, registry.Digest(b))
		return nil
	}, `SELECT digest FROM draft_documents WHERE digest > $1 UNION SELECT digest FROM contract_documents WHERE digest > $1 ORDER BY digest LIMIT $2`, after[:], limit)
	return list, err
}
