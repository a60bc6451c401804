// The permutations written out, so that the columns stay in registers.

package kupyna

// xor8 is T⊕ on 8 columns.
func xor8(s *[8]uint64) {
	t := tables
	x0, x1, x2, x3, x4, x5, x6, x7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for r := uint64(0); r < rounds512; r++ {
		x0 ^= r
		x1 ^= 0x10 ^ r
		x2 ^= 0x20 ^ r
		x3 ^= 0x30 ^ r
		x4 ^= 0x40 ^ r
		x5 ^= 0x50 ^ r
		x6 ^= 0x60 ^ r
		x7 ^= 0x70 ^ r
		y0 := t[0][uint8(x0)] ^ t[1][uint8(x7>>8)] ^ t[2][uint8(x6>>16)] ^ t[3][uint8(x5>>24)] ^
			t[4][uint8(x4>>32)] ^ t[5][uint8(x3>>40)] ^ t[6][uint8(x2>>48)] ^ t[7][x1>>56]
		y1 := t[0][uint8(x1)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x7>>16)] ^ t[3][uint8(x6>>24)] ^
			t[4][uint8(x5>>32)] ^ t[5][uint8(x4>>40)] ^ t[6][uint8(x3>>48)] ^ t[7][x2>>56]
		y2 := t[0][uint8(x2)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][uint8(x7>>24)] ^
			t[4][uint8(x6>>32)] ^ t[5][uint8(x5>>40)] ^ t[6][uint8(x4>>48)] ^ t[7][x3>>56]
		y3 := t[0][uint8(x3)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][uint8(x0>>24)] ^
			t[4][uint8(x7>>32)] ^ t[5][uint8(x6>>40)] ^ t[6][uint8(x5>>48)] ^ t[7][x4>>56]
		y4 := t[0][uint8(x4)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][uint8(x1>>24)] ^
			t[4][uint8(x0>>32)] ^ t[5][uint8(x7>>40)] ^ t[6][uint8(x6>>48)] ^ t[7][x5>>56]
		y5 := t[0][uint8(x5)] ^ t[1][uint8(x4>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][uint8(x2>>24)] ^
			t[4][uint8(x1>>32)] ^ t[5][uint8(x0>>40)] ^ t[6][uint8(x7>>48)] ^ t[7][x6>>56]
		y6 := t[0][uint8(x6)] ^ t[1][uint8(x5>>8)] ^ t[2][uint8(x4>>16)] ^ t[3][uint8(x3>>24)] ^
			t[4][uint8(x2>>32)] ^ t[5][uint8(x1>>40)] ^ t[6][uint8(x0>>48)] ^ t[7][x7>>56]
		y7 := t[0][uint8(x7)] ^ t[1][uint8(x6>>8)] ^ t[2][uint8(x5>>16)] ^ t[3][uint8(x4>>24)] ^
			t[4][uint8(x3>>32)] ^ t[5][uint8(x2>>40)] ^ t[6][uint8(x1>>48)] ^ t[7][x0>>56]
		x0, x1, x2, x3, x4, x5, x6, x7 = y0, y1, y2, y3, y4, y5, y6, y7
	}
	s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7] = x0, x1, x2, x3, x4, x5, x6, x7
}

// add8 is T+ on 8 columns.
func add8(s *[8]uint64) {
	t := tables
	x0, x1, x2, x3, x4, x5, x6, x7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for r := uint64(0); r < rounds512<<56; r += 1 << 56 {
		x0 += 0x70f0f0f0f0f0f0f3 ^ r
		x1 += 0x60f0f0f0f0f0f0f3 ^ r
		x2 += 0x50f0f0f0f0f0f0f3 ^ r
		x3 += 0x40f0f0f0f0f0f0f3 ^ r
		x4 += 0x30f0f0f0f0f0f0f3 ^ r
		x5 += 0x20f0f0f0f0f0f0f3 ^ r
		x6 += 0x10f0f0f0f0f0f0f3 ^ r
		x7 += 0xf0f0f0f0f0f0f3 ^ r
		y0 := t[0][uint8(x0)] ^ t[1][uint8(x7>>8)] ^ t[2][uint8(x6>>16)] ^ t[3][uint8(x5>>24)] ^
			t[4][uint8(x4>>32)] ^ t[5][uint8(x3>>40)] ^ t[6][uint8(x2>>48)] ^ t[7][x1>>56]
		y1 := t[0][uint8(x1)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x7>>16)] ^ t[3][uint8(x6>>24)] ^
			t[4][uint8(x5>>32)] ^ t[5][uint8(x4>>40)] ^ t[6][uint8(x3>>48)] ^ t[7][x2>>56]
		y2 := t[0][uint8(x2)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][uint8(x7>>24)] ^
			t[4][uint8(x6>>32)] ^ t[5][uint8(x5>>40)] ^ t[6][uint8(x4>>48)] ^ t[7][x3>>56]
		y3 := t[0][uint8(x3)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][uint8(x0>>24)] ^
			t[4][uint8(x7>>32)] ^ t[5][uint8(x6>>40)] ^ t[6][uint8(x5>>48)] ^ t[7][x4>>56]
		y4 := t[0][uint8(x4)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][uint8(x1>>24)] ^
			t[4][uint8(x0>>32)] ^ t[5][uint8(x7>>40)] ^ t[6][uint8(x6>>48)] ^ t[7][x5>>56]
		y5 := t[0][uint8(x5)] ^ t[1][uint8(x4>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][uint8(x2>>24)] ^
			t[4][uint8(x1>>32)] ^ t[5][uint8(x0>>40)] ^ t[6][uint8(x7>>48)] ^ t[7][x6>>56]
		y6 := t[0][uint8(x6)] ^ t[1][uint8(x5>>8)] ^ t[2][uint8(x4>>16)] ^ t[3][uint8(x3>>24)] ^
			t[4][uint8(x2>>32)] ^ t[5][uint8(x1>>40)] ^ t[6][uint8(x0>>48)] ^ t[7][x7>>56]
		y7 := t[0][uint8(x7)] ^ t[1][uint8(x6>>8)] ^ t[2][uint8(x5>>16)] ^ t[3][uint8(x4>>24)] ^
			t[4][uint8(x3>>32)] ^ t[5][uint8(x2>>40)] ^ t[6][uint8(x1>>48)] ^ t[7][x0>>56]
		x0, x1, x2, x3, x4, x5, x6, x7 = y0, y1, y2, y3, y4, y5, y6, y7
	}
	s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7] = x0, x1, x2, x3, x4, x5, x6, x7
}

// xor16 is T⊕ on 16 columns.
func xor16(s *[16]uint64) {
	t := tables
	x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15]
	for r := uint64(0); r < rounds1024; r++ {
		x0 ^= r
		x1 ^= 0x10 ^ r
		x2 ^= 0x20 ^ r
		x3 ^= 0x30 ^ r
		x4 ^= 0x40 ^ r
		x5 ^= 0x50 ^ r
		x6 ^= 0x60 ^ r
		x7 ^= 0x70 ^ r
		x8 ^= 0x80 ^ r
		x9 ^= 0x90 ^ r
		x10 ^= 0xa0 ^ r
		x11 ^= 0xb0 ^ r
		x12 ^= 0xc0 ^ r
		x13 ^= 0xd0 ^ r
		x14 ^= 0xe0 ^ r
		x15 ^= 0xf0 ^ r
		y0 := t[0][uint8(x0)] ^ t[1][uint8(x15>>8)] ^ t[2][uint8(x14>>16)] ^ t[3][uint8(x13>>24)] ^
			t[4][uint8(x12>>32)] ^ t[5][uint8(x11>>40)] ^ t[6][uint8(x10>>48)] ^ t[7][x5>>56]
		y1 := t[0][uint8(x1)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x15>>16)] ^ t[3][uint8(x14>>24)] ^
			t[4][uint8(x13>>32)] ^ t[5][uint8(x12>>40)] ^ t[6][uint8(x11>>48)] ^ t[7][x6>>56]
		y2 := t[0][uint8(x2)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][uint8(x15>>24)] ^
			t[4][uint8(x14>>32)] ^ t[5][uint8(x13>>40)] ^ t[6][uint8(x12>>48)] ^ t[7][x7>>56]
		y3 := t[0][uint8(x3)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][uint8(x0>>24)] ^
			t[4][uint8(x15>>32)] ^ t[5][uint8(x14>>40)] ^ t[6][uint8(x13>>48)] ^ t[7][x8>>56]
		y4 := t[0][uint8(x4)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][uint8(x1>>24)] ^
			t[4][uint8(x0>>32)] ^ t[5][uint8(x15>>40)] ^ t[6][uint8(x14>>48)] ^ t[7][x9>>56]
		y5 := t[0][uint8(x5)] ^ t[1][uint8(x4>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][uint8(x2>>24)] ^
			t[4][uint8(x1>>32)] ^ t[5][uint8(x0>>40)] ^ t[6][uint8(x15>>48)] ^ t[7][x10>>56]
		y6 := t[0][uint8(x6)] ^ t[1][uint8(x5>>8)] ^ t[2][uint8(x4>>16)] ^ t[3][uint8(x3>>24)] ^
			t[4][uint8(x2>>32)] ^ t[5][uint8(x1>>40)] ^ t[6][uint8(x0>>48)] ^ t[7][x11>>56]
		y7 := t[0][uint8(x7)] ^ t[1][uint8(x6>>8)] ^ t[2][uint8(x5>>16)] ^ t[3][uint8(x4>>24)] ^
			t[4][uint8(x3>>32)] ^ t[5][uint8(x2>>40)] ^ t[6][uint8(x1>>48)] ^ t[7][x12>>56]
		y8 := t[0][uint8(x8)] ^ t[1][uint8(x7>>8)] ^ t[2][uint8(x6>>16)] ^ t[3][uint8(x5>>24)] ^
			t[4][uint8(x4>>32)] ^ t[5][uint8(x3>>40)] ^ t[6][uint8(x2>>48)] ^ t[7][x13>>56]
		y9 := t[0][uint8(x9)] ^ t[1][uint8(x8>>8)] ^ t[2][uint8(x7>>16)] ^ t[3][uint8(x6>>24)] ^
			t[4][uint8(x5>>32)] ^ t[5][uint8(x4>>40)] ^ t[6][uint8(x3>>48)] ^ t[7][x14>>56]
		y10 := t[0][uint8(x10)] ^ t[1][uint8(x9>>8)] ^ t[2][uint8(x8>>16)] ^ t[3][uint8(x7>>24)] ^
			t[4][uint8(x6>>32)] ^ t[5][uint8(x5>>40)] ^ t[6][uint8(x4>>48)] ^ t[7][x15>>56]
		y11 := t[0][uint8(x11)] ^ t[1][uint8(x10>>8)] ^ t[2][uint8(x9>>16)] ^ t[3][uint8(x8>>24)] ^
			t[4][uint8(x7>>32)] ^ t[5][uint8(x6>>40)] ^ t[6][uint8(x5>>48)] ^ t[7][x0>>56]
		y12 := t[0][uint8(x12)] ^ t[1][uint8(x11>>8)] ^ t[2][uint8(x10>>16)] ^ t[3][uint8(x9>>24)] ^
			t[4][uint8(x8>>32)] ^ t[5][uint8(x7>>40)] ^ t[6][uint8(x6>>48)] ^ t[7][x1>>56]
		y13 := t[0][uint8(x13)] ^ t[1][uint8(x12>>8)] ^ t[2][uint8(x11>>16)] ^ t[3][uint8(x10>>24)] ^
			t[4][uint8(x9>>32)] ^ t[5][uint8(x8>>40)] ^ t[6][uint8(x7>>48)] ^ t[7][x2>>56]
		y14 := t[0][uint8(x14)] ^ t[1][uint8(x13>>8)] ^ t[2][uint8(x12>>16)] ^ t[3][uint8(x11>>24)] ^
			t[4][uint8(x10>>32)] ^ t[5][uint8(x9>>40)] ^ t[6][uint8(x8>>48)] ^ t[7][x3>>56]
		y15 := t[0][uint8(x15)] ^ t[1][uint8(x14>>8)] ^ t[2][uint8(x13>>16)] ^ t[3][uint8(x12>>24)] ^
			t[4][uint8(x11>>32)] ^ t[5][uint8(x10>>40)] ^ t[6][uint8(x9>>48)] ^ t[7][x4>>56]
		x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15 = y0, y1, y2, y3, y4, y5, y6, y7, y8, y9, y10, y11, y12, y13, y14, y15
	}
	s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15] = x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15
}

// add16 is T+ on 16 columns.
func add16(s *[16]uint64) {
	t := tables
	x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15]
	for r := uint64(0); r < rounds1024<<56; r += 1 << 56 {
		x0 += 0xf0f0f0f0f0f0f0f3 ^ r
		x1 += 0xe0f0f0f0f0f0f0f3 ^ r
		x2 += 0xd0f0f0f0f0f0f0f3 ^ r
		x3 += 0xc0f0f0f0f0f0f0f3 ^ r
		x4 += 0xb0f0f0f0f0f0f0f3 ^ r
		x5 += 0xa0f0f0f0f0f0f0f3 ^ r
		x6 += 0x90f0f0f0f0f0f0f3 ^ r
		x7 += 0x80f0f0f0f0f0f0f3 ^ r
		x8 += 0x70f0f0f0f0f0f0f3 ^ r
		x9 += 0x60f0f0f0f0f0f0f3 ^ r
		x10 += 0x50f0f0f0f0f0f0f3 ^ r
		x11 += 0x40f0f0f0f0f0f0f3 ^ r
		x12 += 0x30f0f0f0f0f0f0f3 ^ r
		x13 += 0x20f0f0f0f0f0f0f3 ^ r
		x14 += 0x10f0f0f0f0f0f0f3 ^ r
		x15 += 0xf0f0f0f0f0f0f3 ^ r
		y0 := t[0][uint8(x0)] ^ t[1][uint8(x15>>8)] ^ t[2][uint8(x14>>16)] ^ t[3][uint8(x13>>24)] ^
			t[4][uint8(x12>>32)] ^ t[5][uint8(x11>>40)] ^ t[6][uint8(x10>>48)] ^ t[7][x5>>56]
		y1 := t[0][uint8(x1)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x15>>16)] ^ t[3][uint8(x14>>24)] ^
			t[4][uint8(x13>>32)] ^ t[5][uint8(x12>>40)] ^ t[6][uint8(x11>>48)] ^ t[7][x6>>56]
		y2 := t[0][uint8(x2)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][uint8(x15>>24)] ^
			t[4][uint8(x14>>32)] ^ t[5][uint8(x13>>40)] ^ t[6][uint8(x12>>48)] ^ t[7][x7>>56]
		y3 := t[0][uint8(x3)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][uint8(x0>>24)] ^
			t[4][uint8(x15>>32)] ^ t[5][uint8(x14>>40)] ^ t[6][uint8(x13>>48)] ^ t[7][x8>>56]
		y4 := t[0][uint8(x4)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][uint8(x1>>24)] ^
			t[4][uint8(x0>>32)] ^ t[5][uint8(x15>>40)] ^ t[6][uint8(x14>>48)] ^ t[7][x9>>56]
		y5 := t[0][uint8(x5)] ^ t[1][uint8(x4>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][uint8(x2>>24)] ^
			t[4][uint8(x1>>32)] ^ t[5][uint8(x0>>40)] ^ t[6][uint8(x15>>48)] ^ t[7][x10>>56]
		y6 := t[0][uint8(x6)] ^ t[1][uint8(x5>>8)] ^ t[2][uint8(x4>>16)] ^ t[3][uint8(x3>>24)] ^
			t[4][uint8(x2>>32)] ^ t[5][uint8(x1>>40)] ^ t[6][uint8(x0>>48)] ^ t[7][x11>>56]
		y7 := t[0][uint8(x7)] ^ t[1][uint8(x6>>8)] ^ t[2][uint8(x5>>16)] ^ t[3][uint8(x4>>24)] ^
			t[4][uint8(x3>>32)] ^ t[5][uint8(x2>>40)] ^ t[6][uint8(x1>>48)] ^ t[7][x12>>56]
		y8 := t[0][uint8(x8)] ^ t[1][uint8(x7>>8)] ^ t[2][uint8(x6>>16)] ^ t[3][uint8(x5>>24)] ^
			t[4][uint8(x4>>32)] ^ t[5][uint8(x3>>40)] ^ t[6][uint8(x2>>48)] ^ t[7][x13>>56]
		y9 := t[0][uint8(x9)] ^ t[1][uint8(x8>>8)] ^ t[2][uint8(x7>>16)] ^ t[3][uint8(x6>>24)] ^
			t[4][uint8(x5>>32)] ^ t[5][uint8(x4>>40)] ^ t[6][uint8(x3>>48)] ^ t[7][x14>>56]
		y10 := t[0][uint8(x10)] ^ t[1][uint8(x9>>8)] ^ t[2][uint8(x8>>16)] ^ t[3][uint8(x7>>24)] ^
			t[4][uint8(x6>>32)] ^ t[5][uint8(x5>>40)] ^ t[6][uint8(x4>>48)] ^ t[7][x15>>56]
		y11 := t[0][uint8(x11)] ^ t[1][uint8(x10>>8)] ^ t[2][uint8(x9>>16)] ^ t[3][uint8(x8>>24)] ^
			t[4][uint8(x7>>32)] ^ t[5][uint8(x6>>40)] ^ t[6][uint8(x5>>48)] ^ t[7][x0>>56]
		y12 := t[0][uint8(x12)] ^ t[1][uint8(x11>>8)] ^ t[2][uint8(x10>>16)] ^ t[3][uint8(x9>>24)] ^
			t[4][uint8(x8>>32)] ^ t[5][uint8(x7>>40)] ^ t[6][uint8(x6>>48)] ^ t[7][x1>>56]
		y13 := t[0][uint8(x13)] ^ t[1][uint8(x12>>8)] ^ t[2][uint8(x11>>16)] ^ t[3][uint8(x10>>24)] ^
			t[4][uint8(x9>>32)] ^ t[5][uint8(x8>>40)] ^ t[6][uint8(x7>>48)] ^ t[7][x2>>56]
		y14 := t[0][uint8(x14)] ^ t[1][uint8(x13>>8)] ^ t[2][uint8(x12>>16)] ^ t[3][uint8(x11>>24)] ^
			t[4][uint8(x10>>32)] ^ t[5][uint8(x9>>40)] ^ t[6][uint8(x8>>48)] ^ t[7][x3>>56]
		y15 := t[0][uint8(x15)] ^ t[1][uint8(x14>>8)] ^ t[2][uint8(x13>>16)] ^ t[3][uint8(x12>>24)] ^
			t[4][uint8(x11>>32)] ^ t[5][uint8(x10>>40)] ^ t[6][uint8(x9>>48)] ^ t[7][x4>>56]
		x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15 = y0, y1, y2, y3, y4, y5, y6, y7, y8, y9, y10, y11, y12, y13, y14, y15
	}
	s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15] = x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15
}
