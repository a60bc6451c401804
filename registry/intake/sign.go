package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
)

// Verifier judges a signed document under a policy; *signature.Verifier is one.
// It may ask the network (OCSP) and is therefore never called inside a
// transaction.
type Verifier interface {
	Verify(ctx context.Context, in signature.Input, p signature.Policy) (*signature.Result, error)
}

// Policies says what the signature of a kind of act must satisfy at a time;
// signature.PolicyTable is one. Who submits an act has no say in it.
type Policies interface {
	For(kind string, at time.Time) (signature.Policy, error)
}

// Outcome is an accepted act with what the caller is shown.
type Outcome struct {
	Act      registry.Act
	Resource any
	Receipt  audit.Receipt
	// Repeated tells that the same container had been accepted before.
	Repeated bool
	// Waiting is set, and Act is not, when the document was kept until the
	// status of a certificate can be had.
	Waiting *Draft
}

// Sign submits the signed container of an approved draft (walk W1). The same
// container again gives the same answer; a refused one leaves only its audit
// entry and report.
func (s *Service[T]) Sign(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Outcome, error) {
	if err := c.Require(s.kind.Scope(StepSign)); err != nil {
		return Outcome{}, err
	}
	ctx, err := s.prepare(ctx)
	if err != nil {
		return Outcome{}, err
	}
	digest := registry.Digest(sha256.Sum256(container))

	// What was read for the signer a moment ago needs no second trip: the act's
	// own transaction says whether it still holds.
	reach := registry.ReachOf(ctx)
	known, remembered := s.recent.draft(id, reach, s.source.Now())
	author, met := s.recent.author(known.EmployeeID, reach)
	_, prompt := s.kind.(Prompt[T])
	remembered = remembered && met && prompt && mine(c, known) == nil && s.source.Now().Before(known.ExpiresAt)
	var j *judged
	var refusal error
	if remembered {
		if j, refusal = s.judge(ctx, known, container); refusal == nil && !j.waits {
			out, err := s.share(ctx, c, known, author, container, j)
			s.recent.forget(known, err != nil)
			if err == nil {
				return out, nil
			}
		}
	}

	var draft Draft
	var accepted bool
	err = s.store.Peek(ctx, func(ctx context.Context, tx T) (err error) {
		if draft, author, accepted, err = tx.DraftToSign(ctx, s.kind.Name(), id, digest); err == nil {
			err = mine(c, draft)
		}
		return err
	})
	if err != nil {
		return Outcome{}, err
	}
	s.recent.keepAuthor(draft.EmployeeID, author, reach)
	if accepted || draft.Status == StatusPending {
		repeated, err := s.repeat(ctx, c, &draft, digest)
		if err != nil {
			return Outcome{}, err
		}
		if repeated != nil {
			return *repeated, nil
		}
	}
	if draft.Status != StatusApproved {
		return Outcome{}, s.refuse(ctx, c, draft, nil, transition(draft.Status))
	}
	if now := s.source.Now(); !now.Before(draft.ExpiresAt) {
		return Outcome{}, s.expireNow(ctx, c, id)
	}

	// A judgement over the remembered draft stands when that is the draft.
	if !remembered || known.Revision != draft.Revision {
		j, refusal = s.judge(ctx, draft, container)
	}
	if refusal != nil {
		var report *Report
		if j != nil {
			report = j.report
		}
		return Outcome{}, s.refuse(ctx, c, draft, report, refusal)
	}
	if j.waits {
		return s.keep(ctx, c, draft, container, j)
	}
	out, err := s.enter(ctx, c, draft, author, container, j)
	if err != nil {
		return Outcome{}, s.refuse(ctx, c, draft, j.report, err)
	}
	return out, nil
}

// repeat answers for bytes that are known: they need no second verification.
func (s *Service[T]) repeat(ctx context.Context, c registry.Caller, draft *Draft, digest registry.Digest) (repeated *Outcome, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		if *draft, err = s.own(ctx, tx, c, draft.ID, false); err != nil {
			return err
		}
		if repeated, err = s.known(ctx, tx, c, *draft, digest); err == nil && repeated == nil {
			repeated, err = s.pendingAgain(ctx, tx, c, *draft, digest)
		}
		return err
	})
	return repeated, err
}

// judge gathers facts and judges them, with no transaction open, and reads the
// document when its signature passed or only waits for a status. With the
// refusal comes what is known so far, the report for one.
func (s *Service[T]) judge(ctx context.Context, draft Draft, container []byte) (*judged, error) {
	j := &judged{digest: sha256.Sum256(container)}
	policy, err := s.policies.For(string(s.kind.Name()), s.source.Now())
	if err != nil {
		return nil, err
	}
	result, err := s.verifier.Verify(ctx, signature.Input{ID: draft.ActID.String(), Document: facts.Bytes(container)}, policy)
	if err != nil {
		return nil, verifierError(err)
	}
	j.report = newReport(s.source, container, j.digest, result)
	if j.signing, err = s.signing.For(s.kind.Name(), s.source.Now()); err != nil {
		return nil, err
	}
	signed, signers, err := j.signing.released(result)
	if err != nil {
		awaiting, judging := result.AwaitingStatus()
		if judging != nil {
			return nil, judging
		}
		if awaiting != nil {
			signed, signers, err = j.signing.released(awaiting)
			j.waits = true
		}
	}
	if err != nil {
		return j, judgementError(j.report.ID, err)
	}
	j.signers = signers
	if j.content, err = s.kind.Decode(&draft, signed); err != nil {
		return j, err
	}
	b, err := signed.Bytes()
	if err != nil {
		return j, fmt.Errorf("reading the signed document: %w", err)
	}
	j.signed = sha256.Sum256(b)
	return j, nil
}

// accept is the act's transaction. waited is set when the document was kept
// until the status could be had.
func (s *Service[T]) accept(ctx context.Context, c registry.Caller, draft Draft, container []byte, j *judged, waited *Pending) (out Outcome, err error) {
	from := StatusApproved
	if waited != nil {
		from = StatusPending
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx T) error {
		out = Outcome{}
		d, parties, err := tx.Hold(ctx, draft)
		if err == nil {
			err = mine(c, d)
		}
		if err != nil {
			return err
		}
		if d.Status != from {
			again, err := s.known(ctx, tx, c, d, j.digest)
			if err != nil {
				return err
			}
			if again == nil {
				return transition(d.Status)
			}
			out = *again
			return nil
		}
		if err := j.signing.check(j.signers, parties.Author.Signatory); err != nil {
			return err
		}
		if waited != nil {
			if err := s.afterWaiting(ctx, tx, d, *waited); err != nil {
				return err
			}
		}
		out, err = s.write(ctx, tx, c, &d, container, j, func(act registry.Act) (any, error) {
			return s.kind.Accept(ctx, tx, &d, parties, act, j.content)
		})
		if err != nil {
			return err
		}
		return tx.MoveDraft(ctx, d)
	})
	if err != nil {
		return Outcome{}, err
	}
	return out, nil
}

// enter accepts an act together with others where its kind allows it. Whatever
// stands against that is found out, and told, by the act's own transaction.
func (s *Service[T]) enter(ctx context.Context, c registry.Caller, draft Draft, author Author, container []byte, j *judged) (Outcome, error) {
	if out, err := s.share(ctx, c, draft, author, container, j); err == nil {
		return out, nil
	}
	return s.accept(ctx, c, draft, container, j, nil)
}

var errAlone = errors.New("intake: this act goes by itself")

// share accepts an act in a transaction with others, if draft, author and
// patient are what it leans on.
func (s *Service[T]) share(ctx context.Context, c registry.Caller, draft Draft, author Author, container []byte, j *judged) (out Outcome, err error) {
	kind, ok := s.kind.(Prompt[T])
	if !ok || !author.Approved || j.signing.check(j.signers, author.Signatory) != nil {
		return Outcome{}, errAlone
	}
	err = s.store.Together(ctx, func(ctx context.Context, tx T) error {
		d := draft
		if err := tx.ExpectParties(ctx, d, author, kind.Standing()); err != nil {
			return err
		}
		out, err = s.write(ctx, tx, c, &d, container, j, func(act registry.Act) (any, error) {
			return kind.Effects(ctx, tx, &d, act, j.content)
		})
		if err != nil {
			return err
		}
		return tx.MoveDraftUnchanged(ctx, d)
	})
	return out, err
}

// write puts down the act with its container, report, leaf and effects, and
// makes the draft a signed one; its row is the caller's to move.
func (s *Service[T]) write(ctx context.Context, tx T, c registry.Caller, d *Draft, container []byte, j *judged, effects func(registry.Act) (any, error)) (out Outcome, err error) {
	act := registry.Act{
		ID: d.ActID, Kind: s.kind.Name(), Version: s.kind.Version(), PatientID: d.PersonID,
		AuthorID: d.EmployeeID, LegalEntityID: d.LegalEntityID,
		Container: j.digest, Content: j.signed, AcceptedAt: s.source.Now(),
	}
	if k, ok := s.kind.(Referrer); ok {
		act.RefersTo = k.RefersTo(d, j.content)
	}
	report := *j.report
	report.ActID = act.ID
	e := s.entry(c, "act.accepted", *d)
	e.Act.Container, e.Act.Content = act.Container[:], act.Content[:]
	e.Report = &audit.ReportRef{Digest: report.Digest, Indication: report.Indication, Policy: report.Policy}
	if err := tx.PutContainer(ctx, j.digest, container); err != nil {
		return Outcome{}, err
	}
	if err := tx.InsertReport(ctx, report); err != nil {
		return Outcome{}, err
	}
	if err := tx.InsertAct(ctx, act); err != nil {
		return Outcome{}, err
	}
	out = Outcome{Act: act}
	if out.Receipt, err = tx.Audit(ctx, e); err != nil {
		return Outcome{}, err
	}
	if out.Resource, err = effects(act); err != nil {
		return Outcome{}, err
	}
	d.Status, d.UpdatedAt, d.StatusReason = StatusSigned, act.AcceptedAt, ""
	return out, nil
}

// afterWaiting: what the patient did later by another act stands against one
// that waited; the waiting ends here.
func (s *Service[T]) afterWaiting(ctx context.Context, tx T, d Draft, p Pending) error {
	later, err := tx.ActSince(ctx, s.kind.Name(), d.PersonID, p.SubmittedAt)
	if err != nil {
		return err
	}
	if later {
		return registry.Errorf(registry.CodeConflict, "another act for the same person was accepted while this one waited").WithReason("overtaken")
	}
	return tx.DeletePending(ctx, d.ID)
}

// known answers for a container that was accepted before: the same draft gives
// the same answer, another draft is a conflict. The second telling is a
// disclosure with its own entry.
func (s *Service[T]) known(ctx context.Context, tx T, c registry.Caller, d Draft, digest registry.Digest) (*Outcome, error) {
	act, found, err := tx.ActByContainer(ctx, digest)
	if err != nil || !found {
		return nil, err
	}
	if act.ID != d.ActID {
		return nil, registry.Errorf(registry.CodeAlreadyDone, "this signed document was accepted for another request").WithReason("container_reused")
	}
	out := Outcome{Act: act, Repeated: true}
	if out.Receipt, err = tx.AuditOfAct(ctx, act.ID); err != nil {
		return nil, err
	}
	if out.Resource, err = s.kind.Resource(ctx, tx, act); err != nil {
		return nil, err
	}
	if _, err = tx.Audit(ctx, s.entry(c, "act.repeated", d)); err != nil {
		return nil, err
	}
	return &out, nil
}

// refuse records a refusal with its report in a short transaction of its own
// and gives the refusal back. Nothing of the act is stored.
func (s *Service[T]) refuse(ctx context.Context, c registry.Caller, d Draft, report *Report, cause error) error {
	refusal := registry.AsError(cause)
	if refusal.Code == registry.CodeInternal || refusal.Code == registry.CodeUnavailable {
		return cause // our own trouble is no judgement about the act
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		e := s.entry(c, "act.refused", d)
		e.Code, e.Reason = string(refusal.Code), refusal.Reason
		if report != nil {
			if err := tx.InsertReport(ctx, *report); err != nil {
				return err
			}
			e.Report = &audit.ReportRef{Digest: report.Digest, Indication: report.Indication, Policy: report.Policy}
		}
		_, err := tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording a refusal (%s): %w", refusal.Code, err)
	}
	return cause
}

func (s *Service[T]) expireNow(ctx context.Context, c registry.Caller, id registry.ID) error {
	var refusal error
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d, err := s.own(ctx, tx, c, id, true)
		if err != nil {
			return err
		}
		if refusal, err = s.expire(ctx, tx, c, &d, s.source.Now()); err == nil && refusal == nil {
			refusal = transition(d.Status) // the job, or another request, was first
		}
		return err
	})
	if err == nil {
		err = refusal
	}
	return err
}
