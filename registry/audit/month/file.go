package month

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
)

// Names of files in a month's file.
const (
	FileEntries    = "entries.txt"
	FileManifest   = "manifest.json"
	FileCheckpoint = "checkpoint"
	FileSeal       = "seal.asice" // the manifest and the checkpoint under the system's electronic seal
	FileReadme     = "README.txt"
)

// maxLine bounds a line: place, hash, entry.
const maxLine = audit.MaxEntryBytes + 128

// maxSmall bounds checkpoint and seal.
const maxSmall = maxManifest + 8<<20

// FormError tells that a file is no month's file, or not in its one form.
type FormError struct{ Reason string }

// Error gives the reason.
func (e *FormError) Error() string { return "the file of a month: " + e.Reason }

// Line is one place of the tree. Entry is nil where the entry is of another month.
type Line struct {
	Index int64
	Hash  tlog.Hash
	Entry []byte
}

func (l Line) write(w io.Writer) error {
	entry := l.Entry
	if entry == nil {
		entry = []byte("-")
	}
	_, err := fmt.Fprintf(w, "%d %s %s\n", l.Index, l.Hash, entry)
	return err
}

func parseLine(b []byte) (l Line, err error) {
	place, rest, ok := bytes.Cut(b, []byte(" "))
	sum, entry, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok || !ok2 || len(entry) == 0 {
		return l, &FormError{"a line is not: place, hash, entry"}
	}
	if l.Index, err = strconv.ParseInt(string(place), 10, 64); err != nil || l.Index < 0 || strconv.FormatInt(l.Index, 10) != string(place) {
		return l, &FormError{"a line does not begin with a place"}
	}
	if l.Hash, err = tlog.ParseHash(string(sum)); err != nil || l.Hash.String() != string(sum) {
		return l, &FormError{fmt.Sprintf("place %d has no hash of 32 bytes", l.Index)}
	}
	if !bytes.Equal(entry, []byte("-")) {
		l.Entry = bytes.Clone(entry)
	}
	return l, nil
}

// counts is what a manifest counts, counted again by whoever writes or verifies.
type counts struct {
	m       Manifest
	tree    audit.Compact
	writers map[registry.ID]*Writer
	next    int64
	sum     hash.Hash
}

func newCounts(m Manifest, before audit.Compact) *counts {
	m.Entries, m.Acts, m.Kinds, m.Writers, m.Last = 0, 0, map[string]int64{}, nil, 0
	return &counts{m: m, tree: slices.Clone(before), writers: map[registry.ID]*Writer{}, next: m.First, sum: sha256.New()}
}

// take counts a line; it gives the entry where it is of the month.
//
// Errors: *audit.DisprovenError, *FormError.
func (c *counts) take(l Line) (e audit.Entry, err error) {
	if l.Index != c.next {
		return e, &FormError{fmt.Sprintf("place %d follows place %d", l.Index, c.next-1)}
	}
	c.next++
	c.tree.Push(l.Hash)
	if err := l.write(c.sum); err != nil {
		return e, err
	}
	if l.Entry == nil {
		return e, nil
	}
	if audit.LeafHash(l.Entry) != l.Hash {
		return e, &audit.DisprovenError{Claim: fmt.Sprintf("the entry at place %d is not the one whose hash stands beside it", l.Index)}
	}
	if e, err = audit.Decode(l.Entry); err != nil {
		return e, &audit.DisprovenError{Claim: fmt.Sprintf("what stands at place %d is no entry: %v", l.Index, err)}
	}
	if !c.m.Holds(e.ID) {
		return e, &FormError{fmt.Sprintf("the entry at place %d is of another month", l.Index)}
	}
	c.m.Entries++
	c.m.Last = l.Index
	c.m.Kinds[string(e.Kind)]++
	if e.Kind == audit.ActAccepted {
		c.m.Acts++
	}
	w := c.writers[e.Writer.ID]
	if w == nil {
		w = &Writer{ID: e.Writer.ID}
		c.writers[e.Writer.ID] = w
	}
	w.Numbers.Add(e.Writer.N)
	if e.Kind == audit.Void {
		w.Void.Add(e.Writer.N)
	}
	if e.Time.After(w.Last) {
		w.Last = e.Time
	}
	return e, nil
}

// manifest gives what was counted.
func (c *counts) manifest() Manifest {
	m := c.m
	m.Lines = hex.EncodeToString(c.sum.Sum(nil))
	m.Root = c.tree.Root().String()
	for _, id := range slices.SortedFunc(maps.Keys(c.writers), func(a, b registry.ID) int { return bytes.Compare(a[:], b[:]) }) {
		m.Writers = append(m.Writers, *c.writers[id])
	}
	return m
}

// Writing is a month's file that is being made: lines first, then the rest.
type Writing struct {
	counts *counts
	zip    *zip.Writer
	lines  *bufio.Writer
	check  audit.Checkpoint
	signed []byte
}

// Begin begins a file. m names origin, month, bounds and the first place; before
// is the tree before that place, c the checkpoint that covers the month, signed
// its note.
func Begin(w io.Writer, m Manifest, before audit.Compact, c audit.Checkpoint, signed []byte) (*Writing, error) {
	m.Version, m.Type, m.Size, m.Before = Version, typeName, c.Size, []string{}
	for _, h := range before.Peaks() {
		m.Before = append(m.Before, h.String())
	}
	out := &Writing{counts: newCounts(m, before), zip: zip.NewWriter(w), check: c, signed: signed}
	f, err := out.zip.Create(FileEntries)
	if err != nil {
		return nil, fmt.Errorf("beginning a month's file: %w", err)
	}
	out.lines = bufio.NewWriterSize(f, 1<<20)
	return out, nil
}

// Line writes the next place.
func (w *Writing) Line(l Line) error {
	if _, err := w.counts.take(l); err != nil {
		return err
	}
	return l.write(w.lines)
}

// Finish proves that the lines lead to the checkpoint, writes what is left, and
// gives the exact bytes of the manifest. seal may be nil: then the file carries
// no electronic seal, and the log's own signature alone.
func (w *Writing) Finish(seal func(manifest, checkpoint []byte) ([]byte, error)) (manifest []byte, err error) {
	m := w.counts.manifest()
	switch {
	case w.counts.next != w.check.Size:
		return nil, &FormError{fmt.Sprintf("the lines end at place %d, the checkpoint at %d", w.counts.next, w.check.Size)}
	case w.counts.tree.Root() != w.check.Root:
		return nil, &audit.DisprovenError{Claim: "the entries and hashes of the month do not give the root that the log signed"}
	case m.Entries == 0:
		return nil, &FormError{"the month has no entries"}
	}
	if manifest, err = m.Form(); err != nil {
		return nil, err
	}
	if _, err := ParseManifest(manifest); err != nil {
		return nil, err
	}
	if err := w.lines.Flush(); err != nil {
		return nil, err
	}
	files := []struct {
		name string
		body []byte
	}{{FileManifest, manifest}, {FileCheckpoint, w.signed}, {FileReadme, []byte(readme(m))}}
	if seal != nil {
		sealed, err := seal(manifest, w.signed)
		if err != nil {
			return nil, fmt.Errorf("sealing a month's file: %w", err)
		}
		files = append(files, struct {
			name string
			body []byte
		}{FileSeal, sealed})
	}
	for _, f := range files {
		out, err := w.zip.Create(f.name)
		if err == nil {
			_, err = out.Write(f.body)
		}
		if err != nil {
			return nil, fmt.Errorf("writing a month's file: %w", err)
		}
	}
	return manifest, w.zip.Close()
}

func readme(m Manifest) string {
	return "Місяць " + m.Month + " журналу " + m.Origin + "\nMonth " + m.Month + " of the log " + m.Origin + `

Перевірити (ключ журналу візьміть не з цього файла):
Verify (take the log's key from elsewhere than this file):
  mist-verify audit --month FILE --key log.key [--trust certs/] [ENTRY]

Іншими програмами · with other programs:
  entries.txt: місце, SHA-256(0x00 || запис) у base64, запис або «-» (запис іншого місяця)
               place, SHA-256(0x00 || entry) in base64, entry or "-" (an entry of another month)
  sha256sum entries.txt = manifest.json lines_sha256
  Хеші від manifest.before та всіх рядків дають корінь checkpoint (RFC 6962, 2.1; C2SP tlog-checkpoint).
  The hashes of manifest.before and of all lines give the root of checkpoint.
`
}

// File is a month's file opened for reading; its Manifest and Checkpoint are
// what it claims until Verify.
type File struct {
	Manifest Manifest
	Form     []byte // exact bytes of the manifest
	Signed   []byte // the checkpoint's note
	Seal     []byte // nil when there is none
	entries  *zip.File
}

// Open reads everything of a file but its entries.
//
// Errors: *FormError.
func Open(r io.ReaderAt, size int64) (*File, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, &FormError{err.Error()}
	}
	f := &File{}
	seen := map[string]bool{}
	for _, one := range z.File {
		if seen[one.Name] {
			return nil, &FormError{one.Name + " stands twice"}
		}
		seen[one.Name] = true
		switch one.Name {
		case FileEntries:
			f.entries = one
		case FileManifest, FileCheckpoint, FileSeal:
			b, err := readSmall(one)
			if err != nil {
				return nil, &FormError{one.Name + ": " + err.Error()}
			}
			*map[string]*[]byte{FileManifest: &f.Form, FileCheckpoint: &f.Signed, FileSeal: &f.Seal}[one.Name] = b
		case FileReadme:
		default:
			return nil, &FormError{"it holds another file, " + strconv.Quote(one.Name)}
		}
	}
	if f.entries == nil || f.Form == nil || f.Signed == nil {
		return nil, &FormError{"entries, manifest or checkpoint are missing"}
	}
	if f.Manifest, err = ParseManifest(f.Form); err != nil {
		return nil, &FormError{err.Error()}
	}
	return f, nil
}

func readSmall(z *zip.File) ([]byte, error) {
	r, err := z.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxSmall+1))
	if err == nil && len(b) > maxSmall {
		err = errors.New("too long")
	}
	return b, err
}

// Lines reads the places in their order; Next ends with io.EOF. It checks the
// form of each line and nothing else.
type Lines struct {
	r io.ReadCloser
	s *bufio.Scanner
}

// Lines opens the entries.
func (f *File) Lines() (*Lines, error) {
	r, err := f.entries.Open()
	if err != nil {
		return nil, &FormError{err.Error()}
	}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	s.Split(wholeLines)
	return &Lines{r, s}, nil
}

// wholeLines is bufio.ScanLines without its kindness to \r and a missing end.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, &FormError{"the last line does not end"}
	}
	return 0, nil, nil
}

// Next gives the next line.
func (l *Lines) Next() (Line, error) {
	if !l.s.Scan() {
		if err := l.s.Err(); err != nil {
			var form *FormError
			if errors.As(err, &form) {
				return Line{}, err
			}
			return Line{}, &FormError{err.Error()}
		}
		return Line{}, io.EOF
	}
	return parseLine(l.s.Bytes())
}

// Close gives the file back.
func (l *Lines) Close() error { return l.r.Close() }

// Verify proves the file with the log's key: every entry has the hash that
// stands beside it, the hashes lead to the root that the log signed, and the
// manifest counts what is there. each, where it is not nil, is given every line
// with its entry (of the month) before the whole is proven.
//
// Errors: *audit.DisprovenError, *audit.NotSignedError, *FormError.
func (f *File) Verify(key note.Verifier, each func(Line, audit.Entry) error) (audit.Checkpoint, error) {
	c, err := audit.OpenCheckpoint(f.Signed, key)
	if err != nil {
		return c, err
	}
	m := f.Manifest
	if c.Origin != m.Origin || c.Size != m.Size || c.Root.String() != m.Root {
		return c, &audit.DisprovenError{Claim: "the manifest names another checkpoint than the one that is there"}
	}
	before, err := m.before()
	if err != nil {
		return c, err
	}
	again := newCounts(m, before)
	lines, err := f.Lines()
	if err != nil {
		return c, err
	}
	defer lines.Close()
	for {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return c, err
		}
		e, err := again.take(l)
		if err == nil && each != nil {
			err = each(l, e)
		}
		if err != nil {
			return c, err
		}
	}
	switch {
	case again.next != c.Size:
		return c, &audit.DisprovenError{Claim: fmt.Sprintf("the file ends at place %d, the signed checkpoint at %d", again.next, c.Size)}
	case again.tree.Root() != c.Root:
		return c, &audit.DisprovenError{Claim: "the entries and hashes of the file do not give the root that the log signed"}
	}
	counted, err := again.manifest().Form()
	if err != nil {
		return c, err
	}
	if !bytes.Equal(counted, f.Form) {
		return c, &audit.DisprovenError{Claim: "the manifest does not count what the file holds: " + strings.Join(differences(m, again.manifest()), ", ")}
	}
	return c, nil
}

// differences names the members that differ.
func differences(a, b Manifest) (list []string) {
	for _, d := range []struct {
		name string
		same bool
	}{
		{"entries", a.Entries == b.Entries}, {"last", a.Last == b.Last}, {"lines_sha256", a.Lines == b.Lines}, {"acts", a.Acts == b.Acts},
		{"kinds", maps.Equal(a.Kinds, b.Kinds)},
	} {
		if !d.same {
			list = append(list, d.name)
		}
	}
	if len(list) == 0 {
		list = []string{"writers"}
	}
	return list
}
