package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/access"
)

// oauthError is the answer of RFC 6749, 5.2. What OAuth has no word for (405,
// 413, 415, 429) leaves in the envelope as everywhere else.
type oauthError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
	// Reason is the registry's own word, more exact than RFC 6749 has one.
	Reason string `json:"reason,omitempty"`
	// Positions are what a person with several has to choose from.
	Positions []access.Position `json:"positions,omitempty"`
	cause     error
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }
func (e *oauthError) Unwrap() error { return e.cause }

func badGrant(code, text string) error {
	return &oauthError{status: http.StatusBadRequest, Code: code, Description: text}
}

type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	// Position is in which capacity the human who logged in acts.
	Position *access.Position `json:"position,omitempty"`
}

// Grant types served.
const (
	grantClient    = "client_credentials"
	grantCode      = "authorization_code"
	grantRefresh   = "refresh_token"
	grantSignature = "digital_signature"
)

// token is POST /oauth/token: tokens for systems and for people.
func (p *portal) token(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	params, err := p.oauthBody(r, p.signedLimit(), "grant_type", "client_id", "client_secret", "scope", "employee_id",
		"code", "redirect_uri", "code_verifier", "refresh_token", "signed_content")
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	proof, err := proofOf(r, params)
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	proof.Certificate = p.certificate(r)
	issued, err := p.issue(r, proof, params)
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	w.Header().Set("Pragma", "no-cache")
	p.write(w, http.StatusOK, tokenAnswer{issued.AccessToken, "Bearer", int64(issued.ExpiresIn.Seconds()), issued.RefreshToken,
		strings.Join(issued.Scopes, " "), issued.Position})
	return nil
}

// grantParams are the members that belong to a grant type and to no other.
var grantParams = map[string][]string{
	grantClient: {"scope", "employee_id"}, grantCode: {"code", "redirect_uri", "code_verifier"},
	grantRefresh: {"refresh_token", "scope"}, grantSignature: {"signed_content", "scope", "employee_id"},
}

// optional members of a grant.
var optionalParams = []string{"scope", "employee_id"}

func (p *portal) issue(r *http.Request, proof access.Proof, params map[string]string) (access.Issued, error) {
	kind := params["grant_type"]
	known, ok := grantParams[kind]
	if !ok {
		return access.Issued{}, badGrant("unsupported_grant_type", "grant_type client_credentials, authorization_code, refresh_token or digital_signature is served")
	}
	for _, name := range known {
		if params[name] == "" && !slices.Contains(optionalParams, name) {
			return access.Issued{}, badGrant("invalid_request", name+" is missing")
		}
	}
	for _, list := range grantParams {
		for _, name := range list {
			if params[name] != "" && !slices.Contains(known, name) {
				return access.Issued{}, badGrant("invalid_request", name+" does not belong to grant_type "+kind)
			}
		}
	}
	ctx, c := r.Context(), registry.Caller{Channel: registry.ChannelREST, RequestID: requestOf(r).id}
	switch kind {
	case grantCode:
		return p.access.Exchange(ctx, c, proof, params["code"], params["redirect_uri"], params["code_verifier"])
	case grantRefresh:
		return p.access.Refresh(ctx, c, proof, params["refresh_token"], params["scope"])
	case grantSignature:
		container, err := signedContent(params["signed_content"])
		if err != nil {
			return access.Issued{}, err
		}
		return p.access.SignIn(ctx, c, proof, container, params["scope"], params["employee_id"])
	}
	if proof.ClientSecret == "" {
		return access.Issued{}, invalidClient("client_id and client_secret are expected")
	}
	return p.access.Issue(ctx, c, access.Grant{Proof: proof, Scope: params["scope"], EmployeeID: params["employee_id"]})
}

// revoke is POST /oauth/revoke (RFC 7009). Possession of the token is the right
// to end it, and an unknown token is answered like a known one.
func (p *portal) revoke(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	params, err := p.oauthParams(r, "token", "token_type_hint", "client_id", "client_secret")
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	if params["token"] == "" {
		return p.oauthRefuse(w, r, badGrant("invalid_request", "token is missing"))
	}
	if err := p.access.Revoke(r.Context(), registry.Caller{Channel: registry.ChannelREST, RequestID: requestOf(r).id}, params["token"]); err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return p.oauthRefuse(w, r, err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// oauthParams reads a form or, as MIS vendors do, JSON. A form's unknown
// parameters are ignored as RFC 6749, 3.2 demands; in JSON, which is ours, they
// are named.
func (p *portal) oauthParams(r *http.Request, known ...string) (map[string]string, error) {
	return p.oauthBody(r, p.limits.SmallBody, known...)
}

func (p *portal) oauthBody(r *http.Request, limit int64, known ...string) (map[string]string, error) {
	media, err := mediaType(r, mediaForm, mediaJSON)
	if err != nil {
		return nil, err
	}
	body, err := readBody(r, limit)
	if err != nil {
		return nil, err
	}
	params := map[string]string{}
	if media == mediaJSON {
		o, err := parseObject(body)
		if err != nil {
			return nil, badGrant("invalid_request", registry.AsError(err).Detail)
		}
		f := o.fields()
		for _, name := range known {
			params[name] = f.text(name, false)
		}
		if err := f.done(); err != nil {
			first := registry.AsError(err).Fields[0]
			return nil, badGrant("invalid_request", first.Entry+": "+first.Description)
		}
		return params, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badGrant("invalid_request", "the body is not a readable form")
	}
	for _, name := range known {
		if len(form[name]) > 1 {
			return nil, badGrant("invalid_request", name+" stands more than once")
		}
		params[name] = form.Get(name)
	}
	return params, nil
}

// proofOf reads the client's name and password in the body or by HTTP Basic
// (RFC 6749, 2.3.1), never both. A public client has no password.
func proofOf(r *http.Request, params map[string]string) (access.Proof, error) {
	g := access.Proof{ClientID: params["client_id"], ClientSecret: params["client_secret"]}
	if len(r.Header.Values("Authorization")) > 0 {
		user, password, ok := r.BasicAuth()
		if !ok {
			return g, invalidClient("only HTTP Basic is read at this address")
		}
		if g.ClientSecret != "" {
			return g, badGrant("invalid_request", "the client authenticates by header or by body, not by both")
		}
		id, errID := url.QueryUnescape(user)
		secret, errSecret := url.QueryUnescape(password)
		if errID != nil || errSecret != nil || g.ClientID != "" && g.ClientID != id {
			return g, invalidClient("the client's name or password is not readable")
		}
		g.ClientID, g.ClientSecret = id, secret
	}
	switch {
	case params["grant_type"] == "":
		return g, badGrant("invalid_request", "grant_type is missing")
	case g.ClientID == "":
		return g, invalidClient("client_id is expected")
	}
	return g, nil
}

func invalidClient(text string) error {
	return &oauthError{status: http.StatusUnauthorized, Code: "invalid_client", Description: text}
}

// oauthRefuse answers in the form of RFC 6749, 5.2, or hands the error on to
// the envelope where OAuth has no word for it.
func (p *portal) oauthRefuse(w http.ResponseWriter, r *http.Request, err error) error {
	var oe *oauthError
	if !errors.As(err, &oe) {
		e := registry.AsError(p.slowed(r, err))
		oe = &oauthError{status: http.StatusBadRequest, Description: e.Detail, cause: e}
		if e.Reason != "invalid_scope" && e.Reason != "invalid_grant" && e.Reason != "invalid_request" {
			oe.Reason = e.Reason
		}
		switch {
		case e.Code == registry.CodeUnauthenticated:
			oe.status, oe.Code, oe.Description, oe.Reason = http.StatusUnauthorized, "invalid_client", "unknown client or wrong secret", ""
		case e.Reason == "invalid_scope":
			oe.Code = "invalid_scope"
		case e.Reason == "interaction_required":
			oe.Code, oe.Reason = "interaction_required", ""
			var choice *access.ChoiceError
			if errors.As(e, &choice) {
				oe.Positions = choice.Positions
			}
		case e.Code == registry.CodeInvalid:
			oe.Code = "invalid_request"
		case e.Code == registry.CodeForbidden:
			oe.Code = "invalid_grant"
		default:
			return e
		}
	}
	code := registry.CodeMalformed
	if oe.status == http.StatusUnauthorized {
		code = registry.CodeUnauthenticated
		p.metrics.refused.WithLabelValues("invalid_client").Inc()
		w.Header().Set("WWW-Authenticate", `Basic realm="mist", charset="UTF-8"`)
	}
	requestOf(r).err = registry.Errorf(code, "%s", oe.Code).WithReason(oe.Code).WithCause(oe.cause)
	w.Header().Set("Pragma", "no-cache")
	p.write(w, oe.status, oe)
	return nil
}
