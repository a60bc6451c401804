package postgres_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/query"
)

func update(t *testing.T, s *postgres.Store, f func(ctx context.Context, tx *postgres.Tx)) {
	t.Helper()
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { f(ctx, tx); return nil }))
}

func TestPersonIsKeptWholeAndFound(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	p := somebody(source.NewID())
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, p)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, err := tx.Person(ctx, p.ID)
		require.NoError(t, err)
		require.Equal(t, p, got)
		for _, q := range []patient.Query{
			{TaxID: "3278011533"}, {UNZR: "19900228-01234"}, {DocumentType: "PASSPORT", DocumentNumber: "кв123456"},
		} {
			got, found, err := tx.FindPerson(ctx, q)
			require.NoError(t, err)
			require.True(t, found, "%+v", q)
			require.Equal(t, p.ID, got.ID)
		}
		for _, q := range []patient.Query{
			{TaxID: "3126509817"}, {UNZR: "19900228-01235"}, {DocumentType: "NATIONAL_ID", DocumentNumber: "КВ123456"},
		} {
			_, found, err := tx.FindPerson(ctx, q)
			require.NoError(t, err)
			require.False(t, found, "%+v", q)
		}
		_, err = tx.Person(ctx, source.NewID())
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	})

	// A changed person is found under the new keys only.
	p.UNZR, p.Version = "19900228-99999", 2
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, p)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, found, err := tx.FindPerson(ctx, patient.Query{UNZR: "19900228-01234"})
		require.NoError(t, err)
		require.False(t, found)
		got, found, err := tx.FindPerson(ctx, patient.Query{UNZR: "19900228-99999"})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, p, got)
	})
}

func TestSamePersonTwiceIsRefused(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, somebody(source.NewID())))
	})
	again := func(change func(*patient.Person)) error {
		p := somebody(source.NewID())
		change(&p)
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.PutPerson(ctx, p) })
	}
	err := again(func(p *patient.Person) { p.LastName = "зразкова " })
	require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
	require.Equal(t, "person_exists", registry.AsError(err).Reason)
	require.NotContains(t, err.Error(), "3278011533")
	require.NoError(t, again(func(p *patient.Person) { p.LastName = "Інша" }))
	require.NoError(t, again(func(p *patient.Person) { p.Status = patient.StatusInactive }))
}

func TestMergedPersonLeadsToTheSurvivor(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	master := somebody(source.NewID())
	master.TaxID, master.Documents = "3126509817", nil
	mid := somebody(source.NewID())
	mid.TaxID, mid.UNZR, mid.Status, mid.MasterID = "", "", patient.StatusInactive, master.ID
	old := somebody(source.NewID())
	old.Status, old.MasterID = patient.StatusInactive, mid.ID
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutPerson(ctx, master))
		require.NoError(t, tx.PutPerson(ctx, mid))
		require.NoError(t, tx.PutPerson(ctx, old))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, found, err := tx.FindPerson(ctx, patient.Query{TaxID: "3278011533"})
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, master.ID, got.ID)
	})
	other := somebody(source.NewID())
	other.LastName = "Інша"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.PutPerson(ctx, other)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		_, found, err := tx.FindPerson(ctx, patient.Query{TaxID: "3278011533"})
		require.NoError(t, err)
		require.False(t, found, "the number stands at two records now")
	})
}

// What personal data may be read by who sees the database alone: none.
func TestPersonalDataIsSealed(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	a := c.act()
	d := c.draft()
	d.Data, d.ToBeSigned, d.Phone = []byte(`{"tax_id":"3278011533"}`), []byte(`{"tax_id":"3278011533"}`), "+380930000000"
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertDraft(ctx, d))
		require.NoError(t, tx.PutContainer(ctx, a.Container, []byte("container of 3278011533")))
		require.NoError(t, tx.InsertReport(ctx, intake.Report{ID: source.NewID(), Container: a.Container, Digest: "sha256:x", Body: []byte("3278011533"), CreatedAt: source.Now()}))
		require.NoError(t, tx.InsertExchange(ctx, query.Exchange{Client: "UA/GOV/1/DIIA", MessageID: "m1", Answer: []byte("Зразкова"), EntryID: source.NewID(), CreatedAt: source.Now()}))
		require.NoError(t, tx.InsertAct(ctx, a))
		_, err := tx.Audit(ctx, accepted(a))
		require.NoError(t, err)
	})
	conn := pgtest.Connect(t, dsn)
	names, err := conn.Query(t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
	require.NoError(t, err)
	var tables []string
	for names.Next() {
		var n string
		require.NoError(t, names.Scan(&n))
		tables = append(tables, n)
	}
	require.Contains(t, tables, "persons")
	for _, table := range tables {
		rows, err := conn.Query(t.Context(), "SELECT t::text FROM "+table+" t")
		require.NoError(t, err)
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			for _, plain := range []string{"3278011533", "3126509817", "Зразкова", "380930000000", "123456", "1990-02-28", "19900228", "olena@",
				"33323738303131353333" /* the number as hex of its digits */} {
				require.False(t, strings.Contains(text, plain), "table %s shows %s", table, plain)
			}
		}
		require.NoError(t, rows.Err())
	}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		b, err := tx.Container(ctx, a.Container)
		require.NoError(t, err)
		require.Equal(t, "container of 3278011533", string(b))
	})
}

func (c clinic) draft() intake.Draft {
	now := source.Now()
	return intake.Draft{
		ID: source.NewID(), Kind: "declaration", Status: intake.StatusNew, ActID: source.NewID(), Number: "0001-AAAA-AAAA",
		PersonID: c.person, EmployeeID: c.doctor, PartyID: c.party, DivisionID: c.division, LegalEntityID: c.legalEntity, ClientID: source.NewID(),
		Data: []byte(`{"a":1}`), AuthMethod: "OTP", Phone: "+380930000000", OTPMAC: []byte{1, 2, 3}, OTPTriesLeft: 3, OTPExpiresAt: now.Add(time.Minute),
		InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func TestDraftLife(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	d, other := c.draft(), c.draft()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.InsertDraft(ctx, d)) })
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, err := tx.Draft(ctx, d.Kind, d.ID, true)
		require.NoError(t, err)
		require.NotEmpty(t, got.Revision)
		got.Revision = ""
		require.Equal(t, d, got)
		_, err = tx.Draft(ctx, "sick_leave", d.ID, false)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		d.Status, d.ToBeSigned, d.OTPMAC, d.OTPTriesLeft = intake.StatusApproved, []byte(`{"b":2}`), nil, 2
		require.NoError(t, tx.UpdateDraft(ctx, d))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, err := tx.Draft(ctx, d.Kind, d.ID, false)
		require.NoError(t, err)
		got.Revision = ""
		require.Equal(t, d, got)
		stranger := somebody(source.NewID())
		require.NoError(t, tx.PutPerson(ctx, stranger))
		for person, want := range map[registry.ID]int{stranger.ID: 1, c.person: 0} {
			standing, err := tx.Standing(ctx, person, c.party)
			require.NoError(t, err)
			require.Equal(t, want, standing.Declarations, "an approved draft counts, but not the patient's own")
			require.Equal(t, []string{"FAMILY_DOCTOR"}, standing.Specialities)
			require.Equal(t, patient.StatusActive, standing.Person.Status)
			require.Len(t, standing.Seed, 64)
		}
		_, err = tx.Standing(ctx, source.NewID(), c.party)
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		require.NoError(t, tx.InsertDraft(ctx, other))
		require.NoError(t, tx.CancelDrafts(ctx, d.Kind, c.person, c.doctor, c.legalEntity, other.ID))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, err := tx.Draft(ctx, d.Kind, d.ID, false)
		require.NoError(t, err)
		require.Equal(t, intake.StatusCancelled, got.Status)
		kept, err := tx.Draft(ctx, d.Kind, other.ID, false)
		require.NoError(t, err)
		require.Equal(t, intake.StatusNew, kept.Status)
	})
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.UpdateDraft(ctx, c.draft()) })
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
}

func (c clinic) declare(ctx context.Context, tx *postgres.Tx, a registry.Act) (declaration.Declaration, error) {
	sides, err := tx.Sides(ctx, a.PatientID, a.AuthorID, c.division, c.legalEntity)
	if err != nil {
		return declaration.Declaration{}, err
	}
	n := sides.Sequence
	today := registry.DateOf(a.AcceptedAt)
	d := declaration.Declaration{ID: a.ID, ActID: a.ID, Number: declaration.Number(n), RequestID: source.NewID(), PersonID: c.person, EmployeeID: c.doctor,
		DivisionID: c.division, LegalEntityID: c.legalEntity, Scope: "family_doctor", StartDate: today, EndDate: today.AddDate(40, 0, 0),
		SignedAt: a.AcceptedAt, Status: declaration.StatusActive, Seed: strings.Repeat("0", 64), InsertedAt: a.AcceptedAt, UpdatedAt: a.AcceptedAt}
	if err := tx.InsertAct(ctx, a); err != nil {
		return d, err
	}
	if err := tx.InsertDeclaration(ctx, d); err != nil {
		return d, err
	}
	_, err = tx.Audit(ctx, accepted(a))
	return d, err
}

func TestSecondDeclarationEndsTheFirst(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	var first, second declaration.Declaration
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		var err error
		first, err = c.declare(ctx, tx, c.act())
		require.NoError(t, err)
	})
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { _, err := c.declare(ctx, tx, c.act()); return err })
	require.Equal(t, "declaration_active", registry.AsError(err).Reason, "two active declarations of one person cannot be")
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.LockPerson(ctx, c.person))
		old, found, err := tx.ActiveDeclaration(ctx, c.person)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, first, old)
		next := c.act()
		require.NoError(t, tx.SupersedeDeclaration(ctx, c.person, next.ID))
		require.NoError(t, tx.SupersedeDeclaration(ctx, source.NewID(), next.ID), "nothing to end is no error")
		second, err = c.declare(ctx, tx, next)
		require.NoError(t, err)
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		rows, err := tx.DeclarationsOf(ctx, c.person, []declaration.Status{declaration.StatusActive, declaration.StatusTerminated}, 10)
		require.NoError(t, err)
		require.Len(t, rows, 2)
		got := rows[0].Declaration
		require.Equal(t, declaration.Declaration{ID: second.ID, Number: second.Number, PersonID: c.person, StartDate: second.StartDate, EndDate: second.EndDate,
			SignedAt: second.SignedAt, Status: second.Status, Reason: second.Reason}, got)
		require.Equal(t, declaration.StatusTerminated, rows[1].Declaration.Status)
		require.Equal(t, "Тестовенко", rows[0].Employee.Party.LastName)
		require.Equal(t, "3126509817", rows[0].Employee.Party.TaxID)
		require.Equal(t, c.division, rows[0].Division.ID)
		require.Equal(t, c.legalEntity, rows[0].LegalEntity.ID)
		whole, err := tx.DeclarationByAct(ctx, second.ActID)
		require.NoError(t, err)
		require.Equal(t, second, whole)
	})
	var history string
	require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(),
		"SELECT string_agg(status || ' ' || reason, ', ' ORDER BY inserted_at, status) FROM declaration_statuses WHERE declaration_id = $1", first.ID.String()).Scan(&history))
	require.Equal(t, "active , terminated new_declaration", history)
}

func consentOf(person registry.ID) consent.Record {
	now := source.Now()
	return consent.Record{ID: source.NewID(), PersonID: person, Method: "citizen_signed", Recipient: "UA/GOV/1/DIIA", Purpose: "p", Scope: []string{"declaration"},
		Fields: []string{"status"}, GrantedAt: now, ExpiresAt: now.Add(time.Hour), Status: consent.StatusActive, Container: registry.Digest{1}, Content: registry.Digest{2}, Nonce: registry.Digest{3}, UsedAt: now, CreatedAt: now, Text: "Я погоджуюся, щоб мої дані передали порталу."}
}

func TestConsentUse(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	r := consentOf(populate(t, s).person)
	use := func(r consent.Record) error {
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.UseConsent(ctx, r) })
	}
	require.NoError(t, use(r))
	require.NoError(t, use(r), "used again")
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, found, err := tx.Consent(ctx, r.ID)
		require.NoError(t, err)
		require.True(t, found)
		r.AccessLevel = "read"
		require.Equal(t, r, got)
	})
	other := r
	other.Content = registry.Digest{9}
	require.Equal(t, "consent_changed", registry.AsError(use(other)).Reason, "another document under the same id")
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), "UPDATE consents SET status = 'revoked', revoked_at = now()")
	require.NoError(t, err)
	require.Equal(t, "consent_changed", registry.AsError(use(r)).Reason, "revoked meanwhile")
}

func TestSingleUseConsentIsUsedOnce(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	r := consentOf(populate(t, s).person)
	r.SingleUse, r.Status = true, consent.StatusUsed
	var wg sync.WaitGroup
	fresh := make(chan error, 16)
	for range cap(fresh) {
		wg.Go(func() {
			fresh <- s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error { return tx.UseConsent(ctx, r) })
		})
	}
	wg.Wait()
	close(fresh)
	wins := 0
	for err := range fresh {
		if err == nil {
			wins++
			continue
		}
		require.Equal(t, query.SpentReason, registry.AsError(err).Reason)
	}
	require.Equal(t, 1, wins)
	// One that was registered before is used up once, too.
	r.ID, r.Status = source.NewID(), consent.StatusActive
	use := func(state consent.Status) error {
		r.Status = state
		return s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error { return tx.UseConsent(ctx, r) })
	}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.InsertConsent(ctx, r)) })
	require.NoError(t, use(consent.StatusUsed))
	require.Equal(t, query.SpentReason, registry.AsError(use(consent.StatusUsed)).Reason)
}

func TestSameMessageAtOnceIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	hash := sha256.Sum256([]byte("body"))
	var wg sync.WaitGroup
	answers := make(chan string, 12)
	for i := range cap(answers) {
		wg.Go(func() {
			var got string
			err := s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
				seen, err := tx.Look(ctx, query.Look{Client: "UA/GOV/1/DIIA", MessageID: "m-1", Request: hash, Person: patient.Query{TaxID: "3126509817"}})
				if err != nil {
					return err
				}
				e := seen.Exchange
				if !seen.Answered {
					r, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent}})
					if err != nil {
						return err
					}
					e = query.Exchange{Client: "UA/GOV/1/DIIA", MessageID: "m-1", Request: hash, Answer: []byte{byte('a' + i)}, EntryID: r.EntryID, CreatedAt: source.Now()}
					if err := tx.InsertExchange(ctx, e); err != nil {
						return err
					}
				}
				got = string(e.Answer)
				return nil
			})
			if err != nil {
				got = err.Error()
			}
			answers <- got
		})
	}
	wg.Wait()
	first := <-answers
	require.Len(t, first, 1)
	for range cap(answers) - 1 {
		require.Equal(t, first, <-answers)
	}
}

func TestTokensAndClients(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	client := access.Client{ID: source.NewID(), Name: "МІС «Зразок»", Type: "MIS", LegalEntityID: c.legalEntity, Scopes: []string{"a", "b"}, SecretHash: []byte{1}, SecretSalt: []byte{2}, RedirectURIs: []string{}}
	now := source.Now()
	token := access.Token{Hash: sha256.Sum256([]byte("t")), ClientID: client.ID, EmployeeID: c.doctor, PartyID: c.party, LegalEntityID: c.legalEntity,
		Scopes: []string{"a"}, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.PutClient(ctx, client))
		require.NoError(t, tx.InsertToken(ctx, token))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		gotToken, gotClient, err := tx.Token(ctx, token.Hash)
		require.NoError(t, err)
		require.Equal(t, token, gotToken)
		require.Equal(t, access.Client{ID: client.ID, Name: client.Name, Type: client.Type, Blocked: client.Blocked}, gotClient, "what a request needs to know")
		require.NoError(t, tx.RevokeToken(ctx, token.Hash, now))
		require.NoError(t, tx.RevokeToken(ctx, [32]byte{7}, now))
	})
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		got, _, err := tx.Token(ctx, token.Hash)
		require.NoError(t, err)
		require.Equal(t, now, got.RevokedAt)
		_, _, err = tx.Token(ctx, [32]byte{7})
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	})
}

func TestPortsOfTheRooms(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	port := postgres.NewPort[declaration.Tx](s)
	require.NoError(t, port.Update(t.Context(), func(ctx context.Context, tx declaration.Tx) error {
		author, err := tx.Signatory(ctx, c.doctor)
		require.NoError(t, err)
		sides, err := tx.Sides(ctx, c.person, c.doctor, c.division, c.legalEntity)
		require.NoError(t, err)
		require.True(t, sides.HasPerson && sides.HasEmployee && sides.HasDivision)
		require.Equal(t, []registry.ID{c.person, c.doctor, c.division, c.legalEntity}, []registry.ID{sides.Person.ID, sides.Employee.ID, sides.Division.ID, sides.LegalEntity.ID})
		require.Equal(t, intake.Signatory{TaxID: "3126509817", LastName: sides.Employee.Party.LastName, EDRPOU: sides.LegalEntity.EDRPOU}, author)
		strange, err := tx.Sides(ctx, source.NewID(), source.NewID(), source.NewID(), c.legalEntity)
		require.NoError(t, err)
		require.False(t, strange.HasPerson || strange.HasEmployee || strange.HasDivision)
		require.Greater(t, strange.Sequence, sides.Sequence)
		standing, err := tx.Standing(ctx, c.person, c.party)
		require.NoError(t, err)
		require.Equal(t, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", standing.Seed, "SHA-256 of nothing: the empty tree")
		return nil
	}))
	type stranger interface{ Fly() error }
	require.Panics(t, func() { postgres.NewPort[stranger](s) })
}
