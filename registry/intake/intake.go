// Package intake is the command service: draft, approve, sign. Every act of
// every kind goes through the same steps, from REST and from SOAP alike.
//
// It trusts the transport for who the caller is, and nobody for what was
// signed: the verifier releases bytes, the pipeline compares them with the
// draft, the kind reads only those. Verification and the question of
// revocation happen before a transaction begins; the audit leaf is written in
// the act's own transaction.
package intake

import (
	"context"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Limits of a draft's life.
type Limits struct {
	DraftTTL time.Duration // a draft that is not signed by then expires
	OTPTTL   time.Duration
	OTPTries int
	// OTPCodes is how many codes may be sent for one draft.
	OTPCodes int
	// PendingRetry is the pause between two questions for a status that could
	// not be had; PendingTerm is when the act is refused instead.
	PendingRetry, PendingTerm time.Duration
}

// DefaultLimits: a day for a draft; codes of 15 minutes and 3 tries (domain notes 1.11), 5 of them.
func DefaultLimits() Limits {
	return Limits{DraftTTL: 24 * time.Hour, OTPTTL: 15 * time.Minute, OTPTries: 3, OTPCodes: 5, PendingRetry: time.Minute, PendingTerm: 72 * time.Hour}
}

// Service is the pipeline for one kind.
type Service[T Tx] struct {
	kind     Kind[T]
	store    PeekStore[T]
	verifier Verifier
	policies Policies
	signing  SigningRules
	media    Media
	source   registry.Source
	otpKey   []byte
	limits   Limits
	recent   recent
}

// Config of a Service; every field but Signing is needed.
type Config[T Tx] struct {
	Kind     Kind[T]
	Store    PeekStore[T]
	Verifier Verifier
	Policies Policies
	Signing  SigningRules // nil: the embedded table
	Media    Media
	Source   registry.Source
	OTPKey   []byte // at least 32 bytes
	Limits   Limits
}

// New refuses to build a half-configured service.
func New[T Tx](c Config[T]) (*Service[T], error) {
	switch {
	case c.Kind == nil, c.Store == nil, c.Verifier == nil, c.Policies == nil, c.Media == nil, c.Source.Clock == nil, c.Source.Random == nil:
		return nil, errors.New("intake: a part is missing")
	case len(c.OTPKey) < 32:
		return nil, errors.New("intake: the OTP key is shorter than 32 bytes")
	case c.Limits.DraftTTL <= 0, c.Limits.OTPTTL <= 0, c.Limits.OTPTries <= 0, c.Limits.OTPCodes <= 0, c.Limits.PendingRetry <= 0, c.Limits.PendingTerm <= 0:
		return nil, errors.New("intake: limits must be positive")
	}
	signing := c.Signing
	if signing == nil {
		var err error
		if signing, err = DefaultSigningRules(); err != nil {
			return nil, err
		}
	}
	return &Service[T]{kind: c.Kind, store: c.Store, verifier: c.Verifier, policies: c.Policies, signing: signing, media: c.Media,
		source: c.Source, otpKey: c.OTPKey, limits: c.Limits}, nil
}

// Kind names the kind served.
func (s *Service[T]) Kind() registry.KindName { return s.kind.Name() }

// Create takes a draft and, where the patient confirms by OTP, sends the code.
func (s *Service[T]) Create(ctx context.Context, c registry.Caller, body []byte) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepWrite)); err != nil {
		return Draft{}, err
	}
	ctx, err := s.prepare(ctx)
	if err != nil {
		return Draft{}, err
	}
	now := s.source.Now()
	blank := func() Draft {
		return Draft{
			ID: s.source.NewID(), ActID: s.source.NewID(), Kind: s.kind.Name(), Status: StatusNew,
			LegalEntityID: c.LegalEntityID, ClientID: c.ClientID,
			InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(s.limits.DraftTTL),
		}
	}
	var d Draft
	if k, ok := s.kind.(Sketcher[T]); ok && registry.ReachOf(ctx).Shares() {
		done := false
		err := s.store.Peek(ctx, func(ctx context.Context, tx T) (err error) {
			d = blank()
			done, err = k.Sketch(ctx, tx, c, &d, body)
			return err
		})
		if err == nil && done {
			err = s.store.Together(ctx, func(ctx context.Context, tx T) error {
				if err := k.Supersede(ctx, tx, d); err != nil {
					return err
				}
				return s.begin(ctx, tx, c, &d, now)
			})
		}
		if err != nil {
			return Draft{}, err
		}
		if done {
			return d, nil
		}
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx T) error {
		d = blank()
		if err := s.kind.Draft(ctx, tx, c, &d, body); err != nil {
			return err
		}
		return s.begin(ctx, tx, c, &d, now)
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// begin writes a new draft, its leaf and, where the patient confirms by OTP,
// the notice with the code.
func (s *Service[T]) begin(ctx context.Context, tx T, c registry.Caller, d *Draft, now time.Time) error {
	s.expect(d)
	if d.AuthMethod == "OTP" {
		if err := s.issueOTP(ctx, tx, d, now); err != nil {
			return err
		}
	}
	if err := tx.InsertDraft(ctx, *d); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, s.entry(c, "draft.created", *d))
	return err
}

// ResendOTP issues a new code; the earlier one is void.
func (s *Service[T]) ResendOTP(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepWrite)); err != nil {
		return Draft{}, err
	}
	var d Draft
	err := s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		if d, err = s.own(ctx, tx, c, id, true); err != nil {
			return err
		}
		if d.Status != StatusNew || d.AuthMethod != "OTP" {
			return transition(d.Status)
		}
		if len(d.OTPEarlier)+1 >= s.limits.OTPCodes {
			return registry.Errorf(registry.CodeRateLimited, "%d codes were sent for this request; create a new one", s.limits.OTPCodes).WithReason("otp_codes")
		}
		if err := s.issueOTP(ctx, tx, &d, s.source.Now()); err != nil {
			return err
		}
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, s.entry(c, "draft.otp_resent", d))
		return err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// Get reads a draft of the caller's legal entity. The read is a disclosure of
// the patient's data and commits its leaf before it answers.
func (s *Service[T]) Get(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepRead)); err != nil {
		return Draft{}, err
	}
	var d Draft
	whole := false
	// Most drafts demand no documents: one trip reads them, and their entries are
	// committed with those of others.
	err := s.store.Peek(ctx, func(ctx context.Context, tx T) (err error) {
		if d, whole, err = tx.DraftAlone(ctx, s.kind.Name(), id); err == nil {
			err = mine(c, d)
		}
		return err
	})
	if err == nil && whole && registry.ReachOf(ctx).Shares() {
		err = s.store.Together(ctx, func(ctx context.Context, tx T) error {
			_, err := tx.Audit(ctx, s.disclosed(c, "disclosure.draft", d))
			return err
		})
	} else if err == nil {
		err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
			if d, err = s.own(ctx, tx, c, id, false); err != nil {
				return err
			}
			_, err = tx.Audit(ctx, s.disclosed(c, "disclosure.draft", d))
			return err
		})
	}
	if err != nil {
		return Draft{}, err
	}
	if whole {
		s.recent.keep(d, registry.ReachOf(ctx), s.source.Now())
	}
	return d, nil
}

// Frozen is Get for who wants the bytes to sign alone: those of a draft approved
// here a moment ago need not be read, if it is still that draft when the entry
// of their disclosure is written. The draft comes without its data.
func (s *Service[T]) Frozen(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepRead)); err != nil {
		return Draft{}, err
	}
	reach := registry.ReachOf(ctx)
	if d, known := s.recent.draft(id, reach, s.source.Now()); known && reach.Shares() && mine(c, d) == nil {
		err := s.store.Together(ctx, func(ctx context.Context, tx T) error {
			err := tx.ExpectDraft(ctx, d)
			if err == nil {
				_, err = tx.Audit(ctx, s.disclosed(c, "disclosure.draft", d))
			}
			return err
		})
		if err == nil {
			return d, nil
		}
		s.recent.forget(d, false)
	}
	return s.Get(ctx, c, id)
}

// Approve confirms the draft with the patient's code ("" for OFFLINE and NA)
// and freezes the bytes to be signed. A wrong code costs a try, and the try is
// kept although the action fails.
func (s *Service[T]) Approve(ctx context.Context, c registry.Caller, id registry.ID, code string) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepApprove)); err != nil {
		return Draft{}, err
	}
	if d, done := s.approveShared(ctx, c, id, code); done {
		return d, nil
	}
	d, err := s.approve(ctx, c, id, code, nil)
	if errors.Is(err, errAskMedia) {
		var in map[registry.Digest]bool
		if in, err = s.held(ctx, d.Documents); err == nil {
			d, err = s.approve(ctx, c, id, code, in)
		}
	}
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// approveShared approves a draft from one trip of reads and shares the
// transaction of its writes with others. Where anything stands against that it
// has written nothing, and approve finds out and tells: not done.
func (s *Service[T]) approveShared(ctx context.Context, c registry.Caller, id registry.ID, code string) (d Draft, done bool) {
	reach := registry.ReachOf(ctx)
	k, ok := s.kind.(Foreseer[T])
	if !ok || !reach.Shares() {
		return Draft{}, false
	}
	now := s.source.Now()
	var freeze func(*Draft) error
	whole := false
	err := s.store.Peek(ctx, func(ctx context.Context, tx T) (err error) {
		if d, whole, freeze, err = k.Foresee(ctx, tx, id); err == nil {
			err = mine(c, d)
		}
		return err
	})
	if err != nil || !whole || d.Status != StatusNew || d.Channel == ChannelPIS || !now.Before(d.ExpiresAt) {
		return Draft{}, false
	}
	byCode := d.AuthMethod == "OTP"
	if byCode && s.checkOTP(&d, code, now) != nil || freeze(&d) != nil {
		return Draft{}, false
	}
	d.Status, d.UpdatedAt, d.OTPMAC = StatusApproved, now, nil
	var revision string
	err = s.store.Together(ctx, func(ctx context.Context, tx T) error {
		if byCode {
			if err := tx.ExpectFew(ctx, d.Phone, d.LegalEntityID, now); err != nil {
				return err
			}
		}
		if err := tx.UpdateDraftUnchanged(ctx, d); err != nil {
			return err
		}
		if err := tx.NewRevision(ctx, &revision); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, s.entry(c, "draft.approved", d))
		return err
	})
	if err != nil {
		return Draft{}, false
	}
	approved := d
	approved.Revision = revision
	s.recent.keep(approved, reach, s.source.Now())
	return d, true
}

// approve is one try of an approval; in tells which documents the storage
// holds, nil that it was not asked.
func (s *Service[T]) approve(ctx context.Context, c registry.Caller, id registry.ID, code string, in map[registry.Digest]bool) (Draft, error) {
	now := s.source.Now()
	var d Draft
	var refusal error
	var revision string
	err := s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		refusal = nil
		if d, err = s.own(ctx, tx, c, id, true); err != nil {
			return err
		}
		if expired, err := s.expire(ctx, tx, c, &d, now); err != nil || expired != nil {
			refusal = expired
			return err
		}
		if d.Channel == ChannelPIS {
			return registry.Errorf(registry.CodeForbidden, "the patient confirms this request by their own signature").WithReason("patient_confirms")
		}
		if d.Status != StatusNew {
			return transition(d.Status)
		}
		if d.AuthMethod == "OTP" {
			few := tx.ExpectFewMisses
			if len(d.Documents) > 0 {
				few = tx.DemandFewMisses
			}
			if err := few(ctx, d.Phone, d.LegalEntityID, now); err != nil {
				return err
			}
			if refusal = s.checkOTP(&d, code, now); refusal != nil {
				if err := s.missed(ctx, tx, d, refusal, now); err != nil {
					return err
				}
				if err := tx.UpdateDraft(ctx, d); err != nil {
					return err
				}
				e := s.entry(c, "draft.refused", d)
				e.Reason = registry.AsError(refusal).Reason
				_, err := tx.Audit(ctx, e)
				return err
			}
		}
		if err := lacking(d.Documents, in); err != nil {
			return err
		}
		if err := s.kind.Approve(ctx, tx, &d); err != nil {
			return err
		}
		if d.AskNext {
			if err := s.issueOTP(ctx, tx, &d, now); err != nil {
				return err
			}
			if err := tx.UpdateDraft(ctx, d); err != nil {
				return err
			}
			_, err = tx.Audit(ctx, s.entry(c, "draft.confirmed", d))
			return err
		}
		if d.Status == StatusNew { // a kind may have completed it
			d.Status = StatusApproved
		}
		d.UpdatedAt, d.OTPMAC = now, nil
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		if err := tx.NewRevision(ctx, &revision); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, s.entry(c, "draft.approved", d))
		return err
	})
	if err == nil {
		err = refusal
	}
	if err == nil && d.Status == StatusApproved && len(d.Documents) == 0 {
		approved := d
		approved.Revision = revision
		s.recent.keep(approved, registry.ReachOf(ctx), s.source.Now())
	}
	return d, err
}

// Reject ends an open draft at the clinic's wish.
func (s *Service[T]) Reject(ctx context.Context, c registry.Caller, id registry.ID) (Draft, error) {
	if err := c.Require(s.kind.Scope(StepReject)); err != nil {
		return Draft{}, err
	}
	var d Draft
	err := s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		if d, err = s.own(ctx, tx, c, id, true); err != nil {
			return err
		}
		if !d.Open() {
			return transition(d.Status)
		}
		d.Status, d.UpdatedAt = StatusRejected, s.source.Now()
		if err := tx.UpdateDraft(ctx, d); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, s.entry(c, "draft.rejected", d))
		return err
	})
	if err != nil {
		return Draft{}, err
	}
	return d, nil
}

// own reads a draft and answers "not found" for another legal entity's, so
// that ids of foreign drafts tell nothing.
func (s *Service[T]) own(ctx context.Context, tx T, c registry.Caller, id registry.ID, lock bool) (Draft, error) {
	d, err := tx.Draft(ctx, s.kind.Name(), id, lock)
	if err != nil {
		return Draft{}, err
	}
	if err := mine(c, d); err != nil {
		return Draft{}, err
	}
	return d, nil
}

func mine(c registry.Caller, d Draft) error {
	if d.LegalEntityID != c.LegalEntityID {
		return registry.Errorf(registry.CodeNotFound, "not found")
	}
	return nil
}

// expire turns an open draft past its time into EXPIRED; the refusal is for
// the caller, the state change is kept.
func (s *Service[T]) expire(ctx context.Context, tx T, c registry.Caller, d *Draft, now time.Time) (refusal, err error) {
	if !d.Open() || now.Before(d.ExpiresAt) {
		return nil, nil
	}
	d.Status, d.UpdatedAt = StatusExpired, now
	if err := tx.UpdateDraft(ctx, *d); err != nil {
		return nil, err
	}
	if _, err := tx.Audit(ctx, s.entry(c, "draft.expired", *d)); err != nil {
		return nil, err
	}
	return transition(StatusExpired), nil
}

// transition refuses an action that the status does not allow. A request past
// its time is told so whether its job has marked it already or not.
func transition(from Status) error {
	if from == StatusExpired {
		return registry.Errorf(registry.CodeConflict, "The request has expired; create a new one").WithReason("draft_expired")
	}
	return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + string(from))
}

// disclosed is the entry of a draft told to the clinic that made it: by law the
// clinic keeps it for the patient (Law 2168-VIII, article 11).
func (s *Service[T]) disclosed(c registry.Caller, kind audit.Kind, d Draft) audit.Entry {
	e := s.entry(c, kind, d)
	e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute}
	return e
}

// entry begins an audit entry about a draft.
func (s *Service[T]) entry(c registry.Caller, kind audit.Kind, d Draft) audit.Entry {
	e := audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: d.PersonID}
	e.Act = &audit.ActRef{ID: d.ActID, Kind: string(d.Kind)}
	return e
}
