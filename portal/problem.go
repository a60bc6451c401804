package portal

import (
	"io"
	"math"
	"net/http"
	"strconv"

	"mist/registry"
)

// problem is how one registry code leaves by REST.
type problem struct {
	status int
	// kind is error.type. The words are the eHealth API's own where it has one
	// (domain notes 1.0).
	kind string
	// message is used when the error has no detail of its own, and always for
	// internal errors.
	message string
}

// problems translates registry codes; TestEveryCodeHasAProblem holds the table
// against registry.Codes().
var problems = map[registry.Code]problem{
	registry.CodeMalformed:              {http.StatusBadRequest, "request_malformed", "the request cannot be read"},
	registry.CodeTooLarge:               {http.StatusRequestEntityTooLarge, "content_too_large", "the request is over a size limit"},
	registry.CodeUnsupportedMedia:       {http.StatusUnsupportedMediaType, "content_type_invalid", "send application/json in UTF-8, not compressed"},
	registry.CodeMethodNotAllowed:       {http.StatusMethodNotAllowed, "method_not_allowed", "this address does not take this method"},
	registry.CodeInvalid:                {http.StatusUnprocessableEntity, "validation_failed", "validation failed"},
	registry.CodeUnauthenticated:        {http.StatusUnauthorized, "access_denied", "Invalid access token"},
	registry.CodeForbidden:              {http.StatusForbidden, "forbidden", "the caller may not do this"},
	registry.CodeNotFound:               {http.StatusNotFound, "not_found", "not found"},
	registry.CodeConflict:               {http.StatusConflict, "request_conflict", "the state does not allow this"},
	registry.CodeAlreadyDone:            {http.StatusConflict, "request_conflict", "this was done before with other content"},
	registry.CodeRuleViolated:           {http.StatusUnprocessableEntity, "request_malformed", "a rule of the registry says no"},
	registry.CodeSignatureInvalid:       {http.StatusUnprocessableEntity, "signature_invalid", "the signature was not accepted"},
	registry.CodeSignatureIndeterminate: {http.StatusUnprocessableEntity, "signature_indeterminate", "the signature could not be decided"},
	registry.CodeConsentMissing:         {http.StatusForbidden, "consent_missing", "a consent or another legal basis is needed"},
	registry.CodeRateLimited:            {http.StatusTooManyRequests, "too_many_requests", "too many requests; wait as Retry-After says"},
	registry.CodeUnavailable:            {http.StatusServiceUnavailable, "internal_error", "not available now; send the request again"},
	registry.CodeInternal:               {http.StatusInternalServerError, "internal_error", "internal error; quote request_id to the operator"},
}

// errorBody is the envelope's error.
type errorBody struct {
	Type    string         `json:"type"`
	Message string         `json:"message"`
	Reason  string         `json:"reason,omitempty"`
	Report  string         `json:"report_id,omitempty"`
	Invalid []invalidEntry `json:"invalid,omitempty"`
}

type invalidEntry struct {
	Entry string       `json:"entry"`
	Type  string       `json:"entry_type"`
	Rules []brokenRule `json:"rules"`
}

type brokenRule struct {
	Rule        string   `json:"rule"`
	Description string   `json:"description"`
	Params      []string `json:"params"`
}

// bodyOf writes an error for the caller. Of an internal error nothing is told
// but the constant text: its cause is in the log under the request id.
func bodyOf(e *registry.Error) (problem, errorBody) {
	pr, known := problems[e.Code]
	if !known || e.Code == registry.CodeInternal {
		pr = problems[registry.CodeInternal]
		return pr, errorBody{Type: pr.kind, Message: pr.message}
	}
	body := errorBody{Type: pr.kind, Message: e.Detail, Reason: e.Reason, Report: e.ReportID}
	if body.Message == "" {
		body.Message = pr.message
	}
	for _, f := range e.Fields {
		kind := f.EntryType
		if kind == "" {
			kind = "json_data_property"
		}
		rule := brokenRule{f.Rule, f.Description, f.Params}
		if rule.Params == nil {
			rule.Params = []string{}
		}
		if n := len(body.Invalid); n > 0 && body.Invalid[n-1].Entry == f.Entry && body.Invalid[n-1].Type == kind {
			body.Invalid[n-1].Rules = append(body.Invalid[n-1].Rules, rule)
			continue
		}
		body.Invalid = append(body.Invalid, invalidEntry{f.Entry, kind, []brokenRule{rule}})
	}
	return pr, body
}

// refuse answers with an error in the envelope.
func (p *portal) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := registry.AsError(p.slowed(r, err))
	requestOf(r).err = e
	if m := carriedBy(r.Context()); m != nil {
		m.Refusal = e
	}
	drain(r)
	pr, body := bodyOf(e)
	h := w.Header()
	// What the type means and how to repair it, for people (RFC 8288).
	h.Set("Link", "</dev/errors/"+pr.kind+`>; rel="help"`)
	switch pr.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="mist", error="invalid_token"`)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfterOutage))
	}
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	p.write(w, pr.status, refusal{Meta: p.meta(r, pr.status), Error: &body})
}

// maxDrain is how much of a refused body is read away, in bytes. Many clients
// send all of a body before they read: a connection closed under them would
// show them a reset instead of the answer. Who sends more than that is cut off,
// and so is, by the server's read time-out, who sends slowly.
const maxDrain = 64 << 20

func drain(r *http.Request) {
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // the answer does not depend on it
}

// retryAfterOutage is what 503 advises, in seconds.
const retryAfterOutage = 5
