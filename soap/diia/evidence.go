package diia

import (
	"context"

	"mist/registry"
	"mist/registry/consent"
	"mist/soap/xroad"
	"mist/wsdl/gen/diia"
)

func (b *binding) responseEvidence(ctx context.Context, req *xroad.Request) ([]byte, error) {
	var in diia.GetResponseEvidence
	if err := decode(req, &in); err != nil {
		return nil, err
	}
	request, err := requestID(in.RequestId)
	if err != nil {
		return nil, err
	}
	id, err := registry.ParseID(string(in.AuditId))
	if err != nil {
		return nil, invalid("$.auditId", "format", "a UUID is expected")
	}
	out := diia.GetResponseEvidenceResponse{Result: &diia.Result{
		Code: string(consent.OK), Message: "answered", RequestId: diia.UUID(request.String()), AnsweredAt: instant(b.Now()),
	}}
	e, err := b.Queries.ResponseEvidence(ctx, callerOf(req), id)
	switch {
	case registry.CodeOf(err) == registry.CodeNotFound:
		out.Result.Code, out.Result.Message = string(consent.NotFound), "no answer of this client has this auditId"
	case err != nil:
		return nil, err
	default:
		out.Evidence = &diia.Evidence{
			AuditId: idText(e.AuditID), Entry: base64Of(e.Entry), LeafHash: base64Of(e.LeafHash[:]),
			RequestSha512: base64Of(e.RequestHash), ResponseSha512: base64Of(e.ResponseHash), Sequenced: e.Sequenced,
		}
		if !e.Sequenced {
			out.Result.Message = "the entry waits for its checkpoint; ask again in a second"
			break
		}
		out.Evidence.LogIndex, out.Evidence.TreeSize, out.Evidence.Checkpoint = &e.Index, &e.TreeSize, string(e.Checkpoint)
		for _, h := range e.Proof {
			out.Evidence.ProofHash = append(out.Evidence.ProofHash, base64Of(h[:]))
		}
	}
	return b.encode(out, "GetResponseEvidenceResponse")
}
