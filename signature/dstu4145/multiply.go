package dstu4145

import (
	"math/bits"

	"mist/signature/dstu4145/internal/gf2m"
)

const (
	baseWidth = 8 // window of the base point in verification
	keyWidth  = 5 // window of a key seen for the first time
	combWidth = 5 // signed window of the constant-time multiplication
)

// baseTables are the multiples of the base point that a curve keeps.
type baseTables struct {
	naf []affine // odd multiples 1, 3, …, 2^(baseWidth-1)-1
	// comb[w·2^(combWidth-1)+i] = (2i+1)·2^(combWidth·w)·P
	comb []affine
}

func (c *Curve) makeBaseTables() *baseTables {
	t := &baseTables{naf: c.oddMultiples(&c.base, 1<<(baseWidth-2))}
	const row = 1 << (combWidth - 1)
	windows := c.combWindows()
	all := make([]point, 0, row*windows)
	p := c.base
	for range windows {
		var q, twice point
		q.setAffine(&p)
		c.double(&twice, &q)
		var d [1]affine
		c.normalize(d[:], []point{twice})
		for i := range row {
			if i > 0 {
				c.add(&q, &d[0])
			}
			all = append(all, q)
		}
		// 2^combWidth·P = (2^combWidth - 1)·P + P
		c.add(&q, &p)
		c.normalize(d[:], []point{q})
		p = d[0]
	}
	t.comb = make([]affine, len(all))
	c.normalize(t.comb, all)
	return t
}

// combWindows is the number of signed windows of a scalar made odd by adding
// n, hence up to one bit longer than n.
func (c *Curve) combWindows() int { return (c.order.bits + 1 + combWidth - 1) / combWidth }

// oddMultiples returns p, 3p, 5p, … (count of them).
func (c *Curve) oddMultiples(p *affine, count int) []affine {
	pts := make([]point, count)
	var twice [1]point
	var d [1]affine
	pts[0].setAffine(p)
	c.double(&twice[0], &pts[0])
	c.normalize(d[:], twice[:])
	for i := 1; i < count; i++ {
		pts[i] = pts[i-1]
		c.add(&pts[i], &d[0])
	}
	out := make([]affine, count)
	c.normalize(out, pts)
	return out
}

// baseMul sets r = k·P for 1 <= k < n in time independent of k.
//
// The scalar is made odd by adding n when it is even and written in signed odd
// digits, so no window is zero and no addition meets infinity. An addition
// could meet equal points only in the last window and for a handful of values
// of k out of 2^combWidth·n; add would still be right for them.
func (c *Curve) baseMul(r *point, k *scalar) {
	const row = 1 << (combWidth - 1)
	var e scalar
	odd := -(k[0] & 1)
	var carry uint64
	for i := range e {
		e[i], carry = bits.Add64(k[i], c.order.n[i]&^odd, carry)
	}
	t := c.tables()
	windows := c.combWindows()
	for w := range windows {
		// digit = (e mod 2^(width+1)) - 2^width, odd, except the last one,
		// which is what remains. After taking a digit the rest is odd again:
		// its bit 0 is always read as 1.
		bit := combWidth * w
		v := bitsAt(&e, bit, combWidth+1) | 1
		var neg, mag uint64
		if w == windows-1 {
			mag = v >> 1
		} else {
			neg = v>>combWidth - 1 // all ones when the digit is negative
			mag = ((v ^ neg) >> 1) & (row - 1)
		}
		var q affine
		selectAffine(&q, t.comb[w*row:(w+1)*row], mag, c.field.Words())
		q.l[0] ^= neg & 1
		if w == 0 {
			r.setAffine(&q)
			continue
		}
		c.add(r, &q)
	}
}

// bitsAt returns n bits of s from bit i on.
func bitsAt(s *scalar, i, n int) uint64 {
	w, sh := i>>6, uint(i&63)
	if w >= len(s) {
		return 0
	}
	v := s[w] >> sh
	if w+1 < len(s) {
		v |= s[w+1] << 1 << (63 - sh)
	}
	return v & (1<<n - 1)
}

// selectAffine sets q = table[i], reading all of the table.
func selectAffine(q *affine, table []affine, i uint64, words int) {
	*q = affine{}
	for j := range table {
		d := uint64(j) ^ i
		mask := (d - 1) &^ d >> 63 // 1 when d = 0
		mask = -mask
		for k := range words {
			q.x[k] |= table[j].x[k] & mask
			q.l[k] |= table[j].l[k] & mask
		}
	}
}

// wnaf writes the width-w non-adjacent form of k into digits and returns its
// length. Its timing depends on k.
func wnaf(digits *[64*gf2m.MaxWords + 1]int8, k *scalar, width int) int {
	n, length := k.bitLen(), 0
	var carry uint64
	for i := 0; i <= n; {
		if bitsAt(k, i, 1) == carry {
			digits[i] = 0
			i++
			continue
		}
		v := bitsAt(k, i, width) + carry
		carry = v >> (width - 1) & 1
		digits[i] = int8(int64(v) - int64(carry<<width))
		length = i + 1
		for j := i + 1; j < i+width && j <= n; j++ {
			digits[j] = 0
		}
		i += width
	}
	return length
}

// doubleMul sets r = s·P + t·q, the interleaved method. Its timing depends on
// the scalars: for verification only.
func (c *Curve) doubleMul(r *point, s, t *scalar, q *affine) {
	var ds, dt [64*gf2m.MaxWords + 1]int8
	ns, nt := wnaf(&ds, s, baseWidth), wnaf(&dt, t, keyWidth)
	base := c.tables().naf
	key := c.oddMultiples(q, 1<<(keyWidth-2))
	*r = point{}
	for i := max(ns, nt) - 1; i >= 0; i-- {
		c.double(r, r)
		if i < ns && ds[i] != 0 {
			c.addDigit(r, base, ds[i])
		}
		if i < nt && dt[i] != 0 {
			c.addDigit(r, key, dt[i])
		}
	}
}

func (c *Curve) addDigit(r *point, odd []affine, d int8) {
	if d > 0 {
		c.add(r, &odd[d>>1])
		return
	}
	var q affine
	q.neg(&odd[-d>>1])
	c.add(r, &q)
}
