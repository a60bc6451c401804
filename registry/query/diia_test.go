package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/query"
)

// A parent reads a child's declarations by a verified relationship alone.
func TestDependants(t *testing.T) {
	w := newWorld(t, 3, nil)
	parent, child := w.people[0], w.people[1]
	ask := func(of query.Dependant) consent.Code {
		a, err := w.service.DependentDeclarations(t.Context(), portal, w.request(named(parent)), of)
		require.NoError(t, err)
		return a.Code
	}
	of := query.Dependant{TaxID: registry.RNOKPP(child.TaxID)}
	require.Equal(t, consent.NotFound, ask(of), "no relationship")
	now := source.Now()
	r := patient.Relationship{ID: source.NewID(), PersonID: child.ID, ConfidantPersonID: parent.ID, IsActive: true, VerificationStatus: patient.VerificationNeeded, InsertedAt: now, UpdatedAt: now}
	put := func() {
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutRelationship(ctx, r) }))
	}
	put()
	require.Equal(t, consent.NotFound, ask(of), "not verified yet")
	r.VerificationStatus = patient.Verified
	put()
	require.Equal(t, consent.OK, ask(of))
	require.Equal(t, consent.NotFound, ask(query.Dependant{TaxID: registry.RNOKPP(w.people[2].TaxID)}), "somebody else's child")
	require.Equal(t, consent.OK, ask(query.Dependant{UNZR: registry.UNZR(child.UNZR)}))
	r.ActiveTo = registry.DateOf(now).AddDate(0, 0, -1)
	put()
	require.Equal(t, consent.NotFound, ask(of), "ended yesterday")

	_, err := w.service.DependentDeclarations(t.Context(), portal, w.request(named(parent)), query.Dependant{})
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
	require.Equal(t, "$.dependant", registry.AsError(err).Fields[0].Entry)
}

// What stands on a registered consent is judged anew at every use.
func TestRegisteredConsent(t *testing.T) {
	w := newWorld(t, 2, nil)
	ask := func(c registry.Caller, q patient.Query) consent.Code {
		a, err := w.service.DeclarationByPatient(t.Context(), c, w.request(q), nil)
		require.NoError(t, err)
		return a.Code
	}
	mine := named(w.people[0])
	require.Equal(t, consent.OK, ask(portal, mine))
	other := registry.Caller{Channel: registry.ChannelSOAP, XRoad: "SANDBOX/GOV/00000009/other"}
	require.Equal(t, consent.Unknown, ask(other, mine), "another client's consent is no consent at all")
	require.Equal(t, consent.NotFound, ask(portal, named(w.people[1])))

	change := func(f func(r *consent.Record)) {
		r := w.consent
		r.ID = source.NewID()
		f(&r)
		w.consent = r
		require.NoError(t, w.store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertConsent(ctx, r) }))
	}
	change(func(r *consent.Record) { r.ExpiresAt = source.Now().Add(-time.Second) })
	require.Equal(t, consent.Expired, ask(portal, mine))
	change(func(r *consent.Record) { r.ExpiresAt, r.Scope = source.Now().Add(time.Hour), []string{"sick_leave"} })
	require.Equal(t, consent.Scope, ask(portal, mine))
	change(func(r *consent.Record) { r.Scope, r.Fields = query.Scopes(), []string{"doctor"} })
	require.Equal(t, consent.OK, ask(portal, mine))
	a, err := w.service.CheckActiveDeclaration(t.Context(), portal, w.request(mine))
	require.NoError(t, err)
	require.Equal(t, consent.Scope, a.Code, "the state was not consented to")
	change(func(r *consent.Record) { r.SingleUse = true })
	require.Equal(t, consent.OK, ask(portal, mine))
	require.Equal(t, consent.Replayed, ask(portal, mine))
	change(func(r *consent.Record) { r.SingleUse = false })
	require.Equal(t, consent.OK, ask(portal, mine))
	r := w.request(mine)
	r.Basis = query.Basis{}
	done, err := w.service.RevokeConsent(t.Context(), other, r, w.consent.ID)
	require.NoError(t, err)
	require.Equal(t, consent.Unknown, done.Code, "only its recipient gives a consent up")
	r = w.request(mine)
	r.Basis = query.Basis{}
	done, err = w.service.RevokeConsent(t.Context(), portal, r, w.consent.ID)
	require.NoError(t, err)
	require.Equal(t, consent.OK, done.Code)
	require.Equal(t, consent.ByRecipient, done.Data.Method)
	require.Equal(t, consent.Revoked, ask(portal, mine))

	// The same message has its answer; its id does not serve for another.
	again, err := w.service.RevokeConsent(t.Context(), portal, r, w.consent.ID)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	require.Equal(t, done.AuditID, again.AuditID)
	r.Hash[31] = 1
	_, err = w.service.RevokeConsent(t.Context(), portal, r, w.consent.ID)
	require.Equal(t, registry.CodeAlreadyDone, registry.CodeOf(err))
}

func TestQuestionsAboutNobodyAreBounded(t *testing.T) {
	w := newWorld(t, 1, func(c *query.Config) { c.Misses = 2 })
	nobody := patient.Query{TaxID: "3126509817", LastName: "Ніхто", FirstName: "Ніде"}
	var codes []consent.Code
	for range 4 {
		a, err := w.service.DeclarationByPatient(t.Context(), portal, w.request(nobody), nil)
		require.NoError(t, err)
		codes = append(codes, a.Code)
	}
	require.Equal(t, []consent.Code{consent.NotFound, consent.NotFound, consent.RateLimited, consent.RateLimited}, codes)
}

func TestBasisIsOneThing(t *testing.T) {
	w := newWorld(t, 1, nil)
	for _, b := range []query.Basis{
		{Signed: []byte("x"), ConsentID: source.NewID()}, {Signed: []byte("x"), Attestation: []byte("y")}, {Content: []byte("x")},
	} {
		r := w.request(named(w.people[0]))
		r.Basis = b
		_, err := w.service.DeclarationByPatient(t.Context(), portal, r, nil)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
	}
	r := w.request(named(w.people[0]))
	r.Basis = query.Basis{Attestation: []byte("y")}
	a, err := w.service.DeclarationByPatient(t.Context(), portal, r, nil)
	require.NoError(t, err)
	require.Equal(t, consent.AttestationRefused, a.Code, "no portal's word is taken where none is named")
}
