// Package preservation keeps the signed containers of acts provable for as long
// as they are kept: each is lifted to the archival level while its certificates
// can be asked about, and again before the certificates or algorithms of its
// newest time-stamp end (ETSI TS 119 511: preservation of signatures).
//
// The container that an act was accepted by stays what it is; a lifted one is a
// further document with a row that names it. It counts only when it was read back
// from where it is kept and passed once more; until then the one before it does.
// It trusts no time-stamping authority: a stamp that does not verify is not kept.
package preservation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/signature"
	"mist/signature/extend"
	"mist/signature/facts"
)

// Container is a signed container of an act and where it stands.
type Container struct {
	ActID      registry.ID
	ActKind    string
	Original   registry.Digest // as the act was accepted by
	AcceptedAt time.Time
	Generation int             // how often it was lifted
	Current    registry.Digest // the newest proven one; Original at generation 0
	Level      string
	Until      time.Time // zero at generation 0
	Because    string
}

// Extension is one lifting.
type Extension struct {
	ID          registry.ID
	ActID       registry.ID
	ActKind     string
	Original    registry.Digest
	Generation  int
	Predecessor registry.Digest
	Extended    registry.Digest
	Level       string
	Until       time.Time // zero: no end is known
	Because     string
	Algorithms  []string
	MadeAt      time.Time
	ProvedAt    time.Time // zero: not yet read back
}

// Due says which containers are asked for.
type Due struct {
	// AcceptedBefore: never lifted and accepted before.
	AcceptedBefore time.Time
	// UntilBefore: lifted, and ending before.
	UntilBefore time.Time
	// Broken algorithms: whatever rests on one of them.
	Broken []string
	// TriedBefore leaves out what was tried since and could not be lifted.
	TriedBefore time.Time
}

// Counts is how the archive stands.
type Counts struct {
	Acts     int64 // containers of acts
	Kept     int64 // of them lifted and proven
	Unproven int64 // lifted and not read back yet
	Due      int64
	Refused  int64     // could not be lifted when last tried
	Overdue  int64     // lifted ones whose time has passed
	First    time.Time // the earliest end among those that are kept
}

// Tx is what preservation needs of a transaction.
type Tx interface {
	// DueContainers gives at most limit containers that are due, those ending first before those never lifted, by act.
	DueContainers(ctx context.Context, d Due, limit int) ([]Container, error)
	// ContainerOf gives the container of one act as it stands, due or not; not-found.
	ContainerOf(ctx context.Context, act registry.ID) (Container, error)
	// PassContainers says that every act whose id was given before begun was lifted
	// or tried, so that the search for new ones need not begin before it.
	PassContainers(ctx context.Context, begun time.Time) error
	// HoldContainer locks what is known of a container and tells its generation, proven or not.
	HoldContainer(ctx context.Context, original registry.Digest) (generation int, err error)
	// UnprovenExtensions gives at most limit liftings that were not read back.
	UnprovenExtensions(ctx context.Context, limit int) ([]Extension, error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	InsertExtension(ctx context.Context, e Extension) error
	// ProveExtension tells whether nobody had proven it before.
	ProveExtension(ctx context.Context, id registry.ID, at time.Time) (bool, error)
	// PutAttempt remembers that a container could not be lifted; an empty reason forgets it.
	PutAttempt(ctx context.Context, original registry.Digest, at time.Time, reason string) error
	PreservationCounts(ctx context.Context, d Due, now time.Time) (Counts, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Terms say when a container is due.
type Terms struct {
	// FirstAfter is how long after its acceptance a container is lifted for the first time.
	FirstAfter time.Duration
	// Lead is how long before the end of what proves it a container is lifted again.
	Lead time.Duration
	// Retry is the pause after a container that could not be lifted.
	Retry time.Duration
	// Sunsets are ends of algorithms that the table does not know yet, by name: an
	// operator who learns of a break does not wait for the next table.
	Sunsets map[string]time.Time
	// Batch is how many containers one run lifts at most.
	Batch int
}

// DefaultTerms: a month, in which revocations come to light, and a quarter.
func DefaultTerms() Terms {
	return Terms{FirstAfter: 30 * 24 * time.Hour, Lead: 90 * 24 * time.Hour, Retry: 24 * time.Hour, Batch: 1000}
}

// Service lifts what is due. Extender is needed by Run alone.
type Service struct {
	Store    Store
	Extender extend.Extender
	Table    *signature.AlgorithmTable
	Source   registry.Source
	Terms    Terms
}

// JobKind is the periodic job.
const JobKind job.Kind = "preserve_containers"

// Job is Run again and again.
func (s *Service) Job(every time.Duration) job.Periodic {
	return job.Periodic{Kind: JobKind, Every: every, Run: func(ctx context.Context) (int, error) {
		n, err := s.Run(ctx)
		return n.Extended, err
	}}
}

// Outcome of one run.
type Outcome struct {
	Proven   int
	Extended int
	Refused  int
	// Reasons of the refusals with how many there were.
	Reasons map[string]int
}

func (s *Service) due() Due {
	now := s.Source.Now()
	d := Due{AcceptedBefore: now.Add(-s.Terms.FirstAfter), UntilBefore: now.Add(s.Terms.Lead), TriedBefore: now.Add(-s.Terms.Retry)}
	for name, end := range s.Terms.Sunsets {
		if end.Before(d.UntilBefore) {
			d.Broken = append(d.Broken, name)
		}
	}
	return d
}

// Status tells how the archive stands, and what a run would lift, at most limit of it.
func (s *Service) Status(ctx context.Context, limit int) (c Counts, list []Container, err error) {
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) error {
		if c, err = tx.PreservationCounts(ctx, s.due(), s.Source.Now()); err != nil || limit == 0 {
			return err
		}
		list, err = tx.DueContainers(ctx, s.due(), limit)
		return err
	})
	return c, list, err
}

// step is how many containers are read at a time.
const step = 50

// Run proves what was lifted before and lifts what is due, at most Terms.Batch. A
// time-stamping authority that does not answer ends it with an error: it would
// not answer the next either.
func (s *Service) Run(ctx context.Context) (out Outcome, err error) {
	out.Reasons = map[string]int{}
	if out.Proven, err = s.prove(ctx); err != nil {
		return out, fmt.Errorf("proving extended containers: %w", err)
	}
	for done := 0; done < s.Terms.Batch; {
		var list []Container
		err := s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
			list, err = tx.DueContainers(ctx, s.due(), min(step, s.Terms.Batch-done))
			return err
		})
		if err != nil {
			return out, fmt.Errorf("looking for containers to extend: %w", err)
		}
		if len(list) == 0 {
			if err := s.pass(ctx); err != nil {
				return out, fmt.Errorf("looking for containers to extend: %w", err)
			}
			break
		}
		for _, c := range list {
			if err := s.one(ctx, c, &out); err != nil {
				return out, fmt.Errorf("extending a container: %w", err)
			}
		}
		done += len(list)
	}
	// Read back at once what can be: the pause between writing and proving is for servers that stop.
	n, err := s.prove(ctx)
	if out.Proven += n; err != nil {
		return out, fmt.Errorf("proving extended containers: %w", err)
	}
	return out, nil
}

// Extend lifts the container of one act, due or not, and proves it.
func (s *Service) Extend(ctx context.Context, act registry.ID) (out Outcome, err error) {
	out.Reasons = map[string]int{}
	var c Container
	err = s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		c, err = tx.ContainerOf(ctx, act)
		return err
	})
	if err != nil {
		return out, err
	}
	if err := s.one(ctx, c, &out); err != nil {
		return out, fmt.Errorf("extending a container: %w", err)
	}
	out.Proven, err = s.prove(ctx)
	return out, err
}

// slack is the longest time between the beginning of an act (its id) and its acceptance.
const slack = 180 * 24 * time.Hour

// pass moves the beginning of the search: everything accepted before the term was seen.
func (s *Service) pass(ctx context.Context) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		return tx.PassContainers(ctx, s.due().AcceptedBefore.Add(-slack))
	})
}

// one lifts a container; what does not pass is remembered as refused.
func (s *Service) one(ctx context.Context, c Container, out *Outcome) error {
	var body []byte
	err := s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
		body, err = tx.Container(ctx, c.Current)
		return err
	})
	if err != nil {
		return err
	}
	// An authority that does not answer is no fault of the container.
	x, unanswered := s.Extender, false
	x.Lift.TSA = func(ctx context.Context, request []byte) ([]byte, error) {
		b, err := s.Extender.Lift.TSA(ctx, request)
		unanswered = unanswered || err != nil
		return b, err
	}
	lifted, r, err := x.To(ctx, extend.LevelLTA, body, nil)
	var not *extend.NotPassedError
	switch {
	case errors.As(err, &not):
		reason := "NO_SIGNATURE"
		for _, x := range not.Result.Signatures {
			if x.Indication != signature.TotalPassed {
				reason = string(x.SubIndication)
			}
		}
		return s.refuse(ctx, c, reason, out)
	case errors.Is(err, extend.ErrNoRevocationData):
		return s.refuse(ctx, c, "NO_REVOCATION_DATA", out)
	case err != nil && (unanswered || ctx.Err() != nil || errors.Is(err, signature.ErrBusy)):
		return err
	case err != nil:
		return s.refuse(ctx, c, "NOT_EXTENDABLE", out)
	}
	kept := signature.KeptUntil(r.Facts, s.Table)
	e := Extension{
		ID: s.Source.NewID(), ActID: c.ActID, ActKind: c.ActKind, Original: c.Original, Generation: c.Generation + 1, Predecessor: c.Current,
		Extended: sha256.Sum256(lifted), Level: r.Signatures[0].Level, Until: kept.Until, Because: kept.Because, Algorithms: kept.Algorithms, MadeAt: s.Source.Now(),
	}
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		generation, err := tx.HoldContainer(ctx, c.Original)
		if err != nil || generation != c.Generation {
			return err // another server was quicker
		}
		if err := tx.PutContainer(ctx, e.Extended, lifted); err != nil {
			return err
		}
		if err := tx.InsertExtension(ctx, e); err != nil {
			return err
		}
		if err := tx.PutAttempt(ctx, c.Original, e.MadeAt, ""); err != nil {
			return err
		}
		if _, err := tx.Audit(ctx, entry("container.extended", e)); err != nil {
			return err
		}
		out.Extended++
		return nil
	})
}

func (s *Service) refuse(ctx context.Context, c Container, reason string, out *Outcome) error {
	out.Refused++
	out.Reasons[reason]++
	return s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.PutAttempt(ctx, c.Original, s.Source.Now(), reason); err != nil {
			return err
		}
		e := entry("container.not_extended", Extension{ActID: c.ActID, ActKind: c.ActKind, Original: c.Original, Extended: c.Current})
		e.Reason = reason
		_, err := tx.Audit(ctx, e)
		return err
	})
}

// prove reads back what was lifted and judges it again from what is kept; from
// then on it stands for the one before it. A damaged one is an error, loudly: the
// one before it still counts.
func (s *Service) prove(ctx context.Context) (total int, err error) {
	for {
		var list []Extension
		bodies := map[registry.Digest][]byte{}
		err := s.Store.View(ctx, func(ctx context.Context, tx Tx) (err error) {
			if list, err = tx.UnprovenExtensions(ctx, step); err != nil {
				return err
			}
			for _, e := range list {
				if bodies[e.Extended], err = tx.Container(ctx, e.Extended); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(list) == 0 {
			return total, err
		}
		for _, e := range list {
			body := bodies[e.Extended]
			if registry.Digest(sha256.Sum256(body)) != e.Extended {
				return total, fmt.Errorf("extended container of act %s: what is kept is not what was put there", e.ActID)
			}
			r, err := s.Extender.Verifier.Verify(ctx, signature.Input{Document: facts.Bytes(body)}, s.Extender.Policy)
			if err != nil {
				return total, err
			}
			if r.Indication != signature.TotalPassed {
				return total, fmt.Errorf("extended container of act %s is %s now", e.ActID, r.Indication)
			}
			err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
				first, err := tx.ProveExtension(ctx, e.ID, s.Source.Now())
				if err != nil || !first {
					return err
				}
				_, err = tx.Audit(ctx, entry("container.proven", e))
				return err
			})
			if err != nil {
				return total, err
			}
			total++
		}
	}
}

// entry names the act by the container it was accepted by, and the lifted one as its object.
func entry(kind audit.Kind, e Extension) audit.Entry {
	out := audit.Entry{
		Kind: kind, Channel: string(registry.ChannelJob), RequestID: string(JobKind),
		Act:    &audit.ActRef{ID: e.ActID, Kind: e.ActKind, Container: e.Original[:]},
		Object: &audit.ObjectRef{Type: "container", Digest: e.Extended[:]},
	}
	if !e.ID.IsZero() {
		out.Object.ID = e.ID.String()
	}
	return out
}

// Given is told of each archived container that an operator takes out.
const Given audit.Kind = "disclosure.archived_document"

// GetTx is what taking a container out needs of a transaction.
type GetTx interface {
	Act(ctx context.Context, id registry.ID) (registry.Act, error)
	// KeptContainer gives the container that stands for an act now: the newest
	// proven lifting, or the one it was accepted by.
	KeptContainer(ctx context.Context, act registry.ID) (digest registry.Digest, level string, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Get gives the container that stands for an act now, for a court or an archive:
// its entry with the reason is written before it goes out.
func Get(ctx context.Context, tx GetTx, act registry.ID, reason string) (container []byte, level string, err error) {
	if reason == "" {
		return nil, "", registry.Errorf(registry.CodeMalformed, "a signed document is taken out for a reason that stands in the log")
	}
	a, err := tx.Act(ctx, act)
	if err != nil {
		return nil, "", err
	}
	digest, level, err := tx.KeptContainer(ctx, act)
	if err != nil {
		return nil, "", err
	}
	if container, err = tx.Container(ctx, digest); err != nil {
		return nil, "", err
	}
	e := entry(Given, Extension{ActID: a.ID, ActKind: string(a.Kind), Original: a.Container, Extended: digest})
	e.Channel, e.RequestID, e.SubjectID = "operator", "", a.PatientID
	e.LegalBasis, e.Fields = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: reason}, []string{"signed_document"}
	_, err = tx.Audit(ctx, e)
	return container, level, err
}
