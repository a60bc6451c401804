package dispense

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/job"
	"mist/registry/medication"
	"mist/registry/prescription"
	"mist/registry/prm"
	"mist/registry/record"
)

// Scopes (eHealth).
const (
	ScopeWrite   = "medication_dispense:write"
	ScopeRead    = "medication_dispense:read"
	ScopeProcess = "medication_dispense:process"
	ScopeReject  = "medication_dispense:reject"
	ScopeReport  = "reimbursement_report:read"
)

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Config of a Service; every field is needed.
type Config struct {
	Store    Store
	Reads    record.Reads
	Verifier intake.Verifier
	Policies intake.Policies
	Source   registry.Source
	Terms    Terms
}

// Service leads dispenses.
type Service struct{ Config }

// New refuses a half-configured service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Reads == nil || c.Verifier == nil || c.Policies == nil || c.Source.Clock == nil || c.Source.Random == nil || c.Terms.Hold <= 0 || len(c.Terms.LegalEntityTypes) == 0 {
		return nil, errors.New("dispense: a part is missing")
	}
	return &Service{c}, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func contains(list []string, one string) bool { return slices.Contains(list, one) }

// Get reads one by the rules of access.
func (s *Service) Get(ctx context.Context, c registry.Caller, scope string, kind record.Kind, id registry.ID) (record.Shown, error) {
	out, err := s.Reads.Get(ctx, c, scope, kind, id)
	if err != nil {
		return out, err
	}
	out.Record, err = view(out.Record)
	return out, err
}

// List reads a page of a patient, or of the own legal entity.
func (s *Service) List(ctx context.Context, c registry.Caller, scope string, f record.Filter) ([]record.Record, bool, error) {
	list, more, err := s.Reads.List(ctx, c, scope, f)
	for i := 0; err == nil && i < len(list); i++ {
		list[i], err = view(list[i])
	}
	return list, more, err
}

func view(r record.Record) (record.Record, error) {
	d, err := Read(r)
	if err != nil {
		return r, err
	}
	return d.View()
}

// pharmacist is who stands at the counter: of the token, approved, of a legal
// entity that dispenses.
func (s *Service) pharmacist(ctx context.Context, tx Tx, c registry.Caller) (e prm.Employee, l prm.LegalEntity, err error) {
	if c.EmployeeID.IsZero() || c.LegalEntityID.IsZero() {
		return e, l, registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: a pharmacist dispenses").WithReason("employee")
	}
	if l, err = tx.LegalEntity(ctx, c.LegalEntityID); err != nil {
		return e, l, err
	}
	if !slices.Contains(s.Terms.LegalEntityTypes, l.Type) {
		return e, l, registry.Errorf(registry.CodeConflict, "Invalid legal entity type").WithReason("legal_entity_type")
	}
	if !l.Active() {
		return e, l, registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	if e, err = tx.Employee(ctx, c.EmployeeID); err != nil {
		return e, l, err
	}
	if !e.Approved() || e.LegalEntityID != c.LegalEntityID || e.Type != "PHARMACIST" {
		return e, l, registry.Errorf(registry.CodeForbidden, "Employee is not an approved pharmacist of the legal entity").WithReason("employee_status")
	}
	return e, l, nil
}

// errTaken is the answer to the second of two; the database's constraints say the same.
var errTaken = registry.Errorf(registry.CodeForbidden, "Active medication dispense already exists").WithReason("dispense_exists")

// Create holds a prescription for ten minutes. A wrong code is counted although
// the action fails.
func (s *Service) Create(ctx context.Context, c registry.Caller, body []byte) (out record.Shown, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return out, err
	}
	var in createBody
	if err := document.Read(body, &in); err != nil {
		return out, err
	}
	now := s.Source.Now()
	today := registry.DateOf(now)
	if in.Dispense.DispensedAt.IsZero() {
		in.Dispense.DispensedAt = today
	}
	if err := checkInput(in.Dispense, today); err != nil {
		return out, err
	}
	var refusal error
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		refusal = nil
		e, l, err := s.pharmacist(ctx, tx, c)
		if err != nil {
			return err
		}
		rx, err := usable(ctx, tx, in.Dispense.PrescriptionID, today)
		if err != nil {
			return err
		}
		if rx.Body.Code != "" {
			if err := tx.ExpectFewMisses(ctx, rx.Body.Phone, c.LegalEntityID, now); err != nil {
				return err
			}
		}
		if refusal = checkCode(in.Code, rx.Body.Code); refusal != nil {
			return s.missed(ctx, tx, c, rx, refusal)
		}
		d, g, err := s.document(ctx, tx, c, in.Dispense, e, l, rx, today)
		if err != nil {
			return err
		}
		if err := s.free(ctx, tx, rx); err != nil {
			return err
		}
		d.ID = s.Source.NewID()
		dispense := Dispense{Record: record.Record{
			ID: d.ID, Kind: KindRecord, PatientID: rx.PatientID, AuthorID: e.ID, LegalEntityID: c.LegalEntityID, BasedOnID: rx.ID,
			Status: StatusNew, InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(s.Terms.Hold),
		}, Body: Body{Document: d}}
		if g != nil {
			dispense.Body.Several = g.Settings.MultiDispense
		}
		if g != nil && g.Settings.SkipDispenseSign {
			dispense.Status = StatusProcessed
			dispense.Body.PaymentID, dispense.Body.PaymentAmount = in.Dispense.PaymentID, in.Dispense.PaymentAmount
		}
		return s.begin(ctx, tx, c, &out, dispense, rx)
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return record.Shown{}, err
	}
	return out, nil
}

// usable holds a prescription that may be dispensed now.
func usable(ctx context.Context, tx Tx, id registry.ID, today registry.Date) (p prescription.Prescription, err error) {
	r, err := tx.RecordAcross(ctx, prescription.KindRecord, id, true)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return p, wrong("medication_request_id", "invalid", "Medication request is not found")
	}
	if err != nil {
		return p, err
	}
	if p, err = prescription.Read(r); err != nil {
		return p, err
	}
	if err := p.Usable(); err != nil {
		return p, err
	}
	if err := p.NotBlocked(); err != nil {
		return p, err
	}
	doc := p.Body.Document
	switch {
	case doc.Intent != prescription.IntentOrder:
		return p, registry.Errorf(registry.CodeConflict, "Plan can't be dispensed").WithReason("intent")
	case today.Before(doc.DispenseFrom) || doc.DispenseTo.Before(today):
		return p, registry.Errorf(registry.CodeConflict, "Invalid dispense period").WithReason("dispense_period")
	}
	return p, nil
}

// missed counts a wrong code; the entry stands although nothing was dispensed.
func (s *Service) missed(ctx context.Context, tx Tx, c registry.Caller, rx prescription.Prescription, refusal error) error {
	if rx.Body.Phone != "" {
		if err := tx.CountMiss(ctx, rx.Body.Phone, c.LegalEntityID, s.Source.Now()); err != nil {
			return err
		}
	}
	e := record.Entry(c, "medication_dispense.refused", rx.Record)
	e.Code, e.Reason = string(registry.AsError(refusal).Code), registry.AsError(refusal).Reason
	_, err := tx.Audit(ctx, e)
	return err
}

// document works out what is dispensed, under which contract.
func (s *Service) document(ctx context.Context, tx Tx, c registry.Caller, in Input, e prm.Employee, l prm.LegalEntity, rx prescription.Prescription, today registry.Date) (d Document, g *medication.Program, err error) {
	division, err := tx.Division(ctx, in.DivisionID)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return d, nil, wrong("division_id", "invalid", "Division does not belong to user's legal entity")
	}
	if err != nil {
		return d, nil, err
	}
	program := in.ProgramID
	if program.IsZero() {
		program = rx.Program()
	}
	var q prescription.Qualified
	if program.IsZero() {
		q.Offers, err = tx.Offers(ctx, rx.Dosage(), program)
	} else {
		q, err = prescription.QualifyFor(ctx, tx, rx, program, today)
	}
	if err != nil {
		return d, nil, err
	}
	if err := s.Terms.checkPharmacy(c, l, division, q.Program); err != nil {
		return d, nil, err
	}
	if err := checkPayment(in, q.Program); err != nil {
		return d, nil, err
	}
	d = Document{
		PrescriptionID: rx.ID, Number: rx.Number, PersonID: rx.PatientID,
		Employee: EmployeeLine{e.ID, e.Party.LastName, e.Party.FirstName, e.Party.SecondName},
		Division: DivisionLine{division.ID, division.Name, division.Address}, LegalEntity: PharmacyLine{l.ID, l.Name, l.EDRPOU},
		DispensedAt: in.DispensedAt, DispensedBy: in.DispensedBy,
	}
	if q.Program != nil {
		d.Program = &ProgramLine{q.Program.ID, q.Program.Name}
		if err := s.contract(ctx, tx, c, &d, q.Program, division.ID, today); err != nil {
			return d, nil, err
		}
	}
	d.Details, err = s.Terms.lines(in, q, rx.Left())
	return d, q.Program, err
}

// contract demands a reimbursement contract that names the drugstore, unless the
// programme pays without one.
func (s *Service) contract(ctx context.Context, tx Tx, c registry.Caller, d *Document, g *medication.Program, division registry.ID, today registry.Date) error {
	if g.Settings.SkipContract {
		return nil
	}
	k, found, err := tx.ReimbursementContract(ctx, c.LegalEntityID, g.ID, today)
	if err != nil {
		return err
	}
	if !found || !slices.Contains(k.Divisions, division) {
		return registry.Errorf(registry.CodeConflict, "Program cannot be used - no active contract exists").WithReason("contract")
	}
	d.ContractID, d.ContractNumber = k.ID, k.Number
	return nil
}

// free tells early what the constraints would; they decide between two at the
// same moment.
func (s *Service) free(ctx context.Context, tx Tx, rx prescription.Prescription) error {
	places, err := tx.Places(ctx, rx.ID)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p.Status == StatusNew || p.Status == StatusProcessed && !p.Several {
			return errTaken
		}
	}
	return nil
}

// begin writes a dispense with its claim; one that nobody signs is done at once.
func (s *Service) begin(ctx context.Context, tx Tx, c registry.Caller, out *record.Shown, d Dispense, rx prescription.Prescription) error {
	place := Place{ID: d.ID, PrescriptionID: rx.ID, Status: d.Status, Several: d.Body.Several}
	kind := audit.Kind("medication_dispense.created")
	if d.Status == StatusProcessed {
		place.ProcessedOn, kind = registry.DateOf(d.InsertedAt), "medication_dispense.processed"
		if err := fulfil(ctx, tx, d, rx); err != nil {
			return err
		}
	}
	r, err := d.Stored()
	if err != nil {
		return err
	}
	if err := tx.InsertRecord(ctx, r); err != nil {
		return err
	}
	if err := tx.TakePlace(ctx, place); err != nil {
		return err
	}
	if out.Record, err = d.View(); err != nil {
		return err
	}
	_, err = tx.Audit(ctx, record.Entry(c, kind, d.Record))
	return err
}

// fulfil counts a dispense into its prescription: COMPLETED when nothing is
// left, or when the programme gives it out at once.
func fulfil(ctx context.Context, tx Tx, d Dispense, rx prescription.Prescription) error {
	rx.Body.Dispensed += d.Body.Document.Total()
	if rx.UpdatedAt = d.UpdatedAt; !d.Body.Several || rx.Left() <= 0 {
		rx.Status, rx.Reason = prescription.StatusCompleted, ""
	}
	r, err := rx.Stored()
	if err != nil {
		return err
	}
	return tx.MoveAcross(ctx, r)
}

// own reads a dispense of the own pharmacy and holds its row.
func (s *Service) own(ctx context.Context, tx Tx, c registry.Caller, id registry.ID) (Dispense, error) {
	r, err := tx.RecordByID(ctx, KindRecord, id, true)
	if err == nil && r.LegalEntityID != c.LegalEntityID {
		err = record.ErrNotFound
	}
	if err != nil {
		return Dispense{}, err
	}
	return Read(r)
}

func (d Dispense) open() error {
	if d.Status != StatusNew {
		return registry.Errorf(registry.CodeConflict, "Can't update medication dispense status from %s", d.Status).WithReason("status_" + d.Status)
	}
	return nil
}

// DataToBeSigned is what the pharmacist signs; payment_id and payment_amount may
// be added to it.
func (s *Service) DataToBeSigned(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, err error) {
	if err := c.Require(ScopeProcess); err != nil {
		return nil, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		d, err := s.own(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if err := d.open(); err != nil {
			return err
		}
		if b, err = jcs.Marshal(d.Body.Document); err != nil {
			return err
		}
		e := record.Entry(c, audit.Disclosure, d.Record)
		e.Fields, e.LegalBasis = []string{string(KindRecord)}, &audit.LegalBasis{Code: audit.BasisStatute}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return b, err
}

// Reject gives a hold up.
func (s *Service) Reject(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (out record.Shown, err error) {
	if err := c.Require(ScopeReject); err != nil {
		return out, err
	}
	if len(body) > 0 {
		var none struct{}
		if err := document.Read(body, &none); err != nil {
			return out, err
		}
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		d, err := s.own(ctx, tx, c, id)
		if err != nil {
			return err
		}
		if err := d.open(); err != nil {
			return err
		}
		d.Status, d.UpdatedAt = StatusRejected, s.Source.Now()
		if err := s.move(ctx, tx, d); err != nil {
			return err
		}
		if out.Record, err = d.View(); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, record.Entry(c, "medication_dispense.rejected", d.Record))
		return err
	})
	return out, err
}

// move writes a dispense and its claim.
func (s *Service) move(ctx context.Context, tx Tx, d Dispense) error {
	r, err := d.Stored()
	if err != nil {
		return err
	}
	if err := tx.MoveRecord(ctx, r); err != nil {
		return err
	}
	var on registry.Date
	if d.Status == StatusProcessed {
		on = registry.DateOf(d.UpdatedAt)
	}
	return tx.MovePlace(ctx, d.ID, d.Status, on)
}

const expireBatch = 100

// Jobs of the room: holds past their time.
func (s *Service) Jobs() job.Periodic {
	return job.Periodic{Kind: "medication_dispense.expire", Run: s.expireAll}
}

func (s *Service) expireAll(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.Source.NewID().String()}
	for n := expireBatch; n == expireBatch; {
		err := s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			free, err := tx.TryLock(ctx, "mist job medication_dispense.expire")
			if err != nil || !free {
				return err
			}
			list, err := tx.RecordsDue(ctx, KindRecord, []string{StatusNew}, s.Source.Now(), expireBatch)
			if err != nil {
				return err
			}
			for _, r := range list {
				d, err := Read(r)
				if err != nil {
					return err
				}
				d.Status, d.UpdatedAt = StatusExpired, s.Source.Now()
				if err := s.move(ctx, tx, d); err != nil {
					return err
				}
				if _, err := tx.Audit(ctx, record.Entry(c, "medication_dispense.expired", d.Record)); err != nil {
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
