package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
)

// A token that was looked up is known without the database, until anything it
// hangs on changes: before the answer where a server changes it, as soon as it is
// told where somebody else does. Who cannot be told asks for each request.
func TestKnownTokens(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	one, other := pgtest.Open(t, dsn), pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	sql := func(q string, args ...any) {
		_, err := conn.Exec(t.Context(), q, args...)
		require.NoError(t, err, q)
	}
	h := newTokenHolder(t, one)
	issue := func() access.Token { return h.issue(t, one) }
	ended := func(s *postgres.Store, token access.Token) bool { return h.ended(t, s, token) }
	// Behind the triggers' back nobody hears: what is answered then is known.
	knows := func(s *postgres.Store) bool {
		token := issue()
		require.False(t, ended(s, token))
		sql("SET session_replication_role = replica")
		sql("UPDATE tokens SET revoked_at = now() WHERE hash = $1", token.Hash[:])
		sql("SET session_replication_role = origin")
		return !ended(s, token)
	}
	require.False(t, knows(one), "a store that does not listen knows nothing")
	for _, s := range []*postgres.Store{one, other} {
		go s.FollowTokens(t.Context())
		require.Eventually(t, func() bool { return knows(s) }, 30*time.Second, 10*time.Millisecond)
	}

	for range 20 {
		token := issue()
		require.False(t, ended(one, token))
		require.False(t, ended(other, token))
		update(t, one, func(ctx context.Context, tx *postgres.Tx) {
			require.NoError(t, tx.RevokeToken(ctx, token.Hash, source.Now()))
		})
		require.True(t, ended(one, token), "the server that ends a token refuses it at once")
		require.True(t, ended(other, token), "and so does any other")
	}
	for _, q := range []string{
		"UPDATE tokens SET revoked_at = now() WHERE hash = $1",
		"UPDATE grants SET ended_at = now() WHERE id = (SELECT grant_id FROM tokens WHERE hash = $1)",
		"UPDATE users SET blocked = NOT blocked WHERE id = (SELECT user_id FROM tokens WHERE hash = $1)",
		"UPDATE clients SET blocked = NOT blocked WHERE id = (SELECT client_id FROM tokens WHERE hash = $1)",
	} {
		token := issue()
		require.False(t, ended(one, token))
		require.False(t, ended(other, token))
		sql(q, token.Hash[:])
		for _, s := range []*postgres.Store{one, other} {
			require.Eventually(t, func() bool { return ended(s, token) }, 30*time.Second, time.Millisecond, q)
		}
		sql("UPDATE users SET blocked = false")
		sql("UPDATE clients SET blocked = false")
		require.Eventually(t, func() bool { return knows(one) && knows(other) }, 30*time.Second, 10*time.Millisecond)
	}

	// The one who listens loses the connection: until it listens again, it asks.
	token := issue()
	require.False(t, ended(one, token))
	sql("UPDATE clients SET name = name") // told, so that nothing is known
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = ';'")
	sql("UPDATE tokens SET revoked_at = now() WHERE hash = $1", token.Hash[:])
	require.Eventually(t, func() bool { return ended(one, token) && ended(other, token) }, 30*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return knows(one) && knows(other) }, 30*time.Second, 10*time.Millisecond, "and it knows again")
}

// The server that ends a token has forgotten it before it answers, by whatever
// statement of the store: here the database tells nothing.
func TestWhatEndsTokens(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	conn := pgtest.Connect(t, dsn)
	for _, table := range []string{"tokens", "grants", "clients", "users"} {
		_, err := conn.Exec(t.Context(), "ALTER TABLE "+table+" DISABLE TRIGGER USER")
		require.NoError(t, err)
	}
	h := newTokenHolder(t, s)
	go s.FollowTokens(t.Context())
	require.Eventually(t, func() bool {
		token := h.issue(t, s)
		require.False(t, h.ended(t, s, token))
		_, err := conn.Exec(t.Context(), "UPDATE tokens SET revoked_at = now() WHERE hash = $1", token.Hash[:])
		require.NoError(t, err)
		return !h.ended(t, s, token)
	}, 30*time.Second, 10*time.Millisecond, "known, and the database tells nothing")
	for name, end := range map[string]func(ctx context.Context, tx *postgres.Tx, token access.Token) error{
		"revoked": func(ctx context.Context, tx *postgres.Tx, token access.Token) error {
			return tx.RevokeToken(ctx, token.Hash, source.Now())
		},
		"grant ended": func(ctx context.Context, tx *postgres.Tx, token access.Token) error {
			return tx.EndGrant(ctx, token.GrantID, source.Now(), "x")
		},
		"party": func(ctx context.Context, tx *postgres.Tx, _ access.Token) error {
			return tx.RevokeTokensOfParty(ctx, h.clinic.party)
		},
		"client": func(ctx context.Context, tx *postgres.Tx, _ access.Token) error {
			return tx.EndTokensOfClient(ctx, h.client.ID, "x")
		},
		"blocked": func(ctx context.Context, tx *postgres.Tx, _ access.Token) error {
			return tx.BlockClients(ctx, h.clinic.legalEntity)
		},
		"put": func(ctx context.Context, tx *postgres.Tx, _ access.Token) error {
			c := h.client
			c.Blocked = true
			return tx.PutClient(ctx, c)
		},
		"dismissed": func(ctx context.Context, tx *postgres.Tx, _ access.Token) error {
			return tx.DismissEmployee(ctx, h.clinic.doctor, registry.DateOf(source.Now()), "x")
		},
	} {
		token := h.issue(t, s)
		require.False(t, h.ended(t, s, token), name)
		update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, end(ctx, tx, token)) })
		require.True(t, h.ended(t, s, token), name)
		update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutClient(ctx, h.client)) })
	}
}

// tokenHolder is whom tokens are issued to.
type tokenHolder struct {
	clinic clinic
	client access.Client
	user   access.User
	n      int
}

func newTokenHolder(t *testing.T, s *postgres.Store) *tokenHolder {
	h := &tokenHolder{clinic: populate(t, s)}
	h.client = access.Client{ID: source.NewID(), Name: "МІС «Зразок»", Type: "MIS", LegalEntityID: h.clinic.legalEntity, Scopes: []string{"a"}, SecretHash: []byte{1}, SecretSalt: []byte{2}, RedirectURIs: []string{}}
	h.user = access.User{ID: source.NewID(), Form: "drfo", Number: "3126509817", Name: "Тестовенко", SeenAt: source.Now()}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutClient(ctx, h.client))
		require.NoError(t, tx.PutUser(ctx, h.user))
	})
	return h
}

func (h *tokenHolder) issue(t *testing.T, s *postgres.Store) access.Token {
	h.n++
	now := source.Now()
	grant := access.Authorization{ID: source.NewID(), ClientID: h.client.ID, UserID: h.user.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
	token := access.Token{Hash: sha256.Sum256(fmt.Append(nil, "token", h.n)), ClientID: h.client.ID, UserID: h.user.ID, EmployeeID: h.clinic.doctor, PartyID: h.clinic.party, LegalEntityID: h.clinic.legalEntity,
		Scopes: []string{"a"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour), GrantID: grant.ID}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertGrant(ctx, grant))
		require.NoError(t, tx.InsertToken(ctx, token))
	})
	return token
}

func (h *tokenHolder) ended(t *testing.T, s *postgres.Store, token access.Token) (ended bool) {
	require.NoError(t, s.Look(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		got, by, err := tx.Token(ctx, token.Hash)
		ended = !got.RevokedAt.IsZero() || by.Blocked
		return err
	}))
	return ended
}
