package postgres

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/intake"
)

// InsertPending queues the row of a document that waits.
func (tx *Tx) InsertPending(ctx context.Context, p intake.Pending) error {
	c := p.Caller
	return tx.exec(ctx, `INSERT INTO pending_acts (draft_id, kind, container, client_id, employee_id, legal_entity_id, request_id, submitted_at, gives_up_at, entry_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		p.DraftID, string(p.Kind), p.Container[:], c.ClientID, c.EmployeeID, c.LegalEntityID, c.RequestID, p.SubmittedAt, p.GivesUpAt, p.Receipt.EntryID)
}

// Pending reads what waits for a draft, with the receipt of its entry.
func (tx *Tx) Pending(ctx context.Context, draft registry.ID) (p intake.Pending, found bool, err error) {
	var container, entry []byte
	c := &p.Caller
	found, err = tx.queryOne(ctx, []any{&p.DraftID, &p.Kind, &container, &c.ClientID, &c.EmployeeID, &c.LegalEntityID, &c.RequestID, &p.SubmittedAt, &p.GivesUpAt, &entry},
		`SELECT p.draft_id, p.kind, p.container, p.client_id, p.employee_id, p.legal_entity_id, p.request_id, p.submitted_at, p.gives_up_at, l.entry
FROM pending_acts p JOIN leaves l ON l.id = p.entry_id WHERE p.draft_id = $1`, draft)
	if err != nil || !found {
		return intake.Pending{}, false, err
	}
	copy(p.Container[:], container)
	p.SubmittedAt, p.GivesUpAt = p.SubmittedAt.UTC(), p.GivesUpAt.UTC()
	p.Receipt, err = tx.receiptOf(entry)
	return p, true, err
}

// DeletePending queues the end of the waiting.
func (tx *Tx) DeletePending(ctx context.Context, draft registry.ID) error {
	return tx.execChecked(ctx, oneRow, `DELETE FROM pending_acts WHERE draft_id = $1`, draft)
}

// ActSince tells whether an act of the kind was accepted for the patient after a time.
func (tx *Tx) ActSince(ctx context.Context, kind registry.KindName, patient registry.ID, after time.Time) (yes bool, err error) {
	_, err = tx.queryOne(ctx, []any{&yes}, `SELECT EXISTS (SELECT FROM acts WHERE kind = $1 AND patient_id = $2 AND accepted_at > $3)`, string(kind), patient, after)
	return yes, err
}
