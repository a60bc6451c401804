package intake

import (
	"context"
	"errors"

	"mist/registry"
	"mist/signature"
)

// Unsigned is embedded by kinds whose requests nobody signs: the patient's
// confirmation completes them, and the kind's Approve sets StatusCompleted.
type Unsigned[T any] struct{}

var errUnsigned = errors.New("intake: a request of this kind is not signed")

// Version is that of no document.
func (Unsigned[T]) Version() int { return 0 }

// Decode is never asked: such a draft is never APPROVED.
func (Unsigned[T]) Decode(*Draft, signature.SignedBytes) (any, error) { return nil, errUnsigned }

// Accept is never asked.
func (Unsigned[T]) Accept(context.Context, T, *Draft, Parties, registry.Act, any) (any, error) {
	return nil, errUnsigned
}

// Resource is never asked.
func (Unsigned[T]) Resource(context.Context, T, registry.Act) (any, error) { return nil, errUnsigned }
