package dispense

import (
	"context"
	"encoding/json"
	"fmt"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/decimal"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/record"
	"mist/signature"
)

// processKind is the pharmacist's signature under a hold: its document, with
// what was paid beside it. It arrives whole.
type processKind struct {
	s  *Service
	id registry.ID
}

type processed struct {
	rest      []byte // the document without the payment
	paymentID string
	amount    *decimal.Decimal
	patient   registry.ID
}

// Patient implements intake.Patient.
func (p processed) Patient() registry.ID { return p.patient }

func (processKind) Name() registry.KindName { return Name }
func (processKind) Version() int            { return Version }
func (processKind) Scope() string           { return ScopeProcess }

func (processKind) Decode(_ context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	b, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	return readProcessed(b)
}

// readProcessed takes the payment out of a signed document.
func readProcessed(b []byte) (out processed, err error) {
	v, err := jcs.Parse(b)
	if err != nil {
		return out, registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	bad := func(entry, rule, text string) error {
		return registry.Invalid(registry.FieldError{Entry: entry, EntryType: "content", Rule: rule, Description: text})
	}
	o, ok := v.(map[string]any)
	if !ok {
		return out, bad("$", "cast", "type mismatch. Expected Object")
	}
	if id, given := o["payment_id"]; given {
		if out.paymentID, ok = id.(string); !ok || len(out.paymentID) > 200 {
			return out, bad("$.payment_id", "length", "expected a text of at most 200 bytes")
		}
	}
	if amount, given := o["payment_amount"]; given {
		n, ok := amount.(json.Number)
		d, err := decimal.Parse(string(n))
		if !ok || err != nil || d < 0 {
			return out, bad("$.payment_amount", "number", "must be greater than or equal to 0")
		}
		out.amount = &d
	}
	delete(o, "payment_id")
	delete(o, "payment_amount")
	if out.rest, err = jcs.Marshal(o); err != nil {
		return out, fmt.Errorf("reading a dispense: %w", err)
	}
	id, _ := o["person_id"].(string)
	out.patient, _ = registry.ParseID(id)
	return out, nil
}

// Accept implements intake.SubmissionKind. The patient is held by the check of
// the author, then the prescription, then the hold.
func (k processKind) Accept(ctx context.Context, tx Tx, c registry.Caller, signer signature.Signer, a *registry.Act, content any) (any, error) {
	in := content.(processed)
	r, err := tx.RecordByID(ctx, KindRecord, k.id, false)
	if err == nil && r.LegalEntityID != c.LegalEntityID {
		err = record.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	e, _, err := record.Author(ctx, tx, c, signer, r.PatientID, []string{"PHARMACIST"})
	if err != nil {
		return nil, err
	}
	const rule = "one-signature-of-the-author-with-surname"
	if err := intake.MatchSurname.Compare(signer, intake.Signatory{TaxID: e.Party.TaxID, LastName: e.Party.LastName}, rule); err != nil {
		return nil, err
	}
	rx, err := usable(ctx, tx, r.BasedOnID, registry.DateOf(r.InsertedAt))
	if err != nil {
		return nil, err
	}
	d, err := k.s.own(ctx, tx, c, k.id)
	if err != nil {
		return nil, err
	}
	if err := d.open(); err != nil {
		return nil, err
	}
	if !a.AcceptedAt.Before(d.ExpiresAt) {
		return nil, registry.Errorf(registry.CodeConflict, "The hold of the medication dispense is over; create a new one").WithReason("dispense_expired")
	}
	want, err := jcs.Marshal(d.Body.Document)
	if err != nil {
		return nil, err
	}
	if err := intake.SameDocument(want, in.rest); err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID, a.RefersTo = d.PatientID, e.ID, c.LegalEntityID, rx.ActID
	d.Status, d.UpdatedAt, d.Body.ActID = StatusProcessed, a.AcceptedAt, a.ID
	d.Body.PaymentID, d.Body.PaymentAmount = in.paymentID, in.amount
	if err := fulfil(ctx, tx, d, rx); err != nil {
		return nil, err
	}
	if err := k.s.move(ctx, tx, d); err != nil {
		return nil, err
	}
	return k.shown(d)
}

func (processKind) shown(d Dispense) (any, error) {
	r, err := d.View()
	return record.Shown{Record: r}, err
}

func (k processKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	d, err := k.s.own(ctx, tx, c, k.id)
	if err != nil {
		return nil, err
	}
	if d.Body.ActID != a.ID {
		return nil, record.ErrNotFound
	}
	return k.shown(d)
}

// Process takes the pharmacist's signature: the prescription is fulfilled.
func (s *Service) Process(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (record.Shown, audit.Receipt, error) {
	p, err := intake.NewSubmissions[Tx](processKind{s, id}, s.Store, s.Verifier, s.Policies, s.Source)
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	out, err := p.Submit(ctx, c, container)
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return out.Resource.(record.Shown), out.Receipt, nil
}
