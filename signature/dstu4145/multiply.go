package dstu4145

import (
	"math/bits"

	"mist/signature/dstu4145/internal/gf2m"
)

// keyWidth is the window of a key seen for the first time; its table is made
// for one multiplication.
const keyWidth = 5

// maxSignWindows is signWindows of M431.
const maxSignWindows = (64*gf2m.MaxWords + signWidth - 1) / signWidth

// baseMul sets r = k·P for 1 <= k < n in time independent of k.
//
// The scalar is made odd by adding n when it is even and written in signed odd
// digits, so no window is zero and no addition meets infinity. An addition
// could meet plus or minus the accumulator only in the last window and for a
// handful of values of k out of 2^signWidth·n; then the complete additions give
// the result.
func (c *Curve) baseMul(r *point, k *scalar) {
	var e scalar
	odd := -(k[0] & 1)
	var carry uint64
	for i := range e {
		e[i], carry = bits.Add64(k[i], c.order.n[i]&^odd, carry)
	}
	t := c.tables().sign
	windows := c.signWindows()
	var chosen [maxSignWindows]affine
	for w := range windows {
		// digit = (e mod 2^(width+1)) - 2^width, odd, except the last one,
		// which is what remains. After taking a digit the rest is odd again:
		// its bit 0 is always read as 1.
		v := bitsAt(&e, signWidth*w, signWidth+1) | 1
		var neg, mag uint64
		if w == windows-1 {
			mag = v >> 1
		} else {
			neg = v>>signWidth - 1 // all ones when the digit is negative
			mag = (v ^ neg) >> 1 & (signRow - 1)
		}
		c.field.Lookup(&chosen[w], (*[signRow]affine)(t[w*signRow:]), mag)
		chosen[w].L[0] ^= neg & 1
	}
	var p gf2m.Program
	p.Load(0, 0, false)
	for w := 1; w < windows; w++ {
		p.Add(0, w, false)
	}
	c.field.Run(r, &p, c.a, &gf2m.Tables{Affine: [2][]affine{chosen[:]}})
	if r.IsInfinity() {
		r.SetAffine(&chosen[0])
		for w := 1; w < windows; w++ {
			c.field.Add(r, &chosen[w], c.a)
		}
	}
	clear(chosen[:])
}

// doubleMul sets r = s·P + t·Q for s, t in 1..n-1, with the tables of Q when
// there are any. Its timing depends on the scalars: for verification only.
func (c *Curve) doubleMul(r *point, s, t *scalar, q *affine, known *comb) {
	if known != nil {
		c.doubleMulKnown(r, s, t, known)
	} else {
		c.doubleMulNew(r, s, t, q)
	}
	if r.IsInfinity() {
		// True infinity or an exceptional addition, which a signer can arrange.
		c.doubleMulComplete(r, s, t, q)
	}
}

// schedule lays additions out between doublings; the first one loads.
type schedule struct {
	p       gf2m.Program
	started bool
}

func (s *schedule) double() {
	if s.started {
		s.p.Double(1)
	}
}

func (s *schedule) add(table, index int, negate bool) {
	if s.started {
		s.p.Add(table, index, negate)
		return
	}
	s.p.Load(table, index, negate)
	s.started = true
}

func (s *schedule) addStored(index int, negate bool) {
	if s.started {
		s.p.AddStored(index, negate)
		return
	}
	s.p.LoadStored(index, negate)
	s.started = true
}

// doubleMulNew interleaves two non-adjacent forms. The odd multiples of Q are
// made by the same program and stay projective, which saves an inversion.
func (c *Curve) doubleMulNew(r *point, s, t *scalar, q *affine) {
	const basePoint, key = 0, 1
	const odd, twice = 1 << (keyWidth - 2), 1 << (keyWidth - 2) // stored: Q, 3Q, …, then 2Q
	var ds, dt wnafDigits
	ns, nt := ds.wnaf(s, baseWidth), dt.wnaf(t, keyWidth)
	var stored [odd + 1]gf2m.Multiple
	var sch schedule
	sch.p.Load(key, 0, false)
	sch.p.Store(0)
	sch.p.Double(1)
	sch.p.Store(twice)
	sch.p.Load(key, 0, false)
	for i := 1; i < odd; i++ {
		sch.p.AddStored(twice, false)
		sch.p.Store(i)
	}
	for i := max(ns, nt) - 1; i >= 0; i-- {
		sch.double()
		if d := int(dt[i]); d != 0 {
			sch.addStored(max(d, -d)>>1, d < 0)
		}
		if d := int(ds[i]); d != 0 {
			sch.add(basePoint, max(d, -d)>>1, d < 0)
		}
	}
	c.field.Run(r, &sch.p, c.a, &gf2m.Tables{
		Affine: [2][]affine{c.tables().naf, []affine{*q}}, Stored: stored[:],
	})
}

// doubleMulKnown walks two combs of the same shape at once.
func (c *Curve) doubleMulKnown(r *point, s, t *scalar, known *comb) {
	base := c.tables().comb
	var sch schedule
	for j := base.rows - 1; j >= 0; j-- {
		sch.double()
		for part := range combParts {
			if i := base.digit(s, part, j); i >= 0 {
				sch.add(0, i, false)
			}
			if i := known.digit(t, part, j); i >= 0 {
				sch.add(1, i, false)
			}
		}
	}
	c.field.Run(r, &sch.p, c.a, &gf2m.Tables{Affine: [2][]affine{base.table, known.table}})
}

// doubleMulComplete is right for every input and slow.
func (c *Curve) doubleMulComplete(r *point, s, t *scalar, q *affine) {
	*r = point{}
	for i := c.order.bits - 1; i >= 0; i-- {
		c.field.Double(r, r, c.a)
		if s.bit(i) == 1 {
			c.field.Add(r, &c.base, c.a)
		}
		if t.bit(i) == 1 {
			c.field.Add(r, q, c.a)
		}
	}
}
