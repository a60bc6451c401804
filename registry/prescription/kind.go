package prescription

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/notify"
	"mist/registry/patient"
	"mist/registry/record"
	"mist/signature"
)

// Scopes (eHealth).
const (
	ScopeRead      = "medication_request:read"
	ScopeReject    = "medication_request:reject"
	ScopeResend    = "medication_request:resend"
	ScopeBlock     = "medication_request:block"
	ScopeUnblock   = "medication_request:unblock"
	ScopePharmacy  = "medication_request:read_pharm"
	ScopeReadOwn   = "medication_request:read_pis"
	ScopeDraft     = "medication_request_request:write"
	scopeOfRequest = "medication_request_request:"
)

// Kind is the prescription as an act kind.
type Kind struct {
	Source registry.Source
	Terms  func(ctx context.Context) (Terms, error)
}

type termsKey struct{}

// Prepare implements intake.Preparer: lists and parameters are read before a
// transaction begins.
func (k Kind) Prepare(ctx context.Context) (context.Context, error) {
	t, err := k.Terms(ctx)
	if err != nil {
		return nil, err
	}
	return context.WithValue(ctx, termsKey{}, t), nil
}

// prepared gives what Prepare has read.
func prepared(ctx context.Context) (Terms, error) {
	t, ok := ctx.Value(termsKey{}).(Terms)
	if !ok {
		return t, errors.New("prescription: the terms were not read before the transaction")
	}
	return t, nil
}

// Name implements intake.Kind.
func (Kind) Name() registry.KindName { return Name }

// Version implements intake.Kind.
func (Kind) Version() int { return Version }

// Scope implements intake.Kind: medication_request_request:write, :read, :sign, :reject.
func (Kind) Scope(step intake.Step) string { return scopeOfRequest + string(step) }

// Draft implements intake.Kind: the rules of the request and of its programme,
// the snapshot, and the bytes that the doctor signs.
func (k Kind) Draft(ctx context.Context, tx Tx, c registry.Caller, d *intake.Draft, body []byte) error {
	var in createBody
	if err := document.Read(body, &in); err != nil {
		return err
	}
	r := in.Request
	f, p, terms, err := k.judge(ctx, tx, c, r, r.ProgramID)
	if err != nil {
		return err
	}
	if err := terms.checkProgram(r, f, p); err != nil {
		return err
	}
	doc := newDocument(r, f.person, f.employee, f.division, f.legalEntity, f.dosage, p.program, f.today)
	doc.ID, doc.MedicationRequestID = d.ID, d.ActID
	if doc.Number, err = record.NewNumber(ctx, tx, k.Source, KindRecord, record.Prescription); err != nil {
		return err
	}
	if r.Intent == IntentOrder {
		doc.DispenseFrom, doc.DispenseTo = r.CreatedAt, terms.dispenseUntil(r, p.program)
	}
	d.PersonID, d.EmployeeID, d.PartyID, d.DivisionID = f.person.ID, f.employee.ID, f.employee.Party.ID, f.division.ID
	d.Number = doc.Number
	if d.ToBeSigned, err = doc.ToBeSigned(); err != nil {
		return err
	}
	d.Data, d.Status = d.ToBeSigned, intake.StatusApproved
	return nil
}

// judge runs the rules that are the same for every programme, and gathers what
// those of one are judged by.
func (k Kind) judge(ctx context.Context, tx Tx, c registry.Caller, in Input, program registry.ID) (f facts, p programFacts, terms Terms, err error) {
	if c.LegalEntityID.IsZero() {
		return f, p, terms, registry.Errorf(registry.CodeForbidden, "a prescription is made by a legal entity").WithReason("legal_entity")
	}
	if terms, err = prepared(ctx); err != nil {
		return f, p, terms, err
	}
	today := registry.DateOf(k.Source.Now())
	if err = checkInput(in, terms, today); err != nil {
		return f, p, terms, err
	}
	if f, err = gather(ctx, tx, c, in, today); err != nil {
		return f, p, terms, err
	}
	if err = checkParties(f); err != nil {
		return f, p, terms, err
	}
	if err = checkDose(in.Instructions, f.dosage.MostPerDay); err != nil {
		return f, p, terms, err
	}
	p, err = gatherProgram(ctx, tx, f, in, program)
	return f, p, terms, err
}

// Approve implements intake.Kind; such a draft is frozen from its beginning.
func (Kind) Approve(context.Context, Tx, *intake.Draft) error {
	return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("unconfirmed")
}

// Decode implements intake.Kind: the signed bytes must be the frozen document.
func (Kind) Decode(d *intake.Draft, signed signature.SignedBytes) (any, error) {
	got, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	if !bytes.Equal(got, d.ToBeSigned) {
		if err := intake.SameDocument(d.ToBeSigned, got); err != nil {
			return nil, err
		}
	}
	return readDocument(d.ToBeSigned)
}

// Accept implements intake.Kind: rules of the moment, then the prescription
// with its number, and the code to the patient. The person's row is held, so two
// prescriptions of one substance cannot both be the only one.
func (k Kind) Accept(ctx context.Context, tx Tx, d *intake.Draft, p intake.Parties, act registry.Act, content any) (any, error) {
	doc := content.(Document)
	if !p.Author.Approved {
		return nil, registry.Errorf(registry.CodeForbidden, "Employee is not approved").WithReason("employee_status")
	}
	if err := standing(patient.Person{Status: patient.Status(p.PersonStatus), VerificationStatus: p.PersonVerification}); err != nil {
		return nil, err
	}
	terms, err := prepared(ctx)
	if err != nil {
		return nil, err
	}
	today := registry.DateOf(act.AcceptedAt)
	dosage, err := tx.DosageByID(ctx, doc.Medication.ID)
	if err != nil {
		return nil, err
	}
	notice := true
	if doc.Program != nil {
		g, err := tx.ProgramByID(ctx, doc.Program.ID)
		if err != nil {
			return nil, err
		}
		if !g.IsActive {
			return nil, registry.Errorf(registry.CodeConflict, "Medical program is not active").WithReason("medical_program")
		}
		notice = !g.Settings.NoNotification
		if !g.Settings.SkipTreatmentPeriod {
			periods, err := tx.Periods(ctx, d.PersonID, dosage.INNM())
			if err != nil {
				return nil, err
			}
			if err := terms.checkTreatment(Input{StartedAt: doc.StartedAt}, periods, today); err != nil {
				return nil, err
			}
		}
	}
	rx := Prescription{Record: record.Record{
		ID: act.ID, Kind: KindRecord, ActID: act.ID, PatientID: d.PersonID, AuthorID: d.EmployeeID, LegalEntityID: d.LegalEntityID, Number: doc.Number,
		Status: StatusActive, InsertedAt: act.AcceptedAt, UpdatedAt: act.AcceptedAt, ExpiresAt: doc.EndedAt.AddDate(0, 0, 1).Time(),
	}, Body: Body{RequestID: d.ID, Document: doc}}
	if doc.Context != nil {
		rx.ContextID = doc.Context.Identifier.Value
	}
	if doc.Intent == IntentOrder && notice {
		if err := k.code(ctx, tx, &rx, today); err != nil {
			return nil, err
		}
	}
	r, err := rx.Stored()
	if err != nil {
		return nil, err
	}
	if err := tx.InsertRecord(ctx, r); err != nil {
		return nil, err
	}
	if err := tx.InsertPeriod(ctx, d.PersonID, dosage.INNM(), Period{ID: act.ID, Start: doc.StartedAt, End: doc.EndedAt, Program: doc.Program != nil}); err != nil {
		return nil, err
	}
	return rx.resource()
}

// resource is what the caller is shown.
func (p Prescription) resource() (any, error) {
	r, err := p.View()
	return record.Shown{Record: r}, err
}

// code draws the code and sends it, where the patient has a phone to send it to.
func (k Kind) code(ctx context.Context, tx Tx, rx *Prescription, today registry.Date) error {
	person, err := tx.Person(ctx, rx.PatientID)
	if err != nil {
		return err
	}
	method, err := patient.Confirmation(ctx, tx, person, registry.ID{}, today)
	if registry.CodeOf(err) == registry.CodeConflict {
		return nil // nobody speaks for them now: the prescription stands without a code
	}
	if err != nil {
		return err
	}
	if method.Type != patient.MethodOTP {
		return nil
	}
	rx.Body.Code, rx.Body.Phone = newCode(k.Source), method.PhoneNumber
	return tell(ctx, tx, k.Source, *rx, notify.PrescriptionCode, map[string]string{"number": rx.Number, "code": rx.Body.Code})
}

// tell sends a notice about a prescription to the phone it was made with.
func tell(ctx context.Context, tx Tx, source registry.Source, rx Prescription, template notify.Template, values map[string]string) error {
	if rx.Body.Phone == "" {
		return nil
	}
	err := notify.Enqueue(ctx, tx, source, notify.Notice{Channel: notify.SMS, To: rx.Body.Phone, Template: template, About: rx.ID, PersonID: rx.PatientID, Values: values})
	if err != nil {
		return fmt.Errorf("telling of a prescription: %w", err)
	}
	return nil
}

// Resource implements intake.Kind.
func (Kind) Resource(ctx context.Context, tx Tx, act registry.Act) (any, error) {
	r, err := tx.RecordByAct(ctx, KindRecord, act.ID)
	if err != nil {
		return nil, err
	}
	rx, err := Read(r)
	if err != nil {
		return nil, err
	}
	return rx.resource()
}
