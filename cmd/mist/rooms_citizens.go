package main

import (
	"mist/portal"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/personrequest"
	"mist/registry/postgres"
)

// pis is the room of patient information systems. A citizen's request crosses
// legal entities by its nature: the room itself shows only what is their own.
func pis(p parts) (portal.Room, error) {
	requests, err := serviceOn(p, postgres.NewPort[declaration.Tx](p.store).Everywhere(), intake.Kind[declaration.Tx](declaration.Kind{Terms: declaration.DefaultTerms(), Source: p.source}))
	if err != nil {
		return nil, err
	}
	own, err := declaration.NewCitizen(postgres.NewPort[declaration.CitizenTx](p.store).Everywhere())
	if err != nil {
		return nil, err
	}
	changes, err := intake.NewSubmissions(personrequest.OwnKind{Terms: patient.DefaultTerms(), Source: p.source}, postgres.NewPort[personrequest.OwnTx](p.store).Everywhere(), p.verifier, p.policies, p.source)
	if err != nil {
		return nil, err
	}
	return portal.Together(portal.PIS(requests, own), portal.OwnPerson(changes)), nil
}
