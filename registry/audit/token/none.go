//go:build !pkcs11

package token

import "golang.org/x/mod/sumdb/note"

// Open gives the signer of a key in a device and its public key as text.
func Open(c Config) (key note.Signer, verifier string, stop func(), err error) {
	if err := c.check(); err != nil {
		return nil, "", nil, err
	}
	return nil, "", nil, ErrNotBuilt
}

// Make makes a key pair in the device; it refuses a label that is taken.
func Make(c Config) (verifier string, err error) {
	if err := c.check(); err != nil {
		return "", err
	}
	return "", ErrNotBuilt
}
