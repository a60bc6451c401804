package algo

import "math/big"

// weierstrass is a short Weierstrass curve over a prime field with any a.
// Brainpool and the old curves that crypto/elliptic lacks need it; it only
// verifies public data, so it is plain and not constant time.
type weierstrass struct {
	name             string
	p, a, b, n, x, y *big.Int
}

func hexInt(s string) *big.Int {
	v, ok := new(big.Int).SetString(s, 16)
	if !ok {
		panic("algo: bad curve constant")
	}
	return v
}

func curve(name, p, a, b, x, y, n string) *weierstrass {
	return &weierstrass{name: name, p: hexInt(p), a: hexInt(a), b: hexInt(b), x: hexInt(x), y: hexInt(y), n: hexInt(n)}
}

func (c *weierstrass) onCurve(x, y *big.Int) bool {
	if x.Sign() < 0 || y.Sign() < 0 || x.Cmp(c.p) >= 0 || y.Cmp(c.p) >= 0 {
		return false
	}
	l := new(big.Int).Mul(y, y)
	r := new(big.Int).Mul(x, x)
	r.Add(r, c.a).Mul(r, x).Add(r, c.b)
	return l.Sub(l, r).Mod(l, c.p).Sign() == 0
}

// jacobian point; z = 0 is infinity.
type jacobian struct{ x, y, z *big.Int }

func (c *weierstrass) double(q jacobian) jacobian {
	if q.z.Sign() == 0 || q.y.Sign() == 0 {
		return jacobian{big.NewInt(1), big.NewInt(1), new(big.Int)}
	}
	m := func(a, b *big.Int) *big.Int { r := new(big.Int).Mul(a, b); return r.Mod(r, c.p) }
	yy := m(q.y, q.y)
	s := m(q.x, yy)
	s.Lsh(s, 2).Mod(s, c.p)
	zz := m(q.z, q.z)
	mm := m(q.x, q.x)
	mm.Mul(mm, big.NewInt(3)).Add(mm, m(c.a, m(zz, zz))).Mod(mm, c.p)
	x := m(mm, mm)
	x.Sub(x, new(big.Int).Lsh(s, 1)).Mod(x, c.p)
	y4 := m(yy, yy)
	y := new(big.Int).Sub(s, x)
	y.Mul(y, mm).Sub(y, new(big.Int).Lsh(y4, 3)).Mod(y, c.p)
	z := m(q.y, q.z)
	z.Lsh(z, 1).Mod(z, c.p)
	return jacobian{x, y, z}
}

func (c *weierstrass) add(q, r jacobian) jacobian {
	if q.z.Sign() == 0 {
		return r
	}
	if r.z.Sign() == 0 {
		return q
	}
	m := func(a, b *big.Int) *big.Int { v := new(big.Int).Mul(a, b); return v.Mod(v, c.p) }
	z1, z2 := m(q.z, q.z), m(r.z, r.z)
	u1, u2 := m(q.x, z2), m(r.x, z1)
	s1, s2 := m(q.y, m(z2, r.z)), m(r.y, m(z1, q.z))
	h := new(big.Int).Sub(u2, u1)
	h.Mod(h, c.p)
	d := new(big.Int).Sub(s2, s1)
	d.Mod(d, c.p)
	if h.Sign() == 0 {
		if d.Sign() == 0 {
			return c.double(q)
		}
		return jacobian{big.NewInt(1), big.NewInt(1), new(big.Int)}
	}
	hh := m(h, h)
	hhh := m(h, hh)
	v := m(u1, hh)
	x := m(d, d)
	x.Sub(x, hhh).Sub(x, new(big.Int).Lsh(v, 1)).Mod(x, c.p)
	y := new(big.Int).Sub(v, x)
	y.Mul(y, d).Sub(y, m(s1, hhh)).Mod(y, c.p)
	return jacobian{x, y, m(h, m(q.z, r.z))}
}

// verify is ECDSA verification (SEC 1, 4.1.4) with the points interleaved.
func (c *weierstrass) verify(x, y *big.Int, digest []byte, r, s *big.Int) bool {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(c.n) >= 0 || s.Cmp(c.n) >= 0 {
		return false
	}
	e := new(big.Int).SetBytes(digest)
	if extra := len(digest)*8 - c.n.BitLen(); extra > 0 {
		e.Rsh(e, uint(extra))
	}
	w := new(big.Int).ModInverse(s, c.n)
	if w == nil {
		return false
	}
	u1 := e.Mul(e, w)
	u1.Mod(u1, c.n)
	u2 := new(big.Int).Mul(r, w)
	u2.Mod(u2, c.n)
	one := big.NewInt(1)
	g, q := jacobian{c.x, c.y, one}, jacobian{x, y, one}
	gq := c.add(g, q)
	acc := jacobian{one, one, new(big.Int)}
	for i := max(u1.BitLen(), u2.BitLen()) - 1; i >= 0; i-- {
		acc = c.double(acc)
		switch u1.Bit(i) | u2.Bit(i)<<1 {
		case 1:
			acc = c.add(acc, g)
		case 2:
			acc = c.add(acc, q)
		case 3:
			acc = c.add(acc, gq)
		}
	}
	if acc.z.Sign() == 0 {
		return false
	}
	zi := new(big.Int).ModInverse(acc.z, c.p)
	zi.Mul(zi, zi)
	px := zi.Mul(zi, acc.x)
	px.Mod(px, c.p).Mod(px, c.n)
	return px.Cmp(r) == 0
}
