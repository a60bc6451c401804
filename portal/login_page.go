package portal

import (
	"errors"
	"net/http"

	"mist/registry"
	"mist/registry/access"
)

// LoginPage shows people what is asked of them at /oauth/authorize; *oauth.Page
// is one.
type LoginPage interface {
	ShowLogin(w http.ResponseWriter, r *http.Request, v LoginView)
}

// LoginView is what the login page shows: a challenge to sign, a choice among
// positions, or trouble.
type LoginView struct {
	Status int
	// Challenge is nil in trouble; Document is what is to be signed.
	Challenge *access.Challenge
	Document  []byte
	// Positions are chosen among once the challenge was Signed.
	Positions []access.Position
	Signed    []byte
	Trouble   *registry.Error
}

func (p *portal) showLogin(w http.ResponseWriter, r *http.Request, v LoginView) error {
	if p.loginPage == nil {
		return registry.Errorf(registry.CodeNotFound, "this server has no pages; log in by POST /oauth/challenges and POST /oauth/authorize as JSON")
	}
	p.loginPage.ShowLogin(w, r, v)
	return nil
}

// loginTrouble tells a person, not a program, what went wrong.
func (p *portal) loginTrouble(w http.ResponseWriter, r *http.Request, err error) error {
	e := registry.AsError(p.slowed(r, err))
	status := StatusOf(e.Code)
	var oe *oauthError
	if errors.As(err, &oe) {
		status = oe.status
		e = registry.Errorf(registry.CodeMalformed, "%s", oe.Description).WithReason(oe.Code)
	}
	requestOf(r).err = e
	return p.showLogin(w, r, LoginView{Status: status, Trouble: e})
}
