// Package idempotency keeps the answer of a request under the key its sender
// chose, so that sending it again after a lost answer changes nothing
// (draft-ietf-httpapi-idempotency-key-header).
//
// It trusts the transport for who asks: a key belongs to one client and
// employee. A kept answer is sealed; giving it again is a disclosure with an
// entry of its own.
package idempotency

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Reply is a kept answer.
type Reply struct {
	Status   int    `json:"status"`
	Location string `json:"location,omitempty"`
	Body     []byte `json:"body"`
}

// Tx is what the room needs of a transaction.
type Tx interface {
	// ClaimReply takes the key for a request. claimed is false when the key is
	// taken; then request and reply (nil: still worked on) are the first one's.
	// A claim without an answer older than abandoned is taken over.
	ClaimReply(ctx context.Context, key, request [32]byte, now, abandoned, expired time.Time) (claimed bool, first [32]byte, reply *Reply, err error)
	KeepReply(ctx context.Context, key [32]byte, r Reply) error
	DropReply(ctx context.Context, key [32]byte) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service keeps answers for a time.
type Service struct {
	store  Store
	source registry.Source
	keep   time.Duration
}

// New refuses a half-configured service; keep is how long an answer is kept.
func New(store Store, source registry.Source, keep time.Duration) (*Service, error) {
	if store == nil || source.Clock == nil || keep <= 0 {
		return nil, errors.New("idempotency: a part is missing")
	}
	return &Service{store, source, keep}, nil
}

// abandoned is when a request without an answer counts as lost with its server.
const abandoned = time.Minute

func placeOf(c registry.Caller, key string) [32]byte {
	h := sha256.New()
	h.Write(c.ClientID[:])
	h.Write(c.EmployeeID[:])
	h.Write([]byte(key))
	return [32]byte(h.Sum(nil))
}

// Begin claims the key for a request, named by its digest. It gives the kept
// answer of the same request; a key used for another request, or one that is
// still worked on, is refused.
func (s *Service) Begin(ctx context.Context, c registry.Caller, key string, request [32]byte) (kept *Reply, err error) {
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		claimed, first, reply, err := tx.ClaimReply(ctx, placeOf(c, key), request, now, now.Add(-abandoned), now.Add(-s.keep))
		kept = nil
		switch {
		case err != nil || claimed:
			return err
		case first != request:
			return registry.Invalid(registry.FieldError{Entry: "$.idempotency-key", EntryType: "header", Rule: "unique", Description: "this key was sent with another request"})
		case reply == nil:
			return registry.Errorf(registry.CodeConflict, "the first request with this key is still worked on; send it again later").WithReason("request_in_progress")
		}
		kept = reply
		_, err = tx.Audit(ctx, audit.Entry{Kind: audit.DisclosureReplayed, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Reason: "idempotency_key"})
		return err
	})
	if err != nil {
		return nil, err
	}
	return kept, nil
}

// Finish keeps the answer of a claimed request. What may go better the next
// time (our own trouble, a rate limit) is not kept: the key is free again.
func (s *Service) Finish(ctx context.Context, c registry.Caller, key string, r Reply) error {
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r.Status >= 500 || r.Status == 429 {
			return tx.DropReply(ctx, placeOf(c, key))
		}
		return tx.KeepReply(ctx, placeOf(c, key), r)
	})
}
