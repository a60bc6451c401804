package main

import (
	"mist/portal"
	"mist/portal/developer"
	"mist/portal/web"
	"mist/registry/access"
	"mist/signature"
)

// addDeveloperPages adds /dev. Test keys and secrets are shown of a sandbox
// alone: they open nothing else.
func (s *server) addDeveloperPages(kit *web.Kit, verifier *signature.Verifier, a *access.Service, journal *portal.Journal, box *sandbox) error {
	c := developer.Config{
		BaseURL: s.url("rest", s.cfg.REST.ListenConfig), Verifier: verifier, Access: a, Journal: journal, MaxDocument: s.cfg.REST.MaxBody,
	}
	if box != nil {
		c.Sandbox = box.forDevelopers
	}
	return developer.Add(kit, c)
}

// forDevelopers is sandbox.json as the pages show it. The sandbox is complete
// before the server answers.
func (b *sandbox) forDevelopers() developer.Sandbox {
	p := b.public
	out := developer.Sandbox{TSA: p.TSA, OTP: p.OTPURL, Trust: p.Trust}
	for _, c := range p.Clients {
		one := developer.Client{Name: c.Name, ID: c.ClientID, Secret: c.ClientSecret, Scopes: c.Scopes}
		for _, person := range p.People {
			if person.Role == roleDoctor && person.LegalEntityID == c.LegalEntityID && c.LegalEntityID != "" {
				one.EmployeeID = person.EmployeeID
				break
			}
		}
		out.Clients = append(out.Clients, one)
	}
	key := func(person sandboxPerson, outcome string) {
		out.Keys = append(out.Keys, developer.Key{Role: person.Role, Name: person.Name, Algorithm: person.Algorithm, Outcome: outcome, KeyFile: person.Key, CertFile: person.Cert})
	}
	for _, person := range p.People {
		key(person, "good")
	}
	for _, n := range p.Negative {
		key(n.Person, n.Case)
	}
	return out
}
