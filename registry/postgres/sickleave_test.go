package postgres_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/intake"
	"mist/registry/outbox"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/registry/sickleave"
)

// everyCode is a dictionary that has every code.
type everyCode struct{}

func (everyCode) Has(string, string) bool { return true }

// sickRoom is a clinic whose doctor has seen the patient.
type sickRoom struct {
	clinic
	*postgres.Store
	kind  sickleave.Kind
	visit registry.ID
	today registry.Date
}

func newSickRoom(t *testing.T) sickRoom {
	t.Helper()
	s := cluster.Store(t)
	r := sickRoom{clinic: populate(t, s), Store: s, visit: source.NewID(), today: sickleave.Day(source.Now()),
		kind: sickleave.Kind{Source: source, Lists: func(context.Context, dictionary.ReadTx) (prm.Lists, error) { return everyCode{}, nil }}}
	body := fmt.Sprintf(`{"encounter":{"date":%q,"diagnoses":[{"role":"primary"}]}}`, source.Now().Format(time.RFC3339))
	update(t, s, func(ctx context.Context, tx *postgres.Tx) {
		require.NoError(t, tx.InsertRecord(ctx, record.Record{ID: r.visit, Kind: record.KindEncounter, PatientID: r.person, AuthorID: r.doctor, LegalEntityID: r.legalEntity,
			Status: "finished", Body: []byte(body), InsertedAt: source.Now(), UpdatedAt: source.Now()}))
	})
	return r
}

// request writes the body of a draft: days from one to another, counted from today.
func (r sickRoom) request(from, to int, relation string, target registry.ID) []byte {
	related := ""
	if relation != "" {
		related = fmt.Sprintf(`,"relatesTo":{"code":%q,"targetIdentifier":{"type":{"coding":[{"system":"eHealth/resources","code":"composition"}]},"value":%q}}`, relation, target)
	}
	ref := func(kind string, id registry.ID) string {
		return fmt.Sprintf(`{"type":{"coding":[{"system":"eHealth/resources","code":%q}]},"value":%q}`, kind, id)
	}
	return fmt.Appendf(nil, `{"type":{"coding":[{"system":"COMPOSITION_TYPES","code":"TEMP_DISABILITY"}]},"category":{"coding":[{"system":"COMPOSITION_CATEGORIES","code":"SICKNESS"}]},
"event":[{"code":{"coding":[{"system":"COMPOSITION_EVENTS","code":"COMPOSITION_VALIDITY_PERIOD"}]},"period":{"start":"%sT00:00:01Z","end":"%sT20:59:59Z"}}],
"subject":%s,"encounter":%s,"author":%s,"section":{"focus":%s}%s}`, r.today.AddDate(0, 0, from), r.today.AddDate(0, 0, to), ref("person", r.person), ref("encounter", r.visit),
		ref("employee", r.doctor), ref("person", r.person), related)
}

func (r sickRoom) caller() registry.Caller {
	return registry.Caller{Channel: registry.ChannelREST, RequestID: "r", Role: "DOCTOR", EmployeeID: r.doctor, PartyID: r.party, LegalEntityID: r.legalEntity}
}

// draft takes a draft as the pipeline does.
func (r sickRoom) draft(t *testing.T, body []byte) (d intake.Draft, err error) {
	t.Helper()
	now := source.Now()
	err = r.Update(registry.WithReach(t.Context(), registry.Reach{LegalEntityID: r.legalEntity}), func(ctx context.Context, tx *postgres.Tx) error {
		d = intake.Draft{ID: source.NewID(), ActID: source.NewID(), Kind: sickleave.Name, LegalEntityID: r.legalEntity, InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
		if err := r.kind.Draft(ctx, tx, r.caller(), &d, body); err != nil {
			return err
		}
		return tx.InsertDraft(ctx, d)
	})
	return d, err
}

// sign accepts a draft as the pipeline does after the verifier has passed it.
func (r sickRoom) sign(ctx context.Context, d intake.Draft) error {
	var content sickleave.Content
	if err := json.Unmarshal(d.ToBeSigned, &content); err != nil {
		return err
	}
	return r.Update(registry.WithReach(ctx, registry.Reach{LegalEntityID: r.legalEntity}), func(ctx context.Context, tx *postgres.Tx) error {
		held, parties, err := tx.Hold(ctx, d)
		if err != nil {
			return err
		}
		a := r.act()
		a.ID, a.Kind = d.ActID, sickleave.Name
		a.RefersTo = r.kind.RefersTo(&held, content)
		if err := tx.InsertAct(ctx, a); err != nil {
			return err
		}
		if _, err := tx.Audit(ctx, accepted(a)); err != nil {
			return err
		}
		_, err = r.kind.Accept(ctx, tx, &held, parties, a, content)
		return err
	})
}

func (r sickRoom) made(t *testing.T, from, to int, relation string, target registry.ID) registry.ID {
	t.Helper()
	d, err := r.draft(t, r.request(from, to, relation, target))
	require.NoError(t, err)
	require.NoError(t, r.sign(t.Context(), d))
	return d.ActID
}

// stored reads a conclusion's record.
func (r sickRoom) stored(t *testing.T, id registry.ID) (out sickleave.Stored, status, reason string) {
	t.Helper()
	require.NoError(t, r.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		rec, err := tx.RecordByID(ctx, sickleave.Record, id, false)
		if err == nil {
			status, reason = rec.Status, rec.Reason
			err = json.Unmarshal(rec.Body, &out)
		}
		return err
	}))
	return out, status, reason
}

// A continuation, whoever of several sends it first, is one; and so is the
// certificate of a day. All hold the same draft state when they begin.
func TestOneOfManyContinuesASickLeave(t *testing.T) {
	t.Parallel()
	r := newSickRoom(t)
	first := r.made(t, 0, 2, "", registry.ID{})
	drafts := make([]intake.Draft, 6)
	for i := range drafts {
		var err error
		drafts[i], err = r.draft(t, r.request(3, 5, sickleave.Appends, first))
		require.NoError(t, err)
	}
	errs := make([]error, len(drafts))
	var all sync.WaitGroup
	for i := range drafts {
		all.Go(func() { errs[i] = r.sign(context.Background(), drafts[i]) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, registry.CodeConflict, registry.CodeOf(err), "%v", err)
		require.Equal(t, "continued", registry.AsError(err).Reason)
	}
	require.Equal(t, 1, won)
	_, err := r.draft(t, r.request(0, 1, sickleave.Replaces, first))
	require.Equal(t, "continued", registry.AsError(err).Reason, "the end of what is continued stays")
}

// Of corrections that compete one is written, and the corrected one is AMENDED once.
func TestOneOfManyCorrectsASickLeave(t *testing.T) {
	t.Parallel()
	r := newSickRoom(t)
	first := r.made(t, 0, 4, "", registry.ID{})
	drafts := make([]intake.Draft, 4)
	for i := range drafts {
		var err error
		drafts[i], err = r.draft(t, r.request(0, i, sickleave.Replaces, first))
		require.NoError(t, err)
	}
	errs := make([]error, len(drafts))
	var all sync.WaitGroup
	for i := range drafts {
		all.Go(func() { errs[i] = r.sign(context.Background(), drafts[i]) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Equal(t, "target_status", registry.AsError(err).Reason, "%v", err)
	}
	require.Equal(t, 1, won)
	_, status, _ := r.stored(t, first)
	require.Equal(t, "AMENDED", status)
	require.NoError(t, r.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		history, err := tx.RecordHistory(ctx, first)
		require.Len(t, history, 2)
		return err
	}))
}

// The second wall: links are nobody's to see, and terms are what the program was built with.
func TestTermsAndLinksOfSickLeaves(t *testing.T) {
	t.Parallel()
	r := newSickRoom(t)
	r.made(t, 0, 2, "", registry.ID{})
	want, err := sickleave.BuiltIn()
	require.NoError(t, err)
	require.NoError(t, r.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		got, err := tx.SickLeaveRules(ctx)
		require.ElementsMatch(t, want, got)
		list, err2 := tx.SickLeavesFor(ctx, r.person)
		require.Len(t, list, 1)
		require.NoError(t, err2)
		return err
	}))
	// Rows change what the rules say, at once: a continuation after a gap.
	body := r.request(5, 6, "", registry.ID{})
	_, err = r.draft(t, body)
	require.Equal(t, sickleave.StartAheadDays, registry.AsError(err).Reason)
	rows := fmt.Sprintf(`[{"name":"start_ahead_days","category":"SICKNESS","values":[5],"from":%q,"to":%q,"source":"наказ (зразок)"}]`, r.today, r.today)
	n, err := sickleave.Import(t.Context(), postgres.NewPort[sickleave.RulesTx](r.Store), registry.Caller{Channel: registry.ChannelJob, RequestID: "operator"}, []byte(rows))
	require.Equal(t, registry.CodeInternal, registry.CodeOf(err), "the serving role does not change terms")
	require.Equal(t, 1, n)
}

// What the register answers is written once, told to the doctor when it is
// theirs to correct, and asked for while it is not there.
func TestAnswersOfTheSickLeaveRegister(t *testing.T) {
	t.Parallel()
	r := newSickRoom(t)
	effects := outbox.Effects{}
	sickleave.Errands{Source: source}.Effects(effects.Add)
	answer := func(op outbox.Operation, m outbox.Message, v sickleave.Verdict) error {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return r.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			return effects[sickleave.ERLN][op].Answered(ctx, tx, m, outbox.Reply{Body: b})
		})
	}
	post := func(id registry.ID) outbox.Message {
		return outbox.Message{Destination: sickleave.ERLN, Operation: sickleave.PostIncident, Body: fmt.Appendf(nil, `{"requestId":%q}`, id)}
	}
	first := r.made(t, 0, 1, "", registry.ID{})
	s, _, _ := r.stored(t, first)
	require.Equal(t, sickleave.TaskPending, s.Integration[0].TaskStatus)

	// Taken, and no result yet: it is asked for.
	require.NoError(t, answer(sickleave.PostIncident, post(first), sickleave.Verdict{}))
	var asked int
	require.NoError(t, r.View(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		list, _, err := tx.Messages(ctx, outbox.Filter{Destination: sickleave.ERLN, Page: 1, Size: 50})
		for _, m := range list {
			if m.Operation == sickleave.GetIncidentResult {
				asked++
			}
			require.Equal(t, r.person.String(), m.Subject)
		}
		return err
	}))
	require.Equal(t, 1, asked)
	inquiry := outbox.Message{Destination: sickleave.ERLN, Operation: sickleave.GetIncidentResult, Body: fmt.Appendf(nil, `{"requestId":%q,"leaveId":%q,"task":"CREATE_ERLN_RECORD","round":1}`, first, first)}
	require.NoError(t, answer(sickleave.GetIncidentResult, inquiry, sickleave.Verdict{Result: 1101, Number: "1234567890123"}))
	s, status, reason := r.stored(t, first)
	require.Equal(t, "FINAL", status)
	require.Empty(t, reason)
	require.Equal(t, sickleave.TaskDone, s.Integration[0].TaskStatus)
	require.Equal(t, sickleave.StandsCreated, s.Integration[0].IntegrationStatus)
	require.Equal(t, "1234567890123", s.Integration[0].Details.Number)
	// The register says it again, and something else: nothing changes.
	require.NoError(t, answer(sickleave.GetIncidentResult, inquiry, sickleave.Verdict{Result: 1000}))
	again, _, _ := r.stored(t, first)
	require.Equal(t, s, again)

	for _, c := range []struct {
		v                     sickleave.Verdict
		task, stands, reacted string
		reason                string
	}{
		{sickleave.Verdict{Result: 1000}, sickleave.TaskFailed, sickleave.StandsError, "administrator", ""},
		{sickleave.Verdict{Result: 1201}, sickleave.TaskFailed, sickleave.StandsCorrection, "doctor", "erln_correction"},
		{sickleave.Verdict{Result: 1102, Number: "2"}, sickleave.TaskDone, sickleave.StandsInvalid, "", ""},
		{sickleave.Verdict{Result: 7777}, sickleave.TaskFailed, sickleave.StandsError, "administrator", ""},
		{sickleave.Verdict{Received: 1, Fault: "DATE_END"}, sickleave.TaskFailed, sickleave.StandsCorrection, "doctor", "erln_correction"},
	} {
		room := newSickRoom(t)
		r.Store, r.clinic, r.visit = room.Store, room.clinic, room.visit
		id := r.made(t, 0, 1, "", registry.ID{})
		require.NoError(t, answer(sickleave.PostIncident, post(id), c.v))
		s, _, reason := r.stored(t, id)
		task := s.Integration[0]
		require.Equal(t, []string{c.task, c.stands, c.reacted, c.reason}, []string{task.TaskStatus, task.IntegrationStatus, task.Details.Reaction, reason}, "%+v", c.v)
		require.NotEmpty(t, task.StatusMessage)
	}
	require.True(t, outbox.IsRubbish(r.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return effects[sickleave.ERLN][sickleave.PostIncident].Answered(ctx, tx, post(first), outbox.Reply{Body: []byte("<html>")})
	})))
	// Given up: an operator, or the doctor by hand, sends it again.
	room := newSickRoom(t)
	r.Store, r.clinic, r.visit = room.Store, room.clinic, room.visit
	id := r.made(t, 0, 1, "", registry.ID{})
	require.NoError(t, r.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return effects[sickleave.ERLN][sickleave.PostIncident].Dead(ctx, tx, post(id), outbox.ReasonDeadline)
	}))
	s, _, _ = r.stored(t, id)
	require.Equal(t, sickleave.StandsError, s.Integration[0].IntegrationStatus)
}
