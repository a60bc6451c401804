//go:build !purego

package kupyna

import "mist/signature/internal/cpu"

//go:generate go run ./asm

// hasVector says that blocksVector may run.
var hasVector = cpu.X86.VBMI && cpu.X86.GFNI

// blocksVector is blocks512 for n whole blocks, n at least 1.
//
//go:noescape
func blocksVector(h *[8]uint64, p *byte, n int, sboxes *[4][256]byte)
