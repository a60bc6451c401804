// Package exchange keeps, for each message of a security server, an entry with
// the hashes of what was asked and what was answered, so that an archive of
// exchanges can be joined to the trail (mist reconcile, mist-verify exchange).
//
// What an operation itself writes into the trail names the message as well
// (registry.WithExchange); only here is the answer known. It trusts the
// transport for who asked.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service writes the entries.
type Service struct{ store Store }

// New refuses a service without a store.
func New(store Store) (*Service, error) {
	if store == nil {
		return nil, errors.New("exchange: a store is needed")
	}
	return &Service{store}, nil
}

// patience bounds one entry: the caller may have spent its own time already.
const patience = 2 * time.Second

// Record writes the entry of an exchange that is over. An answer may leave only
// when it succeeds; the time its question had may be over, so it has its own.
func (s *Service) Record(ctx context.Context, x registry.Exchanged) error {
	ctx, cancel := context.WithTimeout(registry.WithReach(context.WithoutCancel(ctx), registry.Reach{All: true}), patience)
	defer cancel()
	e := audit.Entry{
		Kind: audit.ExchangeAnswered, Actor: audit.Actor{XRoadClient: x.Client}, Channel: string(registry.ChannelSOAP), RequestID: x.TrackingID,
		Object: &audit.ObjectRef{Type: "operation", ID: x.Service}, Code: x.Refused,
		Exchange: &audit.Exchange{MessageID: x.MessageID, PurposeID: x.PurposeID, RequestSHA512: x.RequestSHA512, RequestGOST: x.RequestGOST, ResponseSHA512: x.ResponseSHA512, ResponseGOST: x.ResponseGOST},
	}
	if x.Refused != "" {
		e.Kind = audit.ExchangeRefused
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		_, err := tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording an exchange: %w", err)
	}
	return nil
}
