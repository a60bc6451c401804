package main

import (
	"bytes"
	"fmt"
	"io"
)

// The vector kernels hold the accumulator (X, L, Z) in lambda coordinates as
//
//	P = [L, X, L, Z]    B = [Z, Z, L, Z]
//
// (lanes 0 to 3), so that one four-way multiplication P·B starts a doubling
// with L·Z, X·Z, L², Z². The comments give the value of each lane.

// Lane masks, two bits per lane.
const (
	lane0   = "K1"
	lane1   = "K2"
	lane2   = "K3"
	lane3   = "K4"
	lane02  = "K5"
	lane013 = "K6"
	lane12  = "K7"
)

var laneMasks = []struct {
	reg  string
	bits int
}{{lane0, 0x03}, {lane1, 0x0c}, {lane2, 0x30}, {lane3, 0xc0}, {lane02, 0x33}, {lane013, 0xcf}, {lane12, 0x3c}}

// each applies f to the registers of elements.
func each(f func(v ...val) val, es ...elem) elem {
	out := elem{top: -1}
	for i := range es[0].w {
		var v []val
		for _, e := range es {
			v = append(v, e.w[i])
		}
		out.w = append(out.w, f(v...))
	}
	if es[0].top >= 0 {
		var v []val
		for _, e := range es {
			v = append(v, e.top)
		}
		out.top = f(v...)
	}
	return out
}

// lanes permutes the lanes: lane i of the result is lane p[i] of e.
func (b *block) lanes(e elem, p0, p1, p2, p3 int) elem {
	imm := fmt.Sprintf("$0x%02x", p0|p1<<2|p2<<4|p3<<6)
	return each(func(v ...val) val { return b.emit("VSHUFI64X2", imm, v[0], v[0]) }, e)
}

func (b *block) add(x, y elem) elem {
	return each(func(v ...val) val { return b.xor2(v[0], v[1]) }, x, y)
}

// addLanes is x + y in the lanes of mask and x elsewhere.
func (b *block) addLanes(x elem, mask string, y elem) elem {
	return each(func(v ...val) val { return b.update("VPXORQ", v[0], mask, v[1], v[0]) }, x, y)
}

// setLanes is y in the lanes of mask and x elsewhere.
func (b *block) setLanes(x elem, mask string, y elem) elem {
	return each(func(v ...val) val { return b.update("VMOVDQA64", v[0], mask, v[1]) }, x, y)
}

// registers of the accumulator.
func (f field) pinned(second bool) []int {
	n := f.regs()
	var r []int
	for i := range n {
		if second {
			r = append(r, n+i)
		} else {
			r = append(r, i)
		}
	}
	return r
}

func (f field) regs() int {
	if f.top {
		return f.blocks + 1
	}
	return f.blocks
}

func (f field) fromVals(v []val) elem {
	if f.top {
		return elem{w: v[:f.blocks], top: v[f.blocks]}
	}
	return elem{w: v, top: -1}
}

func (e elem) vals() []val {
	if e.top >= 0 {
		return append(append([]val(nil), e.w...), e.top)
	}
	return e.w
}

func (b *block) accumulator(f field) (p, bb elem) {
	var v [2][]val
	for i := range v {
		for _, r := range f.pinned(i == 1) {
			v[i] = append(v[i], b.in(r))
		}
	}
	return f.fromVals(v[0]), f.fromVals(v[1])
}

func (b *block) setAccumulator(f field, p, bb elem) {
	for i, e := range []elem{p, bb} {
		regs := f.pinned(i == 1)
		for j, v := range e.vals() {
			b.out(regs[j], v)
		}
	}
}

// double is (X, L, Z) -> T = L² + LZ + aZ²; X' = T²; Z' = TZ²;
// L' = (XZ)² + X' + T·LZ + Z'.
func (b *block) double(f field, a int) {
	p, bb := b.accumulator(f)
	r := b.mul(f, p, bb) // [LZ, XZ, L², Z²]
	c := b.lanes(r, 2, 2, 2, 2)
	if a == 1 {
		c = b.add(c, b.lanes(r, 3, 3, 3, 3))
	}
	x := b.addLanes(b.lanes(r, 0, 0, 1, 0), lane013, c) // [T, T, XZ, T]
	y := b.addLanes(b.lanes(r, 0, 0, 1, 3), lane1, c)   // [LZ, T, XZ, Z²]
	r = b.mul(f, x, y)                                  // [T·LZ, X', (XZ)², Z']
	s := each(func(v ...val) val { return b.xor(v...) }, b.lanes(r, 1, 1, 1, 1), b.lanes(r, 2, 2, 0, 0), b.lanes(r, 3, 3, 3, 3))
	np := b.addLanes(r, lane02, s)
	nb := b.setLanes(b.lanes(r, 3, 3, 3, 3), lane2, np)
	b.setAccumulator(f, np, nb)
}

// finish turns [W(L+Z), X', G, Z'] into the accumulator, L' being the sum of
// lanes 0 and 2.
func (b *block) finish(f field, r elem) {
	np := b.addLanes(r, lane02, b.lanes(r, 2, 2, 0, 0))
	b.setAccumulator(f, np, b.lanes(np, 3, 3, 2, 3))
}

// addMixed adds the affine point at AX, negated when DX is 1:
// A = L + λZ; u = xZ; B = (X + u)²; X' = Au·AX; Z' = B·AZ;
// L' = (Au + B)² + B·A(L+Z).
func (b *block) addMixed(f field) {
	p, bb := b.accumulator(f)
	q := b.loadAffine(f, true)
	r := b.mul(f, q, bb)                                                     // [λZ, u, 0, 0]
	y := b.add(p, r)                                                         // [A, X+u, L, Z]
	v := b.setLanes(b.addLanes(b.lanes(p, 0, 1, 1, 3), lane0, bb), lane1, r) // [L+Z, u, X, Z]
	sq := b.lanes(b.square(f, y), 1, 1, 1, 1)                                // B in all lanes
	r = b.mul(f, b.lanes(y, 0, 0, 0, 0), v)                                  // [A(L+Z), Au, AX, AZ]
	left := b.addLanes(b.lanes(r, 0, 1, 1, 3), lane2, sq)                    // [A(L+Z), Au, Au+B, AZ]
	s := b.lanes(r, 2, 2, 1, 1)                                              // [·, AX, Au, ·]
	right := b.addLanes(b.setLanes(sq, lane1, s), lane2, s)                  // [B, AX, Au+B, B]
	b.finish(f, b.mul(f, left, right))                                       // [B·A(L+Z), X', (Au+B)², Z']
}

// addFull adds the point at AX stored as E = [ZQ, ZQ, LQ, XQ]:
// A = L·ZQ + LQ·Z; u = X·ZQ; v = XQ·Z; B = (u+v)²; X' = Au·Av; W = B·A·ZQ;
// Z' = W·Z; L' = (Av + B)² + W(L + Z).
func (b *block) addFull(f field) {
	p, bb := b.accumulator(f)
	e := b.loadStored(f)
	r := b.mul(f, b.lanes(p, 0, 1, 3, 3), e)                                    // [L·ZQ, u, LQ·Z, v]
	y := b.add(r, b.lanes(r, 2, 3, 0, 1))                                       // [A, u+v, A, u+v]
	left := b.lanes(y, 0, 0, 0, 1)                                              // [A, A, A, u+v]
	right := b.setLanes(b.setLanes(b.lanes(r, 0, 1, 3, 3), lane0, e), lane3, y) // [ZQ, u, v, u+v]
	r = b.mul(f, left, right)                                                   // [A·ZQ, Au, Av, B]
	bs := b.lanes(r, 3, 3, 3, 3)
	left = b.addLanes(r, lane2, bs)                       // [A·ZQ, Au, Av+B, ·]
	right = b.addLanes(b.lanes(r, 3, 2, 2, 3), lane2, bs) // [B, Av, Av+B, ·]
	r = b.mul(f, left, right)                             // [W, X', (Av+B)², ·]
	lz := b.addLanes(p, lane0, bb)                        // [L+Z, ·, ·, Z]
	w := b.mul(f, b.lanes(r, 0, 0, 0, 0), lz)             // [W(L+Z), ·, ·, WZ]
	b.finish(f, b.setLanes(w, lane12, r))
}

// loadAffine reads [λ, x, 0, 0] from the gf2m.Affine at AX; x comes first in
// memory, 56 bytes each. With negate, the low bit of DX is added to λ.
func (b *block) loadAffine(f field, negate bool) elem {
	e := elem{top: -1}
	for i := range f.blocks {
		off := 16 * i
		half := !f.top && i == f.blocks-1
		var v val
		if half {
			lambda, x := b.emitLow("VMOVQ", fmt.Sprintf("%d(AX)", 56+off)), b.emitLow("VMOVQ", fmt.Sprintf("%d(AX)", off))
			v = b.addLanes(elem{w: []val{lambda}, top: -1}, lane1, b.lanes(elem{w: []val{x}, top: -1}, 0, 0, 0, 0)).w[0]
		} else {
			v = b.emit("VINSERTI64X2", "$1", fmt.Sprintf("%d(AX)", off), b.emitLow("VMOVDQU64", fmt.Sprintf("%d(AX)", 56+off)))
		}
		if i == 0 && negate {
			v = b.xor2(v, b.emitLow("VMOVQ", "DX"))
		}
		e.w = append(e.w, v)
	}
	if f.top {
		t := b.emit("VPBROADCASTQ", "88(AX)")
		t = b.update("VPBROADCASTQ", t, lane1, "32(AX)")
		e.top = b.emit("VPSRAQ", "$63", b.shl(63, t))
	}
	return e
}

// load sets the accumulator to the affine point at AX, negated when DX is 1:
// Z = 1.
func (b *block) load(f field) {
	q := b.loadAffine(f, true) // [λ, x, 0, 0]
	one := b.constant("one257")
	z := elem{top: -1}
	for i := range f.blocks {
		if i == 0 {
			z.w = append(z.w, one)
		} else {
			z.w = append(z.w, b.constant("zero"))
		}
	}
	if f.top {
		z.top = b.constant("zero")
	}
	p := b.lanes(q, 0, 1, 0, 2)
	p = b.setLanes(p, lane3, z)
	b.setAccumulator(f, p, b.lanes(p, 3, 3, 2, 3))
}

// loadStored reads the lanes of E at AX.
func (b *block) loadStored(f field) elem {
	var v []val
	for i := range f.regs() {
		v = append(v, b.emit("VMOVDQU64", fmt.Sprintf("%d(AX)", 64*i)))
	}
	return f.fromVals(v)
}

// loadMultiple sets the accumulator to the point stored at AX.
func (b *block) loadMultiple(f field) {
	e := b.loadStored(f) // [Z, Z, L, X]
	b.setAccumulator(f, b.lanes(e, 2, 3, 2, 0), b.lanes(e, 0, 0, 2, 0))
}

// store writes E = [Z, Z, L, X] at AX and the E of the negative, whose L is
// L + Z, 256 bytes further. The accumulator stays.
func (b *block) store(f field) {
	p, bb := b.accumulator(f)
	e := b.lanes(p, 3, 3, 0, 1)
	neg := b.addLanes(e, lane2, b.lanes(p, 3, 3, 3, 3))
	for i, v := range e.vals() {
		b.effect("VMOVDQU64", v, fmt.Sprintf("%d(AX)", 64*i))
	}
	for i, v := range neg.vals() {
		b.effect("VMOVDQU64", v, fmt.Sprintf("%d(AX)", 256+64*i))
	}
	b.setAccumulator(f, p, bb)
}

// writeLadder writes the interpreter of a program of steps for one field.
func writeLadder(w io.Writer, f field, a int) {
	t := avx512
	var body bytes.Buffer
	slots := 0
	section := func(label string, build func(b *block)) {
		fmt.Fprintf(&body, "\n%s:\n", label)
		b := newBlock(t)
		build(b)
		if s := b.assemble(&body, nil, 0); s > slots {
			slots = s
		}
	}
	fmt.Fprintf(&body, "\tMOVQ steps+8(FP), SI\n\tMOVQ n+16(FP), CX\n\tMOVQ bases+24(FP), R8\n")
	for _, m := range laneMasks {
		fmt.Fprintf(&body, "\tMOVL $0x%02x, AX\n\tKMOVW AX, %s\n", m.bits, m.reg)
	}
	// A step is {doublings uint16, op uint8, table uint8, offset uint32}.
	fmt.Fprint(&body, `
next:
	TESTQ CX, CX
	JZ    done
	DECQ  CX
	MOVWLZX 0(SI), DI
	MOVBLZX 2(SI), BX
	MOVBLZX 3(SI), DX
	MOVL  4(SI), AX
	ADDQ  (R8)(DX*8), AX
	ADDQ  $8, SI
	TESTL DI, DI
	JZ    apply
`)
	section("double", func(b *block) { b.double(f, a) })
	fmt.Fprint(&body, `	DECL  DI
	JNZ   double

apply:
	// 0 nothing, 1 load, 2 load negated, 3 add, 4 subtract, 5 store, 6 add stored,
	// 7 load stored
	MOVL  BX, DX
	CMPL  BX, $3
	JLT   few
	CMPL  BX, $5
	JLT   mixed
	JEQ   store
	CMPL  BX, $7
	JEQ   loadStored
`)
	section("full", func(b *block) { b.addFull(f) })
	fmt.Fprint(&body, "\tJMP next\n\nmixed:\n\tSUBL $3, DX\n")
	section("mixedAdd", func(b *block) { b.addMixed(f) })
	fmt.Fprint(&body, "\tJMP next\n\nfew:\n\tSUBL $1, DX\n\tJLT next\n")
	section("loadPoint", func(b *block) { b.load(f) })
	fmt.Fprint(&body, "\tJMP next\n")
	section("loadStored", func(b *block) { b.loadMultiple(f) })
	fmt.Fprint(&body, "\tJMP next\n")
	section("store", func(b *block) { b.store(f) })
	fmt.Fprint(&body, "\tJMP next\n\ndone:\n\tMOVQ r+0(FP), AX\n")
	// r points to X, L, Z of 56 bytes each; P = [L, X, L, Z].
	for _, e := range []struct{ lane, off int }{{1, 0}, {0, 56}, {3, 112}} {
		for i := range f.regs() {
			src := fmt.Sprintf("Z%d", i)
			if e.lane != 0 {
				fmt.Fprintf(&body, "\tVEXTRACTI64X2 $%d, %s, X16\n", e.lane, src)
				src = "X16"
			} else {
				src = fmt.Sprintf("X%d", i)
			}
			switch {
			case f.top && i == f.blocks:
				fmt.Fprintf(&body, "\tVPSRLQ $63, %s, X16\n\tVMOVQ X16, %d(AX)\n", src, e.off+16*i)
			case !f.top && i == f.blocks-1:
				fmt.Fprintf(&body, "\tVMOVQ %s, %d(AX)\n", src, e.off+16*i)
			default:
				fmt.Fprintf(&body, "\tVMOVDQU64 %s, %d(AX)\n", src, e.off+16*i)
			}
		}
	}
	fmt.Fprint(&body, "\tVZEROUPPER\n\tRET\n")
	fmt.Fprintf(w, "\n// func run%s(r *Point, steps *step, n int, bases *[3]unsafe.Pointer)\nTEXT ·run%s(SB), NOSPLIT, $%d-32\n", f.name, f.name, slots*t.bytes)
	w.Write(body.Bytes())
}
