// Package gf2m is the arithmetic of the binary fields GF(2^m) over which the
// ten standard curves of DSTU 4145-2002 are defined (polynomial basis).
//
// Every operation on elements takes time that does not depend on their values,
// except those whose comment says so. Results may alias operands.
package gf2m

import (
	"math/bits"
	"slices"
	"sync"
)

const (
	// MaxWords is the number of words of the widest field, GF(2^431).
	MaxWords = 7
	// MaxBytes is the length of an element of the widest field in bytes.
	MaxBytes = 54
)

// Element is a polynomial over GF(2); bit i of word j is the coefficient of
// x^(64j+i). Elements handed to a Field are reduced: bits m and above are 0.
type Element [MaxWords]uint64

// Field is GF(2)[x] modulo x^m + Σ x^k. It is immutable.
type Field struct {
	m         int
	words     int
	exps      []int   // the exponents k below m, 0 included
	traceMask Element // bit i is the trace of x^i
	code      code
	vector    bool // point programs run in assembly

	halfTraces func() [][16]Element
}

// New returns the field of degree m with the given exponents of the reduction
// polynomial between 0 and m, computed with impl, which must be in Available;
// fields without code of their own use Portable. It serves m odd, with every exponent below
// min(64, m-64): all standard fields are such.
func New(impl Impl, m int, exps ...int) *Field {
	f := &Field{m: m, words: (m + 63) / 64, exps: append([]int{0}, exps...)}
	if m%2 == 0 || f.words > MaxWords {
		panic("gf2m: unsupported field degree")
	}
	for _, k := range exps {
		if k <= 0 || k >= 64 || k > m-64 {
			panic("gf2m: unsupported reduction polynomial")
		}
	}
	if !slices.Contains(Available(), impl) {
		panic("gf2m: implementation not available")
	}
	assembly := impl != Portable
	switch {
	case m == 257 && slices.Equal(exps, []int{12}):
		f.code, f.vector = code257, impl == Vector
		if assembly {
			f.code = codeCLMUL257
		}
	case m == 431 && slices.Equal(exps, []int{5, 3, 1}) && assembly:
		f.code, f.vector = codeCLMUL431, impl == Vector
	}
	f.traceMask = f.traces()
	f.halfTraces = sync.OnceValue(f.makeHalfTraces)
	return f
}

// traces computes Tr(x^i), which are the power sums of the roots of the
// reduction polynomial, by Newton's identities.
func (f *Field) traces() (mask Element) {
	coeff := func(j int) uint64 { // of x^(m-j)
		for _, k := range f.exps {
			if k == f.m-j {
				return 1
			}
		}
		return 0
	}
	mask[0] = 1 // Tr(1) = m mod 2
	for i := 1; i < f.m; i++ {
		p := uint64(i&1) & coeff(i)
		for _, k := range f.exps {
			if j := f.m - k; j < i {
				p ^= mask.Bit(i - j)
			}
		}
		mask[i>>6] |= p << (i & 63)
	}
	return mask
}

// Bits returns m.
func (f *Field) Bits() int { return f.m }

// Bytes returns the length of an encoded element, ceil(m/8).
func (f *Field) Bytes() int { return (f.m + 7) / 8 }

// Words returns the number of words an element uses.
func (f *Field) Words() int { return f.words }

// Exponents returns the exponents of the reduction polynomial strictly between
// 0 and m, in descending order.
func (f *Field) Exponents() []int { return append([]int(nil), f.exps[1:]...) }

// Bit returns coefficient i.
func (x *Element) Bit(i int) uint64 { return x[i>>6] >> (i & 63) & 1 }

// IsZero reports whether x is 0.
func (x *Element) IsZero() bool {
	return x[0]|x[1]|x[2]|x[3]|x[4]|x[5]|x[6] == 0
}

// Add sets z = x + y.
func (z *Element) Add(x, y *Element) {
	for i := range z {
		z[i] = x[i] ^ y[i]
	}
}

// Select sets z = x when mask is all ones and leaves z when mask is 0.
func (z *Element) Select(x *Element, mask uint64) {
	for i := range z {
		z[i] ^= mask & (z[i] ^ x[i])
	}
}

// SetBytes reads little-endian bytes; it reports false when the value has a
// bit m or above. Bytes past the field's length must be zero.
func (f *Field) SetBytes(z *Element, b []byte) bool {
	*z = Element{}
	var high byte
	for i, v := range b {
		if i >= f.Bytes() {
			high |= v
			continue
		}
		z[i>>3] |= uint64(v) << (8 * (i & 7))
	}
	if r := f.m & 63; z[f.words-1]>>r != 0 || high != 0 {
		*z = Element{}
		return false
	}
	return true
}

// SetTruncated reads little-endian bytes and drops the bits m and above.
func (f *Field) SetTruncated(z *Element, b []byte) {
	*z = Element{}
	for i, v := range b[:min(len(b), f.Bytes())] {
		z[i>>3] |= uint64(v) << (8 * (i & 7))
	}
	z[f.words-1] &= 1<<(f.m&63) - 1
}

// AppendBytes appends the little-endian encoding of x, Bytes() long.
func (f *Field) AppendBytes(b []byte, x *Element) []byte {
	for i := range f.Bytes() {
		b = append(b, byte(x[i>>3]>>(8*(i&7))))
	}
	return b
}

// Trace returns Tr(x), 0 or 1.
func (f *Field) Trace(x *Element) uint64 {
	var t uint64
	for i := range x {
		t ^= x[i] & f.traceMask[i]
	}
	return uint64(bits.OnesCount64(t) & 1)
}

// HalfTrace sets z = Σ x^(4^i), i = 0..(m-1)/2, a solution of z²+z = x+Tr(x).
// It reads a table at places that depend on x: for public values only.
func (f *Field) HalfTrace(z, x *Element) {
	t := f.halfTraces()
	var s Element
	for i := range t {
		v := &t[i][x[i>>4]>>(4*(i&15))&15]
		for j := range f.words {
			s[j] ^= v[j]
		}
	}
	*z = s
}

// makeHalfTraces makes the table of HalfTrace, which is linear: entry [i][v] is
// the half-trace of v·x^(4i).
func (f *Field) makeHalfTraces() [][16]Element {
	single := make([]Element, (f.m+3)/4*4)
	for i := range single[:f.m] {
		x := Element{}
		x[i>>6] = 1 << (i & 63)
		if i%2 == 0 && i > 0 {
			// x^i is a square: with h the half-trace of its root r,
			// h² = h + r + Tr(r) is its own.
			h, root := single[i/2], Element{}
			root[i/2>>6] = 1 << (i / 2 & 63)
			h.Add(&h, &root)
			h[0] ^= f.Trace(&root)
			single[i] = h
			continue
		}
		t := x
		for range (f.m - 1) / 2 {
			f.SquareN(&t, &t, 2)
			t.Add(&t, &x)
		}
		single[i] = t
	}
	table := make([][16]Element, len(single)/4)
	for i := range table {
		for v := 1; v < 16; v++ {
			low := v & -v
			table[i][v].Add(&table[i][v^low], &single[4*i+bits.TrailingZeros(uint(low))])
		}
	}
	return table
}

// Invert sets z = 1/x by Fermat's theorem with the addition chain of Itoh and
// Tsujii; the inverse of 0 is 0.
func (f *Field) Invert(z, x *Element) {
	// a = x^(2^k - 1), k running over the binary prefixes of m-1.
	a, k := *x, 1
	e := uint(f.m - 1)
	for i := bits.Len(e) - 2; i >= 0; i-- {
		var t Element
		f.SquareN(&t, &a, k)
		f.Mul(&a, &t, &a)
		k *= 2
		if e>>i&1 != 0 {
			f.Square(&a, &a)
			f.Mul(&a, &a, x)
			k++
		}
	}
	f.Square(z, &a)
}
