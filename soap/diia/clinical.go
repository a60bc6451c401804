package diia

import (
	"context"

	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

func (b *binding) prescriptions(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetPrescriptions
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.Prescriptions(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	out := diia.GetPrescriptionsResponse{Result: resultOf(a.Outcome), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome)}
	for _, p := range a.Data {
		out.Prescription = append(out.Prescription, diia.Prescription{
			Number: p.Number, Status: p.Status, Blocked: p.Blocked, StartDate: p.StartDate.String(), EndDate: p.EndDate.String(), Medication: p.Medication, Quantity: p.Quantity, Dispensed: p.Dispensed,
			Instruction: p.Instruction, Programme: p.Programme, Doctor: p.Doctor, LegalEntity: p.LegalEntity,
		})
	}
	return b.encode(out, "GetPrescriptionsResponse")
}

func (b *binding) sickLeaves(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetSickLeaves
	ask, err := consented(req, &in, func() (diia.UUID, *diia.PersonIdentity, *diia.Consent) { return in.RequestId, in.Person, in.Consent })
	if err != nil {
		return nil, err
	}
	a, err := b.Queries.SickLeaves(ctx, callerOf(req), ask)
	if err != nil {
		return nil, err
	}
	out := diia.GetSickLeavesResponse{Result: resultOf(a.Outcome), ResponseHash: a.ResponseHash, AuditId: auditID(a.Outcome)}
	for _, l := range a.Data {
		out.SickLeave = append(out.SickLeave, diia.SickLeave{
			Number: l.Number, Status: l.Status, Category: l.Category, StartDate: l.StartDate.String(), EndDate: l.EndDate.String(), SignedAt: instant(l.SignedAt), SickLeave: l.SickLeave,
			Doctor: l.Doctor, LegalEntity: l.LegalEntity,
		})
	}
	return b.encode(out, "GetSickLeavesResponse")
}
