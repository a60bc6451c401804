// Package me is the citizen's own page: who saw my data and why, my consents,
// taking one back. A person enters with their КЕП, by signing the same login
// document every other system of the registry asks for; the page is a public
// client of access like any other.
//
// It holds no rules: query.Citizen decides what is told. The session is the
// access token in a cookie that no script can read; it ends with the token.
package me

import (
	"context"
	"embed"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/query"
)

//go:embed templates text
var files embed.FS

// Login is the part of access the page uses; *access.Service is one.
type Login interface {
	Challenge(ctx context.Context, r access.AuthorizationRequest) ([]byte, access.Challenge, error)
	SignIn(ctx context.Context, c registry.Caller, proof access.Proof, container []byte, scope, employeeID string) (access.Issued, error)
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
	Revoke(ctx context.Context, c registry.Caller, token string) error
}

// Citizen is what a person is told about themselves; *query.Citizen is one.
type Citizen interface {
	Consents(ctx context.Context, c registry.Caller) ([]query.ConsentView, error)
	Consent(ctx context.Context, c registry.Caller, id registry.ID) (query.ConsentView, error)
	Revoke(ctx context.Context, c registry.Caller, id registry.ID) (audit.Receipt, error)
	AccessLog(ctx context.Context, c registry.Caller, p query.AccessPeriod) (query.AccessPage, error)
}

// Config of the room; all of it is needed.
type Config struct {
	Login   Login
	Citizen Citizen
	// ClientID is the public client the page logs people in as.
	ClientID string
	Clock    func() time.Time
	// Secure keeps the session's cookie off plain HTTP.
	Secure bool
}

type room struct {
	Config
}

// Add puts the room into the kit.
func Add(kit *web.Kit, c Config) error {
	if c.Login == nil || c.Citizen == nil || c.ClientID == "" || c.Clock == nil {
		return errors.New("portal/me: a part is missing")
	}
	pages, err := kit.Room("me", files)
	if err != nil {
		return err
	}
	r := &room{c}
	pages.Section("/me", "me.section")
	pages.Get("/me", r.entered(r.home))
	pages.Get("/me/consents", r.entered(r.consents))
	pages.Get("/me/consents/{id}", r.entered(r.consent))
	pages.Post("/me/consents/{id}/revoke", r.entered(r.revoke))
	pages.Get("/me/login", r.loginPage)
	pages.Get("/me/login.json", r.challenge)
	pages.Post("/me/login", r.login)
	pages.Post("/me/logout", r.logout)
	return nil
}

// sessionCookie holds the access token.
const sessionCookie = "mist_me"

func (r *room) setSession(w http.ResponseWriter, token string, age int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.Secure, SameSite: http.SameSiteStrictMode})
}

type handler func(w http.ResponseWriter, q *web.Request, c registry.Caller) error

// entered leads to the login page whoever has no session.
func (r *room) entered(h handler) web.Handler {
	return func(w http.ResponseWriter, q *web.Request) error {
		cookie, err := q.Cookie(sessionCookie)
		if err != nil {
			q.Redirect(w, "/me/login")
			return nil
		}
		c, err := r.Login.Authenticate(q.Context(), cookie.Value, nil)
		if registry.CodeOf(err) == registry.CodeUnauthenticated {
			r.setSession(w, "", -1)
			q.Redirect(w, "/me/login")
			return nil
		}
		if err != nil {
			return err
		}
		c.Channel, c.RequestID = registry.ChannelREST, portal.RequestID(q.Request)
		return h(w, q, c)
	}
}

// scopes the page asks a person for: to see and to take back, nothing more.
var scopes = strings.Join([]string{query.ScopeConsentRead, query.ScopeConsentRevoke, query.ScopeAccessLogRead}, " ")

type loginView struct {
	Problems []web.Problem
	File     web.Field
}

func (r *room) loginPage(w http.ResponseWriter, q *web.Request) error { return r.showLogin(w, q, "") }

func (r *room) showLogin(w http.ResponseWriter, q *web.Request, trouble string) error {
	v := loginView{File: web.Field{Name: "signed", Type: "file", Label: q.T("me.login.file"), Hint: q.T("me.login.file.hint"), Required: true}}
	status := http.StatusOK
	if trouble != "" {
		v.Problems = []web.Problem{{Field: "signed", Text: trouble}}
		v.File.Error, status = trouble, http.StatusForbidden
	}
	return q.Render(w, web.Page{Template: "login", Title: q.T("me.login.title"), Status: status, Data: v})
}

// challenge gives the document to sign as a file. The server keeps none: each
// is good for its own short time.
func (r *room) challenge(w http.ResponseWriter, q *web.Request) error {
	document, _, err := r.Login.Challenge(q.Context(), access.AuthorizationRequest{ClientID: r.ClientID, Scope: scopes})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="login.json"`)
	_, err = w.Write(document)
	return err
}

// maxSigned bounds the signed file.
const maxSigned = 2 << 20

func (r *room) login(w http.ResponseWriter, q *web.Request) error {
	q.Body = http.MaxBytesReader(w, q.Body, maxSigned+64<<10)
	container, err := signedFile(q.MultipartReader())
	if err != nil {
		return r.showLogin(w, q, q.T("me.login.unreadable"))
	}
	caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
	issued, err := r.Login.SignIn(q.Context(), caller, access.Proof{ClientID: r.ClientID}, container, scopes, "")
	switch code := registry.CodeOf(err); {
	case err == nil:
	case portal.StatusOf(code) >= http.StatusInternalServerError:
		return err
	case code == registry.CodeSignatureInvalid || code == registry.CodeSignatureIndeterminate:
		return r.showLogin(w, q, q.T("me.login.signature"))
	default:
		return r.showLogin(w, q, q.T("me.login.refused"))
	}
	r.setSession(w, issued.AccessToken, int(issued.ExpiresIn.Seconds()))
	q.Redirect(w, "/me")
	return nil
}

func signedFile(parts *multipart.Reader, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	for range 4 {
		part, err := parts.NextPart()
		if err != nil {
			return nil, err
		}
		if part.FormName() != "signed" {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(part, maxSigned+1))
		if err == nil && (len(b) == 0 || len(b) > maxSigned) {
			err = errors.New("no file, or one over 2 MiB")
		}
		return b, err
	}
	return nil, errors.New("no file in the form")
}

func (r *room) logout(w http.ResponseWriter, q *web.Request) error {
	if cookie, err := q.Cookie(sessionCookie); err == nil {
		caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
		if err := r.Login.Revoke(q.Context(), caller, cookie.Value); err != nil {
			return err
		}
	}
	r.setSession(w, "", -1)
	q.Redirect(w, "/me/login")
	return nil
}
