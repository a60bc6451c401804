package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"mist/portal/edge/vault"
	"mist/registry"
)

// Reasons why an act is dead.
const (
	ReasonRefused   = "refused"   // the centre refuses by a rule; its answer is kept
	ReasonUndecided = "undecided" // the signature could not be decided in all the time
	ReasonDamaged   = "damaged"   // the container is not as it was put
)

// errRevoked ends a round: the centre does not know the key.
var errRevoked = errors.New("the centre does not accept the hospital's key")

// Run synchronises until ctx ends. What is under way then is finished by the
// next start: the centre knows a container it has.
func (e *Edge) Run(ctx context.Context) {
	var under sync.WaitGroup
	defer under.Wait()
	tick := time.NewTicker(e.Poll)
	defer tick.Stop()
	for {
		if e.Vault.Unlocked() && e.open() {
			for _, a := range e.next() {
				under.Go(func() { e.send(ctx, a) })
			}
			if err := e.tidy(ctx); err != nil && ctx.Err() == nil {
				e.Log.Warn("synchronising", "cause", err.Error())
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-e.wake:
		}
	}
}

// open reports whether the breaker lets something go now.
func (e *Edge) open() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.Source.Clock().Before(e.line.RetryAt)
}

// next takes the acts that may go now: the first of each lane that is due. While
// the way to the centre is in doubt, one.
func (e *Edge) next() (list []vault.Act) {
	open := e.Vault.Open()
	now := e.Source.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	room := e.Workers - len(e.sending)
	if e.line.Failures > 0 {
		room = min(room, 1-len(e.sending))
	}
	busy, dead := map[string]bool{}, map[string]bool{}
	for _, a := range open {
		switch {
		case a.Status == vault.StatusDead:
			dead[a.Lane] = true
			continue
		case busy[a.Lane], dead[a.Lane] && !a.Independent:
			continue
		}
		busy[a.Lane] = true
		if len(list) < room && !e.sending[a.Number] && !now.Before(a.DueAt) {
			e.sending[a.Number] = true
			list = append(list, a)
		}
	}
	return list
}

// send hands one act in and writes how it went.
func (e *Edge) send(ctx context.Context, a vault.Act) {
	defer func() {
		e.mu.Lock()
		delete(e.sending, a.Number)
		e.mu.Unlock()
		e.stir()
	}()
	err := e.attempt(ctx, a)
	if err != nil && ctx.Err() == nil && !errors.Is(err, vault.ErrLocked) {
		e.Log.Warn("handing in an act", "act", a.ID.String(), "operation", a.Operation, "cause", err.Error())
	}
}

func (e *Edge) operation(name string) (Operation, bool) {
	for _, o := range e.operations {
		if o.Name == name {
			return o, true
		}
	}
	return Operation{}, false
}

func (e *Edge) attempt(ctx context.Context, a vault.Act) error {
	o, known := e.operation(a.Operation)
	container, err := e.Vault.Container(a.Number)
	if errors.Is(err, vault.ErrLocked) {
		return err
	}
	if err != nil || !known {
		return e.kill(a, ReasonDamaged, nil, 0, "the container or the operation cannot be read")
	}
	got, err := e.ask(ctx, o.Method, a.Path, a.EmployeeID, submission(o.Member, container))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return errors.Join(e.blame(err, 0), e.retry(a, err.Error(), 0))
	}
	switch kind := got.word("error", "type"); {
	case got.status < 300:
		e.relieve()
		_, err := e.Vault.Change(a.Number, got.body, func(a *vault.Act) error {
			a.Status, a.AnswerStatus, a.EndedAt = vault.StatusAnswered, got.status, e.Source.Now()
			a.Attempts++
			return nil
		})
		return err
	case got.status == http.StatusUnauthorized:
		return errors.Join(e.revoked(), e.retry(a, errRevoked.Error(), 0))
	case got.status >= 500, got.status == http.StatusTooManyRequests, got.status == http.StatusRequestTimeout:
		err := fmt.Errorf("the centre answered %d %s", got.status, kind)
		return errors.Join(e.blame(err, got.retryAfter), e.retry(a, err.Error(), got.retryAfter))
	case kind == "signature_indeterminate" && e.Source.Now().Before(a.ReceivedAt.Add(e.Patience)):
		// Said of this act, not of the centre: it may pass when a responder is back.
		e.relieve()
		return e.retry(a, fmt.Sprintf("the centre answered %d %s %s", got.status, kind, got.word("error", "reason")), got.retryAfter)
	case got.status < 400:
		err := fmt.Errorf("the centre answered %d", got.status)
		return errors.Join(e.blame(err, 0), e.retry(a, err.Error(), 0))
	default:
		e.relieve()
		reason := ReasonRefused
		if kind == "signature_indeterminate" {
			reason = ReasonUndecided
		}
		return e.kill(a, reason, got.body, got.status, fmt.Sprintf("the centre answered %d %s %s", got.status, kind, got.word("error", "reason")))
	}
}

// retry puts an act off. Where the way is at fault it goes when the breaker lets it.
func (e *Edge) retry(a vault.Act, text string, least time.Duration) error {
	now := e.Source.Now()
	_, err := e.Vault.Change(a.Number, nil, func(a *vault.Act) error {
		a.Fail(now, text)
		a.DueAt = now.Add(max(least, e.Backoff.Wait(a.Attempts, rand.Float64())))
		return nil
	})
	return err
}

func (e *Edge) kill(a vault.Act, reason string, body []byte, status int, text string) error {
	now := e.Source.Now()
	_, err := e.Vault.Change(a.Number, body, func(a *vault.Act) error {
		a.Fail(now, text)
		a.Status, a.Reason, a.AnswerStatus, a.EndedAt = vault.StatusDead, reason, status, now
		return nil
	})
	e.Log.Warn("an act is a dead letter", "act", a.ID.String(), "operation", a.Operation, "reason", reason, "status", status)
	return err
}

// blame notes that the way to the centre, or the centre, is at fault.
func (e *Edge) blame(cause error, least time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line.Failures++
	e.line.Error = cause.Error()
	e.line.RetryAt = e.Source.Clock().Add(max(least, e.Pause.Wait(e.line.Failures, rand.Float64())))
	return nil
}

// relieve notes that the centre answered. After an outage everything that was
// put off because of it is due.
func (e *Edge) relieve() {
	e.mu.Lock()
	after := e.line.Failures > 0
	if e.line.Revoked {
		e.line.Revoked = false
		e.line.CopyDue = time.Time{}
	}
	e.line.Failures, e.line.Error, e.line.RetryAt, e.line.Answered = 0, "", time.Time{}, e.Source.Now()
	e.mu.Unlock()
	if !after {
		return
	}
	now := e.Source.Now()
	for _, a := range e.Vault.Open() {
		if a.Status == vault.StatusWaiting && a.DueAt.After(now) {
			_, _ = e.Vault.Change(a.Number, nil, func(a *vault.Act) error { // a row that cannot be written waits its time
				if a.Status == vault.StatusWaiting && a.DueAt.After(now) {
					a.DueAt = now
				}
				return nil
			})
		}
	}
	e.stir()
}

// revoked locks look-up: the copy is wiped, acts stay.
func (e *Edge) revoked() error {
	e.mu.Lock()
	first := !e.line.Revoked
	e.line.Revoked, e.line.Answered, e.line.Copied, e.line.CopyDue = true, e.Source.Now(), time.Time{}, time.Time{}
	e.mu.Unlock()
	_ = e.blame(errRevoked, 0)
	if !first {
		return nil
	}
	e.Log.Error("the centre does not accept the hospital's key: the copy of patients is wiped, acts are kept")
	return errors.Join(e.Vault.WipePatients(), e.Vault.SetState(stateRevoked, true), e.Vault.SetState(stateCopied, time.Time{}))
}

// tidy does what else is due: it reports look-ups, takes the copy of patients
// anew, and lets go of what ended long ago.
func (e *Edge) tidy(ctx context.Context) error {
	e.mu.Lock()
	now := e.Source.Clock()
	due, beat := !now.Before(e.line.CopyDue), now.Sub(e.line.Answered) >= e.Beat
	probing := e.line.Failures > 0 && len(e.sending) > 0
	e.mu.Unlock()
	if probing {
		return nil
	}
	if beat || e.Vault.WaitingReads() > 0 {
		if err := e.report(ctx); err != nil {
			return e.trouble(err)
		}
	}
	if !due || !e.open() {
		return nil
	}
	if _, err := e.Vault.Forget(e.Source.Now().Add(-e.Keep)); err != nil {
		return err
	}
	if err := e.copyPatients(ctx); err != nil {
		return e.trouble(err)
	}
	return nil
}

// trouble sorts what went wrong outside of acts.
func (e *Edge) trouble(err error) error {
	if errors.Is(err, errRevoked) {
		return e.revoked()
	}
	_ = e.blame(err, 0)
	return err
}

// told turns an answer into an error where it is none of success.
func (a answer) told(what string) error {
	switch {
	case a.status == http.StatusUnauthorized:
		return errRevoked
	case a.status != http.StatusOK:
		return fmt.Errorf("%s: the centre answered %d %s %s", what, a.status, a.word("error", "type"), a.word("error", "reason"))
	}
	return nil
}

// reads are reported in parts of at most so many. A report of none is how a
// quiet side learns that its key still counts.
const readsAtOnce = 200

func (e *Edge) report(ctx context.Context) error {
	list, err := e.Vault.Reads(readsAtOnce)
	if err != nil {
		return err
	}
	type line struct {
		Number     uint64      `json:"number"`
		PersonID   registry.ID `json:"person_id"`
		EmployeeID registry.ID `json:"employee_id"`
		Purpose    string      `json:"purpose"`
		At         time.Time   `json:"read_at"`
	}
	in := struct {
		Site  registry.ID `json:"site"`
		Reads []line      `json:"reads"`
	}{Site: e.Vault.Site(), Reads: []line{}}
	e.mu.Lock()
	offset := e.line.Offset
	e.mu.Unlock()
	if offset.Abs() <= e.Skew {
		offset = 0
	}
	for _, r := range list {
		// By the centre's clock, as far as the difference is known.
		in.Reads = append(in.Reads, line{r.Number, r.PersonID, r.EmployeeID, r.Purpose, r.At.Add(offset).Truncate(time.Second)})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	got, err := e.ask(ctx, http.MethodPost, "/api/v3/edge/reads", registry.ID{}, body)
	if err != nil {
		return err
	}
	if err := got.told("reporting look-ups"); err != nil {
		return err
	}
	e.relieve()
	last, _ := got.object("data")["last"].(json.Number)
	n, err := last.Int64()
	if err != nil || n < 0 {
		return errors.New("reporting look-ups: the centre names no last one")
	}
	if len(list) == 0 {
		return nil
	}
	return e.Vault.Reported(uint64(n))
}

// copyPatients takes the clinic's own patients, page by page.
func (e *Edge) copyPatients(ctx context.Context) error {
	after, first := "", true
	for {
		path := "/api/v3/edge/patients?page_size=100"
		if after != "" {
			path += "&after=" + after
		}
		got, err := e.ask(ctx, http.MethodGet, path, registry.ID{}, nil)
		if err != nil {
			return err
		}
		if err := got.told("taking the copy of patients"); err != nil {
			return err
		}
		var page struct {
			Data   []vault.Patient `json:"data"`
			Paging struct {
				More bool `json:"has_more"`
			} `json:"paging"`
		}
		if err := json.Unmarshal(got.body, &page); err != nil {
			return errors.New("taking the copy of patients: not of the form of the contract")
		}
		if err := e.Vault.KeepPatients(page.Data, first); err != nil {
			return err
		}
		first = false
		if !page.Paging.More || len(page.Data) == 0 {
			break
		}
		after = page.Data[len(page.Data)-1].DeclarationID.String()
	}
	e.relieve()
	now := e.Source.Now()
	e.mu.Lock()
	e.line.Copied, e.line.CopyDue = now, now.Add(e.Copy)
	e.mu.Unlock()
	return errors.Join(e.Vault.SetState(stateCopied, now), e.Vault.SetState(stateRevoked, false))
}
