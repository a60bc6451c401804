package asic

import (
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"mist/signature/facts"
)

// Bounds of a container. The ratio bound is that of the DSS (100 above a floor of 1 MiB): real documents compress
// less, bombs more.
const (
	maxEntries  = 1000
	maxName     = 512
	maxRatio    = 100
	ratioFloor  = 1 << 20
	maxMetadata = 16 << 20 // a file of META-INF held in memory
)

// Refusal says which rule a container broke so that it cannot be read in one way only.
type Refusal struct{ facts.Problem }

func (r *Refusal) Error() string {
	return "reading container: " + r.Detail + " (" + string(r.Code) + ")"
}

func refuse(code facts.ProblemCode, detail string) error {
	return &Refusal{facts.Problem{Code: code, Detail: detail}}
}

// entry is one file of the archive.
type entry struct {
	name      string
	method    uint16
	crc       uint32
	packed    int64
	size      int64
	offset    int64 // of the local header
	data      int64 // of the packed data
	extra     bool  // local header has an extra field
	directory bool
}

// archive is a zip file whose local headers and central directory were compared octet by octet: every reader of it
// sees the same files.
type archive struct {
	src     facts.Source
	entries []*entry // in the order of the central directory
	byName  map[string]*entry
	first   *entry // lowest offset
	comment string
}

const (
	endSignature     = 0x06054b50
	centralSignature = 0x02014b50
	localSignature   = 0x04034b50
	descSignature    = 0x08074b50
	endSize          = 22
	centralSize      = 46
	localSize        = 30
)

// isZip tells an archive by its first octets; data before the first local header makes it no container.
func isZip(src facts.Source) bool {
	var b [4]byte
	_, err := src.ReadAt(b[:], 0)
	return (err == nil || err == io.EOF) && binary.LittleEndian.Uint32(b[:]) == localSignature
}

func readAt(src facts.Source, off int64, n int) ([]byte, error) {
	if off < 0 || n < 0 || off+int64(n) > src.Size() {
		return nil, refuse(facts.ProblemMalformed, "header lies outside the archive")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(src, off, int64(n)), b); err != nil {
		return nil, err
	}
	return b, nil
}

// openArchive reads and checks the directory of a zip file (APPNOTE 6.3.9 without encryption, spanning and ZIP64,
// as EN 319 162-1, A.1 demands of containers).
func openArchive(src facts.Source) (*archive, error) {
	a := &archive{src: src, byName: map[string]*entry{}}
	size := src.Size()
	tail, err := readAt(src, max(0, size-endSize-0xffff), int(min(size, endSize+0xffff)))
	if err != nil {
		return nil, err
	}
	// The end record must end the file and follow its directory. A second archive in the comment, or one in front,
	// fails here or when check tiles the files.
	end := len(tail) - endSize
	for end >= 0 && binary.LittleEndian.Uint32(tail[end:]) != endSignature {
		end--
	}
	if end < 0 {
		return nil, refuse(facts.ProblemMalformed, "archive has no end record")
	}
	rec := tail[end:]
	if endSize+int(binary.LittleEndian.Uint16(rec[20:])) != len(rec) {
		return nil, refuse(facts.ProblemTrailingData, "octets after the archive")
	}
	a.comment = string(rec[endSize:])
	le := binary.LittleEndian
	count := int(le.Uint16(rec[10:]))
	if le.Uint16(rec[4:]) != 0 || le.Uint16(rec[6:]) != 0 || int(le.Uint16(rec[8:])) != count {
		return nil, refuse(facts.ProblemMalformed, "archive is split over several files")
	}
	if count > maxEntries {
		return nil, refuse(facts.ProblemLimit, "too many files in the archive")
	}
	dirSize, dirOffset := int64(le.Uint32(rec[12:])), int64(le.Uint32(rec[16:]))
	if dirOffset+dirSize != size-int64(len(rec)) {
		return nil, refuse(facts.ProblemAmbiguous, "central directory does not end where its record begins")
	}
	dir, err := readAt(src, dirOffset, int(min(dirSize, int64(maxEntries*(centralSize+maxName+4096)))))
	if err != nil {
		return nil, err
	}
	for range count {
		e, n, err := centralEntry(dir)
		if err != nil {
			return nil, err
		}
		dir = dir[n:]
		a.entries = append(a.entries, e)
	}
	if len(dir) != 0 {
		return nil, refuse(facts.ProblemAmbiguous, "central directory holds more than it says")
	}
	return a, a.check(dirOffset)
}

func centralEntry(dir []byte) (*entry, int, error) {
	le := binary.LittleEndian
	if len(dir) < centralSize || le.Uint32(dir) != centralSignature {
		return nil, 0, refuse(facts.ProblemMalformed, "central directory is not well-formed")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(dir[28:])), int(le.Uint16(dir[30:])), int(le.Uint16(dir[32:]))
	total := centralSize + nameLen + extraLen + commentLen
	if total > len(dir) {
		return nil, 0, refuse(facts.ProblemMalformed, "central directory is not well-formed")
	}
	flags := le.Uint16(dir[8:])
	e := &entry{
		method: le.Uint16(dir[10:]), crc: le.Uint32(dir[16:]),
		packed: int64(le.Uint32(dir[20:])), size: int64(le.Uint32(dir[24:])), offset: int64(le.Uint32(dir[42:])),
	}
	switch {
	case flags&(1|1<<6|1<<13) != 0:
		return nil, 0, refuse(facts.ProblemContainer, "encrypted file in the container")
	case e.method != 0 && e.method != 8:
		return nil, 0, refuse(facts.ProblemContainer, "compression method is neither stored nor deflated")
	case e.packed == 0xffffffff || e.size == 0xffffffff || e.offset == 0xffffffff:
		return nil, 0, refuse(facts.ProblemContainer, "ZIP64 sizes are not accepted")
	case le.Uint16(dir[34:]) != 0:
		return nil, 0, refuse(facts.ProblemMalformed, "archive is split over several files")
	case e.method == 0 && e.packed != e.size:
		return nil, 0, refuse(facts.ProblemAmbiguous, "stored file has two sizes")
	case e.size > ratioFloor && e.size > maxRatio*e.packed:
		return nil, 0, refuse(facts.ProblemLimit, "file is compressed beyond the accepted ratio")
	}
	// Unix symbolic links (made by 3, mode in the high half of the external attributes).
	if dir[5] == 3 && le.Uint32(dir[38:])>>16&0xf000 == 0xa000 {
		return nil, 0, refuse(facts.ProblemContainer, "symbolic link in the container")
	}
	raw := dir[centralSize : centralSize+nameLen]
	var err error
	if e.name, err = entryName(raw, flags&(1<<11) != 0); err != nil {
		return nil, 0, err
	}
	e.directory = strings.HasSuffix(e.name, "/")
	if e.directory && e.size != 0 {
		return nil, 0, refuse(facts.ProblemMalformed, "folder with content")
	}
	return e, total, nil
}

// entryName decodes a file name and refuses those that leave the container or read differently elsewhere.
func entryName(raw []byte, isUTF8 bool) (string, error) {
	if len(raw) == 0 || len(raw) > maxName {
		return "", refuse(facts.ProblemMalformed, "file name is empty or too long")
	}
	name := string(raw)
	if !utf8.ValidString(name) {
		if isUTF8 {
			return "", refuse(facts.ProblemMalformed, "file name is not utf-8")
		}
		decoded, err := charmap.CodePage437.NewDecoder().String(name)
		if err != nil {
			return "", refuse(facts.ProblemMalformed, "file name cannot be decoded")
		}
		name = decoded
	}
	unsafe := strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") || len(name) > 1 && name[1] == ':'
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		unsafe = unsafe || part == "" || part == "." || part == ".."
	}
	for _, r := range name {
		unsafe = unsafe || r < 0x20 || r == 0x7f
	}
	if unsafe {
		return "", refuse(facts.ProblemContainer, "file name leads out of the container")
	}
	return name, nil
}

// folded is how names are compared: by case and Unicode form they must not collide.
func folded(name string) string {
	return strings.ToLower(norm.NFC.String(strings.TrimSuffix(name, "/")))
}

// check compares local headers with the central directory and proves that the files tile the archive.
func (a *archive) check(dirOffset int64) error {
	le := binary.LittleEndian
	names := map[string]bool{}
	byOffset := slices.Clone(a.entries)
	slices.SortFunc(byOffset, func(x, y *entry) int { return int(min(max(x.offset-y.offset, -1), 1)) })
	var total int64
	for i, e := range byOffset {
		if names[folded(e.name)] {
			return refuse(facts.ProblemDuplicateID, "two files have one name")
		}
		names[folded(e.name)] = true
		a.byName[e.name] = e
		if total += e.size; total > facts.DefaultLimits.Hashed {
			return refuse(facts.ProblemLimit, "files of the container are too large together")
		}
		next := dirOffset
		if i+1 < len(byOffset) {
			next = byOffset[i+1].offset
		}
		h, err := readAt(a.src, e.offset, localSize)
		if err != nil {
			return err
		}
		if le.Uint32(h) != localSignature {
			return refuse(facts.ProblemMalformed, "central directory names a place without a file")
		}
		nameLen, extraLen := int(le.Uint16(h[26:])), int(le.Uint16(h[28:]))
		e.extra = extraLen > 0
		nameRaw, err := readAt(a.src, e.offset+localSize, nameLen)
		if err != nil {
			return err
		}
		flags := le.Uint16(h[6:])
		name, err := entryName(nameRaw, flags&(1<<11) != 0)
		if err != nil {
			return err
		}
		if name != e.name || le.Uint16(h[8:]) != e.method {
			return refuse(facts.ProblemAmbiguous, "local header and central directory disagree")
		}
		crc, packed, size := le.Uint32(h[14:]), int64(le.Uint32(h[18:])), int64(le.Uint32(h[22:]))
		streamed := flags&(1<<3) != 0
		zero := streamed && crc == 0 && (packed == 0 || packed == 0xffffffff) && (size == 0 || size == 0xffffffff)
		if flags&(1|1<<6|1<<13) != 0 || !zero && (crc != e.crc || packed != e.packed || size != e.size) {
			return refuse(facts.ProblemAmbiguous, "local header and central directory disagree")
		}
		e.data = e.offset + localSize + int64(nameLen) + int64(extraLen)
		gap := next - (e.data + e.packed)
		switch {
		case gap < 0:
			return refuse(facts.ProblemAmbiguous, "files overlap")
		case gap == 0 && !(streamed && zero && e.packed > 0):
		case streamed:
			if err := a.descriptor(e, gap); err != nil {
				return err
			}
		default:
			return refuse(facts.ProblemAmbiguous, "octets between the files")
		}
		if i == 0 {
			a.first = e
			if e.offset != 0 {
				return refuse(facts.ProblemAmbiguous, "octets before the archive")
			}
		}
	}
	if len(byOffset) == 0 && dirOffset != 0 {
		return refuse(facts.ProblemAmbiguous, "octets before the archive")
	}
	return nil
}

// descriptor checks the data descriptor of a streamed file: with or without signature, sizes of 4 or 8 octets.
func (a *archive) descriptor(e *entry, gap int64) error {
	bad := refuse(facts.ProblemAmbiguous, "data descriptor and central directory disagree")
	if gap != 12 && gap != 16 && gap != 20 && gap != 24 {
		return bad
	}
	b, err := readAt(a.src, e.data+e.packed, int(gap))
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if gap == 16 || gap == 24 {
		if le.Uint32(b) != descSignature {
			return bad
		}
		b = b[4:]
	}
	packed, size := uint64(le.Uint32(b[4:])), uint64(0)
	if len(b) == 12 {
		size = uint64(le.Uint32(b[8:]))
	} else {
		packed, size = le.Uint64(b[4:]), le.Uint64(b[12:])
	}
	if le.Uint32(b) != e.crc || packed != uint64(e.packed) || size != uint64(e.size) {
		return bad
	}
	return nil
}

// source gives random access to the content of a file. Stored files are read where they stand. Deflated ones are
// inflated while read; reading on is cheap, reading back starts over. The checksum is compared at the end.
func (a *archive) source(e *entry) facts.Source {
	packed := io.NewSectionReader(a.src, e.data, e.packed)
	if e.method == 0 {
		return packed
	}
	return &inflated{packed: packed, e: e}
}

// read returns the content of a small file.
func (a *archive) read(e *entry, limit int64) ([]byte, error) {
	if e.size > limit {
		return nil, refuse(facts.ProblemLimit, "file is larger than the limit")
	}
	b, err := facts.ReadAll(a.source(e), limit)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(b) != e.crc {
		return nil, errChecksum
	}
	return b, nil
}

var errChecksum = errors.New("reading container: checksum of a file does not match")

type inflated struct {
	packed *io.SectionReader
	e      *entry

	mu  sync.Mutex
	r   io.ReadCloser
	at  int64
	crc uint32
}

func (f *inflated) Size() int64 { return f.e.size }

func (f *inflated) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if off < 0 || off >= f.e.size {
		return 0, io.EOF
	}
	if f.r == nil || off < f.at {
		if f.r != nil {
			f.r.Close()
		}
		f.r = flate.NewReader(io.NewSectionReader(f.packed, 0, f.e.packed))
		f.at, f.crc = 0, 0
	}
	var skip [4096]byte
	for f.at < off {
		if _, err := f.next(skip[:min(off-f.at, int64(len(skip)))]); err != nil {
			return 0, err
		}
	}
	n := int(min(int64(len(p)), f.e.size-off))
	n, err := f.next(p[:n])
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// next reads exactly len(p) octets and, at the end of the file, checks length and checksum.
func (f *inflated) next(p []byte) (int, error) {
	n, err := io.ReadFull(f.r, p)
	f.at += int64(n)
	f.crc = crc32.Update(f.crc, crc32.IEEETable, p[:n])
	if err != nil {
		return n, errChecksum
	}
	if f.at == f.e.size {
		var one [1]byte
		if m, err := io.ReadFull(f.r, one[:]); m != 0 || err != io.EOF || f.crc != f.e.crc {
			return n, errChecksum
		}
	}
	return n, nil
}
