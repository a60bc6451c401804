package dstu4145

import (
	"math/big"
	"slices"

	"mist/signature/dstu4145/internal/gf2m"
)

// oracle computes on a standard curve with math/big and the affine formulas of
// the standard (x, y), sharing only the table of parameters with the package.
type oracle struct {
	m       int
	f       *big.Int // reduction polynomial
	a       int64
	b, n    *big.Int
	x, y    *big.Int // base point
	byteLen int
}

func newOracle(c *Curve) *oracle {
	p := standard[c.oid[len(c.oid)-1]]
	hex := func(s string) *big.Int { v, _ := new(big.Int).SetString(s, 16); return v }
	o := &oracle{m: p.m, f: new(big.Int).SetBit(big.NewInt(1), p.m, 1), a: int64(p.a), b: hex(p.b), n: hex(p.n), x: hex(p.x), y: hex(p.y), byteLen: (p.m + 7) / 8}
	for _, k := range p.exps {
		o.f.SetBit(o.f, k, 1)
	}
	return o
}

func (o *oracle) reduce(z *big.Int) *big.Int {
	for i := z.BitLen() - 1; i >= o.m; i-- {
		if z.Bit(i) == 1 {
			z.Xor(z, new(big.Int).Lsh(o.f, uint(i-o.m)))
		}
	}
	return z
}

func (o *oracle) mul(x, y *big.Int) *big.Int {
	z := new(big.Int)
	for i := range y.BitLen() {
		if y.Bit(i) == 1 {
			z.Xor(z, new(big.Int).Lsh(x, uint(i)))
		}
	}
	return o.reduce(z)
}

func xor(v ...*big.Int) *big.Int {
	z := new(big.Int)
	for _, x := range v {
		z.Xor(z, x)
	}
	return z
}

// inverse is the extended Euclidean algorithm for polynomials.
func (o *oracle) inverse(x *big.Int) *big.Int {
	u, v := new(big.Int).Set(x), new(big.Int).Set(o.f)
	g1, g2 := big.NewInt(1), new(big.Int)
	for u.BitLen() > 1 {
		j := u.BitLen() - v.BitLen()
		if j < 0 {
			u, v, g1, g2, j = v, u, g2, g1, -j
		}
		u.Xor(u, new(big.Int).Lsh(v, uint(j)))
		g1.Xor(g1, new(big.Int).Lsh(g2, uint(j)))
	}
	return o.reduce(g1)
}

// bigPoint is an affine point; x is nil for infinity.
type bigPoint struct{ x, y *big.Int }

func (o *oracle) add(p, q bigPoint) bigPoint {
	if p.x == nil {
		return q
	}
	if q.x == nil {
		return p
	}
	a := big.NewInt(o.a)
	if p.x.Cmp(q.x) == 0 {
		if p.y.Cmp(q.y) != 0 || p.x.Sign() == 0 {
			return bigPoint{}
		}
		l := xor(p.x, o.mul(p.y, o.inverse(p.x)))
		x := xor(o.mul(l, l), l, a)
		return bigPoint{x, xor(o.mul(p.x, p.x), o.mul(l, x), x)}
	}
	l := o.mul(xor(p.y, q.y), o.inverse(xor(p.x, q.x)))
	x := xor(o.mul(l, l), l, p.x, q.x, a)
	return bigPoint{x, xor(o.mul(l, xor(p.x, x)), x, p.y)}
}

func (o *oracle) multiply(k *big.Int, p bigPoint) bigPoint {
	var r bigPoint
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = o.add(r, r)
		if k.Bit(i) == 1 {
			r = o.add(r, p)
		}
	}
	return r
}

// point converts a point of the package.
func (o *oracle) point(c *Curve, p *affine) bigPoint {
	y := p.L
	y.Add(&y, &p.X)
	c.field.Mul(&y, &y, &p.X)
	return bigPoint{elementToBig(&p.X), elementToBig(&y)}
}

func elementToBig(e *gf2m.Element) *big.Int {
	v := new(big.Int)
	for i := len(e) - 1; i >= 0; i-- {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(e[i]))
	}
	return v
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// verify is DSTU 4145-2002, 13, for a bare little-endian signature.
func (o *oracle) verify(q bigPoint, digest, sig []byte) bool {
	if len(sig) == 0 || len(sig)%2 != 0 {
		return false
	}
	r, s := littleEndian(sig[:len(sig)/2]), littleEndian(sig[len(sig)/2:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(o.n) >= 0 || s.Cmp(o.n) >= 0 {
		return false
	}
	p := o.add(o.multiply(s, bigPoint{o.x, o.y}), o.multiply(r, q))
	if p.x == nil {
		return false
	}
	h := littleEndian(digest)
	h.And(h, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(o.m)), big.NewInt(1)))
	if h.Sign() == 0 {
		h.SetInt64(1)
	}
	y := o.mul(h, p.x)
	y.And(y, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(o.n.BitLen()-1)), big.NewInt(1)))
	return y.Cmp(r) == 0
}
