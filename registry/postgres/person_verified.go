package postgres

import (
	"context"

	"mist/registry"
	"mist/registry/verification"
)

// SetVerificationStatus changes the cumulative status of a record; its history
// is that of its streams, in the trail.
func (tx *Tx) SetVerificationStatus(ctx context.Context, person registry.ID, status verification.Status) error {
	defer tx.across()()
	return tx.execChecked(ctx, oneRow, `UPDATE persons SET verification_status = $2 WHERE id = $1`, person, string(status))
}
