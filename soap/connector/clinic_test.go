package connector_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/population"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/composition"
	"mist/registry/dictionary"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/registry/sickleave"
	"mist/signature"
)

// clinic is a doctor who sees patients and signs conclusions: the acts as the
// pipeline writes them after the verifier has passed them.
type clinic struct {
	t                                    *testing.T
	legalEntity, division, doctor, party registry.ID
	taxID                                string

	mu     sync.Mutex // guards people
	people *population.Generator
}

// everyCode is a dictionary that has every code.
type everyCode struct{}

func (everyCode) Has(string, string) bool { return true }

func lists(context.Context, dictionary.ReadTx) (prm.Lists, error) { return everyCode{}, nil }

func newClinic(t *testing.T, store *postgres.Store, edrpou registry.EDRPOU, seed uint64) *clinic {
	t.Helper()
	c := &clinic{t: t, legalEntity: source.NewID(), division: source.NewID(), doctor: source.NewID(), party: source.NewID(), people: population.New(seed)}
	h := c.people.Human(30, 60, registry.DateOf(source.Now()))
	c.taxID = string(h.RNOKPP)
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.PutLegalEntity(ctx, prm.LegalEntity{ID: c.legalEntity, Name: "Клініка", EDRPOU: edrpou, Type: "PRIMARY_CARE", Status: "ACTIVE"}); err != nil {
			return err
		}
		if err := tx.PutDivision(ctx, prm.Division{ID: c.division, LegalEntityID: c.legalEntity, Name: "Амбулаторія", Type: "CLINIC", Status: "ACTIVE"}); err != nil {
			return err
		}
		return tx.PutEmployee(ctx, prm.Employee{ID: c.doctor, LegalEntityID: c.legalEntity, DivisionID: c.division, Type: "DOCTOR", Position: "P7", Speciality: "FAMILY_DOCTOR", Status: "APPROVED",
			StartDate: registry.Date{Year: 2020, Month: 1, Day: 2}, Party: prm.Party{ID: c.party, LastName: h.LastName, FirstName: h.FirstName, SecondName: h.SecondName, TaxID: c.taxID, BirthDate: h.BirthDate, Email: "doctor@example.invalid"}})
	}))
	return c
}

func (c *clinic) caller() registry.Caller {
	return registry.Caller{Channel: registry.ChannelREST, RequestID: "r", Role: "DOCTOR", EmployeeID: c.doctor, PartyID: c.party, LegalEntityID: c.legalEntity}
}

func (c *clinic) update(store *postgres.Store, f func(ctx context.Context, tx *postgres.Tx) error) error {
	return store.Update(registry.WithReach(context.WithoutCancel(c.t.Context()), registry.Reach{LegalEntityID: c.legalEntity}), f)
}

// visit is one patient who was seen today.
type visit struct {
	person, encounter registry.ID
	surname           string
}

// seen makes a patient and the record of the visit; a surname of one's own is given for the orders of the simulator.
func (c *clinic) seen(store *postgres.Store, surname string) visit {
	c.mu.Lock()
	h := c.people.Human(20, 60, registry.DateOf(source.Now()))
	c.mu.Unlock()
	if surname == "" {
		surname = h.LastName
	}
	v := visit{source.NewID(), source.NewID(), surname}
	now := source.Now()
	p := patient.Person{ID: v.person, Version: 1, LastName: surname, FirstName: h.FirstName, SecondName: h.SecondName, BirthDate: h.BirthDate, Gender: h.Gender, TaxID: string(h.RNOKPP), UNZR: string(h.UNZR),
		Documents: []patient.Document{{Type: "NATIONAL_ID", Number: "000111222"}}, AuthenticationMethods: []patient.AuthenticationMethod{{Type: "OTP", PhoneNumber: "+380501234567"}},
		Status: patient.StatusActive, VerificationStatus: "VERIFIED", InsertedAt: now, UpdatedAt: now}
	p.NameMethods()
	body := fmt.Sprintf(`{"encounter":{"date":%q,"diagnoses":[{"role":"primary"}]}}`, now.Format(time.RFC3339))
	require.NoError(c.t, store.Update(context.WithoutCancel(c.t.Context()), func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.PutPerson(ctx, p); err != nil {
			return err
		}
		return tx.InsertRecord(ctx, record.Record{ID: v.encounter, Kind: record.KindEncounter, PatientID: v.person, AuthorID: c.doctor, LegalEntityID: c.legalEntity,
			Status: "finished", Body: []byte(body), InsertedAt: now, UpdatedAt: now})
	}))
	return v
}

// concluded signs a conclusion for days counted from today; one that continues names the one before.
func (c *clinic) concluded(store *postgres.Store, v visit, from, to int, continues registry.ID) registry.ID {
	today := sickleave.Day(source.Now())
	related := ""
	if !continues.IsZero() {
		related = fmt.Sprintf(`,"relatesTo":{"code":"appends","targetIdentifier":{"type":{"coding":[{"system":"eHealth/resources","code":"composition"}]},"value":%q}}`, continues)
	}
	ref := func(kind string, id registry.ID) string {
		return fmt.Sprintf(`{"type":{"coding":[{"system":"eHealth/resources","code":%q}]},"value":%q}`, kind, id)
	}
	body := fmt.Appendf(nil, `{"type":{"coding":[{"system":"COMPOSITION_TYPES","code":"TEMP_DISABILITY"}]},"category":{"coding":[{"system":"COMPOSITION_CATEGORIES","code":"SICKNESS"}]},
"event":[{"code":{"coding":[{"system":"COMPOSITION_EVENTS","code":"COMPOSITION_VALIDITY_PERIOD"}]},"period":{"start":"%sT00:00:01Z","end":"%sT20:59:59Z"}}],
"subject":%s,"encounter":%s,"author":%s,"section":{"focus":%s}%s}`, today.AddDate(0, 0, from), today.AddDate(0, 0, to), ref("person", v.person), ref("encounter", v.encounter),
		ref("employee", c.doctor), ref("person", v.person), related)
	kind := sickleave.Kind{Source: source, Lists: lists}
	var d intake.Draft
	require.NoError(c.t, c.update(store, func(ctx context.Context, tx *postgres.Tx) error {
		now := source.Now()
		d = intake.Draft{ID: source.NewID(), ActID: source.NewID(), Kind: sickleave.Name, LegalEntityID: c.legalEntity, InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := kind.Draft(ctx, tx, c.caller(), &d, body); err != nil {
			return err
		}
		return tx.InsertDraft(ctx, d)
	}))
	var content sickleave.Content
	require.NoError(c.t, json.Unmarshal(d.ToBeSigned, &content))
	require.NoError(c.t, c.update(store, func(ctx context.Context, tx *postgres.Tx) error {
		held, parties, err := tx.Hold(ctx, d)
		if err != nil {
			return err
		}
		a := c.act(sickleave.Name, d.ActID)
		a.PatientID, a.AuthorID, a.RefersTo = v.person, c.doctor, kind.RefersTo(&held, content)
		if err := c.keep(ctx, tx, a); err != nil {
			return err
		}
		_, err = kind.Accept(ctx, tx, &held, parties, a, content)
		return err
	}))
	return d.ActID
}

// cancelled signs the cancellation of a conclusion.
func (c *clinic) cancelled(store *postgres.Store, leave registry.ID) {
	require.NoError(c.t, c.update(store, func(ctx context.Context, tx *postgres.Tx) error {
		a := c.act(sickleave.CancellationName, source.NewID())
		a.RefersTo = leave
		code := func(system, code string) sickleave.Concept {
			return sickleave.Concept{Coding: []sickleave.Coding{{System: system, Code: code}}}
		}
		doc := sickleave.Cancellation{Identifier: sickleave.Reference{Type: code(sickleave.ResourcesDictionary, "composition"), Value: leave}, Reason: code(sickleave.CancellationsDictionary, "INCORRECT_OTHER")}
		if _, err := (sickleave.Cancel{Source: source, Lists: lists}).Accept(ctx, tx, c.caller(), signature.Signer{RNOKPP: c.taxID, RNOKPPForm: "tax-id"}, &a, doc); err != nil {
			return err
		}
		return c.keep(ctx, tx, a)
	}))
}

func (c *clinic) act(kind registry.KindName, id registry.ID) registry.Act {
	return registry.Act{ID: id, Kind: kind, Version: 1, LegalEntityID: c.legalEntity, Container: sha256.Sum256(id[:]), Content: sha256.Sum256(append(id[:], 1)), AcceptedAt: source.Now()}
}

// keep writes an act with its entry.
func (c *clinic) keep(ctx context.Context, tx *postgres.Tx, a registry.Act) error {
	if err := tx.InsertAct(ctx, a); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActAccepted, Actor: audit.ActorOf(c.caller()), Channel: "rest", RequestID: "r", SubjectID: a.PatientID,
		Act: &audit.ActRef{ID: a.ID, Kind: string(a.Kind), Container: a.Container[:], Content: a.Content[:]}})
	return err
}

// kept reads a conclusion: its number, whether it counts, and the states of its newest errands.
func (c *clinic) kept(store *postgres.Store, id registry.ID) (number string, final bool, created, cancelled sickleave.Task) {
	require.NoError(c.t, store.View(c.t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		r, err := tx.RecordByID(ctx, sickleave.Record, id, false)
		if err != nil {
			return err
		}
		var s sickleave.Stored
		number, final = r.Number, r.Status == string(composition.Final)
		if err := json.Unmarshal(r.Body, &s); err != nil {
			return err
		}
		for _, task := range s.Integration {
			if task.Type == sickleave.CreateRecord {
				created = task
			} else {
				cancelled = task
			}
		}
		return nil
	}))
	return number, final, created, cancelled
}
