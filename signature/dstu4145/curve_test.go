package dstu4145

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/dstu4145/internal/gf2m"
	"mist/signature/gost34311"
)

// forEachCurve runs f for every curve and every implementation with code for
// it.
func forEachCurve(t *testing.T, f func(t *testing.T, c *Curve)) {
	t.Helper()
	for _, impl := range gf2m.Available() {
		for _, c := range newCurves(impl) {
			if impl != gf2m.Portable && c.BitSize() != 257 && c.BitSize() != 431 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", c.Name(), impl), func(t *testing.T) { f(t, c) })
		}
	}
}

// onCurve checks y² + xy = x³ + ax² + b.
func onCurve(c *Curve, p *affine) bool {
	f := c.field
	y, l, r := p.L, p.X, p.X
	y.Add(&y, &p.X)
	f.Mul(&y, &y, &p.X)
	f.Mul(&l, &p.X, &y)
	f.Square(&y, &y)
	l.Add(&l, &y)
	f.Square(&r, &p.X)
	xx := r
	f.Mul(&r, &r, &p.X)
	if c.a == 1 {
		r.Add(&r, &xx)
	}
	r.Add(&r, &c.b)
	return l == r
}

func (c *Curve) key(t *testing.T, d *big.Int) *PrivateKey {
	t.Helper()
	b := d.Bytes()
	slices.Reverse(b)
	var s scalar
	require.True(t, c.order.setBytes(&s, b))
	return newPrivateKey(keyParams{curve: c, sbox: gost34311.DefaultSBox()}, &s)
}

func (c *Curve) bigOrder() *big.Int { return new(big.Int).SetBytes(c.orderBytes()) }

func TestBasePoint(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		require.True(t, onCurve(c, &c.base))
		// (n-1)·P is -P, one more P is infinity.
		var r point
		minusOne := c.order.n
		minusOne[0]--
		zero, one := scalar{}, scalar{1}
		c.doubleMulComplete(&r, &minusOne, &zero, &c.base)
		var neg affine
		neg.Neg(&c.base)
		require.True(t, c.field.IsEqual(&r, &neg))
		c.doubleMulComplete(&r, &minusOne, &one, &c.base)
		require.True(t, r.IsInfinity())
	})
}

// TestOrderOracle compares the arithmetic modulo n with math/big.
func TestOrderOracle(t *testing.T) {
	for _, c := range curves {
		t.Run(c.Name(), func(t *testing.T) {
			n := c.bigOrder()
			r := mathrand.New(mathrand.NewPCG(1, 2))
			draw := func() (scalar, *big.Int) {
				v := new(big.Int)
				switch r.IntN(4) {
				case 0:
					v.Sub(n, big.NewInt(1+r.Int64N(3)))
				case 1:
					v.SetInt64(r.Int64N(3))
				default:
					for range 8 {
						v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(r.Uint64()))
					}
					v.Mod(v, n)
				}
				var s scalar
				for i, w := range v.Bits() {
					s[i] = uint64(w)
				}
				return s, v
			}
			toBig := func(s *scalar) *big.Int { return elementToBig((*gf2m.Element)(s)) }
			for range 300 {
				x, bx := draw()
				y, by := draw()
				var z scalar
				c.order.mul(&z, &x, &y)
				require.Equal(t, new(big.Int).Mod(new(big.Int).Mul(bx, by), n).String(), toBig(&z).String())
				c.order.add(&z, &x, &y)
				require.Equal(t, new(big.Int).Mod(new(big.Int).Add(bx, by), n).String(), toBig(&z).String())
			}
		})
	}
}

// smallScalars are values whose multiples meet in the ladder and the combs:
// every kind of exceptional addition occurs among them.
func (c *Curve) smallScalars() []*big.Int {
	n := c.bigOrder()
	var out []*big.Int
	for i := int64(1); i <= 9; i++ {
		out = append(out, big.NewInt(i), new(big.Int).Sub(n, big.NewInt(i)))
	}
	for _, bit := range []uint{5, 10, 31, 32, 64, uint(n.BitLen() - 2)} {
		p := new(big.Int).Lsh(big.NewInt(1), bit)
		out = append(out, p, new(big.Int).Sub(n, p), new(big.Int).Add(p, big.NewInt(1)))
	}
	return out
}

// TestBaseMul compares the constant-time multiplication with the complete one.
func TestBaseMul(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		ks := c.smallScalars()
		for range 20 {
			k, err := rand.Int(rand.Reader, new(big.Int).Sub(c.bigOrder(), big.NewInt(1)))
			require.NoError(t, err)
			ks = append(ks, k.Add(k, big.NewInt(1)))
		}
		for _, k := range ks {
			key := c.key(t, k)
			var want, zero = point{}, scalar{}
			c.doubleMulComplete(&want, &key.d, &zero, &c.base)
			var neg affine
			neg.Neg(&key.pub.q)
			require.True(t, c.field.IsEqual(&want, &neg), "k = %x", k)
		}
	})
}

// TestDoubleMulExceptional multiplies points whose multiples coincide with
// those of the base point, by both methods.
func TestDoubleMulExceptional(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		small := c.smallScalars()
		r := mathrand.New(mathrand.NewPCG(11, uint64(c.BitSize())))
		pick := func() *big.Int { return small[r.IntN(len(small))] }
		for range 6 {
			d := pick()
			q := c.key(t, d).pub.q
			known := c.makeComb(&q)
			for i := range 12 {
				s, r := pick(), pick()
				if i == 0 {
					s, r = d, big.NewInt(1) // s·P + r·Q is infinity, Q being -d·P
				}
				ks, kr := c.key(t, s).d, c.key(t, r).d
				var want, fresh, comb point
				c.doubleMulComplete(&want, &ks, &kr, &q)
				c.doubleMul(&fresh, &ks, &kr, &q, nil)
				c.doubleMul(&comb, &ks, &kr, &q, known)
				if want.IsInfinity() {
					require.True(t, fresh.IsInfinity(), "d=%x s=%x r=%x", d, s, r)
					require.True(t, comb.IsInfinity(), "d=%x s=%x r=%x", d, s, r)
					continue
				}
				var w [1]affine
				c.field.Normalize(w[:], []point{want})
				require.True(t, c.field.IsEqual(&fresh, &w[0]), "d=%x s=%x r=%x", d, s, r)
				require.True(t, c.field.IsEqual(&comb, &w[0]), "d=%x s=%x r=%x", d, s, r)
			}
		}
	})
}

func TestSignVerify(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		o := newOracle(c)
		for i, size := range []int{32, 1, 20, 48, 64} {
			key, err := GenerateKey(c, rand.Reader)
			require.NoError(t, err)
			require.True(t, onCurve(c, &key.pub.q))
			digest := make([]byte, size)
			if i > 0 { // the first digest is zero, which stands for one
				rand.Read(digest)
			}
			sig, err := Sign(rand.Reader, key, digest)
			require.NoError(t, err)
			require.Len(t, sig, c.SignatureSize())
			pub := key.PublicKey()
			if c.BitSize() < 300 || size == 32 {
				require.True(t, o.verify(o.point(c, &pub.q), digest, sig), "oracle")
			}
			for range 2 { // new key, then known
				require.True(t, Verify(pub, digest, sig))
				require.True(t, Verify(pub, digest, appendTLV(nil, tagOctetString, sig)))
				reversed := slices.Clone(sig)
				slices.Reverse(reversed)
				require.True(t, VerifyBigEndian(pub, digest, reversed))
				require.False(t, Verify(pub, digest, reversed))
				for _, at := range []int{0, 3, len(sig)/2 - 2, len(sig) / 2, len(sig) - 2} {
					bad := slices.Clone(sig)
					bad[at] ^= 1
					require.False(t, Verify(pub, digest, bad))
				}
				bad := slices.Clone(digest)
				bad[0] ^= 2
				require.False(t, Verify(pub, bad, sig))
				pub.Precompute()
			}
		}
	})
}

// TestMatchesCountsHighBits changes the bits of h·x(R) that r does not keep:
// the comparison without inversion must still hold r to all of its bits.
func TestMatchesCountsHighBits(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		key, err := GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		digest := sha256.Sum256([]byte(c.Name()))
		sig, err := Sign(rand.Reader, key, digest[:])
		require.NoError(t, err)
		require.True(t, Verify(key.PublicKey(), digest[:], sig))
		half := len(sig) / 2
		for bit := range 8 * half {
			bad := slices.Clone(sig)
			bad[bit/8] ^= 1 << (bit % 8)
			require.False(t, Verify(key.PublicKey(), digest[:], bad), "bit %d of r", bit)
		}
	})
}

func TestSubgroup(t *testing.T) {
	forEachCurve(t, func(t *testing.T, c *Curve) {
		r := mathrand.New(mathrand.NewPCG(7, uint64(c.BitSize())))
		inside, outside := 0, 0
		for range 40 {
			var x gf2m.Element
			for i := range c.field.Words() {
				x[i] = r.Uint64()
			}
			x[c.field.Words()-1] &= 1<<(c.BitSize()%64) - 1
			var p affine
			ok := c.expand(&p, &x)
			if !ok {
				outside++
				continue
			}
			inside++
			require.True(t, onCurve(c, &p))
			require.Equal(t, x, c.compress(&p))
			// n·p is infinity, by the definition of the subgroup.
			var q point
			for i := c.order.bits - 1; i >= 0; i-- {
				c.field.Double(&q, &q, c.a)
				if c.order.n.bit(i) == 1 {
					c.field.Add(&q, &p, c.a)
				}
			}
			require.True(t, q.IsInfinity())
		}
		require.NotZero(t, inside)
		require.NotZero(t, outside)
	})
}

// TestSubgroupRefusesCosets makes points on the curve and outside the subgroup
// and checks that their compressed form never comes back as themselves.
func TestSubgroupRefusesCosets(t *testing.T) {
	o := newOracle(M257())
	// (0, √b) has order two; its sum with a point of the subgroup is on the
	// curve, has the right trace and the wrong order.
	c := M257()
	var root gf2m.Element
	c.field.SquareN(&root, &c.b, c.BitSize()-1)
	two := bigPoint{new(big.Int), elementToBig(&root)}
	require.Nil(t, o.add(two, two).x)
	refused := 0
	for i := int64(1); i <= 20; i++ {
		p := o.add(o.multiply(big.NewInt(i), bigPoint{o.x, o.y}), two)
		require.NotNil(t, o.multiply(o.n, p).x, "outside the subgroup")
		var x, z gf2m.Element
		setBig(&x, p.x)
		setBig(&z, o.mul(p.y, o.inverse(p.x)))
		require.Equal(t, c.a, c.field.Trace(&x), "the trace alone does not tell")
		x[0] = x[0]&^1 | c.field.Trace(&z)
		var got affine
		require.False(t, c.expand(&got, &x))
		refused++
	}
	require.Equal(t, 20, refused)
}

func setBig(e *gf2m.Element, v *big.Int) {
	*e = gf2m.Element{}
	for i, w := range v.Bits() {
		e[i] = uint64(w)
	}
}

func TestKeyEncodings(t *testing.T) {
	for _, c := range curves {
		t.Run(c.Name(), func(t *testing.T) {
			key, err := GenerateKey(c, rand.Reader)
			require.NoError(t, err)
			spki, err := key.PublicKey().MarshalPKIX()
			require.NoError(t, err)
			pub, err := ParsePKIXPublicKey(spki)
			require.NoError(t, err)
			require.True(t, pub.Equal(key.PublicKey()))
			require.True(t, pub.SBox().Equal(gost34311.DefaultSBox()))
			p8, err := key.MarshalPKCS8()
			require.NoError(t, err)
			again, err := ParsePKCS8PrivateKey(p8)
			require.NoError(t, err)
			require.True(t, again.Equal(key))
			for _, bigEndian := range []bool{false, true} {
				full := explicitKey(c, pub, bigEndian)
				got, err := ParsePKIXPublicKey(full)
				require.NoError(t, err)
				require.True(t, got.Equal(pub))
				require.Equal(t, bigEndian, got.BigEndian())
			}
		})
	}
}

// explicitKey writes a SubjectPublicKeyInfo with the curve in full.
func explicitKey(c *Curve, k *PublicKey, bigEndian bool) []byte {
	integer := func(v *big.Int) []byte {
		b := v.Bytes()
		if len(b) == 0 || b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return appendTLV(nil, tagInteger, b)
	}
	element := func(e *gf2m.Element) []byte {
		b := c.field.AppendBytes(nil, e)
		if bigEndian {
			slices.Reverse(b)
		}
		return appendTLV(nil, tagOctetString, b)
	}
	exps := c.field.Exponents()
	poly := integer(big.NewInt(int64(exps[0])))
	if len(exps) == 3 {
		poly = appendTLV(nil, tagSequence, integer(big.NewInt(int64(exps[2]))), integer(big.NewInt(int64(exps[1]))), integer(big.NewInt(int64(exps[0]))))
	}
	base := c.compress(&c.base)
	x := c.compress(&k.q)
	ec := appendTLV(nil, tagSequence,
		appendTLV(nil, tagSequence, integer(big.NewInt(int64(c.BitSize()))), poly),
		integer(big.NewInt(int64(c.a))), element(&c.b), integer(c.bigOrder()), element(&base))
	oid := OIDSignatureGOST34311LE
	if bigEndian {
		oid = OIDSignatureGOST34311BE
	}
	return appendTLV(nil, tagSequence,
		appendTLV(nil, tagSequence, marshalOID(oid), appendTLV(nil, tagSequence, ec)),
		appendTLV(nil, tagBitString, []byte{0}, element(&x)))
}

// TestPrivateKeyForms reads the same key in each of the forms that occur.
func TestPrivateKeyForms(t *testing.T) {
	c := M257()
	d := new(big.Int).SetBytes(bytes.Repeat([]byte{0x5a}, 31))
	key := c.key(t, d)
	le := d.Bytes()
	slices.Reverse(le)
	point := append([]byte{0}, key.pub.KeyIdentifierInput()...)
	other := append([]byte{0}, c.key(t, big.NewInt(5)).pub.KeyIdentifierInput()...)
	params := key.pub.params.appendAlgorithm(nil)
	bare := appendTLV(nil, tagSequence, marshalOID(OIDSignatureGOST34311LE), marshalOID(c.oid))
	ec := func(extra ...[]byte) []byte {
		return appendTLV(nil, tagSequence, append([][]byte{{tagInteger, 1, 1}, appendTLV(nil, tagOctetString, append([]byte{0}, d.Bytes()...))}, extra...)...)
	}
	info := func(alg, key []byte, rest ...[]byte) []byte {
		return appendTLV(nil, tagSequence, append([][]byte{{tagInteger, 1, 0}, alg, appendTLV(nil, tagOctetString, key)}, rest...)...)
	}
	for name, b := range map[string][]byte{
		"ECPrivateKey":                 info(params, ec()),
		"ECPrivateKey, curve as OID":   info(bare, ec()),
		"ECPrivateKey with public key": info(bare, ec(appendTLV(nil, tagContext0, marshalOID(c.oid)), appendTLV(nil, tagContext1, appendTLV(nil, tagBitString, point)))),
		"INTEGER":                      info(params, appendTLV(nil, tagInteger, d.Bytes())),
		"bytes":                        info(params, append(slices.Clone(le), 0)),
		"padded bytes and attributes":  info(params, append(slices.Clone(le), 0, 0, 0, 0, 0), []byte{tagContext0, 0}),
	} {
		got, err := ParsePKCS8PrivateKey(b)
		require.NoError(t, err, name)
		require.True(t, got.Equal(key), name)
	}
	_, err := ParsePKCS8PrivateKey(info(bare, ec(appendTLV(nil, tagContext1, appendTLV(nil, tagBitString, other)))))
	require.ErrorContains(t, err, "does not belong to the private key")
	for name, k := range map[string][]byte{
		"zero":     make([]byte, 32),
		"n":        func() []byte { b := c.orderBytes(); slices.Reverse(b); return b }(),
		"too long": make([]byte, 64),
	} {
		_, err := ParsePKCS8PrivateKey(info(params, k))
		require.ErrorIs(t, err, ErrScalar, name)
	}
}

func TestParseErrors(t *testing.T) {
	key, err := GenerateKey(M257(), rand.Reader)
	require.NoError(t, err)
	good, err := key.PublicKey().MarshalPKIX()
	require.NoError(t, err)
	_, err = ParsePKIXPublicKey(good)
	require.NoError(t, err)
	full := explicitKey(M257(), key.PublicKey(), false)
	_, err = ParsePKIXPublicKey(full)
	require.NoError(t, err)

	replace := func(b, old, new []byte) []byte {
		require.Equal(t, 1, bytes.Count(b, old))
		return bytes.Replace(b, old, new, 1)
	}
	flip := func(b, part []byte) []byte {
		c := slices.Clone(part)
		c[len(c)/2] ^= 1
		return replace(b, part, c)
	}
	c := M257()
	base := c.compress(&c.base)
	for _, tc := range []struct {
		name  string
		in    []byte
		field string
		err   error
	}{
		{"empty", nil, "subjectPublicKeyInfo", ErrEncoding},
		{"ten megabytes", make([]byte, 10<<20), "subjectPublicKeyInfo", ErrTooLarge},
		{"truncated", good[:len(good)-1], "subjectPublicKeyInfo", ErrEncoding},
		{"trailing byte", append(slices.Clone(good), 0), "subjectPublicKeyInfo", ErrEncoding},
		{"indefinite length", append([]byte{0x30, 0x80}, good[2:]...), "subjectPublicKeyInfo", ErrEncoding},
		{"another algorithm", replace(good, marshalOID(OIDSignatureGOST34311LE), marshalOID([]int{1, 2, 804, 2, 1, 1, 1, 1, 3, 1, 2})), "subjectPublicKeyInfo.algorithm.algorithm", ErrAlgorithm},
		{"unknown named curve", replace(good, marshalOID(c.oid), marshalOID([]int{1, 2, 804, 2, 1, 1, 1, 1, 3, 1, 1, 2, 10})), "subjectPublicKeyInfo.algorithm.parameters.namedCurve", ErrCurve},
		{"broken S-box", flip(good, gost34311.DefaultSBox().Packed()), "subjectPublicKeyInfo.algorithm.parameters.dke", gost34311.ErrSBoxRow},
		{"other b", flip(full, c.field.AppendBytes(nil, &c.b)), "subjectPublicKeyInfo.algorithm.parameters.ecbinary.b", ErrCurve},
		{"other n", flip(full, c.orderBytes()), "subjectPublicKeyInfo.algorithm.parameters.ecbinary.n", ErrCurve},
		{"other base point", flip(full, c.field.AppendBytes(nil, &base)), "subjectPublicKeyInfo.algorithm.parameters.ecbinary.bp", ErrCurve},
		{"other field", replace(full, []byte{tagInteger, 2, 1, 1, tagInteger, 1, 12}, []byte{tagInteger, 2, 1, 1, tagInteger, 1, 13}), "subjectPublicKeyInfo.algorithm.parameters.ecbinary.f", ErrCurve},
		{"other a", replace(full, []byte{tagInteger, 1, 12, tagInteger, 1, 0}, []byte{tagInteger, 1, 12, tagInteger, 1, 1}), "subjectPublicKeyInfo.algorithm.parameters.ecbinary.a", ErrCurve},
		{"point at zero", replace(good, key.pub.CompressedPoint(), make([]byte, 33)), "subjectPublicKeyInfo.subjectPublicKey.octets", ErrPoint},
		{"coordinate too large", replace(good, key.pub.CompressedPoint(), bytes.Repeat([]byte{0xff}, 33)), "subjectPublicKeyInfo.subjectPublicKey.octets", ErrPoint},
	} {
		_, err := ParsePKIXPublicKey(tc.in)
		var pe *ParseError
		require.True(t, errors.As(err, &pe), "%s: %v", tc.name, err)
		require.Equal(t, tc.field, pe.Field, tc.name)
		require.ErrorIs(t, err, tc.err, tc.name)
	}
}

func TestKeyCache(t *testing.T) {
	_, err := NewKeyCache(0)
	require.Error(t, err)
	cache, err := NewKeyCache(2)
	require.NoError(t, err)
	var spki [3][]byte
	for i := range spki {
		k, err := GenerateKey(M257(), rand.Reader)
		require.NoError(t, err)
		spki[i], err = k.PublicKey().MarshalPKIX()
		require.NoError(t, err)
	}
	first, err := cache.ParsePKIXPublicKey(spki[0])
	require.NoError(t, err)
	for i := 2; i <= precomputeAt; i++ {
		require.Nil(t, first.known.Load())
		again, err := cache.ParsePKIXPublicKey(spki[0])
		require.NoError(t, err)
		require.Same(t, first, again)
	}
	require.NotNil(t, first.known.Load())
	for _, b := range spki {
		_, err := cache.ParsePKIXPublicKey(b)
		require.NoError(t, err)
	}
	require.Equal(t, 2, cache.Len())
	again, err := cache.ParsePKIXPublicKey(spki[0])
	require.NoError(t, err)
	require.NotSame(t, first, again)
	_, err = cache.ParsePKIXPublicKey(spki[0][1:])
	require.Error(t, err)
}

func TestSigner(t *testing.T) {
	key, err := GenerateKey(M257(), rand.Reader)
	require.NoError(t, err)
	digest := sha256.Sum256(nil)
	_, err = key.Sign(rand.Reader, digest[:], nil)
	require.NoError(t, err)
	_, err = Sign(rand.Reader, key, nil)
	require.Error(t, err)
	_, err = Sign(rand.Reader, key, make([]byte, 65))
	require.Error(t, err)
	_, err = Sign(bytes.NewReader(nil), key, digest[:])
	require.Error(t, err)
	// The same randomness on two digests must not give the same one-time key.
	zero := func() *bytes.Reader { return bytes.NewReader(make([]byte, 32)) }
	a, err := Sign(zero(), key, digest[:])
	require.NoError(t, err)
	digest[0] ^= 1
	b, err := Sign(zero(), key, digest[:])
	require.NoError(t, err)
	require.NotEqual(t, a[:32], b[:32])
}

func TestVerifyDoesNotAllocate(t *testing.T) {
	for _, c := range []*Curve{M257(), M431()} {
		key, err := GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		digest := sha256.Sum256(nil)
		sig, err := Sign(rand.Reader, key, digest[:])
		require.NoError(t, err)
		pub := key.PublicKey()
		for range 2 {
			require.Zero(t, testing.AllocsPerRun(20, func() {
				if !Verify(pub, digest[:], sig) {
					panic("refused")
				}
			}))
			pub.Precompute()
		}
	}
}
