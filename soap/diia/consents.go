package diia

import (
	"context"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/query"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

// answered reports whether an outcome carries data.
func answered(o query.Outcome) bool { return o.Code == consent.OK }

func (b *binding) registerConsent(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.RegisterConsent
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.RegisterConsent(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	return b.encode(diia.RegisterConsentResponse{
		Result: resultOf(a.Outcome), State: stateOf(a), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}, "RegisterConsentResponse")
}

func stateOf(a query.Answer[query.ConsentState]) *diia.ConsentState {
	if !answered(a.Outcome) {
		return nil
	}
	return &diia.ConsentState{ConsentId: idText(a.Data.ID), Status: string(a.Data.Status), Method: a.Data.Method,
		ExpiresAt: instant(a.Data.ExpiresAt), RevokedAt: instant(a.Data.RevokedAt)}
}

func (b *binding) revokeConsent(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.RevokeConsent
	if err := decode(req, &in); err != nil {
		return nil, err
	}
	var basis query.Basis
	if r := in.Revocation; r != nil {
		var err error
		if basis, err = evidenceOf("$.revocation", "signedRevocation", r.SignedRevocation, r.SignedRevocationXml, r.Content, r.Attestation); err != nil {
			return nil, err
		}
	}
	ask, err := question(req, in.RequestId, in.Person, basis)
	if err != nil {
		return nil, err
	}
	id, err := registry.ParseID(string(in.ConsentId))
	if err != nil {
		return nil, invalid("$.consentId", "format", "a UUID is expected")
	}
	a, err := b.Queries.RevokeConsent(ctx, callerOf(req), ask, id)
	if err != nil {
		return nil, err
	}
	return b.encode(diia.RevokeConsentResponse{
		Result: resultOf(a.Outcome), State: stateOf(a), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome),
	}, "RevokeConsentResponse")
}

func (b *binding) consents(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetConsents
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.Consents(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	out := diia.GetConsentsResponse{Result: resultOf(a.Outcome), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome)}
	for _, c := range a.Data {
		out.Record = append(out.Record, diia.ConsentRecord{
			ConsentId: idText(c.ID), Status: string(c.Status), Method: c.Method, Recipient: c.Recipient, Purpose: c.Purpose, Scope: c.Scope, Field: c.Fields,
			Text: c.Text, SingleUse: c.SingleUse, GrantedAt: instant(c.GrantedAt), ExpiresAt: instant(c.ExpiresAt), RevokedAt: instant(c.RevokedAt), LastUsedAt: instant(c.LastUsed),
		})
	}
	return b.encode(out, "GetConsentsResponse")
}
