package main

import (
	"mist/portal"
	"mist/registry"
	"mist/registry/approval"
	"mist/registry/declaration"
	"mist/registry/dispute"
	"mist/registry/edge"
	"mist/registry/emergency"
	"mist/registry/idempotency"
	"mist/registry/job"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/payment"
	"mist/registry/personlife"
	"mist/registry/postgres"
	"mist/registry/prm"
	"mist/registry/query"
	"mist/registry/upkeep"
	"mist/registry/verification"
)

// rooms are the services beside the act kinds that REST and the jobs use.
type rooms struct {
	declarations *query.Providers
	life         *declaration.Life
	persons      *query.Persons
	search       *patient.Search
	feed         *query.Feed
	providers    *prm.Service
	replies      *idempotency.Service
	upkeep       *upkeep.Service
	approvals    *approval.Service
	emergencies  *emergency.Service
	desk         *job.Desk
	personLife   *personlife.Service
	messages     *outbox.Desk
	// checks and payments ask the registers that the server has (serve_outbox.go).
	checks   *verification.Service
	payments *payment.Service
	disputes *dispute.Service
	edges    *edge.Service
}

func newRooms(store *postgres.Store, source registry.Source, tokenKey []byte, limits LimitsConfig, exchanges *exchangeRooms) (r rooms, err error) {
	if r.declarations, err = query.NewProviders(postgres.NewPort[query.ProvidersTx](store)); err != nil {
		return rooms{}, err
	}
	if r.life, err = declaration.NewLife(postgres.NewPort[declaration.LifeTx](store)); err != nil {
		return rooms{}, err
	}
	if r.persons, err = query.NewPersons(postgres.NewPort[query.PersonsTx](store), source); err != nil {
		return rooms{}, err
	}
	if r.providers, err = prm.New(postgres.NewPort[prm.Tx](store), source, r.life.EndOfDismissed); err != nil {
		return rooms{}, err
	}
	approvals := approval.DefaultLimits()
	approvals.OTPTTL, approvals.OTPTries = limits.OTPTTL, limits.OTPTries
	if r.approvals, err = approval.New(postgres.NewPort[approval.Tx](store), source, tokenKey, approvals); err != nil {
		return rooms{}, err
	}
	if r.emergencies, err = emergency.New(postgres.NewPort[emergency.Tx](store), source, emergency.DefaultLimits()); err != nil {
		return rooms{}, err
	}
	if r.feed, err = query.NewFeed(postgres.NewPort[query.EventsTx](store)); err != nil {
		return rooms{}, err
	}
	if r.replies, err = idempotency.New(postgres.NewPort[idempotency.Tx](store), source, limits.Replay); err != nil {
		return rooms{}, err
	}
	searching := patient.DefaultSearchLimits()
	searching.PerClient, searching.PerUser = limits.SearchClient, limits.SearchUser
	if r.search, err = patient.NewSearch(postgres.NewPort[patient.SearchTx](store).Everywhere(), source, tokenKey, searching); err != nil {
		return rooms{}, err
	}
	if r.personLife, err = personlife.New(postgres.NewPort[personlife.Tx](store), source); err != nil {
		return rooms{}, err
	}
	if r.disputes, err = dispute.New(postgres.NewPort[dispute.Tx](store), source); err != nil {
		return rooms{}, err
	}
	if r.edges, err = edge.New(postgres.NewPort[edge.Tx](store), source); err != nil {
		return rooms{}, err
	}
	if r.desk, err = job.NewDesk(postgres.NewPort[job.DeskTx](store)); err != nil {
		return rooms{}, err
	}
	if r.messages, err = outbox.NewDesk(postgres.NewPort[outbox.DeskTx](store)); err != nil {
		return rooms{}, err
	}
	if r.checks, r.payments, err = asking(store, source, exchanges, r.personLife); err != nil {
		return rooms{}, err
	}
	r.upkeep, err = upkeep.New(postgres.NewPort[upkeep.Tx](store), r.life, source,
		upkeep.Terms{Verification: limits.VerificationTerm, Retention: limits.DraftRetention})
	return r, err
}

// serve puts the rooms behind REST.
func (r rooms) serve(c portal.Config) portal.Config {
	c.Declarations, c.DeclarationLife = r.declarations, r.life
	c.Approvals, c.Emergencies = r.approvals, r.emergencies
	c.Persons, c.PersonSearch = r.persons, r.search
	c.Events, c.Replies, c.Providers = r.feed, r.replies, r.providers
	c.Jobs = r.desk
	c.PersonLife = r.personLife
	c.Rooms = append(c.Rooms, portal.Registers(r.personLife), portal.Outbox(r.messages), portal.Verifications(r.checks), portal.Payments(r.payments), portal.Edges(r.edges))
	return c
}

// handlers of the jobs the rooms leave behind.
func (r rooms) handlers() job.Handlers {
	return job.Handlers{}
}
