// Package composition binds the check of medical conclusions by their number
// (wsdl/composition.wsdl, PublicGetComposition in two generations) to the
// disclosure service.
//
// It decides nothing: what matches and what is told is judged by
// registry/query. Shapes beyond the published names of members are ours.
package composition

import (
	"context"
	"errors"

	"mist/registry"
	"mist/registry/composition"
	"mist/registry/query"
	"mist/registry/quota"
	"mist/soap/xroad"
	"mist/wsdl"
	body "mist/wsdl/gen/composition"
)

// Queries is the disclosure service; *query.Compositions is one.
type Queries interface {
	Composition(ctx context.Context, c registry.Caller, q query.CompositionQuestion) (query.CompositionAnswer, error)
}

// Config of the binding. All but RequirePurpose, Quota and Recorder are required.
type Config struct {
	Provider xroad.ClientID
	Clients  []xroad.ClientID
	Contract *wsdl.Contract
	Queries  Queries
	// RequirePurpose refuses requests without a purpose declaration.
	RequirePurpose bool
	// Quota bounds each client's calls; nil bounds nothing.
	Quota *quota.Clients
	// Recorder joins every exchange to the trail; nil keeps none.
	Recorder xroad.Recorder
}

// Services lists the operations for the router. The second generation has two
// addresses: its own code, and the first one's with version v2, under which a
// security server lets the element name PublicGetCompositionRequestV2 pass (it
// compares the beginning of the name with the code).
func Services(c Config) ([]xroad.Service, error) {
	if c.Contract == nil || c.Queries == nil || len(c.Clients) == 0 {
		return nil, errors.New("soap/composition: contract, queries and at least one client are needed")
	}
	b := &binding{c}
	of := func(code, element string, versions []string, op xroad.Operation, aliases ...string) xroad.Service {
		return xroad.Service{
			Provider: c.Provider, Code: code, Versions: versions, Namespace: c.Contract.TargetNamespace, Element: element, Aliases: aliases,
			Clients: c.Clients, Quota: c.Quota, Recorder: c.Recorder, Joined: c.Recorder != nil, Validate: xroad.SchemaCheck(c.Contract), Operation: op,
			// The contract's technical notes tell these paths.
			Processing: &xroad.Processing{
				Purpose:  []string{"purposeId"},
				Subjects: [][]string{{"identificationInfo", "taxRNOKPP"}, {"identificationInfo", "UNZR"}, {"identificationInfo", "identityDocument", "documentNumber"}},
				Required: c.RequirePurpose,
			},
		}
	}
	const first, second, published = "PublicGetComposition", "PublicGetCompositionV2", "PublicGetCompositionRequestV2"
	return []xroad.Service{
		of(first, first, []string{"", "v1"}, b.first),
		of(second, second, []string{"", "v1", "v2"}, b.second, published),
		of(first, second, []string{"v2"}, b.second, published),
	}, nil
}

type binding struct{ Config }

func (b *binding) first(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in body.PublicGetComposition
	if err := req.Decode(&in); err != nil {
		return nil, err
	}
	a, err := b.ask(ctx, req, composition.V1, in.IdentificationInfo, string(in.DocNumb))
	if err != nil {
		return nil, err
	}
	out := body.PublicGetCompositionResponse{IdentificationInfo: in.IdentificationInfo, Error: refusal(a)}
	if out.Error == nil {
		out.MedicalDocument = &body.MedicalDocument{
			DocNumb: a.Record.Number, DocDate: a.Record.Date.String(), Type_: a.Record.Type, DocOrgName: a.Organisation,
			ValidityPeriodStart: a.Record.Start.String(), ValidityPeriodEnd: a.Record.End.String(),
		}
	}
	return xroad.EncodeBody(out, b.Contract.TargetNamespace, "PublicGetCompositionResponse")
}

func (b *binding) second(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in body.PublicGetCompositionV2
	if err := req.Decode(&in); err != nil {
		return nil, err
	}
	a, err := b.ask(ctx, req, composition.V2, in.IdentificationInfo, string(in.DocNumb))
	if err != nil {
		return nil, err
	}
	out := body.PublicGetCompositionV2Response{IdentificationInfo: in.IdentificationInfo, Error: refusal(a)}
	if out.Error == nil {
		out.MedicalDocument = &body.MedicalDocumentV2{
			DocNumb: a.Record.Number, DocDate: a.Record.Date.String(), Type_: a.Record.Type, Status: string(a.Record.Status), DocOrgName: a.Organisation,
			ValidityPeriodStart: a.Record.Start.String(), ValidityPeriodEnd: a.Record.End.String(),
		}
	}
	return xroad.EncodeBody(out, b.Contract.TargetNamespace, "PublicGetCompositionV2Response")
}

func (b *binding) ask(ctx context.Context, req *xroad.Request, g composition.Generation, who *body.IdentificationInfo, number string) (query.CompositionAnswer, error) {
	q := query.CompositionQuestion{Number: number, Generation: g}
	if who != nil {
		q.Identity.TaxID, q.Identity.UNZR = registry.RNOKPP(who.TaxRNOKPP), registry.UNZR(who.UNZR)
		if d := who.IdentityDocument; d != nil {
			q.Identity.Document, q.Identity.DocumentType, q.Identity.DocumentNumber = true, string(d.DocumentType), string(d.DocumentNumber)
		}
	}
	return b.Queries.Composition(ctx, registry.Caller{
		Channel: registry.ChannelSOAP, RequestID: req.Message.TrackingID(), ClientName: req.Client.String(), XRoad: req.Client.String(), UserID: req.UserID.Text,
	}, q)
}

func refusal(a query.CompositionAnswer) *body.CheckError {
	if a.Code == composition.None {
		return nil
	}
	return &body.CheckError{ErrorCode: string(a.Code), ErrorMessage: a.Code.Message()}
}
