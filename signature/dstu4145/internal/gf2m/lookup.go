package gf2m

// LookupSize is the number of entries Lookup chooses from.
const LookupSize = 16

// Lookup sets q = table[i], reading all of the table: its timing does not
// depend on i, 0 to LookupSize-1.
func (f *Field) Lookup(q *Affine, table *[LookupSize]Affine, i uint64) {
	if f.code == codeCLMUL257 || f.code == codeCLMUL431 {
		lookup(q, &table[0], i)
		return
	}
	*q = Affine{}
	for j := range table {
		d := uint64(j) ^ i
		mask := -((d - 1) &^ d >> 63) // all ones when d = 0
		for k := range f.words {
			q.X[k] |= table[j].X[k] & mask
			q.L[k] |= table[j].L[k] & mask
		}
	}
}
