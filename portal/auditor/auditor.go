// Package auditor is the auditors' pages: the state of the log, its public
// checkpoints and witnesses, search, single entries with the inclusion proof
// checked in the reader's browser, and consistency with an earlier checkpoint.
//
// An auditor enters with their КЕП; the pages are a public client of access like
// any other. Checkpoints and consistency are public, as the log itself is. It
// holds no rules: trail.Service decides what is told and records who read it.
package auditor

import (
	"context"
	"embed"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"time"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/trail"
)

//go:embed templates text assets
var files embed.FS

// Login is the part of access the pages use; *access.Service is one.
type Login interface {
	Challenge(ctx context.Context, r access.AuthorizationRequest) ([]byte, access.Challenge, error)
	SignIn(ctx context.Context, c registry.Caller, proof access.Proof, container []byte, scope, employeeID string) (access.Issued, error)
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
	Revoke(ctx context.Context, c registry.Caller, token string) error
}

// Trail reads the log; *trail.Service is one.
type Trail interface {
	State(ctx context.Context, c registry.Caller) (trail.State, error)
	Entry(ctx context.Context, c registry.Caller, name string) (trail.Detail, error)
	Search(ctx context.Context, c registry.Caller, f trail.Filter) (trail.Results, error)
	Recognise(ctx context.Context, c registry.Caller, text string) (trail.Guess, error)
	Consistency(ctx context.Context, size int64) (trail.Consistency, error)
}

// Log gives the public checkpoints.
type Log interface {
	PublicCheckpoints(ctx context.Context, before int64, limit int) ([]trail.Checkpoint, error)
}

// Witness is one witness of the log.
type Witness struct {
	Organisation string
	// Text is the public key as it is written, Key the same, read.
	Text string
	Key  *audit.WitnessKey
}

// Config of the room; all but Witnesses and Quorum is needed.
type Config struct {
	Login Login
	Trail Trail
	Log   Log
	// ClientID is the public client the pages log people in as.
	ClientID string
	Clock    func() time.Time
	// LogKey is the log's public key in text form, LogURL where the log is served.
	LogKey, LogURL string
	Witnesses      []Witness
	Quorum         int
	// Secure keeps the session's cookie off plain HTTP.
	Secure bool
}

type room struct {
	Config
}

// Add puts the room into the kit.
func Add(kit *web.Kit, c Config) error {
	if c.Login == nil || c.Trail == nil || c.Log == nil || c.ClientID == "" || c.Clock == nil || c.LogKey == "" || c.LogURL == "" {
		return errors.New("portal/auditor: a part is missing")
	}
	pages, err := kit.Room("auditor", files)
	if err != nil {
		return err
	}
	r := &room{c}
	pages.Section("/audit", "audit.section")
	pages.Get("/audit", r.entered(r.overview))
	pages.Get("/audit/checkpoints", r.checkpoints)
	pages.Get("/audit/consistency", r.consistency)
	pages.Get("/audit/entries", r.entered(r.search))
	pages.Get("/audit/entries.ndjson", r.entered(r.export))
	pages.Get("/audit/entries/{name}", r.entered(r.entry))
	pages.Get("/audit/login", r.loginPage)
	pages.Get("/audit/login.json", r.challenge)
	pages.Post("/audit/login", r.login)
	pages.Post("/audit/logout", r.logout)
	return nil
}

// sessionCookie holds the access token.
const sessionCookie = "mist_audit"

func (r *room) setSession(w http.ResponseWriter, token string, age int) {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.Secure, SameSite: http.SameSiteStrictMode})
}

type handler func(w http.ResponseWriter, q *web.Request, c registry.Caller) error

// entered leads to the login page whoever has no session.
func (r *room) entered(h handler) web.Handler {
	return func(w http.ResponseWriter, q *web.Request) error {
		cookie, err := q.Cookie(sessionCookie)
		if err != nil {
			q.Redirect(w, "/audit/login")
			return nil
		}
		c, err := r.Login.Authenticate(q.Context(), cookie.Value, nil)
		if registry.CodeOf(err) == registry.CodeUnauthenticated {
			r.setSession(w, "", -1)
			q.Redirect(w, "/audit/login")
			return nil
		}
		if err != nil {
			return err
		}
		c.Channel, c.RequestID = registry.ChannelREST, portal.RequestID(q.Request)
		return h(w, q, c)
	}
}

type loginView struct {
	Problems []web.Problem
	File     web.Field
}

func (r *room) loginPage(w http.ResponseWriter, q *web.Request) error { return r.showLogin(w, q, "") }

func (r *room) showLogin(w http.ResponseWriter, q *web.Request, trouble string) error {
	v := loginView{File: web.Field{Name: "signed", Type: "file", Label: q.T("audit.login.file"), Hint: q.T("audit.login.file.hint"), Required: true}}
	status := http.StatusOK
	if trouble != "" {
		v.Problems = []web.Problem{{Field: "signed", Text: trouble}}
		v.File.Error, status = trouble, http.StatusForbidden
	}
	return q.Render(w, web.Page{Template: "login", Title: q.T("audit.login.title"), Status: status, Data: v})
}

// challenge gives the document to sign as a file.
func (r *room) challenge(w http.ResponseWriter, q *web.Request) error {
	document, _, err := r.Login.Challenge(q.Context(), access.AuthorizationRequest{ClientID: r.ClientID, Scope: trail.Scope})
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
		return r.showLogin(w, q, q.T("audit.login.unreadable"))
	}
	issued, err := r.signIn(q, container)
	switch code := registry.CodeOf(err); {
	case err == nil:
	case portal.StatusOf(code) >= http.StatusInternalServerError:
		return err
	case code == registry.CodeSignatureInvalid || code == registry.CodeSignatureIndeterminate:
		return r.showLogin(w, q, q.T("audit.login.signature"))
	default:
		return r.showLogin(w, q, q.T("audit.login.refused"))
	}
	r.setSession(w, issued.AccessToken, int(issued.ExpiresIn.Seconds()))
	q.Redirect(w, "/audit")
	return nil
}

// roleAuditor is the position these pages are for.
const roleAuditor = "AUDITOR"

// signIn enters in the position of an auditor, whatever others the person holds.
func (r *room) signIn(q *web.Request, container []byte) (access.Issued, error) {
	caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
	proof := access.Proof{ClientID: r.ClientID}
	issued, err := r.Login.SignIn(q.Context(), caller, proof, container, trail.Scope, "")
	var choice *access.ChoiceError
	if errors.As(err, &choice) {
		for _, p := range choice.Positions {
			if p.Role == roleAuditor {
				return r.Login.SignIn(q.Context(), caller, proof, container, trail.Scope, p.EmployeeID.String())
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

func (r *room) logout(w http.ResponseWriter, q *web.Request) error {
	if cookie, err := q.Cookie(sessionCookie); err == nil {
		caller := registry.Caller{Channel: registry.ChannelREST, RequestID: portal.RequestID(q.Request)}
		if err := r.Login.Revoke(q.Context(), caller, cookie.Value); err != nil {
			return err
		}
	}
	r.setSession(w, "", -1)
	q.Redirect(w, "/audit/login")
	return nil
}
