package gf2m

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// standard lists the reduction polynomials of the ten curves.
var standard = [][]int{
	{163, 7, 6, 3}, {167, 6}, {173, 10, 2, 1}, {179, 4, 2, 1}, {191, 9},
	{233, 9, 4, 1}, {257, 12}, {307, 8, 4, 2}, {367, 21}, {431, 5, 3, 1},
}

// forEachField runs f for every field and every implementation that has code
// for it.
func forEachField(t *testing.T, f func(t *testing.T, field *Field)) {
	t.Helper()
	for _, impl := range Available() {
		for _, p := range standard {
			if impl != Portable && p[0] != 257 && p[0] != 431 {
				continue
			}
			t.Run(fmt.Sprintf("M%d/%s", p[0], impl), func(t *testing.T) { f(t, New(impl, p[0], p[1:]...)) })
		}
	}
}

// TestImplementations fails where the processor can run the assembly and the
// package would not.
func TestImplementations(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip("no /proc/cpuinfo to compare with")
	}
	has := func(flags ...string) bool {
		for line := range strings.Lines(string(info)) {
			if strings.HasPrefix(line, "flags") {
				for _, f := range flags {
					if !strings.Contains(line+" ", " "+f+" ") {
						return false
					}
				}
				return true
			}
		}
		return false
	}
	want := []Impl{Portable}
	if assemblyBuilt && has("pclmulqdq", "avx", "avx2") {
		want = append(want, CLMUL)
		if has("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_vbmi2", "vpclmulqdq") {
			want = append(want, Vector)
		}
	}
	require.Equal(t, want, Available())
}

func (f *Field) random(r *rand.Rand) Element {
	var e Element
	for i := range f.words {
		switch r.IntN(8) { // edge limbs as well as random ones
		case 0:
			e[i] = 0
		case 1:
			e[i] = ^uint64(0)
		case 2:
			e[i] = 1 << r.IntN(64)
		case 3:
			e[i] = ^uint64(0) << r.IntN(64)
		default:
			e[i] = r.Uint64()
		}
	}
	e[f.words-1] &= 1<<(f.m&63) - 1
	return e
}

func toBig(e *Element) *big.Int {
	v := new(big.Int)
	for i := len(e) - 1; i >= 0; i-- {
		v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(e[i]))
	}
	return v
}

func (f *Field) modulus() *big.Int {
	p := new(big.Int).SetBit(new(big.Int), f.m, 1)
	for _, k := range f.exps {
		p.SetBit(p, k, 1)
	}
	return p
}

// oracleMul multiplies polynomials bit by bit.
func (f *Field) oracleMul(x, y *big.Int) *big.Int {
	z, p := new(big.Int), f.modulus()
	for i := range f.m {
		if y.Bit(i) == 1 {
			z.Xor(z, new(big.Int).Lsh(x, uint(i)))
		}
	}
	for i := 2 * f.m; i >= f.m; i-- {
		if z.Bit(i) == 1 {
			z.Xor(z, new(big.Int).Lsh(p, uint(i-f.m)))
		}
	}
	return z
}

func TestMulOracle(t *testing.T) {
	forEachField(t, func(t *testing.T, f *Field) {
		r := rand.New(rand.NewPCG(1, uint64(f.m)))
		for range 300 {
			x, y := f.random(r), f.random(r)
			var z, s Element
			f.Mul(&z, &x, &y)
			require.Equal(t, f.oracleMul(toBig(&x), toBig(&y)), toBig(&z), "%x * %x", x, y)
			f.Square(&s, &x)
			require.Equal(t, f.oracleMul(toBig(&x), toBig(&x)), toBig(&s), "%x squared", x)
			n := 1 + r.IntN(9)
			f.SquareN(&s, &x, n)
			want := x
			for range n {
				f.Mul(&want, &want, &want)
			}
			require.Equal(t, want, s)
		}
	})
}

// TestEdgeLimbs multiplies every pair of elements whose words are all zeros,
// all ones or one bit at an end.
func TestEdgeLimbs(t *testing.T) {
	forEachField(t, func(t *testing.T, f *Field) {
		edges := []Element{{}, {1}}
		for _, w := range []uint64{^uint64(0), 1 << 63, 1} {
			for i := range f.words {
				e := Element{}
				e[i] = w
				edges = append(edges, e)
				for j := range i {
					e[j] = ^uint64(0)
				}
				edges = append(edges, e)
			}
		}
		for i := range edges {
			edges[i][f.words-1] &= 1<<(f.m&63) - 1
		}
		for i := range edges {
			for j := range i + 1 {
				var z Element
				f.Mul(&z, &edges[i], &edges[j])
				require.Equal(t, f.oracleMul(toBig(&edges[i]), toBig(&edges[j])), toBig(&z), "%x * %x", edges[i], edges[j])
			}
		}
	})
}

func TestLaws(t *testing.T) {
	forEachField(t, func(t *testing.T, f *Field) {
		r := rand.New(rand.NewPCG(2, uint64(f.m)))
		for range 100 {
			x, y, z := f.random(r), f.random(r), f.random(r)
			var a, b, c Element
			f.Mul(&a, &x, &y)
			f.Mul(&b, &y, &x)
			require.Equal(t, a, b, "commutative")
			f.Mul(&a, &a, &z)
			f.Mul(&b, &y, &z)
			f.Mul(&b, &x, &b)
			require.Equal(t, a, b, "associative")
			a.Add(&y, &z)
			f.Mul(&a, &x, &a)
			f.Mul(&b, &x, &y)
			f.Mul(&c, &x, &z)
			b.Add(&b, &c)
			require.Equal(t, a, b, "distributive")
			a.Add(&x, &y)
			f.Square(&a, &a)
			f.Square(&b, &x)
			f.Square(&c, &y)
			b.Add(&b, &c)
			require.Equal(t, a, b, "squaring is linear")
			if !x.IsZero() {
				f.Invert(&a, &x)
				f.Mul(&a, &a, &x)
				require.Equal(t, Element{1}, a, "inverse")
			}
			f.SquareN(&a, &x, f.m)
			require.Equal(t, x, a, "x^(2^m) = x")

			f.Square(&a, &x)
			require.Equal(t, f.Trace(&x), f.Trace(&a), "the trace of a square")
			tr := x
			sum := x
			for range f.m - 1 {
				f.Square(&tr, &tr)
				sum.Add(&sum, &tr)
			}
			require.Equal(t, Element{f.Trace(&x)}, sum, "trace")
			f.HalfTrace(&a, &x)
			f.Square(&b, &a)
			b.Add(&b, &a)
			b[0] ^= f.Trace(&x)
			require.Equal(t, x, b, "half-trace")
		}
		var zero, inv Element
		f.Invert(&inv, &zero)
		require.Equal(t, zero, inv)
	})
}

func TestAliasing(t *testing.T) {
	forEachField(t, func(t *testing.T, f *Field) {
		r := rand.New(rand.NewPCG(3, uint64(f.m)))
		for range 50 {
			x, y := f.random(r), f.random(r)
			var want Element
			f.Mul(&want, &x, &y)
			a := x
			f.Mul(&a, &a, &y)
			require.Equal(t, want, a)
			a = y
			f.Mul(&a, &x, &a)
			require.Equal(t, want, a)
			f.Square(&want, &x)
			a = x
			f.Mul(&a, &a, &a)
			require.Equal(t, want, a)
			a = x
			f.Square(&a, &a)
			require.Equal(t, want, a)
			f.Invert(&want, &x)
			a = x
			f.Invert(&a, &a)
			require.Equal(t, want, a)
			f.HalfTrace(&want, &x)
			a = x
			f.HalfTrace(&a, &a)
			require.Equal(t, want, a)
		}
	})
}

func TestEncoding(t *testing.T) {
	forEachField(t, func(t *testing.T, f *Field) {
		r := rand.New(rand.NewPCG(4, uint64(f.m)))
		for range 20 {
			x := f.random(r)
			b := f.AppendBytes(nil, &x)
			require.Len(t, b, f.Bytes())
			var y Element
			require.True(t, f.SetBytes(&y, b))
			require.Equal(t, x, y)
			require.True(t, f.SetBytes(&y, append(b, 0)))
			require.False(t, f.SetBytes(&y, append(b, 1)))
			b[len(b)-1] |= 0x80 // every degree leaves spare bits in the last byte
			require.False(t, f.SetBytes(&y, b))
			f.SetTruncated(&y, b)
			require.Equal(t, x, y)
		}
	})
}
