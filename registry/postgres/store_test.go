package postgres_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prm"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

var source = registry.SystemSource()

// clinic is a small synthetic registry.
type clinic struct {
	legalEntity, division, party, doctor, person registry.ID
}

// populate writes one clinic with a doctor and a patient.
func populate(t testing.TB, s *postgres.Store) clinic {
	t.Helper()
	c := clinic{source.NewID(), source.NewID(), source.NewID(), source.NewID(), source.NewID()}
	err := s.Update(context.Background(), func(ctx context.Context, tx *postgres.Tx) error {
		party := prm.Party{ID: c.party, LastName: "Тестовенко", FirstName: "Олена", SecondName: "Зразківна",
			TaxID: "3126509817", BirthDate: registry.Date{Year: 1985, Month: 8, Day: 7}, Email: "olena@example.invalid"}
		patient := somebody(c.person)
		patient.SecondName += " " + c.person.String() // several patients in one test are not one person
		return errors.Join(
			tx.PutLegalEntity(ctx, prm.LegalEntity{ID: c.legalEntity, Name: "КНП «Зразок»", EDRPOU: registry.EDRPOU(c.legalEntity.String()[28:]), Type: "PRIMARY_CARE", Status: "ACTIVE"}),
			tx.PutDivision(ctx, prm.Division{ID: c.division, LegalEntityID: c.legalEntity, Name: "Амбулаторія", Type: "CLINIC", Status: "ACTIVE"}),
			tx.PutEmployee(ctx, prm.Employee{ID: c.doctor, LegalEntityID: c.legalEntity, DivisionID: c.division, Party: party,
				Type: "DOCTOR", Position: "P7", Speciality: "FAMILY_DOCTOR", Status: "APPROVED", StartDate: registry.Date{Year: 2020, Month: 1, Day: 2}}),
			tx.PutPerson(ctx, patient),
		)
	})
	require.NoError(t, err)
	return c
}

func somebody(id registry.ID) patient.Person {
	now := source.Now()
	p := patient.Person{
		ID: id, Version: 1, LastName: "Зразкова", FirstName: "Марія", SecondName: "Тестівна", Gender: "FEMALE",
		BirthDate: registry.Date{Year: 1990, Month: 2, Day: 28}, TaxID: "3278011533", UNZR: "19900228-01234",
		Documents:             []patient.Document{{Type: "PASSPORT", Number: "КВ 123456"}},
		AuthenticationMethods: []patient.AuthenticationMethod{{Type: "OTP", PhoneNumber: "+380930000000"}},
		Status:                patient.StatusActive, VerificationStatus: "VERIFIED", InsertedAt: now, UpdatedAt: now,
	}
	p.NameMethods()
	return p
}

// act makes an act of the clinic's doctor for its patient.
func (c clinic) act() registry.Act {
	id := source.NewID()
	return registry.Act{
		ID: id, Kind: "declaration", Version: 1, PatientID: c.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity,
		Container: sha256.Sum256(id[:]), Content: sha256.Sum256(append(id[:], 1)), AcceptedAt: source.Now(),
	}
}

func accepted(a registry.Act) audit.Entry {
	return audit.Entry{
		Kind: audit.ActAccepted, Channel: "rest", RequestID: "req-" + a.ID.String(), SubjectID: a.PatientID,
		Actor: audit.Actor{EmployeeID: a.AuthorID, LegalEntityID: a.LegalEntityID},
		Act:   &audit.ActRef{ID: a.ID, Kind: string(a.Kind), Container: a.Container[:], Content: a.Content[:]},
	}
}

// store writes acts with their leaves in one transaction.
func store(ctx context.Context, s *postgres.Store, acts ...registry.Act) error {
	return s.Update(ctx, func(ctx context.Context, tx *postgres.Tx) error {
		for _, a := range acts {
			if err := tx.InsertAct(ctx, a); err != nil {
				return err
			}
			if _, err := tx.Audit(ctx, accepted(a)); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestActWithItsLeaf(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	a := c.act()
	require.NoError(t, store(t.Context(), s, a))
	err := s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		got, found, err := tx.ActByContainer(ctx, a.Container)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, a, got)
		r, err := tx.AuditOfAct(ctx, a.ID)
		require.NoError(t, err)
		require.Len(t, r.LeafHash, 44)
		_, err = tx.AuditOfAct(ctx, source.NewID())
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
		return nil
	})
	require.NoError(t, err)
}

func TestActWithoutLeafIsRefused(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	a := c.act()
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertAct(ctx, a) })
	require.Equal(t, registry.CodeInternal, registry.CodeOf(err))
	var db *postgres.DatabaseError
	require.ErrorAs(t, err, &db)
	require.Equal(t, "acts_demand_leaf", db.Constraint)

	other := accepted(a)
	err = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		other.Kind = audit.ActRefused
		_, auditErr := tx.Audit(ctx, other)
		return errors.Join(tx.InsertAct(ctx, a), auditErr)
	})
	require.ErrorAs(t, err, &db, "a leaf of another kind does not count")
	require.NoError(t, store(t.Context(), s, a), "the unmutated twin")

	// Nor by a superuser, nor in a crowd: of two acts in a statement one has no leaf of its own.
	conn := pgtest.Connect(t, dsn)
	crowd := func(second string) error {
		_, err := conn.Exec(t.Context(), `WITH l AS (INSERT INTO leaves (id, epoch, kind, act_id, writer, n, entry)
    SELECT x, 1, 'act.accepted', x, x, 1, '' FROM unnest(ARRAY[$2, $3]::uuid[]) x)
INSERT INTO acts (id, kind, version, patient_id, author_id, legal_entity_id, container, content, accepted_at, leaf_id)
SELECT x.id, kind, version, patient_id, author_id, legal_entity_id, sha256(x.id::text::bytea), content, accepted_at, x.leaf
FROM acts, (VALUES ($2::uuid, $2::uuid), ($3::uuid, $4::uuid)) x (id, leaf) WHERE acts.id = $1`, a.ID.String(), one, two, second)
		return err
	}
	var pg *pgconn.PgError
	require.ErrorAs(t, crowd(one), &pg)
	require.Equal(t, "acts_demand_leaf", pg.ConstraintName)
	require.NoError(t, crowd(two), "the unmutated twin")
}

const one, two = "01a1ff4e-0000-7000-8000-000000000001", "01a1ff4e-0000-7000-8000-000000000002"

func TestSameContainerTwice(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	a, b := c.act(), c.act()
	require.NoError(t, store(t.Context(), s, a))
	b.Container = a.Container
	err := store(t.Context(), s, b)
	require.Equal(t, registry.CodeAlreadyDone, registry.CodeOf(err))
	require.Equal(t, "container_reused", registry.AsError(err).Reason)
}

func TestServingRoleCannotChangeWhatIsWritten(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	require.NoError(t, store(t.Context(), s, populate(t, s).act()))
	conn := pgtest.Connect(t, dsn)
	for _, sql := range []string{
		"UPDATE acts SET version = 2", "DELETE FROM acts", "UPDATE leaves SET entry = ''", "UPDATE leaves SET subject_salt = NULL", "DELETE FROM leaves",
		"UPDATE checkpoints SET size = 0", "DELETE FROM checkpoints", "UPDATE entries SET idx = 1", "DELETE FROM entries",
		"DELETE FROM media", "DELETE FROM reports", "TRUNCATE leaves", "DELETE FROM declaration_statuses", "INSERT INTO log_epochs VALUES (9, 9)",
		"ALTER TABLE acts DISABLE TRIGGER ALL",
	} {
		_, err := conn.Exec(t.Context(), "SET ROLE mist_app")
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "42501", sql)
	}
	_, err := conn.Exec(t.Context(), "RESET ROLE")
	require.NoError(t, err)
	for _, sql := range []string{"UPDATE acts SET version = 2", "DELETE FROM acts", "UPDATE leaves SET entry = ''", "DELETE FROM leaves", "TRUNCATE leaves"} {
		_, err = conn.Exec(t.Context(), sql)
		require.ErrorContains(t, err, "append-only", "the owner's slip: %s", sql)
	}
	_, err = conn.Exec(t.Context(), "UPDATE leaves SET subject_salt = NULL, subject_id = NULL")
	require.NoError(t, err, "erasure by the owner unlinks a person")
}

func TestFailedWriteStoresNothing(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	a := c.act()
	boom := errors.New("rule says no")
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		require.NoError(t, tx.InsertAct(ctx, a))
		_, err := tx.Audit(ctx, accepted(a))
		require.NoError(t, err)
		_, err = tx.Person(ctx, c.person) // sends what is queued
		require.NoError(t, err)
		return boom
	})
	require.ErrorIs(t, err, boom)
	err = s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, found, err := tx.ActByContainer(ctx, a.Container)
		require.NoError(t, err)
		require.False(t, found)
		return nil
	})
	require.NoError(t, err)
}

// A change that misses its row undoes what travels with it, COMMIT included:
// whether it is the only trip of the transaction or the last one.
func TestMissedRowUndoesTheTransaction(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	c := populate(t, s)
	there, gone := c.draft(), c.draft()
	update(t, s, func(ctx context.Context, tx *postgres.Tx) { require.NoError(t, tx.InsertDraft(ctx, there)) })
	leaves := func() (n int) {
		require.NoError(t, pgtest.Connect(t, dsn).QueryRow(t.Context(), "SELECT count(*) FROM leaves WHERE kind = 'draft.rejected'").Scan(&n))
		return n
	}
	reject := func(d intake.Draft, trips int, lock bool) error {
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			for range trips - 1 {
				if _, err := tx.Seed(ctx); err != nil {
					return err
				}
			}
			person := c.person
			if lock {
				person = d.PersonID
			}
			err := tx.LockPerson(ctx, person)
			if err == nil {
				_, err = tx.Audit(ctx, audit.Entry{Kind: "draft.rejected", SubjectID: c.person})
			}
			if err == nil {
				err = tx.MoveDraft(ctx, d)
			}
			return err
		})
	}
	stranger := there
	stranger.PersonID = source.NewID()
	for trips := 1; trips <= 2; trips++ {
		before := leaves()
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(reject(gone, trips, false)))
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(reject(stranger, trips, true)), "a lock of a row that is not there")
		require.Equal(t, before, leaves(), "%d trips", trips)
		require.NoError(t, reject(there, trips, true))
		require.Equal(t, before+1, leaves())
	}
}

func TestSwallowedErrorStillRollsBack(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c := populate(t, s)
	a := c.act()
	require.NoError(t, store(t.Context(), s, a))
	b := c.act()
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_ = tx.InsertAct(ctx, a)        // stands already
		_, _ = tx.Person(ctx, c.person) // the error shows here and is dropped
		_ = tx.InsertAct(ctx, b)
		return nil
	})
	require.Error(t, err)
}

func TestNestedTransactionPanics(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	err := s.Update(t.Context(), func(ctx context.Context, _ *postgres.Tx) error {
		require.Panics(t, func() {
			_ = s.View(ctx, func(context.Context, *postgres.Tx) error { return nil })
		})
		return nil
	})
	require.NoError(t, err)
}

func TestPanicGivesTheConnectionBack(t *testing.T) {
	t.Parallel()
	s := pgtest.Open(t, cluster.DSN(t), func(o *postgres.Options) { o.MaxConns = 1 })
	c := populate(t, s)
	require.Panics(t, func() {
		_ = s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			_, err := tx.Person(ctx, c.person)
			require.NoError(t, err)
			panic("a fault")
		})
	})
	require.NoError(t, store(t.Context(), s, c.act()))
}

func TestLongTransactionIsCutOff(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	c := populate(t, pgtest.Open(t, dsn))
	s := pgtest.Open(t, dsn, func(o *postgres.Options) { o.WriteLimit = 300 * time.Millisecond })
	err := s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.InsertDraft(ctx, c.draft()); err != nil {
			return err
		}
		if _, err := tx.Person(ctx, c.person); err != nil {
			return err
		}
		time.Sleep(600 * time.Millisecond)
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActRefused, Code: "forbidden"})
		return err
	})
	require.Equal(t, registry.CodeUnavailable, registry.CodeOf(err))
	require.Eventually(t, func() bool { return store(t.Context(), s, c.act()) == nil }, time.Minute, time.Millisecond, "the next one goes through, in time where the machine lets it")
}

func TestDeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	s := cluster.Store(t)
	c, d := populate(t, s), registry.ID{}
	require.NoError(t, s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		d = source.NewID()
		p := somebody(d)
		p.TaxID = ""
		return tx.PutPerson(ctx, p)
	}))
	both := make(chan struct{}, 2)
	runs := make(chan int, 10)
	lock := func(first, second registry.ID) error {
		met := false
		return s.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			runs <- 1
			if err := tx.LockPerson(ctx, first); err != nil {
				return err
			}
			if _, err := tx.Person(ctx, first); err != nil {
				return err
			}
			if !met { // each holds its first lock before either asks for the second
				met = true
				both <- struct{}{}
				for len(both) < 2 {
					time.Sleep(time.Millisecond)
				}
			}
			if err := tx.LockPerson(ctx, second); err != nil {
				return err
			}
			_, err := tx.Person(ctx, second)
			return err
		})
	}
	errs := make(chan error, 2)
	go func() { errs <- lock(c.person, d) }()
	go func() { errs <- lock(d, c.person) }()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	require.GreaterOrEqual(t, len(runs), 3, "one of the two ran again")
}

func TestEmptyDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	server := cluster.Server(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), "empty"))
	_, err := postgres.Open(t.Context(), server.DSN("empty"), postgres.Options{Source: source, Keys: pgtest.Keys(t)})
	require.ErrorIs(t, err, postgres.ErrNotMigrated)
	_, err = postgres.Open(t.Context(), server.DSN("empty"), postgres.Options{Source: source})
	require.ErrorContains(t, err, "sealing keys are required")
}

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	dsn := cluster.DSN(t)
	s := pgtest.Open(t, dsn)
	a := populate(t, s).act()
	require.NoError(t, store(t.Context(), s, a))
	require.NoError(t, postgres.Migrate(t.Context(), dsn))
	require.NoError(t, s.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		got, err := tx.Act(ctx, a.ID)
		require.Equal(t, a, got)
		return err
	}))
	_, err := pgtest.Connect(t, dsn).Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), dsn, postgres.Options{Source: source, Keys: pgtest.Keys(t)})
	require.ErrorIs(t, err, postgres.ErrNewerDatabase)
}

// A look reads and nothing else.
func TestLookOnlyReads(t *testing.T) {
	s := cluster.Store(t)
	id := registry.ID{1}
	once := func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.LegalEntity(ctx, id)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return nil
		}
		return err
	}
	twice := func(ctx context.Context, tx *postgres.Tx) error {
		if err := once(ctx, tx); err != nil {
			return err
		}
		return once(ctx, tx)
	}
	require.NoError(t, s.Look(t.Context(), once))
	require.NoError(t, s.View(t.Context(), twice))
	require.NoError(t, s.Look(t.Context(), twice))
	require.ErrorContains(t, s.Look(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}})
		return err
	}), "write nothing")
	require.NoError(t, s.Look(t.Context(), once), "the connection is good for the next")
}
