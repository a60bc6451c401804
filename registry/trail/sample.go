package trail

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// SampleDrawn is the entry that commits to a random sample: of how many entries
// how many are drawn. It stands in the log before anybody can know which.
const SampleDrawn audit.Kind = "audit.sample_drawn"

// MaxSample is the most entries a sample has.
const MaxSample = 500

// Sample is a random choice among the first Population entries of the log. Its
// seed is the root of the first public checkpoint that covers the commitment:
// unknown when the sample was asked for, signed and witnessed since. Whoever has
// the entry and the checkpoint draws the same places again.
type Sample struct {
	Commitment Record
	Population int64
	Size       int
	// Checkpoint is nil until one covers the commitment.
	Checkpoint *Checkpoint
	Places     []int64
}

// CommitSample writes the commitment; the sample is drawn when a checkpoint
// covers it.
func (s *Service) CommitSample(ctx context.Context, c registry.Caller, size int) (r audit.Receipt, err error) {
	if size < 1 || size > MaxSample {
		return r, registry.Invalid(registry.FieldError{Entry: "$.size", Rule: "number", Description: fmt.Sprintf("a sample has 1 to %d entries", MaxSample)})
	}
	if err := c.Require(Scope); err != nil {
		return r, err
	}
	list, err := s.Log.PublicCheckpoints(ctx, 0, 1)
	if err != nil {
		return r, err
	}
	if len(list) == 0 || list[0].Size == 0 {
		return r, registry.Errorf(registry.CodeNotFound, "there is no checkpoint yet")
	}
	size = int(min(int64(size), list[0].Size))
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err = tx.Audit(ctx, audit.Entry{Kind: SampleDrawn, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "audit_sample", ID: fmt.Sprintf(sampleForm, size, list[0].Size)}})
		return err
	})
	return r, err
}

// sampleForm is how a commitment names its size and population.
const sampleForm = "%d of %d"

// Sample draws a committed sample.
func (s *Service) Sample(ctx context.Context, c registry.Caller, id registry.ID) (out Sample, err error) {
	err = s.read(ctx, c, EntryRead, func(ctx context.Context, tx Tx) (*audit.ObjectRef, error) {
		out = Sample{}
		out.Commitment, err = tx.Record(ctx, id)
		return &audit.ObjectRef{Type: "audit_entry", ID: id.String()}, err
	})
	if err != nil {
		return out, err
	}
	e := out.Commitment.Entry
	if e.Kind != SampleDrawn || e.Object == nil {
		return out, registry.Errorf(registry.CodeNotFound, "this entry commits to no sample")
	}
	if _, err := fmt.Sscanf(e.Object.ID, sampleForm, &out.Size, &out.Population); err != nil || out.Size < 1 || out.Size > MaxSample || int64(out.Size) > out.Population {
		return out, fmt.Errorf("trail: entry %s commits to a sample that cannot be read", id)
	}
	if out.Commitment.Index < 0 {
		return out, nil
	}
	first, err := s.Log.PublicCheckpointOver(ctx, out.Commitment.Index)
	if registry.CodeOf(err) == registry.CodeNotFound {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	opened, err := audit.OpenCheckpoint(first.Note, s.Key)
	if err != nil {
		return out, err
	}
	out.Checkpoint, out.Places = &first, Draw(opened.Root, id, out.Population, out.Size)
	return out, nil
}

// Draw gives size different places below population: place i is the first 8
// bytes of SHA-256(root || id || counter), as a number, scaled to the population
// by the high half of their product; a place that came already is passed over.
// size must not be larger than population.
func Draw(root tlog.Hash, id registry.ID, population int64, size int) []int64 {
	var places []int64
	drawn := map[int64]bool{}
	message := append(append([]byte(nil), root[:]...), id[:]...)
	for counter := uint32(0); len(places) < size; counter++ {
		sum := sha256.Sum256(binary.BigEndian.AppendUint32(message, counter))
		high, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:8]), uint64(population))
		if place := int64(high); !drawn[place] {
			drawn[place] = true
			places = append(places, place)
		}
	}
	return places
}
