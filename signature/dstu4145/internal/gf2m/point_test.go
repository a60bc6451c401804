package gf2m

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// affineOf returns p, not infinity, with Z = 1.
func (f *Field) affineOf(p *Point) Affine {
	var d [1]Affine
	f.Normalize(d[:], []Point{*p})
	return d[0]
}

// TestProgram compares programs run by each implementation with the complete
// formulas. Arbitrary (x, λ) with x ≠ 0 lies on the curve with the matching b,
// on which the formulas do not depend.
func TestProgram(t *testing.T) {
	for _, impl := range Available() {
		for _, p := range [][]int{{257, 12}, {431, 5, 3, 1}, {163, 7, 6, 3}} {
			t.Run(fmt.Sprintf("M%d/%s", p[0], impl), func(t *testing.T) {
				f := New(impl, p[0], p[1:]...)
				a := uint64(1)
				if p[0] == 257 {
					a = 0
				}
				r := rand.New(rand.NewPCG(5, uint64(f.m)))
				for range 200 {
					g := Affine{f.random(r), f.random(r)}
					if g.X.IsZero() {
						continue
					}
					f.checkProgram(t, r, &g, a)
				}
			})
		}
	}
}

// checkProgram runs random steps on multiples of g.
func (f *Field) checkProgram(t *testing.T, r *rand.Rand, g *Affine, a uint64) {
	t.Helper()
	multiples := make([]Affine, 40) // 1·g, 2·g, …
	var pt Point
	pt.SetAffine(g)
	for i := range multiples {
		if i > 0 {
			f.Add(&pt, g, a)
		}
		if pt.IsInfinity() {
			return // g has a small order on its curve
		}
		multiples[i] = f.affineOf(&pt)
	}
	var prog Program
	kept := make([]Multiple, 3)
	var want Point
	neg := r.IntN(2) == 1
	prog.Load(1, 7, neg)
	want.SetAffine(&multiples[7])
	if neg {
		want.L.Add(&want.L, &want.Z)
	}
	var saved Affine
	have := false
	for range 12 {
		n := r.IntN(3)
		prog.Double(n)
		for range n {
			f.Double(&want, &want, a)
		}
		at := r.IntN(len(multiples))
		q := multiples[at]
		neg := r.IntN(2) == 1
		if want.IsInfinity() {
			return
		}
		switch r.IntN(3) {
		case 0:
			prog.Store(2)
			saved, have = f.affineOf(&want), true
			prog.Double(1)
			f.Double(&want, &want, a)
		case 1:
			prog.Add(1, at, neg)
			if neg {
				q.Neg(&q)
			}
			if f.IsEqual(&want, &q) {
				return
			}
			f.Add(&want, &q, a)
		case 2:
			if !have {
				continue
			}
			prog.AddStored(2, neg)
			q := saved
			if neg {
				q.Neg(&q)
			}
			if f.IsEqual(&want, &q) {
				return
			}
			f.Add(&want, &q, a)
		}
	}
	var got Point
	f.Run(&got, &prog, a, &Tables{Affine: [2][]Affine{nil, multiples}, Stored: kept})
	if want.IsInfinity() {
		require.True(t, got.IsInfinity())
		return
	}
	require.Equal(t, f.affineOf(&want), f.affineOf(&got))
}
