package dstu4145

import "mist/signature/dstu4145/internal/gf2m"

type (
	affine = gf2m.Affine
	point  = gf2m.Point
)

// expand recovers the point from its compressed form (DSTU 4145-2002, 6.10):
// x with its bit 0 replaced by Tr(y/x). It reports false unless the result is
// in the subgroup of prime order. Its timing depends on the point.
//
// Every point of the subgroup is the double of another, hence Tr(x) = Tr(a),
// which restores bit 0 of x since Tr(1) = 1. Then z = y/x solves
// z² + z = x + a + b/x². For a = 1 the group is cyclic of order 2n and the
// trace is the whole test; for a = 0 it is cyclic of order 4n and a half of the
// point must be the double of a point in turn.
func (c *Curve) expand(p *affine, compressed *gf2m.Element) bool {
	f := c.field
	x := *compressed
	k := x[0] & 1
	x[0] ^= k
	if f.Trace(&x) != c.a {
		x[0] ^= 1
	}
	if x.IsZero() {
		return false
	}
	var w, z gf2m.Element
	f.Invert(&w, &x)
	f.Square(&w, &w)
	f.Mul(&w, &w, &c.b)
	w.Add(&w, &x)
	w[0] ^= c.a
	if f.Trace(&w) != 0 {
		return false
	}
	f.HalfTrace(&z, &w)
	z[0] ^= f.Trace(&z) ^ k
	p.X = x
	p.L.Add(&x, &z)
	return c.a == 1 || c.halfIsDouble(p, &z)
}

// halfIsDouble reports for a = 0 whether (x, z = y/x), itself a double, is four
// times some point: λ' of a half solves λ'² + λ' = x, its abscissa squared is
// x(z + λ' + 1), and the trace of a square is that of its root.
func (c *Curve) halfIsDouble(p *affine, z *gf2m.Element) bool {
	f := c.field
	var h gf2m.Element
	f.HalfTrace(&h, &p.X)
	h.Add(&h, z)
	h[0] ^= 1
	f.Mul(&h, &h, &p.X)
	return f.Trace(&h) == 0
}

// compress is the inverse of expand.
func (c *Curve) compress(p *affine) gf2m.Element {
	var z gf2m.Element
	z.Add(&p.X, &p.L)
	x := p.X
	x[0] = x[0]&^1 | c.field.Trace(&z)
	return x
}
