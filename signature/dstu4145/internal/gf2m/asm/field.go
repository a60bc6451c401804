package main

import "fmt"

// elem is one field element per 128-bit lane: w[k] holds words 2k and 2k+1. In
// GF(2^257) bit 256 is kept apart as a mask that fills the lane.
type elem struct {
	w   []val
	top val // -1 in GF(2^431)
}

// field describes one of the two fields.
type field struct {
	name   string
	blocks int  // 128-bit blocks per element, the last may be half full
	top    bool // has the mask of bit 256
}

var (
	f257 = field{name: "257", blocks: 2, top: true}
	f431 = field{name: "431", blocks: 4}
)

func (b *block) suffix() string {
	if b.t.wide {
		return "Q"
	}
	return ""
}

func (b *block) xor2(x, y val) val { return b.emit("VPXOR"+b.suffix(), y, x) }

func (b *block) and2(x, y val) val { return b.emit("VPAND"+b.suffix(), y, x) }

// xor adds any number of values.
func (b *block) xor(v ...val) val {
	if len(v) == 1 {
		return v[0]
	}
	if b.t.wide && len(v) >= 3 {
		return b.xor(append([]val{b.update("VPTERNLOGQ", v[0], "", "$0x96", v[1], v[2])}, v[3:]...)...)
	}
	return b.xor(append([]val{b.xor2(v[0], v[1])}, v[2:]...)...)
}

// addMasked is acc ^ (x & y).
func (b *block) addMasked(acc, x, y val) val {
	if b.t.wide {
		return b.update("VPTERNLOGQ", acc, "", "$0x78", x, y)
	}
	return b.xor2(acc, b.and2(x, y))
}

func (b *block) clmul(imm int, x, y val) val {
	return b.emit("VPCLMULQDQ", fmt.Sprintf("$0x%02x", imm), y, x)
}

// odd returns the words (lo.1, hi.0): the view shifted by one word.
func (b *block) odd(lo, hi val) val { return b.emit("VPALIGNR", "$8", lo, hi) }

func (b *block) up(x val) val { return b.emit("VPSLLDQ", "$8", x) }

func (b *block) down(x val) val { return b.emit("VPSRLDQ", "$8", x) }

func (b *block) shl(n int, x val) val { return b.emit("VPSLLQ", fmt.Sprintf("$%d", n), x) }

func (b *block) shr(n int, x val) val { return b.emit("VPSRLQ", fmt.Sprintf("$%d", n), x) }

// shrd shifts the 128-bit values hi:lo of each word pair right by n bits and
// keeps the low words.
func (b *block) shrd(n int, lo, hi val) val {
	if b.t.wide {
		return b.emit("VPSHRDQ", fmt.Sprintf("$%d", n), hi, lo)
	}
	return b.xor2(b.shr(n, lo), b.shl(64-n, hi))
}

// constant loads a 128-bit constant into every lane.
func (b *block) constant(name string) val {
	if b.t.wide {
		return b.emit("VBROADCASTI64X2", name+"<>(SB)")
	}
	return b.emit("VMOVDQU", name+"<>(SB)")
}

// fold returns x with the sum of its two words in both words.
func (b *block) fold(x val) val {
	return b.xor2(b.emit("VPSHUFD", "$0x4e", x), x)
}

// product is the unreduced product: even[k] has words 2k, 2k+1; odd[k] words
// 2k+1, 2k+2; the product is the sum of both. odd is nil for a square.
type product struct {
	even, odd []val
	top       val // GF(2^257): bit 512 as a lane mask, or -1
}

// half is a 128-bit operand and the sum of its words.
type half struct{ x, folded val }

func (b *block) halves(e elem) []half {
	h := make([]half, len(e.w))
	for i, x := range e.w {
		h[i] = half{x, b.fold(x)}
	}
	return h
}

func (b *block) sum(h ...half) half {
	var xs, fs []val
	for _, v := range h {
		xs, fs = append(xs, v.x), append(fs, v.folded)
	}
	return half{b.xor(xs...), b.xor(fs...)}
}

// mul128 multiplies two 128-bit operands in three steps (Karatsuba); single
// tells that both have one word only.
func (b *block) mul128(x, y half, single bool) (lo, hi, mid val) {
	lo = b.clmul(0x00, x.x, y.x)
	if single {
		return lo, -1, -1
	}
	hi = b.clmul(0x11, x.x, y.x)
	mid = b.clmul(0x00, x.folded, y.folded)
	return lo, hi, b.xor(mid, lo, hi)
}

// mul256 multiplies two operands of two blocks; single tells that the upper
// blocks have one word.
func (b *block) mul256(x0, x1, y0, y1 half, single bool) product {
	l0, h0, m0 := b.mul128(x0, y0, false)
	l1, h1, m1 := b.mul128(x1, y1, single)
	l2, h2, m2 := b.mul128(b.sum(x0, x1), b.sum(y0, y1), false)
	if single {
		return product{
			even: []val{l0, b.xor(h0, l2, l0, l1), b.xor(l1, h2, h0), -1},
			odd:  []val{m0, b.xor(m2, m0), -1},
		}
	}
	x := b.xor2(h0, l1)
	return product{
		even: []val{l0, b.xor(x, l2, l0), b.xor(x, h2, h1), h1},
		odd:  []val{m0, b.xor(m2, m0, m1), m1},
	}
}

func (b *block) mul(f field, x, y elem) elem {
	hx, hy := b.halves(x), b.halves(y)
	if f.top {
		p := b.mul256(hx[0], hx[1], hy[0], hy[1], false)
		p.even[2] = b.addMasked(b.addMasked(p.even[2], x.top, y.w[0]), y.top, x.w[0])
		p.even[3] = b.addMasked(b.addMasked(p.even[3], x.top, y.w[1]), y.top, x.w[1])
		p.top = b.and2(x.top, y.top)
		return b.reduce257(p)
	}
	lo := b.mul256(hx[0], hx[1], hy[0], hy[1], false)
	hi := b.mul256(hx[2], hx[3], hy[2], hy[3], true)
	mid := b.mul256(b.sum(hx[0], hx[2]), b.sum(hx[1], hx[3]), b.sum(hy[0], hy[2]), b.sum(hy[1], hy[3]), false)
	// mid += lo + hi, then everything is put in place; the missing parts of hi
	// are zero.
	add := func(v ...val) val {
		var present []val
		for _, x := range v {
			if x >= 0 {
				present = append(present, x)
			}
		}
		return b.xor(present...)
	}
	return b.reduce431(product{
		even: []val{
			lo.even[0], lo.even[1],
			add(lo.even[2], mid.even[0], lo.even[0], hi.even[0]),
			add(lo.even[3], mid.even[1], lo.even[1], hi.even[1]),
			add(hi.even[0], mid.even[2], lo.even[2], hi.even[2]),
			add(hi.even[1], mid.even[3], lo.even[3]),
			hi.even[2],
		},
		odd: []val{
			lo.odd[0], lo.odd[1],
			add(lo.odd[2], mid.odd[0], lo.odd[0], hi.odd[0]),
			add(mid.odd[1], lo.odd[1], hi.odd[1]),
			add(hi.odd[0], mid.odd[2], lo.odd[2]),
			hi.odd[1],
		},
	})
}

func (b *block) square(f field, x elem) elem {
	p := product{top: -1}
	for i, w := range x.w {
		p.even = append(p.even, b.clmul(0x00, w, w))
		if f.top || i < f.blocks-1 {
			p.even = append(p.even, b.clmul(0x11, w, w))
		}
	}
	if f.top {
		p.top = x.top
		return b.reduce257(p)
	}
	return b.reduce431(p)
}

// words returns word pairs (2k, 2k+1), or with odd set (2k+1, 2k+2), of the
// product.
func (b *block) words(p product, k int, odd bool) val {
	if odd {
		var e val
		if k+1 < len(p.even) {
			e = b.odd(p.even[k], p.even[k+1])
		} else {
			e = b.down(p.even[k])
		}
		if k < len(p.odd) {
			return b.xor2(e, p.odd[k])
		}
		return e
	}
	if p.odd == nil {
		return p.even[k]
	}
	switch {
	case k == 0:
		return b.xor2(p.even[0], b.up(p.odd[0]))
	case k == len(p.odd):
		return b.xor2(p.even[k], b.down(p.odd[k-1]))
	}
	return b.xor2(p.even[k], b.odd(p.odd[k-1], p.odd[k]))
}

// reduce257 reduces c of 513 bits modulo x^257 + x^12 + 1. With H = c >> 257
// the result is c mod x^257 + H + x^12 H; the eleven bits of x^12 H from 257 on
// are folded once more. x^12 H is c >> 245 without its low twelve bits.
func (b *block) reduce257(p product) elem {
	r0, r1, r2, r3 := b.words(p, 0, false), b.words(p, 1, false), b.words(p, 2, false), b.words(p, 3, false)
	r4 := b.and2(p.top, b.constant("one257"))
	n1, n2 := b.words(p, 1, true), b.words(p, 2, true)
	n3 := b.odd(r3, r4)
	h0, h1 := b.shrd(1, r2, n2), b.shrd(1, r3, n3)
	g0 := b.and2(b.shrd(53, n1, r2), b.constant("keep257"))
	g1 := b.shrd(53, n2, r3)
	g2 := b.shrd(53, n3, r4)
	t := b.shr(1, g2)
	t12 := b.shl(12, t)
	top := b.shl(63, b.xor2(r2, g2))
	top = b.emit("VPUNPCKLQDQ", top, top)
	if b.t.wide {
		top = b.emit("VPSRAQ", "$63", top)
	} else {
		top = b.shr(63, top)
		top = b.emit("VPSUBQ", top, b.constant("zero"))
	}
	return elem{w: []val{b.xor(r0, h0, g0, t, t12), b.xor(r1, h1, g1)}, top: top}
}

// reduce431 reduces c of 861 bits modulo x^431 + x^5 + x^3 + x + 1: bits 431
// and above, H, are added at 0, 1, 3 and 5; x^5 H reaches four bits past 430,
// which are folded once more.
func (b *block) reduce431(p product) elem {
	var r, n [7]val
	for k := range 7 {
		r[k] = b.words(p, k, false)
		if k >= 3 {
			n[k] = b.words(p, k, true)
		}
	}
	mask := b.constant("low431")
	low := b.and2(r[3], mask)
	high3 := b.xor2(r[3], low)
	var out [4]val
	for k := range 4 {
		lo, hi := r[3+k], n[3+k]
		if k == 0 {
			lo = high3
		}
		acc := []val{r[k]}
		if k == 3 {
			acc[0] = low
		}
		for _, s := range []int{47, 46, 44, 42} {
			acc = append(acc, b.shrd(s, lo, hi))
		}
		out[k] = b.xor(acc...)
	}
	t := b.shr(47, out[3])
	out[3] = b.and2(out[3], mask)
	out[0] = b.xor(out[0], t, b.shl(1, t), b.shl(3, t), b.shl(5, t))
	return elem{w: out[:], top: -1}
}
