// Package kupyna implements the hash functions Kupyna-256, Kupyna-384 and
// Kupyna-512 of DSTU 7564:2014.
package kupyna

import (
	"encoding/binary"
	"hash"
)

const (
	// Size256, Size384 and Size512 are the digest lengths in bytes.
	Size256 = 32
	Size384 = 48
	Size512 = 64
	// BlockSize256 is the block length of Kupyna-256 in bytes.
	BlockSize256 = 64
	// BlockSize512 is the block length of Kupyna-384 and Kupyna-512 in bytes.
	BlockSize512 = 128

	// lengthSize is the size of the message length in the padding (5.3).
	lengthSize = 12
)

// digest is the state of one computation; columns 8.. are used by the wide
// variants only.
type digest struct {
	state     [16]uint64
	buf       [BlockSize512]byte
	n         int
	length    uint64 // bytes written
	size      int
	blockSize int
	vector    bool // use the assembly
}

// New256 returns a hash.Hash computing Kupyna-256.
func New256() hash.Hash { return newDigest(Size256) }

// New384 returns a hash.Hash computing Kupyna-384.
func New384() hash.Hash { return newDigest(Size384) }

// New512 returns a hash.Hash computing Kupyna-512.
func New512() hash.Hash { return newDigest(Size512) }

// Sum256 returns the Kupyna-256 digest of data.
func Sum256(data []byte) (out [Size256]byte) {
	sum(out[:], data)
	return out
}

// Sum384 returns the Kupyna-384 digest of data.
func Sum384(data []byte) (out [Size384]byte) {
	sum(out[:], data)
	return out
}

// Sum512 returns the Kupyna-512 digest of data.
func Sum512(data []byte) (out [Size512]byte) {
	sum(out[:], data)
	return out
}

func sum(out, data []byte) {
	d := digest{size: len(out), vector: hasVector}
	d.Reset()
	d.Write(data)
	d.finish(out)
}

func newDigest(size int) *digest {
	d := &digest{size: size, vector: hasVector}
	d.Reset()
	return d
}

func (d *digest) Size() int      { return d.size }
func (d *digest) BlockSize() int { return d.blockSize }

// Reset sets the starting vector (6.1): a single one bit, number 510 or 1023.
func (d *digest) Reset() {
	*d = digest{size: d.size, blockSize: BlockSize256, vector: d.vector}
	if d.size > Size256 {
		d.blockSize = BlockSize512
	}
	d.state[0] = uint64(d.blockSize)
}

// Write absorbs p; it never fails.
func (d *digest) Write(p []byte) (int, error) {
	written := len(p)
	d.length += uint64(written)
	if d.n > 0 {
		c := copy(d.buf[d.n:d.blockSize], p)
		d.n += c
		p = p[c:]
		if d.n < d.blockSize {
			return written, nil
		}
		d.absorb(d.buf[:d.blockSize])
		d.n = 0
	}
	if full := len(p) &^ (d.blockSize - 1); full > 0 {
		d.absorb(p[:full])
		p = p[full:]
	}
	d.n = copy(d.buf[:], p)
	return written, nil
}

// Sum appends the digest to in without changing the state.
func (d *digest) Sum(in []byte) []byte {
	c := *d
	var out [Size512]byte
	c.finish(out[:c.size])
	return append(in, out[:c.size]...)
}

// finish pads (5.3: a one bit, zeros, the length in bits as 96 bits), applies
// the output transformation (6.5) and writes the last len(out) bytes.
func (d *digest) finish(out []byte) {
	d.buf[d.n] = 0x80
	clear(d.buf[d.n+1 : d.blockSize])
	if d.n+1 > d.blockSize-lengthSize {
		d.absorb(d.buf[:d.blockSize])
		clear(d.buf[:d.blockSize])
	}
	tail := d.buf[d.blockSize-lengthSize : d.blockSize]
	binary.LittleEndian.PutUint64(tail, d.length<<3)
	binary.LittleEndian.PutUint32(tail[8:], uint32(d.length>>61))
	d.absorb(d.buf[:d.blockSize])

	var full [BlockSize512]byte
	if d.blockSize == BlockSize256 {
		output512((*[8]uint64)(d.state[:8]))
	} else {
		output1024(&d.state)
	}
	for i, w := range d.state {
		binary.LittleEndian.PutUint64(full[8*i:], w)
	}
	copy(out, full[d.blockSize-len(out):d.blockSize])
}

// absorb takes whole blocks, at least one.
func (d *digest) absorb(p []byte) {
	switch h := (*[8]uint64)(d.state[:8]); {
	case d.blockSize != BlockSize256:
		blocks1024(&d.state, p)
	case d.vector:
		blocksVector(h, &p[0], len(p)/BlockSize256, &sboxes)
	default:
		blocks512(h, p)
	}
}
