package main

import (
	"mist/portal"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/personrequest"
	"mist/registry/postgres"
)

// pis is the room of patient information systems. A citizen's own rows, and the
// requests of those they speak for, are behind the wall like everybody's; a change of
// contacts writes to the index, which reaches all.
func pis(p parts) (portal.Room, error) {
	requests, err := serviceOn(p, postgres.NewPort[declaration.Tx](p.store), intake.Kind[declaration.Tx](declaration.Kind{Terms: declaration.DefaultTerms(), Source: p.source}))
	if err != nil {
		return nil, err
	}
	own, err := declaration.NewCitizen(postgres.NewPort[declaration.CitizenTx](p.store))
	if err != nil {
		return nil, err
	}
	changes, err := intake.NewSubmissions(personrequest.OwnKind{Terms: patient.DefaultTerms(), Source: p.source}, postgres.NewPort[personrequest.OwnTx](p.store).Everywhere(), p.verifier, p.policies, p.source)
	if err != nil {
		return nil, err
	}
	return portal.Together(portal.PIS(requests, own), portal.OwnPerson(changes)), nil
}
