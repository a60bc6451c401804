package postgres_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/signature"
)

// keyless refuses every container: keys are made and used without signatures.
type keyless struct{}

func (keyless) Verify(context.Context, signature.Input, signature.Policy) (*signature.Result, error) {
	return nil, errors.New("no signature is verified in this test")
}

// A hospital's key, over real rows: shown once, kept as argon2id, and dead at
// once when it, its client system or its legal entity ends. A client that is
// bound to its certificate has no keys: neither new ones nor those of before.
func TestKeysOfAHospital(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	now := source.Now()
	clock := registry.Source{Clock: func() time.Time { return now }, Random: source.Random}
	service := func(profile string) *access.Service {
		made, err := access.New(access.Config{Store: postgres.NewPort[access.Tx](s).Everywhere(), Walled: postgres.NewPort[access.Tx](s), Verifier: keyless{},
			Policies: signature.PolicyTable{}, Source: clock, Lives: access.DefaultLives(), Key: make([]byte, 32), Audience: "http://keys.test", Profile: profile})
		require.NoError(t, err)
		return made
	}
	room := service("test")
	client := access.Client{ID: source.NewID(), Name: "МІС «Ключова»", Type: "MIS", LegalEntityID: c.legalEntity, Scopes: []string{"declaration:read", "division:read"},
		SecretHash: []byte{1}, SecretSalt: []byte{2}, RedirectURIs: []string{}}
	change := func(f func(c *access.Client)) {
		t.Helper()
		f(&client)
		update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutClient(ctx, client)) })
	}
	change(func(*access.Client) {})
	wanted := access.KeyRequest{Name: "звіти", Scopes: []string{"declaration:read"}, Days: 30}
	k, plain, err := room.OperatorKey(t.Context(), client.ID, c.legalEntity, wanted)
	require.NoError(t, err)
	certificate := make([]byte, 32)
	opens := func(why string) {
		t.Helper()
		for _, presented := range [][]byte{nil, certificate} {
			caller, err := room.Authenticate(t.Context(), plain, presented)
			require.NoError(t, err, why)
			require.Equal(t, []any{client.ID, c.legalEntity, []string{"declaration:read"}, registry.Reach{LegalEntityID: c.legalEntity}, "", registry.ID{}},
				[]any{caller.ClientID, caller.LegalEntityID, caller.Scopes, caller.Rows, caller.Role, caller.EmployeeID}, why)
		}
	}
	shut := func(why, bearer string) {
		t.Helper()
		for _, presented := range [][]byte{nil, certificate} {
			_, err := room.Authenticate(t.Context(), bearer, presented)
			require.Equal(t, registry.CodeUnauthenticated, registry.CodeOf(err), why)
			require.Equal(t, "Invalid access token", registry.AsError(err).Detail, why)
		}
	}
	opens("the unmutated twin")

	// Kept as argon2id of secret and salt, and nowhere as it was shown.
	secret := plain[strings.LastIndex(plain[:len(plain)-43], "_")+1:]
	require.Len(t, secret, 43)
	require.Equal(t, access.HashSecret(secret, k.SecretSalt), k.SecretHash)
	require.Zero(t, count(t, dsn, `SELECT count(*) FROM api_keys k WHERE k::text LIKE '%`+secret+`%' OR k::text LIKE '%`+hex.EncodeToString([]byte(secret))+`%'`))
	list, err := room.OperatorKeys(t.Context(), c.legalEntity)
	require.NoError(t, err)
	require.Len(t, list, 1)

	shut("another secret", plain[:len(plain)-43]+strings.Repeat("A", 43))
	shut("a letter less", plain[:len(plain)-1])
	shut("another profile", strings.Replace(plain, "_test_", "_live_", 1))
	_, err = service("live").Authenticate(t.Context(), plain, nil)
	require.Equal(t, registry.CodeUnauthenticated, registry.CodeOf(err), "a test key opens no production")
	shut("another key's id", strings.Replace(plain, hex.EncodeToString(k.ID[:]), strings.Repeat("0", 32), 1))

	// The client promises to use its certificate: whoever holds the certificate
	// asks for tokens with it, and a bare key opens nothing.
	change(func(c *access.Client) { c.CertificateBound = true })
	shut("bound to a certificate", plain)
	_, _, err = room.OperatorKey(t.Context(), client.ID, c.legalEntity, wanted)
	require.Equal(t, []any{registry.CodeConflict, "certificate_bound"}, []any{registry.CodeOf(err), registry.AsError(err).Reason})
	change(func(c *access.Client) { c.CertificateBound = false })
	opens("not bound any more")
	_, other, err := room.OperatorKey(t.Context(), client.ID, c.legalEntity, wanted)
	require.NoError(t, err)
	require.NotEqual(t, plain, other)

	change(func(c *access.Client) { c.Blocked = true })
	shut("blocked", plain)
	change(func(c *access.Client) { c.Blocked = false })
	opens("not blocked any more")
	change(func(c *access.Client) { c.Scopes = []string{"division:read"} })
	caller, err := room.Authenticate(t.Context(), plain, nil)
	require.NoError(t, err)
	require.Empty(t, caller.Scopes, "never more than the client system may")
	change(func(c *access.Client) { c.Scopes = []string{"declaration:read", "division:read"} })

	for _, status := range []string{"CLOSED", "REORGANIZED", "ACTIVE"} {
		_, err := pgtest.Connect(t, dsn).Exec(t.Context(), `UPDATE legal_entities SET status = $2 WHERE id = $1`, [16]byte(c.legalEntity), status)
		require.NoError(t, err)
		if status == "ACTIVE" {
			opens(status)
		} else {
			shut(status, plain)
		}
	}
	now = now.AddDate(0, 0, 30).Add(-time.Second)
	opens("its last second")
	now = now.Add(time.Second)
	shut("its time is over", plain)
	now = now.AddDate(0, 0, -1)
	opens("a day before")
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(room.OperatorRevoke(t.Context(), k.ID, source.NewID())), "another legal entity's word")
	opens("nobody ended it")
	require.NoError(t, room.OperatorRevoke(t.Context(), k.ID, c.legalEntity))
	shut("revoked", plain)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(room.OperatorRevoke(t.Context(), k.ID, c.legalEntity)), "once")
	require.Equal(t, 1, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'access.api_key_revoked'`))
	require.Equal(t, 2, count(t, dsn, `SELECT count(*) FROM leaves WHERE kind = 'access.api_key_created'`))
}
