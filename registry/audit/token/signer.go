//go:build pkcs11

package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

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
