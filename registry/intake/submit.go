package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature"
	"mist/signature/facts"
)

// SubmissionKind is a kind of act that arrives whole: the signed document is
// the request, and there is no draft before it (ADR 0720, 0840).
type SubmissionKind[T any] interface {
	Name() registry.KindName
	Version() int
	// Scope is what a caller needs to submit one.
	Scope() string
	// Decode reads verified bytes strictly and runs the rules that need no
	// transaction; s says who signed.
	Decode(ctx context.Context, signed signature.SignedBytes, s signature.Signer) (any, error)
	// Accept runs the rules of the moment and the effects. It fills the act's
	// LegalEntityID and, where there is one, its PatientID and AuthorID; RefersTo
	// stands there already where the caller named an act (SubmitFor).
	Accept(ctx context.Context, tx T, c registry.Caller, s signature.Signer, a *registry.Act, content any) (resource any, err error)
	// Repeat gives the resource of an act that was accepted before; not-found
	// for a caller who may not see it.
	Repeat(ctx context.Context, tx T, c registry.Caller, a registry.Act) (any, error)
}

// Patient is a decoded document about a patient.
type Patient interface{ Patient() registry.ID }

// SubmissionTx is what the pipeline itself needs of a transaction.
type SubmissionTx interface {
	ActByContainer(ctx context.Context, digest registry.Digest) (registry.Act, bool, error)
	InsertAct(ctx context.Context, a registry.Act) error
	InsertReport(ctx context.Context, r Report) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
	AuditOfAct(ctx context.Context, act registry.ID) (audit.Receipt, error)
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
}

// Submissions is the pipeline for one kind without drafts.
type Submissions[T SubmissionTx] struct {
	kind     SubmissionKind[T]
	store    Store[T]
	verifier Verifier
	policies Policies
	signing  SigningRules
	source   registry.Source
}

// NewSubmissions refuses to build a half-configured service.
func NewSubmissions[T SubmissionTx](kind SubmissionKind[T], store Store[T], verifier Verifier, policies Policies, source registry.Source) (*Submissions[T], error) {
	if kind == nil || store == nil || verifier == nil || policies == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("intake: a part is missing")
	}
	signing, err := DefaultSigningRules()
	if err != nil {
		return nil, err
	}
	return &Submissions[T]{kind, store, verifier, policies, signing, source}, nil
}

// Submit takes a signed container. The same container again gives the same
// answer; a refused one leaves only its audit entry and report.
func (s *Submissions[T]) Submit(ctx context.Context, c registry.Caller, container []byte) (Outcome, error) {
	return s.SubmitFor(ctx, c, registry.ID{}, container)
}

// SubmitFor is Submit of an act that ends, cancels or fulfils another one.
func (s *Submissions[T]) SubmitFor(ctx context.Context, c registry.Caller, refersTo registry.ID, container []byte) (Outcome, error) {
	if err := c.Require(s.kind.Scope()); err != nil {
		return Outcome{}, err
	}
	digest := registry.Digest(sha256.Sum256(container))
	repeated, err := s.again(ctx, c, digest)
	if err != nil {
		return Outcome{}, err
	}
	if repeated != nil {
		return *repeated, nil
	}

	now := s.source.Now()
	act := registry.Act{ID: s.source.NewID(), Kind: s.kind.Name(), Version: s.kind.Version(), Container: digest, RefersTo: refersTo, AcceptedAt: now}
	policy, err := s.policies.For(string(act.Kind), now)
	if err != nil {
		return Outcome{}, err
	}
	result, err := s.verifier.Verify(ctx, signature.Input{ID: act.ID.String(), Document: facts.Bytes(container)}, policy)
	if err != nil {
		return Outcome{}, s.refuse(ctx, c, act, nil, verifierError(err))
	}
	report := newReport(s.source, container, digest, result)
	signing, err := s.signing.For(act.Kind, now)
	if err != nil {
		return Outcome{}, err
	}
	signed, signers, err := signing.released(result)
	if err != nil {
		return Outcome{}, s.refuse(ctx, c, act, report, judgementError(report.ID, err))
	}
	if len(signers) != 1 {
		return Outcome{}, fmt.Errorf("signing rule %s: an act without a draft is signed by one", signing.Rule)
	}
	signer := signers[0]
	content, err := s.kind.Decode(ctx, signed, signer)
	if err != nil {
		return Outcome{}, s.refuse(ctx, c, act, report, err)
	}
	if about, ok := content.(Patient); ok {
		act.PatientID = about.Patient() // so that a refusal stands among the patient's entries too
	}
	bytes, err := signed.Bytes()
	if err != nil {
		return Outcome{}, fmt.Errorf("reading the signed document: %w", err)
	}
	act.Content = sha256.Sum256(bytes)

	var out Outcome
	err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		again, err := s.known(ctx, tx, c, digest)
		if err != nil {
			return err
		}
		if again != nil {
			out = *again
			return nil
		}
		a := act
		out = Outcome{}
		if out.Resource, err = s.kind.Accept(ctx, tx, c, signer, &a, content); err != nil {
			return err
		}
		if err := tx.PutContainer(ctx, digest, container); err != nil {
			return err
		}
		report.ActID = a.ID
		if err := tx.InsertReport(ctx, *report); err != nil {
			return err
		}
		if err := tx.InsertAct(ctx, a); err != nil {
			return err
		}
		e := s.entry(c, audit.ActAccepted, a)
		e.Report = &audit.ReportRef{Digest: report.Digest, Indication: report.Indication, Policy: report.Policy}
		out.Act = a
		out.Receipt, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		report.ActID = registry.ID{}
		return Outcome{}, s.refuse(ctx, c, act, report, err)
	}
	return out, nil
}

func (s *Submissions[T]) again(ctx context.Context, c registry.Caller, digest registry.Digest) (out *Outcome, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx T) (err error) {
		out, err = s.known(ctx, tx, c, digest)
		return err
	})
	return out, err
}

// known answers for a container that was accepted before.
func (s *Submissions[T]) known(ctx context.Context, tx T, c registry.Caller, digest registry.Digest) (*Outcome, error) {
	act, found, err := tx.ActByContainer(ctx, digest)
	if err != nil || !found {
		return nil, err
	}
	if act.Kind != s.kind.Name() {
		return nil, registry.Errorf(registry.CodeAlreadyDone, "this signed document was accepted for another request").WithReason("container_reused")
	}
	out := Outcome{Act: act, Repeated: true}
	if out.Resource, err = s.kind.Repeat(ctx, tx, c, act); err != nil {
		return nil, err
	}
	if out.Receipt, err = tx.AuditOfAct(ctx, act.ID); err != nil {
		return nil, err
	}
	_, err = tx.Audit(ctx, s.entry(c, audit.ActRepeated, act))
	return &out, err
}

func (s *Submissions[T]) refuse(ctx context.Context, c registry.Caller, a registry.Act, report *Report, cause error) error {
	refusal := registry.AsError(cause)
	if refusal.Code == registry.CodeInternal || refusal.Code == registry.CodeUnavailable {
		return cause // our own trouble is no judgement about the act
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx T) error {
		e := s.entry(c, audit.ActRefused, a)
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

func (s *Submissions[T]) entry(c registry.Caller, kind audit.Kind, a registry.Act) audit.Entry {
	e := audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: a.PatientID}
	e.Act = &audit.ActRef{ID: a.ID, Kind: string(a.Kind), Container: a.Container[:]}
	if a.Content != (registry.Digest{}) {
		e.Act.Content = a.Content[:]
	}
	return e
}
