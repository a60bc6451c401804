//go:build !purego

package gf2m

import (
	"unsafe"

	"mist/signature/internal/cpu"
)

//go:generate go run ./asm

var hasCLMUL, hasVector = cpu.X86.CLMUL, cpu.X86.VCLMUL

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
