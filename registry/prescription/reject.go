package prescription

import (
	"context"
	"fmt"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/notify"
	"mist/registry/record"
	"mist/signature"
)

// RejectKind is the doctor's signed rejection: the document of the prescription
// with the reason beside it. It arrives whole.
type RejectKind struct{ Kind }

type rejection struct {
	code, reason string
	rest         []byte // the document without the reason
	patient, rx  registry.ID
}

// Patient implements intake.Patient.
func (r rejection) Patient() registry.ID { return r.patient }

// Name implements intake.SubmissionKind.
func (RejectKind) Name() registry.KindName { return RejectName }

// Version implements intake.SubmissionKind.
func (RejectKind) Version() int { return 1 }

// Scope implements intake.SubmissionKind.
func (RejectKind) Scope() string { return ScopeReject }

// Decode implements intake.SubmissionKind.
func (k RejectKind) Decode(ctx context.Context, signed signature.SignedBytes, _ signature.Signer) (any, error) {
	b, err := signed.Bytes()
	if err != nil {
		return nil, fmt.Errorf("reading the signed document: %w", err)
	}
	v, err := jcs.Parse(b)
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, registry.Invalid(registry.FieldError{Entry: "$", EntryType: "content", Rule: "cast", Description: "type mismatch. Expected Object"})
	}
	terms, err := k.Terms(ctx)
	if err != nil {
		return nil, err
	}
	var out rejection
	var f document.Faults
	out.code, _ = o["reject_reason_code"].(string)
	out.reason, _ = o["reject_reason"].(string)
	if !terms.Lists.Has(listReject, out.code) {
		f.Add("$.reject_reason_code", "inclusion", "value is not allowed in enum", listReject)
	}
	if n := utf8.RuneCountInString(out.reason); n < 3 || n > maxText {
		f.Add("$.reject_reason", "length", "expected 3 to 2000 characters that say why")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	delete(o, "reject_reason_code")
	delete(o, "reject_reason")
	if out.rest, err = jcs.Marshal(o); err != nil {
		return nil, fmt.Errorf("reading a rejection: %w", err)
	}
	id, _ := o["medication_request_id"].(string)
	out.rx, _ = registry.ParseID(id)
	if person, ok := o["person"].(map[string]any); ok {
		id, _ := person["id"].(string)
		out.patient, _ = registry.ParseID(id)
	}
	return out, nil
}

// Accept implements intake.SubmissionKind: only an active prescription of the
// own legal entity is rejected, by a doctor of it.
func (k RejectKind) Accept(ctx context.Context, tx Tx, c registry.Caller, s signature.Signer, a *registry.Act, content any) (any, error) {
	in := content.(rejection)
	r, err := tx.RecordByID(ctx, KindRecord, in.rx, true)
	if err == nil && (r.LegalEntityID != c.LegalEntityID || a.RefersTo != r.ActID) {
		err = record.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	e, _, err := record.Author(ctx, tx, c, s, r.PatientID, record.Doctors())
	if err != nil {
		return nil, err
	}
	rx, err := Read(r)
	if err != nil {
		return nil, err
	}
	if err := rx.Usable(); err != nil {
		return nil, err
	}
	want, err := rx.Body.Document.ToBeSigned()
	if err != nil {
		return nil, err
	}
	if err := intake.SameDocument(want, in.rest); err != nil {
		return nil, err
	}
	a.PatientID, a.AuthorID, a.LegalEntityID = r.PatientID, e.ID, c.LegalEntityID
	rx.Status, rx.Reason, rx.UpdatedAt = StatusRejected, in.code, a.AcceptedAt
	rx.Body.Reject = &Reject{Code: in.code, Reason: in.reason, ActID: a.ID}
	if err := keep(ctx, tx, rx); err != nil {
		return nil, err
	}
	if err := tell(ctx, tx, k.Source, rx, notify.PrescriptionRejected, map[string]string{"number": rx.Number}); err != nil {
		return nil, err
	}
	return rx.resource()
}

// Repeat implements intake.SubmissionKind.
func (k RejectKind) Repeat(ctx context.Context, tx Tx, c registry.Caller, a registry.Act) (any, error) {
	if a.LegalEntityID != c.LegalEntityID {
		return nil, record.ErrNotFound
	}
	return k.Resource(ctx, tx, registry.Act{ID: a.RefersTo})
}

// Reject takes the signed rejection of a prescription.
func (s *Service) Reject(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (record.Shown, audit.Receipt, error) {
	if err := c.Require(ScopeReject); err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	var act registry.ID
	err := s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.RecordByID(ctx, KindRecord, id, false)
		if err == nil && r.LegalEntityID != c.LegalEntityID {
			err = record.ErrNotFound
		}
		act = r.ActID
		return err
	})
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	out, err := s.rejects.SubmitFor(ctx, c, act, container)
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return out.Resource.(record.Shown), out.Receipt, nil
}
