// Package edge is a hospital's side of the registry (mist edge): it takes signed
// acts while the centre cannot be reached, hands them in when it can, in order
// and each once, and answers who the clinic's own patients are.
//
// To the clinic's system it looks as the centre does for the operations of
// operations.json, but for the answer: 202, stored and not yet judged by the
// centre. It refuses a signature that is broken, and everything while its vault
// is locked. It trusts the vault (portal/edge/vault), the trust material it is
// given, and of what comes back over the network only what is a whole answer of
// the centre to the very request.
package edge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"mist/portal/edge/vault"
	"mist/registry"
	"mist/registry/job"
	"mist/signature"
)

// Verifier judges containers; *signature.Verifier without a fetcher is one.
type Verifier interface {
	Verify(ctx context.Context, in signature.Input, p signature.Policy) (*signature.Result, error)
}

// Policies says what the signature of a kind of act must satisfy.
type Policies interface {
	For(kind string, at time.Time) (signature.Policy, error)
}

// Trust tells what the verifier judges by: its version, and when it was brought here.
type Trust func() (version string, at time.Time)

// Config of an edge. What is not said to have a default is needed.
type Config struct {
	Vault    *vault.Vault
	Centre   string // address of the centre's REST
	Client   *http.Client
	Verifier Verifier
	Policies Policies
	Trust    Trust
	Source   registry.Source
	Log      *slog.Logger

	// Room bounds the queue; zero: 50,000 acts, 2 GiB.
	Room vault.Room
	// Workers is how many acts are under way at once; zero: 4.
	Workers int
	// Backoff between attempts of one act, Pause of the breaker before the centre;
	// zero: 2 s to 15 min, 2 s to 2 min.
	Backoff, Pause job.Backoff
	// Poll between looks at the queue; zero: 500 ms.
	Poll time.Duration
	// Copy is how often the copy of patients is taken anew; zero: 6 h.
	Copy time.Duration
	// Beat is how soon a quiet side asks whether its key still counts; zero: 1 min.
	Beat time.Duration
	// Age is when a copy that was not taken anew is not shown any more; zero: 14 days.
	Age time.Duration
	// Skew is how far the clock may be off before it is told; zero: 2 min.
	Skew time.Duration
	// Keep is how long ended acts are shown; zero: 30 days.
	Keep time.Duration
	// Patience with an undecided signature before the act is dead; zero: 72 h.
	Patience time.Duration
}

func (c Config) withDefaults() Config {
	if c.Room == (vault.Room{}) {
		c.Room = vault.Room{Acts: 50_000, Bytes: 2 << 30}
	}
	if c.Workers == 0 {
		c.Workers = 4
	}
	if c.Backoff == (job.Backoff{}) {
		c.Backoff = job.Backoff{First: 2 * time.Second, Most: 15 * time.Minute}
	}
	if c.Pause == (job.Backoff{}) {
		c.Pause = job.Backoff{First: 2 * time.Second, Most: 2 * time.Minute}
	}
	for _, d := range []struct {
		at *time.Duration
		is time.Duration
	}{{&c.Poll, 500 * time.Millisecond}, {&c.Copy, 6 * time.Hour}, {&c.Beat, time.Minute}, {&c.Age, 14 * 24 * time.Hour}, {&c.Skew, 2 * time.Minute}, {&c.Keep, 30 * 24 * time.Hour}, {&c.Patience, 72 * time.Hour}} {
		if *d.at == 0 {
			*d.at = d.is
		}
	}
	return c
}

// Edge is a hospital's side. Safe for concurrent use.
type Edge struct {
	Config
	operations []Operation
	wake       chan struct{} // something may be due

	mu   sync.Mutex // guards what follows
	line line

	// sending are the acts under way, by number.
	sending map[uint64]bool
}

// line is what is known of the way to the centre.
type line struct {
	Answered time.Time // the centre's last answer
	Failures int       // one after the other
	RetryAt  time.Time
	Error    string
	Revoked  bool
	Offset   time.Duration // the centre's clock minus ours
	Copied   time.Time     // when the copy of patients was whole last
	CopyDue  time.Time
}

// names of the vault's small values.
const (
	stateKey     = "api_key"
	stateToken   = "local_token"
	stateRevoked = "revoked"
	stateCopied  = "copied_at"
)

// New refuses a half-configured edge.
func New(c Config) (*Edge, error) {
	if c.Vault == nil || c.Client == nil || c.Verifier == nil || c.Policies == nil || c.Trust == nil || c.Source.Clock == nil || c.Log == nil {
		return nil, errors.New("edge: a part is missing")
	}
	u, err := url.Parse(c.Centre)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" {
		return nil, errors.New("edge: the centre's address is no http or https address")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return nil, errors.New("edge: the centre is reached by https; http is for this machine alone")
	}
	c.Centre = strings.TrimSuffix(c.Centre, "/")
	list, err := Operations()
	if err != nil {
		return nil, err
	}
	return &Edge{Config: c.withDefaults(), operations: list, wake: make(chan struct{}, 1), sending: map[uint64]bool{}}, nil
}

// Unlock opens the vault.
func (e *Edge) Unlock(passphrase []byte) error {
	if e.Vault.Unlocked() {
		return e.Vault.Check(passphrase)
	}
	if err := e.Vault.Unlock(passphrase); err != nil {
		return err
	}
	var l line
	if err := errors.Join(e.Vault.State(stateRevoked, &l.Revoked), e.Vault.State(stateCopied, &l.Copied)); err != nil {
		e.Vault.Lock()
		return err
	}
	if !l.Copied.IsZero() {
		l.CopyDue = l.Copied.Add(e.Copy)
	}
	e.mu.Lock()
	e.line = l
	e.mu.Unlock()
	for _, d := range e.Vault.Damaged() {
		e.Log.Error("a row of the vault is not as it was put", "bucket", d.Bucket, "row", d.Row, "reason", d.Reason)
	}
	e.stir()
	return nil
}

// SetKey replaces the hospital's key, as after a revocation.
func (e *Edge) SetKey(key string) error {
	if len(key) > 200 || !strings.HasPrefix(key, "mist_") || strings.ContainsAny(key, " \r\n\t") {
		return registry.Invalid(registry.FieldError{Entry: "$.api_key", Rule: "format", Description: "the key as the centre showed it: mist_…"})
	}
	if err := errors.Join(e.Vault.SetState(stateKey, key), e.Vault.SetState(stateRevoked, false)); err != nil {
		return err
	}
	e.mu.Lock()
	e.line.Revoked, e.line.RetryAt, e.line.Failures, e.line.CopyDue = false, time.Time{}, 0, time.Time{}
	e.mu.Unlock()
	e.stir()
	return nil
}

func (e *Edge) stir() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Status is how the hospital's side stands; it names nobody.
type Status struct {
	Site   registry.ID `json:"site"`
	Locked bool        `json:"locked"`
	// Centre: online, offline, revoked, unknown (not asked yet).
	Centre     string         `json:"centre"`
	AnsweredAt time.Time      `json:"answered_at,omitzero"`
	RetryAt    time.Time      `json:"retry_at,omitzero"`
	Error      string         `json:"last_error,omitempty"`
	Waiting    int            `json:"waiting"`
	Dead       int            `json:"dead"`
	Oldest     time.Time      `json:"oldest_waiting,omitzero"`
	Patients   int            `json:"patients"`
	CopiedAt   time.Time      `json:"patients_copied_at,omitzero"`
	Reads      int            `json:"reads_to_report"`
	Offset     float64        `json:"clock_offset_seconds"`
	ClockOff   bool           `json:"clock_is_off"`
	Trust      string         `json:"trust_version"`
	TrustAt    time.Time      `json:"trust_taken_at"`
	Damaged    []vault.Damage `json:"damaged,omitempty"`
}

// Status tells how things stand.
func (e *Edge) Status() Status {
	e.mu.Lock()
	l := e.line
	e.mu.Unlock()
	s := Status{Site: e.Vault.Site(), Locked: !e.Vault.Unlocked(), Centre: "unknown", AnsweredAt: l.Answered, Error: l.Error, Offset: l.Offset.Round(time.Second).Seconds()}
	s.ClockOff = l.Offset.Abs() > e.Skew
	s.Trust, s.TrustAt = e.Trust()
	switch {
	case l.Revoked:
		s.Centre = "revoked"
	case l.Failures > 0:
		s.Centre, s.RetryAt = "offline", l.RetryAt
	case !l.Answered.IsZero():
		s.Centre = "online"
	}
	for _, a := range e.Vault.Open() {
		if a.Status == vault.StatusDead {
			s.Dead++
			continue
		}
		s.Waiting++
		if s.Oldest.IsZero() {
			s.Oldest = a.ReceivedAt
		}
	}
	s.Patients, s.CopiedAt, s.Reads, s.Damaged = e.Vault.Patients(), l.Copied, e.Vault.WaitingReads(), e.Vault.Damaged()
	return s
}
