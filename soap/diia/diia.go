// Package diia binds the operations of the Diia contract (wsdl/diia.wsdl) to
// the disclosure service: it decodes bodies that obey the schema, asks, and
// encodes the answer.
//
// It decides nothing. Business outcomes, a missing or refused consent among
// them, are normal responses with a result code; errors of the service leave as
// faults. Trembita's header tells who asks; the body never does.
package diia

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
	"mist/registry/quota"
	"mist/soap/xroad"
	"mist/wsdl"
)

// Queries is the disclosure service; *query.Service is one.
type Queries interface {
	DeclarationByPatient(ctx context.Context, c registry.Caller, r query.Request, statuses []declaration.Status) (query.Answer[[]query.DeclarationView], error)
	DeclarationByNumber(ctx context.Context, c registry.Caller, r query.Request, number string) (query.Answer[[]query.DeclarationView], error)
	DeclarationHistory(ctx context.Context, c registry.Caller, r query.Request, page int) (query.Answer[query.HistoryPage], error)
	CheckActiveDeclaration(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[query.ActiveView], error)
	DependentDeclarations(ctx context.Context, c registry.Caller, r query.Request, of query.Dependant) (query.Answer[[]query.DeclarationView], error)
	RegisterConsent(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[query.ConsentState], error)
	RevokeConsent(ctx context.Context, c registry.Caller, r query.Request, id registry.ID) (query.Answer[query.ConsentState], error)
	Consents(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.ConsentView], error)
	AccessLog(ctx context.Context, c registry.Caller, r query.Request, p query.AccessPeriod) (query.Answer[query.AccessPage], error)
	Prescriptions(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.PrescriptionView], error)
	SickLeaves(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.SickLeaveView], error)
	ResponseEvidence(ctx context.Context, c registry.Caller, id registry.ID) (query.Evidence, error)
}

// Config of the binding.
type Config struct {
	// Provider is our own subsystem, Clients those that may ask.
	Provider xroad.ClientID
	Clients  []xroad.ClientID
	Contract *wsdl.Contract
	Queries  Queries
	// Now is the clock.
	Now func() time.Time
	// RequirePurpose refuses requests without the identifier of a purpose
	// declaration, as the monitoring of access to personal data will demand.
	RequirePurpose bool
	// Quota bounds each client's calls; nil bounds nothing.
	Quota *quota.Clients
	// Recorder keeps refused exchanges; the answers are in the trail already.
	Recorder xroad.Recorder
}

// versions published: Trembita leaves serviceVersion out, X-Road has v1. Both
// are one contract.
var versions = []string{"", "v1"}

// maxConsent bounds a signed consent: CAdES with all its revocation data.
const maxConsent = 2 << 20

// Services lists the operations of the contract for the router.
func Services(c Config) ([]xroad.Service, error) {
	if c.Contract == nil || c.Queries == nil || c.Now == nil || len(c.Clients) == 0 {
		return nil, errors.New("soap/diia: contract, queries, clock and at least one client are needed")
	}
	b := &binding{c}
	operations := map[string]xroad.Operation{
		"GetDeclarationByPatient":  b.declarationByPatient,
		"GetDeclarationByNumber":   b.declarationByNumber,
		"GetDeclarationHistory":    b.declarationHistory,
		"CheckActiveDeclaration":   b.checkActiveDeclaration,
		"GetDependentDeclarations": b.dependentDeclarations,
		"RegisterConsent":          b.registerConsent,
		"RevokeConsent":            b.revokeConsent,
		"GetConsents":              b.consents,
		"GetAccessLog":             b.accessLog,
		"GetResponseEvidence":      b.responseEvidence,
		"GetPrescriptions":         b.prescriptions,
		"GetSickLeaves":            b.sickLeaves,
	}
	var out []xroad.Service
	for _, code := range c.Contract.Operations {
		op := operations[code]
		if op == nil {
			return nil, fmt.Errorf("soap/diia: the contract has an operation %s that is not bound", code)
		}
		// The contract's technical notes tell these paths.
		processing := &xroad.Processing{
			Purpose:  []string{"purposeId"},
			Subjects: [][]string{{"person", "rnokpp"}, {"person", "unzr"}, {"person", "document", "number"}},
			Required: c.RequirePurpose,
		}
		joined := false
		if code == "GetResponseEvidence" { // it is about an answer, whose request named both; it tells of nobody and writes no entry itself
			processing.Required, joined = false, c.Recorder != nil
		}
		out = append(out, xroad.Service{
			Provider: c.Provider, Code: code, Versions: versions, Namespace: c.Contract.TargetNamespace,
			Clients: c.Clients, Quota: c.Quota, Recorder: c.Recorder, Joined: joined, Validate: b.checked(code, xroad.SchemaCheck(c.Contract)), Operation: op, Processing: processing,
		})
	}
	return out, nil
}

type binding struct{ Config }

// callerOf is who asks, as the X-Road header says and the listener vouches for.
func callerOf(req *xroad.Request) registry.Caller {
	return registry.Caller{
		Channel: registry.ChannelSOAP, RequestID: req.Message.TrackingID(),
		ClientName: req.Client.String(), XRoad: req.Client.String(), UserID: req.UserID.Text,
	}
}
