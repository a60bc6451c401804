// Package cpu says which instruction sets the signature primitives may use. The
// build tag purego turns all of them off.
package cpu

// Features are groups of instructions, each usable as a whole: supported by
// the processor, and their registers saved by the operating system.
type Features struct {
	// CLMUL is PCLMULQDQ, AVX and AVX2.
	CLMUL bool
	// AVX512 is AVX-512 F, DQ, BW and VL.
	AVX512 bool
	// VCLMUL is AVX512 with VBMI2 and VPCLMULQDQ.
	VCLMUL bool
	// VBMI is AVX512 with VBMI.
	VBMI bool
	// GFNI is AVX512 with GFNI.
	GFNI bool
}

// X86 are the features of this machine; none on other architectures.
var X86 = detect()
