package bulk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/prm"
)

// Tx is what an import needs of a transaction.
type Tx interface {
	PutLegalEntity(ctx context.Context, l prm.LegalEntity) error
	PutDivision(ctx context.Context, d prm.Division) error
	PutEmployee(ctx context.Context, e prm.Employee) error
	// ImportMembers copies persons and declarations in and says how many were
	// not there before: those with a known id are left as they are.
	ImportMembers(ctx context.Context, members []Member) (added int, err error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store opens transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Options of an import. Store is required.
type Options struct {
	Store Store
	// Batch is how many persons one transaction takes; zero means 500. A batch
	// that a busy database does not finish within its limit is halved.
	Batch int
	// Workers is how many transactions run at once; zero means 3.
	Workers int
	// Progress is told, from several goroutines, how many persons are in.
	Progress func(done, total int)
}

// Summary is what an import did.
type Summary struct {
	Persons, Declarations, Employees, Clinics int // read
	Added                                     int // persons that were not there before
	Transactions                              int
}

// batch is a run of lines that go into one transaction.
type batch struct {
	first int // number of its first line
	lines [][]byte
}

type importer struct {
	opt     Options
	total   int
	batches chan batch

	mu      sync.Mutex // guards summary
	summary Summary
	done    atomic.Int64
}

// Import reads a population and brings it in. An import that was cut off is
// run again from the start: what is in stays as it is.
//
// Errors: [LineError] for a line that is refused (what stood before it may be
// in), and those of the store.
func Import(ctx context.Context, r io.Reader, opt Options) (Summary, error) {
	if opt.Store == nil {
		return Summary{}, errors.New("importing: a store is required")
	}
	if opt.Batch <= 0 {
		opt.Batch = 500
	}
	if opt.Workers <= 0 {
		opt.Workers = 3
	}
	if opt.Progress == nil {
		opt.Progress = func(int, int) {}
	}
	im := &importer{opt: opt, batches: make(chan batch)}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for range opt.Workers {
		workers.Go(func() {
			for b := range im.batches {
				if ctx.Err() != nil {
					continue // drain
				}
				if err := im.take(ctx, b); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := im.read(ctx, r)
	close(im.batches)
	if err != nil {
		cancel(err)
	}
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err == nil && im.summary.Persons != im.total {
		err = fmt.Errorf("the file names %d persons and holds %d: it was cut off or changed", im.total, im.summary.Persons)
	}
	return im.summary, err
}

// read cuts the file into batches. Clinics and employees are in before the
// first person is handed out.
func (im *importer) read(ctx context.Context, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, MaxLine), MaxLine)
	n := 0
	structure, people := batch{}, batch{}
	for lines.Scan() {
		n++
		if n == 1 {
			h, err := ParseHeader(lines.Bytes())
			if err != nil {
				return &LineError{n, err}
			}
			im.total = h.Persons
			continue
		}
		line := bytes.Clone(lines.Bytes())
		if bytes.HasPrefix(line, []byte(`{"person"`)) {
			if err := im.structure(ctx, &structure); err != nil {
				return err
			}
			if people.add(n, line); len(people.lines) == im.opt.Batch {
				if err := im.hand(ctx, people); err != nil {
					return err
				}
				people = batch{}
			}
			continue
		}
		if structure.add(n, line); len(structure.lines) == structureBatch {
			if err := im.structure(ctx, &structure); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return &LineError{n + 1, fmt.Errorf("reading: %w", err)}
	}
	if n == 0 {
		return &LineError{1, errNotOurs}
	}
	if err := im.structure(ctx, &structure); err != nil {
		return err
	}
	if len(people.lines) > 0 {
		return im.hand(ctx, people)
	}
	return nil
}

// structureBatch bounds clinics and employees of one transaction.
const structureBatch = 200

func (b *batch) add(n int, line []byte) {
	if len(b.lines) == 0 {
		b.first = n
	}
	b.lines = append(b.lines, line)
}

func (im *importer) hand(ctx context.Context, b batch) error {
	select {
	case im.batches <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// structure brings clinics and employees in, and empties the batch.
func (im *importer) structure(ctx context.Context, b *batch) error {
	if len(b.lines) == 0 {
		return nil
	}
	records, err := b.parse()
	if err != nil {
		return err
	}
	clinics, employees := 0, 0
	err = im.opt.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		clinics, employees = 0, 0
		for _, r := range records {
			switch {
			case r.Clinic != nil:
				clinics++
				if err := tx.PutLegalEntity(ctx, r.Clinic.LegalEntity); err != nil {
					return err
				}
				if err := tx.PutDivision(ctx, r.Clinic.Division); err != nil {
					return err
				}
			case r.Employee != nil:
				employees++
				if err := tx.PutEmployee(ctx, *r.Employee); err != nil {
					return err
				}
			}
		}
		return b.audit(ctx, tx, "import.providers")
	})
	if err != nil {
		return fmt.Errorf("lines %d-%d: %w", b.first, b.first+len(b.lines)-1, err)
	}
	im.mu.Lock()
	im.summary.Clinics += clinics
	im.summary.Employees += employees
	im.summary.Transactions++
	im.mu.Unlock()
	*b = batch{}
	return nil
}

func (b batch) parse() ([]Record, error) {
	records := make([]Record, len(b.lines))
	for i, line := range b.lines {
		var err error
		if records[i], err = ParseRecord(line); err != nil {
			return nil, &LineError{b.first + i, err}
		}
	}
	return records, nil
}

// take brings a batch of persons in, in as many transactions as it needs.
func (im *importer) take(ctx context.Context, b batch) error {
	records, err := b.parse()
	if err != nil {
		return err
	}
	members := make([]Member, len(records))
	for i, r := range records {
		if r.Person == nil {
			return &LineError{b.first + i, errOneOf}
		}
		members[i] = Member{*r.Person, r.Declaration}
	}
	return im.put(ctx, b, members, 0)
}

// maxConflicts bounds how often a batch waits for its own earlier try.
const maxConflicts = 5

// put runs one transaction. conflicts counts the waits for an earlier try of
// the same lines, whose commit was under way when its answer was lost.
func (im *importer) put(ctx context.Context, b batch, members []Member, conflicts int) error {
	var added int
	err := im.opt.Store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if added, err = tx.ImportMembers(ctx, members); err != nil {
			return err
		}
		return b.audit(ctx, tx, "import.persons")
	})
	switch code := registry.CodeOf(err); {
	case ctx.Err() != nil:
	case code == registry.CodeUnavailable && len(members) > 1:
		// Passed the limit of a write transaction: a busy machine takes smaller bites.
		half := len(members) / 2
		if err := im.put(ctx, batch{b.first, b.lines[:half]}, members[:half], max(conflicts, 1)); err != nil {
			return err
		}
		return im.put(ctx, batch{b.first + half, b.lines[half:]}, members[half:], max(conflicts, 1))
	case code == registry.CodeConflict && conflicts > 0 && conflicts < maxConflicts:
		return im.put(ctx, b, members, conflicts+1)
	}
	if err != nil {
		return fmt.Errorf("lines %d-%d: %w", b.first, b.first+len(members)-1, err)
	}
	declarations := 0
	for _, m := range members {
		if m.Declaration != nil {
			declarations++
		}
	}
	im.mu.Lock()
	im.summary.Persons += len(members)
	im.summary.Declarations += declarations
	im.summary.Added += added
	im.summary.Transactions++
	im.mu.Unlock()
	im.opt.Progress(int(im.done.Add(int64(len(members)))), im.total)
	return nil
}

// audit writes the entry of a batch: which lines, and the digest of exactly
// these lines, each with its line feed.
func (b batch) audit(ctx context.Context, tx Tx, kind string) error {
	h := sha256.New()
	for _, line := range b.lines {
		h.Write(line)
		h.Write([]byte{'\n'})
	}
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: audit.OperatorCommand, Channel: "operator",
		Object: &audit.ObjectRef{Type: kind, ID: fmt.Sprintf("lines %d-%d", b.first, b.first+len(b.lines)-1), Digest: h.Sum(nil)},
	})
	return err
}
