package main

import (
	"context"
	"time"

	"mist/portal"
	"mist/registry/dispense"
	"mist/registry/postgres"
	"mist/registry/prescription"
)

// prescriptionDraft is how long a draft of a prescription may wait for its
// signature (domain notes 1.7).
const prescriptionDraft = 30 * time.Minute

// prescriptions are prescriptions, what pharmacies do with them, and the report
// of what the state pays.
func prescriptions(p parts, a *actRooms) error {
	kind := prescription.Kind{Source: p.source, Terms: func(ctx context.Context) (prescription.Terms, error) {
		s, err := p.dictionaries.Snapshot(ctx)
		if err != nil {
			return prescription.Terms{}, err
		}
		t := prescription.DefaultTerms()
		t.Lists, t.DispenseDays = s, s.Number("medication_dispense_period")
		return t, nil
	}}
	short := p
	short.limits.DraftTTL = min(short.limits.DraftTTL, prescriptionDraft)
	drafts, err := service[prescription.Tx](short, kind)
	if err != nil {
		return err
	}
	rejects, err := submissions[prescription.Tx](p, prescription.RejectKind{Kind: kind})
	if err != nil {
		return err
	}
	reader, err := p.reader()
	if err != nil {
		return err
	}
	s, err := prescription.New(reader, rejects, postgres.NewPort[prescription.Tx](p.store), kind)
	if err != nil {
		return err
	}
	d, err := dispense.New(dispense.Config{Store: postgres.NewPort[dispense.Tx](p.store), Reads: reader, Verifier: p.verifier, Policies: p.policies, Source: p.source, Terms: dispense.DefaultTerms()})
	if err != nil {
		return err
	}
	a.medicines = s
	a.drafted = append(a.drafted, portal.MedicationRequestRequests(drafts))
	a.handlers = a.handlers.Add(drafts.Handlers())
	a.places = append(append(a.places, s.Places()...), d.Places()...)
	a.rooms = append(a.rooms, portal.Prescriptions(s), portal.Dispenses(d))
	a.periodic = append(a.periodic, s.Jobs(), d.Jobs())
	return nil
}
