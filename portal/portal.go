// Package portal is the REST face of the registry: router, middleware, the
// {meta, data | error} envelope, OAuth tokens and the generic endpoints of act
// kinds. openapi.yaml is its contract.
//
// It refuses what is too large, of another media type, not strict JSON or
// without a token before any room is asked. It decides no rule: rooms answer
// with registry.Error, and problem.go is the one table that turns the codes
// into HTTP. It trusts nobody for who they are but access.Service.
package portal

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"mist/registry"
	"mist/registry/journal"
)

// Limits of one request and of one caller.
type Limits struct {
	// Body is the most a signed container may take in its JSON wrapping, in bytes.
	Body int64
	// SmallBody bounds every other body, in bytes.
	SmallBody int64
	// Timeout ends the work on one request.
	Timeout time.Duration
	// Client is the rate of one client system, User that of one human or employee
	// in it, Token that of one address at logins and tokens, Address that of one
	// address at what is public. A rate of zero is no limit.
	Client, User, Token, Address Rate
}

// Rate is a token bucket.
type Rate struct {
	PerSecond float64
	Burst     int
}

// DefaultLimits: 12 MiB containers, 64 KiB elsewhere, 30 s. A client system may
// ask 9,000 times a minute, as the eHealth gateway let it (domain notes 8).
func DefaultLimits() Limits {
	return Limits{Body: 12 << 20, SmallBody: 64 << 10, Timeout: 30 * time.Second,
		Client: Rate{150, 600}, User: Rate{20, 100}, Token: Rate{5, 30}, Address: Rate{50, 200}}
}

// Config of the portal. Metrics and Public may be nil, the rest is needed.
type Config struct {
	// BaseURL is the address clients know the portal by; meta.url begins with it.
	BaseURL string
	Access  Access
	Acts    []Act
	// Declarations and DeclarationLife are what follows a declaration's signature.
	Declarations    DeclarationReads
	DeclarationLife DeclarationLife
	// Persons and PersonSearch are the index.
	Persons      PersonReads
	PersonSearch PersonSearch
	// PersonLife merges records and takes them out of use.
	PersonLife PersonLife
	// Documents are the scans of drafts, DocumentLinks the way to each.
	Documents     Documents
	DocumentLinks DocumentLinks
	// Signatures is the verifier, offered alone.
	Signatures SignatureVerifier
	// Providers tells of legal entities, divisions and employees.
	Providers Providers
	// Rooms add addresses of their own.
	Rooms []Room
	// Approvals and Emergencies are the ways to a patient's records without a
	// declaration; APIKeys are the keys of hospitals.
	Approvals   Approvals
	Emergencies Emergencies
	APIKeys     APIKeys
	// Events is the feed of status changes, Replies keeps answers for repeated requests.
	Events  Events
	Replies Replies
	// Jobs is the operators' desk.
	Jobs    JobDesk
	Source  registry.Source
	Log     *slog.Logger
	Limits  Limits
	Metrics prometheus.Registerer
	// ProxyTellsCertificate believes the header Client-Cert (RFC 9440): only where
	// every request comes through a proxy that sets or removes it.
	ProxyTellsCertificate bool
	// Public are handlers behind the middleware but without authentication, by
	// path prefix ("/log/"): the transparency log is one.
	Public map[string]http.Handler
	// Pages are for people, LoginPage the one of /oauth/authorize; nil serves none.
	Pages     Pages
	LoginPage LoginPage
	// Receipts signs the receipts that are told, with the log's key; nil signs none.
	Receipts ReceiptSigner
	// Journal keeps how the requests of each client ended; nil keeps none.
	Journal *journal.Journal
}

func (c Config) validate() error {
	base, err := url.Parse(c.BaseURL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return errors.New("portal: BaseURL is not an http or https address")
	case c.Access == nil, c.Log == nil, c.Source.Clock == nil, c.Source.Random == nil:
		return errors.New("portal: a part is missing")
	case c.Limits.Body <= 0, c.Limits.SmallBody <= 0, c.Limits.Timeout <= 0:
		return errors.New("portal: limits must be positive")
	case c.Declarations == nil, c.DeclarationLife == nil, c.Persons == nil, c.PersonSearch == nil, c.Signatures == nil, c.Events == nil, c.Replies == nil, c.Approvals == nil, c.Emergencies == nil, c.APIKeys == nil, c.Providers == nil, c.Jobs == nil:
		return errors.New("portal: a room is missing")
	case c.Documents == nil, c.DocumentLinks == nil, c.PersonLife == nil:
		return errors.New("portal: a room is missing")
	case len(c.Acts) == 0:
		return errors.New("portal: no act kind is served")
	}
	for _, rate := range []Rate{c.Limits.Client, c.Limits.User, c.Limits.Token, c.Limits.Address} {
		if rate.PerSecond < 0 || rate.PerSecond > 0 && rate.Burst < 1 {
			return errors.New("portal: a rate needs a burst of at least one")
		}
	}
	for _, act := range c.Acts {
		if err := act.validate(); err != nil {
			return err
		}
	}
	return nil
}

// portal holds what handlers share; nothing in it changes after New but the
// rate buckets, which lock themselves.
type portal struct {
	base    string
	access  Access
	source  registry.Source
	log     *slog.Logger
	limits  Limits
	metrics *metrics
	clients *buckets
	tokens  *buckets
	users   *buckets
	visits  *buckets
	replies Replies
	links   DocumentLinks
	router  chi.Router
	// contract is what requests are checked against.
	contract contract
	journal  *journal.Journal
	receipts ReceiptSigner
	// loginPage is nil where there are no pages.
	loginPage LoginPage

	proxyTellsCertificate bool
}

// New builds the handler. It refuses a half-configured portal.
func New(c Config) (http.Handler, error) {
	p, err := build(c)
	if err != nil {
		return nil, err
	}
	return p.router, nil
}

func build(c Config) (*portal, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(c.Metrics)
	if err != nil {
		return nil, err
	}
	p := &portal{
		base: strings.TrimSuffix(c.BaseURL, "/"), access: c.Access, source: c.Source, log: c.Log, limits: c.Limits,
		metrics: m, clients: newBuckets(c.Limits.Client), tokens: newBuckets(c.Limits.Token), users: newBuckets(c.Limits.User), visits: newBuckets(c.Limits.Address), replies: c.Replies, links: c.DocumentLinks,
		proxyTellsCertificate: c.ProxyTellsCertificate,
	}
	p.journal, p.receipts, p.loginPage = c.Journal, c.Receipts, c.LoginPage
	if p.contract, err = readContract(); err != nil {
		return nil, err
	}
	r := chi.NewRouter()
	p.router = r
	r.Use(p.identify, p.observe, p.recover, p.harden, p.deadline, middleware.GetHead)
	r.NotFound(p.public(func(http.ResponseWriter, *http.Request) error {
		return registry.Errorf(registry.CodeNotFound, "there is nothing at this address; see /openapi.yaml")
	}))
	r.MethodNotAllowed(p.public(p.methodNotAllowed))
	r.Get("/openapi.yaml", p.public(serveSpec()))
	p.loginRoutes(r)
	for _, act := range c.Acts {
		acts{p, act}.routes(r)
	}
	p.declarationRoutes(r, c.Declarations, c.DeclarationLife)
	p.personRoutes(r, c.Persons, c.PersonSearch)
	p.documentRoutes(r, c.Documents)
	p.personLifeRoutes(r, c.PersonLife)
	p.signatureRoutes(r, c.Signatures)
	p.eventRoutes(r, c.Events)
	p.prmRoutes(r, c.Providers)
	p.approvalRoutes(r, c.Approvals)
	p.emergencyRoutes(r, c.Emergencies)
	p.apiKeyRoutes(r, c.APIKeys)
	p.jobRoutes(r, c.Jobs)
	for _, room := range c.Rooms {
		room.mount(p, r)
	}
	p.journalRoutes(r)
	if c.Pages != nil {
		c.Pages.Routes(r)
	}
	for prefix, handler := range c.Public {
		if !strings.HasPrefix(prefix, "/") || !strings.HasSuffix(prefix, "/") {
			return nil, fmt.Errorf("portal: public prefix %q does not begin and end with a slash", prefix)
		}
		r.Handle(prefix+"*", handler)
	}
	return p, nil
}

// methodNotAllowed names the methods the path has (RFC 9110, 15.5.6).
func (p *portal) methodNotAllowed(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if p.router.Match(chi.NewRouteContext(), method, r.URL.Path) {
			allowed = append(allowed, method)
			if method == http.MethodGet {
				allowed = append(allowed, http.MethodHead)
			}
		}
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return registry.Errorf(registry.CodeMethodNotAllowed, "this address takes %s", strings.Join(allowed, ", "))
}
