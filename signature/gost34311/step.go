package gost34311

// step is the hashing step function of GOST 34.311-95, clause 6:
// key generation, four encryptions, mixing. It replaces h.
func step(h, m *[4]uint64, s *SBox) {
	var keys [4][8]uint32
	expandKeys(&keys, h, m)
	var out [4]uint64
	for i := range out {
		out[i] = encrypt(h[i], &keys[i], s)
	}
	mix(h, m, &out)
}

// c3 is the only non-zero constant of the key generation (6.1), least
// significant word first.
var c3 = [4]uint64{0xff00ff00ff00ff00, 0x00ff00ff00ff00ff, 0xff0000ff00ffff00, 0xff00ffff000000ff}

// expandKeys derives the four 256-bit keys (6.1).
func expandKeys(keys *[4][8]uint32, h, m *[4]uint64) {
	u, v := *h, *m
	for i := range keys {
		if i > 0 {
			u = rotA(u)
			if i == 2 {
				for j := range u {
					u[j] ^= c3[j]
				}
			}
			v = rotA(rotA(v))
		}
		permuteP(&keys[i], u[0]^v[0], u[1]^v[1], u[2]^v[2], u[3]^v[3])
	}
}

// rotA is the transformation A: y4||y3||y2||y1 -> (y1^y2)||y4||y3||y2.
func rotA(y [4]uint64) [4]uint64 { return [4]uint64{y[1], y[2], y[3], y[0] ^ y[1]} }

// permuteP is the byte permutation φ(i+1+4(k-1)) = 8i+k: byte i of key word k
// is byte k of word i, a 4 by 8 transposition.
func permuteP(key *[8]uint32, w0, w1, w2, w3 uint64) {
	for k := range key {
		key[k] = uint32(w0&0xff) | uint32(w1&0xff)<<8 | uint32(w2&0xff)<<16 | uint32(w3&0xff)<<24
		w0, w1, w2, w3 = w0>>8, w1>>8, w2>>8, w3>>8
	}
}

// encrypt is GOST 28147-89 in the simple substitution mode.
func encrypt(x uint64, key *[8]uint32, s *SBox) uint64 {
	a, b := uint32(x), uint32(x>>32)
	for range 3 {
		for i := 0; i < 8; i += 2 {
			b ^= s.round(a + key[i])
			a ^= s.round(b + key[i+1])
		}
	}
	for i := 7; i > 0; i -= 2 {
		b ^= s.round(a + key[i])
		a ^= s.round(b + key[i-1])
	}
	return uint64(b) | uint64(a)<<32
}

func (s *SBox) round(x uint32) uint32 {
	return s.table[0][uint8(x)] ^ s.table[1][uint8(x>>8)] ^ s.table[2][uint8(x>>16)] ^ s.table[3][x>>24]
}

// mix is the mixing transformation (6.3): h = ψ^61(h ^ ψ(m ^ ψ^12(s))).
func mix(h, m, s *[4]uint64) {
	var w [16 + 61]uint16
	load := func(v *[4]uint64) {
		for i := range 16 {
			w[i] ^= uint16(v[i/4] >> (16 * (i % 4)))
		}
	}
	psi := func(n int) {
		for i := range n {
			w[i+16] = w[i] ^ w[i+1] ^ w[i+2] ^ w[i+3] ^ w[i+12] ^ w[i+15]
		}
		copy(w[:16], w[n:n+16])
	}
	load(s)
	psi(12)
	load(m)
	psi(1)
	load(h)
	psi(61)
	for i := range h {
		h[i] = uint64(w[4*i]) | uint64(w[4*i+1])<<16 | uint64(w[4*i+2])<<32 | uint64(w[4*i+3])<<48
	}
}
