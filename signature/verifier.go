package signature

import (
	"context"
	"time"

	"mist/signature/facts"
	"mist/signature/trust"
)

// Config of a Verifier. Trust is required.
type Config struct {
	// Trust gives the current trust anchors and known certificates.
	Trust interface{ Snapshot() *trust.Snapshot }
	// Fetcher gets revocation data that the document does not carry; nil
	// means offline.
	Fetcher Fetcher
	// Now is the clock; nil means time.Now.
	Now    func() time.Time
	Limits facts.Limits
}

// Verifier verifies signed documents. It is safe for concurrent use.
type Verifier struct {
	config Config
}

// NewVerifier refuses a half-configured verifier.
func NewVerifier(c Config) (*Verifier, error) {
	if c.Trust == nil {
		return nil, &ConfigError{Missing: "Trust"}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Limits = c.Limits.OrDefault()
	return &Verifier{config: c}, nil
}

// Input is one document to verify.
type Input struct {
	ID       string // echoed in the result
	Name     string // file name, if known
	Document facts.Source
	// Content holds detached content by reference URI or file name; the
	// empty name is "the" content when there is one.
	Content map[string]facts.Source
	// Time to judge at; zero means now.
	Time time.Time
}

// Verify reads the document, checks every signature in it and judges each
// under the policy. The error is for input that is no readable signed
// document (*UnreadableError) and for failures of our own; a bad signature is
// not an error but a Result.
func (v *Verifier) Verify(ctx context.Context, in Input, p Policy) (*Result, error) {
	if in.Document == nil {
		return nil, &ConfigError{Missing: "Input.Document"}
	}
	if p.digest == "" {
		return nil, &ConfigError{Missing: "policy"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, &UnreadableError{Err: facts.ErrNotThisFormat}
}
