// Package fhir answers the declaration query as FHIR R4: the same question, the
// same consent, the same disclosure and audit entry as the Diia service, told
// as a Bundle of Contract, Patient, PractitionerRole, Practitioner,
// Organization, Location, Consent and Provenance.
//
// It decides nothing: registry/query does, and what is not consented is not
// there to be mapped. Who asks is told by the function passed in as Caller.
// Standard: HL7 FHIR R4 (4.0.1). No Ukrainian implementation guide is
// published; the bindings are Mist's own, under urn:mist:fhir.
package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/query"
)

// MediaType of every request and answer.
const MediaType = "application/fhir+json"

// maxBody bounds a request, in bytes: a signed consent and some names.
const maxBody = 3 << 20

// Queries is the disclosure service; *query.Service is one.
type Queries interface {
	DeclarationByPatient(ctx context.Context, c registry.Caller, r query.Request, statuses []declaration.Status) (query.Answer[[]query.DeclarationView], error)
}

// Sender is who asks and how their message is known.
type Sender struct {
	Caller    registry.Caller
	MessageID string
	PurposeID string
	// About, if set, refuses a person other than the one the sender has declared
	// to the monitoring of access.
	About func(registry.RNOKPP) error
}

// Config of the handler. All but Log are required.
type Config struct {
	Queries Queries
	// Sender tells who asks, or refuses.
	Sender func(r *http.Request) (Sender, error)
	Now    func() time.Time
	Log    *slog.Logger
}

type handler struct{ Config }

// New serves GET /metadata, GET /OperationDefinition/patient-declarations, the
// code systems of its own bindings at GET /CodeSystem/NAME, and
// POST /Patient/$declarations.
func New(c Config) (http.Handler, error) {
	if c.Queries == nil || c.Sender == nil || c.Now == nil {
		return nil, errors.New("fhir: queries, sender and clock are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metadata", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, capabilities()) })
	mux.HandleFunc("GET /OperationDefinition/patient-declarations", func(w http.ResponseWriter, _ *http.Request) { write(w, http.StatusOK, operation()) })
	mux.HandleFunc("GET /CodeSystem/{name}", func(w http.ResponseWriter, r *http.Request) {
		system, known := codeSystems()[r.PathValue("name")]
		if !known {
			Refuse(w, r, registry.Errorf(registry.CodeNotFound, "there is no such code system"))
			return
		}
		write(w, http.StatusOK, system)
	})
	mux.HandleFunc("POST /Patient/$declarations", h.declarations)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.refuse(w, r, registry.Errorf(registry.CodeNotFound, "see /metadata for what this endpoint can do"))
	})
	return mux, nil
}

func (h handler) declarations(w http.ResponseWriter, r *http.Request) {
	sender, err := h.Sender(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != MediaType && kind != "application/json" {
		h.refuse(w, r, registry.Errorf(registry.CodeUnsupportedMedia, "send %s", MediaType))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		h.refuse(w, r, registry.Errorf(registry.CodeTooLarge, "the request is larger than %d bytes", maxBody))
		return
	}
	q, err := readParameters(body)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if sender.About != nil {
		if err := sender.About(q.request.Person.TaxID); err != nil {
			h.refuse(w, r, err)
			return
		}
	}
	q.sealed(body)
	q.request.TellConsent, q.recipient = true, sender.Caller.XRoad
	q.request.MessageID, q.request.PurposeID = registry.MessageName(sender.MessageID, q.request.Body512), sender.PurposeID
	if q.request.MessageID == "" { // the header is optional; two requests are not one message for that
		q.request.MessageID = q.request.RequestID.String()
	}
	answer, err := h.Queries.DeclarationByPatient(r.Context(), sender.Caller, q.request, q.statuses)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if answer.Code != consent.OK {
		write(w, statusOf(answer.Code), outcome("error", issueOf(answer.Code), string(answer.Code), answer.Message))
		return
	}
	write(w, http.StatusOK, bundle(q, answer))
}

// statusOf and issueOf tell a business outcome: HTTP status and issue type
// (http://hl7.org/fhir/issue-type).
func statusOf(c consent.Code) int {
	switch c {
	case consent.NotFound:
		return http.StatusNotFound
	case consent.RateLimited:
		return http.StatusTooManyRequests
	case consent.Pending:
		return http.StatusAccepted
	}
	return http.StatusForbidden
}

func issueOf(c consent.Code) string {
	switch c {
	case consent.NotFound:
		return "not-found"
	case consent.RateLimited:
		return "throttled"
	case consent.Pending:
		return "informational"
	case consent.Expired:
		return "expired"
	}
	return "forbidden"
}

// problems translates registry codes: HTTP status and issue type.
var problems = map[registry.Code]struct {
	status int
	issue  string
}{
	registry.CodeMalformed:              {http.StatusBadRequest, "structure"},
	registry.CodeTooLarge:               {http.StatusRequestEntityTooLarge, "too-long"},
	registry.CodeUnsupportedMedia:       {http.StatusUnsupportedMediaType, "not-supported"},
	registry.CodeMethodNotAllowed:       {http.StatusMethodNotAllowed, "not-supported"},
	registry.CodeInvalid:                {http.StatusUnprocessableEntity, "invalid"},
	registry.CodeUnauthenticated:        {http.StatusUnauthorized, "login"},
	registry.CodeForbidden:              {http.StatusForbidden, "forbidden"},
	registry.CodeNotFound:               {http.StatusNotFound, "not-found"},
	registry.CodeConflict:               {http.StatusConflict, "conflict"},
	registry.CodeAlreadyDone:            {http.StatusConflict, "duplicate"},
	registry.CodeRuleViolated:           {http.StatusUnprocessableEntity, "business-rule"},
	registry.CodeSignatureInvalid:       {http.StatusUnprocessableEntity, "security"},
	registry.CodeSignatureIndeterminate: {http.StatusUnprocessableEntity, "security"},
	registry.CodeConsentMissing:         {http.StatusForbidden, "forbidden"},
	registry.CodeRateLimited:            {http.StatusTooManyRequests, "throttled"},
	registry.CodeUnavailable:            {http.StatusServiceUnavailable, "transient"},
	registry.CodeInternal:               {http.StatusInternalServerError, "exception"},
}

func (h handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if e := registry.AsError(err); problems[e.Code].status >= 500 {
		h.Log.ErrorContext(r.Context(), "fhir request not answered", "code", string(e.Code), "cause", err.Error())
	}
	Refuse(w, r, err)
}

// Refuse writes an error as an OperationOutcome, for whoever stands before the handler.
func Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	e := registry.AsError(err)
	p, known := problems[e.Code]
	text := e.Detail
	if !known || e.Code == registry.CodeInternal {
		p, text = problems[registry.CodeInternal], "internal error"
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfter(e.RetryAfter))
	}
	o := outcome("error", p.issue, string(e.Code), text)
	for _, f := range e.Fields {
		o["issue"] = append(o["issue"].([]object), object{"severity": "error", "code": p.issue, "diagnostics": f.Rule + ": " + f.Description, "expression": []string{f.Entry}})
	}
	write(w, p.status, o)
}

// outcome is an OperationOutcome with one issue.
func outcome(severity, issue, code, text string) object {
	first := object{"severity": severity, "code": issue, "details": object{"coding": []object{{"system": systemOutcome, "code": code}}}}
	if text != "" {
		first["diagnostics"] = text
	}
	return object{"resourceType": "OperationOutcome", "issue": []object{first}}
}

// object is a JSON object of a resource; members are written in order of name.
type object map[string]any

func write(w http.ResponseWriter, status int, o object) {
	h := w.Header()
	h.Set("Content-Type", MediaType+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The status is on its way; a failed write is the client's broken connection.
	_ = json.NewEncoder(w).Encode(o)
}
