// Package diia is the REST twin of the Diia service: the operations of
// wsdl/diia.wsdl as JSON over HTTP, for clients that reach us through the REST
// side of their security server (X-Road PR-REST, Trembita 2.0).
//
// It decides nothing and knows no caller of its own: portal/gateway stands
// before it and says which system asks. Business outcomes are normal answers
// with a code, as in SOAP; refusals are errors in the registry's envelope.
package diia

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"mist/portal/gateway"
	"mist/registry"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/query"
)

//go:embed openapi.yaml
var spec []byte

// maxBody bounds a request, in bytes: a signed consent with its revocation data.
const maxBody = 3 << 20

// Queries is the disclosure service; *query.Service is one.
type Queries interface {
	DeclarationByPatient(ctx context.Context, c registry.Caller, r query.Request, statuses []declaration.Status) (query.Answer[[]query.DeclarationView], error)
	DeclarationByNumber(ctx context.Context, c registry.Caller, r query.Request, number string) (query.Answer[[]query.DeclarationView], error)
	DeclarationHistory(ctx context.Context, c registry.Caller, r query.Request, page int) (query.Answer[query.HistoryPage], error)
	CheckActiveDeclaration(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[query.ActiveView], error)
	DependentDeclarations(ctx context.Context, c registry.Caller, r query.Request, of query.Dependant) (query.Answer[[]query.DeclarationView], error)
	RegisterConsent(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[query.ConsentState], error)
	RevokeConsent(ctx context.Context, c registry.Caller, r query.Request, id registry.ID) (query.Answer[query.ConsentState], error)
	Consents(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.ConsentView], error)
	AccessLog(ctx context.Context, c registry.Caller, r query.Request, p query.AccessPeriod) (query.Answer[query.AccessPage], error)
	Prescriptions(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.PrescriptionView], error)
	SickLeaves(ctx context.Context, c registry.Caller, r query.Request) (query.Answer[[]query.SickLeaveView], error)
	ResponseEvidence(ctx context.Context, c registry.Caller, id registry.ID) (query.Evidence, error)
}

// Config of the handler. All but Log are required.
type Config struct {
	Queries Queries
	Now     func() time.Time
	Log     *slog.Logger
}

type handler struct{ Config }

// person identifies whom the question is about: one of the three identifiers,
// and names.
type person struct {
	RNOKPP     registry.RNOKPP `json:"rnokpp"`
	UNZR       registry.UNZR   `json:"unzr"`
	Document   *document       `json:"document"`
	LastName   string          `json:"last_name"`
	FirstName  string          `json:"first_name"`
	Patronymic string          `json:"patronymic"`
	BirthDate  registry.Date   `json:"birth_date"`
}

type document struct {
	Type   string `json:"type"`
	Number string `json:"number"`
}

// evidence is what the disclosure stands on, base64.
type evidence struct {
	Signed      []byte      `json:"signed"`
	Content     []byte      `json:"content"`
	Attestation []byte      `json:"attestation"`
	ConsentID   registry.ID `json:"consent_id"`
}

// body has the members of every operation; each reads its own.
type body struct {
	RequestID         registry.ID          `json:"request_id"`
	Person            *person              `json:"person"`
	Consent           *evidence            `json:"consent"`
	Statuses          []declaration.Status `json:"statuses"`
	DeclarationNumber string               `json:"declaration_number"`
	Page              int                  `json:"page"`
	Dependant         *person              `json:"dependant"`
	Revocation        *evidence            `json:"revocation"`
	ConsentID         registry.ID          `json:"consent_id"`
	From              time.Time            `json:"from"`
	To                time.Time            `json:"to"`
	Before            int64                `json:"before"`
	Limit             int                  `json:"limit"`
	AuditID           registry.ID          `json:"audit_id"`
}

// members that only some operations take, by operation.
var members = map[string][]string{
	"GetDeclarationByPatient": {"consent", "statuses"}, "GetDeclarationByNumber": {"consent", "declaration_number"},
	"GetDeclarationHistory": {"consent", "page"}, "CheckActiveDeclaration": {"consent"}, "GetDependentDeclarations": {"consent", "dependant"},
	"RegisterConsent": {"consent"}, "RevokeConsent": {"revocation", "consent_id"}, "GetConsents": {"consent"},
	"GetAccessLog": {"consent", "from", "to", "before", "limit"}, "GetResponseEvidence": {"audit_id"},
	"GetPrescriptions": {"consent"}, "GetSickLeaves": {"consent"},
}

// New serves POST /<operation> for each operation of the contract, and its
// OpenAPI document at GET /openapi.yaml.
func New(c Config) (http.Handler, error) {
	if c.Queries == nil || c.Now == nil {
		return nil, errors.New("portal/diia: queries and clock are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(spec)
	})
	q := c.Queries
	for name, ask := range map[string]func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error){
		"GetDeclarationByPatient": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			return q.DeclarationByPatient(ctx, c, r, b.Statuses)
		},
		"GetDeclarationByNumber": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			return q.DeclarationByNumber(ctx, c, r, b.DeclarationNumber)
		},
		"GetDeclarationHistory": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			return q.DeclarationHistory(ctx, c, r, max(b.Page, 1))
		},
		"CheckActiveDeclaration": func(ctx context.Context, c registry.Caller, r query.Request, _ *body) (any, error) {
			return q.CheckActiveDeclaration(ctx, c, r)
		},
		"GetDependentDeclarations": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			if b.Dependant == nil {
				return nil, invalid("$.dependant", "required", "the child or ward is missing")
			}
			of := query.Dependant{TaxID: b.Dependant.RNOKPP, UNZR: b.Dependant.UNZR}
			if d := b.Dependant.Document; d != nil {
				of.DocumentType, of.DocumentNumber = d.Type, d.Number
			}
			return q.DependentDeclarations(ctx, c, r, of)
		},
		"RegisterConsent": func(ctx context.Context, c registry.Caller, r query.Request, _ *body) (any, error) {
			return q.RegisterConsent(ctx, c, r)
		},
		"RevokeConsent": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			r.Basis = basisOf(b.Revocation)
			return q.RevokeConsent(ctx, c, r, b.ConsentID)
		},
		"GetConsents": func(ctx context.Context, c registry.Caller, r query.Request, _ *body) (any, error) {
			return q.Consents(ctx, c, r)
		},
		"GetAccessLog": func(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
			return q.AccessLog(ctx, c, r, query.AccessPeriod{From: b.From, To: b.To, Before: b.Before, Limit: b.Limit})
		},
		"GetPrescriptions": func(ctx context.Context, c registry.Caller, r query.Request, _ *body) (any, error) {
			return q.Prescriptions(ctx, c, r)
		},
		"GetSickLeaves": func(ctx context.Context, c registry.Caller, r query.Request, _ *body) (any, error) {
			return q.SickLeaves(ctx, c, r)
		},
		"GetResponseEvidence": h.evidence,
	} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, name, ask) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		Refuse(w, r, registry.Errorf(registry.CodeNotFound, "there is no such operation; see openapi.yaml"))
	})
	return mux, nil
}

func (h handler) serve(w http.ResponseWriter, r *http.Request, name string, ask func(context.Context, registry.Caller, query.Request, *body) (any, error)) {
	answer, err := h.answer(w, r, name, ask)
	if err != nil {
		if registry.CodeOf(err) == registry.CodeInternal {
			h.Log.ErrorContext(r.Context(), "a Diia question was not answered", "operation", name, "cause", err.Error())
		}
		Refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, answer)
}

func (h handler) answer(w http.ResponseWriter, r *http.Request, name string, ask func(context.Context, registry.Caller, query.Request, *body) (any, error)) (any, error) {
	call, ok := gateway.From(r.Context())
	if !ok {
		return nil, registry.Errorf(registry.CodeUnauthenticated, "the request did not come through a security server")
	}
	if call.ServiceCode != "" && call.ServiceCode != name {
		return nil, registry.Errorf(registry.CodeForbidden, "the headers name another service than the address").WithReason("wrong_addressee")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, registry.Errorf(registry.CodeUnsupportedMedia, "send application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, registry.Errorf(registry.CodeTooLarge, "the request is larger than %d bytes", maxBody)
	}
	b, err := read(text, name)
	if err != nil {
		return nil, err
	}
	q, err := b.request()
	if err != nil {
		return nil, err
	}
	if err := call.About(q.Person.TaxID); err != nil {
		return nil, err
	}
	if len(call.Purposes) > 0 {
		q.PurposeID = call.Purposes[0]
	}
	q.Hash = sha256.Sum256(text)
	whole := sha512.Sum512(text)
	q.Body512, q.Body = whole[:], text
	q.MessageID = registry.MessageName(call.MessageID, whole[:])
	if q.MessageID == "" {
		q.MessageID = q.RequestID.String()
	}
	return ask(r.Context(), call.Caller(), q, b)
}

// read takes the members of the operation and refuses others.
func read(text []byte, name string) (*body, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "a JSON object is expected").WithCause(err)
	}
	for member := range given {
		if member != "request_id" && member != "person" && !slices.Contains(members[name], member) {
			return nil, invalid("$."+member, "schema", "the operation has no such member")
		}
	}
	b := &body{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil || d.More() {
		return nil, registry.Errorf(registry.CodeMalformed, "a member is of another type than the contract says").WithCause(err)
	}
	return b, nil
}

func (b *body) request() (query.Request, error) {
	if b.RequestID.IsZero() {
		return query.Request{}, invalid("$.request_id", "required", "the asker's own id of the request, a UUID, is missing")
	}
	q := query.Request{RequestID: b.RequestID, Basis: basisOf(b.Consent)}
	if p := b.Person; p != nil {
		q.Person = patient.Query{TaxID: p.RNOKPP, UNZR: p.UNZR, LastName: p.LastName, FirstName: p.FirstName, SecondName: p.Patronymic, BirthDate: p.BirthDate}
		if p.Document != nil {
			q.Person.DocumentType, q.Person.DocumentNumber = p.Document.Type, p.Document.Number
		}
	} else if b.AuditID.IsZero() {
		return query.Request{}, invalid("$.person", "required", "the person asked about is missing")
	}
	return q, nil
}

func basisOf(e *evidence) query.Basis {
	if e == nil {
		return query.Basis{}
	}
	return query.Basis{Signed: e.Signed, Content: e.Content, Attestation: e.Attestation, ConsentID: e.ConsentID}
}

func (h handler) evidence(ctx context.Context, c registry.Caller, r query.Request, b *body) (any, error) {
	e, err := h.Queries.ResponseEvidence(ctx, c, b.AuditID)
	if err != nil {
		return nil, err
	}
	out := map[string]any{
		"audit_id": e.AuditID, "entry": e.Entry, "leaf_hash": e.LeafHash[:], "request_sha512": e.RequestHash, "response_sha512": e.ResponseHash, "sequenced": e.Sequenced,
	}
	if e.Sequenced {
		proof := make([][]byte, len(e.Proof))
		for i, p := range e.Proof {
			proof[i] = p[:]
		}
		out["log_index"], out["tree_size"], out["checkpoint"], out["proof"] = e.Index, e.TreeSize, string(e.Checkpoint), proof
	}
	return map[string]any{"code": "OK", "message": "answered", "request_id": r.RequestID, "answered_at": h.Now().UTC(), "data": out}, nil
}

func invalid(entry, rule, text string) *registry.Error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text})
}

// statuses of refusals; what is not here is internal.
var statuses = map[registry.Code]int{
	registry.CodeMalformed: http.StatusBadRequest, registry.CodeTooLarge: http.StatusRequestEntityTooLarge, registry.CodeUnsupportedMedia: http.StatusUnsupportedMediaType,
	registry.CodeMethodNotAllowed: http.StatusMethodNotAllowed, registry.CodeInvalid: http.StatusUnprocessableEntity, registry.CodeUnauthenticated: http.StatusUnauthorized,
	registry.CodeForbidden: http.StatusForbidden, registry.CodeNotFound: http.StatusNotFound, registry.CodeConflict: http.StatusConflict, registry.CodeAlreadyDone: http.StatusConflict,
	registry.CodeRuleViolated: http.StatusUnprocessableEntity, registry.CodeSignatureInvalid: http.StatusUnprocessableEntity, registry.CodeSignatureIndeterminate: http.StatusUnprocessableEntity,
	registry.CodeConsentMissing: http.StatusForbidden, registry.CodeRateLimited: http.StatusTooManyRequests, registry.CodeUnavailable: http.StatusServiceUnavailable,
}

// Refuse writes an error: {"error": {type, message, reason, fields}}.
func Refuse(w http.ResponseWriter, _ *http.Request, err error) {
	e := registry.AsError(err)
	status, known := statuses[e.Code]
	kind, message := strings.ReplaceAll(string(e.Code), "-", "_"), e.Detail
	if !known {
		status, kind, message = http.StatusInternalServerError, "internal_error", "internal error"
	}
	problem := map[string]any{"type": kind, "message": message}
	if e.Reason != "" {
		problem["reason"] = e.Reason
	}
	var fields []map[string]string
	for _, f := range e.Fields {
		fields = append(fields, map[string]string{"entry": f.Entry, "rule": f.Rule, "description": f.Description})
	}
	if fields != nil {
		problem["fields"] = fields
	}
	write(w, status, map[string]any{"error": problem})
}

func write(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// The status is on its way; a failed write is the client's broken connection.
	_ = json.NewEncoder(w).Encode(v)
}
