package gf2m

import "math/bits"

// clmul returns the carry-less product of x and y.
//
// Each operand is spread over four words that keep every fourth bit, so that
// an integer multiplication leaves three zero bits to swallow the carries.
// Sixteen coefficients may meet in one place and would carry into the next
// lane; the top four bits of y are therefore added apart, which leaves at most
// fifteen.
func clmul(x, y uint64) (hi, lo uint64) {
	const m0, m1, m2, m3 = 0x1111111111111111, 0x2222222222222222, 0x4444444444444444, 0x8888888888888888
	const top = 1<<60 - 1
	x0, x1, x2, x3 := x&m0, x&m1, x&m2, x&m3
	y0, y1, y2, y3 := y&m0&top, y&m1&top, y&m2&top, y&m3&top

	h0, l0 := bits.Mul64(x0, y0)
	h, l := bits.Mul64(x1, y3)
	h0, l0 = h0^h, l0^l
	h, l = bits.Mul64(x2, y2)
	h0, l0 = h0^h, l0^l
	h, l = bits.Mul64(x3, y1)
	h0, l0 = h0^h, l0^l

	h1, l1 := bits.Mul64(x0, y1)
	h, l = bits.Mul64(x1, y0)
	h1, l1 = h1^h, l1^l
	h, l = bits.Mul64(x2, y3)
	h1, l1 = h1^h, l1^l
	h, l = bits.Mul64(x3, y2)
	h1, l1 = h1^h, l1^l

	h2, l2 := bits.Mul64(x0, y2)
	h, l = bits.Mul64(x1, y1)
	h2, l2 = h2^h, l2^l
	h, l = bits.Mul64(x2, y0)
	h2, l2 = h2^h, l2^l
	h, l = bits.Mul64(x3, y3)
	h2, l2 = h2^h, l2^l

	h3, l3 := bits.Mul64(x0, y3)
	h, l = bits.Mul64(x1, y2)
	h3, l3 = h3^h, l3^l
	h, l = bits.Mul64(x2, y1)
	h3, l3 = h3^h, l3^l
	h, l = bits.Mul64(x3, y0)
	h3, l3 = h3^h, l3^l

	hi = h0&m0 | h1&m1 | h2&m2 | h3&m3
	lo = l0&m0 | l1&m1 | l2&m2 | l3&m3

	b0, b1, b2, b3 := -(y >> 60 & 1), -(y >> 61 & 1), -(y >> 62 & 1), -(y >> 63)
	lo ^= x<<60&b0 ^ x<<61&b1 ^ x<<62&b2 ^ x<<63&b3
	hi ^= x>>4&b0 ^ x>>3&b1 ^ x>>2&b2 ^ x>>1&b3
	return hi, lo
}

// wide holds an unreduced product.
type wide [2 * MaxWords]uint64

// mul2 sets z[0:4] = x[0:2] * y[0:2] (Karatsuba).
func mul2(z *[4]uint64, x0, x1, y0, y1 uint64) {
	h0, l0 := clmul(x0, y0)
	h2, l2 := clmul(x1, y1)
	h1, l1 := clmul(x0^x1, y0^y1)
	l1 ^= l0 ^ l2
	h1 ^= h0 ^ h2
	z[0], z[1], z[2], z[3] = l0, h0^l1, l2^h1, h2
}

// mul3 sets z[0:6] = x[0:3] * y[0:3].
func mul3(z *[6]uint64, x0, x1, x2, y0, y1, y2 uint64) {
	h0, l0 := clmul(x0, y0)
	h1, l1 := clmul(x1, y1)
	h2, l2 := clmul(x2, y2)
	ha, la := clmul(x0^x1, y0^y1)
	hb, lb := clmul(x0^x2, y0^y2)
	hc, lc := clmul(x1^x2, y1^y2)
	la, ha = la^l0^l1, ha^h0^h1
	lb, hb = lb^l0^l1^l2, hb^h0^h1^h2
	lc, hc = lc^l1^l2, hc^h1^h2
	z[0] = l0
	z[1] = h0 ^ la
	z[2] = ha ^ lb
	z[3] = hb ^ lc
	z[4] = hc ^ l2
	z[5] = h2
}

// mul4 sets z[0:8] = x * y.
func mul4(z *[8]uint64, x0, x1, x2, x3, y0, y1, y2, y3 uint64) {
	var l, h, m [4]uint64
	mul2(&l, x0, x1, y0, y1)
	mul2(&h, x2, x3, y2, y3)
	mul2(&m, x0^x2, x1^x3, y0^y2, y1^y3)
	z[0], z[1] = l[0], l[1]
	z[2] = l[2] ^ m[0] ^ l[0] ^ h[0]
	z[3] = l[3] ^ m[1] ^ l[1] ^ h[1]
	z[4] = h[0] ^ m[2] ^ l[2] ^ h[2]
	z[5] = h[1] ^ m[3] ^ l[3] ^ h[3]
	z[6], z[7] = h[2], h[3]
}

// mulWide sets z = x * y without reduction.
func (f *Field) mulWide(z *wide, x, y *Element) {
	switch f.words {
	case 3:
		mul3((*[6]uint64)(z[:6]), x[0], x[1], x[2], y[0], y[1], y[2])
	case 4:
		mul4((*[8]uint64)(z[:8]), x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
	default: // split at word 4, the upper part has up to three words
		var l, m [8]uint64
		var h [6]uint64
		mul4(&l, x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
		mul3(&h, x[4], x[5], x[6], y[4], y[5], y[6])
		mul4(&m, x[0]^x[4], x[1]^x[5], x[2]^x[6], x[3], y[0]^y[4], y[1]^y[5], y[2]^y[6], y[3])
		for i := range 6 {
			m[i] ^= h[i]
		}
		for i := range 8 {
			m[i] ^= l[i]
		}
		copy(z[:], l[:])
		copy(z[8:], h[:])
		for i := range 8 {
			z[4+i] ^= m[i]
		}
	}
}

// spread puts a zero bit above each bit of x.
func spread(x uint64) uint64 {
	x &= 0xffffffff
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	x = (x | x<<1) & 0x5555555555555555
	return x
}

// reduce sets z = c modulo the polynomial of f; c is used up.
func (f *Field) reduce(z *Element, c *wide) {
	n := f.words
	for i := 2*n - 1; i >= n; i-- {
		t := c[i]
		for _, k := range f.exps {
			pos := 64*i - f.m + k
			w, s := pos>>6, uint(pos&63)
			c[w] ^= t << s
			c[w+1] ^= t >> 1 >> (63 - s)
		}
	}
	r := uint(f.m & 63)
	t := c[n-1] >> r
	c[n-1] &= 1<<r - 1
	for _, k := range f.exps {
		c[0] ^= t << uint(k)
		c[1] ^= t >> 1 >> uint(63-k)
	}
	*z = Element{}
	copy(z[:n], c[:n])
}

func (f *Field) mulGeneric(z, x, y *Element) {
	var c wide
	f.mulWide(&c, x, y)
	f.reduce(z, &c)
}

func (f *Field) squareGeneric(z, x *Element) {
	var c wide
	for i := range f.words {
		c[2*i] = spread(x[i])
		c[2*i+1] = spread(x[i] >> 32)
	}
	f.reduce(z, &c)
}
