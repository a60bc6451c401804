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

// Operations of a step. The numbers are known to the assembly.
const (
	opNone uint32 = iota
	opLoad
	opLoadNeg
	opAdd
	opSub
	opStore
	opAddStored
	opLoadStored
)

// step doubles the accumulator, then applies the operation. The layout is
// known to the assembly.
type step struct {
	doublings uint32
	op        uint32
	operand   unsafe.Pointer
}

// MaxSteps is the capacity of a Program: the additions of two scalars of 430
// bits in windows of 5 and 10 bits and the making of a table come to 150.
const MaxSteps = 160

// Program is a sequence of point operations on one accumulator. The first must
// be Load. Operands must not change until Run returns.
type Program struct {
	n       int
	pending uint32
	steps   [MaxSteps]step
}

// Reset empties the program.
func (p *Program) Reset() { p.n, p.pending = 0, 0 }

func (p *Program) push(op uint32, operand unsafe.Pointer) {
	p.steps[p.n] = step{p.pending, op, operand}
	p.n++
	p.pending = 0
}

// Double doubles the accumulator n times.
func (p *Program) Double(n int) { p.pending += uint32(n) }

// Load sets the accumulator to q, or -q.
func (p *Program) Load(q *Affine, negate bool) {
	if negate {
		p.push(opLoadNeg, unsafe.Pointer(q))
	} else {
		p.push(opLoad, unsafe.Pointer(q))
	}
}

// Add adds q, or -q.
func (p *Program) Add(q *Affine, negate bool) {
	if negate {
		p.push(opSub, unsafe.Pointer(q))
	} else {
		p.push(opAdd, unsafe.Pointer(q))
	}
}

// Store keeps the accumulator and its negative in m.
func (p *Program) Store(m *Multiple) { p.push(opStore, unsafe.Pointer(&m.v[0])) }

// AddStored adds a point kept by Store, or its negative.
func (p *Program) AddStored(m *Multiple, negate bool) {
	i := 0
	if negate {
		i = 1
	}
	p.push(opAddStored, unsafe.Pointer(&m.v[i]))
}

// LoadStored sets the accumulator to a point kept by Store, or its negative.
func (p *Program) LoadStored(m *Multiple, negate bool) {
	i := 0
	if negate {
		i = 1
	}
	p.push(opLoadStored, unsafe.Pointer(&m.v[i]))
}

// Run executes p on a curve with the given a, 0 or 1, and sets r to the
// accumulator. It needs a = 0 over GF(2^257) and a = 1 over GF(2^431), as the
// standard curves have.
//
// The additions are incomplete: when the accumulator is infinity or equal to
// plus or minus the operand, r becomes infinity whatever the true result. A
// caller who meets infinity must compute again with Double and Add.
func (f *Field) Run(r *Point, p *Program, a uint64) {
	if p.pending > 0 {
		p.push(opNone, nil)
	}
	switch {
	case f.vector && f.code == codeCLMUL257:

		run257(r, &p.steps[0], p.n)
	case f.vector && f.code == codeCLMUL431:
		run431(r, &p.steps[0], p.n)
	default:
		f.runGeneric(r, p, a)
	}
}

func (f *Field) runGeneric(r *Point, p *Program, a uint64) {
	var acc Point
	for i := range p.steps[:p.n] {
		s := &p.steps[i]
		for range s.doublings {
			f.Double(&acc, &acc, a)
		}
		switch s.op {
		case opLoad, opLoadNeg:
			acc.SetAffine((*Affine)(s.operand))
			acc.L[0] ^= uint64(s.op - opLoad)
		case opAdd, opSub:
			q := *(*Affine)(s.operand)
			q.L[0] ^= uint64(s.op - opAdd)
			f.addMixed(&acc, &acc, &q)
		case opStore:
			m := (*[2]stored)(s.operand)
			neg := acc
			neg.L.Add(&neg.L, &neg.Z)
			m[0].put(&acc)
			m[1].put(&neg)
		case opAddStored:
			q := (*stored)(s.operand).point()
			f.addFull(&acc, &acc, &q)
		case opLoadStored:
			acc = (*stored)(s.operand).point()
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
