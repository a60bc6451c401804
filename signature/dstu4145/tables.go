package dstu4145

import "mist/signature/dstu4145/internal/gf2m"

const (
	// baseWidth is the window of the base point beside a key seen for the first
	// time.
	baseWidth = 10
	// signWidth is the signed window of the constant-time multiplication.
	signWidth = 5
	signRow   = 1 << (signWidth - 1)
	// combTeeth and combParts shape the tables of known points, see comb.
	combTeeth = 8
	combParts = 2
)

// baseTables are the multiples of the base point that a curve keeps.
type baseTables struct {
	naf  []affine // odd multiples 1, 3, …, 2^(baseWidth-1)-1
	comb *comb
	sign []affine // sign[signRow·w + i] = (2i+1)·2^(signWidth·w)·P
}

func (c *Curve) makeBaseTables() *baseTables {
	return &baseTables{
		naf:  c.oddMultiples(&c.base, 1<<(baseWidth-2)),
		comb: c.makeComb(&c.base),
		sign: c.makeSignTable(),
	}
}

// comb holds multiples of a point by scalars with few, evenly spaced bits (Lim
// and Lee, CRYPTO '94). A scalar of at most combTeeth·spacing bits is cut into
// combTeeth rows; column j gathers bit j of every row. The columns are shared
// out to combParts tables of rows columns each, so that only rows-1 doublings
// remain.
type comb struct {
	spacing, rows int
	// table[part·(2^combTeeth - 1) + v - 1] is Σ 2^(spacing·i + rows·part)·Q
	// over the bits i of v.
	table []affine
}

// makeComb takes Q, a point of the subgroup.
func (c *Curve) makeComb(q *affine) *comb {
	t := &comb{spacing: (c.order.bits + combTeeth - 1) / combTeeth}
	t.rows = (t.spacing + combParts - 1) / combParts
	const size = 1<<combTeeth - 1
	pts := make([]point, combParts*size)
	var acc point
	acc.SetAffine(q)
	// The powers 2^(spacing·i + rows·part)·Q in the order of their exponents:
	// rows·part is below spacing.
	at := 0
	for i := range combTeeth {
		for part := range combParts {
			for e := i*t.spacing + t.rows*part; at < e; at++ {
				c.field.Double(&acc, &acc, c.a)
			}
			pts[part*size+1<<i-1] = acc
		}
	}
	single := make([]point, 0, combParts*combTeeth)
	for part := range combParts {
		for i := range combTeeth {
			single = append(single, pts[part*size+1<<i-1])
		}
	}
	powers := make([]affine, len(single))
	c.field.Normalize(powers, single)
	for part := range combParts {
		for i := range combTeeth {
			for low := 1; low < 1<<i; low++ {
				p := pts[part*size+low-1]
				c.field.Add(&p, &powers[part*combTeeth+i], c.a)
				pts[part*size+1<<i+low-1] = p
			}
		}
	}
	t.table = make([]affine, len(pts))
	c.field.Normalize(t.table, pts)
	return t
}

// digit returns the index in the table of column j of part for k, or -1 when
// the column is zero.
func (t *comb) digit(k *scalar, part, j int) int {
	col := t.rows*part + j
	if col >= t.spacing {
		return -1
	}
	var v uint
	for i := range combTeeth {
		if b := t.spacing*i + col; b < 64*len(k) {
			v |= uint(k.bit(b)) << i
		}
	}
	if v == 0 {
		return -1
	}
	return part*(1<<combTeeth-1) + int(v) - 1
}

// makeSignTable makes the rows of signed windows; see baseMul.
func (c *Curve) makeSignTable() []affine {
	windows := c.signWindows()
	all := make([]point, 0, signRow*windows)
	p := c.base
	for range windows {
		var q point
		var twice [1]point
		var d [1]affine
		q.SetAffine(&p)
		c.field.Double(&twice[0], &q, c.a)
		c.field.Normalize(d[:], twice[:])
		for i := range signRow {
			if i > 0 {
				c.field.Add(&q, &d[0], c.a)
			}
			all = append(all, q)
		}
		// 2^signWidth·P = (2^signWidth - 1)·P + P
		c.field.Add(&q, &p, c.a)
		c.field.Normalize(d[:], []point{q})
		p = d[0]
	}
	out := make([]affine, len(all))
	c.field.Normalize(out, all)
	return out
}

// signWindows is the number of signed windows of a scalar made odd by adding
// n, hence up to one bit longer than n.
func (c *Curve) signWindows() int { return (c.order.bits + 1 + signWidth - 1) / signWidth }

// oddMultiples returns p, 3p, 5p, … (count of them).
func (c *Curve) oddMultiples(p *affine, count int) []affine {
	pts := make([]point, count)
	var twice [1]point
	var d [1]affine
	pts[0].SetAffine(p)
	c.field.Double(&twice[0], &pts[0], c.a)
	c.field.Normalize(d[:], twice[:])
	for i := 1; i < count; i++ {
		pts[i] = pts[i-1]
		c.field.Add(&pts[i], &d[0], c.a)
	}
	out := make([]affine, count)
	c.field.Normalize(out, pts)
	return out
}

// wnafDigits holds a non-adjacent form.
type wnafDigits [64*gf2m.MaxWords + 1]int16

// wnaf writes the width-w non-adjacent form of k into digits, which must be
// zero, and returns its length. Its timing depends on k.
func (digits *wnafDigits) wnaf(k *scalar, width int) int {
	n, length := k.bitLen(), 0
	var carry uint64
	for i := 0; i <= n; {
		if bitsAt(k, i, 1) == carry {
			i++
			continue
		}
		v := bitsAt(k, i, width) + carry
		carry = v >> (width - 1) & 1
		digits[i] = int16(int64(v) - int64(carry<<width))
		length = i + 1
		i += width
	}
	return length
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
