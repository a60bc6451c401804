package diia_test

import (
	"context"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
)

// recorded stands in for the disclosure service: these tests are about the
// binding; the scripts in fixtures/scripts run it against the real one.
type recorded struct {
	caller   registry.Caller
	ask      query.Request
	statuses []declaration.Status
	number   string
	page     int
	of       query.Dependant
	id       registry.ID
	period   query.AccessPeriod

	outcome       query.Outcome
	declarations  []query.DeclarationView
	history       query.HistoryPage
	active        query.ActiveView
	state         query.ConsentState
	consents      []query.ConsentView
	accesses      query.AccessPage
	prescriptions []query.PrescriptionView
	leaves        []query.SickLeaveView
	evidence      query.Evidence
	err           error
}

func (r *recorded) note(c registry.Caller, q query.Request) { r.caller, r.ask = c, q }

func (r *recorded) DeclarationByPatient(_ context.Context, c registry.Caller, q query.Request, statuses []declaration.Status) (query.Answer[[]query.DeclarationView], error) {
	r.note(c, q)
	r.statuses = statuses
	return query.Answer[[]query.DeclarationView]{Outcome: r.outcome, Data: r.declarations}, r.err
}

func (r *recorded) DeclarationByNumber(_ context.Context, c registry.Caller, q query.Request, number string) (query.Answer[[]query.DeclarationView], error) {
	r.note(c, q)
	r.number = number
	return query.Answer[[]query.DeclarationView]{Outcome: r.outcome, Data: r.declarations}, r.err
}

func (r *recorded) DeclarationHistory(_ context.Context, c registry.Caller, q query.Request, page int) (query.Answer[query.HistoryPage], error) {
	r.note(c, q)
	r.page = page
	return query.Answer[query.HistoryPage]{Outcome: r.outcome, Data: r.history}, r.err
}

func (r *recorded) CheckActiveDeclaration(_ context.Context, c registry.Caller, q query.Request) (query.Answer[query.ActiveView], error) {
	r.note(c, q)
	return query.Answer[query.ActiveView]{Outcome: r.outcome, Data: r.active}, r.err
}

func (r *recorded) DependentDeclarations(_ context.Context, c registry.Caller, q query.Request, of query.Dependant) (query.Answer[[]query.DeclarationView], error) {
	r.note(c, q)
	r.of = of
	return query.Answer[[]query.DeclarationView]{Outcome: r.outcome, Data: r.declarations}, r.err
}

func (r *recorded) RegisterConsent(_ context.Context, c registry.Caller, q query.Request) (query.Answer[query.ConsentState], error) {
	r.note(c, q)
	return query.Answer[query.ConsentState]{Outcome: r.outcome, Data: r.state}, r.err
}

func (r *recorded) RevokeConsent(_ context.Context, c registry.Caller, q query.Request, id registry.ID) (query.Answer[query.ConsentState], error) {
	r.note(c, q)
	r.id = id
	return query.Answer[query.ConsentState]{Outcome: r.outcome, Data: r.state}, r.err
}

func (r *recorded) Consents(_ context.Context, c registry.Caller, q query.Request) (query.Answer[[]query.ConsentView], error) {
	r.note(c, q)
	return query.Answer[[]query.ConsentView]{Outcome: r.outcome, Data: r.consents}, r.err
}

func (r *recorded) AccessLog(_ context.Context, c registry.Caller, q query.Request, p query.AccessPeriod) (query.Answer[query.AccessPage], error) {
	r.note(c, q)
	r.period = p
	return query.Answer[query.AccessPage]{Outcome: r.outcome, Data: r.accesses}, r.err
}

func (r *recorded) Prescriptions(_ context.Context, c registry.Caller, q query.Request) (query.Answer[[]query.PrescriptionView], error) {
	r.note(c, q)
	return query.Answer[[]query.PrescriptionView]{Outcome: r.outcome, Data: r.prescriptions}, r.err
}

func (r *recorded) SickLeaves(_ context.Context, c registry.Caller, q query.Request) (query.Answer[[]query.SickLeaveView], error) {
	r.note(c, q)
	return query.Answer[[]query.SickLeaveView]{Outcome: r.outcome, Data: r.leaves}, r.err
}

func (r *recorded) ResponseEvidence(_ context.Context, c registry.Caller, id registry.ID) (query.Evidence, error) {
	r.caller, r.id = c, id
	return r.evidence, r.err
}
