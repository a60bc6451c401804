//go:build !amd64 || purego

package kupyna

const hasVector = false

func blocksVector(h *[8]uint64, p *byte, n int, sboxes *[4][256]byte) {
	panic("kupyna: no assembly")
}
