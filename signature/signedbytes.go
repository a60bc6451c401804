package signature

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"mist/signature/facts"
)

// MaxBytes is the most SignedBytes.Bytes returns; larger content is read
// through Open.
const MaxBytes = 8 << 20

// ErrNoSignedBytes is returned by the methods of a SignedBytes that the
// verifier did not make.
var ErrNoSignedBytes = errors.New("no verified bytes: the value was not made by the verifier")

// ErrContentChanged is returned at the end of a read when the bytes read are
// not the bytes that were verified.
var ErrContentChanged = errors.New("content changed after its signature was verified")

// SignedBytes is the exact octets one signature covers. Only the verifier
// makes one, and only a passed signature hands one out; the zero value is
// unusable. A parser of signed content takes SignedBytes and nothing else, so
// what is read is what was verified.
type SignedBytes struct {
	octets *facts.Octets
	scope  facts.Scope
}

// Valid says whether the verifier made this value.
func (b SignedBytes) Valid() bool { return b.octets != nil }

// Size in bytes.
func (b SignedBytes) Size() int64 {
	if b.octets == nil {
		return 0
	}
	return b.octets.Size
}

// SHA256 of the octets.
func (b SignedBytes) SHA256() [32]byte {
	if b.octets == nil {
		return [32]byte{}
	}
	return b.octets.SHA256
}

// Scope says which object the octets are and how much of it they cover.
func (b SignedBytes) Scope() facts.Scope { return b.scope }

// Open reads the octets from the start. They are hashed again while read; at
// the end of the content a difference gives ErrContentChanged instead of
// io.EOF, so a caller must read to the end before acting.
func (b SignedBytes) Open() (io.ReadCloser, error) {
	if b.octets == nil {
		return nil, ErrNoSignedBytes
	}
	rc, err := b.octets.Open()
	if err != nil {
		return nil, fmt.Errorf("opening signed content: %w", err)
	}
	return &checkedReader{rc: rc, hash: sha256.New(), want: b.octets.SHA256, left: b.octets.Size}, nil
}

// Bytes returns the octets when there are at most MaxBytes of them.
func (b SignedBytes) Bytes() ([]byte, error) {
	if b.octets == nil {
		return nil, ErrNoSignedBytes
	}
	if b.octets.Size > MaxBytes {
		return nil, fmt.Errorf("signed content of %d bytes: %w (read it with Open)", b.octets.Size, facts.ErrTooLarge)
	}
	rc, err := b.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	var buf bytes.Buffer
	buf.Grow(int(b.octets.Size))
	if _, err := buf.ReadFrom(rc); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

type checkedReader struct {
	rc   io.ReadCloser
	hash hash.Hash
	want [32]byte
	left int64
}

func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.rc.Read(p)
	r.hash.Write(p[:n])
	r.left -= int64(n)
	if r.left < 0 {
		return n, ErrContentChanged
	}
	if err == io.EOF {
		if r.left != 0 || [32]byte(r.hash.Sum(nil)) != r.want {
			return n, ErrContentChanged
		}
	}
	return n, err
}

func (r *checkedReader) Close() error { return r.rc.Close() }
