package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/jcs"
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
	r.Post("/api/v3/signatures/validate_signed_entity", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		return p.validateEntity(w, r, c, verifier)
	}))
	r.Post("/api/v3/signatures/verify", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
		if err := c.Require(ScopeSignatureVerify); err != nil {
			return err
		}
		o, _, err := readObject(r, p.limits.Body, false)
		if err != nil {
			return err
		}
		wanted, err := reportsWanted(o)
		if err != nil {
			return err
		}
		in, policy, err := verification(o)
		if err != nil {
			return err
		}
		result, err := judged(r.Context(), verifier, in, policy)
		if err != nil {
			return err
		}
		answer, err := p.reported(result, wanted)
		if err != nil {
			return err
		}
		return p.answer(w, r, http.StatusOK, answer, nil)
	}))
}

func judged(ctx context.Context, verifier SignatureVerifier, in signature.Input, policy signature.Policy) (*signature.Result, error) {
	result, err := verifier.Verify(ctx, in, policy)
	if signature.IsUnreadable(err) {
		return nil, registry.Errorf(registry.CodeMalformed, "not a readable signed document").WithReason("container_unreadable").WithCause(err)
	}
	if err != nil {
		return nil, registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; send it again").WithCause(err)
	}
	return result, nil
}

// entityRule demands something of the signed document, by the path of a member.
type entityRule struct {
	field []string
	want  any // a text, a number, a boolean; nil: only that it is there
	kind  string
}

// entityRules reads what a caller demands: at most maxEntityRules.
func entityRules(f *fields) (list []entityRule) {
	for i, o := range f.objects("rules") {
		at := "rules.[" + strconv.Itoa(i) + "]"
		r := entityRule{field: o.texts("field"), kind: o.text("type", true)}
		want, given := o.object["value"]
		delete(o.object, "value")
		f.join(at, o)
		switch want.(type) {
		case string, bool, json.Number, nil:
			r.want = want
		default:
			f.wrong(at+".value", "cast", "a text, a number or a boolean is compared")
		}
		switch {
		case len(r.field) == 0 || len(r.field) > 16:
			f.wrong(at+".field", "length", "expected 1 to 16 names of members, from the outermost")
		case r.kind != "eq" && r.kind != "exists":
			f.wrong(at+".type", "inclusion", "value is not allowed in enum", "eq", "exists")
		case given != (r.kind == "eq"):
			f.wrong(at+".value", "required", "eq has a value, exists has none")
		}
		list = append(list, r)
	}
	if len(list) == 0 || len(list) > maxEntityRules {
		f.wrong("rules", "length", "expected 1 to "+strconv.Itoa(maxEntityRules)+" rules")
	}
	return list
}

const maxEntityRules = 50

// holds tells whether the document is as the rule demands.
func (r entityRule) holds(document any) bool {
	for _, name := range r.field {
		switch v := document.(type) {
		case map[string]any:
			next, there := v[name]
			if !there {
				return false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(v) {
				return false
			}
			document = v[i]
		default:
			return false
		}
	}
	if r.kind == "exists" {
		return document != nil
	}
	if want, ok := r.want.(json.Number); ok {
		got, ok := document.(json.Number)
		a, errA := want.Float64()
		b, errB := got.Float64()
		return ok && errA == nil && errB == nil && a == b
	}
	return r.want != nil && document == r.want
}

type entityAnswer struct {
	IsValid       bool   `json:"is_valid"`
	Indication    string `json:"indication"`
	SubIndication string `json:"sub_indication,omitempty"`
	// Broken names the rules that do not hold, by their place from 0.
	Broken []int `json:"broken_rules"`
}

// validateEntity holds what a signed document says against rules. Only bytes
// that the verifier hands out are read.
func (p *portal) validateEntity(w http.ResponseWriter, r *http.Request, c registry.Caller, verifier SignatureVerifier) error {
	if err := c.Require(ScopeSignatureVerify); err != nil {
		return err
	}
	o, _, err := readObject(r, p.limits.Body, false)
	if err != nil {
		return err
	}
	f := object{"rules": o["rules"]}.fields()
	rules := entityRules(f)
	if err := f.done(); err != nil {
		return err
	}
	delete(o, "rules")
	in, policy, err := verification(o)
	if err != nil {
		return err
	}
	result, err := judged(r.Context(), verifier, in, policy)
	if err != nil {
		return err
	}
	answer := entityAnswer{Broken: []int{}}
	signed, _, err := result.MustBePassed()
	if np, ok := signature.AsNotPassed(err); ok {
		answer.Indication, answer.SubIndication = string(np.Indication), string(np.SubIndication)
		return p.answer(w, r, http.StatusOK, answer, nil)
	}
	if err != nil {
		return err
	}
	body, err := signed.Bytes()
	if err != nil {
		return err
	}
	document, err := jcs.Parse(body)
	if err != nil {
		return registry.Errorf(registry.CodeMalformed, "the signed document is not acceptable JSON").WithReason("json").WithCause(err)
	}
	answer.Indication = string(signature.TotalPassed)
	for i, rule := range rules {
		if !rule.holds(document) {
			answer.Broken = append(answer.Broken, i)
		}
	}
	answer.IsValid = len(answer.Broken) == 0
	return p.answer(w, r, http.StatusOK, answer, nil)
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
