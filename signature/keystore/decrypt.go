package keystore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"

	"mist/signature/algo"
	"mist/signature/gost28147"
	"mist/signature/gost34311"
	"mist/signature/internal/ber"
)

const (
	oidPBES2    = "1.2.840.113549.1.5.13"
	oidPBKDF2   = "1.2.840.113549.1.5.12"
	oidPBE3DES  = "1.2.840.113549.1.12.1.3"
	oidGOSTCFB  = algo.UA + ".1.1.1.3"
	oidHMACGOST = algo.UA + ".1.1.2"
	oidIIT      = "1.3.6.1.4.1.19398.1.1.1.2"
)

// prf are the functions of PBKDF2 (RFC 8018, B.1).
var prf = map[string]func() hash.Hash{
	oidHMACGOST:           gost34311.New,
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

// blockCiphers are those in CBC mode: key size in bytes and maker.
var blockCiphers = map[string]struct {
	size int
	make func([]byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher},
}

// unsupportedError names an algorithm of a container.
type unsupportedError struct{ what, oid string }

func (e *unsupportedError) Error() string {
	return fmt.Sprintf("%s %s is not supported", e.what, e.oid)
}
func (e *unsupportedError) Unwrap() error { return algo.ErrUnsupported }

func (o *opener) decrypt(oid string, params, sealed []byte) ([]byte, error) {
	p, err := ber.One(params)
	if err != nil {
		return nil, fmt.Errorf("parameters of the encryption: %w", err)
	}
	switch oid {
	case oidPBES2:
		return o.pbes2(p, sealed)
	case oidPBE3DES:
		return o.pbe3DES(p, sealed)
	case oidIIT:
		return o.iit(p, sealed)
	}
	return nil, &unsupportedError{"encryption", oid}
}

// pbes2 is RFC 8018, 6.2.
func (o *opener) pbes2(p ber.Element, sealed []byte) ([]byte, error) {
	c := p.Children()
	kdf, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	scheme, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	kdfOID, kdfParams, err := algo.ParseAlgorithm(kdf)
	if err != nil {
		return nil, err
	}
	if kdfOID != oidPBKDF2 {
		return nil, &unsupportedError{"key derivation", kdfOID}
	}
	oid, params, err := algo.ParseAlgorithm(scheme)
	if err != nil {
		return nil, err
	}
	if oid == oidGOSTCFB {
		key, err := o.pbkdf2(kdfParams, gost28147.KeySize)
		if err != nil {
			return nil, err
		}
		return openGOST(key, params, sealed)
	}
	bc, ok := blockCiphers[oid]
	if !ok {
		return nil, &unsupportedError{"encryption", oid}
	}
	iv, err := ber.One(params)
	if err != nil || iv.Tag != ber.OctetString {
		return nil, fmt.Errorf("%w: initialisation vector", ber.ErrSyntax)
	}
	key, err := o.pbkdf2(kdfParams, bc.size)
	if err != nil {
		return nil, err
	}
	b, err := bc.make(key)
	if err != nil {
		return nil, err
	}
	return openCBC(b, iv.Body, sealed)
}

func (o *opener) pbkdf2(params []byte, size int) ([]byte, error) {
	p, err := ber.One(params)
	if err != nil {
		return nil, err
	}
	c := p.Children()
	salt, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	n, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, err
	}
	iterations, err := n.Small()
	if err != nil {
		return nil, ErrTooMuch
	}
	if l, ok, err := c.Optional(ber.Integer); err != nil {
		return nil, err
	} else if ok {
		if given, err := l.Small(); err != nil || given != size {
			return nil, fmt.Errorf("%w: key length", ber.ErrSyntax)
		}
	}
	name := "1.2.840.113549.2.7" // RFC 8018: HMAC with SHA-1 by default
	if a, ok, err := c.Optional(ber.Sequence); err != nil {
		return nil, err
	} else if ok {
		if name, _, err = algo.ParseAlgorithm(a); err != nil {
			return nil, err
		}
	}
	h, ok := prf[name]
	if !ok {
		return nil, &unsupportedError{"pseudo-random function", name}
	}
	if err := o.spend(iterations); err != nil {
		return nil, err
	}
	return pbkdf2.Key(h, o.password, salt.Body, iterations, size)
}

// openGOST is GOST 28147 in the mode with feedback; the parameters are the
// vector and the S-box (UAPKI and IIT write both).
func openGOST(key, params, sealed []byte) ([]byte, error) {
	p, err := ber.One(params)
	if err != nil {
		return nil, err
	}
	c := p.Children()
	iv, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	if len(iv.Body) != gost28147.BlockSize {
		return nil, fmt.Errorf("%w: initialisation vector", ber.ErrSyntax)
	}
	var sbox *gost34311.SBox
	if dke, ok, err := c.Optional(ber.OctetString); err != nil {
		return nil, err
	} else if ok {
		if sbox, err = gost34311.ParseSBox(dke.Body); err != nil {
			return nil, err
		}
	}
	g, err := gost28147.NewCipher(key, sbox)
	if err != nil {
		return nil, err
	}
	return g.DecryptCFB(iv.Body, sealed), nil
}

func openCBC(b cipher.Block, iv, sealed []byte) ([]byte, error) {
	if len(iv) != b.BlockSize() || len(sealed) == 0 || len(sealed)%b.BlockSize() != 0 {
		return nil, fmt.Errorf("%w: encrypted data", ber.ErrSyntax)
	}
	out := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, sealed)
	n := int(out[len(out)-1])
	if n < 1 || n > b.BlockSize() {
		return nil, ErrPassword
	}
	for _, x := range out[len(out)-n:] {
		if int(x) != n {
			return nil, ErrPassword
		}
	}
	return out[:len(out)-n], nil
}

// pbe3DES is pbeWithSHAAnd3-KeyTripleDES-CBC (RFC 7292, appendix C), which
// Windows and older Java write.
func (o *opener) pbe3DES(p ber.Element, sealed []byte) ([]byte, error) {
	c := p.Children()
	salt, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	n, err := c.Expect(ber.Integer)
	if err != nil {
		return nil, err
	}
	iterations, err := n.Small()
	if err != nil {
		return nil, ErrTooMuch
	}
	derive := func(id byte, size int) ([]byte, error) {
		return o.pkcs12(sha1.New, id, salt.Body, iterations, size)
	}
	key, err := derive(1, 24)
	if err != nil {
		return nil, err
	}
	iv, err := derive(2, 8)
	if err != nil {
		return nil, err
	}
	b, err := des.NewTripleDESCipher(key)
	if err != nil {
		return nil, err
	}
	return openCBC(b, iv, sealed)
}

// pkcs12 derives a key as RFC 7292, appendix B.2: id 1 for keys, 2 for
// vectors, 3 for the integrity check. The password is UTF-16, zero at the end.
func (o *opener) pkcs12(h func() hash.Hash, id byte, salt []byte, iterations, size int) ([]byte, error) {
	v := h().BlockSize()
	password := append(utf16be(o.password), 0, 0)
	fill := func(b []byte) []byte {
		out := make([]byte, (len(b)+v-1)/v*v)
		for i := range out {
			out[i] = b[i%len(b)]
		}
		return out
	}
	in := append(fill(salt), fill(password)...)
	d := make([]byte, v)
	for i := range d {
		d[i] = id
	}
	var out []byte
	for len(out) < size {
		if err := o.spend(iterations); err != nil {
			return nil, err
		}
		x := h()
		x.Write(d)
		x.Write(in)
		a := x.Sum(nil)
		for range iterations - 1 {
			x.Reset()
			x.Write(a)
			a = x.Sum(a[:0])
		}
		out = append(out, a...)
		// I_j = (I_j + B + 1) mod 2^(8v), B being A repeated to v octets.
		for at := 0; at < len(in); at += v {
			carry := 1
			for i := v - 1; i >= 0; i-- {
				carry += int(in[at+i]) + int(a[i%len(a)])
				in[at+i] = byte(carry)
				carry >>= 8
			}
		}
	}
	return out[:size], nil
}
