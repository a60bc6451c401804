package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"mist/portal"
	portaldiia "mist/portal/diia"
	"mist/portal/fhir"
	"mist/portal/gateway"
	"mist/registry"
	"mist/registry/exchange"
	"mist/registry/postgres"
	"mist/registry/query"
	"mist/registry/quota"
	"mist/soap"
	"mist/soap/diia"
	soapregistry "mist/soap/registry"
	"mist/soap/xroad"
	"mist/wsdl"
)

// newTrembita builds the SOAP side.
func (s *server) newTrembita(disclosures *query.Service, rest http.Handler, metrics prometheus.Registerer) (*soap.Server, error) {
	c := s.cfg.SOAP
	provider, err := xroad.ParseClientID(c.Service)
	if err != nil {
		return nil, fmt.Errorf("soap.service: %w", err)
	}
	clients, err := clientIDs("soap.clients", c.Clients)
	if err != nil {
		return nil, err
	}
	contract, err := wsdl.LoadAs("diia", c.Namespace)
	if err != nil {
		return nil, err
	}
	// One quota of each client for SOAP, its REST twin and FHIR.
	calls, err := quota.New(c.RatePerSecond, c.Burst, s.source.Clock, slices.Concat(c.Clients, c.RegistryClients, c.Compositions.Clients)...)
	if err != nil {
		return nil, fmt.Errorf("soap.rate_per_second: %w", err)
	}
	exchanges, err := exchange.New(postgres.NewPort[exchange.Tx](s.store).Everywhere())
	if err != nil {
		return nil, err
	}
	services, err := diia.Services(diia.Config{
		Provider: provider, Clients: clients, Contract: contract, Queries: disclosures, Now: s.source.Now,
		RequirePurpose: c.RequirePurpose, Quota: calls, Recorder: exchanges,
	})
	if err != nil {
		return nil, err
	}
	router, err := xroad.NewRouter(services, s.cfg.Sandbox.Echo)
	if err != nil {
		return nil, err
	}
	observe := observeSOAP(metrics)
	handler, err := soap.New(soap.Handler{
		Service: router, DetailNS: contract.TargetNamespace, Contract: contract.At, PublicURL: c.PublicURL,
		Source: s.source, Log: s.log, Observe: observe,
	})
	if err != nil {
		return nil, err
	}
	all := http.NewServeMux()
	all.Handle("/", handler)
	if len(c.RegistryClients) > 0 {
		registryHandler, err := s.registryBySOAP(provider, rest, observe, calls, exchanges)
		if err != nil {
			return nil, err
		}
		all.Handle("/registry", registryHandler)
	}
	if err := s.compositionsBySOAP(all, provider, observe, calls, exchanges); err != nil {
		return nil, err
	}
	if err := s.diiaByREST(all, disclosures, calls); err != nil {
		return nil, err
	}
	transport, err := c.transport(s.cfg.Limits)
	if err != nil {
		return nil, err
	}
	return soap.NewServer(all, transport, s.log)
}

func clientIDs(setting string, texts []string) (out []xroad.ClientID, err error) {
	for _, text := range texts {
		id, err := xroad.ParseClientID(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", setting, err)
		}
		out = append(out, id)
	}
	return out, nil
}

// diiaByREST mounts the REST twin of the Diia service and its FHIR form behind
// the headers of the security server.
func (s *server) diiaByREST(all *http.ServeMux, disclosures *query.Service, calls *quota.Clients) error {
	c := s.cfg.SOAP
	own, err := gateway.ParseMember(c.Service)
	if err != nil {
		return fmt.Errorf("soap.service: %w", err)
	}
	guard := gateway.Config{Service: own, RequirePurpose: c.RequirePurpose, Quota: calls, Refuse: portaldiia.Refuse}
	for _, text := range c.Clients {
		m, err := gateway.ParseMember(text)
		if err != nil {
			return fmt.Errorf("soap.clients: %w", err)
		}
		guard.Clients = append(guard.Clients, m)
	}
	twin, err := portaldiia.New(portaldiia.Config{Queries: disclosures, Now: s.source.Now, Log: s.log})
	if err != nil {
		return err
	}
	resources, err := fhir.New(fhir.Config{Queries: disclosures, Now: s.source.Now, Log: s.log, Sender: fhirSender})
	if err != nil {
		return err
	}
	all.Handle("/rest/diia/v1/", http.StripPrefix("/rest/diia/v1", guard.Handler(twin)))
	guard.Refuse = fhir.Refuse // a FHIR client reads OperationOutcome alone
	all.Handle("/fhir/R4/", http.StripPrefix("/fhir/R4", guard.Handler(resources)))
	return nil
}

// fhirSender tells FHIR who asks, by the headers the gateway has read.
func fhirSender(r *http.Request) (fhir.Sender, error) {
	call, ok := gateway.From(r.Context())
	if !ok {
		return fhir.Sender{}, registry.Errorf(registry.CodeUnauthenticated, "the request did not come through a security server")
	}
	sender := fhir.Sender{Caller: call.Caller(), MessageID: call.MessageID, About: call.About}
	if len(call.Purposes) > 0 {
		sender.PurposeID = call.Purposes[0]
	}
	return sender, nil
}

// registryBySOAP publishes every operation of the REST contract by SOAP.
func (s *server) registryBySOAP(provider xroad.ClientID, rest http.Handler, observe func(soap.Outcome), calls *quota.Clients, exchanges xroad.Recorder) (http.Handler, error) {
	c := s.cfg.SOAP
	clients, err := clientIDs("soap.registry_clients", c.RegistryClients)
	if err != nil {
		return nil, err
	}
	contract, err := wsdl.Load("registry")
	if err != nil {
		return nil, err
	}
	services, err := soapregistry.Services(soapregistry.Config{
		Provider: provider, Clients: clients, Contract: contract, Backend: carrier{rest},
		Quota: calls, Recorder: exchanges,
	})
	if err != nil {
		return nil, err
	}
	router, err := xroad.NewRouter(services, false)
	if err != nil {
		return nil, err
	}
	address := ""
	if c.PublicURL != "" {
		address = strings.TrimRight(c.PublicURL, "/") + "/registry"
	}
	return soap.New(soap.Handler{
		Service: router, DetailNS: contract.TargetNamespace, Contract: contract.At, PublicURL: address,
		Source: s.source, Log: s.log, Observe: observe,
	})
}

// carrier hands a message's call to the REST handlers: one set of rules.
type carrier struct{ rest http.Handler }

// Do implements soapregistry.Backend.
func (c carrier) Do(ctx context.Context, call soapregistry.Call) ([]byte, error) {
	target := url.URL{Path: call.Path, RawQuery: call.Query.Encode()}
	r, err := http.NewRequestWithContext(ctx, call.Method, target.String(), bytes.NewReader(call.Body))
	if err != nil {
		return nil, fmt.Errorf("carrying a message: %w", err)
	}
	r.RequestURI, r.Host = target.RequestURI(), "localhost"
	r.RemoteAddr = call.Client // limits by address are limits of the system, not shared by all that come by SOAP
	for name, value := range map[string]string{
		"X-Request-ID": call.TrackingID, "Idempotency-Key": call.IdempotencyKey, "Content-Type": "application/json", "Accept": "application/json",
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if call.AccessToken != "" {
		r.Header.Set("Authorization", "Bearer "+call.AccessToken)
	}
	m := &portal.Carried{Channel: registry.ChannelSOAP, Client: call.Client}
	status, body := portal.Carry(c.rest, r, m)
	switch {
	case m.Refusal != nil:
		return nil, m.Refusal
	case status >= 300: // RFC 6749 has refusals of its own form
		return nil, registry.Errorf(registry.CodeForbidden, "the authorization server refuses: %s", oauthReason(body))
	}
	return body, nil
}

// oauthReason reads the error code of RFC 6749, 5.2.
func oauthReason(body []byte) string {
	var v struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &v) != nil || v.Error == "" {
		return "no reason given"
	}
	return v.Error
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
