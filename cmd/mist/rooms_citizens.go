package main

import (
	"mist/portal"
	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/postgres"
)

// pis is the room of patient information systems. A citizen's request crosses
// legal entities by its nature: the room itself shows only what is their own.
func pis(store *postgres.Store, source registry.Source, verifier intake.Verifier, documents intake.Media, policies intake.Policies, otpKey []byte, limits LimitsConfig) (portal.Room, error) {
	p := parts{store, source, verifier, policies, documents, otpKey, limits}
	requests, err := serviceOn(p, postgres.NewPort[declaration.Tx](store).Everywhere(), intake.Kind[declaration.Tx](declaration.Kind{Terms: declaration.DefaultTerms(), Source: source}))
	if err != nil {
		return nil, err
	}
	own, err := declaration.NewCitizen(postgres.NewPort[declaration.CitizenTx](store).Everywhere())
	if err != nil {
		return nil, err
	}
	return portal.PIS(requests, own), nil
}
