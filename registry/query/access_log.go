package query

import (
	"context"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
)

// Access is one line of "who saw my data".
type Access struct {
	AuditID registry.ID `json:"audit_id"`
	At      time.Time   `json:"at"`
	// Organisation asked, through System; Person tells that a person there did,
	// by name where the registry knows it.
	Organisation string `json:"organisation,omitempty"`
	System       string `json:"system,omitempty"`
	Person       string `json:"person,omitempty"`
	// Kind: person (somebody looked), automatic (a service asked), yourself.
	Kind string `json:"kind"`
	// Given tells whether data were told; Code why not.
	Given  bool     `json:"given"`
	Code   string   `json:"code,omitempty"`
	Fields []string `json:"fields,omitempty"`
	// Basis is the legal basis: consent, declaration, statute …; Purpose what the
	// data were read for.
	Basis     string      `json:"basis,omitempty"`
	Purpose   string      `json:"purpose,omitempty"`
	Method    string      `json:"method,omitempty"`
	ConsentID registry.ID `json:"consent_id,omitzero"`
	Event     audit.Kind  `json:"event"`
}

// AccessPeriod asks for a part of the log.
type AccessPeriod struct {
	From, To time.Time // zero: open
	// Before goes on after the last line of the page before; zero begins with
	// the newest.
	Before int64
	Limit  int
}

// AccessPage is a part of the log, newest first. Next is where the following
// page begins; zero when there is none.
type AccessPage struct {
	Lines []Access `json:"lines"`
	Next  int64    `json:"next,omitempty"`
	// Archived are months of the period whose lines lie in files, oldest first; the
	// first page says so.
	Archived []ArchivedMonth `json:"archived,omitempty"`
}

// ArchivedMonth is a month whose lines are not shown, for they lie in its file
// until the keepers of the log bring it back.
type ArchivedMonth struct {
	Month string `json:"month"` // "2026-10"
	Lines int    `json:"lines"`
}

// accessTx is what the log of accesses needs beside the rest.
type accessTx interface {
	// Accesses reads at most Limit lines about a person from the sequenced log,
	// newest first.
	Accesses(ctx context.Context, person registry.ID, p AccessPeriod) (AccessPage, error)
}

// Limits of one page.
const (
	DefaultAccessPage = 50
	maxAccessPage     = 200
)

// Validate answers with the members to mend, and fills the page size.
func (p *AccessPeriod) Validate() error {
	if p.Limit == 0 {
		p.Limit = DefaultAccessPage
	}
	if p.Limit < 1 || p.Limit > maxAccessPage {
		return registry.Invalid(registry.FieldError{Entry: "$.limit", Rule: "number", Description: "between 1 and 200 lines a page"})
	}
	if !p.From.IsZero() && !p.To.IsZero() && p.To.Before(p.From) {
		return registry.Invalid(registry.FieldError{Entry: "$.to", Rule: "invalid", Description: "lies before from"})
	}
	if p.Before < 0 {
		return registry.Invalid(registry.FieldError{Entry: "$.before", Rule: "invalid", Description: "give the value next of the page before"})
	}
	return nil
}

// AccessLog tells a citizen who saw their data and why, and who was refused, on
// a consent of scope "access_log".
func (s *Service) AccessLog(ctx context.Context, c registry.Caller, r Request, p AccessPeriod) (Answer[AccessPage], error) {
	if err := p.Validate(); err != nil {
		return Answer[AccessPage]{}, err
	}
	return ask(ctx, s, c, r, disclosure[AccessPage]{scope: consent.ScopeAccessLog, names: []string{"accessLog"},
		read: func(ctx context.Context, tx Tx, q *reading) (AccessPage, error) {
			page, err := tx.Accesses(ctx, q.person.ID, p)
			if page.Lines == nil {
				page.Lines = []Access{}
			}
			return page, err
		}})
}
