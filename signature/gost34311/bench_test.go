package gost34311

import (
	"fmt"
	"testing"
)

func BenchmarkSum(b *testing.B) {
	for name, vector := range implementations() {
		for _, size := range []int{64, 1 << 16} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				data := make([]byte, size)
				h := newWith(vector, DefaultSBox())
				var out [Size]byte
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					h.Reset()
					h.Write(data)
					h.Sum(out[:0])
				}
			})
		}
	}
}
