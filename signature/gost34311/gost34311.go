// Package gost34311 implements the hash function of GOST 34.311-95 (the
// interstate edition of GOST R 34.11-94) with a zero starting vector, as
// Ukrainian signatures use it.
//
// The function depends on a substitution table (ДКЕ). New uses table number 1;
// a signature made with a key that names another table in its
// SubjectPublicKeyInfo must be hashed with NewSBox and that table.
//
// The digest is the byte string in which the least significant byte of the
// 256-bit value comes first.
package gost34311

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

const (
	// Size is the length of a digest in bytes.
	Size = 32
	// BlockSize is the length of a message block in bytes.
	BlockSize = 32
)

// digest is the state of one hash computation. The 256-bit values are held as
// four words, least significant first.
type digest struct {
	h, sum [4]uint64
	length uint64 // bytes written; 2^61 bytes are out of reach
	buf    [BlockSize]byte
	n      int
	sbox   *SBox
	vector bool // use the assembly
}

// New returns a hash.Hash with the S-box number 1.
func New() hash.Hash { return NewSBox(defaultSBox) }

// NewSBox returns a hash.Hash with the given S-box; nil means number 1.
func NewSBox(s *SBox) hash.Hash {
	if s == nil {
		s = defaultSBox
	}
	return &digest{sbox: s, vector: hasVector}
}

// Sum256 returns the digest of data with the S-box number 1.
func Sum256(data []byte) [Size]byte {
	d := digest{sbox: defaultSBox, vector: hasVector}
	d.Write(data)
	return d.checkSum()
}

func (d *digest) Size() int      { return Size }
func (d *digest) BlockSize() int { return BlockSize }

func (d *digest) Reset() { *d = digest{sbox: d.sbox, vector: d.vector} }

// Write absorbs p; it never fails.
func (d *digest) Write(p []byte) (int, error) {
	written := len(p)
	d.length += uint64(written)
	if d.n > 0 {
		c := copy(d.buf[d.n:], p)
		d.n += c
		p = p[c:]
		if d.n < BlockSize {
			return written, nil
		}
		d.absorb(d.buf[:])
		d.n = 0
	}
	if full := len(p) &^ (BlockSize - 1); full > 0 {
		d.absorb(p[:full])
		p = p[full:]
	}
	d.n = copy(d.buf[:], p)
	return written, nil
}

// Sum appends the digest to in without changing the state.
func (d *digest) Sum(in []byte) []byte {
	c := *d
	out := c.checkSum()
	return append(in, out[:]...)
}

// checkSum pads and finishes (GOST 34.311-95, clause 7, stages 3.1-3.5): the
// tail is filled with zeros, then the length in bits and the checksum are
// absorbed as two more blocks.
func (d *digest) checkSum() [Size]byte {
	if d.n > 0 {
		clear(d.buf[d.n:])
		d.absorb(d.buf[:])
	}
	bitLen := [4]uint64{d.length << 3, d.length >> 61}
	step(&d.h, &bitLen, d.sbox)
	step(&d.h, &d.sum, d.sbox)
	var out [Size]byte
	for i, w := range d.h {
		binary.LittleEndian.PutUint64(out[8*i:], w)
	}
	return out
}

// absorb takes whole blocks: p is a multiple of BlockSize long, not empty.
func (d *digest) absorb(p []byte) {
	if d.vector {
		blocksVector(&d.h, &p[0], len(p)/BlockSize, &d.sbox.nibbles)
	}
	for len(p) >= BlockSize {
		m := loadBlock(p)
		var carry uint64
		d.sum[0], carry = bits.Add64(d.sum[0], m[0], 0)
		d.sum[1], carry = bits.Add64(d.sum[1], m[1], carry)
		d.sum[2], carry = bits.Add64(d.sum[2], m[2], carry)
		d.sum[3], _ = bits.Add64(d.sum[3], m[3], carry)
		if !d.vector {
			step(&d.h, &m, d.sbox)
		}
		p = p[BlockSize:]
	}
}

func loadBlock(p []byte) [4]uint64 {
	return [4]uint64{
		binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:]),
		binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:]),
	}
}
