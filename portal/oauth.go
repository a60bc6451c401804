package portal

import (
	"errors"
	"net/http"
	"net/url"
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
	cause       error
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }
func (e *oauthError) Unwrap() error { return e.cause }

func badGrant(code, text string) error {
	return &oauthError{status: http.StatusBadRequest, Code: code, Description: text}
}

type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

// token is POST /oauth/token: client_credentials with Mist's employee_id.
func (p *portal) token(w http.ResponseWriter, r *http.Request) error {
	if err := p.tokens.take(w, remoteHost(r), p); err != nil {
		return err
	}
	params, err := p.oauthParams(r, "grant_type", "client_id", "client_secret", "scope", "employee_id")
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	grant, err := grantOf(r, params)
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	q := requestOf(r)
	issued, err := p.access.Issue(r.Context(), registry.Caller{Channel: registry.ChannelREST, RequestID: q.id}, grant)
	if err != nil {
		return p.oauthRefuse(w, r, err)
	}
	w.Header().Set("Pragma", "no-cache")
	p.write(w, http.StatusOK, tokenAnswer{issued.AccessToken, "Bearer", int64(issued.ExpiresIn.Seconds()), strings.Join(issued.Scopes, " ")})
	return nil
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
	if err := p.access.Revoke(r.Context(), params["token"]); err != nil && registry.CodeOf(err) != registry.CodeNotFound {
		return p.oauthRefuse(w, r, err)
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// oauthParams reads a form or, as MIS vendors do, JSON. A form's unknown
// parameters are ignored as RFC 6749, 3.2 demands; in JSON, which is ours, they
// are named.
func (p *portal) oauthParams(r *http.Request, known ...string) (map[string]string, error) {
	media, err := mediaType(r, mediaForm, mediaJSON)
	if err != nil {
		return nil, err
	}
	body, err := readBody(r, p.limits.SmallBody)
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

// grantOf checks the request of RFC 6749, 4.4.2 with the client's password in
// the body or by HTTP Basic (2.3.1), never both.
func grantOf(r *http.Request, params map[string]string) (access.Grant, error) {
	g := access.Grant{ClientID: params["client_id"], ClientSecret: params["client_secret"], Scope: params["scope"], EmployeeID: params["employee_id"]}
	if len(r.Header.Values("Authorization")) > 0 {
		user, password, ok := r.BasicAuth()
		if !ok {
			return access.Grant{}, invalidClient("only HTTP Basic is read at this address")
		}
		if g.ClientSecret != "" {
			return access.Grant{}, badGrant("invalid_request", "the client authenticates by header or by body, not by both")
		}
		id, errID := url.QueryUnescape(user)
		secret, errSecret := url.QueryUnescape(password)
		if errID != nil || errSecret != nil || g.ClientID != "" && g.ClientID != id {
			return access.Grant{}, invalidClient("the client's name or password is not readable")
		}
		g.ClientID, g.ClientSecret = id, secret
	}
	switch {
	case params["grant_type"] == "":
		return access.Grant{}, badGrant("invalid_request", "grant_type is missing")
	case params["grant_type"] != "client_credentials":
		return access.Grant{}, badGrant("unsupported_grant_type", "grant_type client_credentials is served")
	case g.ClientID == "" || g.ClientSecret == "":
		return access.Grant{}, invalidClient("client_id and client_secret are expected")
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
		switch {
		case e.Code == registry.CodeUnauthenticated:
			oe = &oauthError{status: http.StatusUnauthorized, Code: "invalid_client", Description: "unknown client or wrong secret", cause: e}
		case e.Reason == "invalid_scope":
			oe = &oauthError{status: http.StatusBadRequest, Code: "invalid_scope", Description: e.Detail, cause: e}
		case e.Code == registry.CodeForbidden:
			oe = &oauthError{status: http.StatusBadRequest, Code: "invalid_grant", Description: e.Detail, cause: e}
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
