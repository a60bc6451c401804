package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/contract"
	"mist/registry/intake"
	"mist/registry/legalentity"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prm"
	"mist/signature"
)

type noVerifier struct{ intake.Verifier }

type noPolicies struct{}

func (noPolicies) For(string, time.Time) (signature.Policy, error) { return signature.Policy{}, nil }

func legalEntities(t *testing.T, s *postgres.Store) *legalentity.Service {
	t.Helper()
	port := postgres.NewPort[legalentity.Tx](s)
	pipeline, err := intake.NewSubmissions[legalentity.Tx](legalentity.Kind{Source: source}, port, noVerifier{}, noPolicies{}, source)
	require.NoError(t, err)
	service, err := legalentity.New(pipeline, port, source)
	require.NoError(t, err)
	return service
}

// A merged legal entity points to its successor, its people are dismissed, its
// places and contracts end, and nothing of it comes back.
func TestMergeOfLegalEntitiesAndItsCascade(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	loser, successor := populate(t, s), populate(t, s)
	other := registry.ID(source.NewID())
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutLegalEntity(ctx, prm.LegalEntity{ID: other, Name: "Аптека", EDRPOU: "00000009", Type: "PHARMACY", Status: "ACTIVE"}))
	})
	service := legalEntities(t, s)
	nhs := registry.Caller{Channel: registry.ChannelREST, RequestID: "r", Scopes: []string{legalentity.ScopeMerge, legalentity.ScopeDeactivate, legalentity.ScopeVerify}}
	_, err := service.Merge(t.Context(), registry.Caller{}, loser.legalEntity, successor.legalEntity, "наказ")
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
	for entry, to := range map[string]registry.ID{"itself": loser.legalEntity, "another type": other, "nobody": source.NewID()} {
		_, err := service.Merge(t.Context(), nhs, loser.legalEntity, to, "наказ")
		require.Equal(t, "$.merged_to", registry.AsError(err).Fields[0].Entry, entry)
	}
	l, err := service.Merge(t.Context(), nhs, loser.legalEntity, successor.legalEntity, "наказ про злиття")
	require.NoError(t, err)
	require.Equal(t, "REORGANIZED", l.Status)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		l, err := tx.LegalEntity(ctx, loser.legalEntity)
		require.NoError(t, err)
		require.Equal(t, successor.legalEntity, l.MergedTo)
		e, err := tx.Employee(ctx, loser.doctor)
		require.NoError(t, err)
		require.Equal(t, "DISMISSED", e.Status)
		require.Equal(t, "legal_entity_ended", e.StatusReason)
		d, err := tx.Division(ctx, loser.division)
		require.NoError(t, err)
		require.False(t, d.Active())
		e, err = tx.Employee(ctx, successor.doctor)
		require.NoError(t, err)
		require.True(t, e.Approved(), "the successor is left alone")
	})
	for _, to := range []string{"ACTIVE", "SUSPENDED", "CLOSED", "REORGANIZED"} {
		_, err := service.SetStatus(t.Context(), nhs, loser.legalEntity, to, "спроба")
		require.Equal(t, registry.CodeConflict, registry.CodeOf(err), to)
	}
	_, err = service.Verify(t.Context(), nhs, loser.legalEntity, true, true, "")
	require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
	n, err := service.EndAll(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
}

// What a rule says and a careless hand might forget, the database refuses.
func TestConstraintsOfProviders(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	put := func(f func(ctx context.Context, tx *postgres.Tx) error) error { return s.Update(t.Context(), f) }
	head := prm.Employee{LegalEntityID: c.legalEntity, Type: "OWNER", Position: "P1", Status: "APPROVED",
		Party: prm.Party{ID: source.NewID(), LastName: "Зразкова", FirstName: "Марія", TaxID: "3278011533"}}
	one, two := head, head
	one.ID, two.ID = source.NewID(), source.NewID()
	require.NoError(t, put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutEmployee(ctx, one) }))
	err := put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutEmployee(ctx, two) })
	require.Equal(t, "head_exists", registry.AsError(err).Reason)
	l := prm.LegalEntity{ID: source.NewID(), Name: "А", EDRPOU: "00000009", Type: "PHARMACY", Status: "ACTIVE"}
	require.NoError(t, put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutLegalEntity(ctx, l) }))
	l.ID = source.NewID()
	err = put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutLegalEntity(ctx, l) })
	require.Equal(t, "legal_entity_exists", registry.AsError(err).Reason)
	l.EDRPOU, l.Type = "00000008", "NEW_TYPE"
	err = put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutLegalEntity(ctx, l) })
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err), "a type is a row")

	// An act without a patient is of a provider's kind, or it is none.
	a := c.act()
	a.PatientID, a.AuthorID = registry.ID{}, registry.ID{}
	require.Error(t, store(t.Context(), s, a))
	a.Kind = "legal_entity"
	require.NoError(t, store(t.Context(), s, a))

	listed := prm.BlackListed{ID: source.NewID(), TaxID: "3278011533", Reason: "підробка", Active: true, InsertedAt: source.Now(), UpdatedAt: source.Now()}
	require.NoError(t, put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutBlackListed(ctx, listed) }))
	listed.ID = source.NewID()
	err = put(func(ctx context.Context, tx *postgres.Tx) error { return tx.PutBlackListed(ctx, listed) })
	require.Equal(t, "black_listed", registry.AsError(err).Reason)
}

func TestMountainSettlementCarriesItsDivisions(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	const settlement = "0190a000-0000-7000-8000-000000000001"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		d, err := tx.Division(ctx, c.division)
		require.NoError(t, err)
		d.Details.Addresses = []prm.Address{{Type: "RESIDENCE", SettlementID: settlement}}
		require.NoError(t, tx.PutDivision(ctx, d))
		n, err := tx.SetMountain(ctx, settlement, true)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		d, err = tx.Division(ctx, c.division)
		require.NoError(t, err)
		require.True(t, d.MountainGroup)
		mountain, err := tx.Mountain(ctx, settlement)
		require.NoError(t, err)
		require.True(t, mountain)
		n, err = tx.SetMountain(ctx, settlement, false)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

// Contracts past their last day end, with the requests whose start has passed.
func TestContractsEndByTime(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	act := c.act()
	act.Kind, act.PatientID, act.AuthorID = "contract_request", registry.ID{}, registry.ID{}
	require.NoError(t, store(t.Context(), s, act))
	body := contract.Body{Input: contract.Input{ContractorLegalEntityID: c.legalEntity, IDForm: "PMD_1",
		EmployeeDivisions: []contract.EmployeeDivision{{EmployeeID: c.doctor, DivisionID: c.division, StaffUnits: 0.5, DeclarationLimit: 900}},
		StartDate:         registry.Date{Year: 2026, Month: 1, Day: 1}, EndDate: registry.Date{Year: 2026, Month: 12, Day: 31}}}
	signed := contract.Request{ID: source.NewID(), ActID: act.ID, LegalEntityID: c.legalEntity, Status: contract.StatusSigned, Body: body, InsertedAt: source.Now(), UpdatedAt: source.Now()}
	open := signed
	open.ID, open.Status = source.NewID(), contract.StatusNew
	k := contract.Contract{ID: source.NewID(), Number: "0000-AAAA-0000", RequestID: signed.ID, LegalEntityID: c.legalEntity, Status: "VERIFIED",
		StartDate: body.StartDate, EndDate: body.EndDate, Body: body, InsertedAt: source.Now(), UpdatedAt: source.Now()}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutContractRequest(ctx, signed))
		require.NoError(t, tx.PutContractRequest(ctx, open))
		require.NoError(t, tx.InsertContract(ctx, k))
		doctors, err := tx.ContractEmployees(ctx, k.ID, false)
		require.NoError(t, err)
		work := contract.ContractEmployee{EmployeeDivision: body.EmployeeDivisions[0], StartDate: body.StartDate}
		require.Equal(t, []contract.ContractEmployee{work}, doctors)
		// A change ends a row and begins another; nobody works at one place twice.
		ended, err := tx.EndContractEmployee(ctx, k.ID, c.doctor, c.division, registry.Date{Year: 2026, Month: 3, Day: 1})
		require.NoError(t, err)
		require.True(t, ended)
		work.DeclarationLimit, work.StartDate = 500, registry.Date{Year: 2026, Month: 3, Day: 1}
		require.NoError(t, tx.InsertContractEmployee(ctx, k.ID, work, registry.ID{}))
		doctors, err = tx.ContractEmployees(ctx, k.ID, false)
		require.NoError(t, err)
		require.Equal(t, []contract.ContractEmployee{work}, doctors)
		doctors, err = tx.ContractEmployees(ctx, k.ID, true)
		require.NoError(t, err)
		require.Equal(t, 900, doctors[0].DeclarationLimit)
		require.Equal(t, work.StartDate, doctors[0].EndDate)
		again, err := tx.EndWorkOfDismissed(ctx, 10)
		require.NoError(t, err)
		require.Empty(t, again)
		require.NoError(t, tx.DismissEmployee(ctx, c.doctor, registry.Date{Year: 2026, Month: 5, Day: 2}, "test"))
		again, err = tx.EndWorkOfDismissed(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, []registry.ID{k.ID}, again)
		doctors, err = tx.ContractEmployees(ctx, k.ID, false)
		require.NoError(t, err)
		require.Empty(t, doctors)
	})
	second := open
	second.ID = source.NewID()
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutContractRequest(ctx, second) })
	require.Equal(t, "contract_request_open", registry.AsError(err).Reason)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		contracts, requests, err := tx.EndContracts(ctx, registry.Date{Year: 2026, Month: 12, Day: 31}, 10)
		require.NoError(t, err)
		require.Empty(t, contracts)
		require.Equal(t, []registry.ID{open.ID}, requests)
		contracts, _, err = tx.EndContracts(ctx, registry.Date{Year: 2027, Month: 1, Day: 1}, 10)
		require.NoError(t, err)
		require.Equal(t, []registry.ID{k.ID}, contracts)
		got, err := tx.Contract(ctx, k.ID, false)
		require.NoError(t, err)
		require.Equal(t, "AUTO_EXPIRED", got.StatusReason)
	})
}
