package main

import (
	"strings"

	operatorpages "mist/portal/operator"
	"mist/portal/web"
	"mist/registry/access"
)

// addOperatorPages puts /ops among the pages where a client for it is configured;
// c brings the rooms they show.
func (s *server) addOperatorPages(kit *web.Kit, login *access.Service, c operatorpages.Config) error {
	if s.cfg.REST.OperatorClient == "" {
		return nil
	}
	c.Login, c.ClientID, c.Clock = login, s.cfg.REST.OperatorClient, s.source.Clock
	c.Secure = strings.HasPrefix(s.url("rest", s.cfg.REST.ListenConfig), "https://")
	return operatorpages.Add(kit, c)
}
