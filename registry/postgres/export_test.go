package postgres

import (
	"context"

	"mist/registry/audit/sequencer"
)

// LeadWithoutLock is a second leader, as after a lost advisory lock.
func (s *Store) LeadWithoutLock(ctx context.Context) (sequencer.Leader, error) {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &leader{store: s, conn: conn}, nil
}

// Exec queues any statement: a bare act for comparison.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) error {
	return tx.exec(ctx, sql, args...)
}
