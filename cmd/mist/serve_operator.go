package main

import (
	"strings"

	operatorpages "mist/portal/operator"
	"mist/portal/web"
	"mist/registry/access"
)

// addOperatorPages puts /ops among the pages where a client for it is configured.
func (s *server) addOperatorPages(kit *web.Kit, login *access.Service, jobs operatorpages.Jobs, merges operatorpages.Merges) error {
	if s.cfg.REST.OperatorClient == "" {
		return nil
	}
	return operatorpages.Add(kit, operatorpages.Config{Login: login, Jobs: jobs, Merges: merges, ClientID: s.cfg.REST.OperatorClient, Clock: s.source.Clock,
		Secure: strings.HasPrefix(s.url("rest", s.cfg.REST.ListenConfig), "https://")})
}
