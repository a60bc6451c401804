package gost34311

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// implementations lists what this build and processor can run.
func implementations() map[string]bool {
	m := map[string]bool{"portable": false}
	if hasVector {
		m["vector"] = true
	}
	return m
}

func newWith(vector bool, s *SBox) hash.Hash { return &digest{sbox: s, vector: vector} }

// TestImplementations fails where the processor can run the assembly and the
// package would not.
func TestImplementations(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip("no /proc/cpuinfo to compare with")
	}
	able := assemblyBuilt
	for _, flag := range []string{"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512vbmi"} {
		able = able && strings.Contains(string(info), " "+flag+" ")
	}
	require.Equal(t, able, hasVector)
}

func randomSBox(t *testing.T, r *rand.Rand) *SBox {
	t.Helper()
	var packed [PackedSize]byte
	for row := range 8 {
		p := r.Perm(16)
		for i := range 8 {
			packed[8*row+i] = byte(p[2*i]<<4 | p[2*i+1])
		}
	}
	s, err := ParseSBox(packed[:])
	require.NoError(t, err)
	require.Equal(t, packed[:], s.Packed())
	return s
}

// specification is the hash written down from the text of the standard, bit by
// bit where that is clearer, as an oracle for the tables.
func specification(s *SBox, msg []byte) [32]byte {
	var rows [8][16]byte
	for i, b := range s.packed {
		rows[i/8][i%8*2], rows[i/8][i%8*2+1] = b>>4, b&15
	}
	type block = [32]byte // least significant byte first
	xor := func(a, b block) block {
		for i := range a {
			a[i] ^= b[i]
		}
		return a
	}
	a := func(y block) (z block) {
		copy(z[:24], y[8:])
		for i := range 8 {
			z[24+i] = y[i] ^ y[8+i]
		}
		return z
	}
	p := func(y block) (z block) {
		for i := range 4 {
			for k := range 8 {
				z[i+4*k] = y[8*i+k]
			}
		}
		return z
	}
	c3, _ := hex.DecodeString("ff00ffff000000ffff0000ff00ffff0000ff00ff00ff00ffff00ff00ff00ff00")
	slices.Reverse(c3)
	encrypt := func(key block, in [8]byte) (out [8]byte) {
		word := func(b []byte) uint32 {
			return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		}
		n1, n2 := word(in[:4]), word(in[4:])
		for r := range 32 {
			k := r % 8
			if r >= 24 {
				k = 7 - k
			}
			sum := n1 + word(key[4*k:])
			var sub uint32
			for i := range 8 {
				sub |= uint32(rows[i][sum>>(4*i)&15]) << (4 * i)
			}
			n1, n2 = n2^(sub<<11|sub>>21), n1
		}
		for i := range 4 {
			out[i], out[4+i] = byte(n2>>(8*i)), byte(n1>>(8*i))
		}
		return out
	}
	psi := func(y block, n int) block {
		for range n {
			lo, hi := byte(0), byte(0)
			for _, w := range []int{0, 1, 2, 3, 12, 15} {
				lo, hi = lo^y[2*w], hi^y[2*w+1]
			}
			copy(y[:], y[2:])
			y[30], y[31] = lo, hi
		}
		return y
	}
	step := func(h, m block) block {
		u, v := h, m
		var out block
		for i := range 4 {
			if i > 0 {
				u = a(u)
				if i == 2 {
					u = xor(u, block(c3))
				}
				v = a(a(v))
			}
			e := encrypt(p(xor(u, v)), [8]byte(h[8*i:]))
			copy(out[8*i:], e[:])
		}
		return psi(xor(h, psi(xor(m, psi(out, 12)), 1)), 61)
	}
	var h, sum, length block
	n := len(msg) * 8
	for i := 0; n > 0; i++ {
		length[i] = byte(n)
		n >>= 8
	}
	for len(msg) > 0 {
		var m block
		msg = msg[copy(m[:], msg):]
		carry := 0
		for i := range sum {
			carry += int(sum[i]) + int(m[i])
			sum[i] = byte(carry)
			carry >>= 8
		}
		h = step(h, m)
	}
	return step(step(h, length), sum)
}

func TestSpecification(t *testing.T) {
	for name, vector := range implementations() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			for i := range 120 {
				s := DefaultSBox()
				if i%2 == 1 {
					s = randomSBox(t, r)
				}
				msg := make([]byte, r.IntN(300))
				for j := range msg {
					msg[j] = byte(r.Uint32())
					if i%5 == 0 {
						msg[j] = 0xff // the checksum carries
					}
				}
				want := specification(s, msg)
				h := newWith(vector, s)
				for rest := msg; len(rest) > 0; {
					n := 1 + r.IntN(len(rest))
					written, err := h.Write(rest[:n])
					require.NoError(t, err)
					require.Equal(t, n, written)
					rest = rest[n:]
				}
				require.Equal(t, want[:], h.Sum(nil), "length %d", len(msg))
				require.Equal(t, want[:], h.Sum([]byte{})[:32], "Sum does not change the state")
				h.Reset()
				h.Write(msg)
				require.Equal(t, append([]byte("x"), want[:]...), h.Sum([]byte("x")))
			}
		})
	}
}

func TestParseSBoxErrors(t *testing.T) {
	good := DefaultSBox().Packed()
	s, err := ParseSBox(good)
	require.NoError(t, err)
	require.Same(t, DefaultSBox(), s)
	for _, n := range []int{0, 63, 65, 1 << 20} {
		_, err := ParseSBox(make([]byte, n))
		require.ErrorIs(t, err, ErrSBoxSize)
	}
	for row := range 8 {
		bad := slices.Clone(good)
		bad[8*row] = bad[8*row+1]
		_, err := ParseSBox(bad)
		require.True(t, errors.Is(err, ErrSBoxRow), "row %d: %v", row, err)
		require.ErrorContains(t, err, fmt.Sprintf("row %d", row))
	}
}

func FuzzSpecification(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("This is message, length=32 bytes"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		msg = msg[:min(len(msg), 4096)]
		want := specification(DefaultSBox(), msg)
		for _, vector := range implementations() {
			h := newWith(vector, DefaultSBox())
			h.Write(msg)
			require.Equal(t, want[:], h.Sum(nil))
		}
	})
}
