package postgres

import (
	"context"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"mist/registry/postgres/local"
)

// A log that was there before months is carried over as it is: no row is
// written anew, and what comes in a month without a table goes to its month
// when that is made.
func TestMonthsCarryTheLogOver(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "mist-months-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := local.Start(t.Context(), local.Config{Dir: dir, Settings: map[string]string{"fsync": "off"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	dsn := server.DSN("postgres")
	cfg, err := pgx.ParseConfig(dsn)
	require.NoError(t, err)
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithAllowOutofOrder(true))
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), 274)
	require.NoError(t, err)

	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	month := func(n int) time.Time {
		now := time.Now().UTC()
		return time.Date(now.Year(), now.Month()+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
	}
	put := func(at time.Time, n int) {
		id := idAt(at)
		id[15] = byte(n)
		_, err := conn.Exec(t.Context(), `INSERT INTO leaves (id, epoch, kind, writer, n, entry, subject_id, subject_salt) VALUES ($1, 1, 'operator.command', $1, $2, $3, $1, 'salt')`, [16]byte(id), n, []byte{byte(n)})
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `INSERT INTO entry_search (leaf_id, idx, kind, request_id) VALUES ($1, $2, 'operator.command', 'r')`, [16]byte(id), n)
		require.NoError(t, err)
	}
	all := func() (got []string) {
		rows, err := conn.Query(t.Context(), `SELECT l.tableoid::regclass::text || ' ' || l.xid || ' ' || encode(l.entry, 'hex') || ' ' || encode(l.subject_salt, 'escape') || ' ' || s.tableoid::regclass || ' ' || s.idx
FROM leaves l JOIN entry_search s ON s.leaf_id = l.id ORDER BY l.id`)
		require.NoError(t, err)
		got, err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return got
	}
	table := func(n int) string { return month(n).Format("2006_01") }
	put(month(-30), 1)
	put(month(0), 2)
	put(month(1).Add(time.Hour), 3) // a clock that is ahead
	before := all()
	require.Len(t, before, 3)
	var file, again string
	const node = `SELECT pg_relation_filepath($1::text::regclass)`
	require.NoError(t, conn.QueryRow(t.Context(), node, "leaves").Scan(&file))

	require.NoError(t, Migrate(t.Context(), dsn))
	require.NoError(t, conn.QueryRow(t.Context(), node, "leaves_first").Scan(&again))
	require.Equal(t, file, again, "the table is the one it was")
	require.Len(t, all(), 3)
	for i, row := range all() {
		require.Equal(t, "leaves_first"+before[i][len("leaves"):len(before[i])-len("entry_search 1")]+"entry_search_first "+before[i][len(before[i])-1:], row)
	}

	// Ahead are the present month and three more; what is later still waits.
	put(month(3), 4)
	put(month(6), 5)
	put(month(40), 6)
	require.Contains(t, all()[3], "leaves_"+table(3)+" ")
	require.Contains(t, all()[4], "leaves_rest ")
	_, err = conn.Exec(t.Context(), `SET ROLE mist_app`)
	require.NoError(t, err)
	var made int
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT log_make_months(6)`).Scan(&made), "as the server's account")
	require.Equal(t, 3, made)
	for _, refused := range []string{
		`DELETE FROM leaves`, `DELETE FROM leaves_first`, `UPDATE leaves SET entry = ''`, `UPDATE leaves SET subject_salt = NULL`, `TRUNCATE leaves`,
		`INSERT INTO leaves_first SELECT * FROM leaves`, `ALTER TABLE leaves DETACH PARTITION leaves_first`, `DROP TABLE leaves_first`, `INSERT INTO log_months VALUES ('2020-01-01', 'x', NULL, gen_random_uuid())`,
		`INSERT INTO log_archives (month, order_id, manifest) VALUES ('2020-01-01', gen_random_uuid(), '')`, `SELECT log_aim('first')`,
		`SELECT log_detach_month('2020-01-01', gen_random_uuid(), '', true)`, `SELECT * FROM entry_search_first`,
	} {
		_, err := conn.Exec(t.Context(), refused)
		require.ErrorContains(t, err, "42501", refused)
	}
	_, err = conn.Exec(t.Context(), `RESET ROLE`)
	require.NoError(t, err)
	require.Contains(t, all()[4], "leaves_"+table(6)+" ")
	require.Contains(t, all()[4], " entry_search_"+table(6)+" 5")
	require.Contains(t, all()[5], "leaves_rest ")
	for _, table := range []string{"leaves", "leaves_first", "leaves_rest", "leaves_" + table(3), "leaves_" + table(6)} {
		_, err := conn.Exec(t.Context(), `DELETE FROM `+table)
		require.ErrorContains(t, err, "append-only", "not the owner either: %s", table)
	}
	_, err = conn.Exec(t.Context(), `SELECT log_make_months(25)`)
	require.Error(t, err)
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT log_make_months(6)`).Scan(&made))
	require.Zero(t, made)
}
