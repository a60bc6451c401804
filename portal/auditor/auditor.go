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
	"time"

	"mist/portal/web"
	"mist/portal/web/login"
	"mist/registry"
	"mist/registry/audit"
	"mist/registry/evidence"
	"mist/registry/material"
	"mist/registry/trail"
)

//go:embed templates text assets
var files embed.FS

// Trail reads the log; *trail.Service is one.
type Trail interface {
	State(ctx context.Context, c registry.Caller) (trail.State, error)
	Entry(ctx context.Context, c registry.Caller, name string) (trail.Detail, error)
	Search(ctx context.Context, c registry.Caller, f trail.Filter) (trail.Results, error)
	Recognise(ctx context.Context, c registry.Caller, text string) (trail.Guess, error)
	Consistency(ctx context.Context, size int64) (trail.Consistency, error)
	Against(ctx context.Context, signed []byte) (trail.Consistency, error)
	Exchange(ctx context.Context, c registry.Caller, requestID string) (trail.Exchanged, error)
	Signer(ctx context.Context, c registry.Caller, employee registry.ID) (trail.Signer, error)
	ShowPeople(ctx context.Context, c registry.Caller, id registry.ID, reason string) (trail.People, error)
	CommitSample(ctx context.Context, c registry.Caller, size int) (audit.Receipt, error)
	Sample(ctx context.Context, c registry.Caller, id registry.ID) (trail.Sample, error)
}

// Exports makes exports of the log; *trail.Exports is one.
type Exports interface {
	Begin(ctx context.Context, c registry.Caller, f trail.Filter, format, reason string) (trail.Export, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (trail.Export, error)
	List(ctx context.Context, c registry.Caller) ([]trail.Export, error)
	Cancel(ctx context.Context, c registry.Caller, id registry.ID) (trail.Export, error)
	Open(ctx context.Context, c registry.Caller, id registry.ID) (trail.Export, func(n int) ([]byte, error), error)
}

// Evidence proves acts to others and judges again; *evidence.Service is one.
type Evidence interface {
	Export(ctx context.Context, c registry.Caller, q evidence.Request) (name string, container []byte, err error)
	Again(ctx context.Context, c registry.Caller, entry registry.ID) (outcome string, err error)
}

// Trust tells what signatures are judged by; *material.Service does.
type Trust interface {
	State(ctx context.Context, c registry.Caller) (material.State, error)
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
	Login    login.Service
	Trail    Trail
	Log      Log
	Exports  Exports
	Evidence Evidence
	Trust    Trust
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
	if c.Login == nil || c.Trail == nil || c.Log == nil || c.Exports == nil || c.Evidence == nil || c.Trust == nil || c.ClientID == "" || c.Clock == nil || c.LogKey == "" || c.LogURL == "" {
		return errors.New("portal/auditor: a part is missing")
	}
	pages, err := kit.Room("auditor", files)
	if err != nil {
		return err
	}
	r := &room{c}
	door, err := login.Add(pages, login.Config{Service: c.Login, ClientID: c.ClientID, Scope: trail.Scope, Roles: []string{roleAuditor},
		Home: "/audit", Cookie: "mist_audit", Title: "audit.login.title", Refused: "audit.login.refused", Secure: c.Secure})
	if err != nil {
		return err
	}
	pages.Section("/audit", "audit.section")
	pages.Get("/audit", door.Behind(r.overview))
	pages.Get("/audit/trust", door.Behind(r.trust))
	pages.Get("/audit/checkpoints", r.checkpoints)
	pages.Get("/audit/consistency", r.consistency)
	pages.Get("/audit/checker.html", r.checker)
	pages.Get("/audit/entries", door.Behind(r.search))
	pages.Get("/audit/entries.ndjson", door.Behind(r.export))
	pages.Get("/audit/entries/{name}", door.Behind(r.entry))
	pages.Post("/audit/entries/{name}/people", door.Behind(r.people))
	pages.Post("/audit/entries/{name}/again", door.Behind(r.again))
	pages.Post("/audit/entries/{name}/evidence", door.Behind(r.evidence))
	pages.Get("/audit/exchanges/{id}", door.Behind(r.exchange))
	pages.Get("/audit/signers/{id}", door.Behind(r.signers))
	pages.Get("/audit/exports", door.Behind(r.exports))
	pages.Post("/audit/exports", door.Behind(r.order))
	pages.Get("/audit/exports/{id}", door.Behind(r.oneExport))
	pages.Get("/audit/exports/{id}/progress.json", door.Behind(r.progress))
	pages.Post("/audit/exports/{id}/cancel", door.Behind(r.cancelExport))
	pages.Get("/audit/exports/{id}/file", door.Behind(r.exportFile))
	pages.Get("/audit/exports/{id}/manifest", door.Behind(r.exportManifest))
	pages.Get("/audit/samples", door.Behind(r.samples))
	pages.Post("/audit/samples", door.Behind(r.commitSample))
	pages.Get("/audit/samples/{id}", door.Behind(r.sample))
	return nil
}

// roleAuditor is the position these pages are for.
const roleAuditor = "AUDITOR"
