// Package login is the door of pages that need to know who reads them: a person
// enters with their КЕП by signing the login document every other system of the
// registry asks for, the page being a public client of access like any other.
//
// The session is the access token in a cookie that no script can read and no
// other site sends; it ends with the token. The server keeps no challenge: each
// is good for its own short time, once.
package login

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/access"
)

// Service is the part of access a door uses; *access.Service is one.
type Service interface {
	Challenge(ctx context.Context, r access.AuthorizationRequest) ([]byte, access.Challenge, error)
	SignIn(ctx context.Context, c registry.Caller, proof access.Proof, container []byte, scope, employeeID string) (access.Issued, error)
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
	Revoke(ctx context.Context, c registry.Caller, token string) error
}

// Config of a door; all but Roles and Secure is needed.
type Config struct {
	Service Service
	// ClientID is the public client people are logged in as, Scope the rights it asks for.
	ClientID, Scope string
	// Roles are the positions the pages are for: of several a person holds, the
	// first of these is taken. Empty where positions do not matter.
	Roles []string
	// Home is the page behind the door ("/me"); the door stands at Home/login.
	Home string
	// Cookie is the session's name.
	Cookie string
	// Title and Refused are keys of the room's texts; its template "login" shows
	// the form by {{template "enter" .Data}}.
	Title, Refused string
	// Secure keeps the cookie off plain HTTP.
	Secure bool
}

// Door is the login of one room.
type Door struct{ Config }

// Add puts login, challenge and logout into a room.
func Add(pages *web.Room, c Config) (*Door, error) {
	if c.Service == nil || c.ClientID == "" || c.Scope == "" || c.Home == "" || c.Cookie == "" || c.Title == "" || c.Refused == "" {
		return nil, errors.New("portal/web/login: a part is missing")
	}
	d := &Door{c}
	pages.Get(c.Home+"/login", func(w http.ResponseWriter, q *web.Request) error { return d.show(w, q, "") })
	pages.Get(c.Home+"/login.json", d.challenge)
	pages.Post(c.Home+"/login", d.enter)
	pages.Post(c.Home+"/logout", d.leave)
	return d, nil
}

// Handler is a page behind the door.
type Handler func(w http.ResponseWriter, q *web.Request, c registry.Caller) error

// Behind leads to the login whoever has no session.
func (d *Door) Behind(h Handler) web.Handler {
	return func(w http.ResponseWriter, q *web.Request) error {
		cookie, err := q.Cookie(d.Cookie)
		if err != nil {
			q.Redirect(w, d.Home+"/login")
			return nil
		}
		c, err := d.Service.Authenticate(q.Context(), cookie.Value, nil)
		if registry.CodeOf(err) == registry.CodeUnauthenticated {
			d.session(w, "", -1)
			q.Redirect(w, d.Home+"/login")
			return nil
		}
		if err != nil {
			return err
		}
		c.Channel, c.RequestID = registry.ChannelREST, portal.RequestID(q.Request)
		q.Request = q.WithContext(registry.WithReach(q.Context(), c.Rows))
		return h(w, q, c)
	}
}

func (d *Door) session(w http.ResponseWriter, token string, age int) {
	http.SetCookie(w, &http.Cookie{Name: d.Cookie, Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteStrictMode})
}

// view is the Data of a room's template "login".
type view struct {
	Home     string
	Problems []web.Problem
	File     web.Field
}

func (d *Door) show(w http.ResponseWriter, q *web.Request, trouble string) error {
	v := view{Home: d.Home, File: FileField(q, "signed")}
	status := http.StatusOK
	if trouble != "" {
		v.Problems = []web.Problem{{Field: v.File.Name, Text: trouble}}
		v.File.Error, status = trouble, http.StatusForbidden
	}
	return q.Render(w, web.Page{Template: "login", Title: q.T(d.Title), Status: status, Data: v})
}

// FileField asks for the signed file.
func FileField(q *web.Request, name string) web.Field {
	return web.Field{Name: name, Type: "file", Label: q.T("login.file"), Hint: q.T("login.file.hint"), Required: true}
}

// challenge gives the document to sign as a file.
func (d *Door) challenge(w http.ResponseWriter, q *web.Request) error {
	document, _, err := d.Service.Challenge(q.Context(), access.AuthorizationRequest{ClientID: d.ClientID, Scope: d.Scope})
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

func (d *Door) enter(w http.ResponseWriter, q *web.Request) error {
	q.Body = http.MaxBytesReader(w, q.Body, maxSigned+64<<10)
	container, err := signedFile(q.MultipartReader())
	if err != nil {
		return d.show(w, q, q.T("login.unreadable"))
	}
	issued, err := d.signIn(q, container)
	switch code := registry.CodeOf(err); {
	case err == nil:
	case portal.StatusOf(code) >= http.StatusInternalServerError:
		return err
	case code == registry.CodeSignatureInvalid || code == registry.CodeSignatureIndeterminate:
		return d.show(w, q, q.T("login.signature"))
	default:
		return d.show(w, q, q.T(d.Refused))
	}
	d.session(w, issued.AccessToken, int(issued.ExpiresIn.Seconds()))
	q.Redirect(w, d.Home)
	return nil
}

// signIn enters in the position the pages are for, whatever others the person holds.
func (d *Door) signIn(q *web.Request, container []byte) (access.Issued, error) {
	caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
	proof := access.Proof{ClientID: d.ClientID}
	issued, err := d.Service.SignIn(q.Context(), caller, proof, container, d.Scope, "")
	var choice *access.ChoiceError
	if !errors.As(err, &choice) {
		return issued, err
	}
	for _, role := range d.Roles {
		for _, p := range choice.Positions {
			if p.Role == role {
				return d.Service.SignIn(q.Context(), caller, proof, container, d.Scope, p.EmployeeID.String())
			}
		}
	}
	return issued, err
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

func (d *Door) leave(w http.ResponseWriter, q *web.Request) error {
	if cookie, err := q.Cookie(d.Cookie); err == nil {
		caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
		if err := d.Service.Revoke(q.Context(), caller, cookie.Value); err != nil {
			return err
		}
	}
	d.session(w, "", -1)
	q.Redirect(w, d.Home+"/login")
	return nil
}
