// Package oauth is the page of /oauth/authorize, on which a person lets a client
// system act for them: what it asks for in words, the document to sign with
// their КЕП, the choice among their positions, and what went wrong. The
// protocol itself (RFC 6749) is the portal's.
package oauth

import (
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"mist/portal"
	"mist/portal/web"
	"mist/portal/web/login"
	"mist/registry/access"
)

//go:embed templates text
var files embed.FS

// meaningsUkrainian says in Ukrainian what scopes mean, by the English meaning
// as registry/access has it, so that a changed one is seen to lack its own.
//
//go:embed text/scopes.uk.json
var meaningsUkrainian []byte

// Page shows the login; it implements portal.LoginPage.
type Page struct {
	room *web.Room
	// english gives a scope's meaning, ukrainian that meaning's own.
	english, ukrainian map[string]string
}

// Add puts the page's texts and templates into the kit; the portal serves its address.
func Add(kit *web.Kit) (*Page, error) {
	room, err := kit.Room("oauth", files)
	if err != nil {
		return nil, err
	}
	p := &Page{room: room, english: access.Meanings()}
	if err := json.Unmarshal(meaningsUkrainian, &p.ukrainian); err != nil {
		return nil, fmt.Errorf("portal/oauth: reading the meanings of scopes: %w", err)
	}
	for scope, text := range access.Ukrainian() {
		p.ukrainian[p.english[scope]] = text
	}
	return p, nil
}

// scope is a right that is asked for, in words where there are any.
type scope struct {
	Name, Text string
	// Lang is set where the text is in another language than the page.
	Lang string
}

type view struct {
	Client    string
	Scopes    []scope
	Document  string // base64
	Challenge *access.Challenge
	File      web.Field
	Positions []position
	Signed    string // base64
	Trouble   *trouble
	Action    string
}

type position struct {
	ID, Place, Role string
}

// trouble is an error in the words of the kit's error pages.
type trouble struct {
	Heading, Advice, Detail string
}

// ShowLogin implements portal.LoginPage.
func (p *Page) ShowLogin(w http.ResponseWriter, r *http.Request, lv portal.LoginView) {
	p.room.Show(w, r, func(w http.ResponseWriter, q *web.Request) error {
		v := view{Challenge: lv.Challenge, Action: "/oauth/authorize?ui_locales=" + string(q.Lang)}
		page := web.Page{Template: "authorize", Title: q.T("oauth.title"), Status: lv.Status}
		switch {
		case lv.Trouble != nil:
			code := string(lv.Trouble.Code)
			v.Trouble = &trouble{Heading: q.T("error." + code), Advice: q.T("error." + code + ".advice")}
			if lv.Status < http.StatusInternalServerError {
				v.Trouble.Detail = lv.Trouble.Detail
			}
		case len(lv.Positions) > 0:
			v.Client, v.Signed = lv.Challenge.ClientName, base64.StdEncoding.EncodeToString(lv.Signed)
			for _, one := range lv.Positions {
				v.Positions = append(v.Positions, position{one.EmployeeID.String(), one.LegalEntityName, one.Role})
			}
		default:
			v.Client, v.Document = lv.Challenge.ClientName, base64.StdEncoding.EncodeToString(lv.Document)
			v.File = login.FileField(q, "signed_content")
			for _, name := range lv.Challenge.Scope {
				v.Scopes = append(v.Scopes, p.scope(q, name))
			}
		}
		if lv.Challenge != nil {
			// Browsers hold the redirect after a form against form-action too.
			if u, err := url.Parse(lv.Challenge.RedirectURI); err == nil && u.Host != "" {
				page.FormTo = []string{u.Scheme + "://" + u.Host}
			}
		}
		page.Data = v
		return q.Render(w, page)
	})
}

// scope says what a scope lets a system do.
func (p *Page) scope(q *web.Request, name string) scope {
	s := scope{Name: name, Text: p.english[name]}
	if q.Lang == web.Ukrainian && s.Text != "" {
		if ukrainian := p.ukrainian[s.Text]; ukrainian != "" {
			s.Text = ukrainian
		} else {
			s.Lang = string(web.English)
		}
	}
	return s
}
