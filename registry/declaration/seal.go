package declaration

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	// Unsealed finds at most limit active declarations without a seal for
	// which no job is at it.
	Unsealed(ctx context.Context, limit int) ([]registry.ID, error)
	Declaration(ctx context.Context, id registry.ID, lock bool) (Declaration, error)
	// SealedContainers gives the digests of the doctor's container and, when
	// it is sealed, of the seal.
	SealedContainers(ctx context.Context, id registry.ID) (signed, seal registry.Digest, sealed bool, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	PutContainer(ctx context.Context, digest registry.Digest, b []byte) error
	SetSeal(ctx context.Context, id registry.ID, seal registry.Digest, at time.Time) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
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

// sealBatch is how many jobs one transaction leaves.
const sealBatch = 200

func (s *Seals) find(ctx context.Context) (total int, err error) {
	for n := sealBatch; n == sealBatch && err == nil; total += n {
		err = s.store.Update(ctx, func(ctx context.Context, tx SealTx) error {
			ids, err := tx.Unsealed(ctx, sealBatch)
			if err != nil {
				return err
			}
			n = len(ids)
			for _, id := range ids {
				if err := tx.Enqueue(ctx, job.Job{Kind: SealKind, Key: id.String()}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return 0, fmt.Errorf("finding unsealed declarations: %w", err)
	}
	return total, nil
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
	digest := registry.Digest(sha256.Sum256(container))
	return s.store.Update(ctx, func(ctx context.Context, tx SealTx) error {
		d, err := tx.Declaration(ctx, id, true)
		if err != nil {
			return err
		}
		if _, _, sealed, err := tx.SealedContainers(ctx, id); err != nil || sealed || d.Status != StatusActive {
			return err
		}
		if err := tx.PutContainer(ctx, digest, container); err != nil {
			return err
		}
		if err := tx.SetSeal(ctx, id, digest, s.source.Now()); err != nil {
			return err
		}
		e := entry(registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + j.ID.String()}, "declaration.sealed", d)
		e.Act.Container = digest[:]
		_, err = tx.Audit(ctx, e)
		return err
	})
}
