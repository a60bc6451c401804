//go:build !purego

package gf2m

import "unsafe"

//go:generate go run ./asm

var hasCLMUL, hasVector = detect()

func cpuid(leaf, sub uint32) (a, b, c, d uint32)

func xgetbv() (a, d uint32)

// detect reads the feature bits (Intel SDM volume 2A, CPUID; volume 1, 13.3).
func detect() (clmul, vector bool) {
	maxLeaf, _, _, _ := cpuid(0, 0)
	if maxLeaf < 7 {
		return false, false
	}
	_, _, c1, _ := cpuid(1, 0)
	const pclmul, osxsave, avx = 1 << 1, 1 << 27, 1 << 28
	if c1&(pclmul|osxsave|avx) != pclmul|osxsave|avx {
		return false, false
	}
	state, _ := xgetbv()
	const ymm, zmm = 0x06, 0xe6 // registers the system saves
	if state&ymm != ymm {
		return false, false
	}
	_, b7, c7, _ := cpuid(7, 0)
	const avx2 = 1 << 5
	if b7&avx2 == 0 {
		return false, false
	}
	const f, dq, bw, vl = 1 << 16, 1 << 17, 1 << 30, 1 << 31
	const vbmi2, vpclmul = 1 << 6, 1 << 10
	return true, state&zmm == zmm && b7&(f|dq|bw|vl) == f|dq|bw|vl && c7&(vbmi2|vpclmul) == vbmi2|vpclmul
}

//go:noescape
func mul257(z, x, y *Element)

//go:noescape
func mul431(z, x, y *Element)

//go:noescape
func squareN257(z, x *Element, n int)

//go:noescape
func squareN431(z, x *Element, n int)

//go:noescape
func lookup(q, table *Affine, i uint64)

//go:noescape
func run257(r *Point, steps *step, n int, bases *[3]unsafe.Pointer)

//go:noescape
func run431(r *Point, steps *step, n int, bases *[3]unsafe.Pointer)
