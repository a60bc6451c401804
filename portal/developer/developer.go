// Package developer is /dev: what a vendor of a medical information system
// needs to make the first signed act in a quarter of an hour and to understand
// every refusal. The reference is made from the contract itself, its examples
// were taken from requests that the project's tests made (examples.json), the
// bench judges signatures with the registry's own verifier.
//
// Test keys are shown in the sandbox alone. The request log is shown to whoever
// holds the client's token. It refuses documents over its limit and more than
// two verifications at once.
package developer

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"

	"mist/portal"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/journal"
)

//go:embed templates text
var files embed.FS

// Access checks tokens; *access.Service is one.
type Access interface {
	Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error)
}

// Config of the pages. Sandbox is nil outside the sandbox.
type Config struct {
	BaseURL string
	// SOAP is the same registry behind Trembita.
	SOAP     SOAP
	Verifier portal.SignatureVerifier
	Access   Access
	Journal  *journal.Journal
	// MaxDocument bounds a document on the bench, in bytes.
	MaxDocument int64
	Sandbox     func() Sandbox
}

// SOAP says how the registry is reached through a security server.
type SOAP struct {
	// Address takes messages of the registry's contract, Contract gives it.
	Address, Contract string
	// Namespace is that of the bodies, Operations are the service codes.
	Namespace  string
	Operations []string
	// Client and Service are identifiers of the sandbox, "INSTANCE/CLASS/CODE/SUBSYSTEM"; empty elsewhere.
	Client, Service string
}

// Sandbox is what the pages show of one.
type Sandbox struct {
	TSA, OTP, OCSP, Trust string
	Clients               []Client
	Keys                  []Key
}

// Client is a client system of the sandbox.
type Client struct {
	Name, ID, Secret, EmployeeID string
	Scopes                       []string
}

// first gives the first client that may act for a doctor; nil where there is none.
func (b Sandbox) first() *Client {
	for i, c := range b.Clients {
		if c.EmployeeID != "" {
			return &b.Clients[i]
		}
	}
	return nil
}

// Key is a test key. Outcome is "good", or why its signature of an act must be
// refused: revoked, expired, untrusted_ca; seal is a key of an organisation.
type Key struct {
	Role, Name, Algorithm, Outcome string
	KeyFile, CertFile              string
}

type pages struct {
	Config
	doc      *openapi3.T
	texts    contractTexts
	examples map[string][]Exchange
	refusals map[string][]Exchange
	// slots bounds verifications at once: anybody may ask for one.
	slots chan struct{}
}

// Add puts the pages into the kit.
func Add(k *web.Kit, c Config) error {
	if c.Verifier == nil || c.Access == nil || c.MaxDocument <= 0 {
		return errors.New("developer: a part is missing")
	}
	p := &pages{Config: c, slots: make(chan struct{}, 2)}
	var err error
	if p.doc, err = openapi3.NewLoader().LoadFromData(portal.Spec()); err != nil {
		return fmt.Errorf("developer: reading the contract: %w", err)
	}
	if p.examples, p.refusals, err = readExamples(); err != nil {
		return err
	}
	if p.texts, err = readContractTexts(); err != nil {
		return err
	}
	room, err := k.Room("developer", files)
	if err != nil {
		return err
	}
	room.Section("/dev", "dev.section")
	room.Get("/dev", p.start)
	room.Get("/dev/reference", p.reference)
	room.Get("/dev/reference/{id}", p.operation)
	room.Get("/dev/errors", p.errors)
	room.Get("/dev/errors/{type}", p.errorKind)
	room.Get("/dev/bench", p.bench)
	room.Post("/dev/bench", p.judge)
	room.Get("/dev/soap", p.soap)
	room.Get("/dev/samples", p.samples)
	room.Get("/dev/changes", p.changes)
	room.Get("/dev/log", p.log)
	room.Post("/dev/log", p.log)
	if c.Sandbox != nil {
		room.Get("/dev/keys", p.keys)
		room.Get("/dev/keys/{n}/{part}", p.key)
	}
	return nil
}

func (p *pages) start(w http.ResponseWriter, q *web.Request) error {
	data := struct {
		BaseURL  string
		Box      *Sandbox
		Client   *Client
		Soap     string
		Contract string
	}{BaseURL: p.BaseURL, Soap: p.soapTwin(), Contract: p.SOAP.Contract}
	if p.Sandbox != nil {
		box := p.Sandbox()
		data.Box = &box
		data.Client = box.first()
	}
	return q.Render(w, web.Page{Template: "start", Title: q.T("dev.title"), Data: data})
}
