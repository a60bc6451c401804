package main

import (
	"context"
	"strings"

	"mist/portal/developer"
	"mist/portal/web"
	"mist/registry/access"
	"mist/registry/journal"
	"mist/registry/postgres"
	"mist/signature"
	"mist/wsdl"
)

// addDeveloperPages adds /dev. Test keys and secrets are shown of a sandbox
// alone: they open nothing else.
func (s *server) addDeveloperPages(kit *web.Kit, verifier *signature.Verifier, a *access.Service, requests *journal.Journal, box *sandbox) error {
	contract, err := wsdl.Load("registry")
	if err != nil {
		return err
	}
	address := s.cfg.SOAP.PublicURL
	if address == "" {
		address = s.url("soap", s.cfg.SOAP.ListenConfig)
	}
	address = strings.TrimRight(address, "/") + "/registry"
	c := developer.Config{
		SOAP:    developer.SOAP{Address: address, Contract: address + "?wsdl", Namespace: contract.TargetNamespace, Operations: contract.Operations},
		BaseURL: s.url("rest", s.cfg.REST.ListenConfig), Verifier: verifier, Access: a, Journal: requests, MaxDocument: s.cfg.REST.MaxBody,
	}
	if box != nil {
		c.Sandbox = box.forDevelopers
		c.SOAP.Client, c.SOAP.Service = sandboxMIS, s.cfg.SOAP.Service
	}
	return developer.Add(kit, c)
}

// forDevelopers is sandbox.json as the pages show it. The sandbox is complete
// before the server answers.
func (b *sandbox) forDevelopers() developer.Sandbox {
	p := b.public
	out := developer.Sandbox{TSA: p.TSA, OTP: p.OTPURL, OCSP: p.OCSP, Trust: p.Trust}
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
	for _, o := range p.Organisations {
		if o.SealKey != "" {
			out.Keys = append(out.Keys, developer.Key{Role: "seal", Name: o.Name, Algorithm: algorithmDSTU, Outcome: "seal", KeyFile: o.SealKey, CertFile: o.SealCert})
		}
	}
	return out
}

// keepRequests keeps the journal of requests until the server has drained.
func (s *server) keepRequests(ctx context.Context) (*journal.Journal, error) {
	j, err := journal.New(postgres.NewPort[journal.Tx](s.store).Everywhere(), s.source.Clock, journal.DefaultLimits())
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.Run(running, func(lost int, err error) {
			attrs := []any{"lines", lost}
			if err != nil {
				attrs = append(attrs, "cause", err.Error())
			}
			s.log.Warn("lines of the request log are lost", attrs...)
		})
	}()
	s.onClose(func() { stop(); <-done })
	return j, nil
}
