package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"mist/portal/me"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/postgres"
	"mist/registry/query"
)

// newDisclosures builds the service behind the Diia contract.
func (s *server) newDisclosures(trusted *trustKeeper, policies query.Policies) (*query.Service, error) {
	verifier, err := trusted.consents()
	if err != nil {
		return nil, err
	}
	return query.New(query.Config{
		Store: postgres.NewQuestions(s.store), Verifier: verifier, Policies: policies, Source: s.source, Replay: s.cfg.Limits.Replay,
		Attested: s.cfg.SOAP.Attested, Misses: s.cfg.Limits.Misses, Log: s.store,
	})
}

// addCitizenPage puts /me among the pages where a client for it is configured.
func (s *server) addCitizenPage(kit *web.Kit, login *access.Service, cases me.Cases, acts *actRooms) error {
	if s.cfg.REST.CitizenClient == "" {
		return nil
	}
	citizen, err := query.NewCitizen(postgres.NewPort[query.CitizenTx](s.store).Everywhere(), s.source)
	if err != nil {
		return err
	}
	return me.Add(kit, me.Config{
		Login: login, Citizen: citizen, Cases: cases, SickLeaves: acts.conclusions, Prescriptions: acts.medicines, ClientID: s.cfg.REST.CitizenClient, Clock: s.source.Clock,
		Secure: strings.HasPrefix(s.url("rest", s.cfg.REST.ListenConfig), "https://"),
	})
}

const (
	// followPeriod is how soon an entry is found by the person it is about, once
	// it has its checkpoint.
	followPeriod = 500 * time.Millisecond
	followBatch  = 2000
)

// followLog notes, behind the sequencer, which entries are about whom and what
// auditors search by, until the context ends. Several servers may do so: the row of the place is locked.
func (s *server) followLog(ctx context.Context) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(followPeriod); ; {
			select {
			case <-following.Done():
				tick.Stop()
				return
			case <-tick.C:
				if err := s.catchUp(following, (*postgres.Tx).FollowLog); err != nil && following.Err() == nil {
					s.log.Warn("noting whom entries are about", "cause", err.Error())
				}
				if err := s.catchUp(following, (*postgres.Tx).IndexLog); err != nil && following.Err() == nil {
					s.log.Warn("indexing the log for auditors", "cause", err.Error())
				}
			}
		}
	}()
	s.onClose(func() { stop(); <-done })
}

func (s *server) catchUp(ctx context.Context, step func(*postgres.Tx, context.Context, int) (int, error)) error {
	for n := followBatch; n == followBatch; {
		err := s.store.Update(ctx, func(ctx context.Context, tx *postgres.Tx) (err error) {
			n, err = step(tx, ctx, followBatch)
			return err
		})
		if err != nil {
			var e *registry.Error
			if errors.As(err, &e) && e.Code == registry.CodeConflict {
				return nil // another server is at it
			}
			return err
		}
	}
	return nil
}
