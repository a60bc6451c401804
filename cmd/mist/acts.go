package main

import (
	"mist/portal"
	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/patient"
	"mist/registry/personchange"
	"mist/registry/personrequest"
	"mist/registry/postgres"
)

// actKinds is the list of act kinds: one line each. The type parameter is the
// kind's port on the transaction; that the database satisfies it is checked
// when the program starts.
func actKinds(store *postgres.Store, source registry.Source, verifier intake.Verifier, documents intake.Media, policies intake.Policies, otpKey []byte, limits LimitsConfig) ([]portal.Act, job.Handlers, error) {
	parts := parts{store, source, verifier, policies, documents, otpKey, limits}
	declarations, err := service[declaration.Tx](parts, declaration.Kind{Terms: declaration.DefaultTerms(), Source: source})
	if err != nil {
		return nil, nil, err
	}
	persons, err := service[personrequest.Tx](parts, personrequest.Kind{Terms: patient.DefaultTerms(), Source: source})
	if err != nil {
		return nil, nil, err
	}
	methods, err := service[personchange.Tx](parts, personchange.NewMethods(patient.DefaultTerms(), source))
	if err != nil {
		return nil, nil, err
	}
	relationships, err := service[personchange.Tx](parts, personchange.NewRelationships(patient.DefaultTerms(), source))
	if err != nil {
		return nil, nil, err
	}
	return []portal.Act{
		portal.AuthenticationMethodRequests(methods),
		portal.ConfidantRelationshipRequests(relationships),
		portal.DeclarationRequests(declarations),
		portal.PersonRequests(persons),
	}, declarations.Handlers().Add(persons.Handlers()), nil
}

// parts are what every kind's service is made of.
type parts struct {
	store    *postgres.Store
	source   registry.Source
	verifier intake.Verifier
	policies intake.Policies
	media    intake.Media
	otpKey   []byte
	limits   LimitsConfig
}

func service[T intake.Tx](p parts, kind intake.Kind[T]) (*intake.Service[T], error) {
	return serviceOn(p, postgres.NewPort[T](p.store), kind)
}

func serviceOn[T intake.Tx](p parts, port postgres.Port[T], kind intake.Kind[T]) (*intake.Service[T], error) {
	return intake.New(intake.Config[T]{
		Kind: kind, Store: port, Verifier: p.verifier, Policies: p.policies, Media: p.media,
		Source: p.source, OTPKey: p.otpKey,
		Limits: intake.Limits{DraftTTL: p.limits.DraftTTL, OTPTTL: p.limits.OTPTTL, OTPTries: p.limits.OTPTries, OTPCodes: p.limits.OTPCodes,
			PendingRetry: p.limits.PendingRetry, PendingTerm: p.limits.PendingTerm},
	})
}
