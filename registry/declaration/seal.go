package declaration

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
)

// SealKind is the job that sets the seal of one declaration.
const SealKind job.Kind = "declaration.seal"

// Sealer makes the electronic seal of the National Health Service: a CAdES
// container with the given bytes inside. It may ask a time-stamp authority and
// is never called inside a transaction.
type Sealer interface {
	Seal(ctx context.Context, content []byte) ([]byte, error)
}

// SealTx is what sealing needs of a transaction.
type SealTx interface {
	job.Tx
	// Unsealed reads at most limit active declarations without a seal for which
	// no job is at it, with the doctor's container.
	Unsealed(ctx context.Context, limit int) ([]Unsealed, error)
	// HoldUnsealed takes the row locks of those that still are, and tells which.
	HoldUnsealed(ctx context.Context, ids []registry.ID) (map[registry.ID]bool, error)
	Declaration(ctx context.Context, id registry.ID, lock bool) (Declaration, error)
	// SealedContainers gives the digests of the doctor's container and, when
	// it is sealed, of the seal.
	SealedContainers(ctx context.Context, id registry.ID) (signed, seal registry.Digest, sealed bool, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	// Alike lets what is queued from here on for many travel as one statement a kind.
	Alike()
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	SetSeal(ctx context.Context, id registry.ID, seal registry.Digest, at time.Time) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Unsealed is a declaration that awaits its seal.
type Unsealed struct {
	Declaration Declaration
	Signed      []byte // the doctor's container
}

// SealStore begins and ends transactions.
type SealStore interface {
	View(ctx context.Context, f func(ctx context.Context, tx SealTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx SealTx) error) error
}

// Seals puts the third party's hand to what the patient confirmed and the
// doctor signed: every active declaration receives the NHSU's seal over the
// doctor's container, whichever way it became active.
type Seals struct {
	store  SealStore
	sealer Sealer
	source registry.Source
}

// NewSeals refuses a half-configured service.
func NewSeals(store SealStore, sealer Sealer, source registry.Source) (*Seals, error) {
	if store == nil || sealer == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("declaration: sealing needs a store, a seal and a clock")
	}
	return &Seals{store, sealer, source}, nil
}

// Jobs finds what awaits its seal.
func (s *Seals) Jobs(every time.Duration) []job.Periodic {
	return []job.Periodic{{Kind: "find_unsealed_declarations", Every: every, Run: s.find}}
}

// Handlers of the jobs.
func (s *Seals) Handlers() job.Handlers { return job.Handlers{SealKind: s.seal} }

const (
	// sealBatch is how many seals one transaction sets.
	sealBatch = 64
	// sealHands is how many are made at a time: each may wait for a time-stamp.
	sealHands = 8
)

func (s *Seals) find(ctx context.Context) (total int, err error) {
	for n := sealBatch; n == sealBatch && err == nil; total += n {
		n, err = s.sealSome(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("sealing declarations: %w", err)
	}
	return total, nil
}

// sealSome sets the seals of a batch. What could not be sealed becomes a job of
// its own, which tries again and is seen when it dies.
func (s *Seals) sealSome(ctx context.Context) (int, error) {
	var list []Unsealed
	err := s.store.View(ctx, func(ctx context.Context, tx SealTx) (err error) {
		list, err = tx.Unsealed(ctx, sealBatch)
		return err
	})
	if err != nil || len(list) == 0 {
		return 0, err
	}
	containers := make([][]byte, len(list))
	var hands sync.WaitGroup
	for hand := range sealHands {
		hands.Go(func() {
			for i := hand; i < len(list); i += sealHands {
				if b, err := s.sealer.Seal(ctx, list[i].Signed); err == nil {
					containers[i] = b
				}
			}
		})
	}
	hands.Wait()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ids := make([]registry.ID, len(list))
	for i, u := range list {
		ids[i] = u.Declaration.ID
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx SealTx) error {
		still, err := tx.HoldUnsealed(ctx, ids)
		tx.Alike()
		for i, u := range list {
			switch {
			case err != nil:
				return err
			case !still[ids[i]]:
			case containers[i] == nil:
				err = tx.Enqueue(ctx, job.Job{Kind: SealKind, Key: ids[i].String()})
			default:
				err = s.keep(ctx, tx, u.Declaration, containers[i], "find_unsealed_declarations")
			}
		}
		return err
	})
	return len(list), err
}

// keep queues a seal with its entry.
func (s *Seals) keep(ctx context.Context, tx SealTx, d Declaration, container []byte, request string) error {
	digest := registry.Digest(sha256.Sum256(container))
	if err := tx.PutContainer(ctx, digest, container); err != nil {
		return err
	}
	if err := tx.SetSeal(ctx, d.ID, digest, s.source.Now()); err != nil {
		return err
	}
	e := entry(registry.Caller{Channel: registry.ChannelJob, RequestID: request}, "declaration.sealed", d)
	e.Act.Container = digest[:]
	_, err := tx.Audit(ctx, e)
	return err
}

// seal sets one seal. A declaration that ended meanwhile keeps none.
func (s *Seals) seal(ctx context.Context, j job.Job) error {
	id, err := registry.ParseID(j.Key)
	if err != nil {
		return job.Permanent(errors.New("the key is no id of a declaration"))
	}
	var content []byte
	wanted := false
	err = s.store.View(ctx, func(ctx context.Context, tx SealTx) error {
		d, err := tx.Declaration(ctx, id, false)
		if err != nil {
			return err
		}
		signed, _, sealed, err := tx.SealedContainers(ctx, id)
		if err != nil {
			return err
		}
		if wanted = !sealed && d.Status == StatusActive; wanted {
			content, err = tx.Container(ctx, signed)
		}
		return err
	})
	if err != nil || !wanted {
		return err
	}
	container, err := s.sealer.Seal(ctx, content)
	if err != nil {
		return fmt.Errorf("sealing a declaration: %w", err)
	}
	return s.store.Update(ctx, func(ctx context.Context, tx SealTx) error {
		d, err := tx.Declaration(ctx, id, true)
		if err != nil {
			return err
		}
		if _, _, sealed, err := tx.SealedContainers(ctx, id); err != nil || sealed || d.Status != StatusActive {
			return err
		}
		return s.keep(ctx, tx, d, container, "job-"+j.ID.String())
	})
}
