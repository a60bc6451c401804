package audit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
)

// Delay is within what time the log promises to have an entry in its tree:
// far above the half second it takes, so that a broken promise is never a slow
// one.
const Delay = time.Minute

// promiseHeader is the first line of a promise. A checkpoint begins with its
// log's origin, which never has this form: neither is taken for the other.
const promiseHeader = "mist-receipt@v1"

// Promise signs the receipt of an entry whose transaction has committed: the
// log will have this leaf within [Delay]. With the promise the holder convicts
// a log that dropped the entry before it was numbered.
func (s *Signer) Promise(r Receipt) (Receipt, error) {
	b, err := note.Sign(&note.Note{Text: promiseText(s.key.Name(), r)}, s.key)
	if err != nil {
		return r, fmt.Errorf("signing a receipt: %w", err)
	}
	r.Promise = string(b)
	return r, nil
}

func promiseText(origin string, r Receipt) string {
	return promiseHeader + "\n" + origin + "\n" + r.EntryID.String() + "\n" + r.LeafHash + "\n" +
		r.Time.UTC().Truncate(time.Microsecond).Format("2006-01-02T15:04:05.000000Z") + "\n" + strconv.Itoa(int(Delay/time.Second)) + "\n"
}

// ErrPromise tells that a text is no promise of a log about this receipt.
var ErrPromise = errors.New("not a promise of the log about this receipt")

// Promised is what a log owes for a receipt.
type Promised struct {
	EntryID registry.ID
	Leaf    tlog.Hash
	// By is when the leaf must stand in the tree.
	By time.Time
}

// OpenPromise verifies the promise of a receipt with the log's key.
//
// Errors: *NotSignedError, ErrPromise.
func OpenPromise(r Receipt, key note.Verifier) (Promised, error) {
	if len(r.Promise) > 4<<10 {
		return Promised{}, ErrPromise
	}
	n, err := note.Open([]byte(r.Promise), note.VerifierList(key))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &invalid):
		return Promised{}, &NotSignedError{Key: key.Name(), False: true}
	case errors.As(err, &unverified):
		return Promised{}, &NotSignedError{Key: key.Name()}
	case err != nil:
		return Promised{}, ErrPromise
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 7 {
		return Promised{}, ErrPromise
	}
	seconds, err := strconv.Atoi(lines[5])
	leaf, hashErr := tlog.ParseHash(r.LeafHash)
	at := r.Time.UTC().Truncate(time.Microsecond)
	// The delay is the log's own at that time; all else is what the receipt says.
	want := strings.Split(promiseText(key.Name(), r), "\n")
	want[5] = lines[5]
	if err != nil || hashErr != nil || seconds <= 0 || seconds > 24*3600 || strconv.Itoa(seconds) != lines[5] || strings.Join(want, "\n") != n.Text {
		return Promised{}, ErrPromise
	}
	return Promised{r.EntryID, leaf, at.Add(time.Duration(seconds) * time.Second)}, nil
}
