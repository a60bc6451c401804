package main

import (
	"context"
	"time"

	"mist/portal"
	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/dictionary"
	"mist/registry/encounter"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/patient"
	"mist/registry/personchange"
	"mist/registry/personrequest"
	"mist/registry/postgres"
	"mist/registry/prescription"
	"mist/registry/record"
	"mist/registry/referral"
	"mist/registry/sickleave"
	"mist/registry/verification"
)

// actRooms is what the kinds of acts bring to the server.
type actRooms struct {
	drafted []portal.Act    // that begin as drafts
	places  []record.Places // that arrive whole, and leave records
	rooms   []portal.Room   // further addresses of their own
	// conclusions are for the citizens' page.
	conclusions *sickleave.Service
	medicines   *prescription.Service
	handlers    job.Handlers   // of the jobs they leave
	periodic    []job.Periodic // what time demands of them
}

// actKinds is the list of act kinds: one line each. The type parameter is the
// kind's port on the transaction; that the database satisfies it is checked
// when the program starts.
func actKinds(p parts) (a actRooms, err error) {
	declarations, err := service[declaration.Tx](p, declaration.Kind{Terms: declaration.DefaultTerms(), Source: p.source})
	if err != nil {
		return a, err
	}
	persons, err := service[personrequest.Tx](p, personrequest.Kind{Terms: patient.DefaultTerms(), Source: p.source, Verification: p.verification})
	if err != nil {
		return a, err
	}
	methods, err := service[personchange.Tx](p, personchange.NewMethods(patient.DefaultTerms(), p.source))
	if err != nil {
		return a, err
	}
	relationships, err := service[personchange.Tx](p, personchange.NewRelationships(patient.DefaultTerms(), p.source))
	if err != nil {
		return a, err
	}
	a.drafted = []portal.Act{
		portal.AuthenticationMethodRequests(methods),
		portal.ConfidantRelationshipRequests(relationships),
		portal.DeclarationRequests(declarations),
		portal.PersonRequests(persons),
	}
	a.handlers = declarations.Handlers().Add(persons.Handlers())
	for _, add := range []func(parts, *actRooms) error{
		encounters, referrals, sickLeaves, prescriptions,
	} {
		if err := add(p, &a); err != nil {
			return a, err
		}
	}
	return a, nil
}

// encounters are visits with their episodes and diagnostic reports.
func encounters(p parts, a *actRooms) error {
	kind := encounter.Kind{Source: p.source, Terms: func(ctx context.Context) (encounter.Terms, error) {
		s, err := p.dictionaries.Snapshot(ctx)
		if err != nil {
			return encounter.Terms{}, err
		}
		return encounter.Terms{Lists: s, Oldest: s.Number("encounter_max_days_passed")}, nil
	}}
	packages, err := submissions[encounter.Tx](p, kind)
	if err != nil {
		return err
	}
	cancels, err := submissions[encounter.Tx](p, encounter.CancelKind{Kind: kind})
	if err != nil {
		return err
	}
	reader, err := p.reader()
	if err != nil {
		return err
	}
	s, err := encounter.New(packages, cancels, reader, postgres.NewPort[encounter.Tx](p.store), kind)
	if err != nil {
		return err
	}
	a.places = append(a.places, s.Places()...)
	return nil
}

// referrals are service requests with their life.
func referrals(p parts, a *actRooms) error {
	kind := referral.Kind{Source: p.source, Terms: func(ctx context.Context) (referral.Terms, error) {
		s, err := p.dictionaries.Snapshot(ctx)
		if err != nil {
			return referral.Terms{}, err
		}
		return referral.Terms{Lists: s, Term: s.Days("service_request_expiration")}, nil
	}}
	var acts referral.Pipelines
	var err error
	if acts.Create, err = submissions[referral.Tx](p, kind); err != nil {
		return err
	}
	if acts.Recall, err = submissions[referral.Tx](p, referral.Recalling(kind)); err != nil {
		return err
	}
	if acts.Cancel, err = submissions[referral.Tx](p, referral.Cancelling(kind)); err != nil {
		return err
	}
	reader, err := p.reader()
	if err != nil {
		return err
	}
	s, err := referral.New(acts, reader, postgres.NewPort[referral.Tx](p.store), kind)
	if err != nil {
		return err
	}
	a.places, a.periodic = append(a.places, s.Places()...), append(a.periodic, s.Jobs()...)
	return nil
}

// serve puts the kinds behind REST.
func (a actRooms) serve(c portal.Config) portal.Config {
	c.Acts = append(c.Acts, a.drafted...)
	c.Rooms = append(c.Rooms, a.rooms...)
	for _, one := range a.places {
		c.Rooms = append(c.Rooms, portal.Records(one))
	}
	return c
}

// jobs that time demands of the kinds.
func (a actRooms) jobs(every time.Duration) []job.Periodic {
	out := make([]job.Periodic, len(a.periodic))
	for i, one := range a.periodic {
		one.Every = every
		out[i] = one
	}
	return out
}

// parts are what every kind's service is made of.
type parts struct {
	store        *postgres.Store
	source       registry.Source
	verifier     intake.Verifier
	policies     intake.Policies
	media        intake.Media
	otpKey       []byte
	limits       LimitsConfig
	dictionaries *dictionary.Service
	// verification asks other registers about who and what enters the registry.
	verification verification.Starter
}

// reader tells records by the rules of access.
func (p parts) reader() (*record.Reader, error) {
	return record.NewReader(postgres.NewPort[record.Tx](p.store), p.source)
}

// submissions is the pipeline of a kind whose documents arrive whole.
func submissions[T intake.SubmissionTx](p parts, kind intake.SubmissionKind[T]) (*intake.Submissions[T], error) {
	return intake.NewSubmissions(kind, postgres.NewPort[T](p.store), p.verifier, p.policies, p.source)
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
