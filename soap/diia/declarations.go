package diia

import (
	"context"

	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/query"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

func (b *binding) declarationByPatient(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetDeclarationByPatient
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	var statuses []declaration.Status
	for _, s := range in.Status {
		statuses = append(statuses, declaration.Status(s))
	}
	a, err := b.Queries.DeclarationByPatient(ctx, callerOf(req), ask, statuses)
	if err != nil {
		return nil, err
	}
	return b.encode(diia.GetDeclarationByPatientResponse{
		Result: resultOf(a.Outcome), Declaration: declarationsOf(a.Data), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}, "GetDeclarationByPatientResponse")
}

// consented reads a body and what every consented question has; parts gives
// those once the body is read.
func consented(req *xroad.Request, into any, parts func() (diia.UUID, *diia.PersonIdentity, *diia.Consent)) (query.Request, error) {
	if err := decode(req, into); err != nil {
		return query.Request{}, err
	}
	id, person, given := parts()
	basis, err := basisOf(given)
	if err != nil {
		return query.Request{}, err
	}
	return question(req, id, person, basis)
}

func declarationsOf(list []query.DeclarationView) (out []diia.Declaration) {
	for _, d := range list {
		out = append(out, declarationOf(d))
	}
	return out
}

func (b *binding) declarationByNumber(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetDeclarationByNumber
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.DeclarationByNumber(ctx, callerOf(req), ask, string(in.DeclarationNumber))
	if err != nil {
		return nil, err
	}
	return b.encode(diia.GetDeclarationByNumberResponse{
		Result: resultOf(a.Outcome), Declaration: declarationsOf(a.Data), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}, "GetDeclarationByNumberResponse")
}

func (b *binding) declarationHistory(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetDeclarationHistory
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	page := 1
	if in.Page != nil {
		page = int(*in.Page)
	}
	a, err := b.Queries.DeclarationHistory(ctx, callerOf(req), ask, page)
	if err != nil {
		return nil, err
	}
	out := diia.GetDeclarationHistoryResponse{Result: resultOf(a.Outcome), More: a.Data.More, ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome)}
	for _, h := range a.Data.Declarations {
		d := declarationOf(h.Declaration)
		line := diia.DeclarationHistory{Declaration: &d}
		for _, s := range h.States {
			line.State = append(line.State, diia.DeclarationState{Status: diia.DeclarationStatus(s.Status), Reason: s.Reason, Since: instant(s.InsertedAt)})
		}
		out.History = append(out.History, line)
	}
	return b.encode(out, "GetDeclarationHistoryResponse")
}

func (b *binding) checkActiveDeclaration(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.CheckActiveDeclaration
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.CheckActiveDeclaration(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	out := diia.CheckActiveDeclarationResponse{
		Result: resultOf(a.Outcome), Status: diia.DeclarationStatus(a.Data.Status), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}
	if answered(a.Outcome) {
		out.Active = &a.Data.Active
	}
	return b.encode(out, "CheckActiveDeclarationResponse")
}

func (b *binding) dependentDeclarations(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetDependentDeclarations
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	if in.Dependant == nil {
		return nil, invalid("$.dependant", "required", "the child or ward is missing")
	}
	of := query.Dependant{TaxID: registry.RNOKPP(in.Dependant.Rnokpp), UNZR: registry.UNZR(in.Dependant.Unzr)}
	if d := in.Dependant.Document; d != nil {
		of.DocumentType, of.DocumentNumber = string(d.Type_), string(d.Number)
	}
	a, err := b.Queries.DependentDeclarations(ctx, callerOf(req), ask, of)
	if err != nil {
		return nil, err
	}
	return b.encode(diia.GetDependentDeclarationsResponse{
		Result: resultOf(a.Outcome), Declaration: declarationsOf(a.Data), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}, "GetDependentDeclarationsResponse")
}
