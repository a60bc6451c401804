package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/emergency"
)

func (tx *Tx) sealEmergency(a emergency.Access) ([]byte, error) {
	plain, err := a.Words.Encode()
	if err != nil {
		return nil, tx.fail(err)
	}
	return tx.seal("emergency_accesses", a.ID.String(), plain)
}

// InsertEmergency queues a break-glass access.
func (tx *Tx) InsertEmergency(ctx context.Context, a emergency.Access) error {
	body, err := tx.sealEmergency(a)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO emergency_accesses (id, person_id, employee_id, legal_entity_id, reason, body, opened_at, expires_at, status)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, a.ID, a.PersonID, a.EmployeeID, a.LegalEntityID, a.Reason, body, a.OpenedAt, a.ExpiresAt, a.Status)
}

// CountEmergencies counts the employee's accesses since a time.
func (tx *Tx) CountEmergencies(ctx context.Context, employee registry.ID, since time.Time) (n int, err error) {
	_, err = tx.queryOne(ctx, []any{&n}, `SELECT count(*) FROM emergency_accesses WHERE employee_id = $1 AND opened_at > $2`, employee, since)
	return n, err
}

// EmergencyFor gives the employee's access to the person that is open at a time.
func (tx *Tx) EmergencyFor(ctx context.Context, person, employee registry.ID, now time.Time) (id registry.ID, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&id}, `SELECT id FROM emergency_accesses WHERE employee_id = $1 AND person_id = ANY (person_cluster($2)) AND opened_at > $3::timestamptz - interval '1 day' AND expires_at > $3
ORDER BY opened_at DESC LIMIT 1`, employee, person, now)
	return id, found, err
}

func (tx *Tx) emergencies(ctx context.Context, where string, args ...any) (list []emergency.Access, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var a emergency.Access
		var sealed []byte
		var reviewed *time.Time
		if err := rows.Scan(&a.ID, &a.PersonID, &a.EmployeeID, &a.LegalEntityID, &a.Reason, &sealed, &a.OpenedAt, &a.ExpiresAt, &a.Status, &a.Decision, &a.ReviewedBy, &reviewed); err != nil {
			return err
		}
		plain, err := tx.open("emergency_accesses", a.ID.String(), sealed)
		if err != nil {
			return err
		}
		if a.Words, err = emergency.DecodeWords(plain); err != nil {
			return err
		}
		a.OpenedAt, a.ExpiresAt, a.ReviewedAt = a.OpenedAt.UTC(), a.ExpiresAt.UTC(), utc(reviewed)
		list = append(list, a)
		return nil
	}, `SELECT id, person_id, employee_id, legal_entity_id, reason, body, opened_at, expires_at, status, decision, reviewed_by, reviewed_at FROM emergency_accesses `+where, args...)
	return list, err
}

// Emergency reads one and holds its row; not-found if there is none.
func (tx *Tx) Emergency(ctx context.Context, id registry.ID) (emergency.Access, error) {
	list, err := tx.emergencies(ctx, `WHERE id = $1 FOR NO KEY UPDATE`, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return emergency.Access{}, err
	}
	return list[0], nil
}

// Emergencies lists accesses by the state of their review, oldest first.
func (tx *Tx) Emergencies(ctx context.Context, status string, after registry.ID, limit int) ([]emergency.Access, error) {
	return tx.emergencies(ctx, `WHERE ($1 = '' OR status = $1) AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`, status, after, limit)
}

// CloseEmergency queues the end of a review.
func (tx *Tx) CloseEmergency(ctx context.Context, a emergency.Access) error {
	body, err := tx.sealEmergency(a)
	if err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE emergency_accesses SET status = $2, decision = $3, body = $4, reviewed_by = $5, reviewed_at = $6 WHERE id = $1 AND status = 'open'`,
		a.ID, a.Status, a.Decision, body, a.ReviewedBy, a.ReviewedAt)
}
