// Package keystore opens the files in which people keep Ukrainian and other
// signing keys, with their password: PKCS#12 (RFC 7292) and PKCS#8
// EncryptedPrivateKeyInfo (RFC 5958) under PBES2 with GOST 28147 and
// HMAC-GOST 34.311 or with AES, Key-6.dat of IIT, Java key stores (JKS).
//
// It refuses containers that are large, deep or ask for endless work, and
// tells a wrong password (ErrPassword) from a file it does not know
// (ErrUnknown). Integrity is checked wherever the format has a check; a key
// that comes out is a claim until it fits a certificate.
package keystore

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"

	"mist/signature/algo"
	"mist/signature/internal/ber"
)

// Limits.
const (
	MaxSize       = 1 << 20
	maxIterations = 2_000_000 // of all key derivations of one container
	maxEntries    = 64
)

// Errors of Open.
var (
	// ErrPassword: the password does not open the container.
	ErrPassword = errors.New("the password does not open the key container")
	// ErrUnknown: no container this package knows.
	ErrUnknown = errors.New("not a key container (known: PKCS#12, encrypted PKCS#8, Key-6.dat, JKS)")
	// ErrTooMuch: more iterations, entries or bytes than the limits.
	ErrTooMuch = errors.New("the key container asks for more work than the limit")
)

// Formats of containers.
const (
	FormatPKCS12 = "PKCS#12"
	FormatPKCS8  = "PKCS#8"
	FormatIIT    = "Key-6"
	FormatJKS    = "JKS"
)

// Container is an opened container.
type Container struct {
	Format       string
	Keys         []Key
	Certificates [][]byte // DER
}

// Key is a private key of a container.
type Key struct {
	Name  string // alias or friendly name, "" when it has none
	PKCS8 []byte // unencrypted PrivateKeyInfo, DER
}

// Open opens a container, DER or PEM, with its password.
func Open(b []byte, password string) (*Container, error) {
	if len(b) > MaxSize {
		return nil, ErrTooMuch
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	o := &opener{password: password, left: maxIterations, out: &Container{}}
	var err error
	switch e, parseErr := ber.One(b); {
	case bytes.HasPrefix(b, []byte{0xfe, 0xed, 0xfe, 0xed}):
		err = o.jks(b)
	case parseErr != nil || e.Tag != ber.Sequence:
		return nil, ErrUnknown
	case peek(e) == ber.Integer:
		err = o.pfx(e)
	case peek(e) == ber.Sequence:
		err = o.encrypted(e, "")
	default:
		return nil, ErrUnknown
	}
	if err == nil && len(o.out.Keys) == 0 {
		err = errors.New("the container holds no private key")
	}
	if err != nil {
		return nil, fmt.Errorf("opening a key container: %w", err)
	}
	return o.out, nil
}

func peek(e ber.Element) byte {
	c := e.Children()
	return c.Peek()
}

type opener struct {
	password string
	left     int // iterations still allowed
	out      *Container
}

// spend takes the iterations of one key derivation from the allowance.
func (o *opener) spend(iterations int) error {
	if iterations < 1 || iterations > o.left {
		return ErrTooMuch
	}
	o.left -= iterations
	return nil
}

// encrypted reads EncryptedPrivateKeyInfo.
func (o *opener) encrypted(e ber.Element, name string) error {
	c := e.Children()
	alg, err := c.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	sealed, err := c.Expect(ber.OctetString)
	if err != nil {
		return err
	}
	if err := c.End(); err != nil {
		return err
	}
	oid, params, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return err
	}
	if o.out.Format == "" {
		o.out.Format = FormatPKCS8
		if oid == oidIIT {
			o.out.Format = FormatIIT
		}
	}
	plain, err := o.decrypt(oid, params, sealed.Body)
	if err != nil {
		return err
	}
	return o.key(plain, name)
}

// key takes a decrypted PrivateKeyInfo. Ciphers without a check of their own
// give noise under a wrong password, which is no PrivateKeyInfo.
func (o *opener) key(plain []byte, name string) error {
	if !isPrivateKeyInfo(plain) {
		return ErrPassword
	}
	if len(o.out.Keys) >= maxEntries {
		return ErrTooMuch
	}
	o.out.Keys = append(o.out.Keys, Key{Name: name, PKCS8: plain})
	if second := iitSecond(plain); second != nil {
		o.out.Keys = append(o.out.Keys, Key{Name: name, PKCS8: second})
	}
	return nil
}

func isPrivateKeyInfo(b []byte) bool {
	e, err := ber.One(b)
	if err != nil || e.Tag != ber.Sequence {
		return false
	}
	c := e.Children()
	for _, tag := range []byte{ber.Integer, ber.Sequence, ber.OctetString} {
		if _, err := c.Expect(tag); err != nil {
			return false
		}
	}
	return true
}
