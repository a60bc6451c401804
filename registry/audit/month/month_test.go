package month_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/audit/month"
)

const origin = "registry.example/audit"

// log is a small log whose middle is the month: places 5 to 24, with two of
// another month among them; 3 more follow.
type log struct {
	signer  *audit.Signer
	key     note.Verifier
	entries [][]byte
	tiles   map[string][]byte
	at      audit.Checkpoint
	signed  []byte
}

var (
	of, next = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
)

func idAt(t time.Time, n int) (id registry.ID) {
	ms := t.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8], id[15] = 0x70, 0x80, byte(n)
	return id
}

func newLog(t testing.TB) *log {
	private, verifier, err := audit.GenerateKey(rand.Reader, origin)
	require.NoError(t, err)
	l := &log{tiles: map[string][]byte{}}
	l.signer, err = audit.NewSigner(origin, private)
	require.NoError(t, err)
	l.key, err = audit.ReadVerifier(verifier)
	require.NoError(t, err)
	writers := []registry.ID{idAt(of, 201), idAt(of, 202)}
	var leaves []tlog.Hash
	for i := range 28 {
		at := of.Add(time.Duration(i) * time.Hour)
		if i < 5 || i == 11 || i == 12 || i > 24 {
			at = next.Add(time.Duration(i) * time.Hour)
		}
		e := audit.Entry{ID: idAt(at, i), Kind: audit.ActAccepted, Time: at, Writer: audit.Writer{ID: writers[i%2], N: uint64(i/2 + 1)}, Nonce: make([]byte, 16), Channel: "rest",
			Act: &audit.ActRef{ID: idAt(at, 100+i), Kind: "declaration", Container: make([]byte, 32), Content: make([]byte, 32)}}
		if i%7 == 0 {
			e.Kind, e.Act, e.Channel = audit.Void, nil, ""
		}
		b, err := audit.Encode(e)
		require.NoError(t, err)
		l.entries = append(l.entries, b)
		leaves = append(leaves, audit.LeafHash(b))
	}
	g, err := audit.Grow(0, audit.EmptyRoot(), nil, leaves)
	require.NoError(t, err)
	for _, tile := range g.Tiles {
		l.tiles[audit.TilePath(tile.Tile)] = tile.Data
	}
	l.at = audit.Checkpoint{Origin: origin, Size: g.Size, Root: g.Root}
	l.signed, err = l.signer.Sign(g.Size, g.Root)
	require.NoError(t, err)
	return l
}

func (l *log) fetch(_ context.Context, path string) ([]byte, error) { return l.tiles[path], nil }

func (l *log) file(t testing.TB) []byte {
	before, err := audit.CompactAt(context.Background(), l.fetch, l.at, 5)
	require.NoError(t, err)
	var b bytes.Buffer
	w, err := month.Begin(&b, month.Manifest{Origin: origin, Month: "2026-11", FromID: idAt0(of), BelowID: idAt0(next), First: 5}, before, l.at, l.signed)
	require.NoError(t, err)
	for i := 5; i < len(l.entries); i++ {
		line := month.Line{Index: int64(i), Hash: audit.LeafHash(l.entries[i])}
		if i != 11 && i != 12 && i <= 24 {
			line.Entry = l.entries[i]
		}
		require.NoError(t, w.Line(line))
	}
	form, err := w.Finish(func(manifest, checkpoint []byte) ([]byte, error) { return []byte("a seal"), nil })
	require.NoError(t, err)
	m, err := month.ParseManifest(form)
	require.NoError(t, err)
	require.EqualValues(t, 18, m.Entries)
	require.EqualValues(t, 24, m.Last)
	return b.Bytes()
}

func idAt0(t time.Time) registry.ID {
	id := idAt(t, 0)
	id[8] = 0
	return id
}

func open(b []byte) (*month.File, error) { return month.Open(bytes.NewReader(b), int64(len(b))) }

func verify(b []byte, key note.Verifier) error {
	f, err := open(b)
	if err == nil {
		_, err = f.Verify(key, nil)
	}
	return err
}

// parts of a file, in their order.
type part struct {
	name string
	body []byte
}

func take(t testing.TB, file []byte) (list []part) {
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	require.NoError(t, err)
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		list = append(list, part{f.Name, b})
	}
	return list
}

func put(t testing.TB, list []part) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range list {
		w, err := z.Create(p.name)
		require.NoError(t, err)
		_, err = w.Write(p.body)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// The tree is recomputed here with the tlog package alone, from the text of the
// lines: what a stranger would write after the README.
func TestAStrangerComesToTheSameRoot(t *testing.T) {
	l := newLog(t)
	var entries []byte
	for _, p := range take(t, l.file(t)) {
		if p.name == month.FileEntries {
			entries = p.body
		}
	}
	f, err := open(l.file(t))
	require.NoError(t, err)
	sum := sha256.Sum256(entries)
	require.Equal(t, f.Manifest.Lines, hex.EncodeToString(sum[:]))
	var stored []tlog.Hash
	push := func(i int64, h tlog.Hash) {
		more, err := tlog.StoredHashesForRecordHash(i, h, tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, _ error) {
			for _, n := range at {
				out = append(out, stored[n])
			}
			return out, nil
		}))
		require.NoError(t, err)
		stored = append(stored, more...)
	}
	for i := range int64(5) {
		push(i, audit.LeafHash(l.entries[i]))
	}
	for line := range strings.Lines(string(entries)) {
		var place int64
		var hash, entry string
		_, err := fmt.Sscanf(line, "%d %s %s", &place, &hash, &entry)
		require.NoError(t, err)
		h, err := tlog.ParseHash(hash)
		require.NoError(t, err)
		if entry != "-" {
			text := strings.TrimSuffix(strings.SplitN(line, " ", 3)[2], "\n")
			require.Equal(t, tlog.Hash(sha256.Sum256(append([]byte{0}, text...))), h)
		}
		push(place, h)
	}
	root, err := tlog.TreeHash(l.at.Size, tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, _ error) {
		for _, n := range at {
			out = append(out, stored[n])
		}
		return out, nil
	}))
	require.NoError(t, err)
	require.Equal(t, l.at.Root, root)
}

func TestVerifyGivesEveryEntry(t *testing.T) {
	l := newLog(t)
	f, err := open(l.file(t))
	require.NoError(t, err)
	n := 0
	c, err := f.Verify(l.key, func(line month.Line, e audit.Entry) error {
		if line.Entry != nil {
			require.Equal(t, l.entries[line.Index], line.Entry)
			require.True(t, f.Manifest.Holds(e.ID))
			n++
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, l.at, c)
	require.Equal(t, 18, n)
	require.Equal(t, []byte("a seal"), f.Seal)
	require.Equal(t, "4-6,8-13", text(t, f.Manifest.Writers[0].Numbers))
	require.Equal(t, "8", text(t, f.Manifest.Writers[0].Void))

	var other *audit.NotSignedError
	require.ErrorAs(t, verify(l.file(t), newLog(t).key), &other, "another log's key of the same name")
}

func text(t *testing.T, r month.Ranges) string {
	b, err := r.MarshalText()
	require.NoError(t, err)
	return string(b)
}

func TestEveryChangeIsNoticed(t *testing.T) {
	l := newLog(t)
	file := l.file(t)
	require.NoError(t, verify(file, l.key), "the untouched twin")
	require.NoError(t, verify(put(t, take(t, file)), l.key), "packed by another program")
	parts := take(t, file)
	for name, change := range map[string]func(list []part) []part{
		"an entry is changed, its hash is not": func(list []part) []part {
			list[0].body = bytes.Replace(list[0].body, []byte(`"channel":"rest"`), []byte(`"channel":"soap"`), 1)
			return list
		},
		"a hash is changed": func(list []part) []part {
			lines := bytes.SplitAfter(list[0].body, []byte("\n"))
			other := audit.LeafHash([]byte("another")).String()
			lines[6] = []byte("11 " + other + " -\n")
			list[0].body = bytes.Join(lines, nil)
			return list
		},
		"two lines change places": func(list []part) []part {
			lines := bytes.SplitAfter(list[0].body, []byte("\n"))
			lines[1], lines[2] = lines[2], lines[1]
			list[0].body = bytes.Join(lines, nil)
			return list
		},
		"the last line is gone": func(list []part) []part {
			list[0].body = list[0].body[:bytes.LastIndexByte(list[0].body[:len(list[0].body)-1], '\n')+1]
			return list
		},
		"a line more": func(list []part) []part {
			list[0].body = append(list[0].body, []byte("28 "+audit.LeafHash(nil).String()+" -\n")...)
			return list
		},
		"the end of the last line is gone": func(list []part) []part { list[0].body = list[0].body[:len(list[0].body)-1]; return list },
		"an entry becomes one of another month": func(list []part) []part {
			lines := bytes.SplitAfter(list[0].body, []byte("\n"))
			f := strings.SplitN(string(lines[0]), " ", 3)
			lines[0] = []byte(f[0] + " " + f[1] + " -\n")
			list[0].body = bytes.Join(lines, nil)
			return list
		},
		"the manifest counts otherwise": func(list []part) []part {
			list[1].body = bytes.Replace(list[1].body, []byte(`"entries":18`), []byte(`"entries":17`), 1)
			return list
		},
		"the manifest's writers are others": func(list []part) []part {
			list[1].body = bytes.Replace(list[1].body, []byte(`"4-6,8-13"`), []byte(`"4-13"`), 1)
			return list
		},
		"the manifest has a space": func(list []part) []part { list[1].body = append([]byte(" "), list[1].body...); return list },
		"another checkpoint": func(list []part) []part {
			signed, err := l.signer.Sign(l.at.Size, audit.LeafHash([]byte("another")))
			require.NoError(t, err)
			list[2].body = signed
			return list
		},
		"no checkpoint":            func(list []part) []part { return append(list[:2], list[3:]...) },
		"a file twice":             func(list []part) []part { return append(list, list[1]) },
		"a file that is not known": func(list []part) []part { return append(list, part{"more.txt", nil}) },
	} {
		t.Run(name, func(t *testing.T) {
			var list []part
			for _, p := range parts {
				list = append(list, part{p.name, bytes.Clone(p.body)})
			}
			err := verify(put(t, change(list)), l.key)
			var disproven *audit.DisprovenError
			var form *month.FormError
			require.True(t, errors.As(err, &disproven) || errors.As(err, &form), "%v", err)
		})
	}
	require.Error(t, verify(file[:len(file)/2], l.key))
	require.Error(t, verify(nil, l.key))
}

func TestWhatDoesNotLeadToTheCheckpointIsNotWritten(t *testing.T) {
	l := newLog(t)
	before, err := audit.CompactAt(t.Context(), l.fetch, l.at, 5)
	require.NoError(t, err)
	w, err := month.Begin(io.Discard, month.Manifest{Origin: origin, Month: "2026-11", FromID: idAt0(of), BelowID: idAt0(next), First: 5}, before, l.at, l.signed)
	require.NoError(t, err)
	for i := 5; i < len(l.entries); i++ {
		line := month.Line{Index: int64(i), Hash: audit.LeafHash(l.entries[i])}
		if i == 20 {
			line.Hash = audit.LeafHash(nil)
		} else if i == 5 {
			line.Entry = l.entries[i]
		}
		require.NoError(t, w.Line(line))
	}
	_, err = w.Finish(nil)
	var disproven *audit.DisprovenError
	require.ErrorAs(t, err, &disproven)
}

func TestRanges(t *testing.T) {
	var r month.Ranges
	for _, n := range []uint64{5, 1, 2, 9, 3, 7, 6, 3, 20, 8} {
		r.Add(n)
	}
	require.Equal(t, "1-3,5-9,20", text(t, r))
	for _, bad := range []string{"2-1", "1-1", "1,2", "3-4,5", "5,1", "1-", "-1", "01", "1,,2", " 1", "x", "9223372036854775808"} {
		require.Error(t, new(month.Ranges).UnmarshalText([]byte(bad)), bad)
	}
	var again month.Ranges
	require.NoError(t, again.UnmarshalText([]byte("1-3,5-9,20")))
	require.Equal(t, r, again)
}

func FuzzOpen(f *testing.F) {
	l := newLog(f)
	file := l.file(f)
	f.Add(file)
	f.Add(file[:100])
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := open(b); err == nil {
			if _, err := m.Verify(l.key, nil); err == nil {
				require.Equal(t, "2026-11", m.Manifest.Month)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	l := newLog(f)
	m, err := open(l.file(f))
	require.NoError(f, err)
	f.Add(m.Form)
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := month.ParseManifest(b); err == nil {
			again, err := m.Form()
			require.NoError(t, err)
			require.Equal(t, b, again)
		}
	})
}
