package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/legalentity"
	"mist/registry/record"
)

// Intake is the pipeline of one act kind as REST uses it; *intake.Service of
// any port is one.
type Intake interface {
	Kind() registry.KindName
	Create(ctx context.Context, c registry.Caller, body []byte) (intake.Draft, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	// Frozen is Get for who wants the bytes to sign alone.
	Frozen(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	Approve(ctx context.Context, c registry.Caller, id registry.ID, code string) (intake.Draft, error)
	ResendOTP(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	Reject(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error)
	Sign(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (intake.Outcome, error)
	Documents(ctx context.Context, c registry.Caller, id registry.ID) ([]intake.Document, error)
}

// Act is one kind of act on the REST side: where its drafts live and what the
// eHealth API calls the member that carries the signed container; empty where
// the patient's confirmation completes a request and nobody signs it.
type Act struct {
	Path        string // /api/v3/declaration_requests
	SignedField string // signed_declaration_request
	// Unconfirmed: the author alone makes the act; nobody is asked for a code or scans.
	Unconfirmed bool
	Service     Intake
}

func (a Act) validate() error {
	if a.Service == nil || !strings.HasPrefix(a.Path, "/api/") || strings.HasSuffix(a.Path, "/") {
		return fmt.Errorf("portal: the act at %q needs a path under /api/ and a service", a.Path)
	}
	return nil
}

// DeclarationRequests are the declaration's places (ЕСОЗ 1.1).
func DeclarationRequests(service Intake) Act {
	return Act{Path: "/api/v3/declaration_requests", SignedField: "signed_declaration_request", Service: service}
}

// PersonRequests are the places of the requests by which a person enters the
// index (ЕСОЗ 1.5).
func PersonRequests(service Intake) Act {
	return Act{Path: "/api/v3/person_requests", SignedField: "signed_content", Service: service}
}

// AuthenticationMethodRequests are the places of the requests by which a
// person's ways of confirming are changed.
func AuthenticationMethodRequests(service Intake) Act {
	return Act{Path: "/api/v3/authentication_method_requests", Service: service}
}

// ConfidantRelationshipRequests are the places of the requests about who speaks
// for a person (ЕСОЗ 1.4).
func ConfidantRelationshipRequests(service Intake) Act {
	return Act{Path: "/api/v3/confidant_person_relationship_requests", Service: service}
}

// acts are the handlers of one kind. They hold no rules.
type acts struct {
	*portal
	act Act
}

func (a acts) routes(r chi.Router) {
	one := a.act.Path + "/{id}"
	r.Post(a.act.Path, a.member(a.create))
	r.Get(one, a.byID(a.get))
	r.Patch(one+"/actions/reject", a.byID(a.reject))
	if !a.act.Unconfirmed {
		r.Get(one+"/documents", a.byID(a.documents))
		r.Patch(one+"/actions/approve", a.byID(a.approve))
		r.Patch(one+"/actions/resend_otp", a.byID(a.resendOTP))
	}
	if a.act.SignedField != "" {
		r.Get(one+"/data_to_be_signed", a.byID(a.dataToBeSigned))
		r.Patch(one+"/actions/sign", a.byID(a.sign))
	}
}

func (a acts) create(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
	// The kind reads the body by its own rules; here it only has to be JSON.
	_, body, err := readObject(r, a.limits.SmallBody, false)
	if err != nil {
		return err
	}
	d, err := a.act.Service.Create(r.Context(), c, body)
	if err != nil {
		return err
	}
	w.Header().Set("Location", a.base+a.act.Path+"/"+d.ID.String())
	return a.show(w, r, http.StatusCreated, d)
}

func (a acts) get(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	d, err := a.act.Service.Get(r.Context(), c, id)
	if err != nil {
		return err
	}
	return a.show(w, r, http.StatusOK, d)
}

// dataToBeSigned gives the frozen bytes and nothing around them: what the
// signer signs, hashed in ETag (hex) and Content-Digest (RFC 9530).
func (a acts) dataToBeSigned(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	d, err := a.act.Service.Frozen(r.Context(), c, id)
	if err != nil {
		return err
	}
	if len(d.ToBeSigned) == 0 {
		return registry.Errorf(registry.CodeConflict, "there is nothing to sign in status %s; approve the request first", d.Status).WithReason("status_" + string(d.Status))
	}
	sum := sha256.Sum256(d.ToBeSigned)
	h := w.Header()
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	h.Set("ETag", tag)
	h.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	if unchanged(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", mediaJSON)
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(d.ToBeSigned); err != nil {
		a.log.Debug("client went away", "cause", err.Error())
	}
	return nil
}

func (a acts) approve(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	o, _, err := readObject(r, a.limits.SmallBody, true)
	if err != nil {
		return err
	}
	f := o.fields()
	code := f.digits("verification_code")
	if err := f.done(); err != nil {
		return err
	}
	d, err := a.act.Service.Approve(r.Context(), c, id, code)
	if err != nil {
		return err
	}
	return a.show(w, r, http.StatusOK, d)
}

func (a acts) resendOTP(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	return a.bare(w, r, c, id, a.act.Service.ResendOTP)
}

func (a acts) reject(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	return a.bare(w, r, c, id, a.act.Service.Reject)
}

// bare runs an action that takes no members.
func (a acts) bare(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID,
	action func(context.Context, registry.Caller, registry.ID) (intake.Draft, error)) error {
	o, _, err := readObject(r, a.limits.SmallBody, true)
	if err != nil {
		return err
	}
	if err := o.fields().done(); err != nil {
		return err
	}
	d, err := action(r.Context(), c, id)
	if err != nil {
		return err
	}
	return a.show(w, r, http.StatusOK, d)
}

func (a acts) sign(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
	o, _, err := readObject(r, a.limits.Body, false)
	if err != nil {
		return err
	}
	f := o.fields()
	text, encoding := f.text(a.act.SignedField, true), f.text("signed_content_encoding", true)
	if encoding != "base64" && encoding != "" {
		f.wrong("signed_content_encoding", "inclusion", "value is not allowed in enum", "base64")
	}
	container, err := decodeBase64(text)
	if err != nil {
		f.wrong(a.act.SignedField, "invalid", "Not a base64 string")
	}
	if err := f.done(); err != nil {
		return err
	}
	out, err := a.act.Service.Sign(r.Context(), c, id, container)
	if err != nil {
		return err
	}
	if out.Waiting != nil {
		data, err := draftView(*out.Waiting)
		if err != nil {
			return err
		}
		return a.answer(w, r, http.StatusAccepted, data, &urgent{Receipt: &out.Receipt})
	}
	resource := out.Resource
	if s, ok := resource.(record.Shown); ok { // a kind that leaves a record
		resource = viewShown(s)
	}
	return a.answer(w, r, http.StatusCreated, resource, &urgent{Receipt: &out.Receipt})
}

// decodeBase64 reads RFC 4648 section 4 strictly: padded, no line breaks, no
// stray bits, so that one container has one text.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

// urgent is what the caller must act on or keep.
type urgent struct {
	Authentication *authentication `json:"authentication_method_current,omitempty"`
	// NextStep says in a word what is awaited: a code, documents, both.
	NextStep string         `json:"next_step,omitempty"`
	Receipt  *audit.Receipt `json:"receipt,omitempty"`
	// Documents are the links by which scans are put, while the draft is NEW.
	Documents []documentUpload `json:"documents,omitempty"`
	// Security and EmployeeRequestID are told once, of a registered legal entity.
	Security          *legalentity.Credentials `json:"security,omitempty"`
	EmployeeRequestID *registry.ID             `json:"employee_request_id,omitempty"`
}

type authentication struct {
	Type   string `json:"type"`
	Number string `json:"number,omitempty"`
}

// maskPhone hides the middle of a number: +38093*****74.
func maskPhone(s string) string {
	const head, tail = 6, 2
	if len(s) <= head+tail {
		return strings.Repeat("*", len(s))
	}
	return s[:head] + strings.Repeat("*", len(s)-head-tail) + s[len(s)-tail:]
}

// show answers with a draft: the members of its snapshot, its own state, and
// the bytes to be signed once they are frozen.
func (a acts) show(w http.ResponseWriter, r *http.Request, status int, d intake.Draft) error {
	data, err := draftView(d)
	if err != nil {
		return err
	}
	var u *urgent
	if d.Open() && d.AuthMethod != "" {
		u = &urgent{Authentication: &authentication{Type: d.AuthMethod, Number: maskPhone(d.Phone)}, Documents: a.uploads(d), NextStep: nextStep(d)}
	}
	return a.answer(w, r, status, data, u)
}

// nextStep says what the caller has to do (complaints 10: nobody knew when a
// code is needed, and from which phone).
func nextStep(d intake.Draft) string {
	missing := slices.ContainsFunc(d.Documents, func(doc intake.Document) bool { return !doc.Uploaded() })
	switch {
	case d.Status == intake.StatusApproved:
		return "sign"
	case d.Status != intake.StatusNew:
		return ""
	case missing && d.AuthMethod == "OTP":
		return "upload_documents_then_approve_with_code"
	case missing:
		return "upload_documents_then_approve"
	case d.AuthMethod == "OTP":
		return "approve_with_code"
	}
	return "approve"
}

// draftView is the draft as its caller sees it: the members of the snapshot,
// which the registry wrote itself, as they are, and what is the draft's own.
// The snapshot already says what the signed document will say; the state is
// the draft's.
func draftView(d intake.Draft) (written, error) {
	snapshot := d.ToBeSigned
	if len(snapshot) == 0 {
		snapshot = d.Data
	}
	members, err := jcs.Members(snapshot)
	if err != nil {
		return nil, fmt.Errorf("reading a draft's snapshot: %w", err)
	}
	own := []jcs.Member{
		{Name: "id", Value: jcs.String(d.ID.String())}, {Name: "status", Value: jcs.String(string(d.Status))},
		{Name: "inserted_at", Value: jcs.String(stamp(d.InsertedAt))}, {Name: "updated_at", Value: jcs.String(stamp(d.UpdatedAt))}, {Name: "expires_at", Value: jcs.String(stamp(d.ExpiresAt))},
	}
	if d.StatusReason != "" {
		own = append(own, jcs.Member{Name: "status_reason", Value: jcs.String(d.StatusReason)})
	}
	if len(d.ToBeSigned) > 0 {
		own = append(own, jcs.Member{Name: "data_to_be_signed", Value: d.ToBeSigned})
	}
	n := len(own)
	for _, m := range members {
		if !slices.ContainsFunc(own[:n], func(o jcs.Member) bool { return o.Name == m.Name }) {
			own = append(own, m)
		}
	}
	return jcs.Join(own), nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
