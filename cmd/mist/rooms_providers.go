package main

import (
	"context"
	"time"

	"mist/portal"
	"mist/registry/address"
	"mist/registry/contract"
	"mist/registry/dictionary"
	"mist/registry/directory"
	"mist/registry/employeerequest"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/legalentity"
	"mist/registry/medication"
	"mist/registry/postgres"
	"mist/registry/prm"
)

// providerRooms are the rooms where providers are changed, and the code lists
// their rules read.
type providerRooms struct {
	dictionaries     *dictionary.Service
	legalEntities    *legalentity.Service
	divisions        *prm.Divisions
	employeeRequests *employeerequest.Service
	blackList        *prm.BlackList
	contracts        *contract.Service
	directory        *directory.Service
	addresses        *address.Service
	medications      *medication.Service
}

// directoryPause is the least time between two readings of the directory.
const directoryPause = 2 * time.Second

func newProviderRooms(p parts, dismissed prm.Dismissed) (r providerRooms, err error) {
	store, source, verifier, policies := p.store, p.source, p.verifier, p.policies
	r.dictionaries = p.dictionaries
	lists := func(ctx context.Context) (prm.Lists, error) { return r.dictionaries.Snapshot(ctx) }
	term := func(ctx context.Context) (time.Duration, error) {
		s, err := r.dictionaries.Snapshot(ctx)
		if err != nil {
			return 0, err
		}
		return s.Days("employee_request_expiration"), nil
	}
	consent := func(ctx context.Context) (string, error) {
		s, err := r.dictionaries.Snapshot(ctx)
		if err != nil {
			return "", err
		}
		d, _ := s.Dictionary("CAPITATION_CONTRACT_CONSENT_TEXT")
		return d.Values["APPROVED"], nil
	}

	if r.medications, err = medication.New(postgres.NewPort[medication.Tx](store), source); err != nil {
		return r, err
	}
	if r.addresses, err = address.New(postgres.NewPort[address.Tx](store), source); err != nil {
		return r, err
	}
	if r.directory, err = directory.New(postgres.NewPort[directory.Tx](store).Everywhere(), source, directoryPause); err != nil {
		return r, err
	}
	// Whoever has the scope may bring a signed registration: legal entities are public.
	entities := postgres.NewPort[legalentity.Tx](store).Everywhere()
	registrations, err := intake.NewSubmissions(legalentity.Kind{Source: source, Lists: lists, RequestTerm: term, Verification: p.verification}, entities, verifier, policies, source)
	if err != nil {
		return r, err
	}
	if r.legalEntities, err = legalentity.New(registrations, entities, source); err != nil {
		return r, err
	}
	if r.divisions, err = prm.NewDivisions(postgres.NewPort[prm.DivisionTx](store), source); err != nil {
		return r, err
	}
	requests := postgres.NewPort[employeerequest.Tx](store)
	invitations, err := intake.NewSubmissions(employeerequest.Kind{Source: source, Lists: lists, Term: term}, requests, verifier, policies, source)
	if err != nil {
		return r, err
	}
	if r.employeeRequests, err = employeerequest.New(invitations, requests, source, term, dismissed); err != nil {
		return r, err
	}
	if r.blackList, err = prm.NewBlackList(postgres.NewPort[prm.BlackListTx](store), source); err != nil {
		return r, err
	}
	r.contracts, err = contract.New(contract.Config{Store: postgres.NewPort[contract.Tx](store), Media: p.media, Verifier: verifier, Policies: policies, Source: source, Lists: lists, Consent: consent})
	return r, err
}

// serve puts the rooms behind REST.
func (r providerRooms) serve(c portal.Config) portal.Config {
	c.Rooms = append(c.Rooms, portal.LegalEntities(r.legalEntities), portal.Divisions(r.divisions), portal.EmployeeRequests(r.employeeRequests),
		portal.BlackList(r.blackList), portal.Contracts(r.contracts), portal.Dictionaries(r.dictionaries), portal.Directory(r.directory), portal.Addresses(r.addresses),
		portal.Medications(r.medications))
	return c
}

// jobs that time demands of the rooms.
func (r providerRooms) jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{
		{Kind: "legal_entity.end", Every: every, Run: r.legalEntities.EndAll},
		{Kind: "employee_request.expire", Every: every, Run: r.employeeRequests.ExpireAll},
		{Kind: "contract.end", Every: every, Run: r.contracts.EndAll},
	}
}
