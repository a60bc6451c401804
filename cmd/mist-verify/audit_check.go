package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// auditSchema names the form of the JSON result.
const auditSchema = "mist-verify/audit/1"

// auditResult is what was found; its JSON is the answer to --json. Names are
// English whatever the language of the report.
type auditResult struct {
	Schema  string `json:"schema"`
	Verdict string `json:"verdict"` // proven, disproven, undecided, error
	// Reason is empty when everything is proven.
	Reason string `json:"reason,omitempty"`
	// Step is the check that decided.
	Step    string      `json:"step,omitempty"`
	Log     string      `json:"log"`
	Checks  []auditStep `json:"checks"`
	Skipped []string    `json:"skipped"`
	Entry   *auditEntry `json:"entry,omitempty"`
	// Kept is of a receipt alone: the leaf stands in the tree, the entry was not shown.
	Kept        *auditKept        `json:"kept,omitempty"`
	Checkpoint  *auditCheckpoint  `json:"checkpoint,omitempty"`
	Witnesses   []auditWitness    `json:"witnesses,omitempty"`
	Consistency *auditConsistency `json:"consistency,omitempty"`
	// Judgement is of a package: the signature judged again from kept facts.
	Judgement *auditJudgement `json:"judgement,omitempty"`
	// Month is of the file of a month.
	Month *auditMonthResult `json:"month,omitempty"`
	// Pinned is the size of the tree whose root the signed document carries.
	Pinned *int64 `json:"pinned_size,omitempty"`
	// Evidence names a file with a checkpoint that contradicts the one seen before.
	Evidence string `json:"evidence,omitempty"`
	Exit     int    `json:"exit"`

	stateKept bool
	packaged  bool
}

type auditStep struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
}

type auditEntry struct {
	ID       registry.ID     `json:"id"`
	Index    int64           `json:"index"`
	LeafHash string          `json:"leaf_hash"`
	Body     json.RawMessage `json:"body"`
	// Proof is the RFC 6962 audit path, base64, leaf upwards.
	Proof []string `json:"proof"`

	decoded audit.Entry
}

type auditCheckpoint struct {
	Origin string `json:"origin"`
	Size   int64  `json:"size"`
	Root   string `json:"root"`
	Note   string `json:"note"`
}

// auditWitness is a cosignature that verifies.
type auditWitness struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"` // when the witness saw this tree last
}

type auditJudgement struct {
	Report     string    `json:"report"` // digest, equal to the one in the entry
	Indication string    `json:"indication"`
	Policy     string    `json:"policy"`
	Time       time.Time `json:"time"`
}

func leafHashOf(entry []byte) string { return audit.LeafHash(entry).String() }

type auditConsistency struct {
	From int64 `json:"from_size"`
	To   int64 `json:"to_size"`
}

// Steps in their order.
const (
	stepState       = "state"
	stepEntry       = "entry"
	stepCheckpoint  = "checkpoint"
	stepWitnesses   = "witnesses"
	stepConsistency = "consistency"
	stepReceipt     = "receipt"
	stepForm        = "form"
	stepInclusion   = "inclusion"
)

// auditRun is one run of the checks.
type auditRun struct {
	opt auditOptions
	log *auditLog
	res auditResult
}

// stop ends the run; it is caught in auditCheck.
type stop struct {
	verdict string
	step    string
	reason  string
	exit    int
}

func (r *auditRun) passed(step string) {
	r.res.Checks = append(r.res.Checks, auditStep{step, "proven"})
}

func disproven(step string, err error) *stop {
	return &stop{"disproven", step, err.Error(), auditDisproven}
}
func undecided(step string, err error) *stop {
	return &stop{"undecided", step, err.Error(), auditUndecided}
}
func broken(step string, err error) *stop { return &stop{"error", step, err.Error(), auditOwnFault} }

// judged turns an error of the audit package into a verdict.
func judged(step string, err error) *stop {
	var contradicts *audit.DisprovenError
	if errors.As(err, &contradicts) {
		return disproven(step, err)
	}
	return undecided(step, err)
}

// auditCheck runs the checks in their order and stops at the first that fails.
func auditCheck(ctx context.Context, opt auditOptions) auditResult {
	r := &auditRun{opt: opt, log: newAuditLog(opt), res: auditResult{
		Schema: auditSchema, Verdict: "proven", Log: opt.log.String(), Checks: []auditStep{}, Skipped: []string{}}}
	if s := r.run(ctx); s != nil {
		r.res.Verdict, r.res.Step, r.res.Reason, r.res.Exit = s.verdict, s.step, s.reason, s.exit
		r.res.Checks = append(r.res.Checks, auditStep{s.step, s.verdict})
	}
	return r.res
}

func (r *auditRun) run(ctx context.Context) *stop {
	older, seen, s := r.readState()
	if s != nil {
		return s
	}
	promised, s := r.promise()
	if s != nil {
		return s
	}
	// The entry first, the checkpoint after it, so that the one covers the other.
	var entry []byte
	index := int64(-1)
	if r.opt.entry != "" {
		if entry, index, s = r.fetchEntry(ctx); s != nil {
			if promised == nil {
				return s
			}
			return r.kept(ctx, older, seen, *promised)
		}
	} else {
		r.res.Skipped = append(r.res.Skipped, stepEntry)
	}
	now, signed, s := r.fetchCheckpoint(ctx, index)
	if s != nil {
		return s
	}
	if s := r.consistent(ctx, older, seen, now, signed); s != nil {
		return s
	}
	if r.opt.entry != "" {
		if s := r.included(ctx, now, entry, index); s != nil {
			return s
		}
	}
	return r.keepState(signed)
}

// readState reads the checkpoint seen last time. It is verified again: the
// file may have been changed as well.
func (r *auditRun) readState() (c audit.Checkpoint, seen bool, s *stop) {
	if r.opt.state == "" {
		return c, false, nil
	}
	b, err := readSmall(r.opt.state)
	if errors.Is(err, os.ErrNotExist) {
		return c, false, nil
	}
	if err == nil {
		c, err = audit.OpenCheckpoint(b, r.opt.key)
	}
	if err != nil {
		return c, false, broken(stepState, fmt.Errorf("reading %s: %w", r.opt.state, err))
	}
	return c, true, nil
}

// fetchEntry waits until the entry has its place in the tree.
func (r *auditRun) fetchEntry(ctx context.Context) (entry []byte, index int64, s *stop) {
	deadline := time.Now().Add(r.opt.wait)
	for {
		b, header, err := r.log.get(ctx, "entry/"+r.opt.entry)
		var answer *httpError
		switch {
		case errors.As(err, &answer) && answer.status == 404 && answer.archived != "":
			return nil, 0, undecided(stepEntry, fmt.Errorf("the log says that the month %s was archived: prove the entry from the file of that month, mist-verify audit --month FILE --log URL %s", printable(answer.archived), r.opt.entry))
		case errors.As(err, &answer) && answer.status == 404:
			return nil, 0, undecided(stepEntry, errors.New("the log knows no such entry; whoever holds a receipt of it holds the proof that it was removed"))
		case errors.As(err, &answer) && (answer.status == 401 || answer.status == 403):
			return nil, 0, undecided(stepEntry, errors.New("the log does not show this entry to us: give a token of an auditor with --token-file"))
		case err != nil:
			return nil, 0, undecided(stepEntry, fmt.Errorf("fetching the entry: %w", err))
		}
		if place := header.Get("Mist-Entry-Index"); place != "" {
			index, err := strconv.ParseInt(place, 10, 64)
			if err != nil {
				return nil, 0, undecided(stepEntry, errors.New("the log gives no readable place of the entry"))
			}
			return b, index, nil
		}
		if time.Now().After(deadline) {
			return nil, 0, undecided(stepEntry, errors.New("the entry is not in the tree yet: ask again in a second"))
		}
		select {
		case <-ctx.Done():
			return nil, 0, undecided(stepEntry, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *auditRun) fetchCheckpoint(ctx context.Context, index int64) (audit.Checkpoint, []byte, *stop) {
	signed, err := r.log.fetch(ctx, "checkpoint")
	if err != nil {
		return audit.Checkpoint{}, nil, undecided(stepCheckpoint, fmt.Errorf("fetching the checkpoint: %w", err))
	}
	c, err := audit.OpenCheckpoint(signed, r.opt.key)
	var unsigned *audit.NotSignedError
	switch {
	case errors.As(err, &unsigned) && unsigned.False:
		return c, nil, disproven(stepCheckpoint, err)
	case err != nil:
		return c, nil, undecided(stepCheckpoint, err)
	}
	r.res.Checkpoint = &auditCheckpoint{c.Origin, c.Size, c.Root.String(), string(signed)}
	r.passed(stepCheckpoint)
	if s := r.witnessed(signed); s != nil {
		return c, nil, s
	}
	if index >= c.Size {
		return c, nil, undecided(stepCheckpoint, fmt.Errorf("the signed tree of %d entries does not reach entry %d yet", c.Size, index))
	}
	return c, signed, nil
}

// witnessed counts the cosignatures of the witnesses given. Too few prove
// nothing against the log: a witness may be away.
func (r *auditRun) witnessed(signed []byte) *stop {
	if len(r.opt.quorum.Witnesses) == 0 {
		r.res.Skipped = append(r.res.Skipped, stepWitnesses)
		return nil
	}
	_, cosigned, err := audit.OpenWitnessed(signed, r.opt.key, r.opt.quorum)
	for _, c := range cosigned {
		r.res.Witnesses = append(r.res.Witnesses, auditWitness{c.Witness, c.Time})
	}
	var unsigned *audit.NotSignedError
	switch {
	case errors.As(err, &unsigned) && unsigned.False:
		return disproven(stepWitnesses, err)
	case err != nil:
		return undecided(stepWitnesses, err)
	}
	r.passed(stepWitnesses)
	return nil
}

func (r *auditRun) consistent(ctx context.Context, older audit.Checkpoint, seen bool, now audit.Checkpoint, signed []byte) *stop {
	if !seen {
		r.res.Skipped = append(r.res.Skipped, stepConsistency)
		return nil
	}
	if _, err := audit.ProveConsistency(ctx, r.log.fetch, older, now); err != nil {
		s := judged(stepConsistency, err)
		if s.exit == auditDisproven {
			// Two signed checkpoints that contradict each other convict the log.
			r.res.Evidence = r.opt.state + ".conflict"
			if err := writeWhole(r.res.Evidence, signed); err != nil {
				r.res.Evidence = ""
			}
		}
		return s
	}
	r.res.Consistency = &auditConsistency{older.Size, now.Size}
	r.passed(stepConsistency)
	return nil
}

// included proves that these bytes stand at this place, and that they are the
// entry that was asked for.
func (r *auditRun) included(ctx context.Context, now audit.Checkpoint, entry []byte, index int64) *stop {
	leaf := audit.LeafHash(entry)
	if r.opt.receipt != nil {
		if r.opt.receipt.LeafHash != leaf.String() {
			return disproven(stepReceipt, errors.New("the log's entry is not the one the receipt was given for"))
		}
		r.passed(stepReceipt)
	}
	proof, err := audit.ProveInclusion(ctx, r.log.fetch, now, index, leaf)
	if err != nil {
		return judged(stepInclusion, err)
	}
	r.passed(stepInclusion)
	e, err := audit.Decode(entry)
	var version *audit.VersionError
	switch {
	case errors.As(err, &version):
		return undecided(stepForm, err)
	case err != nil:
		return disproven(stepForm, fmt.Errorf("what stands in the log is no entry: %w", err))
	}
	if _, idErr := registry.ParseID(r.opt.entry); idErr == nil && e.ID.String() != r.opt.entry {
		return disproven(stepForm, errors.New("the log answers with another entry than the one asked for"))
	}
	if err := r.checkPlace(index); err != nil {
		return disproven(stepForm, err)
	}
	r.passed(stepForm)
	r.res.Entry = &auditEntry{ID: e.ID, Index: index, LeafHash: leaf.String(), Body: entry, Proof: []string{}, decoded: e}
	for _, h := range proof {
		r.res.Entry.Proof = append(r.res.Entry.Proof, h.String())
	}
	return nil
}

// checkPlace compares the place asked for with the one answered.
func (r *auditRun) checkPlace(index int64) error {
	if n, err := strconv.ParseInt(r.opt.entry, 10, 64); err == nil && n != index {
		return fmt.Errorf("the log answers with entry %d, asked for was %d", index, n)
	}
	return nil
}

// keepState moves the state on to the checkpoint that was proven.
func (r *auditRun) keepState(signed []byte) *stop {
	if r.opt.state == "" {
		return nil
	}
	if err := writeWhole(r.opt.state, signed); err != nil {
		return broken(stepState, fmt.Errorf("keeping the checkpoint: %w", err))
	}
	r.res.stateKept = true
	return nil
}

// writeWhole replaces a file at once or not at all.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".mist-verify-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
