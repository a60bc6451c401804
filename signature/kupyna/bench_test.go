package kupyna

import (
	"fmt"
	"testing"
)

func BenchmarkSum(b *testing.B) {
	for name, vector := range implementations() {
		for _, bits := range []int{256, 384, 512} {
			for _, size := range []int{64, 1 << 16} {
				b.Run(fmt.Sprintf("Kupyna%d/%d/%s", bits, size, name), func(b *testing.B) {
					data := make([]byte, size)
					h := newWith(bits/8, vector)
					var out [Size512]byte
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
}
