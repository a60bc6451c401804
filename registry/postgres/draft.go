package postgres

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/prm"
)

func hexOf(d registry.Digest) string { return hex.EncodeToString(d[:]) }

// InsertDraft queues a new draft.
func (tx *Tx) InsertDraft(ctx context.Context, d intake.Draft) error {
	body, err := tx.sealDraft(d)
	if err != nil {
		return err
	}
	sql := insertDraft
	if len(d.Documents) > 0 {
		sql += " " // another text: its documents want it to stand before them, not among others
	}
	err = tx.exec(ctx, sql,
		d.ID, string(d.Kind), string(d.Status), d.StatusReason, d.ActID, d.Number, d.PersonID, d.EmployeeID, d.PartyID,
		d.DivisionID, d.LegalEntityID, d.ClientID, body, d.AuthMethod, d.OTPMAC, int32(d.OTPTriesLeft), nullTime(d.OTPExpiresAt),
		d.InsertedAt, d.UpdatedAt, d.ExpiresAt)
	for _, doc := range d.Documents {
		if err == nil {
			err = tx.exec(ctx, `INSERT INTO draft_documents (id, draft_id, type) VALUES ($1, $2, $3)`, doc.ID, d.ID, doc.Type)
		}
	}
	return err
}

const (
	draftInto = `(id, kind, status, status_reason, act_id, number, person_id, employee_id, party_id,
    division_id, legal_entity_id, client_id, body, auth_method, otp_mac, otp_tries_left, otp_expires_at, inserted_at, updated_at, expires_at)`
	insertDraft = `INSERT INTO drafts ` + draftInto + `
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`
	draftColumns = `d.id, d.kind, d.status, d.status_reason, d.act_id, d.number, d.person_id, d.employee_id, d.party_id,
    d.division_id, d.legal_entity_id, d.client_id, d.body, d.auth_method, d.otp_mac, d.otp_tries_left, d.otp_expires_at, d.inserted_at, d.updated_at, d.expires_at,
    EXISTS (SELECT FROM draft_documents dd WHERE dd.draft_id = d.id), d.xmin::text`
	oneDraft = `
FROM drafts d WHERE d.id = $1 AND d.kind = $2`
)

// draftRow holds what a scan of selectDraft gives; the body is sealed.
type draftRow struct {
	draft      intake.Draft
	sealed     []byte
	otpExpires *time.Time
	documents  bool
}

func (r *draftRow) dest() []any {
	d := &r.draft
	return []any{&d.ID, &d.Kind, &d.Status, &d.StatusReason, &d.ActID, &d.Number, &d.PersonID, &d.EmployeeID, &d.PartyID,
		&d.DivisionID, &d.LegalEntityID, &d.ClientID, &r.sealed, &d.AuthMethod, &d.OTPMAC, &d.OTPTriesLeft, &r.otpExpires, &d.InsertedAt, &d.UpdatedAt, &d.ExpiresAt, &r.documents, &d.Revision}
}

func (tx *Tx) readDraft(r draftRow) (intake.Draft, error) {
	d := r.draft
	if err := tx.openDraft(&d, r.sealed); err != nil {
		return intake.Draft{}, err
	}
	d.OTPExpiresAt, d.InsertedAt, d.UpdatedAt, d.ExpiresAt = utc(r.otpExpires), d.InsertedAt.UTC(), d.UpdatedAt.UTC(), d.ExpiresAt.UTC()
	return d, nil
}

// Draft reads a draft of a kind; not-found if there is none. With lock its row
// is held until the transaction ends.
func (tx *Tx) Draft(ctx context.Context, kind registry.KindName, id registry.ID, lock bool) (intake.Draft, error) {
	sql := `SELECT ` + draftColumns + oneDraft
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	var r draftRow
	found, err := tx.queryOne(ctx, r.dest(), sql, id, string(kind))
	if err != nil {
		return intake.Draft{}, err
	}
	if !found {
		return intake.Draft{}, errNotFound
	}
	d, err := tx.readDraft(r)
	if err == nil && r.documents {
		d.Documents, err = tx.Documents(ctx, d.ID)
	}
	return d, err
}

// DraftAlone reads a draft without its documents, in one trip; whole tells that
// it has none.
func (tx *Tx) DraftAlone(ctx context.Context, kind registry.KindName, id registry.ID) (d intake.Draft, whole bool, err error) {
	var r draftRow
	found, err := tx.queryOne(ctx, r.dest(), `SELECT `+draftColumns+oneDraft, id, string(kind))
	if err == nil && !found {
		err = errNotFound
	}
	if err == nil {
		d, err = tx.readDraft(r)
	}
	return d, !r.documents, err
}

// DraftToSign reads a draft without its documents, its author, and whether an
// act was accepted from these bytes, for this draft or another one.
func (tx *Tx) DraftToSign(ctx context.Context, kind registry.KindName, id registry.ID, container registry.Digest) (d intake.Draft, author intake.Author, accepted bool, err error) {
	var r draftRow
	var e prm.Employee
	var sealed []byte
	dest := append(append(r.dest(), employeeDest(&e, &sealed)...), &author.EDRPOU, &author.Revision, &accepted)
	found, err := tx.queryOne(ctx, dest, selectDraftToSign, id, string(kind), container[:])
	if err == nil && !found {
		err = errNotFound
	}
	if err == nil {
		d, err = tx.readDraft(r)
	}
	if err == nil {
		err = tx.openParty(&e.Party, sealed)
	}
	author.TaxID, author.LastName, author.Approved = e.Party.TaxID, e.Party.LastName, e.Approved()
	return d, author, accepted, err
}

const selectDraftToSign = `SELECT ` + draftColumns + `, ` + employeeColumns + `, l.edrpou, ` + authorRevision + `, EXISTS (SELECT FROM acts WHERE container = $3)
FROM drafts d JOIN employees e ON e.id = d.employee_id JOIN parties pt ON pt.id = e.party_id JOIN legal_entities l ON l.id = e.legal_entity_id
WHERE d.id = $1 AND d.kind = $2`

// Hold takes the row locks that order acts of one patient and one author, then
// the draft's, in one trip, and reads what an act needs of the three. A draft
// that nobody changed since it was read is not read again.
func (tx *Tx) Hold(ctx context.Context, known intake.Draft) (intake.Draft, intake.Parties, error) {
	var p intake.Parties
	var e prm.Employee
	var sealed []byte
	var revision string
	rows := 0
	once := func(dest ...any) func(pgx.Rows) error {
		return func(r pgx.Rows) error { rows++; return r.Scan(dest...) }
	}
	err := tx.queries(ctx,
		read{across: true, scan: once(&p.PersonStatus, &p.PersonVerification), args: []any{known.PersonID}, sql: holdPersonState},
		read{across: true, scan: once(append(employeeDest(&e, &sealed), &p.Author.EDRPOU, &p.Author.Revision)...), args: []any{known.EmployeeID}, sql: holdSignatory},
		read{scan: once(&revision), args: []any{known.ID, string(known.Kind)},
			sql: `SELECT d.xmin::text` + oneDraft + ` FOR NO KEY UPDATE`},
	)
	if err == nil && rows != 3 {
		err = errNotFound
	}
	if err == nil {
		err = tx.openParty(&e.Party, sealed)
	}
	if err != nil {
		return intake.Draft{}, intake.Parties{}, err
	}
	p.Author.TaxID, p.Author.LastName, p.Author.Approved = e.Party.TaxID, e.Party.LastName, e.Approved()
	if revision != known.Revision {
		known, err = tx.Draft(ctx, known.Kind, known.ID, true)
	}
	return known, p, err
}

// UpdateDraft queues the change of what may change in a draft.
func (tx *Tx) UpdateDraft(ctx context.Context, d intake.Draft) error {
	body, err := tx.sealDraft(d)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE drafts SET status = $2, status_reason = $3, body = $4, otp_mac = $5, otp_tries_left = $6,
    otp_expires_at = $7, updated_at = $8, expires_at = $9, auth_method = $10 WHERE id = $1`,
		d.ID, string(d.Status), d.StatusReason, body, d.OTPMAC, d.OTPTriesLeft, nullTime(d.OTPExpiresAt), d.UpdatedAt, d.ExpiresAt, d.AuthMethod)
}

// UpdateDraftUnchanged is UpdateDraft of a row that nobody changed since it was
// read; else the transaction fails with [intake.ErrStale].
func (tx *Tx) UpdateDraftUnchanged(ctx context.Context, d intake.Draft) error {
	body, err := tx.sealDraft(d)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, unchanged, updateDraftUnchanged,
		d.ID, string(d.Status), d.StatusReason, body, d.OTPMAC, int32(d.OTPTriesLeft), nullTime(d.OTPExpiresAt), d.UpdatedAt, d.ExpiresAt, d.AuthMethod, d.Revision)
}

const updateDraftUnchanged = `UPDATE drafts SET status = $2, status_reason = $3, body = $4, otp_mac = $5, otp_tries_left = $6,
    otp_expires_at = $7, updated_at = $8, expires_at = $9, auth_method = $10 WHERE id = $1 AND xmin::text = $11`

// MoveDraft queues the change of a draft's state and of nothing that is sealed.
func (tx *Tx) MoveDraft(ctx context.Context, d intake.Draft) error {
	return tx.execChecked(ctx, oneRow, `UPDATE drafts SET status = $2, status_reason = $3, updated_at = $4, expires_at = $5 WHERE id = $1`,
		d.ID, string(d.Status), d.StatusReason, d.UpdatedAt, d.ExpiresAt)
}

// oneRow demands that a change found its row.
func oneRow(tag pgconn.CommandTag) error {
	if tag.RowsAffected() != 1 {
		return errNotFound
	}
	return nil
}

// MoveDraftUnchanged is MoveDraft of a row that nobody changed since it was
// read; else the transaction fails with [intake.ErrStale].
func (tx *Tx) MoveDraftUnchanged(ctx context.Context, d intake.Draft) error {
	return tx.execChecked(ctx, unchanged, moveDraftUnchanged, d.ID, string(d.Status), d.StatusReason, d.UpdatedAt, d.ExpiresAt, d.Revision)
}

const moveDraftUnchanged = `UPDATE drafts SET status = $2, status_reason = $3, updated_at = $4, expires_at = $5 WHERE id = $1 AND xmin::text = $6`

func unchanged(tag pgconn.CommandTag) error {
	if tag.RowsAffected() != 1 {
		return intake.ErrStale
	}
	return nil
}

// ExpectParties queues the locks of [Tx.Hold] on a patient and an author who
// are as an act wants them; else the transaction fails with [intake.ErrStale].
func (tx *Tx) ExpectParties(ctx context.Context, d intake.Draft, author intake.Author, s intake.Standing) error {
	defer tx.across()()
	if err := tx.expect(ctx, expectPerson, d.PersonID, s.Person, s.NotVerification); err != nil {
		return err
	}
	return tx.expect(ctx, expectAuthor, d.EmployeeID, author.Revision)
}

// ExpectDraft queues a look that fails with [intake.ErrStale] when a draft is
// not as it was read, or not seen any more.
func (tx *Tx) ExpectDraft(ctx context.Context, d intake.Draft) error {
	return tx.expect(ctx, expectDraft, d.ID, d.Revision)
}

const expectDraft = `SELECT 1 / count(*)::integer FROM drafts WHERE id = $1 AND xmin::text = $2`

// NewRevision queues the question for the xmin of what this transaction writes.
func (tx *Tx) NewRevision(ctx context.Context, into *string) error {
	if tx.err != nil {
		return tx.err
	}
	tx.queue = append(tx.queue, newRevision(into))
	return ctx.Err()
}

// newRevision is one question whoever asks it, and however many do.
func newRevision(into ...*string) statement {
	return statement{sql: selectRevision, across: true, revisions: into, scan: func(r pgx.Rows) error {
		var revision string
		err := r.Scan(&revision)
		for _, to := range into {
			*to = revision
		}
		return err
	}}
}

const selectRevision = `SELECT pg_current_xact_id()::xid::text`

// expect queues a statement that the database itself refuses when its row is
// not there.
func (tx *Tx) expect(ctx context.Context, sql string, args ...any) error {
	err := tx.execChecked(ctx, unchanged, sql, args...)
	if err == nil {
		tx.queue[len(tx.queue)-1].guard = true
	}
	return err
}

// CancelDrafts supersedes the open drafts of the same person, employee and
// legal entity.
func (tx *Tx) CancelDrafts(ctx context.Context, kind registry.KindName, person, employee, legalEntity, except registry.ID) error {
	return tx.exec(ctx, `UPDATE drafts SET status = 'CANCELLED', status_reason = 'superseded', otp_mac = NULL, updated_at = $6
WHERE kind = $1 AND person_id = $2 AND employee_id = $3 AND legal_entity_id = $4 AND id <> $5 AND status IN ('NEW', 'APPROVED')`,
		string(kind), person, employee, legalEntity, except, tx.store.source.Now())
}

// LockEmployee takes the row lock that orders acts of one author; always after
// the person's.
func (tx *Tx) LockEmployee(ctx context.Context, id registry.ID) error {
	return tx.lock(ctx, `SELECT FROM employees WHERE id = $1 FOR NO KEY UPDATE`, id)
}

// lock queues a lock. Whether the row was there shows when it is sent; the
// order of the locks is the order of the calls.
func (tx *Tx) lock(ctx context.Context, sql string, id registry.ID) error {
	return tx.execChecked(ctx, oneRow, sql, id)
}
