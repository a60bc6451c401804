package prescription

import (
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
	"mist/registry/medication"
	"mist/registry/record"
)

// Search finds a prescription by its number, as a pharmacist does: who holds
// the number was told it. Number and patient's name are told, never the code.
func (s *Service) Search(ctx context.Context, c registry.Caller, body []byte) (out record.Shown, err error) {
	if err := c.Require(ScopePharmacy); err != nil {
		return out, err
	}
	var in struct {
		Number string `json:"request_number"`
	}
	if err := document.Read(body, &in); err != nil {
		return out, err
	}
	if !ValidNumber(in.Number) {
		return out, registry.Invalid(registry.FieldError{Entry: "$.request_number", Rule: "format", Description: "expected 0000-XXXX-XXXX-XXXX"})
	}
	found := false
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		found = false
		r, err := tx.RecordByNumber(ctx, KindRecord, in.Number, false)
		if registry.CodeOf(err) == registry.CodeNotFound {
			// A number that is nobody's leaves its line: who tries many is seen.
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.DisclosureRefused, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
				Code: string(registry.CodeNotFound), Reason: "medication_request_number"})
			return err
		}
		if err != nil {
			return err
		}
		if r, err = view(r); err != nil {
			return err
		}
		found, out.Record = true, r
		return disclosed(ctx, tx, c, r)
	})
	if err == nil && !found {
		err = record.ErrNotFound
	}
	if err != nil {
		return record.Shown{}, err
	}
	return out, nil
}

// disclosed leaves the entry of a prescription told to a pharmacy: by statute, to
// whom the patient gave the number.
func disclosed(ctx context.Context, tx Tx, c registry.Caller, r record.Record) error {
	e := record.Entry(c, audit.Disclosure, r)
	e.Fields, e.LegalBasis = []string{string(KindRecord)}, &audit.LegalBasis{Code: audit.BasisStatute}
	_, err := tx.Audit(ctx, e)
	return err
}

// Qualify says which programmes a prescription may be dispensed within.
func (s *Service) Qualify(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (out []Verdict, err error) {
	if !c.Allows(ScopePharmacy) {
		if err := c.Require(ScopeRead); err != nil {
			return nil, err
		}
	}
	var in struct {
		Programs []programID `json:"programs"`
	}
	if err := document.Read(body, &in); err != nil {
		return nil, err
	}
	if err := checkPrograms(in.Programs); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		out = nil
		r, err := tx.RecordAcross(ctx, KindRecord, id, false)
		if err == nil && !c.Allows(ScopePharmacy) && r.LegalEntityID != c.LegalEntityID {
			err = record.ErrNotFound
		}
		if err != nil {
			return err
		}
		p, err := Read(r)
		if err != nil {
			return err
		}
		if err := p.Usable(); err != nil {
			return err
		}
		today := registry.DateOf(s.kind.Source.Now())
		for _, g := range in.Programs {
			facts, err := QualifyFor(ctx, tx, p, g.ID, today)
			v, err := verdict(g.ID, programFacts{program: facts.Program, offers: facts.Offers}, today, err)
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return disclosed(ctx, tx, c, r)
	})
	return out, err
}

// Qualified is what a programme offers for a prescription.
type Qualified struct {
	Program *medication.Program
	Offers  []medication.Offer
}

// QualifyTx is what qualifying needs of a transaction.
type QualifyTx interface {
	medication.Reader
	PeriodTx
}

// QualifyFor holds a prescription against a programme at the counter: its own
// programme, or another where that one allows the change; brands that take
// part; and no other dispensed prescription of the substance at the same time.
func QualifyFor(ctx context.Context, tx QualifyTx, p Prescription, program registry.ID, today registry.Date) (q Qualified, err error) {
	bad := func(text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$.medical_program_id", Rule: "invalid", Description: text})
	}
	if p.Body.Document.Intent != IntentOrder {
		return q, registry.Errorf(registry.CodeConflict, "Plan can't be qualified").WithReason("intent")
	}
	g, err := tx.ProgramByID(ctx, program)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return q, bad("Medical program not found")
	}
	if err != nil {
		return q, err
	}
	q.Program = &g
	if !g.IsActive || g.Type != medication.ProgramMedication {
		return q, bad("Medical program is not active")
	}
	if own := p.Program(); own != program {
		if own.IsZero() {
			return q, bad("Medication request was created without a medical program")
		}
		prescribed, err := tx.ProgramByID(ctx, own)
		if err != nil {
			return q, err
		}
		if !prescribed.Settings.ProgramChangeOnDispenseAllowed {
			return q, bad("Medical program of the medication request can not be changed on dispense")
		}
	}
	offers, err := tx.Offers(ctx, p.Dosage(), program)
	if err != nil {
		return q, err
	}
	for _, o := range offers {
		if o.Participant.ActiveOn(today) {
			q.Offers = append(q.Offers, o)
		}
	}
	if len(q.Offers) == 0 {
		return q, bad("Innm not on the list of approved innms for program")
	}
	if g.Settings.SkipTreatmentPeriod {
		return q, nil
	}
	dosage, err := tx.DosageByID(ctx, p.Dosage())
	if err != nil {
		return q, err
	}
	periods, err := tx.Periods(ctx, p.PatientID, dosage.INNM())
	if err != nil {
		return q, err
	}
	for _, o := range periods {
		overlaps := !o.End.Before(p.Body.Document.StartedAt) && !p.Body.Document.EndedAt.Before(o.Start)
		if o.ID != p.ID && o.Program && o.Status == StatusCompleted && overlaps {
			return q, bad("For the patient at the same term there can be only 1 dispensed medication request per one and the same innm!")
		}
	}
	return q, nil
}
