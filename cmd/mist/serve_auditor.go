package main

import (
	"strings"

	"mist/portal/auditor"
	"mist/portal/web"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/postgres"
	"mist/registry/trail"
)

// addAuditorPages puts /audit among the pages where a client for it is configured.
func (s *server) addAuditorPages(kit *web.Kit, login *access.Service, logKey string) error {
	if s.cfg.REST.AuditorClient == "" {
		return nil
	}
	verifier, err := audit.ReadVerifier(logKey)
	if err != nil {
		return err
	}
	reading, err := trail.New(trail.Config{Store: postgres.NewPort[trail.Tx](s.store).Everywhere(), Log: s.store, Key: verifier, Clock: s.source.Clock})
	if err != nil {
		return err
	}
	base := s.url("rest", s.cfg.REST.ListenConfig)
	c := auditor.Config{
		Login: login, Trail: reading, Log: s.store, ClientID: s.cfg.REST.AuditorClient, Clock: s.source.Clock,
		LogKey: logKey, LogURL: base + "/log", Quorum: s.cfg.Log.Quorum, Secure: strings.HasPrefix(base, "https://"),
	}
	for _, w := range s.cfg.Log.Witnesses {
		key, err := audit.ReadWitnessKey(w.Key)
		if err != nil {
			return err
		}
		c.Witnesses = append(c.Witnesses, auditor.Witness{Organisation: w.Organisation, Text: w.Key, Key: key})
	}
	return auditor.Add(kit, c)
}
