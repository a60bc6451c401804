package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/audit"
)

// sealedColumn is a column of sealed values: place and row are what the values
// are bound to.
type sealedColumn struct {
	table, column, place string
	row                  string // SQL for the row's name in the seal
}

// sealedColumns is every column that holds sealed values; a test compares it
// with the schema.
var sealedColumns = []sealedColumn{
	{"persons", "body", "persons", "t.id::text"},
	{"person_versions", "body", "persons", "t.person_id::text"},
	{"person_relationships", "body", "person_relationships", "t.id::text"},
	{"person_merges", "body", "person_merges", "t.id::text"},
	{"registers", "body", "registers", "t.id::text"},
	{"parties", "body", "parties", "t.id::text"},
	{"drafts", "body", "drafts", "t.id::text"},
	{"records", "body", "records", "t.id::text"},
	{"declarations", "note", "declarations.note", "t.id::text"},
	{"compositions", "body", "compositions", "t.id::text"},
	{"media", "body", "media", "encode(t.digest, 'hex')"},
	{"reports", "body", "reports", "t.id::text"},
	{"consents", "body", "consents", "t.id::text"},
	{"exchanges", "answer", "exchanges", "t.client || '|' || t.message_id || '|' || encode(t.request, 'hex')"},
	{"search_questions", "body", "search_questions", "t.id::text"},
	{"jobs", "body", "jobs", "t.id::text"},
	{"person_verifications", "body", "person_verifications", "t.person_id::text || '/' || t.stream"},
	{"payment_registers", "body", "payment_registers", "t.id::text"},
	{"outbox_messages", "body", "outbox_messages", "t.id::text"},
	{"replies", "body", "replies", "encode(t.key, 'hex')"},
	{"emergency_accesses", "body", "emergency_accesses", "t.id::text"},
	{"disputes", "body", "disputes", "t.id::text"},
	{"users", "body", "users", "t.id::text"},
	{"employee_requests", "body", "employee_requests", "t.id::text"},
	{"audit_exports", "body", "audit_exports", "t.id::text"},
	{"audit_export_parts", "body", "audit_export_parts", "t.export_id::text || '/' || t.n::text"},
	{"black_list_users", "body", "black_list_users", "t.id::text"},
}

// SealedTables names the tables that hold sealed values.
func SealedTables() []string {
	names := make([]string, len(sealedColumns))
	for i, c := range sealedColumns {
		names[i] = c.table
	}
	return names
}

// resealBatch is how many values one transaction seals again.
const resealBatch = 200

// Reseal seals the values of a table again that are under another key than the
// current one, in short transactions, each with its operator.command entry
// (digest: SHA-256 of the rows' names in order, each followed by a line feed).
// progress gets the sum so far. It ends when a whole pass finds none left.
func (s *Store) Reseal(ctx context.Context, table string, progress func(done int)) (done int, err error) {
	for _, c := range sealedColumns {
		if c.table != table {
			continue
		}
		for {
			n, err := s.resealPass(ctx, c, func(n int) { progress(done + n) })
			done += n
			if err != nil {
				return done, fmt.Errorf("sealing %s again: %w", table, err)
			}
			if n == 0 {
				return done, nil
			}
		}
	}
	return 0, fmt.Errorf("sealing again: %s holds no sealed values", table)
}

// resealStretch is how many blocks of 8 KB one statement looks through: a whole
// table would take longer than a write transaction may last.
const resealStretch = 512

// maxBusy bounds how often a batch that passed its time is tried again.
const maxBusy = 10

// resealPass goes through the table once, in the order it lies on the disk.
func (s *Store) resealPass(ctx context.Context, c sealedColumn, progress func(int)) (done int, err error) {
	var blocks int64
	if err := s.pool.QueryRow(ctx, `SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint`, c.table).Scan(&blocks); err != nil {
		return 0, mapError(err)
	}
	for from := int64(0); from <= blocks; from += resealStretch {
		at, until := fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", from+resealStretch)
		busy := 0
		for more := true; more; {
			var n int
			var next string
			err := s.Update(ctx, func(ctx context.Context, tx *Tx) (err error) {
				next, n, err = tx.reseal(ctx, c, at, until)
				return err
			})
			// A busy machine passes the limit of a write transaction: what was read
			// is in memory by now, so the same batch is tried again.
			if registry.CodeOf(err) == registry.CodeUnavailable && ctx.Err() == nil && busy < maxBusy {
				busy++
				continue
			}
			busy = 0
			if err != nil {
				return done, err
			}
			done += n
			at, more = next, n == resealBatch
		}
		progress(done)
	}
	return done, nil
}

// reseal takes the next rows behind a place. A row that another transaction
// changed meanwhile is met where it lies now, or by the next pass.
func (tx *Tx) reseal(ctx context.Context, c sealedColumn, after, until string) (last string, n int, err error) {
	current := binary.BigEndian.AppendUint16(nil, tx.store.keys.Current())
	var places, names []string
	var values [][]byte
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var at, name string
		var value []byte
		if err := rows.Scan(&at, &name, &value); err != nil {
			return err
		}
		places, names, values = append(places, at), append(names, name), append(values, value)
		return nil
	}, `SELECT t.ctid::text, `+c.row+`, t.`+c.column+` FROM `+c.table+` t
WHERE t.ctid > $1::text::tid AND t.ctid < $2::text::tid AND substr(t.`+c.column+`, 2, 2) <> $3 LIMIT $4 FOR NO KEY UPDATE`, after, until, current, resealBatch)
	if err != nil || len(places) == 0 {
		return after, 0, err
	}
	digest := sha256.New()
	for i, name := range names {
		plain, err := tx.open(c.place, name, values[i])
		if err != nil {
			return "", 0, tx.fail(fmt.Errorf("a value of %s.%s does not open: %w", c.table, c.column, err))
		}
		if values[i], err = tx.seal(c.place, name, plain); err != nil {
			return "", 0, err
		}
		digest.Write([]byte(name + "\n"))
	}
	if err := tx.exec(ctx, `UPDATE `+c.table+` t SET `+c.column+` = v.value FROM unnest($1::text[], $2::bytea[]) v (place, value)
WHERE t.ctid = v.place::tid`, places, values); err != nil {
		return "", 0, err
	}
	_, err = tx.Audit(ctx, audit.Entry{Kind: audit.OperatorCommand, Channel: "operator", Object: &audit.ObjectRef{
		Type: "reseal." + c.table, ID: fmt.Sprintf("%d rows under data key %d", len(names), tx.store.keys.Current()), Digest: digest.Sum(nil),
	}})
	return places[len(places)-1], len(places), err
}

// SealedUnder counts the values of a table by data key.
func (s *Store) SealedUnder(ctx context.Context, table string) (map[uint16]int, error) {
	for _, c := range sealedColumns {
		if c.table != table {
			continue
		}
		out := map[uint16]int{}
		err := s.View(ctx, func(ctx context.Context, tx *Tx) error {
			// A count over a large table may take as long as any read.
			if err := tx.exec(ctx, `SELECT set_config('statement_timeout', $1, true)`, millis(s.opt.ReadLimit)); err != nil {
				return err
			}
			return tx.query(ctx, func(rows pgx.Rows) error {
				var key, n int
				if err := rows.Scan(&key, &n); err != nil {
					return err
				}
				out[uint16(key)] = n
				return nil
			}, `SELECT get_byte(t.`+c.column+`, 1) * 256 + get_byte(t.`+c.column+`, 2), count(*) FROM `+c.table+` t
WHERE t.`+c.column+` IS NOT NULL GROUP BY 1`)
		})
		return out, err
	}
	return nil, fmt.Errorf("counting sealed values: %s holds none", table)
}
