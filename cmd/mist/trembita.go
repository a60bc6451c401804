package main

import (
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"mist/registry/query"
	"mist/soap"
	"mist/soap/diia"
	"mist/soap/xroad"
	"mist/wsdl"
)

// newTrembita builds the SOAP side.
func (s *server) newTrembita(disclosures *query.Service, metrics prometheus.Registerer) (*soap.Server, error) {
	c := s.cfg.SOAP
	provider, err := xroad.ParseClientID(c.Service)
	if err != nil {
		return nil, fmt.Errorf("soap.service: %w", err)
	}
	var clients []xroad.ClientID
	for _, text := range c.Clients {
		id, err := xroad.ParseClientID(text)
		if err != nil {
			return nil, fmt.Errorf("soap.clients: %w", err)
		}
		clients = append(clients, id)
	}
	contract, err := wsdl.LoadAs("diia", c.Namespace)
	if err != nil {
		return nil, err
	}
	services, err := diia.Services(diia.Config{
		Provider: provider, Clients: clients, Contract: contract, Queries: disclosures, Now: s.source.Now,
		RequirePurpose: c.RequirePurpose, Rate: xroad.Rate{PerSecond: c.RatePerSecond, Burst: c.Burst, Clock: s.source.Clock},
	})
	if err != nil {
		return nil, err
	}
	router, err := xroad.NewRouter(services, s.cfg.Sandbox.Echo)
	if err != nil {
		return nil, err
	}
	handler, err := soap.New(soap.Handler{
		Service: router, DetailNS: contract.TargetNamespace, Contract: contract.At, PublicURL: c.PublicURL,
		Source: s.source, Log: s.log, Observe: observeSOAP(metrics),
	})
	if err != nil {
		return nil, err
	}
	transport, err := c.transport(s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	return soap.NewServer(handler, transport, s.log)
}

// transport turns the settings of the Trembita listener into its guards.
func (c SOAPConfig) transport(limits LimitsConfig) (soap.Transport, error) {
	t := soap.Transport{ReadHeader: limits.ReadHeader, Read: limits.Read, Write: limits.Write, Idle: 2 * limits.Read}
	for _, text := range c.Allowed {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return soap.Transport{}, fmt.Errorf("soap.allowed: %q is not an address range such as 192.0.2.0/24", text)
		}
		t.Allowed = append(t.Allowed, p)
	}
	if !c.TLS.on() {
		return t, nil
	}
	for _, text := range c.TLS.Pinned {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 32 {
			return soap.Transport{}, fmt.Errorf("soap.tls.pinned: a SHA-256 digest in hexadecimal is expected")
		}
		t.PinnedClients = append(t.PinnedClients, [32]byte(b))
	}
	// Read for every handshake: a renewed certificate needs no restart.
	load := func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
		return &pair, err
	}
	if _, err := load(nil); err != nil {
		return soap.Transport{}, fmt.Errorf("soap.tls: %w", err)
	}
	t.Certificate = load
	return t, nil
}
