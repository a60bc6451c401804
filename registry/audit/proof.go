package audit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrProof tells that a text is no proof of the form C2SP tlog-proof@v1.
var ErrProof = errors.New("not a proof (C2SP tlog-proof@v1)")

// proofHeader is the first line of a proof.
const proofHeader = "c2sp.org/tlog-proof@v1"

// maxProofBytes bounds a proof: 63 hashes, a checkpoint and extra data.
const maxProofBytes = 128 << 10

// InclusionProof is what convinces somebody offline, with the log's public key
// alone, that a leaf stands in a log (C2SP tlog-proof). It holds no leaf.
type InclusionProof struct {
	// Extra is opaque and not proven by anything.
	Extra []byte
	Index int64
	Path  tlog.RecordProof // RFC 6962, 2.1.1: leaf upwards
	Note  []byte           // the signed checkpoint with its cosignatures
}

// Format writes the proof in its text form.
func (p InclusionProof) Format() []byte {
	var b bytes.Buffer
	b.WriteString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(p.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatInt(p.Index, 10) + "\n")
	for _, h := range p.Path {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Note)
	return b.Bytes()
}

// ParseProof reads a proof strictly: what Format writes of it are the same
// bytes. It verifies nothing.
func ParseProof(text []byte) (p InclusionProof, err error) {
	if len(text) > maxProofBytes {
		return p, ErrProof
	}
	head, note, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(note) == 0 || len(lines) < 2 || lines[0] != proofHeader {
		return p, ErrProof
	}
	lines = lines[1:]
	if extra, ok := strings.CutPrefix(lines[0], "extra "); ok {
		if p.Extra, err = base64.StdEncoding.Strict().DecodeString(extra); err != nil || len(p.Extra) == 0 || len(lines) < 2 {
			return InclusionProof{}, ErrProof
		}
		lines = lines[1:]
	}
	index, ok := strings.CutPrefix(lines[0], "index ")
	if p.Index, err = strconv.ParseInt(index, 10, 64); !ok || err != nil || p.Index < 0 || len(lines) > 1+63 {
		return InclusionProof{}, ErrProof
	}
	if p.Path, err = ParseHashes(lines[1:]); err != nil {
		return InclusionProof{}, ErrProof
	}
	p.Note = note
	if !bytes.Equal(p.Format(), text) {
		return InclusionProof{}, ErrProof
	}
	return p, nil
}

// ParseHashes reads hashes of 32 bytes, a line of base64 each.
func ParseHashes(lines []string) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(lines))
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line {
			return nil, errors.New("not the base64 of 32 bytes")
		}
		out = append(out, h)
	}
	return out, nil
}

// Check proves that the leaf stands at the proof's index under the checkpoint,
// which the caller has opened from p.Note with a key it trusts.
//
// Errors: *DisprovenError.
func (p InclusionProof) Check(c Checkpoint, leaf tlog.Hash) error {
	if p.Index >= c.Size {
		return &DisprovenError{"the entry is said to stand beyond the end of the signed tree"}
	}
	if err := tlog.CheckRecord(p.Path, c.Size, c.Root, p.Index, leaf); err != nil {
		return &DisprovenError{"the hashes of the proof do not lead from this entry to the signed root"}
	}
	return nil
}
