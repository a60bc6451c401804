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

// xorConst is the round constant of T⊕ (6.3.1).
func xorConst(col, round int) uint64 { return uint64(col)<<4 ^ uint64(round) }

// addConst is the round constant of T+, added modulo 2^64 to a column (6.3.2).
func addConst(col, cols, round int) uint64 {
	return 0x00f0f0f0f0f0f0f3 ^ uint64((cols-col-1)<<4^round)<<56
}

func column(t *[8][256]uint64, c0, c1, c2, c3, c4, c5, c6, c7 uint64) uint64 {
	return t[0][uint8(c0)] ^ t[1][uint8(c1>>8)] ^ t[2][uint8(c2>>16)] ^ t[3][uint8(c3>>24)] ^
		t[4][uint8(c4>>32)] ^ t[5][uint8(c5>>40)] ^ t[6][uint8(c6>>48)] ^ t[7][c7>>56]
}

func permute512(s *[8]uint64, plus bool) {
	t := tables
	for r := range rounds512 {
		for i := range s {
			if plus {
				s[i] += addConst(i, 8, r)
			} else {
				s[i] ^= xorConst(i, r)
			}
		}
		var o [8]uint64
		for i := range o {
			o[i] = column(t, s[i], s[(i+7)%8], s[(i+6)%8], s[(i+5)%8], s[(i+4)%8], s[(i+3)%8], s[(i+2)%8], s[(i+1)%8])
		}
		*s = o
	}
}

func permute1024(s *[16]uint64, plus bool) {
	t := tables
	for r := range rounds1024 {
		for i := range s {
			if plus {
				s[i] += addConst(i, 16, r)
			} else {
				s[i] ^= xorConst(i, r)
			}
		}
		var o [16]uint64
		for i := range o {
			o[i] = column(t, s[i], s[(i+15)%16], s[(i+14)%16], s[(i+13)%16], s[(i+12)%16], s[(i+11)%16], s[(i+10)%16], s[(i+5)%16])
		}
		*s = o
	}
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
		permute512(&x, false)
		permute512(&y, true)
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
		permute1024(&x, false)
		permute1024(&y, true)
		for i := range h {
			h[i] ^= x[i] ^ y[i]
		}
	}
}

// output512 is T⊕(h) ^ h.
func output512(h *[8]uint64) {
	x := *h
	permute512(&x, false)
	for i := range h {
		h[i] ^= x[i]
	}
}

func output1024(h *[16]uint64) {
	x := *h
	permute1024(&x, false)
	for i := range h {
		h[i] ^= x[i]
	}
}
