package portal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/access"
)

// maxSigned bounds a signed challenge: containers with revocation lists inside
// reach some hundred kilobytes.
const maxSigned = 2 << 20

// signedLimit bounds a body with a signed challenge, base64 and form encoded.
func (p *portal) signedLimit() int64 { return min(p.limits.Body, 3*maxSigned) }

const mediaMultipart = "multipart/form-data"

func (p *portal) loginRoutes(r chi.Router) {
	r.Post("/oauth/token", p.public(p.token))
	r.Post("/oauth/revoke", p.public(p.revoke))
	r.Post("/oauth/challenges", p.public(p.challenge))
	r.Get("/oauth/authorize", p.public(p.authorizePage))
	r.Post("/oauth/authorize", p.public(p.authorize))
}

// certificate is the SHA-256 of the client's certificate: of the TLS
// connection, or as a proxy in front tells it (RFC 9440) where the
// configuration says that there is one.
func (p *portal) certificate(r *http.Request) []byte {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
		return sum[:]
	}
	values := r.Header.Values("Client-Cert")
	if !p.proxyTellsCertificate || len(values) != 1 {
		return nil
	}
	text, ok := strings.CutPrefix(values[0], ":")
	text, end := strings.CutSuffix(text, ":")
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || !end || err != nil || len(der) == 0 {
		return nil
	}
	sum := sha256.Sum256(der)
	return sum[:]
}

type challengeAnswer struct {
	DataToBeSigned string    `json:"data_to_be_signed"`
	ExpiresAt      time.Time `json:"expires_at"`
	Scope          string    `json:"scope"`
}

// challenge is POST /oauth/challenges: the document a person signs to log in.
func (p *portal) challenge(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	params, err := p.oauthParams(r, "client_id", "scope", "redirect_uri", "state", "code_challenge", "code_challenge_method")
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	document, c, err := p.access.Challenge(r.Context(), authorizationRequest(func(name string) string { return params[name] }))
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	p.write(w, http.StatusOK, challengeAnswer{string(document), c.ExpiresAt, strings.Join(c.Scope, " ")})
	return nil
}

func authorizationRequest(get func(string) string) access.AuthorizationRequest {
	return access.AuthorizationRequest{ClientID: get("client_id"), Scope: get("scope"), RedirectURI: get("redirect_uri"), State: get("state"),
		CodeChallenge: get("code_challenge"), Method: get("code_challenge_method")}
}

// authorizePage is GET /oauth/authorize (RFC 6749, 4.1.1): the page on which a
// person logs in with their КЕП.
func (p *portal) authorizePage(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	q := r.URL.Query()
	for name, values := range q {
		if len(values) > 1 {
			return p.loginTrouble(w, r, registry.Errorf(registry.CodeInvalid, "%s stands more than once", name))
		}
	}
	request := authorizationRequest(q.Get)
	if request.RedirectURI == "" {
		return p.loginTrouble(w, r, registry.Errorf(registry.CodeInvalid, "redirect_uri is missing"))
	}
	document, c, err := p.access.Challenge(r.Context(), request)
	if err == nil && q.Get("response_type") != "code" {
		err = registry.Errorf(registry.CodeInvalid, "response_type must be code").WithReason("unsupported_response_type")
	}
	switch e := registry.AsError(err); {
	case err == nil:
		return p.showLogin(w, r, LoginView{Status: http.StatusOK, Challenge: &c, Document: document})
	case e.Reason == "invalid_scope" || e.Reason == "invalid_request" || e.Reason == "unsupported_response_type":
		// The address is the client's own: its program is told, not the person.
		return p.goBack(w, r, request.RedirectURI, url.Values{"error": {e.Reason}, "error_description": {e.Detail}, "state": {request.State}})
	}
	return p.loginTrouble(w, r, err)
}

// authorize is POST /oauth/authorize: the signed challenge against a code. A
// form answers with a redirect (or a page), JSON with JSON.
func (p *portal) authorize(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	media, err := mediaType(r, mediaMultipart, mediaForm, mediaJSON)
	if err != nil {
		return err
	}
	if media == mediaJSON {
		return p.authorizeJSON(w, r)
	}
	container, employee, err := p.signedForm(r, media)
	if err != nil {
		return p.loginTrouble(w, r, err)
	}
	done, err := p.access.Authorize(r.Context(), registry.Caller{Channel: registry.ChannelREST, RequestID: requestOf(r).id}, container, employee)
	var choice *access.ChoiceError
	if errors.As(err, &choice) {
		return p.showLogin(w, r, LoginView{Status: http.StatusOK, Challenge: &choice.Challenge, Positions: choice.Positions, Signed: container})
	}
	if err != nil {
		return p.loginTrouble(w, r, err)
	}
	return p.goBack(w, r, done.RedirectURI, url.Values{"code": {done.Code}, "state": {done.State}})
}

func (p *portal) authorizeJSON(w http.ResponseWriter, r *http.Request) error {
	params, err := p.oauthBody(r, p.signedLimit(), "signed_content", "employee_id")
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	container, err := signedContent(params["signed_content"])
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	done, err := p.access.Authorize(r.Context(), registry.Caller{Channel: registry.ChannelREST, RequestID: requestOf(r).id}, container, params["employee_id"])
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	p.write(w, http.StatusOK, map[string]string{"code": done.Code, "state": done.State, "redirect_uri": done.RedirectURI})
	return nil
}

func signedContent(text string) ([]byte, error) {
	if text == "" {
		return nil, badGrant("invalid_request", "signed_content is missing")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) > maxSigned {
		return nil, badGrant("invalid_request", "signed_content must be base64 (RFC 4648, 4) of at most 2 MiB")
	}
	return b, nil
}

// signedForm reads the page's form: a file, or its base64 form on the page that
// asks for the position.
func (p *portal) signedForm(r *http.Request, media string) (container []byte, employee string, err error) {
	if media == mediaForm {
		params, err := p.oauthBody(r, p.signedLimit(), "signed_content", "employee_id")
		if err != nil {
			return nil, "", err
		}
		container, err = signedContent(params["signed_content"])
		return container, params["employee_id"], err
	}
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, "", registry.Errorf(registry.CodeMalformed, "the form is not readable")
	}
	r.Body = http.MaxBytesReader(nil, r.Body, maxSigned+64<<10)
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, "", registry.Errorf(registry.CodeMalformed, "the form is not readable").WithCause(err)
	}
	for range 10 {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", registry.Errorf(registry.CodeMalformed, "the form is not readable, or the file is larger than 2 MiB").WithCause(err)
		}
		b, err := io.ReadAll(io.LimitReader(part, maxSigned+1))
		if err != nil || len(b) > maxSigned {
			return nil, "", registry.Errorf(registry.CodeTooLarge, "the file is larger than 2 MiB").WithCause(err)
		}
		switch part.FormName() {
		case "signed_content":
			container = b
		case "employee_id":
			employee = string(b)
		}
	}
	if len(container) == 0 {
		return nil, "", registry.Errorf(registry.CodeInvalid, "choose the signed file")
	}
	return container, employee, nil
}

// goBack sends the browser to the client's address (RFC 6749, 4.1.2; RFC 9207).
func (p *portal) goBack(w http.ResponseWriter, r *http.Request, to string, answer url.Values) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	q := u.Query()
	for name, values := range answer {
		if values[0] != "" {
			q.Set(name, values[0])
		}
	}
	q.Set("iss", p.base)
	u.RawQuery = q.Encode()
	w.Header().Set("Location", u.String())
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Access gives and checks tokens; *access.Service is one.
type Access interface {
	Issue(ctx context.Context, c registry.Caller, g access.Grant) (access.Issued, error)
	Challenge(ctx context.Context, r access.AuthorizationRequest) ([]byte, access.Challenge, error)
	Authorize(ctx context.Context, c registry.Caller, container []byte, employeeID string) (access.Authorized, error)
	SignIn(ctx context.Context, c registry.Caller, proof access.Proof, container []byte, scope, employeeID string) (access.Issued, error)
	Exchange(ctx context.Context, c registry.Caller, proof access.Proof, code, redirectURI, verifier string) (access.Issued, error)
	Refresh(ctx context.Context, c registry.Caller, proof access.Proof, refresh, scope string) (access.Issued, error)
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
	// ActFor lets a hospital's key hand in what an employee signed at its own side.
	ActFor(ctx context.Context, c registry.Caller, employeeID string) (registry.Caller, error)
	Revoke(ctx context.Context, c registry.Caller, token string) error
}
