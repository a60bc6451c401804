package sickleave

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/notify"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/record"
)

// pauses between two questions for a result; the last one repeats.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour}

// WorkTx is what the effects of answers need of a transaction.
type WorkTx interface {
	record.Tx
	outbox.Tx
	patient.ConfirmTx
	notifyTx
}

// Errands write what the register answered.
type Errands struct{ Source registry.Source }

// Effects of the three operations.
func (x Errands) Effects(add func(outbox.Destination, outbox.Operation, outbox.Effect)) {
	for _, op := range []outbox.Operation{PostIncident, CancelIncident, GetIncidentResult} {
		add(ERLN, op, outbox.Effect{Answered: outbox.As(x.answered), Dead: outbox.AsDead(x.dead)})
	}
}

var errLeave = errors.New("the message names no conclusion")

// errand finds which conclusion and task a message is about.
func errand(ctx context.Context, tx WorkTx, m outbox.Message) (l Leave, kind, requestID string, round int, err error) {
	var q Inquiry
	if err := json.Unmarshal(m.Body, &q); err != nil {
		return l, "", "", 0, outbox.Refused("body", errLeave)
	}
	id, kind := q.RequestID, CreateRecord
	switch m.Operation {
	case CancelIncident:
		kind = CancelRecord
	case GetIncidentResult:
		id, kind = q.LeaveID, q.Task
	}
	act, err := registry.ParseID(id)
	if err != nil {
		return l, "", "", 0, outbox.Refused("body", errLeave)
	}
	var r record.Record
	if m.Operation == CancelIncident {
		var w Withdrawal
		if err := json.Unmarshal(m.Body, &w); err != nil {
			return l, "", "", 0, outbox.Refused("body", errLeave)
		}
		r, err = tx.RecordByNumber(ctx, Record, w.Number, true)
	} else {
		r, err = tx.RecordByID(ctx, Record, act, true)
	}
	if err == nil {
		l, err = leaveOf(r)
	}
	return l, kind, q.RequestID, q.Round, err
}

// answered takes the register's word.
func (x Errands) answered(ctx context.Context, tx WorkTx, m outbox.Message, reply outbox.Reply) error {
	var v Verdict
	if err := json.Unmarshal(reply.Body, &v); err != nil {
		return outbox.Rubbish(errors.New("the answer is not readable"))
	}
	l, kind, requestID, round, err := errand(ctx, tx, m)
	if err != nil {
		return err
	}
	t := l.task(kind)
	if t == nil {
		return outbox.Refused("task", errLeave)
	}
	now := x.Source.Now()
	if t.settled() {
		return nil // answered before, by another message about the same
	}
	switch given := t.TaskStatus == TaskFailed; {
	case v.Received != 0:
		t.TaskStatus, t.IntegrationStatus, t.UpdatedAt = TaskFailed, StandsCorrection, now
		t.StatusMessage, t.Details.Reaction = "ЕРЛН не прийняв повідомлення: "+clean(v.Fault), reactionDoctor
	case v.Result == 0:
		if now.Sub(l.since(kind)) > patienceDays*24*time.Hour {
			t.TaskStatus, t.IntegrationStatus, t.UpdatedAt = TaskFailed, StandsError, now
			t.StatusMessage, t.Details.Reaction = "ЕРЛН не дав відповіді за 7 днів: оформіть паперовий листок непрацездатності", reactionDoctor
			break
		}
		if given { // up before, and replayed since
			t.TaskStatus, t.IntegrationStatus, t.StatusMessage, t.Details, t.UpdatedAt = TaskPending, StandsSent, "", Details{}, now
			if err := x.keep(ctx, tx, &l, t, now); err != nil {
				return err
			}
		}
		next := Inquiry{RequestID: requestID, LeaveID: l.ID.String(), Task: kind, Round: round + 1}
		return put(ctx, tx, x.Source, registry.Caller{Channel: registry.ChannelJob, RequestID: m.ID.String()}, &l, GetIncidentResult, registry.ID{}, inquiryFields,
			now.Add(pauses[min(round, len(pauses)-1)]), next)
	default:
		r := ResultOf(v.Result)
		if made := l.task(CreateRecord); r.Code == resultAbsent && (kind == CreateRecord || made != nil && made.TaskStatus == TaskDone) {
			r.Stands, r.Done, r.Reaction = StandsError, false, reactionAdministrator // the register has lost what it had
		}
		x.settle(t, r, clean(v.Number), now)
	}
	if err := x.keep(ctx, tx, &l, t, now); err != nil {
		return err
	}
	if kind == CreateRecord && t.IntegrationStatus == StandsCreated {
		return x.tell(ctx, tx, &l)
	}
	return nil
}

// settled tells that the register has said what became of the errand. One whose
// message was given up is not: the answer to its replay counts.
func (t *Task) settled() bool {
	return t.TaskStatus == TaskDone || t.TaskStatus == TaskFailed && (t.Details.Result != 0 || t.IntegrationStatus != StandsError)
}

// declined tells that the register has said, in words we know, that it opened nothing.
func (t *Task) declined() bool {
	_, known := results[t.Details.Result]
	return t.TaskStatus == TaskFailed && t.Details.Number == "" && (known || t.IntegrationStatus == StandsCorrection)
}

// resultAbsent: there is nothing to cancel under the number.
const resultAbsent = 1104

// clean keeps a register's text to what a person may be shown.
func clean(s string) string {
	out := []rune{}
	for _, r := range s {
		if r >= ' ' && r != 0x7f && len(out) < 100 {
			out = append(out, r)
		}
	}
	return string(out)
}

func (x Errands) settle(t *Task, r Result, number string, now time.Time) {
	t.TaskStatus, t.IntegrationStatus, t.StatusMessage, t.UpdatedAt = TaskFailed, r.Stands, r.Text, now
	if r.Done {
		t.TaskStatus = TaskDone
	}
	t.Details = Details{Number: number, Result: r.Code, Reaction: r.Reaction}
	if r.Reaction == "none" {
		t.Details.Reaction = ""
	}
}

// since is when the task began: the conclusion's or the cancellation's signature.
func (l *Leave) since(kind string) time.Time {
	if kind == CancelRecord && l.Cancellation != nil {
		return l.Cancellation.At
	}
	return l.SignedAt
}

// reasonCorrection is the record's reason while the doctor has to do
// something: it is told in the feed of events.
const reasonCorrection = "erln_correction"

func (x Errands) keep(ctx context.Context, tx WorkTx, l *Leave, t *Task, now time.Time) error {
	l.record.Reason = ""
	if t.Details.Reaction == reactionDoctor && l.Status == composition.Final { // nobody corrects what was cancelled
		l.record.Reason = reasonCorrection
	}
	return l.keep(ctx, tx, now)
}

// dead: the message was given up.
func (x Errands) dead(ctx context.Context, tx WorkTx, m outbox.Message, reason outbox.Reason) error {
	l, kind, _, _, err := errand(ctx, tx, m)
	if _, no := outbox.AsRefused(err); no || registry.CodeOf(err) == registry.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	t := l.task(kind)
	if t == nil || t.TaskStatus != TaskPending {
		return nil
	}
	now := x.Source.Now()
	t.TaskStatus, t.IntegrationStatus, t.UpdatedAt, t.Details.Reaction = TaskFailed, StandsError, now, reactionAdministrator
	t.StatusMessage = "Повідомлення до ЕРЛН не доставлено (" + string(reason) + ")"
	return x.keep(ctx, tx, &l, t, now)
}

// tell sends the second word: the sick leave is open.
func (x Errands) tell(ctx context.Context, tx WorkTx, l *Leave) error {
	if l.Status != composition.Final {
		return nil
	}
	f := Facts{Today: Day(x.Source.Now())}
	var err error
	if f.Subject, err = tx.Person(ctx, l.SubjectID); err != nil {
		return err
	}
	if f.Focus = f.Subject; l.FocusID != l.SubjectID {
		if f.Focus, err = tx.Person(ctx, l.FocusID); err != nil {
			return err
		}
	}
	phone, err := informed(ctx, tx, &l.Input, &f)
	if code := registry.CodeOf(err); code != "" && code != registry.CodeUnavailable && code != registry.CodeInternal {
		return nil
	}
	if err != nil || phone == "" {
		return err
	}
	return notify.Enqueue(ctx, tx, x.Source, notify.Notice{Channel: notify.SMS, To: phone, Template: notify.SickLeaveOpened, About: l.ID,
		Values: map[string]string{"number": l.Title}})
}
