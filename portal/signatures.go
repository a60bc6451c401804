package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/signature"
	"mist/signature/facts"
)

// SignatureVerifier judges signed documents; *signature.Verifier is one.
type SignatureVerifier interface {
	Verify(ctx context.Context, in signature.Input, p signature.Policy) (*signature.Result, error)
}

// ScopeSignatureVerify is what the verify-only operation demands.
const ScopeSignatureVerify = "signature:verify"

// signatureRoutes serves the verifier alone: nothing of the document is kept,
// nothing of the registry is told, so there is no audit entry.
func (p *portal) signatureRoutes(r chi.Router, verifier SignatureVerifier) {
	r.Post("/api/v3/signatures/verify", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		if err := c.Require(ScopeSignatureVerify); err != nil {
			return err
		}
		o, _, err := readObject(r, p.limits.Body, false)
		if err != nil {
			return err
		}
		in, policy, err := verification(o)
		if err != nil {
			return err
		}
		result, err := verifier.Verify(r.Context(), in, policy)
		if signature.IsUnreadable(err) {
			return registry.Errorf(registry.CodeMalformed, "not a readable signed document").WithReason("container_unreadable").WithCause(err)
		}
		if err != nil {
			return registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; send it again").WithCause(err)
		}
		return p.answer(w, r, http.StatusOK, result, nil)
	}))
}

// verification reads {signed_content, signed_content_encoding, content?, policy?, time?}.
func verification(o object) (in signature.Input, policy signature.Policy, err error) {
	f := o.fields()
	bytesOf := func(name string, required bool) []byte {
		b, err := decodeBase64(f.text(name, required))
		if err != nil {
			f.wrong(name, "invalid", "Not a base64 string")
		}
		return b
	}
	document := bytesOf("signed_content", true)
	if encoding := f.text("signed_content_encoding", true); encoding != "base64" && encoding != "" {
		f.wrong("signed_content_encoding", "inclusion", "value is not allowed in enum", "base64")
	}
	in.Document = facts.Bytes(document)
	if _, detached := o["content"]; detached {
		in.Content = map[string]facts.Source{"": facts.Bytes(bytesOf("content", false))}
	}
	name := f.text("policy", false)
	if name == "" {
		name = "default"
	}
	if policy, err = signature.NamedPolicy(name); err != nil {
		f.wrong("policy", "inclusion", "value is not allowed in enum", "default", "act", "archive-test")
	}
	if text := f.text("time", false); text != "" {
		if in.Time, err = time.Parse(time.RFC3339, text); err != nil {
			f.wrong("time", "datetime", "expected a time as in RFC 3339")
		}
	}
	return in, policy, f.done()
}
