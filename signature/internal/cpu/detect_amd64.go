//go:build !purego

package cpu

func cpuid(leaf, sub uint32) (a, b, c, d uint32)

func xgetbv() (a, d uint32)

// detect reads the feature bits (Intel SDM volume 2A, CPUID; volume 1, 13.3).
func detect() (f Features) {
	maxLeaf, _, _, _ := cpuid(0, 0)
	if maxLeaf < 7 {
		return f
	}
	_, _, c1, _ := cpuid(1, 0)
	const pclmul, osxsave, avx = 1 << 1, 1 << 27, 1 << 28
	if c1&(osxsave|avx) != osxsave|avx {
		return f
	}
	saved, _ := xgetbv()
	const ymm, zmm = 0x06, 0xe6 // registers the system saves
	_, b7, c7, _ := cpuid(7, 0)
	const avx2 = 1 << 5
	const avx512f, dq, bw, vl = 1 << 16, 1 << 17, 1 << 30, 1 << 31
	const vbmi, vbmi2, gfni, vpclmul = 1 << 1, 1 << 6, 1 << 8, 1 << 10
	f.CLMUL = saved&ymm == ymm && c1&pclmul != 0 && b7&avx2 != 0
	f.AVX512 = saved&zmm == zmm && b7&(avx512f|dq|bw|vl) == avx512f|dq|bw|vl
	f.VCLMUL = f.CLMUL && f.AVX512 && c7&(vbmi2|vpclmul) == vbmi2|vpclmul
	f.VBMI = f.AVX512 && c7&vbmi != 0
	f.GFNI = f.AVX512 && c7&gfni != 0
	return f
}
