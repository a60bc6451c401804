// Package gost28147 is the block cipher of DSTU GOST 28147:2009 as far as key
// containers need it: simple substitution, gamma with feedback and the
// message authentication code. Signatures do not use it.
//
// It is written for opening a container once, not for traffic: table look-ups
// depend on the data, so it must not run where others can time it.
package gost28147

import (
	"encoding/binary"
	"errors"

	"mist/signature/gost34311"
)

// Sizes in bytes.
const (
	BlockSize = 8
	KeySize   = 32
	MACSize   = 4
)

// ErrKeySize reports a key that is not 32 bytes long.
var ErrKeySize = errors.New("gost28147: the key is not 32 bytes long")

// Cipher is the cipher under one key; it implements cipher.Block.
type Cipher struct {
	key  [8]uint32
	sbox *gost34311.SBox
}

// NewCipher makes a cipher; a nil S-box means DKE 1.
func NewCipher(key []byte, sbox *gost34311.SBox) (*Cipher, error) {
	if len(key) != KeySize {
		return nil, ErrKeySize
	}
	if sbox == nil {
		sbox = gost34311.DefaultSBox()
	}
	c := &Cipher{sbox: sbox}
	for i := range c.key {
		c.key[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	return c, nil
}

// BlockSize implements cipher.Block.
func (c *Cipher) BlockSize() int { return BlockSize }

// rounds runs the keys in the order given; the halves change their names
// instead of their places.
func (c *Cipher) rounds(a, b uint32, forward, backward int) (uint32, uint32) {
	for range forward {
		for i := 0; i < 8; i += 2 {
			b ^= c.sbox.Substitute(a + c.key[i])
			a ^= c.sbox.Substitute(b + c.key[i+1])
		}
	}
	for range backward {
		for i := 7; i > 0; i -= 2 {
			b ^= c.sbox.Substitute(a + c.key[i])
			a ^= c.sbox.Substitute(b + c.key[i-1])
		}
	}
	return a, b
}

func (c *Cipher) block(dst, src []byte, forward, backward int) {
	a, b := c.rounds(binary.LittleEndian.Uint32(src), binary.LittleEndian.Uint32(src[4:]), forward, backward)
	binary.LittleEndian.PutUint32(dst, b)
	binary.LittleEndian.PutUint32(dst[4:], a)
}

// Encrypt implements cipher.Block: three times the keys forward, once backward
// (GOST 28147-89, 2.2).
func (c *Cipher) Encrypt(dst, src []byte) { c.block(dst, src, 3, 1) }

// Decrypt implements cipher.Block.
func (c *Cipher) Decrypt(dst, src []byte) { c.block(dst, src, 1, 3) }

// EncryptCFB is gamma with feedback (GOST 28147-89, 4) from a synchronisation
// vector of 8 bytes; the last block may be short.
func (c *Cipher) EncryptCFB(iv, plain []byte) []byte { return c.cfb(iv, plain, true) }

// DecryptCFB reverses EncryptCFB.
func (c *Cipher) DecryptCFB(iv, sealed []byte) []byte { return c.cfb(iv, sealed, false) }

func (c *Cipher) cfb(iv, in []byte, encrypt bool) []byte {
	out := make([]byte, len(in))
	var state, gamma [BlockSize]byte
	copy(state[:], iv)
	for at := 0; at < len(in); at += BlockSize {
		c.Encrypt(gamma[:], state[:])
		n := min(BlockSize, len(in)-at)
		for i := range n {
			out[at+i] = in[at+i] ^ gamma[i]
		}
		if encrypt {
			copy(state[:], out[at:at+n])
		} else {
			copy(state[:], in[at:at+n])
		}
	}
	return out
}

// MAC is the 32-bit message authentication code (GOST 28147-89, 5): 16 rounds
// over each block, the last padded with zeros; a message of one block gets a
// second one of zeros.
func (c *Cipher) MAC(message []byte) (mac [MACSize]byte) {
	var a, b uint32
	blocks := 0
	for at := 0; at < len(message); at += BlockSize {
		var block [BlockSize]byte
		copy(block[:], message[at:])
		a ^= binary.LittleEndian.Uint32(block[:])
		b ^= binary.LittleEndian.Uint32(block[4:])
		a, b = c.rounds(a, b, 2, 0)
		blocks++
	}
	if blocks == 1 {
		a, _ = c.rounds(a, b, 2, 0)
	}
	binary.LittleEndian.PutUint32(mac[:], a)
	return mac
}
