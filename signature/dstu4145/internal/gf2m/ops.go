package gf2m

// code chooses specialised code for a field; a field that has none, or an
// implementation that is not to be used, has codeGeneric.
type code uint8

const (
	codeGeneric code = iota
	code257          // portable, specialised
	codeCLMUL257
	codeCLMUL431
)

// Mul sets z = x * y.
func (f *Field) Mul(z, x, y *Element) {
	switch f.code {
	case codeCLMUL257:
		mul257(z, x, y)
	case codeCLMUL431:
		mul431(z, x, y)
	case code257:
		mulPortable257(z, x, y)
	default:
		f.mulGeneric(z, x, y)
	}
}

// Square sets z = x².
func (f *Field) Square(z, x *Element) { f.SquareN(z, x, 1) }

// SquareN sets z = x^(2^n), n at least 1.
func (f *Field) SquareN(z, x *Element, n int) {
	switch f.code {
	case codeCLMUL257:
		squareN257(z, x, n)
	case codeCLMUL431:
		squareN431(z, x, n)
	case code257:
		squareNPortable257(z, x, n)
	default:
		t := *x
		for range n {
			f.squareGeneric(&t, &t)
		}
		*z = t
	}
}
