package kupyna

import (
	"fmt"
	"hash"
	"math/big"
	"math/rand/v2"
	"os"
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

func newWith(size int, vector bool) hash.Hash {
	d := &digest{size: size, vector: vector}
	d.Reset()
	return d
}

// TestImplementations fails where the processor can run the assembly and the
// package would not.
func TestImplementations(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Skip("no /proc/cpuinfo to compare with")
	}
	able := assemblyBuilt
	for _, flag := range []string{"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512vbmi", "gfni"} {
		able = able && strings.Contains(string(info), " "+flag+" ")
	}
	require.Equal(t, able, hasVector)
}

// specification is the hash written down from the text of the standard: a
// state of 8 rows and 8 or 16 columns, transformed one step after the other.
func specification(size int, msg []byte) []byte {
	cols, rounds := 8, 10
	if size > 32 {
		cols, rounds = 16, 14
	}
	mul := func(a, b byte) byte {
		var p uint
		for i := range 8 {
			if b>>i&1 == 1 {
				p ^= uint(a) << i
			}
		}
		for i := 14; i >= 8; i-- {
			if p>>i&1 == 1 {
				p ^= 0x11d << (i - 8)
			}
		}
		return byte(p)
	}
	row := []byte{1, 1, 5, 1, 8, 6, 7, 4}
	permute := func(s []byte, plus bool) []byte {
		s = append([]byte(nil), s...)
		for r := range rounds {
			for j := range cols {
				col := s[8*j : 8*j+8]
				if !plus {
					col[0] ^= byte(j<<4 ^ r)
					continue
				}
				k := []byte{0xf3, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, byte((cols-1-j)<<4 ^ r)}
				carry := 0
				for i := range col {
					carry += int(col[i]) + int(k[i])
					col[i] = byte(carry)
					carry >>= 8
				}
			}
			shifted := make([]byte, len(s))
			for j := range cols {
				for i := range 8 {
					by := i
					if i == 7 && cols == 16 {
						by = 11
					}
					shifted[8*((j+by)%cols)+i] = sboxes[i%4][s[8*j+i]]
				}
			}
			for j := range cols {
				for i := range 8 {
					var v byte
					for k := range 8 {
						v ^= mul(row[(k-i+8)%8], shifted[8*j+k])
					}
					s[8*j+i] = v
				}
			}
		}
		return s
	}
	block := 8 * cols
	padded := append(append([]byte(nil), msg...), 0x80)
	for (len(padded)+12)%block != 0 {
		padded = append(padded, 0)
	}
	length := make([]byte, 12)
	new(big.Int).SetInt64(int64(len(msg)) * 8).FillBytes(length)
	for i := range 12 {
		padded = append(padded, length[11-i])
	}
	h := make([]byte, block)
	h[0] = byte(block)
	xor := func(a, b []byte) []byte {
		out := make([]byte, len(a))
		for i := range a {
			out[i] = a[i] ^ b[i]
		}
		return out
	}
	for ; len(padded) > 0; padded = padded[block:] {
		m := padded[:block]
		h = xor(h, xor(permute(xor(h, m), false), permute(m, true)))
	}
	h = xor(h, permute(h, false))
	return h[block-size:]
}

func TestSpecification(t *testing.T) {
	for name, vector := range implementations() {
		for _, size := range []int{Size256, Size384, Size512} {
			t.Run(fmt.Sprintf("%d/%s", 8*size, name), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 1))
				for n := range 270 { // every place of the padding
					msg := make([]byte, n)
					for i := range msg {
						msg[i] = byte(r.Uint32())
						if n%7 == 0 {
							msg[i] = 0xff
						}
					}
					want := specification(size, msg)
					h := newWith(size, vector)
					for rest := msg; len(rest) > 0; {
						k := 1 + r.IntN(len(rest))
						written, err := h.Write(rest[:k])
						require.NoError(t, err)
						require.Equal(t, k, written)
						rest = rest[k:]
					}
					require.Equal(t, want, h.Sum(nil), "length %d", n)
					require.Equal(t, want, h.Sum(nil), "Sum does not change the state")
					h.Reset()
					h.Write(msg)
					require.Equal(t, append([]byte("x"), want...), h.Sum([]byte("x")))
				}
			})
		}
	}
}

func TestSums(t *testing.T) {
	msg := []byte("Kupyna")
	s256, s384, s512 := Sum256(msg), Sum384(msg), Sum512(msg)
	for _, c := range []struct {
		h    hash.Hash
		sum  []byte
		size int
	}{{New256(), s256[:], 64}, {New384(), s384[:], 128}, {New512(), s512[:], 128}} {
		c.h.Write(msg)
		require.Equal(t, c.sum, c.h.Sum(nil))
		require.Equal(t, len(c.sum), c.h.Size())
		require.Equal(t, c.size, c.h.BlockSize())
	}
}

func FuzzSpecification(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, msg []byte) {
		msg = msg[:min(len(msg), 2048)]
		for _, vector := range implementations() {
			for _, size := range []int{Size256, Size512} {
				h := newWith(size, vector)
				h.Write(msg)
				require.Equal(t, specification(size, msg), h.Sum(nil))
			}
		}
	})
}
