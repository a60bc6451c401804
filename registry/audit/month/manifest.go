// Package month is the file of one month of an audit log, for the time when the
// month is no longer in the database: the exact bytes of its entries, the leaf
// hashes of all places between them, and a signed checkpoint that the hashes
// lead to. Whoever has the log's public key proves every entry of it offline.
//
// It believes nothing in a file: Verify recomputes the tree from the bytes and
// counts again what the manifest counts. It refuses what is not in the one form
// that Write gives. It holds no salts and no persons: whom an entry is about is
// told by the database alone, where it can be wiped.
package month

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// Version of the file's form.
const Version = 1

// How the log tells of months: entries of these kinds have an object of this
// type, the month as its id, and the manifest's digest; the reason of Detached
// names the order.
const (
	Exported   audit.Kind = "trail.month_exported"
	Detached   audit.Kind = "trail.month_detached"
	Attached   audit.Kind = "trail.month_attached"
	ObjectType            = "log_month"
	// Order and AttachOrder are the commands that two people sign.
	Order       = "detach-month"
	AttachOrder = "attach-month"
)

const typeName = "log_month"

// maxManifest bounds a manifest: a writer takes some hundred bytes, a process each.
const maxManifest = 32 << 20

// ErrManifest tells that a text is no manifest of a month.
var ErrManifest = errors.New("not the manifest of a month of a log")

// Manifest says what a file holds. Its digest is what people sign for when they
// have the month detached, and what stands in the log afterwards.
type Manifest struct {
	Version int    `json:"version"`
	Type    string `json:"type"`
	Origin  string `json:"origin"`
	Month   string `json:"month"` // "2026-11"
	// FromID and BelowID bound the ids of the month's entries; FromID is all
	// zeros for the first month, which holds everything before it too.
	FromID  registry.ID `json:"from_id"`
	BelowID registry.ID `json:"below_id"`
	Entries int64       `json:"entries"`
	First   int64       `json:"first"` // place of the month's first entry
	Last    int64       `json:"last"`
	// Size and Root are of the checkpoint: places First ≤ place < Size stand in
	// the file, those of other months by their hash.
	Size int64  `json:"size"`
	Root string `json:"root"`
	// Before are the hashes of the perfect subtrees before First, largest first.
	Before []string `json:"before"`
	// Lines is the SHA-256 of entries.txt.
	Lines string `json:"lines_sha256"`
	// Acts are entries of accepted acts.
	Acts    int64            `json:"acts"`
	Kinds   map[string]int64 `json:"kinds"`
	Writers []Writer         `json:"writers"`
}

// Writer is what the month holds of one process's running numbers.
type Writer struct {
	ID      registry.ID `json:"id"`
	Numbers Ranges      `json:"numbers"`
	Void    Ranges      `json:"void"` // of them: given back
	Last    time.Time   `json:"last"` // time of its newest entry
}

// Form gives the exact bytes of a manifest.
func (m Manifest) Form() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing a month's manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// Digest of the exact bytes of a manifest.
func Digest(form []byte) registry.Digest { return sha256.Sum256(form) }

// ParseManifest reads a manifest strictly: known members, sensible numbers, and
// byte for byte the form that Form gives.
func ParseManifest(form []byte) (m Manifest, err error) {
	if len(form) > maxManifest {
		return m, ErrManifest
	}
	d := json.NewDecoder(bytes.NewReader(form))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, ErrManifest
	}
	if again, err := m.Form(); err != nil || !bytes.Equal(again, form) {
		return Manifest{}, ErrManifest
	}
	if m.Version != Version {
		return Manifest{}, fmt.Errorf("%w: version %d, this program reads %d", ErrManifest, m.Version, Version)
	}
	lines, hexErr := hex.DecodeString(m.Lines)
	_, monthErr := time.Parse("2006-01", m.Month)
	switch {
	case m.Type != typeName, m.Origin == "", monthErr != nil, hexErr != nil, len(lines) != sha256.Size, m.BelowID.IsZero(),
		m.Entries < 1, m.First < 0, m.Last < m.First, m.Size <= m.Last, m.Entries > m.Last-m.First+1, m.Acts < 0, m.Acts > m.Entries:
		return Manifest{}, ErrManifest
	}
	if _, err := m.before(); err != nil {
		return Manifest{}, ErrManifest
	}
	if _, err := tlog.ParseHash(m.Root); err != nil {
		return Manifest{}, ErrManifest
	}
	return m, nil
}

// before is the tree of all places before the first.
func (m Manifest) before() (audit.Compact, error) {
	peaks, err := audit.ParseHashes(m.Before)
	if err != nil {
		return nil, err
	}
	return audit.NewCompact(m.First, peaks)
}

// Holds tells whether an id is of the month.
func (m Manifest) Holds(id registry.ID) bool {
	return bytes.Compare(id[:], m.FromID[:]) >= 0 && bytes.Compare(id[:], m.BelowID[:]) < 0
}
