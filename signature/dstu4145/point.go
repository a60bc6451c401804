package dstu4145

import "mist/signature/dstu4145/internal/gf2m"

// Points are kept in lambda coordinates (Oliveira, López, Aranha and
// Rodríguez-Henríquez, "Lambda coordinates for binary elliptic curves", CHES
// 2013): an affine point is (x, λ) with λ = x + y/x, a projective one (X, L, Z)
// with x = X/Z, λ = L/Z. The negative of (x, λ) is (x, λ+1). The one point with
// x = 0 has order two; it is outside the subgroup and never becomes a value of
// these types.

// affine is a point other than infinity.
type affine struct{ x, l gf2m.Element }

// point is a projective point; Z = 0 means infinity.
type point struct{ x, l, z gf2m.Element }

func (p *point) isInfinity() bool { return p.z.IsZero() }

func (p *point) setAffine(q *affine) {
	p.x, p.l, p.z = q.x, q.l, gf2m.Element{1}
}

// neg sets p = -q.
func (p *affine) neg(q *affine) {
	*p = *q
	p.l[0] ^= 1
}

// double sets r = 2p (formula of section 3.1: 4M + 4S). Infinity stays
// infinity.
func (c *Curve) double(r, p *point) {
	f := c.field
	var lz, zz, t, xz gf2m.Element
	f.Mul(&lz, &p.l, &p.z)
	f.Square(&zz, &p.z)
	f.Square(&t, &p.l)
	t.Add(&t, &lz)
	if c.a == 1 {
		t.Add(&t, &zz)
	}
	f.Mul(&xz, &p.x, &p.z)
	f.Square(&xz, &xz)
	f.Square(&r.x, &t)
	f.Mul(&r.z, &t, &zz)
	f.Mul(&lz, &t, &lz)
	r.l.Add(&xz, &r.x)
	r.l.Add(&r.l, &lz)
	r.l.Add(&r.l, &r.z)
}

// addMixed sets r = p + q for p not infinity (8M + 2S). It gives Z = 0 both
// when the sum is infinity and when p = q; see add for the complete addition.
func (c *Curve) addMixed(r, p *point, q *affine) {
	f := c.field
	var a, b, u, v, w gf2m.Element
	f.Mul(&a, &q.l, &p.z)
	a.Add(&a, &p.l) // A = L + λZ
	f.Mul(&u, &q.x, &p.z)
	b.Add(&u, &p.x)
	f.Square(&b, &b)    // B = (X + xZ)²
	f.Mul(&u, &a, &u)   // A·xZ
	f.Mul(&v, &a, &p.x) // A·X
	f.Mul(&w, &a, &b)   // A·B
	a.Add(&p.l, &p.z)
	f.Mul(&a, &w, &a) // A·B·(L + Z)
	f.Mul(&r.z, &w, &p.z)
	f.Mul(&r.x, &u, &v)
	u.Add(&u, &b)
	f.Square(&u, &u)
	r.l.Add(&u, &a)
}

// add sets p = p + q for any p and q. Its timing tells apart the exceptional
// cases.
func (c *Curve) add(p *point, q *affine) {
	if p.isInfinity() {
		p.setAffine(q)
		return
	}
	var r point
	c.addMixed(&r, p, q)
	if r.isInfinity() && c.isEqual(p, q) {
		c.double(&r, p)
	}
	*p = r
}

// isEqual reports whether p = q, p not infinity.
func (c *Curve) isEqual(p *point, q *affine) bool {
	var x, l gf2m.Element
	c.field.Mul(&x, &q.x, &p.z)
	c.field.Mul(&l, &q.l, &p.z)
	return x == p.x && l == p.l
}

// normalize converts projective points, none of them infinity, to affine ones
// with a single inversion.
func (c *Curve) normalize(dst []affine, src []point) {
	f := c.field
	// dst[i].x holds the product of the Z before i meanwhile.
	acc := gf2m.Element{1}
	for i := range src {
		dst[i].x = acc
		f.Mul(&acc, &acc, &src[i].z)
	}
	f.Invert(&acc, &acc)
	for i := len(src) - 1; i >= 0; i-- {
		var inv gf2m.Element
		f.Mul(&inv, &acc, &dst[i].x)
		f.Mul(&acc, &acc, &src[i].z)
		f.Mul(&dst[i].x, &src[i].x, &inv)
		f.Mul(&dst[i].l, &src[i].l, &inv)
	}
}

// expand recovers the point from its compressed form (DSTU 4145-2002, 6.10):
// x with its bit 0 replaced by Tr(y/x). It reports false unless the result is
// in the subgroup of prime order.
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
	p.x = x
	p.l.Add(&x, &z)
	return c.a == 1 || c.halfIsDouble(p, &z)
}

// halfIsDouble reports for a = 0 whether (x, z = y/x), itself a double, is four
// times some point: λ' of a half solves λ'² + λ' = x, its abscissa squared is
// x(z + λ' + 1), and the trace of a square is that of its root.
func (c *Curve) halfIsDouble(p *affine, z *gf2m.Element) bool {
	f := c.field
	var h gf2m.Element
	f.HalfTrace(&h, &p.x)
	h.Add(&h, z)
	h[0] ^= 1
	f.Mul(&h, &h, &p.x)
	return f.Trace(&h) == 0
}

// compress is the inverse of expand.
func (c *Curve) compress(p *affine) gf2m.Element {
	var z gf2m.Element
	z.Add(&p.x, &p.l)
	x := p.x
	x[0] = x[0]&^1 | c.field.Trace(&z)
	return x
}
