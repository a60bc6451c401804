package me

import (
	"context"
	"net/http"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/prescription"
)

// Prescriptions are what doctors prescribed to the reader; *prescription.Service
// is one.
type Prescriptions interface {
	Mine(ctx context.Context, c registry.Caller) ([]prescription.Prescription, error)
}

// prescriptionLine is a prescription in words.
type prescriptionLine struct {
	prescription.Prescription
	State string
	Mark  web.Mark
	// Given tells that a pharmacy has given some of it out.
	Given bool
}

// prescriptionStates are the states that have words.
var prescriptionStates = map[string]web.Mark{"ACTIVE": web.Good, "COMPLETED": web.None, "EXPIRED": web.Bad, "REJECTED": web.Bad}

func (r *room) prescriptions(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	list, err := r.Prescriptions.Mine(q.Context(), c)
	if err != nil {
		return err
	}
	lines := make([]prescriptionLine, len(list))
	for i, p := range list {
		lines[i] = prescriptionLine{p, p.Status, web.Unknown, p.Body.Dispensed > 0}
		if mark, known := prescriptionStates[p.Status]; known {
			lines[i].State, lines[i].Mark = q.T("me.prescription.state."+p.Status), mark
		}
		if p.Body.Block != nil {
			lines[i].State, lines[i].Mark = q.T("me.prescription.state.blocked"), web.Bad
		}
	}
	return q.Render(w, web.Page{Template: "prescriptions", Title: q.T("me.prescriptions.title"), Data: lines})
}
