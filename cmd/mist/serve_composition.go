package main

import (
	"fmt"
	"net/http"
	"strings"

	"mist/registry/exchange"
	"mist/registry/postgres"
	"mist/registry/query"
	"mist/registry/quota"
	"mist/soap"
	"mist/soap/composition"
	"mist/soap/xroad"
	"mist/wsdl"
)

// CompositionsConfig publishes PublicGetComposition at /composition of the Trembita listener.
type CompositionsConfig struct {
	// Clients may ask; empty: the service is not published.
	Clients []string `yaml:"clients,omitempty"`
	// NationalCodes tells askers which of number and identity did not match, in
	// the codes of the national system (10911-10917). Whoever knows a number then
	// learns what the registry holds of its person; without it, whatever does not
	// match is one answer. The trail has the precise code either way.
	NationalCodes bool `yaml:"national_codes,omitempty"`
	// Namespace is the contract's name on this installation; empty: the project's URN.
	Namespace string `yaml:"namespace,omitempty"`
}

// compositionsBySOAP mounts the check of conclusions where a client may ask.
func (s *server) compositionsBySOAP(all *http.ServeMux, provider xroad.ClientID, observe func(soap.Outcome), calls *quota.Clients, exchanges *exchange.Service) error {
	c := s.cfg.SOAP
	if len(c.Compositions.Clients) == 0 {
		return nil
	}
	clients, err := clientIDs("soap.compositions.clients", c.Compositions.Clients)
	if err != nil {
		return err
	}
	contract, err := wsdl.LoadAs("composition", c.Compositions.Namespace)
	if err != nil {
		return fmt.Errorf("soap.compositions.namespace: %w", err)
	}
	queries, err := query.NewCompositions(query.CompositionsConfig{
		Store: postgres.NewPort[query.CompositionsTx](s.store).Everywhere(), Source: s.source, Codes: c.Compositions.NationalCodes, Misses: s.cfg.Limits.Misses,
	})
	if err != nil {
		return err
	}
	services, err := composition.Services(composition.Config{
		Provider: provider, Clients: clients, Contract: contract, Queries: queries, RequirePurpose: c.RequirePurpose, Quota: calls, Recorder: exchanges,
	})
	if err != nil {
		return err
	}
	router, err := xroad.NewRouter(services, false)
	if err != nil {
		return err
	}
	address := ""
	if c.PublicURL != "" {
		address = strings.TrimRight(c.PublicURL, "/") + "/composition"
	}
	handler, err := soap.New(soap.Handler{
		Service: router, DetailNS: contract.TargetNamespace, Contract: contract.At, PublicURL: address, Source: s.source, Log: s.log, Observe: observe,
	})
	if err != nil {
		return err
	}
	all.Handle("/composition", handler)
	return nil
}
