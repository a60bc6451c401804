package postgres

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"mist/registry"
)

// idCodec reads and writes registry.ID as the sixteen bytes it is. By itself
// pgx would take it for a sql.Scanner and go through a text each time.
type idCodec struct{ pgtype.UUIDCodec }

// PlanScan implements pgtype.Codec.
func (c idCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*registry.ID); ok && format == pgtype.BinaryFormatCode {
		return scanID{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

type scanID struct{}

// Scan implements pgtype.ScanPlan; NULL is the zero ID.
func (scanID) Scan(src []byte, target any) error {
	id := target.(*registry.ID)
	switch len(src) {
	case 0:
		*id = registry.ID{}
	case len(id):
		copy(id[:], src)
	default:
		return fmt.Errorf("a UUID of %d bytes", len(src))
	}
	return nil
}
