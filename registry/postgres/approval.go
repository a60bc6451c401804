package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/approval"
	"mist/registry/consent"
)

// InsertApproval queues what an approval has beside its consent.
func (tx *Tx) InsertApproval(ctx context.Context, a approval.Approval) error {
	return tx.exec(ctx, `INSERT INTO approvals (consent_id, person_id, legal_entity_id, created_by, auth_method, otp_mac, otp_tries_left, otp_expires_at, otp_sent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, a.ID, a.PersonID, a.LegalEntityID, a.CreatedBy, a.AuthMethod, a.OTPMAC, a.OTPTriesLeft, nullTime(a.OTPExpiresAt), a.OTPSent)
}

func (tx *Tx) approvals(ctx context.Context, where string, args ...any) (list []approval.Approval, err error) {
	var ids []registry.ID
	by := map[registry.ID]approval.Approval{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var a approval.Approval
		var expires *time.Time
		if err := rows.Scan(&a.ID, &a.LegalEntityID, &a.CreatedBy, &a.AuthMethod, &a.OTPMAC, &a.OTPTriesLeft, &expires, &a.OTPSent); err != nil {
			return err
		}
		a.OTPExpiresAt = utc(expires)
		ids, by[a.ID] = append(ids, a.ID), a
		return nil
	}, `SELECT consent_id, legal_entity_id, created_by, auth_method, otp_mac, otp_tries_left, otp_expires_at, otp_sent FROM approvals `+where, args...)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		r, err := tx.scanConsent(rows)
		a := by[r.ID]
		a.Record = r
		list = append(list, a)
		return err
	}, selectConsent+` WHERE id = ANY ($1) ORDER BY created_at DESC, id DESC`, uuids(ids))
	return list, err
}

func uuids(ids []registry.ID) [][16]byte {
	out := make([][16]byte, len(ids))
	for i, id := range ids {
		out[i] = [16]byte(id)
	}
	return out
}

// Approval reads an approval and holds its row; not-found if there is none.
func (tx *Tx) Approval(ctx context.Context, id registry.ID) (approval.Approval, error) {
	list, err := tx.approvals(ctx, `WHERE consent_id = $1 FOR NO KEY UPDATE`, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return approval.Approval{}, err
	}
	return list[0], nil
}

// Approvals lists approvals about a person, newest first.
func (tx *Tx) Approvals(ctx context.Context, person registry.ID, limit int) ([]approval.Approval, error) {
	return tx.approvals(ctx, `WHERE person_id = ANY (person_cluster($1)) ORDER BY consent_id DESC LIMIT $2`, person, limit)
}

// UpdateApproval queues a changed state.
func (tx *Tx) UpdateApproval(ctx context.Context, a approval.Approval) error {
	if err := tx.execChecked(ctx, oneRow, `UPDATE approvals SET otp_mac = $2, otp_tries_left = $3, otp_expires_at = $4, otp_sent = $5 WHERE consent_id = $1`,
		a.ID, a.OTPMAC, a.OTPTriesLeft, nullTime(a.OTPExpiresAt), a.OTPSent); err != nil {
		return err
	}
	return tx.execChecked(ctx, oneRow, `UPDATE consents SET status = $2, revoked_at = $3, granted_at = $4 WHERE id = $1`, a.ID, string(a.Status), nullTime(a.RevokedAt), a.GrantedAt)
}

// SupersedeApprovals revokes earlier equal approvals in force: same patient,
// records, recipient and level (ЕСОЗ, approvals v2).
func (tx *Tx) SupersedeApprovals(ctx context.Context, a approval.Approval, at time.Time) error {
	return tx.exec(ctx, `UPDATE consents SET status = 'revoked', revoked_at = $6
WHERE person_id = $1 AND recipient = $2 AND scope = $3 AND access_level = $4 AND status = 'active' AND id <> $5`, a.PersonID, a.Recipient, notNil(a.Scope), a.AccessLevel, a.ID, at)
}

// ApprovalsFor gives the person's consents to one of the recipients that are in force.
func (tx *Tx) ApprovalsFor(ctx context.Context, person registry.ID, recipients []string, now time.Time) (list []consent.Record, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		r, err := tx.scanConsent(rows)
		if err == nil && r.InForce(now) {
			list = append(list, r)
		}
		return err
	}, selectConsent+` WHERE person_id = ANY (person_cluster($1)) AND recipient = ANY ($2) AND status = 'active' AND expires_at > $3`, person, recipients, now)
	return list, err
}

// DeclaredTo reports whether the person has an active declaration with this
// party as the doctor, in the legal entity. One that waits for verification
// opens no clinical record (domain notes 1.10, rule 1).
func (tx *Tx) DeclaredTo(ctx context.Context, person, party, legalEntity registry.ID) (yes bool, err error) {
	_, err = tx.queryOne(ctx, []any{&yes}, `SELECT EXISTS (SELECT FROM declarations d JOIN employees e ON e.id = d.employee_id
WHERE d.person_id = ANY (person_cluster($1)) AND e.party_id = $2 AND d.legal_entity_id = $3 AND d.status = 'active')`, person, party, legalEntity)
	return yes, err
}
