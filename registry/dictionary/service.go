package dictionary

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
)

// Scopes of changes (eHealth).
const (
	ScopeWrite           = "dictionary:write"
	ScopeParametersWrite = "global_parameters:write"
)

// Tx is what the room needs of a transaction.
type Tx interface {
	DictionaryEpoch(ctx context.Context) (int64, error)
	// GrowDictionaryEpoch also orders writers: it holds the row until commit.
	GrowDictionaryEpoch(ctx context.Context) error
	Dictionaries(ctx context.Context) ([]Dictionary, error)
	DictionaryDigest(ctx context.Context, name string) (digest [32]byte, found bool, err error)
	PutDictionary(ctx context.Context, d Dictionary, digest [32]byte) error
	Parameters(ctx context.Context) (map[string]string, error)
	PutParameter(ctx context.Context, name, value string) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// freshness is how old a snapshot may be before it is held against the database.
const freshness = time.Second

// Service answers from a snapshot and writes changes.
type Service struct {
	store  Store
	source registry.Source
	built  []Dictionary

	within atomic.Pointer[Snapshot] // the last one read within a transaction

	mu      sync.Mutex // guards what follows
	now     *Snapshot
	checked time.Time
}

// New reads the lists built into the program.
func New(store Store, source registry.Source) (*Service, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("dictionary: a part is missing")
	}
	built, err := All()
	if err != nil {
		return nil, err
	}
	return &Service{store: store, source: source, built: built}, nil
}

// Snapshot gives the lists and parameters as they were at most a second ago.
// When the database cannot be asked, the last ones known stand.
func (s *Service) Snapshot(ctx context.Context) (*Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil && s.source.Clock().Sub(s.checked) < freshness {
		return s.now, nil
	}
	var next *Snapshot
	err := s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		epoch, err := tx.DictionaryEpoch(ctx)
		if err != nil || s.now != nil && s.now.epoch == epoch {
			next = s.now
			return err
		}
		next, err = s.read(ctx, tx, epoch)
		return err
	})
	s.checked = s.source.Clock()
	if err != nil {
		if s.now != nil && registry.CodeOf(err) == registry.CodeUnavailable {
			return s.now, nil
		}
		return nil, err
	}
	s.now = next
	return next, nil
}

// ReadTx is what a snapshot is read from.
type ReadTx interface {
	DictionaryEpoch(ctx context.Context) (int64, error)
	Dictionaries(ctx context.Context) ([]Dictionary, error)
	Parameters(ctx context.Context) (map[string]string, error)
}

// Within gives the lists and parameters as a transaction sees them: for rules
// that are asked inside of one. It waits for nobody.
func (s *Service) Within(ctx context.Context, tx ReadTx) (*Snapshot, error) {
	epoch, err := tx.DictionaryEpoch(ctx)
	if err != nil {
		return nil, err
	}
	if last := s.within.Load(); last != nil && last.epoch == epoch {
		return last, nil
	}
	next, err := s.read(ctx, tx, epoch)
	if err == nil {
		s.within.Store(next)
	}
	return next, err
}

func (s *Service) read(ctx context.Context, tx ReadTx, epoch int64) (*Snapshot, error) {
	stored, err := tx.Dictionaries(ctx)
	if err != nil {
		return nil, err
	}
	changed, err := tx.Parameters(ctx)
	if err != nil {
		return nil, err
	}
	return newSnapshot(epoch, s.built, stored, changed), nil
}

// forget makes the next read ask the database.
func (s *Service) forget() {
	s.mu.Lock()
	s.checked = time.Time{}
	s.mu.Unlock()
}

// Change adds and changes codes of one list, or turns it on and off. A code is
// never taken away: documents refer to it. What is READ_ONLY is changed by an
// import alone.
func (s *Service) Change(ctx context.Context, c registry.Caller, name string, body []byte) (Dictionary, error) {
	if err := c.Require(ScopeWrite); err != nil {
		return Dictionary{}, err
	}
	var in struct {
		Values   map[string]string `json:"values,omitempty"`
		IsActive *bool             `json:"is_active,omitempty"`
	}
	if err := document.Read(body, &in); err != nil {
		return Dictionary{}, err
	}
	var f document.Faults
	for code, text := range in.Values {
		checkValue(&f, "$.values", code, text)
	}
	if err := f.Err(); err != nil {
		return Dictionary{}, err
	}
	var d Dictionary
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.GrowDictionaryEpoch(ctx); err != nil {
			return err
		}
		stored, err := tx.Dictionaries(ctx)
		if err != nil {
			return err
		}
		current, found := newSnapshot(0, s.built, stored, nil).Dictionary(name)
		if !found {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		if slices.Contains(current.Labels, "READ_ONLY") {
			return registry.Errorf(registry.CodeConflict, "Unable to update READ_ONLY dictionary").WithReason("read_only")
		}
		d = current.clone()
		if d.Values == nil {
			d.Values = map[string]string{}
		}
		maps.Copy(d.Values, in.Values)
		if in.IsActive != nil {
			d.IsActive = *in.IsActive
		}
		return s.put(ctx, tx, c, d)
	})
	s.forget()
	return d, err
}

// put writes one list with its entry.
func (s *Service) put(ctx context.Context, tx Tx, c registry.Caller, d Dictionary) error {
	digest, err := d.Digest()
	if err != nil {
		return err
	}
	if err := tx.PutDictionary(ctx, d, digest); err != nil {
		return err
	}
	_, err = tx.Audit(ctx, audit.Entry{Kind: "dictionary.changed", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: "dictionary", ID: d.Name, Digest: digest[:]}})
	return err
}

// SetParameters changes global parameters: all of them, or none.
func (s *Service) SetParameters(ctx context.Context, c registry.Caller, body []byte) (map[string]string, error) {
	if err := c.Require(ScopeParametersWrite); err != nil {
		return nil, err
	}
	var in map[string]string
	if err := document.Read(body, &in); err != nil {
		return nil, err
	}
	var errs []registry.FieldError
	for _, name := range slices.Sorted(maps.Keys(in)) {
		i := slices.IndexFunc(parameters, func(p parameter) bool { return p.name == name })
		if i < 0 {
			errs = append(errs, registry.FieldError{Entry: "$." + name, Rule: "schema", Description: "there is no such parameter"})
		} else if e := parameters[i].check(in[name]); e != nil {
			errs = append(errs, *e)
		}
	}
	if len(errs) > 0 {
		return nil, registry.Invalid(errs[:min(len(errs), 50)]...)
	}
	err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.GrowDictionaryEpoch(ctx); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if err := tx.PutParameter(ctx, name, in[name]); err != nil {
				return err
			}
			if _, err := tx.Audit(ctx, audit.Entry{Kind: "parameter.changed", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
				Object: &audit.ObjectRef{Type: "global_parameter", ID: name}, Reason: in[name]}); err != nil {
				return err
			}
		}
		return nil
	})
	s.forget()
	if err != nil {
		return nil, err
	}
	snapshot, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot.Parameters, nil
}

// Imported tells what an import did.
type Imported struct{ Lists, Changed, Values int }

// Import writes the lists of a file that differ from those in the database,
// each in its own transaction; the same file again changes nothing.
func (s *Service) Import(ctx context.Context, c registry.Caller, file []byte, progress func(done, total int)) (out Imported, err error) {
	list, err := Read(file)
	if err != nil {
		return out, err
	}
	out.Lists = len(list)
	for i, d := range list {
		digest, err := d.Digest()
		if err != nil {
			return out, err
		}
		changed := false
		err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			changed = false
			if err := tx.GrowDictionaryEpoch(ctx); err != nil {
				return err
			}
			stored, found, err := tx.DictionaryDigest(ctx, d.Name)
			if err != nil || found && stored == digest {
				return err
			}
			changed = true
			return s.put(ctx, tx, c, d)
		})
		if err != nil {
			return out, fmt.Errorf("writing the dictionary %s: %w", d.Name, err)
		}
		if changed {
			out.Changed++
			out.Values += d.size()
		}
		progress(i+1, len(list))
	}
	s.forget()
	return out, nil
}

func (d Dictionary) size() int {
	n := len(d.Values)
	for _, g := range d.Groups {
		n += len(g)
	}
	return n
}
