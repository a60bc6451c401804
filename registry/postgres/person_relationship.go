package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
)

// relationshipBody is the sealed part of a relationship.
type relationshipBody struct {
	Documents []patient.Document `json:"documents"`
	Comment   string             `json:"comment,omitempty"`
}

// PutRelationship queues a relationship, new or changed.
func (tx *Tx) PutRelationship(ctx context.Context, r patient.Relationship) error {
	defer tx.across()()
	plain, err := json.Marshal(relationshipBody{r.Documents, r.Comment})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("person_relationships", r.ID.String(), plain)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO person_relationships (id, person_id, confidant_person_id, is_active, active_to, verification_status, verification_reason, body, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active, active_to = excluded.active_to, verification_status = excluded.verification_status,
    verification_reason = excluded.verification_reason, body = excluded.body, updated_at = excluded.updated_at`,
		r.ID, r.PersonID, r.ConfidantPersonID, r.IsActive, r.ActiveTo, r.VerificationStatus, r.VerificationReason, body, r.InsertedAt, r.UpdatedAt)
}

func (tx *Tx) relationships(ctx context.Context, where string, args ...any) (list []patient.Relationship, err error) {
	var bodies [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r patient.Relationship
		var body []byte
		if err := rows.Scan(&r.ID, &r.PersonID, &r.ConfidantPersonID, &r.IsActive, &r.ActiveTo, &r.VerificationStatus, &r.VerificationReason, &body, &r.InsertedAt, &r.UpdatedAt); err != nil {
			return err
		}
		r.InsertedAt, r.UpdatedAt = r.InsertedAt.UTC(), r.UpdatedAt.UTC()
		list, bodies = append(list, r), append(bodies, body)
		return nil
	}, `SELECT id, person_id, confidant_person_id, is_active, active_to, verification_status, verification_reason, body, inserted_at, updated_at
FROM person_relationships `+where, args...)
	for i := 0; err == nil && i < len(list); i++ {
		var plain []byte
		if plain, err = tx.open("person_relationships", list[i].ID.String(), bodies[i]); err != nil {
			break
		}
		var body relationshipBody
		if err = json.Unmarshal(plain, &body); err != nil {
			err = tx.fail(err)
		}
		list[i].Documents, list[i].Comment = body.Documents, body.Comment
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Relationship reads one; not-found if there is none.
func (tx *Tx) Relationship(ctx context.Context, id registry.ID) (patient.Relationship, error) {
	defer tx.across()()
	list, err := tx.relationships(ctx, `WHERE id = $1`, id)
	if err == nil && len(list) == 0 {
		err = errNotFound
	}
	if err != nil {
		return patient.Relationship{}, err
	}
	return list[0], nil
}

// RelationshipBetween finds the active relationship by which one person speaks
// for another. Whether it stands today and is verified is the caller's to ask.
func (tx *Tx) RelationshipBetween(ctx context.Context, person, confidant registry.ID) (patient.Relationship, bool, error) {
	defer tx.across()()
	list, err := tx.relationships(ctx, `WHERE person_id = $1 AND confidant_person_id = $2 AND is_active`, person, confidant)
	if err != nil || len(list) == 0 {
		return patient.Relationship{}, false, err
	}
	return list[0], true, nil
}

// maxRelationships bounds how many relationships of one person are read.
const maxRelationships = 100

// RelationshipsOf lists the active relationships that speak for a person.
func (tx *Tx) RelationshipsOf(ctx context.Context, person registry.ID) ([]patient.Relationship, error) {
	defer tx.across()()
	return tx.relationships(ctx, `WHERE person_id = $1 AND is_active ORDER BY id LIMIT $2`, person, maxRelationships)
}

// RelationshipsShown is RelationshipsOf for showing: those of a person whom the
// caller's reach does not show are not there.
func (tx *Tx) RelationshipsShown(ctx context.Context, person registry.ID) ([]patient.Relationship, error) {
	return tx.relationships(ctx, `WHERE person_id = ANY (person_cluster($1)) AND is_active ORDER BY id LIMIT $2`, person, maxRelationships)
}

// RelationshipsFor lists the active relationships in which a person speaks for others.
func (tx *Tx) RelationshipsFor(ctx context.Context, confidant registry.ID) ([]patient.Relationship, error) {
	defer tx.across()()
	return tx.relationships(ctx, `WHERE confidant_person_id = $1 AND is_active ORDER BY id LIMIT $2`, confidant, maxRelationships)
}

// EndRelationships ends relationships whose last day has passed.
func (tx *Tx) EndRelationships(ctx context.Context, today registry.Date, limit int) (list []patient.Relationship, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var r patient.Relationship
		if err := rows.Scan(&r.ID, &r.PersonID); err != nil {
			return err
		}
		list = append(list, r)
		return nil
	}, `UPDATE person_relationships SET is_active = false, updated_at = $3 WHERE id IN (
    SELECT id FROM person_relationships WHERE is_active AND active_to < $1 ORDER BY active_to LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
RETURNING id, person_id`, today, limit, tx.store.source.Now())
	return list, err
}
