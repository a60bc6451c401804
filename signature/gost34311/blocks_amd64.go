//go:build !purego

package gost34311

import "mist/signature/internal/cpu"

//go:generate go run ./asm

// hasVector says that blocksVector may run.
var hasVector = cpu.X86.AVX512 && cpu.X86.VBMI

// blocksVector applies the step function to n whole blocks, n at least 1.
//
//go:noescape
func blocksVector(h *[4]uint64, p *byte, n int, t *nibbleTables)
