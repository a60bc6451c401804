// Package token keeps a log's signing key in a device behind PKCS #11: the
// private half never leaves it, and no file or database holds it.
//
// It needs cgo and is built with the tag pkcs11 alone; without the tag [Open]
// and [Make] say so. It trusts the module it is given with the PIN, and checks
// each signature with the public key before it hands it out.
package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Config names a key in a device.
type Config struct {
	// Module is the path of the device's PKCS #11 library.
	Module string
	// Token is the label of the token, Key that of the key pair in it.
	Token, Key string
	PIN        string
	// Origin is the name of the log.
	Origin string
}

// ErrNotBuilt tells that this program was built without devices.
var ErrNotBuilt = errors.New("this build has no PKCS #11: build with -tags pkcs11 (needs cgo)")

func (c Config) check() error {
	if c.Module == "" || c.Token == "" || c.Key == "" || c.Origin == "" {
		return errors.New("a key in a device needs module, token, key and origin")
	}
	return nil
}

// signer is a note.Signer over whatever signs.
type signer struct {
	origin string
	public ed25519.PublicKey
	hash   uint32
	sign   func(msg []byte) ([]byte, error)
}

// newSigner gives the signer and the public key in its text form.
func newSigner(origin string, public ed25519.PublicKey, sign func([]byte) ([]byte, error)) (note.Signer, string, error) {
	text, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		return nil, "", fmt.Errorf("the key in the device: %w", err)
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, "", fmt.Errorf("the key in the device: %w", err)
	}
	return &signer{origin, public, v.KeyHash(), sign}, text, nil
}

// Name implements note.Signer.
func (s *signer) Name() string { return s.origin }

// KeyHash implements note.Signer.
func (s *signer) KeyHash() uint32 { return s.hash }

// Sign implements note.Signer. What the device gives is verified first.
func (s *signer) Sign(msg []byte) ([]byte, error) {
	b, err := s.sign(msg)
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(s.public, msg, b) {
		return nil, errors.New("the device gave a signature that its public key does not verify")
	}
	return b, nil
}
