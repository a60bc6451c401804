package dstu4145

import "math/bits"

// order is the arithmetic modulo the prime order n of the base point. All
// methods take time independent of the scalars' values.
type order struct {
	n     scalar
	bits  int
	words int
	inv   uint64 // -1/n mod 2^64
	rr    scalar // 2^(128·words) mod n
}

func newOrder(n scalar) *order {
	o := &order{n: n, bits: n.bitLen()}
	// One spare bit lets sums of two residues stay inside the words.
	o.words = o.bits/64 + 1
	inv := n[0] // correct to three bits, each step doubles them
	for range 5 {
		inv *= 2 - n[0]*inv
	}
	o.inv = -inv
	o.rr = scalar{1}
	for range 128 * o.words {
		o.add(&o.rr, &o.rr, &o.rr)
	}
	return o
}

func (o *order) bytes() int { return (o.bits + 7) / 8 }

// add sets z = x + y mod n.
func (o *order) add(z, x, y *scalar) {
	var t, u scalar
	var c, b uint64
	for i := range t {
		t[i], c = bits.Add64(x[i], y[i], c)
	}
	for i := range u {
		u[i], b = bits.Sub64(t[i], o.n[i], b)
	}
	mask := -b
	for i := range z {
		z[i] = u[i] ^ mask&(u[i]^t[i])
	}
}

// mont sets z = x·y/2^(64·words) mod n for x, y below n (Montgomery's method,
// operand scanning).
func (o *order) mont(z, x, y *scalar) {
	var t [len(scalar{}) + 2]uint64
	w := o.words
	for i := range w {
		var carry uint64
		for j := range w {
			hi, lo := bits.Mul64(x[j], y[i])
			lo, c := bits.Add64(lo, t[j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			t[j], carry = lo, hi+c
		}
		var c uint64
		t[w], c = bits.Add64(t[w], carry, 0)
		t[w+1] = c

		m := t[0] * o.inv
		hi, lo := bits.Mul64(m, o.n[0])
		_, c = bits.Add64(lo, t[0], 0)
		carry = hi + c
		for j := 1; j < w; j++ {
			hi, lo := bits.Mul64(m, o.n[j])
			lo, c := bits.Add64(lo, t[j], 0)
			hi += c
			lo, c = bits.Add64(lo, carry, 0)
			t[j-1], carry = lo, hi+c
		}
		t[w-1], c = bits.Add64(t[w], carry, 0)
		t[w] = t[w+1] + c
	}
	var r, u scalar
	copy(r[:w], t[:w])
	var b uint64
	for i := range w {
		u[i], b = bits.Sub64(r[i], o.n[i], b)
	}
	mask := -b
	for i := range z {
		z[i] = u[i] ^ mask&(u[i]^r[i])
	}
}

// mul sets z = x·y mod n.
func (o *order) mul(z, x, y *scalar) {
	var t scalar
	o.mont(&t, x, &o.rr)
	o.mont(z, &t, y)
}

// valid reports whether 1 <= x < n.
func (o *order) valid(x *scalar) bool {
	var b, any uint64
	for i := range x {
		_, b = bits.Sub64(x[i], o.n[i], b)
		any |= x[i]
	}
	return b == 1 && any != 0
}

// setBytes reads a little-endian integer of any length; it reports false when
// the value is not in 1..n-1.
func (o *order) setBytes(x *scalar, b []byte) bool {
	*x = scalar{}
	var high byte
	for i, v := range b {
		if i >= 8*len(x) {
			high |= v
			continue
		}
		x[i>>3] |= uint64(v) << (8 * (i & 7))
	}
	return high == 0 && o.valid(x)
}

// putBytes writes x little-endian into the whole of b.
func (o *order) putBytes(b []byte, x *scalar) {
	for i := range b {
		b[i] = byte(x[i>>3] >> (8 * (i & 7)))
	}
}
