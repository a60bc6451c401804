package gf2m

// Mul sets z = x * y.
func (f *Field) Mul(z, x, y *Element) { f.mulGeneric(z, x, y) }

// Square sets z = x².
func (f *Field) Square(z, x *Element) { f.squareGeneric(z, x) }

// SquareN sets z = x^(2^n).
func (f *Field) SquareN(z, x *Element, n int) {
	t := *x
	for range n {
		f.Square(&t, &t)
	}
	*z = t
}
