// Package witness keeps a log honest from outside: it cosigns a checkpoint only
// if the log's tree still begins with the tree it cosigned before, so that two
// histories of one log can never both be cosigned (C2SP tlog-witness,
// tlog-cosignature).
//
// A witness runs on another host, under another organisation than the log. It
// trusts the log's public key for the origin and its own state file; after a
// restore of the log from an old copy it refuses the smaller tree, and that is
// what it is for.
package witness

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry/audit"
)

// MaxRequest bounds a request body in bytes: 63 hashes and a checkpoint.
const MaxRequest = 16 << 10

// maxProof is how many proof lines a request may have (tlog-witness).
const maxProof = 63

// Refusals of add-checkpoint, each with the status tlog-witness gives it.
var (
	ErrMalformed     = errors.New("not an add-checkpoint request (C2SP tlog-witness)")          // 400
	ErrNotTrusted    = errors.New("no signature of the log's key under the checkpoint")         // 403
	ErrUnknownLog    = errors.New("this witness does not know the log")                         // 404
	ErrInconsistent  = errors.New("the tree does not begin with the tree this witness knows")   // 422
	ErrForkedHistory = errors.New("another root of the same size was cosigned for this origin") // 409
)

// SizeError tells that the request's old size is not what the witness cosigned
// last (409); Size is what it did.
type SizeError struct{ Size int64 }

// Error names the size.
func (e *SizeError) Error() string {
	return fmt.Sprintf("this witness cosigned a tree of %d entries last", e.Size)
}

// Tree is what a witness remembers of a log.
type Tree struct {
	Size int64
	Root tlog.Hash
}

// State remembers the newest cosigned tree of each log. Put is durable when it
// returns.
type State interface {
	// Get answers the empty tree for a log never seen.
	Get(origin string) (Tree, error)
	Put(origin string, t Tree) error
}

// Config of a Witness. All but Refused are required.
type Config struct {
	// Logs are the keys of the logs it watches; a key's name is the origin.
	Logs  []note.Verifier
	Key   *audit.Cosigner
	State State
	Now   func() time.Time
	// Refused, if set, is told of each refusal that may be proof of
	// misbehaviour: ErrInconsistent and ErrForkedHistory, with the checkpoint.
	Refused func(origin string, checkpoint []byte, reason error)
}

// Witness cosigns checkpoints.
type Witness struct {
	cfg Config
	mu  sync.Mutex // compare and put are one step
}

// New refuses a half-configured witness.
func New(c Config) (*Witness, error) {
	if len(c.Logs) == 0 || c.Key == nil || c.State == nil || c.Now == nil {
		return nil, errors.New("a witness needs logs, a key, a state and a clock")
	}
	if c.Refused == nil {
		c.Refused = func(string, []byte, error) {}
	}
	return &Witness{cfg: c}, nil
}

// AddCheckpoint handles the body of add-checkpoint and gives the signature
// line to answer with.
func (w *Witness) AddCheckpoint(_ context.Context, body []byte) (string, error) {
	old, proof, signed, err := parseRequest(body)
	if err != nil {
		return "", err
	}
	origin, _, _ := strings.Cut(string(signed), "\n")
	var known, trusted bool
	var c audit.Checkpoint
	for _, key := range w.cfg.Logs {
		if key.Name() != origin {
			continue
		}
		known = true
		if c, err = audit.OpenCheckpoint(signed, key); err == nil {
			trusted = true
			break
		}
		if errors.Is(err, audit.ErrCheckpoint) {
			return "", ErrMalformed
		}
	}
	switch {
	case !known:
		return "", ErrUnknownLog
	case !trusted:
		return "", ErrNotTrusted
	case old > c.Size || old == 0 && len(proof) > 0:
		return "", ErrMalformed
	}
	text, err := audit.NoteText(signed)
	if err != nil {
		return "", ErrMalformed
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	last, err := w.cfg.State.Get(origin)
	if err != nil {
		return "", fmt.Errorf("reading the witness's state: %w", err)
	}
	if old != last.Size {
		return "", &SizeError{last.Size}
	}
	if err := grown(last, c, proof); err != nil {
		w.cfg.Refused(origin, signed, err)
		return "", err
	}
	if c.Size != last.Size {
		if err := w.cfg.State.Put(origin, Tree{c.Size, c.Root}); err != nil {
			return "", fmt.Errorf("keeping the witness's state: %w", err)
		}
	}
	return w.cfg.Key.Cosign(text, w.cfg.Now()), nil
}

// grown tells whether the checkpoint's tree begins with the one known.
func grown(last Tree, c audit.Checkpoint, proof tlog.TreeProof) error {
	switch {
	case last.Size == c.Size && last.Size > 0:
		if last.Root != c.Root {
			return ErrForkedHistory
		}
		if len(proof) > 0 {
			return ErrInconsistent
		}
	case c.Size == 0:
		if c.Root != audit.EmptyRoot() {
			return ErrInconsistent
		}
	case last.Size > 0:
		if tlog.CheckTree(proof, c.Size, c.Root, last.Size, last.Root) != nil {
			return ErrInconsistent
		}
	}
	return nil
}

// parseRequest reads: old size line, proof lines, an empty line, a checkpoint.
func parseRequest(body []byte) (old int64, proof tlog.TreeProof, signed []byte, err error) {
	if len(body) > MaxRequest {
		return 0, nil, nil, ErrMalformed
	}
	head, rest, found := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	size, isOld := strings.CutPrefix(lines[0], "old ")
	if !found || !isOld || len(lines)-1 > maxProof {
		return 0, nil, nil, ErrMalformed
	}
	old, err = strconv.ParseInt(size, 10, 64)
	if err != nil || old < 0 || strconv.FormatInt(old, 10) != size {
		return 0, nil, nil, ErrMalformed
	}
	for _, line := range lines[1:] {
		b, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(b) != tlog.HashSize || base64.StdEncoding.EncodeToString(b) != line {
			return 0, nil, nil, ErrMalformed
		}
		proof = append(proof, tlog.Hash(b))
	}
	return old, proof, []byte(rest), nil
}

// request is the body that parseRequest reads.
func request(old int64, proof tlog.TreeProof, signed []byte) []byte {
	b := []byte("old " + strconv.FormatInt(old, 10) + "\n")
	for _, h := range proof {
		b = append(append(b, base64.StdEncoding.EncodeToString(h[:])...), '\n')
	}
	b = append(b, '\n')
	return append(b, signed...)
}
