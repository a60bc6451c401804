package gf2m

import "unsafe"

// Points of a curve y² + xy = x³ + ax² + b are kept in lambda coordinates
// (Oliveira, López, Aranha and Rodríguez-Henríquez, "Lambda coordinates for
// binary elliptic curves", CHES 2013): λ = x + y/x. The negative of (x, λ) is
// (x, λ+1). The one point with x = 0 has order two and cannot be expressed.
//
// They stand in this package because the vector code computes four products of
// a point formula at once; single products would leave it idle.

// Affine is a point other than infinity.
type Affine struct{ X, L Element }

// Point is a projective point, x = X/Z and λ = L/Z; Z = 0 means infinity.
type Point struct{ X, L, Z Element }

// IsInfinity reports whether p is infinity.
func (p *Point) IsInfinity() bool { return p.Z.IsZero() }

// SetAffine sets p = q.
func (p *Point) SetAffine(q *Affine) { p.X, p.L, p.Z = q.X, q.L, Element{1} }

// Neg sets p = -q.
func (p *Affine) Neg(q *Affine) {
	*p = *q
	p.L[0] ^= 1
}

// Multiple is a point stored by a program together with its negative, in the
// layout of the implementation that stored it.
type Multiple struct{ v [2]stored }

type stored [32]uint64

const (
	affineSize = unsafe.Sizeof(Affine{})
	storedSize = unsafe.Sizeof(stored{})
)

// Operations of a step. The numbers are known to the assembly.
const (
	opNone uint8 = iota
	opLoad
	opLoadNeg
	opAdd
	opSub
	opStore
	opAddStored
	opLoadStored
)

// storedTable is the number of the table of stored points in a step.
const storedTable = 2

// step doubles the accumulator, then applies the operation to the operand at
// the offset in bytes in a table. The layout is known to the assembly.
type step struct {
	doublings uint16
	op        uint8
	table     uint8
	offset    uint32
}

// MaxSteps is the capacity of a Program: the additions of two scalars of 430
// bits in windows of 5 and 10 bits and the making of a table come to 150.
const MaxSteps = 160

// Program is a sequence of point operations on one accumulator. The first must
// be Load or LoadStored. Operands are named by table and index; the tables are
// given to Run.
type Program struct {
	n       int
	pending uint16
	steps   [MaxSteps]step
}

// Tables are the operands of a program.
type Tables struct {
	Affine [2][]Affine
	Stored []Multiple
}

func (p *Program) push(op uint8, table, offset int) {
	p.steps[p.n] = step{p.pending, op, uint8(table), uint32(offset)}
	p.n++
	p.pending = 0
}

// Double doubles the accumulator n times.
func (p *Program) Double(n int) { p.pending += uint16(n) }

// Load sets the accumulator to Affine[table][index], or its negative.
func (p *Program) Load(table, index int, negate bool) {
	p.push(either(negate, opLoadNeg, opLoad), table, index*int(affineSize))
}

// Add adds Affine[table][index], or its negative.
func (p *Program) Add(table, index int, negate bool) {
	p.push(either(negate, opSub, opAdd), table, index*int(affineSize))
}

// Store keeps the accumulator and its negative in Stored[index].
func (p *Program) Store(index int) { p.push(opStore, storedTable, 2*index*int(storedSize)) }

// AddStored adds Stored[index], or its negative.
func (p *Program) AddStored(index int, negate bool) {
	p.push(opAddStored, storedTable, (2*index+either(negate, 1, 0))*int(storedSize))
}

// LoadStored sets the accumulator to Stored[index], or its negative.
func (p *Program) LoadStored(index int, negate bool) {
	p.push(opLoadStored, storedTable, (2*index+either(negate, 1, 0))*int(storedSize))
}

func either[T any](yes bool, a, b T) T {
	if yes {
		return a
	}
	return b
}

// Run executes p on a curve with the given a, 0 or 1, and sets r to the
// accumulator. It needs a = 0 over GF(2^257) and a = 1 over GF(2^431), as the
// standard curves have. Indices out of range panic.
//
// The additions are incomplete: when the accumulator is infinity or equal to
// plus or minus the operand, r becomes infinity whatever the true result. A
// caller who meets infinity must compute again with Double and Add.
func (f *Field) Run(r *Point, p *Program, a uint64, t *Tables) {
	if p.pending > 0 {
		p.push(opNone, 0, 0)
	}
	if !f.vector {
		f.runGeneric(r, p, a, t)
		return
	}
	var bases [3]unsafe.Pointer
	var limits [3]uint32
	for i, s := range t.Affine {
		bases[i], limits[i] = unsafe.Pointer(unsafe.SliceData(s)), uint32(len(s)*int(affineSize))
	}
	bases[storedTable], limits[storedTable] = unsafe.Pointer(unsafe.SliceData(t.Stored)), uint32(2*len(t.Stored)*int(storedSize))
	for i := range p.steps[:p.n] {
		if s := &p.steps[i]; s.op != opNone && s.offset >= limits[s.table] {
			panic("gf2m: operand out of range")
		}
	}
	if f.code == codeCLMUL257 {
		r.X[5], r.X[6], r.L[5], r.L[6], r.Z[5], r.Z[6] = 0, 0, 0, 0, 0, 0
		run257(r, &p.steps[0], p.n, &bases)
	} else {
		run431(r, &p.steps[0], p.n, &bases)
	}
}

func (f *Field) runGeneric(r *Point, p *Program, a uint64, t *Tables) {
	var acc Point
	for i := range p.steps[:p.n] {
		s := &p.steps[i]
		for range s.doublings {
			f.Double(&acc, &acc, a)
		}
		affineIndex, storedIndex := s.offset/uint32(affineSize), s.offset/uint32(storedSize)
		switch s.op {
		case opLoad, opLoadNeg:
			acc.SetAffine(&t.Affine[s.table][affineIndex])
			acc.L[0] ^= uint64(s.op - opLoad)
		case opAdd, opSub:
			q := t.Affine[s.table][affineIndex]
			q.L[0] ^= uint64(s.op - opAdd)
			f.addMixed(&acc, &acc, &q)
		case opStore:
			m := &t.Stored[storedIndex/2]
			neg := acc
			neg.L.Add(&neg.L, &neg.Z)
			m.v[0].put(&acc)
			m.v[1].put(&neg)
		case opAddStored:
			q := t.Stored[storedIndex/2].v[storedIndex%2].point()
			f.addFull(&acc, &acc, &q)
		case opLoadStored:
			acc = t.Stored[storedIndex/2].v[storedIndex%2].point()
		}
	}
	*r = acc
}

func (s *stored) put(p *Point) {
	copy(s[0:], p.X[:])
	copy(s[MaxWords:], p.L[:])
	copy(s[2*MaxWords:], p.Z[:])
}

func (s *stored) point() (p Point) {
	copy(p.X[:], s[0:])
	copy(p.L[:], s[MaxWords:])
	copy(p.Z[:], s[2*MaxWords:])
	return p
}

// Double sets r = 2p (section 3.1 of the paper, 4M + 4S). Infinity stays
// infinity.
func (f *Field) Double(r, p *Point, a uint64) {
	var lz, zz, t, xz Element
	f.Mul(&lz, &p.L, &p.Z)
	f.Square(&zz, &p.Z)
	f.Square(&t, &p.L)
	t.Add(&t, &lz)
	if a == 1 {
		t.Add(&t, &zz)
	}
	f.Mul(&xz, &p.X, &p.Z)
	f.Square(&xz, &xz)
	f.Square(&r.X, &t)
	f.Mul(&r.Z, &t, &zz)
	f.Mul(&lz, &t, &lz)
	r.L.Add(&xz, &r.X)
	r.L.Add(&r.L, &lz)
	r.L.Add(&r.L, &r.Z)
}

// addMixed sets r = p + q (8M + 2S), incomplete.
func (f *Field) addMixed(r, p *Point, q *Affine) {
	var a, b, u, v, w Element
	f.Mul(&a, &q.L, &p.Z)
	a.Add(&a, &p.L) // A = L + λZ
	f.Mul(&u, &q.X, &p.Z)
	b.Add(&u, &p.X)
	f.Square(&b, &b)    // B = (X + xZ)²
	f.Mul(&u, &a, &u)   // A·xZ
	f.Mul(&v, &a, &p.X) // A·X
	f.Mul(&w, &a, &b)   // A·B
	a.Add(&p.L, &p.Z)
	f.Mul(&a, &w, &a) // A·B·(L + Z)
	f.Mul(&r.Z, &w, &p.Z)
	f.Mul(&r.X, &u, &v)
	u.Add(&u, &b)
	f.Square(&u, &u)
	r.L.Add(&u, &a)
}

// addFull sets r = p + q (11M + 2S), incomplete.
func (f *Field) addFull(r, p, q *Point) {
	var a, b, u, v, w, t Element
	f.Mul(&a, &p.L, &q.Z)
	f.Mul(&t, &q.L, &p.Z)
	a.Add(&a, &t)
	f.Mul(&u, &p.X, &q.Z)
	f.Mul(&v, &q.X, &p.Z)
	b.Add(&u, &v)
	f.Square(&b, &b)
	f.Mul(&w, &a, &q.Z)
	f.Mul(&w, &w, &b) // A·B·ZQ
	f.Mul(&u, &a, &u)
	f.Mul(&v, &a, &v)
	t.Add(&p.L, &p.Z)
	f.Mul(&r.Z, &w, &p.Z)
	f.Mul(&t, &w, &t)
	f.Mul(&r.X, &u, &v)
	v.Add(&v, &b)
	f.Square(&v, &v)
	r.L.Add(&v, &t)
}

// Add sets p = p + q for any p and q. Its timing tells the exceptional cases
// apart.
func (f *Field) Add(p *Point, q *Affine, a uint64) {
	if p.IsInfinity() {
		p.SetAffine(q)
		return
	}
	var r Point
	f.addMixed(&r, p, q)
	if r.IsInfinity() && f.IsEqual(p, q) {
		f.Double(&r, p, a)
	}
	*p = r
}

// IsEqual reports whether p = q, p not infinity.
func (f *Field) IsEqual(p *Point, q *Affine) bool {
	var x, l Element
	f.Mul(&x, &q.X, &p.Z)
	f.Mul(&l, &q.L, &p.Z)
	return x == p.X && l == p.L
}

// Normalize converts projective points, none of them infinity, to affine ones
// with a single inversion.
func (f *Field) Normalize(dst []Affine, src []Point) {
	// dst[i].X holds the product of the Z before i meanwhile.
	acc := Element{1}
	for i := range src {
		dst[i].X = acc
		f.Mul(&acc, &acc, &src[i].Z)
	}
	f.Invert(&acc, &acc)
	for i := len(src) - 1; i >= 0; i-- {
		var inv Element
		f.Mul(&inv, &acc, &dst[i].X)
		f.Mul(&acc, &acc, &src[i].Z)
		f.Mul(&dst[i].X, &src[i].X, &inv)
		f.Mul(&dst[i].L, &src[i].L, &inv)
	}
}
