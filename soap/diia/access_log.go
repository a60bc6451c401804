package diia

import (
	"context"

	"mist/registry/query"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

func (b *binding) accessLog(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetAccessLog
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	var period query.AccessPeriod
	if period.From, err = instantAt("$.from", in.From); err != nil {
		return nil, err
	}
	if period.To, err = instantAt("$.to", in.To); err != nil {
		return nil, err
	}
	if in.Before != nil {
		period.Before = *in.Before
	}
	if in.Limit != nil {
		period.Limit = int(*in.Limit)
	}
	a, err := b.Queries.AccessLog(ctx, callerOf(req), ask, period)
	if err != nil {
		return nil, err
	}
	out := diia.GetAccessLogResponse{Result: resultOf(a.Outcome), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome)}
	for _, l := range a.Data.Lines {
		out.Access = append(out.Access, diia.Access{
			AuditId: idText(l.AuditID), At: instant(l.At), Event: string(l.Event), Organisation: l.Organisation, System: l.System, Employee: l.Person, Kind: l.Kind,
			Given: l.Given, Code: l.Code, Field: l.Fields, Basis: l.Basis, Purpose: l.Purpose, Method: l.Method, ConsentId: idText(l.ConsentID),
		})
	}
	for _, m := range a.Data.Archived {
		out.Archived = append(out.Archived, diia.ArchivedMonth{Month: m.Month, Lines: int32(m.Lines)})
	}
	if a.Data.Next > 0 {
		out.Next = &a.Data.Next
	}
	return b.encode(out, "GetAccessLogResponse")
}
