package postgres_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/preservation"
	"mist/signature"
	"mist/signature/algo"
	"mist/signature/extend"
	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
)

// keeping is an archive with its own time: authorities, and the signed containers of three acts.
type keeping struct {
	t     *testing.T
	store *postgres.Store
	now   time.Time
	root  pki.Issuer
	unit  pki.Issuer // whose time-stamps are asked for
	down  bool
}

func (k *keeping) issue(p pki.Profile, name string, until time.Time, by *pki.Issuer) pki.Issuer {
	key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(k.t, err)
	c, err := pki.Issue(pki.Template{Profile: p, Subject: pki.Subject{CommonName: name, RNOKPP: "3126509817"}, NotBefore: k.now.AddDate(-1, 0, 0), NotAfter: until}, key, by, rand.Reader)
	require.NoError(k.t, err)
	return pki.Issuer{Certificate: c, Key: key}
}

func (k *keeping) tsa(_ context.Context, request []byte) ([]byte, error) {
	if k.down {
		return nil, errors.New("no answer")
	}
	q, err := pki.ParseStampRequest(request)
	if err != nil {
		return nil, err
	}
	token, err := pki.Stamp(q, k.unit, k.now, rand.Reader)
	return pki.StampResponse(token), err
}

// service judges with a list of revocations of today, as a server does.
func (k *keeping) service(sunsets map[string]time.Time) *preservation.Service {
	der, err := pki.IssueCRL(pki.CRL{Number: int(k.now.Unix()), ThisUpdate: k.now.Add(-time.Hour), NextUpdate: k.now.Add(time.Hour)}, k.root, rand.Reader)
	require.NoError(k.t, err)
	list, err := trust.ParseCRL(der)
	require.NoError(k.t, err)
	anchor := trust.Anchor{Certificate: k.root.Certificate, Trust: []facts.Trust{{Source: "test", Purposes: []string{facts.PurposeSigner, facts.PurposeTSA, facts.PurposeOCSP}}}}
	clock := func() time.Time { return k.now }
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(trust.NewSnapshot("test", []trust.Anchor{anchor}, nil, []*trust.CRL{list})), Now: clock})
	require.NoError(k.t, err)
	policy, err := signature.NamedPolicy("default")
	require.NoError(k.t, err)
	table, err := signature.DefaultAlgorithms()
	require.NoError(k.t, err)
	terms := preservation.DefaultTerms()
	terms.Sunsets = sunsets
	return &preservation.Service{
		Store: postgres.NewPort[preservation.Tx](k.store).Everywhere(), Table: table, Source: registry.Source{Clock: clock, Random: rand.Reader}, Terms: terms,
		Extender: extend.Extender{Verifier: v, Policy: policy, Lift: sign.Lift{TSA: k.tsa, Digest: algo.SHA256, Random: rand.Reader}},
	}
}

func (k *keeping) act(c clinic, container []byte, acceptedAt time.Time) registry.Act {
	a := c.act()
	a.Container, a.AcceptedAt = sha256.Sum256(container), acceptedAt
	update(k.t, k.store, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(k.t, tx.PutContainer(ctx, a.Container, container))
		require.NoError(k.t, tx.InsertAct(ctx, a))
		_, err := tx.Audit(ctx, accepted(a))
		require.NoError(k.t, err)
	})
	return a
}

// Signed containers are lifted a month after their acceptance, and again before what proves them ends: the certificate
// of the time-stamping unit, or an algorithm. What does not pass is remembered, tried again later, and never kept.
func TestContainersAreKeptProvable(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	k := &keeping{t: t, store: pgtest.Open(t, dsn), now: time.Now().UTC().Truncate(time.Second)}
	begun := k.now
	k.root = k.issue(pki.Root, "Корінь", k.now.AddDate(40, 0, 0), nil)
	k.unit = k.issue(pki.TSA, "Позначки часу", k.now.AddDate(3, 0, 0), &k.root)
	doctor := k.issue(pki.Person, "Зразкова Марія", k.now.AddDate(1, 0, 0), &k.root)
	signed := func(content string) []byte {
		b, err := sign.CAdES(t.Context(), sign.Signer{Key: doctor.Key, Certificate: doctor.Certificate.Raw}, facts.Bytes([]byte(content)), sign.Options{Time: k.now, TSA: k.tsa})
		require.NoError(t, err)
		return b
	}
	c := populate(t, k.store)
	long := k.now.AddDate(0, 0, -40)
	good := k.act(c, signed("направлення 1"), long)
	broken := k.act(c, bytes.Replace(signed("направлення 2"), []byte("направлення 2"), []byte("направлення 3"), 1), long)
	torn := k.act(c, signed("направлення 5")[:200], long)
	young := k.act(c, signed("направлення 4"), k.now)

	run := func(sunsets map[string]time.Time) preservation.Outcome {
		out, err := k.service(sunsets).Run(t.Context())
		require.NoError(t, err)
		return out
	}
	counts := func() preservation.Counts {
		c, _, err := k.service(nil).Status(t.Context(), 0)
		require.NoError(t, err)
		return c
	}
	kept := func(a registry.Act) (b []byte, level string) {
		update(t, k.store, func(ctx context.Context, tx *postgres.Tx) {
			var digest registry.Digest
			var err error
			digest, level, err = tx.KeptContainer(ctx, a.ID)
			require.NoError(t, err)
			b, err = tx.Container(ctx, digest)
			require.NoError(t, err)
		})
		return b, level
	}
	entries := func(kind string) (n int) {
		require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE convert_from(entry, 'UTF8')::jsonb->>'kind' = $1`, kind).Scan(&n))
		return n
	}

	// The authority does not answer: an error, and nothing changed.
	k.down = true
	_, err := k.service(nil).Run(t.Context())
	require.ErrorContains(t, err, "no answer")
	require.Equal(t, preservation.Counts{Acts: 4, Due: 3}, counts())
	k.down = false

	out := run(nil)
	require.Equal(t, 1, out.Extended)
	require.Equal(t, 1, out.Proven)
	require.Equal(t, map[string]int{"HASH_FAILURE": 1, "NOT_EXTENDABLE": 1}, out.Reasons)
	end := counts()
	require.Equal(t, preservation.Counts{Acts: 4, Kept: 1, Refused: 2, First: k.unit.Certificate.NotAfter}, end)
	b, level := kept(good)
	require.Equal(t, "CAdES-BASELINE-LTA", level)
	require.NotEqual(t, good.Container, registry.Digest(sha256.Sum256(b)))
	for _, a := range []registry.Act{broken, torn, young} {
		b, level := kept(a)
		require.Equal(t, a.Container, registry.Digest(sha256.Sum256(b)))
		require.Empty(t, level)
	}
	out = run(nil)
	require.Zero(t, out.Extended+out.Refused+out.Proven, "nothing is due")
	require.Equal(t, []int{1, 1, 2}, []int{entries("container.extended"), entries("container.proven"), entries("container.not_extended")})

	// A day later the broken one is tried again, the young one not yet.
	k.now = begun.AddDate(0, 0, 2)
	out = run(nil)
	require.Equal(t, []int{0, 2}, []int{out.Extended, out.Refused})
	k.now = begun.AddDate(0, 0, 31)
	require.Equal(t, 1, run(nil).Extended, "a month later the young one is lifted")

	// An algorithm ends next month, says the operator: whatever rests on it is lifted again.
	require.Zero(t, run(map[string]time.Time{"SHA256": k.now.AddDate(5, 0, 0)}).Extended)
	_, due, err := k.service(map[string]time.Time{"SHA256": k.now.AddDate(0, 1, 0)}).Status(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, due, 2, "both kept ones")

	// Two months before the unit's certificate ends both are lifted again, by another unit; by then the doctor's own
	// certificate has ended long since.
	k.now = k.unit.Certificate.NotAfter.AddDate(0, -2, 0)
	first := k.unit
	k.unit = k.issue(pki.TSA, "Наступні позначки", begun.AddDate(15, 0, 0), &k.root)
	require.Equal(t, 2, run(nil).Extended)
	k.now = first.Certificate.NotAfter.AddDate(1, 0, 0)
	state := counts()
	require.Zero(t, state.Overdue)
	require.Equal(t, int64(2), state.Kept)
	b, _ = kept(good)
	r, err := k.service(nil).Extender.Verifier.Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, k.service(nil).Extender.Policy)
	require.NoError(t, err)
	require.Equal(t, signature.TotalPassed, r.Indication)
	require.Len(t, r.Signatures[0].Timestamps, 3)

	// Nobody lifted in time: the archive says so.
	k.now = begun.AddDate(16, 0, 0)
	require.Equal(t, int64(2), counts().Overdue)
}

// A signed document is taken out for a reason that stands in the log.
func TestArchivedContainerIsTakenOutForAReason(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	k := &keeping{t: t, store: pgtest.Open(t, dsn), now: time.Now()}
	a := k.act(populate(t, k.store), []byte("контейнер"), k.now)
	get := func(id registry.ID, reason string) (b []byte, err error) {
		err = k.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
			b, _, err = preservation.Get(ctx, tx, id, reason)
			return err
		})
		return b, err
	}
	_, err := get(a.ID, "")
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(err))
	_, err = get(source.NewID(), "ухвала суду")
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	b, err := get(a.ID, "ухвала суду")
	require.NoError(t, err)
	require.Equal(t, "контейнер", string(b))
	var n int
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), `SELECT count(*) FROM leaves WHERE convert_from(entry, 'UTF8')::jsonb->>'kind' = 'disclosure.archived_document'`).Scan(&n))
	require.Equal(t, 1, n)
}
