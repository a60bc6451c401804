package algo

import (
	"crypto/sha3"
	"math/big"
	"slices"
)

// ed448 verifies the signatures of RFC 8032, 5.2: verification only, on public values only, with numbers of math/big. No
// Ukrainian authority issues such keys; foreign signatures that use them are rare.
type ed448 struct {
	octets [ed448Size]byte
	point  ed448Point
}

const ed448Size = 57

// ed448Point is a point in projective coordinates.
type ed448Point struct{ x, y, z *big.Int }

// ed448Curve is x² + y² = 1 + d·x²·y² over p = 2^448 − 2^224 − 1, with a base point of prime order l.
type ed448Curve struct {
	p, d, l *big.Int
	base    ed448Point
}

func newEd448Curve() *ed448Curve {
	number := func(s string) *big.Int { n, _ := new(big.Int).SetString(s, 10); return n }
	one := big.NewInt(1)
	c := &ed448Curve{p: new(big.Int).Lsh(one, 448)}
	c.p.Sub(c.p, new(big.Int).Lsh(one, 224)).Sub(c.p, one)
	c.d = new(big.Int).Sub(c.p, big.NewInt(39081))
	c.l = new(big.Int).Lsh(one, 446)
	c.l.Sub(c.l, number("13818066809895115352007386748515426880336692474882178609894547503885"))
	c.base = ed448Point{
		number("224580040295924300187604334099896036246789641632564134246125461686950415467406032909029192869357953282578032075146446173674602635247710"),
		number("298819210078481492676017930443930673437544040154080242095928241372331506189835876003536878655418784733982303233503462500531545062832660"),
		one,
	}
	return c
}

func (c *ed448Curve) mul(a, b *big.Int) *big.Int {
	r := new(big.Int).Mul(a, b)
	return r.Mod(r, c.p)
}

// add is RFC 8032, 5.2.4; it is complete, so it doubles as well.
func (c *ed448Curve) add(p, q ed448Point) ed448Point {
	sum := func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
	sub := func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
	a := c.mul(p.z, q.z)
	b := c.mul(a, a)
	cc, dd := c.mul(p.x, q.x), c.mul(p.y, q.y)
	e := c.mul(c.d, c.mul(cc, dd))
	f, g := sub(b, e), sum(b, e)
	h := c.mul(sum(p.x, p.y), sum(q.x, q.y))
	return ed448Point{c.mul(c.mul(a, f), sub(sub(h, cc), dd)), c.mul(c.mul(a, g), sub(dd, cc)), c.mul(f, g)}
}

func (c *ed448Curve) multiply(k *big.Int, p ed448Point) ed448Point {
	r := ed448Point{new(big.Int), big.NewInt(1), big.NewInt(1)}
	for i := k.BitLen() - 1; i >= 0; i-- {
		r = c.add(r, r)
		if k.Bit(i) == 1 {
			r = c.add(r, p)
		}
	}
	return r
}

func (c *ed448Curve) equal(p, q ed448Point) bool {
	return c.mul(p.x, q.z).Cmp(c.mul(q.x, p.z)) == 0 && c.mul(p.y, q.z).Cmp(c.mul(q.y, p.z)) == 0
}

// decode is RFC 8032, 5.2.3.
func (c *ed448Curve) decode(b []byte) (ed448Point, bool) {
	if len(b) != ed448Size || b[ed448Size-1]&0x7f != 0 {
		return ed448Point{}, false
	}
	y := littleEndian(b[:ed448Size-1])
	if y.Cmp(c.p) >= 0 {
		return ed448Point{}, false
	}
	one := big.NewInt(1)
	yy := c.mul(y, y)
	u := new(big.Int).Sub(yy, one)
	v := c.mul(c.d, yy)
	v.Sub(v, one).Mod(v, c.p)
	square := c.mul(u, new(big.Int).ModInverse(v, c.p)) // v is never 0: d is no square
	x := new(big.Int).Exp(square, new(big.Int).Rsh(new(big.Int).Add(c.p, one), 2), c.p)
	odd := uint(b[ed448Size-1] >> 7)
	if c.mul(x, x).Cmp(square) != 0 || x.Sign() == 0 && odd == 1 {
		return ed448Point{}, false
	}
	if x.Bit(0) != odd {
		x.Sub(c.p, x)
	}
	return ed448Point{x, y, one}, true
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// parseEd448 reads a public key, nil when it is no point of the curve.
func parseEd448(b []byte) *ed448 {
	p, ok := newEd448Curve().decode(b)
	if !ok {
		return nil
	}
	return &ed448{[ed448Size]byte(b), p}
}

// verify is RFC 8032, 5.2.7, without the cofactor.
func (k *ed448) verify(message, sig []byte, prehash bool, context string) bool {
	if len(sig) != 2*ed448Size || len(context) > 255 {
		return false
	}
	c := newEd448Curve()
	r, ok := c.decode(sig[:ed448Size])
	s := littleEndian(sig[ed448Size:])
	if !ok || s.Cmp(c.l) >= 0 {
		return false
	}
	flag := byte(0)
	if prehash {
		flag, message = 1, sha3.SumSHAKE256(message, 64)
	}
	h := sha3.NewSHAKE256()
	for _, part := range [][]byte{[]byte("SigEd448"), {flag, byte(len(context))}, []byte(context), sig[:ed448Size], k.octets[:], message} {
		_, _ = h.Write(part) // never fails
	}
	sum := make([]byte, 2*ed448Size)
	_, _ = h.Read(sum)
	e := littleEndian(sum)
	e.Mod(e, c.l)
	return c.equal(c.multiply(s, c.base), c.add(r, c.multiply(e, k.point)))
}
