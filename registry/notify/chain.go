package notify

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/job"
)

// Provider is one gateway of a chain, under the name it is counted by.
type Provider struct {
	Name    string
	Gateway Gateway
}

// Chain sends by the first provider that takes a message, in their order. One
// that failed stands back for a while, so that a dark provider does not cost
// every message its time-out; when all stand back, all are asked again.
//
// A provider that fell silent may have sent after all: a second copy by another
// is the lesser evil than a code that never comes (complaint 8).
type Chain struct {
	providers []Provider
	source    registry.Source
	// done is told who took a message, or failed to; nil: nobody.
	done func(provider string, err error)

	mu    sync.Mutex
	until map[string]time.Time // guarded by mu: who stands back, and how long
}

// standBack is how long a provider that failed is passed over.
const standBack = 30 * time.Second

// NewChain refuses a chain without providers, and two of one name.
func NewChain(source registry.Source, done func(provider string, err error), providers ...Provider) (*Chain, error) {
	names := map[string]bool{}
	for _, p := range providers {
		if p.Name == "" || p.Gateway == nil || names[p.Name] {
			return nil, errors.New("notify: each provider has a gateway and a name of its own")
		}
		names[p.Name] = true
	}
	if len(providers) == 0 || source.Clock == nil {
		return nil, errors.New("notify: a chain needs providers and a clock")
	}
	return &Chain{providers: providers, source: source, done: done, until: map[string]time.Time{}}, nil
}

// Send implements Gateway. A refusal is final when every provider asked refused
// for good.
func (c *Chain) Send(ctx context.Context, m Message) error {
	var failures []string
	final := true
	for _, p := range c.order() {
		err := p.Gateway.Send(ctx, m)
		if c.done != nil {
			c.done(p.Name, err)
		}
		if err == nil {
			c.set(p.Name, time.Time{})
			return nil
		}
		if !job.IsPermanent(err) {
			final = false
			c.set(p.Name, c.source.Now().Add(standBack))
		}
		failures = append(failures, p.Name+": "+err.Error())
		if ctx.Err() != nil {
			final = false
			break
		}
	}
	// Not wrapped: one provider's refusal for good is not the chain's.
	err := errors.New("no provider took the message: " + strings.Join(failures, "; "))
	if final {
		return job.Permanent(err)
	}
	return err
}

// order puts those that stand back behind the others.
func (c *Chain) order() []Provider {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.source.Now()
	var first, last []Provider
	for _, p := range c.providers {
		if now.Before(c.until[p.Name]) {
			last = append(last, p)
		} else {
			first = append(first, p)
		}
	}
	return append(first, last...)
}

func (c *Chain) set(name string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until[name] = until
}
