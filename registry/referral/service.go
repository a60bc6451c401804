package referral

import (
	"context"
	"errors"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/record"
)

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Pipelines are those of the three kinds.
type Pipelines struct{ Create, Recall, Cancel *intake.Submissions[Tx] }

// Service takes referrals and leads them through their life.
type Service struct {
	*record.Reader
	acts  Pipelines
	store Store
	kind  Kind
}

// New refuses a half-configured service.
func New(acts Pipelines, reader *record.Reader, store Store, kind Kind) (*Service, error) {
	if acts.Create == nil || acts.Recall == nil || acts.Cancel == nil || reader == nil || store == nil || kind.Terms == nil || kind.Source.Clock == nil {
		return nil, errors.New("referral: a part is missing")
	}
	return &Service{reader, acts, store, kind}, nil
}

// Places are where referrals are found.
func (s *Service) Places() []record.Places {
	return []record.Places{{Path: "/api/v3/service_requests", Own: "/api/pis/service_requests", Kind: record.KindServiceRequest, Scope: ScopeRead, OwnScope: ScopeReadOwn, Reader: s.Reader,
		Create:  s.create,
		Signed:  map[string]record.SignedAction{"recall": s.ending(s.acts.Recall, ScopeRecall), "cancel": s.ending(s.acts.Cancel, ScopeCancel)},
		Actions: map[string]record.Action{"use": s.use, "release": s.release, "process": s.process, "complete": s.complete},
		Found:   map[string]func(ctx context.Context, c registry.Caller, body []byte) (record.Shown, error){"search": s.search, "qualify": s.qualify}}}
}

// Jobs that time demands: referrals whose time is over are recalled.
func (s *Service) Jobs() []job.Periodic {
	return []job.Periodic{{Kind: "service_request.expire", Run: s.ExpireAll}}
}

func (s *Service) create(ctx context.Context, c registry.Caller, container []byte) (record.Shown, audit.Receipt, error) {
	return shown(s.acts.Create.Submit(ctx, c, container))
}

func shown(out intake.Outcome, err error) (record.Shown, audit.Receipt, error) {
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return out.Resource.(record.Shown), out.Receipt, nil
}

// ending submits a signed recall or cancellation of one's own referral.
func (s *Service) ending(acts *intake.Submissions[Tx], scope string) record.SignedAction {
	return func(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (record.Shown, audit.Receipt, error) {
		if err := c.Require(scope); err != nil {
			return record.Shown{}, audit.Receipt{}, err
		}
		var act registry.ID
		err := s.store.View(ctx, func(ctx context.Context, tx Tx) error {
			r, err := tx.RecordByID(ctx, record.KindServiceRequest, id, false)
			if err == nil && r.LegalEntityID != c.LegalEntityID {
				err = record.ErrNotFound
			}
			act = r.ActID
			return err
		})
		if err != nil {
			return record.Shown{}, audit.Receipt{}, err
		}
		return shown(acts.SubmitFor(ctx, c, act, container))
	}
}

// find reads a referral by the number that the patient told: whoever knows it
// has it from the patient, and the entry says so. Nothing else opens it.
func (s *Service) find(ctx context.Context, c registry.Caller, scope string, body []byte, allowed func(r record.Record, now time.Time) error) (out record.Shown, err error) {
	var in struct {
		Requisition string `json:"requisition"`
	}
	if err := c.Require(scope); err != nil {
		return out, err
	}
	if err := document.Read(body, &in); err != nil {
		return out, err
	}
	if c.LegalEntityID.IsZero() {
		return out, registry.Errorf(registry.CodeForbidden, "a service request is used by a legal entity").WithReason("legal_entity")
	}
	found := false
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		found = false
		r, err := tx.RecordByNumber(ctx, record.KindServiceRequest, in.Requisition, false)
		if registry.CodeOf(err) == registry.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if err := allowed(r, s.kind.Source.Now()); err != nil {
			return err
		}
		found, out = true, record.Shown{Record: r}
		e := record.Entry(c, audit.Disclosure, r)
		e.Reason, e.Fields = "rule requisition", []string{string(record.KindServiceRequest)}
		e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "the patient told the number"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil && !found {
		err = record.ErrNotFound
	}
	return out, err
}

func (s *Service) search(ctx context.Context, c registry.Caller, body []byte) (record.Shown, error) {
	return s.find(ctx, c, ScopeUse, body, func(r record.Record, now time.Time) error {
		// What is over, or somebody's, is told to nobody by its number alone.
		if r.LegalEntityID == c.LegalEntityID || r.HolderID == c.LegalEntityID || usable(r, c.LegalEntityID, now) == nil {
			return nil
		}
		return record.ErrNotFound
	})
}

// qualify asks whether the caller could use a referral now, and says why not.
func (s *Service) qualify(ctx context.Context, c registry.Caller, body []byte) (record.Shown, error) {
	return s.find(ctx, c, ScopeUse, body, func(r record.Record, now time.Time) error { return usable(r, c.LegalEntityID, now) })
}

// read finds the referral that is to change: RecordByID what the own legal entity
// made or works on, RecordAcross any.
type read func(tx Tx, ctx context.Context, kind record.Kind, id registry.ID, lock bool) (record.Record, error)

// move changes a referral in a transaction of its own, with its entry. Whoever
// works on a referral moves what others made.
func (s *Service) move(ctx context.Context, c registry.Caller, scope string, id registry.ID, kind audit.Kind, read read, do func(ctx context.Context, tx Tx, r *record.Record, now time.Time) error) (out record.Shown, err error) {
	if err := c.Require(scope); err != nil {
		return out, err
	}
	if c.LegalEntityID.IsZero() {
		return out, registry.Errorf(registry.CodeForbidden, "a service request is used by a legal entity").WithReason("legal_entity")
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		l, err := tx.LegalEntity(ctx, c.LegalEntityID)
		if err != nil {
			return err
		}
		if !l.Active() {
			return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
		}
		r, err := read(tx, ctx, record.KindServiceRequest, id, true)
		if err != nil {
			return err
		}
		now := s.kind.Source.Now()
		if err := do(ctx, tx, &r, now); err != nil {
			return err
		}
		r.UpdatedAt = now
		out = record.Shown{Record: r}
		if err := tx.MoveAcross(ctx, r); err != nil {
			return err
		}
		e := record.Entry(c, kind, r)
		e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return out, err
}

// use takes a referral in work here: with the number that the patient told.
func (s *Service) use(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	var in struct {
		Requisition string `json:"requisition"`
	}
	if err := c.Require(ScopeUse); err != nil {
		return record.Shown{}, err
	}
	if err := document.Read(body, &in); err != nil {
		return record.Shown{}, err
	}
	return s.move(ctx, c, ScopeUse, id, "service_request.used", Tx.RecordAcross, func(_ context.Context, _ Tx, r *record.Record, now time.Time) error {
		if r.Number != in.Requisition {
			return record.ErrNotFound
		}
		if err := usable(*r, c.LegalEntityID, now); err != nil {
			return err
		}
		r.HolderID = c.LegalEntityID
		return nil
	})
}

// release gives a referral back: the patient takes it elsewhere.
func (s *Service) release(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	return s.step(ctx, c, ScopeRelease, id, body, "service_request.released", []string{StatusActive}, func(r *record.Record) { r.HolderID = registry.ID{} })
}

// process begins the work.
func (s *Service) process(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	return s.step(ctx, c, ScopeProcess, id, body, "service_request.in_progress", []string{StatusActive}, func(r *record.Record) { r.Status = StatusInProgress })
}

func (s *Service) step(ctx context.Context, c registry.Caller, scope string, id registry.ID, body []byte, kind audit.Kind, states []string, change func(*record.Record)) (record.Shown, error) {
	var nothing struct{}
	if err := c.Require(scope); err != nil {
		return record.Shown{}, err
	}
	if len(body) > 0 {
		if err := document.Read(body, &nothing); err != nil {
			return record.Shown{}, err
		}
	}
	return s.move(ctx, c, scope, id, kind, Tx.RecordByID, func(_ context.Context, tx Tx, r *record.Record, _ time.Time) error {
		if err := within(*r, c); err != nil {
			return err
		}
		if err := held(*r, c.LegalEntityID, states...); err != nil {
			return err
		}
		change(r)
		return nil
	})
}

// within: a referral that a legal entity neither made nor works on does not
// exist for it.
func within(r record.Record, c registry.Caller) error {
	if r.LegalEntityID != c.LegalEntityID && r.HolderID != c.LegalEntityID {
		return record.ErrNotFound
	}
	return nil
}

// complete ends a referral with what was done on it: an encounter or a
// diagnostic report of this legal entity that answers it.
func (s *Service) complete(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	var in struct {
		With Resource `json:"completed_with"`
	}
	if err := c.Require(ScopeComplete); err != nil {
		return record.Shown{}, err
	}
	if err := document.Read(body, &in); err != nil {
		return record.Shown{}, err
	}
	return s.move(ctx, c, ScopeComplete, id, "service_request.completed", Tx.RecordByID, func(ctx context.Context, tx Tx, r *record.Record, now time.Time) error {
		if err := within(*r, c); err != nil {
			return err
		}
		if err := held(*r, c.LegalEntityID, StatusActive, StatusInProgress); err != nil {
			return err
		}
		bad := func(text string) error {
			return registry.Invalid(registry.FieldError{Entry: "$.completed_with", Rule: "invalid", Description: text})
		}
		if !slices.Contains([]record.Kind{record.KindEncounter, record.KindDiagnosticReport}, record.Kind(in.With.Type)) {
			return registry.Invalid(registry.FieldError{Entry: "$.completed_with.type", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{"encounter", "diagnostic_report"}})
		}
		done, err := tx.RecordByID(ctx, record.Kind(in.With.Type), in.With.ID, false)
		switch {
		case registry.CodeOf(err) == registry.CodeNotFound || err == nil && (done.PatientID != r.PatientID || done.LegalEntityID != c.LegalEntityID):
			return bad("the record is not found")
		case err != nil:
			return err
		case done.Status == record.EnteredInError:
			return bad(`a record in "entered_in_error" status can not be referenced`)
		case done.BasedOnID != r.ID:
			return bad("the record does not answer this service request")
		}
		r.Status, r.Reason = StatusCompleted, in.With.Type+" "+in.With.ID.String()
		return nil
	})
}

// expireBatch is how many referrals one transaction recalls.
const expireBatch = 100

// ExpireAll recalls referrals whose time is over and that nobody uses.
func (s *Service) ExpireAll(ctx context.Context) (done int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "service_request.expire"}
	for {
		n := 0
		err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			now := s.kind.Source.Now()
			list, err := tx.RecordsDue(ctx, record.KindServiceRequest, []string{StatusActive}, now, expireBatch)
			if err != nil {
				return err
			}
			n = len(list)
			for _, r := range list {
				p, err := tx.Person(ctx, r.PatientID)
				if err != nil {
					return err
				}
				r.Status, r.Reason, r.UpdatedAt = StatusRecalled, ReasonExpired, now
				if err := tx.MoveRecord(ctx, r); err != nil {
					return err
				}
				if err := record.TellEnded(ctx, tx, s.kind.Source, p, r, what); err != nil {
					return err
				}
				e := record.Entry(c, "service_request.expired", r)
				e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute}
				if _, err := tx.Audit(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || n == 0 {
			return done, err
		}
		done += n
	}
}
