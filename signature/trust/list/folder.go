package list

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"mist/signature/trust"
)

// PinFile names, in a trust folder, the SHA-256 digests of the certificates
// that may sign trusted lists, one in hexadecimal per line; # begins a comment.
const PinFile = "list-signers.sha256"

// SequenceFile holds the sequence number of the newest list accepted.
const SequenceFile = "list-sequence"

// Folder makes a snapshot of a trust folder: certificates as trust.LoadFolder
// reads them, and every *.xml as a trusted list signed by a pinned signer.
func Folder(ctx context.Context, fsys fs.FS, name string, now time.Time) (*trust.Snapshot, error) {
	lists, err := fs.Glob(fsys, "*.xml")
	if err != nil {
		return nil, err
	}
	plain, err := trust.LoadFolder(fsys, name)
	if len(lists) == 0 || err != nil && !errors.Is(err, trust.ErrNoAnchors) {
		return plain, err
	}
	pins, err := Pins(fsys)
	if err != nil {
		return nil, err
	}
	all := []*trust.Snapshot{}
	if plain != nil {
		all = append(all, plain)
	}
	for _, f := range lists {
		b, err := fs.ReadFile(fsys, f)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f, err)
		}
		l, err := Verify(ctx, b, Rules{Pinned: pins, LastSequence: LastSequence(fsys), Now: now})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Base(f), err)
		}
		s := l.Snapshot(nil, nil)
		s.Remarks = l.Remarks
		all = append(all, s)
	}
	return trust.Merge(all...), nil
}

// Pins reads the pin file of a folder.
func Pins(fsys fs.FS) ([][32]byte, error) {
	b, err := fs.ReadFile(fsys, PinFile)
	if err != nil {
		return nil, fmt.Errorf("a trusted list needs its signer pinned in %s: %w", PinFile, err)
	}
	var out [][32]byte
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.ReplaceAll(strings.TrimSpace(line), ":", "")
		if line == "" {
			continue
		}
		p, err := ParsePin(line)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", PinFile, err)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s pins nothing", PinFile)
	}
	return out, nil
}

// ParsePin reads a SHA-256 digest in hexadecimal.
func ParsePin(s string) (p [32]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != len(p) {
		return p, fmt.Errorf("a pin is 64 hexadecimal digits, not %q", s)
	}
	return [32]byte(b), nil
}

// LastSequence is the number in SequenceFile, 0 when there is none.
func LastSequence(fsys fs.FS) int {
	b, err := fs.ReadFile(fsys, SequenceFile)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}
