// Package compact keeps the registry's long texts short before they are
// sealed: drafts and the evidence of signatures, whose words are nearly the
// same each time.
//
// The form is a zstd frame (RFC 8878) over a dictionary of such texts; the
// frame names the dictionary by a number, the first by none. A dictionary is never changed, because what was
// kept with it must be read for decades: a better one is another file with
// another number. Any zstd program reads a frame with the file of its number.
//
// It refuses what would grow beyond [Max]. Text that is no frame is given back
// as it is: values kept before this package existed.
package compact

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Max is the largest text, in bytes.
const Max = 32 << 20

// dictionary1 is the number in a frame; zero is not written. Another dictionary
// needs a number of its own.
const dictionary1 = 0

//go:embed dictionary-1.txt
var text1 []byte

// magic begins every frame (RFC 8878, 3.1.1).
var magic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Compactor shortens and restores. It is safe for concurrent use.
type Compactor struct {
	w *zstd.Encoder
	r *zstd.Decoder
}

// New makes one.
func New() (*Compactor, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderDictRaw(dictionary1, text1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("making a compactor: %w", err)
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionary1, text1), zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(Max))
	if err != nil {
		return nil, fmt.Errorf("making a compactor: %w", err)
	}
	return &Compactor{w, r}, nil
}

// Shorten gives the short form of a text.
func (c *Compactor) Shorten(text []byte) ([]byte, error) {
	if len(text) > Max {
		return nil, errors.New("shortening a text: it is too long")
	}
	return c.w.EncodeAll(text, make([]byte, 0, len(text)/4+64)), nil
}

// Restore gives the text back.
func (c *Compactor) Restore(short []byte) ([]byte, error) {
	if !bytes.HasPrefix(short, magic) {
		return short, nil
	}
	text, err := c.r.DecodeAll(short, make([]byte, 0, 8*len(short)))
	if err != nil {
		return nil, fmt.Errorf("restoring a text: %w", err)
	}
	return text, nil
}
