package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/signature"
)

// Pending is a signed document that waits: sound, but the status of a
// certificate could not be had. It has its receipt and no effect.
type Pending struct {
	DraftID     registry.ID
	Kind        registry.KindName
	Container   registry.Digest
	SubmittedAt time.Time
	// GivesUpAt is when it is refused if the status cannot be had by then.
	GivesUpAt time.Time
	// Receipt of the entry act.pending.
	Receipt audit.Receipt
	// Caller is who handed it in, for the entry of what becomes of it.
	Caller registry.Caller
}

// recheckKind is the job that asks for the status again.
func recheckKind(kind registry.KindName) job.Kind { return job.Kind("act.recheck." + string(kind)) }

// Handlers of the jobs of this kind of act.
func (s *Service[T]) Handlers() job.Handlers {
	return job.Handlers{recheckKind(s.kind.Name()): s.recheck}
}

// pendingAgain answers for bytes that already wait; the answer is the same.
func (s *Service[T]) pendingAgain(ctx context.Context, tx T, c registry.Caller, d Draft, digest registry.Digest) (*Outcome, error) {
	if d.Status != StatusPending {
		return nil, nil
	}
	p, found, err := tx.Pending(ctx, d.ID)
	if err != nil || !found || p.Container != digest {
		return nil, err
	}
	if _, err := tx.Audit(ctx, s.entry(c, "act.repeated", d)); err != nil {
		return nil, err
	}
	return &Outcome{Waiting: &d, Receipt: p.Receipt, Repeated: true}, nil
}

// keep takes a sound document whose status cannot be had: container, report,
// receipt and the job that will ask again, no effect.
func (s *Service[T]) keep(ctx context.Context, c registry.Caller, draft Draft, container []byte, j *judged) (Outcome, error) {
	var out Outcome
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		out = Outcome{}
		d, err := s.own(ctx, tx, c, draft.ID, true)
		if err != nil {
			return err
		}
		for _, before := range []func(context.Context, T, registry.Caller, Draft, registry.Digest) (*Outcome, error){s.known, s.pendingAgain} {
			again, err := before(ctx, tx, c, d, j.digest)
			if err != nil {
				return err
			}
			if again != nil {
				out = *again
				return nil
			}
		}
		if d.Status != StatusApproved {
			return transition(d.Status)
		}
		author, err := tx.Signatory(ctx, d.EmployeeID)
		if err != nil {
			return err
		}
		if err := j.signing.check(j.signers, author); err != nil {
			return err
		}
		now := s.source.Now()
		if err := tx.PutContainer(ctx, j.digest, container); err != nil {
			return err
		}
		if err := tx.InsertReport(ctx, *j.report); err != nil {
			return err
		}
		d.Status, d.UpdatedAt, d.StatusReason = StatusPending, now, "status_awaited"
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		e := s.entry(c, audit.ActPending, d)
		e.Act.Container = j.digest[:]
		e.Report = &audit.ReportRef{Digest: j.report.Digest, Indication: j.report.Indication, Policy: j.report.Policy}
		if out.Receipt, err = tx.Audit(ctx, e); err != nil {
			return err
		}
		p := Pending{DraftID: d.ID, Kind: d.Kind, Container: j.digest, SubmittedAt: now, GivesUpAt: now.Add(s.limits.PendingTerm), Receipt: out.Receipt, Caller: c}
		if err := tx.InsertPending(ctx, p); err != nil {
			return err
		}
		out.Waiting = &d
		// Our own trouble must not use up the attempts before the term ends.
		return tx.Enqueue(ctx, job.Job{Kind: recheckKind(d.Kind), Key: d.ID.String(), RunAt: now.Add(s.limits.PendingRetry), MaxAttempts: 1000})
	})
	if err != nil {
		return Outcome{}, s.refuse(ctx, c, draft, j.report, err)
	}
	return out, nil
}

// recheck judges a waiting document anew: accepted with all effects, refused,
// or left to wait.
func (s *Service[T]) recheck(ctx context.Context, work job.Job) error {
	ctx, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	id, err := registry.ParseID(work.Key)
	if err != nil {
		return job.Permanent(errors.New("the key is no id of a draft"))
	}
	var p Pending
	var d Draft
	var container []byte
	found := false
	err = s.store.View(ctx, func(ctx context.Context, tx T) (err error) {
		if p, found, err = tx.Pending(ctx, id); err != nil || !found {
			return err
		}
		if d, err = tx.Draft(ctx, s.kind.Name(), id, false); err != nil {
			return err
		}
		container, err = tx.Container(ctx, p.Container)
		return err
	})
	if err != nil || !found {
		return err
	}
	c := p.Caller
	c.Channel = registry.ChannelJob
	j, err := s.judge(ctx, d, container)
	if err == nil && j.waits {
		if s.source.Now().Before(p.GivesUpAt) {
			return job.Later(s.limits.PendingRetry)
		}
		err = &registry.Error{Code: registry.CodeSignatureIndeterminate, Reason: "status_unavailable", ReportID: j.report.ID.String(),
			Detail: "The status of the signer's certificate could not be had in time"}
	}
	if err == nil {
		_, err = s.accept(ctx, c, d, container, j, &p)
	}
	if err == nil {
		return nil
	}
	if refusal := registry.AsError(err); refusal.Code == registry.CodeInternal || refusal.Code == registry.CodeUnavailable {
		return err
	}
	return s.release(ctx, c, p, j, err)
}

// release ends the waiting with a refusal: the draft may be signed anew, for
// the time it had left when it was handed in.
func (s *Service[T]) release(ctx context.Context, c registry.Caller, p Pending, j *judged, cause error) error {
	refusal := registry.AsError(cause)
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d, err := tx.Draft(ctx, s.kind.Name(), p.DraftID, true)
		if err != nil {
			return err
		}
		if d.Status != StatusPending {
			return nil
		}
		now := s.source.Now()
		d.Status, d.UpdatedAt, d.StatusReason = StatusApproved, now, "refused_"+refusal.Reason
		d.ExpiresAt = d.ExpiresAt.Add(now.Sub(p.SubmittedAt))
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		if err := tx.DeletePending(ctx, d.ID); err != nil {
			return err
		}
		e := s.entry(c, audit.ActRefused, d)
		e.Code, e.Reason, e.Act.Container = string(refusal.Code), refusal.Reason, p.Container[:]
		if j != nil && j.report != nil {
			j.report.ActID = registry.ID{}
			if err := tx.InsertReport(ctx, *j.report); err != nil {
				return err
			}
			e.Report = &audit.ReportRef{Digest: j.report.Digest, Indication: j.report.Indication, Policy: j.report.Policy}
		}
		if d.AuthMethod == "OTP" && d.Number != "" {
			if err := notify.Enqueue(ctx, tx, s.source, notify.Notice{Channel: notify.SMS, To: d.Phone, Template: notify.ActRefused, About: d.ID,
				Values: map[string]string{"number": d.Number}}); err != nil {
				return err
			}
		}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording a refusal (%s): %w", refusal.Code, err)
	}
	return nil
}

// judged is what the verifier and the kind say of a container.
type judged struct {
	digest  registry.Digest
	report  *Report
	signing SigningRule
	signers []signature.Signer
	content any
	signed  [32]byte // SHA-256 of the signed bytes
	// waits: sound, but the status could not be had.
	waits bool
}
