package gost34311

// keySchedule holds word k of the four keys in row k.
type keySchedule [8][4]uint32

// step is the hashing step function of GOST 34.311-95, clause 6:
// key generation, four encryptions, mixing. It replaces h.
func step(h, m *[4]uint64, s *SBox) {
	var keys keySchedule
	expandKeys(&keys, h, m)
	out := *h
	encrypt4(&out, &keys, s)
	mix(h, m, &out)
}

// c3 is the only non-zero constant of the key generation (6.1), least
// significant word first.
var c3 = [4]uint64{0xff00ff00ff00ff00, 0x00ff00ff00ff00ff, 0xff0000ff00ffff00, 0xff00ffff000000ff}

// expandKeys derives the four 256-bit keys (6.1): key i is P(u ^ v), with
// u = A(u) ^ C and v = A(A(v)) from one to the next.
func expandKeys(keys *keySchedule, h, m *[4]uint64) {
	u0, u1, u2, u3 := h[0], h[1], h[2], h[3]
	v0, v1, v2, v3 := m[0], m[1], m[2], m[3]
	keys.set(0, u0^v0, u1^v1, u2^v2, u3^v3)
	for i := 1; i < 4; i++ {
		// A: y4||y3||y2||y1 -> (y1^y2)||y4||y3||y2
		u0, u1, u2, u3 = u1, u2, u3, u0^u1
		if i == 2 {
			u0, u1, u2, u3 = u0^c3[0], u1^c3[1], u2^c3[2], u3^c3[3]
		}
		v0, v1, v2, v3 = v2, v3, v0^v1, v1^v2
		keys.set(i, u0^v0, u1^v1, u2^v2, u3^v3)
	}
}

// set makes key i from w by the byte permutation P, φ(i+1+4(k-1)) = 8i+k: byte
// j of word k is byte k of w[j], a transposition, done here by exchanging
// bytes and pairs of bytes between words.
func (keys *keySchedule) set(i int, w0, w1, w2, w3 uint64) {
	const m8, m16 = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	// Even and odd bytes of two words side by side.
	e01, o01 := w0&m8|w1&m8<<8, w0>>8&m8|w1&^m8
	e23, o23 := w2&m8|w3&m8<<8, w2>>8&m8|w3&^m8
	k04, k26 := e01&m16|e23&m16<<16, e01>>16&m16|e23&^m16
	k15, k37 := o01&m16|o23&m16<<16, o01>>16&m16|o23&^m16
	keys[0][i], keys[4][i] = uint32(k04), uint32(k04>>32)
	keys[2][i], keys[6][i] = uint32(k26), uint32(k26>>32)
	keys[1][i], keys[5][i] = uint32(k15), uint32(k15>>32)
	keys[3][i], keys[7][i] = uint32(k37), uint32(k37>>32)
}

// encrypt4 is GOST 28147-89 in the simple substitution mode on four blocks at
// once, word i under key i; the four chains run side by side.
func encrypt4(x *[4]uint64, keys *keySchedule, s *SBox) {
	t := &s.table
	a0, a1, a2, a3 := uint32(x[0]), uint32(x[1]), uint32(x[2]), uint32(x[3])
	b0, b1, b2, b3 := uint32(x[0]>>32), uint32(x[1]>>32), uint32(x[2]>>32), uint32(x[3]>>32)
	for n := range 12 {
		{
			k := &keys[2*n&7]
			x0 := a0 + k[0]
			x1 := a1 + k[1]
			x2 := a2 + k[2]
			x3 := a3 + k[3]
			b0 ^= t[0][uint8(x0)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][x0>>24]
			b1 ^= t[0][uint8(x1)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][x1>>24]
			b2 ^= t[0][uint8(x2)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][x2>>24]
			b3 ^= t[0][uint8(x3)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][x3>>24]
		}
		{
			k := &keys[(2*n+1)&7]
			x0 := b0 + k[0]
			x1 := b1 + k[1]
			x2 := b2 + k[2]
			x3 := b3 + k[3]
			a0 ^= t[0][uint8(x0)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][x0>>24]
			a1 ^= t[0][uint8(x1)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][x1>>24]
			a2 ^= t[0][uint8(x2)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][x2>>24]
			a3 ^= t[0][uint8(x3)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][x3>>24]
		}
	}
	for n := 7; n > 0; n -= 2 {
		{
			k := &keys[n]
			x0 := a0 + k[0]
			x1 := a1 + k[1]
			x2 := a2 + k[2]
			x3 := a3 + k[3]
			b0 ^= t[0][uint8(x0)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][x0>>24]
			b1 ^= t[0][uint8(x1)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][x1>>24]
			b2 ^= t[0][uint8(x2)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][x2>>24]
			b3 ^= t[0][uint8(x3)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][x3>>24]
		}
		{
			k := &keys[n-1]
			x0 := b0 + k[0]
			x1 := b1 + k[1]
			x2 := b2 + k[2]
			x3 := b3 + k[3]
			a0 ^= t[0][uint8(x0)] ^ t[1][uint8(x0>>8)] ^ t[2][uint8(x0>>16)] ^ t[3][x0>>24]
			a1 ^= t[0][uint8(x1)] ^ t[1][uint8(x1>>8)] ^ t[2][uint8(x1>>16)] ^ t[3][x1>>24]
			a2 ^= t[0][uint8(x2)] ^ t[1][uint8(x2>>8)] ^ t[2][uint8(x2>>16)] ^ t[3][x2>>24]
			a3 ^= t[0][uint8(x3)] ^ t[1][uint8(x3>>8)] ^ t[2][uint8(x3>>16)] ^ t[3][x3>>24]
		}
	}
	x[0] = uint64(b0) | uint64(a0)<<32
	x[1] = uint64(b1) | uint64(a1)<<32
	x[2] = uint64(b2) | uint64(a2)<<32
	x[3] = uint64(b3) | uint64(a3)<<32
}

// mix is the mixing transformation (6.3): h = ψ^61(h ^ ψ(m ^ ψ^12(s))). It is
// linear, so it is computed as ψ^61(h ^ ψ(m)) ^ ψ^74(s): the first part does
// not wait for the encryption.
func mix(h, m, s *[4]uint64) {
	a0, a1, a2, a3 := psi(m[0], m[1], m[2], m[3])
	a0, a1, a2, a3 = a0^h[0], a1^h[1], a2^h[2], a3^h[3]
	for range 15 {
		a0, a1, a2, a3 = a1, a2, a3, psi4(a0, a1, a3)
	}
	a0, a1, a2, a3 = psi(a0, a1, a2, a3)
	b0, b1, b2, b3 := s[0], s[1], s[2], s[3]
	for range 18 {
		b0, b1, b2, b3 = b1, b2, b3, psi4(b0, b1, b3)
	}
	b0, b1, b2, b3 = psi(b0, b1, b2, b3)
	b0, b1, b2, b3 = psi(b0, b1, b2, b3)
	h[0], h[1], h[2], h[3] = a0^b0, a1^b1, a2^b2, a3^b3
}

// psi shifts out the lowest of sixteen 16-bit words and puts
// y1^y2^y3^y4^y13^y16 on top.
func psi(y0, y1, y2, y3 uint64) (z0, z1, z2, z3 uint64) {
	t := y0 ^ y0>>16 ^ y0>>32 ^ y0>>48 ^ y3 ^ y3>>48
	return y0>>16 | y1<<48, y1>>16 | y2<<48, y2>>16 | y3<<48, y3>>16 | t<<48
}

// psi4 returns the word that ψ^4 puts on top: the four new words without the
// feedback among them, then that feedback, a running sum from the lowest up.
func psi4(y0, y1, y3 uint64) uint64 {
	t := y0 ^ (y0>>16 | y1<<48) ^ (y0>>32 | y1<<32) ^ (y0>>48 | y1<<16) ^ y3 ^ y3>>48
	t ^= t << 16
	return t ^ t<<32
}
