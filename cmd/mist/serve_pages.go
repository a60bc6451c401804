package main

import (
	"mist/portal/doctors"
	"mist/portal/web"
)

// newPages makes the kit and puts every room of pages into it. A new room is
// one call here.
func (s *server) newPages(providers providerRooms) (*web.Kit, error) {
	kit, err := web.New(web.Config{
		BaseURL: s.url("rest", s.cfg.REST.ListenConfig), Sandbox: s.cfg.Profile == profileSandbox, Log: s.log, Clock: s.source.Clock,
	})
	if err != nil {
		return nil, err
	}
	if err := doctors.Add(kit, providers.directory); err != nil {
		return nil, err
	}
	return kit, nil
}
