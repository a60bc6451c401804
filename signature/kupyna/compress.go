package kupyna

import "encoding/binary"

const (
	rounds512  = 10
	rounds1024 = 14
)

// mds is the first row of the circulant matrix of the ψ transformation (6.3.4)
// over GF(2^8) modulo x^8+x^4+x^3+x^2+1.
var mds = [8]byte{0x01, 0x01, 0x05, 0x01, 0x08, 0x06, 0x07, 0x04}

// tables[i][b] is the column that byte b in row i contributes after the
// substitution and the multiplication by the matrix.
var tables = makeTables()

func makeTables() *[8][256]uint64 {
	mul := func(a, b byte) (p byte) {
		for ; b != 0; b >>= 1 {
			if b&1 != 0 {
				p ^= a
			}
			hi := a & 0x80
			a <<= 1
			if hi != 0 {
				a ^= 0x1d
			}
		}
		return p
	}
	t := new([8][256]uint64)
	for col := range t {
		for b := range 256 {
			v := sboxes[col%4][b]
			for row := range 8 {
				t[col][b] |= uint64(mul(v, mds[(col-row+8)%8])) << (8 * row)
			}
		}
	}
	return t
}

// blocks512 is the compression function h = T⊕(h^m) ^ T+(m) ^ h (6.2) over
// whole 64-byte blocks.
func blocks512(h *[8]uint64, p []byte) {
	for ; len(p) >= BlockSize256; p = p[BlockSize256:] {
		var x, y [8]uint64
		for i := range h {
			y[i] = binary.LittleEndian.Uint64(p[8*i:])
			x[i] = h[i] ^ y[i]
		}
		xor8(&x)
		add8(&y)
		for i := range h {
			h[i] ^= x[i] ^ y[i]
		}
	}
}

func blocks1024(h *[16]uint64, p []byte) {
	for ; len(p) >= BlockSize512; p = p[BlockSize512:] {
		var x, y [16]uint64
		for i := range h {
			y[i] = binary.LittleEndian.Uint64(p[8*i:])
			x[i] = h[i] ^ y[i]
		}
		xor16(&x)
		add16(&y)
		for i := range h {
			h[i] ^= x[i] ^ y[i]
		}
	}
}

// output512 is T⊕(h) ^ h.
func output512(h *[8]uint64) {
	x := *h
	xor8(&x)
	for i := range h {
		h[i] ^= x[i]
	}
}

func output1024(h *[16]uint64) {
	x := *h
	xor16(&x)
	for i := range h {
		h[i] ^= x[i]
	}
}
