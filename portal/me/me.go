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
	"strings"
	"time"

	"mist/portal/web"
	"mist/portal/web/login"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/dispute"
	"mist/registry/prescription"
	"mist/registry/query"
	"mist/registry/sickleave"
)

//go:embed templates text
var files embed.FS

// Citizen is what a person is told about themselves; *query.Citizen is one.
type Citizen interface {
	Consents(ctx context.Context, c registry.Caller) ([]query.ConsentView, error)
	Consent(ctx context.Context, c registry.Caller, id registry.ID) (query.ConsentView, error)
	Revoke(ctx context.Context, c registry.Caller, id registry.ID) (audit.Receipt, error)
	AccessLog(ctx context.Context, c registry.Caller, p query.AccessPeriod) (query.AccessPage, error)
}

// Cases tell what was signed about a person and keep their word against it;
// *dispute.Service does.
type Cases interface {
	Records(ctx context.Context, c registry.Caller) ([]dispute.Record, []dispute.Case, error)
	Record(ctx context.Context, c registry.Caller, act registry.ID) (dispute.Record, error)
	Open(ctx context.Context, c registry.Caller, act registry.ID, said string) (dispute.Case, error)
	Own(ctx context.Context, c registry.Caller, id registry.ID) (dispute.Case, error)
}

// Config of the room; all of it is needed.
type Config struct {
	Login   login.Service
	Citizen Citizen
	Cases   Cases
	// SickLeaves are the reader's medical conclusions.
	SickLeaves SickLeaves
	// Prescriptions are the reader's prescriptions.
	Prescriptions Prescriptions
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
	if c.Login == nil || c.Citizen == nil || c.Cases == nil || c.SickLeaves == nil || c.Prescriptions == nil || c.ClientID == "" || c.Clock == nil {
		return errors.New("portal/me: a part is missing")
	}
	pages, err := kit.Room("me", files)
	if err != nil {
		return err
	}
	r := &room{c}
	door, err := login.Add(pages, login.Config{Service: c.Login, ClientID: c.ClientID, Scope: scopes, Home: "/me", Cookie: "mist_me",
		Title: "me.login.title", Refused: "me.login.refused", Secure: c.Secure})
	if err != nil {
		return err
	}
	pages.Section("/me", "me.section")
	pages.Get("/me", door.Behind(r.home))
	pages.Get("/me/records", door.Behind(r.records))
	pages.Get("/me/records/{id}", door.Behind(r.record))
	pages.Post("/me/records/{id}", door.Behind(r.dispute))
	pages.Get("/me/cases/{id}", door.Behind(r.ownCase))
	pages.Get("/me/sick_leaves", door.Behind(r.sickLeaves))
	pages.Get("/me/sick_leaves/{id}", door.Behind(r.paper))
	pages.Get("/me/prescriptions", door.Behind(r.prescriptions))
	pages.Get("/me/consents", door.Behind(r.consents))
	pages.Get("/me/consents/{id}", door.Behind(r.consent))
	pages.Post("/me/consents/{id}/revoke", door.Behind(r.revoke))
	return nil
}

// scopes the page asks a person for: to see and to take back, nothing more.
var scopes = strings.Join([]string{query.ScopeConsentRead, query.ScopeConsentRevoke, query.ScopeAccessLogRead, dispute.ScopeOwn, sickleave.ScopeReadOwn, prescription.ScopeReadOwn}, " ")
