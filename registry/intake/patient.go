package intake

import (
	"context"
	"crypto/sha256"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
)

// ChannelPIS marks a draft that the patient began, in a patient information
// system, and confirms by their own КЕП (ЕСОЗ 1.3). Others have no channel.
const ChannelPIS = "PIS"

// PatientKind is a kind that a patient may begin.
type PatientKind[T any] interface {
	// DraftByPatient fills d from the request's body after the kind's checks,
	// the provider's legal entity among it.
	DraftByPatient(ctx context.Context, tx T, applicant registry.ID, d *Draft, body []byte) error
	// Applicant is what the registry knows of a person who signs for
	// themselves or their ward.
	Applicant(ctx context.Context, tx T, person registry.ID) (Signatory, error)
}

// Steps of the patient's channel.
const (
	StepWritePIS   Step = "write_pis"
	StepDetailsPIS Step = "details_pis"
	StepSignPIS    Step = "sign_pis"
	StepRejectPIS  Step = "reject_pis"
)

func (s *Service[T]) patientKind() (PatientKind[T], error) {
	k, ok := s.kind.(PatientKind[T])
	if !ok {
		return nil, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return k, nil
}

// CreateByPatient takes a draft of a patient. Its document is frozen at once:
// the patient signs it first, the doctor the same bytes after.
func (s *Service[T]) CreateByPatient(ctx context.Context, c registry.Caller, body []byte) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepWritePIS)); err != nil {
		return Draft{}, err
	}
	applicant, err := c.Patient()
	if err != nil {
		return Draft{}, err
	}
	k, err := s.patientKind()
	if err != nil {
		return Draft{}, err
	}
	now := s.source.Now()
	var d Draft
	err = s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d = Draft{
			ID: s.source.NewID(), ActID: s.source.NewID(), Kind: s.kind.Name(), Status: StatusNew, ClientID: c.ClientID,
			Channel: ChannelPIS, ApplicantID: applicant, AuthMethod: "NA", InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(s.limits.DraftTTL),
		}
		if err := k.DraftByPatient(ctx, tx, applicant, &d, body); err != nil {
			return err
		}
		if err := s.kind.Approve(ctx, tx, &d); err != nil {
			return err
		}
		if err := tx.InsertDraft(ctx, d); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, s.entry(c, "draft.created", d))
		return err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// ownPatient reads a draft that the citizen began; all others are absent.
func (s *Service[T]) ownPatient(ctx context.Context, tx T, applicant, id registry.ID, lock bool) (Draft, error) {
	d, err := tx.Draft(ctx, s.kind.Name(), id, lock)
	if err == nil && (d.Channel != ChannelPIS || d.ApplicantID != applicant) {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	return d, err
}

// patientStep reads or changes an own draft with an entry about it.
func (s *Service[T]) patientStep(ctx context.Context, c registry.Caller, id registry.ID, step Step, kind audit.Kind,
	change func(ctx context.Context, tx T, d *Draft) error) (d Draft, err error) {
	if err := c.Require(s.kind.Scope(step)); err != nil {
		return Draft{}, err
	}
	applicant, err := c.Patient()
	if err != nil {
		return Draft{}, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		if d, err = s.ownPatient(ctx, tx, applicant, id, change != nil); err != nil {
			return err
		}
		if change != nil {
			if err := change(ctx, tx, &d); err != nil {
				return err
			}
		}
		_, err = tx.Audit(ctx, s.disclosed(c, kind, d))
		return err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// GetByPatient reads an own draft.
func (s *Service[T]) GetByPatient(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	return s.patientStep(ctx, c, id, StepDetailsPIS, "disclosure.draft", nil)
}

// RejectByPatient ends an own draft that is open.
func (s *Service[T]) RejectByPatient(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	return s.patientStep(ctx, c, id, StepRejectPIS, "draft.rejected", func(ctx context.Context, tx T, d *Draft) error {
		if !d.Open() {
			return transition(d.Status)
		}
		d.Status, d.UpdatedAt, d.StatusReason = StatusRejected, s.source.Now(), "patient"
		return tx.UpdateDraft(ctx, *d)
	})
}

// SignByPatient takes the patient's signature over the frozen document: the
// draft is APPROVED, the doctor signs the same bytes. The same container again
// changes nothing.
func (s *Service[T]) SignByPatient(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepSignPIS)); err != nil {
		return Draft{}, err
	}
	applicant, err := c.Patient()
	if err != nil {
		return Draft{}, err
	}
	k, err := s.patientKind()
	if err != nil {
		return Draft{}, err
	}
	digest := registry.Digest(sha256.Sum256(container))
	var d Draft
	if err := s.store.View(ctx, func(ctx context.Context, tx T) (err error) {
		d, err = s.ownPatient(ctx, tx, applicant, id, false)
		return err
	}); err != nil {
		return Draft{}, err
	}
	if d.Status == StatusApproved && d.PatientContainer == digest {
		// The answer tells the draft once more, so the trail does too.
		return d, s.store.Update(ctx, func(ctx context.Context, tx T) error {
			_, err := tx.Audit(ctx, s.entry(c, audit.ActRepeated, d))
			return err
		})
	}
	if d.Status != StatusNew {
		return Draft{}, s.refuse(ctx, c, d, nil, transition(d.Status))
	}

	// Facts and judgement, with no transaction open.
	name := string(s.kind.Name()) + ".patient"
	policy, err := s.policies.For(name, s.source.Now())
	if err != nil {
		return Draft{}, err
	}
	result, err := s.verifier.Verify(ctx, signature.Input{ID: d.ID.String(), Document: facts.Bytes(container)}, policy)
	if err != nil {
		return Draft{}, s.refuse(ctx, c, d, nil, verifierError(err))
	}
	report := newReport(s.source, container, digest, result)
	rule, err := s.signing.For(registry.KindName(name), s.source.Now())
	if err != nil {
		return Draft{}, err
	}
	signed, signers, err := rule.released(result)
	if err != nil {
		return Draft{}, s.refuse(ctx, c, d, report, judgementError(report.ID, err))
	}
	b, err := signed.Bytes()
	if err == nil {
		err = SameDocument(d.ToBeSigned, b)
	}
	if err != nil {
		return Draft{}, s.refuse(ctx, c, d, report, err)
	}

	err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		if d, err = s.ownPatient(ctx, tx, applicant, id, true); err != nil {
			return err
		}
		if d.Status == StatusApproved && d.PatientContainer == digest {
			_, err := tx.Audit(ctx, s.entry(c, audit.ActRepeated, d))
			return err
		}
		now := s.source.Now()
		if d.Status != StatusNew {
			return transition(d.Status)
		}
		if !now.Before(d.ExpiresAt) {
			return transition(StatusExpired)
		}
		who, err := k.Applicant(ctx, tx, applicant)
		if err != nil {
			return err
		}
		if err := rule.check(signers, who); err != nil {
			return err
		}
		if err := tx.PutContainer(ctx, digest, container); err != nil {
			return err
		}
		if err := tx.InsertReport(ctx, *report); err != nil {
			return err
		}
		d.Status, d.UpdatedAt, d.PatientContainer = StatusApproved, now, digest
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		e := s.entry(c, "draft.approved", d)
		e.Act.Container = digest[:]
		e.Report = &audit.ReportRef{Digest: report.Digest, Indication: report.Indication, Policy: report.Policy}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return Draft{}, s.refuse(ctx, c, d, report, err)
	}
	return d, nil
}

// PatientSigned gives the container that the patient signed, to the provider
// whom the draft is about.
func (s *Service[T]) PatientSigned(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, err error) {
	if err := c.Require(s.kind.Scope(StepRead)); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d, err := s.own(ctx, tx, c, id, false)
		if err != nil {
			return err
		}
		if d.PatientContainer == (registry.Digest{}) {
			return registry.Errorf(registry.CodeNotFound, "the patient has not signed this request").WithReason("not_signed_by_patient")
		}
		if b, err = tx.Container(ctx, d.PatientContainer); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, s.disclosed(c, "disclosure.draft", d))
		return err
	})
	return b, err
}
