//go:build !amd64 || purego

package gost34311

const hasVector = false

func blocksVector(h *[4]uint64, p *byte, n int, t *nibbleTables) {
	panic("gost34311: no assembly")
}
