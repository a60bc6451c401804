package gost34311

import (
	"errors"
	"fmt"
)

// PackedSize is the length in bytes of an S-box in the form certificates
// carry it (the "dke" OCTET STRING of a DSTU 4145 SubjectPublicKeyInfo).
const PackedSize = 64

// ErrSBoxSize reports a packed S-box that is not PackedSize bytes long.
var ErrSBoxSize = errors.New("gost34311: packed S-box is not 64 bytes long")

// ErrSBoxRow reports a row of the S-box that is not a permutation of 0..15;
// such a table is not a long-term key element (ДКЕ) of GOST 28147 and would
// weaken the hash.
var ErrSBoxRow = errors.New("gost34311: S-box row is not a permutation of 0..15")

// dke1 is the long-term key element number 1 of instruction 114 (2012,
// annex 1), which applies wherever a key names no other.
var dke1 = [PackedSize]byte{
	0xa9, 0xd6, 0xeb, 0x45, 0xf1, 0x3c, 0x70, 0x82,
	0x80, 0xc4, 0x96, 0x7b, 0x23, 0x1f, 0x5e, 0xad,
	0xf6, 0x58, 0xeb, 0xa4, 0xc0, 0x37, 0x29, 0x1d,
	0x38, 0xd9, 0x6b, 0xf0, 0x25, 0xca, 0x4e, 0x17,
	0xf8, 0xe9, 0x72, 0x0d, 0xc6, 0x15, 0xb4, 0x3a,
	0x28, 0x97, 0x5f, 0x0b, 0xc1, 0xde, 0xa3, 0x64,
	0x38, 0xb5, 0x64, 0xea, 0x2c, 0x17, 0x9f, 0xd0,
	0x12, 0x3e, 0x6d, 0xb8, 0xfa, 0xc5, 0x79, 0x04,
}

var defaultSBox = mustSBox(dke1)

// SBox is the substitution table of GOST 28147-89 (ДКЕ), expanded for use.
// It is immutable and safe for concurrent use.
type SBox struct {
	packed [PackedSize]byte
	// table[i][b] is the substitution of byte i of a 32-bit word, already in
	// its place and rotated left by 11 bits (GOST 28147-89, 1.4 steps 2-3).
	table   [4][256]uint32
	nibbles nibbleTables
}

// nibbleTables are the rows for the assembly: those for the low nibbles of
// bytes 0 to 3, then those for the high nibbles, their values in the high half
// of a byte.
type nibbleTables [8][16]byte

// DefaultSBox returns the S-box number 1 (ДКЕ № 1).
func DefaultSBox() *SBox { return defaultSBox }

// ParseSBox reads the packed form: 8 rows of 8 bytes, high nibble first, row 0
// for the least significant nibble of the word. It returns ErrSBoxSize or
// ErrSBoxRow for anything that is not such a table.
func ParseSBox(dke []byte) (*SBox, error) {
	if len(dke) != PackedSize {
		return nil, fmt.Errorf("%w: got %d", ErrSBoxSize, len(dke))
	}
	if [PackedSize]byte(dke) == dke1 {
		return defaultSBox, nil
	}
	return expand([PackedSize]byte(dke))
}

func expand(dke [PackedSize]byte) (*SBox, error) {
	var rows [8][16]uint32
	for i := range rows {
		var seen uint16
		for j := range 16 {
			b := dke[i*8+j/2]
			if j%2 == 0 {
				b >>= 4
			}
			rows[i][j] = uint32(b & 15)
			seen |= 1 << (b & 15)
		}
		if seen != 0xffff {
			return nil, fmt.Errorf("%w: row %d", ErrSBoxRow, i)
		}
	}
	s := &SBox{packed: dke}
	for i, row := range rows {
		for v, x := range row {
			if i%2 == 0 {
				s.nibbles[i/2][v] = byte(x)
			} else {
				s.nibbles[4+i/2][v] = byte(x << 4)
			}
		}
	}
	for i := range s.table {
		for b := range 256 {
			v := (rows[2*i][b&15] | rows[2*i+1][b>>4]<<4) << (8 * i)
			s.table[i][b] = v<<11 | v>>21
		}
	}
	return s, nil
}

func mustSBox(dke [PackedSize]byte) *SBox {
	s, err := expand(dke)
	if err != nil {
		panic(err)
	}
	return s
}

// Packed returns a copy of the 64-byte form, as ParseSBox reads it.
func (s *SBox) Packed() []byte {
	p := s.packed
	return p[:]
}

// Equal reports whether both tables are the same.
func (s *SBox) Equal(t *SBox) bool { return s == t || s.packed == t.packed }

// Substitute is the substitution of GOST 28147-89, 1.4: all eight rows on the
// eight nibbles of x, and the rotation left by 11 bits after it.
func (s *SBox) Substitute(x uint32) uint32 {
	return s.table[0][x&0xff] ^ s.table[1][x>>8&0xff] ^ s.table[2][x>>16&0xff] ^ s.table[3][x>>24]
}
