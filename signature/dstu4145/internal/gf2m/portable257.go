package gf2m

// mulPortable257 is the multiplication in GF(2^257): the 257th bits are
// handled by masks, so that nine products of words remain.
func mulPortable257(z, x, y *Element) {
	var c [8]uint64
	mul4(&c, x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3])
	xm, ym := -x[4], -y[4]
	reduce257(z, c[0], c[1], c[2], c[3],
		c[4]^xm&y[0]^ym&x[0], c[5]^xm&y[1]^ym&x[1],
		c[6]^xm&y[2]^ym&x[2], c[7]^xm&y[3]^ym&x[3], x[4]&y[4])
}

func squareNPortable257(z, x *Element, n int) {
	t := *x
	for range n {
		reduce257(&t, spread(t[0]), spread(t[0]>>32), spread(t[1]), spread(t[1]>>32),
			spread(t[2]), spread(t[2]>>32), spread(t[3]), spread(t[3]>>32), t[4])
	}
	*z = t
}

// reduce257 sets z = c mod x^257 + x^12 + 1. With H = c >> 257 that is
// c mod x^257 + H + x^12·H, the bits of x^12·H from 257 on being folded again.
func reduce257(z *Element, c0, c1, c2, c3, c4, c5, c6, c7, c8 uint64) {
	h0 := c4>>1 | c5<<63
	h1 := c5>>1 | c6<<63
	h2 := c6>>1 | c7<<63
	h3 := c7>>1 | c8<<63
	t := h3 >> 53 // bits 257 and above of x^12·H
	z[0] = c0 ^ h0 ^ h0<<12 ^ t ^ t<<12
	z[1] = c1 ^ h1 ^ (h1<<12 | h0>>52)
	z[2] = c2 ^ h2 ^ (h2<<12 | h1>>52)
	z[3] = c3 ^ h3 ^ (h3<<12 | h2>>52)
	z[4] = (c4 ^ h3>>52) & 1
	z[5], z[6] = 0, 0
}
