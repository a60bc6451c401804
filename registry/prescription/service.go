package prescription

import (
	"context"
	"errors"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/medication"
	"mist/registry/notify"
	"mist/registry/record"
)

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service leads prescriptions after they were signed.
type Service struct {
	reads   record.Reads
	rejects *intake.Submissions[Tx]
	store   Store
	kind    Kind
}

// New refuses a half-configured service.
func New(reads record.Reads, rejects *intake.Submissions[Tx], store Store, kind Kind) (*Service, error) {
	if reads == nil || rejects == nil || store == nil || kind.Terms == nil || kind.Source.Clock == nil {
		return nil, errors.New("prescription: a part is missing")
	}
	return &Service{reads, rejects, store, kind}, nil
}

// Get reads one by the rules of access; the code is no part of it.
func (s *Service) Get(ctx context.Context, c registry.Caller, scope string, kind record.Kind, id registry.ID) (record.Shown, error) {
	out, err := s.reads.Get(ctx, c, scope, kind, id)
	if err != nil {
		return out, err
	}
	out.Record, err = view(out.Record)
	return out, err
}

// List reads a page of a patient, or of the own legal entity.
func (s *Service) List(ctx context.Context, c registry.Caller, scope string, f record.Filter) ([]record.Record, bool, error) {
	list, more, err := s.reads.List(ctx, c, scope, f)
	for i := 0; err == nil && i < len(list); i++ {
		list[i], err = view(list[i])
	}
	return list, more, err
}

// Mine are a citizen's own, newest first; the code is no part of them.
func (s *Service) Mine(ctx context.Context, c registry.Caller) ([]Prescription, error) {
	me, err := c.Patient()
	if err != nil {
		return nil, err
	}
	records, _, err := s.reads.List(ctx, c, ScopeReadOwn, record.Filter{Kind: KindRecord, PatientID: me, Limit: record.MaxPage})
	if err != nil {
		return nil, err
	}
	list := make([]Prescription, len(records))
	for i, r := range records {
		if list[i], err = Read(r); err != nil {
			return nil, err
		}
		list[i].Body.Code, list[i].Body.Phone = "", ""
	}
	return list, nil
}

func view(r record.Record) (record.Record, error) {
	p, err := Read(r)
	if err != nil {
		return r, err
	}
	return p.View()
}

// Verdict is what a programme says of a request.
type Verdict struct {
	ID           registry.ID        `json:"program_id"`
	Name         string             `json:"program_name,omitempty"`
	Status       string             `json:"status"` // VALID, INVALID
	Reason       string             `json:"rejection_reason,omitempty"`
	Entry        string             `json:"rejection_entry,omitempty"`
	Participants []medication.Offer `json:"-"`
	Parts        []Participant      `json:"participants"`
}

// Participant is a brand that a programme pays for.
type Participant struct {
	MedicationID   registry.ID              `json:"medication_id"`
	MedicationName string                   `json:"medication_name"`
	ProgramPartID  registry.ID              `json:"program_medication_id"`
	PackageQty     any                      `json:"package_qty"`
	Step           any                      `json:"package_min_qty"`
	Reimbursement  medication.Reimbursement `json:"reimbursement"`
}

// Verdicts.
const (
	Valid   = "VALID"
	Invalid = "INVALID"
)

func verdict(id registry.ID, p programFacts, today registry.Date, err error) (Verdict, error) {
	v := Verdict{ID: id, Status: Valid, Parts: []Participant{}}
	if p.program != nil {
		v.Name = p.program.Name
	}
	if err != nil {
		e := registry.AsError(err)
		if e.Code == registry.CodeInternal || e.Code == registry.CodeUnavailable {
			return v, err
		}
		v.Status, v.Reason = Invalid, e.Detail
		if len(e.Fields) > 0 {
			v.Entry, v.Reason = e.Fields[0].Entry, e.Fields[0].Description
		}
		return v, nil
	}
	for _, o := range p.offers {
		if o.Participant.ActiveOn(today) {
			v.Parts = append(v.Parts, Participant{o.Brand.ID, o.Brand.Name, o.Participant.ID, o.Brand.PackageQty, o.Step(), o.Participant.Reimbursement})
		}
	}
	return v, nil
}

// maxPrograms is how many programmes are asked about at once.
const maxPrograms = 50

func checkPrograms(list []programID) error {
	if len(list) == 0 || len(list) > maxPrograms {
		return registry.Invalid(registry.FieldError{Entry: "$.programs", Rule: "length", Description: "expected 1 to 50 items"})
	}
	return nil
}

// Prequalify runs the rules of a request for each of some programmes, and
// changes nothing. What is wrong whatever the programme is refused.
func (s *Service) Prequalify(ctx context.Context, c registry.Caller, body []byte) (out []Verdict, err error) {
	if err := c.Require(ScopeDraft); err != nil {
		return nil, err
	}
	var in prequalifyBody
	if err := document.Read(body, &in); err != nil {
		return nil, err
	}
	if err := checkPrograms(in.Programs); err != nil {
		return nil, err
	}
	if ctx, err = s.kind.Prepare(ctx); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		f, _, terms, err := s.kind.judge(ctx, tx, c, in.Request, registry.ID{})
		if err != nil {
			return err
		}
		for _, g := range in.Programs {
			p, err := gatherProgram(ctx, tx, f, in.Request, g.ID)
			if err == nil {
				err = terms.checkProgram(in.Request, f, p)
			}
			v, err := verdict(g.ID, p, f.today, err)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		// The answers tell of the person's declarations and treatment.
		_, err = tx.Audit(ctx, audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: in.Request.PersonID,
			Fields: []string{"medication_request.prequalify"}, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}})
		return err
	})
	return out, err
}

// reachable reads a prescription that the caller leads: of the own legal entity,
// or any for the NHSU where nhs says so.
func (s *Service) reachable(ctx context.Context, tx Tx, c registry.Caller, id registry.ID, nhs bool) (Prescription, error) {
	r, err := tx.RecordByID(ctx, KindRecord, id, true)
	if err != nil {
		return Prescription{}, err
	}
	if r.LegalEntityID != c.LegalEntityID && !(nhs && c.ClientType == "NHS") {
		return Prescription{}, record.ErrNotFound
	}
	return Read(r)
}

// change does one step with a prescription of the own legal entity.
func (s *Service) change(ctx context.Context, c registry.Caller, scope string, id registry.ID, nhs bool, kind audit.Kind,
	step func(ctx context.Context, tx Tx, p *Prescription) error) (out record.Shown, err error) {
	if err := c.Require(scope); err != nil {
		return out, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := s.reachable(ctx, tx, c, id, nhs)
		if err != nil {
			return err
		}
		if err := p.Usable(); err != nil {
			return err
		}
		if err := step(ctx, tx, &p); err != nil {
			return err
		}
		p.UpdatedAt = s.kind.Source.Now()
		if err := keep(ctx, tx, p); err != nil {
			return err
		}
		if out.Record, err = p.View(); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, record.Entry(c, kind, p.Record))
		return err
	})
	return out, err
}

func keep(ctx context.Context, tx Tx, p Prescription) error {
	r, err := p.Stored()
	if err != nil {
		return err
	}
	return tx.MoveRecord(ctx, r)
}

// Resend tells the patient the number and the code again.
func (s *Service) Resend(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	if err := empty(body); err != nil {
		return record.Shown{}, err
	}
	return s.change(ctx, c, ScopeResend, id, false, "medication_request.resent", func(ctx context.Context, tx Tx, p *Prescription) error {
		switch {
		case p.Body.Document.Intent != IntentOrder:
			return registry.Errorf(registry.CodeConflict, "For medication request plan information cannot be resent").WithReason("intent")
		case p.Body.Code == "":
			return registry.Errorf(registry.CodeConflict, "Medication request has no verification code").WithReason("no_code")
		}
		return tell(ctx, tx, s.kind.Source, *p, notify.PrescriptionCode, map[string]string{"number": p.Number, "code": p.Body.Code})
	})
}

func empty(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	var in struct{}
	return document.Read(body, &in)
}

// Block stops a prescription: it stays ACTIVE, and nobody dispenses it.
func (s *Service) Block(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	if err := c.Require(ScopeBlock); err != nil {
		return record.Shown{}, err
	}
	var in struct {
		Code   string `json:"block_reason_code"`
		Reason string `json:"block_reason,omitempty"`
	}
	if err := s.reason(ctx, body, &in, &in.Code, "block_reason_code", listBlock); err != nil {
		return record.Shown{}, err
	}
	return s.change(ctx, c, ScopeBlock, id, true, "medication_request.blocked", func(ctx context.Context, tx Tx, p *Prescription) error {
		if p.Body.Block != nil {
			return registry.Errorf(registry.CodeConflict, "Medication request is already blocked").WithReason("blocked")
		}
		p.Body.Block = &Block{Code: in.Code, Reason: in.Reason, LegalEntityID: c.LegalEntityID, At: s.kind.Source.Now()}
		p.Reason = "blocked"
		return tell(ctx, tx, s.kind.Source, *p, notify.PrescriptionBlocked, map[string]string{"number": p.Number})
	})
}

// Unblock lets it go on.
func (s *Service) Unblock(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (record.Shown, error) {
	if err := empty(body); err != nil {
		return record.Shown{}, err
	}
	return s.change(ctx, c, ScopeUnblock, id, true, "medication_request.unblocked", func(ctx context.Context, tx Tx, p *Prescription) error {
		switch {
		case p.Body.Block == nil:
			return registry.Errorf(registry.CodeConflict, "Medication request is not blocked").WithReason("not_blocked")
		case p.Body.Block.LegalEntityID != c.LegalEntityID && c.ClientType != "NHS":
			return registry.Errorf(registry.CodeForbidden, "Medication request was blocked by another legal entity").WithReason("side")
		}
		p.Body.Block, p.Reason = nil, "unblocked"
		return tell(ctx, tx, s.kind.Source, *p, notify.PrescriptionUnblocked, map[string]string{"number": p.Number})
	})
}

// reason reads a body with a reason of a code list.
func (s *Service) reason(ctx context.Context, body []byte, into any, code *string, name, list string) error {
	if err := document.Read(body, into); err != nil {
		return err
	}
	terms, err := s.kind.Terms(ctx)
	if err != nil {
		return err
	}
	if !terms.Lists.Has(list, *code) {
		return registry.Invalid(registry.FieldError{Entry: "$." + name, Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{list}})
	}
	return nil
}

const expireBatch = 100

// Jobs of the room: prescriptions past their last day.
func (s *Service) Jobs() job.Periodic {
	return job.Periodic{Kind: "medication_request.expire", Run: s.expireAll}
}

func (s *Service) expireAll(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.kind.Source.NewID().String()}
	for n := expireBatch; n == expireBatch; {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			free, err := tx.TryLock(ctx, "mist job medication_request.expire")
			if err != nil || !free {
				return err
			}
			now := s.kind.Source.Now()
			list, err := tx.RecordsDue(ctx, KindRecord, []string{StatusActive}, now, expireBatch)
			if err != nil {
				return err
			}
			for _, r := range list {
				r.Status, r.Reason, r.UpdatedAt = StatusExpired, "", now
				if err := tx.MoveRecord(ctx, r); err != nil {
					return err
				}
				if _, err := tx.Audit(ctx, record.Entry(c, "medication_request.expired", r)); err != nil {
					return err
				}
			}
			n = len(list)
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
