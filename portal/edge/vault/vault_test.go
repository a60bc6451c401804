package vault_test

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"mist/portal/edge/vault"
	"mist/registry"
)

var (
	cheap      = vault.Cost{Passes: 1, Memory: 64, Lanes: 1}
	passphrase = []byte("тиха вода греблю рве")
	room       = vault.Room{Acts: 100, Bytes: 1 << 20}
)

func source() registry.Source {
	return registry.Source{Clock: func() time.Time { return time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC) }, Random: rand.Reader}
}

func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.vault")
	require.NoError(t, vault.Create(path, passphrase, cheap, source()))
	return path
}

func opened(t *testing.T, path string, o vault.Options) *vault.Vault {
	t.Helper()
	v, err := vault.Open(path, o, source())
	require.NoError(t, err)
	require.NoError(t, v.Unlock(passphrase))
	return v
}

func act(n int) vault.Act {
	return vault.Act{ID: source().NewID(), Operation: "encounter.create", Path: "/api/v3/encounters", Lane: fmt.Sprint("lane", n%3), ReceivedAt: source().Now()}
}

func container(n int) []byte { return []byte(strings.Repeat("підпис ", 20) + fmt.Sprint(n)) }

func put(t *testing.T, v *vault.Vault, n int) vault.Act {
	t.Helper()
	a, repeated, err := v.Put(act(n), container(n), room)
	require.NoError(t, err)
	require.False(t, repeated)
	return a
}

func TestWhatIsPutIsThereAfterOpeningAgain(t *testing.T) {
	path := made(t)
	v := opened(t, path, vault.Options{})
	first, second := put(t, v, 1), put(t, v, 2)
	require.Equal(t, uint64(1), first.Number)
	require.Equal(t, uint64(2), second.Number)
	again, repeated, err := v.Put(act(1), container(1), room)
	require.NoError(t, err)
	require.True(t, repeated)
	require.Equal(t, first, again)
	_, err = v.Change(1, []byte("відповідь центру"), func(a *vault.Act) error {
		a.Status, a.AnswerStatus, a.EndedAt = vault.StatusAnswered, 201, source().Now()
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, v.SetState("api_key", "mist_test_x"))
	require.NoError(t, v.KeepPatients([]vault.Patient{{ID: source().NewID(), LastName: "Тестова", FirstName: "Особа", TaxID: "3126509816"}}, true))
	require.NoError(t, v.Close())

	v = opened(t, path, vault.Options{})
	defer func() { require.NoError(t, v.Close()) }()
	require.Empty(t, v.Damaged())
	require.Equal(t, []vault.Act{second}, v.Open())
	b, err := v.Container(2)
	require.NoError(t, err)
	require.Equal(t, container(2), b)
	_, err = v.Container(1)
	require.ErrorIs(t, err, vault.ErrNotFound, "the container of an answered act is let go")
	answer, err := v.Answer(1)
	require.NoError(t, err)
	require.Equal(t, "відповідь центру", string(answer))
	_, repeated, err = v.Put(act(1), container(1), room)
	require.NoError(t, err)
	require.True(t, repeated, "an answered act is not taken a second time")
	var key string
	require.NoError(t, v.State("api_key", &key))
	require.Equal(t, "mist_test_x", key)
	require.Equal(t, 1, v.Patients())
	list, err := v.List(vault.Filter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, uint64(2), list[0].Number)
	list, err = v.List(vault.Filter{Limit: 10, Before: 2, Status: vault.StatusAnswered})
	require.NoError(t, err)
	require.Equal(t, first.ID, list[0].ID)
	found, err := v.Find(second.ID)
	require.NoError(t, err)
	require.Equal(t, second, found)
	n, err := v.Forget(source().Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, err = v.Find(first.ID)
	require.ErrorIs(t, err, vault.ErrNotFound)
}

func TestWhoHasNoPassphraseHasNothing(t *testing.T) {
	path := made(t)
	v := opened(t, path, vault.Options{})
	put(t, v, 1)
	p := vault.Patient{ID: source().NewID(), LastName: "Вигадана", FirstName: "Людина", TaxID: "3126509816"}
	require.NoError(t, v.KeepPatients([]vault.Patient{p}, true))
	v.Lock()
	require.ErrorIs(t, v.Unlock([]byte("не та кодова фраза")), vault.ErrPassphrase)
	require.ErrorIs(t, v.Check([]byte("не та кодова фраза")), vault.ErrPassphrase)
	require.NoError(t, v.Check(passphrase))
	_, _, err := v.Put(act(2), container(2), room)
	require.ErrorIs(t, err, vault.ErrLocked)
	_, err = v.Container(1)
	require.ErrorIs(t, err, vault.ErrLocked)
	_, _, err = v.Look(vault.Question{TaxID: p.TaxID}, p.ID, "treatment", 5)
	require.ErrorIs(t, err, vault.ErrLocked)
	require.Empty(t, v.Open())
	require.Zero(t, v.Patients())
	require.NoError(t, v.Close())

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, secret := range []string{"Вигадана", "3126509816", p.ID.String(), string(p.ID[:]), "encounter", "підпис"} {
		require.NotContains(t, string(b), secret)
	}
	require.ErrorContains(t, vault.Create(path, passphrase, cheap, source()), "never overwritten")
	require.ErrorContains(t, vault.Create(path+"2", []byte("коротка"), cheap, source()), "at least 12 characters")
}

func TestTwoProgramsDoNotShareAVault(t *testing.T) {
	path := made(t)
	v := opened(t, path, vault.Options{})
	_, err := vault.Open(path, vault.Options{Wait: 50 * time.Millisecond}, source())
	require.ErrorIs(t, err, vault.ErrInUse)
	require.NoError(t, v.Close())
	v = opened(t, path, vault.Options{})
	require.NoError(t, v.Close())
}

func TestAFullVaultTakesNothingHalf(t *testing.T) {
	path := made(t)
	v := opened(t, path, vault.Options{MaxSize: 256 << 10})
	n := 0
	for ; ; n++ {
		_, _, err := v.Put(act(n), []byte(strings.Repeat("x", 9000)+fmt.Sprint(n)), vault.Room{Acts: 1000, Bytes: 1 << 30})
		if err != nil {
			require.ErrorIs(t, err, vault.ErrFull)
			break
		}
		require.Less(t, n, 100)
	}
	require.Positive(t, n)
	require.Len(t, v.Open(), n)
	_, _, err := v.Put(act(500), container(500), vault.Room{Acts: n, Bytes: 1 << 30})
	require.ErrorIs(t, err, vault.ErrFull, "the number of acts is bounded")
	_, _, err = v.Put(act(500), container(500), vault.Room{Acts: 1000, Bytes: 100})
	require.ErrorIs(t, err, vault.ErrFull, "their bytes are bounded")
	require.NoError(t, v.Close())
	v = opened(t, path, vault.Options{})
	require.Empty(t, v.Damaged())
	require.Len(t, v.Open(), n)
	put(t, v, n)
	require.NoError(t, v.Close())
}

// Each row of a vault is changed by somebody who has the file and no
// passphrase; the twin, an untouched copy, opens without a word.
func TestRowsThatWereTouchedAreNamed(t *testing.T) {
	key := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	for name, c := range map[string]struct {
		touch func(tx *bbolt.Tx) error
		want  []vault.Damage
		open  int
	}{
		"untouched": {func(*bbolt.Tx) error { return nil }, nil, 3},
		"changed act": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("acts"))
			row := append([]byte(nil), b.Get(key(2))...)
			row[len(row)-1] ^= 1
			return b.Put(key(2), row)
		}, []vault.Damage{{Bucket: "acts", Row: "2", Reason: "changed"}}, 2},
		"acts in each other's place": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("acts"))
			one, two := append([]byte(nil), b.Get(key(1))...), append([]byte(nil), b.Get(key(2))...)
			if err := b.Put(key(1), two); err != nil {
				return err
			}
			return b.Put(key(2), one)
		}, []vault.Damage{{Bucket: "acts", Row: "1", Reason: "changed"}, {Bucket: "acts", Row: "2", Reason: "changed"}}, 1},
		"act taken away": {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("acts")).Delete(key(3)) },
			[]vault.Damage{{Bucket: "acts", Row: "3", Reason: "missing"}}, 2},
		"container of another act": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("bodies"))
			return b.Put(key(1), append([]byte(nil), b.Get(key(2))...))
		}, []vault.Damage{{Bucket: "bodies", Row: "1", Reason: "changed"}}, 2},
		"an act in the place of its container": {func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte("bodies")).Put(key(1), append([]byte(nil), tx.Bucket([]byte("acts")).Get(key(1))...))
		}, []vault.Damage{{Bucket: "bodies", Row: "1", Reason: "changed"}}, 2},
		"container taken away": {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("bodies")).Delete(key(2)) },
			[]vault.Damage{{Bucket: "bodies", Row: "2", Reason: "missing"}}, 2},
		"one act too many": {func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("acts"))
			return b.Put(key(4), append([]byte(nil), b.Get(key(3))...))
		}, []vault.Damage{{Bucket: "acts", Row: "0000000000000004", Reason: "changed"}}, 3},
		"look-up taken away": {func(tx *bbolt.Tx) error { return tx.Bucket([]byte("reads")).Delete(key(1)) },
			[]vault.Damage{{Bucket: "reads", Row: "1", Reason: "missing"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t)
			v := opened(t, path, vault.Options{})
			for n := range 3 {
				put(t, v, n)
			}
			p := vault.Patient{ID: source().NewID(), TaxID: "3126509816"}
			require.NoError(t, v.KeepPatients([]vault.Patient{p}, true))
			_, _, err := v.Look(vault.Question{TaxID: p.TaxID}, p.ID, "treatment", 5)
			require.NoError(t, err)
			require.NoError(t, v.Close())
			db, err := bbolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(c.touch))
			require.NoError(t, db.Close())

			v = opened(t, path, vault.Options{})
			defer func() { require.NoError(t, v.Close()) }()
			require.Equal(t, c.want, v.Damaged())
			require.Len(t, v.Open(), c.open, "the others are served")
			put(t, v, 10)
		})
	}
}

// The numbers that make a missing row visible cannot be set back by themselves,
// nor the price of guessing the passphrase lowered.
func TestHeadAndNumbersAreHeld(t *testing.T) {
	for name, touch := range map[string]func(tx *bbolt.Tx) error{
		"numbers": func(tx *bbolt.Tx) error { return tx.Bucket([]byte("state")).Delete([]byte("counters")) },
		"bucket":  func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("reads")) },
		"cost": func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte("head"))
			return b.Put([]byte("v1"), []byte(strings.Replace(string(b.Get([]byte("v1"))), `"passes":1`, `"passes":2`, 1)))
		},
		"site": func(tx *bbolt.Tx) error {
			var h map[string]any
			b := tx.Bucket([]byte("head"))
			if err := json.Unmarshal(b.Get([]byte("v1")), &h); err != nil {
				return err
			}
			h["site"] = source().NewID().String()
			plain, err := json.Marshal(h)
			if err != nil {
				return err
			}
			return b.Put([]byte("v1"), plain)
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t)
			db, err := bbolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Update(touch))
			require.NoError(t, db.Close())
			v, err := vault.Open(path, vault.Options{}, source())
			if err == nil {
				err = v.Unlock(passphrase)
				require.False(t, v.Unlocked())
				require.NoError(t, v.Close())
			}
			require.Error(t, err)
		})
	}
}

func TestLookUpsAreNotedBeforeTheyAreTold(t *testing.T) {
	path := made(t)
	v := opened(t, path, vault.Options{})
	day := registry.Date{Year: 1990, Month: 1, Day: 2}
	doctor := source().NewID()
	var list []vault.Patient
	for _, name := range []string{"Ґудзик", "ҐУДЗИК", "Інша"} {
		list = append(list, vault.Patient{ID: source().NewID(), LastName: name, FirstName: "Тест", BirthDate: day})
	}
	require.NoError(t, v.KeepPatients(list, true))
	got, more, err := v.Look(vault.Question{LastName: "ґудзик", BirthDate: day}, doctor, "treatment", 5)
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, got, 2)
	got, _, err = v.Look(vault.Question{LastName: "ґудзик", BirthDate: registry.Date{Year: 1990, Month: 1, Day: 3}}, doctor, "treatment", 5)
	require.NoError(t, err)
	require.Empty(t, got)
	got, more, err = v.Look(vault.Question{LastName: "ґудзик", BirthDate: day}, doctor, "treatment", 1)
	require.NoError(t, err)
	require.True(t, more)
	require.Len(t, got, 1)
	require.NoError(t, v.Close())

	v = opened(t, path, vault.Options{})
	reads, err := v.Reads(10)
	require.NoError(t, err)
	require.Len(t, reads, 3)
	require.Equal(t, vault.Read{Number: 1, PersonID: reads[0].PersonID, EmployeeID: doctor, Purpose: "treatment", At: source().Now()}, reads[0])
	require.Error(t, v.Reported(4), "the centre cannot have what is not there")
	require.NoError(t, v.Reported(2))
	require.NoError(t, v.Reported(2), "told twice")
	require.Equal(t, 1, v.WaitingReads())
	require.NoError(t, v.WipePatients())
	require.Zero(t, v.Patients())
	require.NoError(t, v.Close())
	v = opened(t, path, vault.Options{})
	require.Zero(t, v.Patients())
	require.Equal(t, 1, v.WaitingReads(), "what was read stays to be reported")
	require.NoError(t, v.Close())
}
