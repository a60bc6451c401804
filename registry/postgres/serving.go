package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Login is the account a server logs in with where Mist itself keeps the
// database: a member of [Role] and of nothing else.
const Login = "mist_server"

// ServingLogin makes [Login] in a migrated database that belongs to the
// connection's user and gives the connection string of it. For databases that
// Mist keeps itself: the account has no password, the socket's folder guards it.
func ServingLogin(ctx context.Context, dsn string) (string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", fmt.Errorf("making the serving login: %w", mapError(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	const q = `DO $$
BEGIN
    CREATE ROLE mist_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT IN ROLE mist_app;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$`
	if _, err := conn.Exec(ctx, q); err != nil {
		return "", fmt.Errorf("making the serving login: %w", mapError(err))
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", errors.New("making the serving login: the connection string is not a URL")
	}
	values := u.Query()
	values.Set("user", Login)
	u.User, u.RawQuery = nil, values.Encode()
	return u.String(), nil
}

// excess is what an account may do that a server never must, for itself or
// through any role it can take on; the texts go to the operator.
const excess = `WITH roles AS (SELECT r.* FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER'))
SELECT array_remove(ARRAY[
    CASE WHEN EXISTS (SELECT FROM roles WHERE rolsuper) THEN 'is a superuser' END,
    CASE WHEN EXISTS (SELECT FROM roles WHERE rolbypassrls) THEN 'passes row security' END,
    CASE WHEN EXISTS (SELECT FROM roles WHERE rolcreaterole OR rolcreatedb OR rolreplication) THEN 'makes roles or databases, or copies this one' END,
    CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN roles ON roles.oid = c.relowner WHERE n.nspname IN ('public', 'river'))
        OR EXISTS (SELECT FROM pg_namespace n JOIN roles ON roles.oid = n.nspowner WHERE n.nspname IN ('public', 'river')) THEN 'owns the tables' END,
    CASE WHEN EXISTS (SELECT FROM roles WHERE has_database_privilege(roles.oid, current_database(), 'CREATE'))
        OR EXISTS (SELECT FROM roles, pg_namespace n WHERE n.nspname IN ('public', 'river') AND has_schema_privilege(roles.oid, n.oid, 'CREATE')) THEN 'makes tables' END,
    CASE WHEN EXISTS (SELECT FROM roles, unnest('{acts,leaves,entries,checkpoints,media,reports,declaration_statuses}'::text[]) t
        WHERE has_table_privilege(roles.oid, t, 'UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(roles.oid, t, 'UPDATE')) THEN 'changes what is written for ever' END
], NULL)`

// Excess tells what the account of a connection string may do that a server
// never must: change the tables, go around the wall between legal entities,
// change acts and leaves. Taking on [Role] does not help against it, for a
// session can lay a role down again. Empty for an account that may serve.
func Excess(ctx context.Context, dsn string) (list []string, err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("looking at the rights of the serving login: %w", mapError(err))
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := conn.QueryRow(ctx, excess).Scan(&list); err != nil {
		if lostTable(err) {
			return nil, ErrNotMigrated
		}
		return nil, fmt.Errorf("looking at the rights of the serving login: %w", mapError(err))
	}
	return list, nil
}

// ExcessError refuses an account that may do more than serve.
type ExcessError struct{ Rights []string }

// Error implements error: what is wrong and what to do.
func (e *ExcessError) Error() string {
	return "the database account that would serve " + strings.Join(e.Rights, ", ") +
		": give the server a login of its own (CREATE ROLE mist_server LOGIN PASSWORD '…' IN ROLE " + Role + ") in database.server_url_file; database.url_file may stay the owner's, for migrations"
}
