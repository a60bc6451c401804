//go:build !amd64 || purego

package gf2m

import "unsafe"

const hasCLMUL, hasVector = false, false

func mul257(z, x, y *Element) { panic("gf2m: no assembly") }

func mul431(z, x, y *Element) { panic("gf2m: no assembly") }

func squareN257(z, x *Element, n int) { panic("gf2m: no assembly") }

func squareN431(z, x *Element, n int) { panic("gf2m: no assembly") }

func lookup(q, table *Affine, i uint64) { panic("gf2m: no assembly") }

func run257(r *Point, steps *step, n int, bases *[3]unsafe.Pointer) { panic("gf2m: no assembly") }

func run431(r *Point, steps *step, n int, bases *[3]unsafe.Pointer) { panic("gf2m: no assembly") }
