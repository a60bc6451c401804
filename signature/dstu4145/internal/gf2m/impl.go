package gf2m

// Impl names an implementation of the arithmetic.
type Impl string

const (
	// Portable is plain Go and serves every field.
	Portable Impl = "portable"
	// CLMUL uses PCLMULQDQ and AVX for multiplication in GF(2^257) and
	// GF(2^431).
	CLMUL Impl = "clmul"
	// Vector uses VPCLMULQDQ and AVX-512 for whole point operations over
	// GF(2^257) and GF(2^431), and CLMUL beside it.
	Vector Impl = "vector"
)

// Available lists the implementations this machine can run, the fastest last.
// Portable is always the first.
func Available() []Impl {
	list := []Impl{Portable}
	if hasCLMUL {
		list = append(list, CLMUL)
	}
	if hasVector {
		list = append(list, Vector)
	}
	return list
}

// Best is the last of Available.
func Best() Impl {
	list := Available()
	return list[len(list)-1]
}
