package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a signed statement about the whole log: Size leaves have the
// RFC 6962 root Root (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// ErrCheckpoint tells that a text is not a checkpoint.
var ErrCheckpoint = errors.New("not a checkpoint (C2SP tlog-checkpoint)")

// maxNoteBytes bounds a checkpoint with all its cosignatures.
const maxNoteBytes = 64 << 10

// Text is the body that is signed: origin, size, root, a line each.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// ParseCheckpoint reads a signed text strictly: three lines, or more when
// extensions follow; a decimal size without leading zeros; 32 bytes of base64.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" || lines[0] == "" {
		return Checkpoint{}, ErrCheckpoint
	}
	for _, extension := range lines[3 : len(lines)-1] {
		if extension == "" {
			return Checkpoint{}, ErrCheckpoint
		}
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, ErrCheckpoint
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, ErrCheckpoint
	}
	c := Checkpoint{Origin: lines[0], Size: size}
	copy(c.Root[:], root)
	if c.Root.String() != lines[2] {
		return Checkpoint{}, ErrCheckpoint
	}
	return c, nil
}

// Signer signs the checkpoints of one log.
type Signer struct {
	key      note.Signer
	verifier string
}

// NewSigner reads the log's private key in its text form. The key's name must
// be the origin, so that one log's key never signs another log.
func NewSigner(origin, text string) (*Signer, error) {
	key, err := note.NewSigner(strings.TrimSpace(text))
	if err != nil {
		// note's text could repeat the key.
		return nil, errors.New("not a private log key (signed-note form PRIVATE+KEY+name+hash+data)")
	}
	if key.Name() != origin {
		return nil, fmt.Errorf("the key is of the log %q, the origin is %q", key.Name(), origin)
	}
	verifier, err := verifierOf(strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return &Signer{key, verifier}, nil
}

// verifierOf gives the public form of a private key that NewSigner of note took:
// PRIVATE+KEY+name+hash+base64(0x01 ‖ seed) (C2SP signed-note).
func verifierOf(text string) (string, error) {
	parts := strings.SplitN(text, "+", 5)
	if len(parts) != 5 {
		return "", errors.New("not a private log key (signed-note form PRIVATE+KEY+name+hash+data)")
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return "", errors.New("not an Ed25519 private log key")
	}
	verifier, err := note.NewEd25519VerifierKey(parts[2], ed25519.NewKeyFromSeed(key[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return "", errors.New("not an Ed25519 private log key")
	}
	return verifier, nil
}

// Verifier is the log's public key in its text form.
func (s *Signer) Verifier() string { return s.verifier }

// Origin is the name of the log.
func (s *Signer) Origin() string { return s.key.Name() }

// Sign makes the signed note of a checkpoint.
func (s *Signer) Sign(size int64, root tlog.Hash) ([]byte, error) {
	b, err := note.Sign(&note.Note{Text: Checkpoint{s.key.Name(), size, root}.Text()}, s.key)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint: %w", err)
	}
	return b, nil
}

// NotSignedError tells that no signature of the given key stands under a
// checkpoint, or that it is false.
type NotSignedError struct {
	Key   string // name of the key looked for
	False bool   // a signature of that key is there and does not verify
}

// Error says which of the two it is.
func (e *NotSignedError) Error() string {
	if e.False {
		return "the checkpoint carries a false signature of " + e.Key
	}
	return "the checkpoint is not signed by the given key of " + e.Key
}

// OpenCheckpoint verifies a signed checkpoint with the log's key and reads it.
// Cosignatures of others are left aside. Errors: *NotSignedError,
// ErrCheckpoint.
func OpenCheckpoint(signed []byte, key note.Verifier) (Checkpoint, error) {
	if len(signed) > maxNoteBytes {
		return Checkpoint{}, ErrCheckpoint
	}
	n, err := note.Open(signed, note.VerifierList(key))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &invalid):
		return Checkpoint{}, &NotSignedError{Key: key.Name(), False: true}
	case errors.As(err, &unverified):
		return Checkpoint{}, &NotSignedError{Key: key.Name()}
	case err != nil:
		return Checkpoint{}, ErrCheckpoint
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != key.Name() {
		return Checkpoint{}, &NotSignedError{Key: key.Name()}
	}
	return c, nil
}

// GenerateKey makes an Ed25519 key pair of a log in the signed-note text
// forms: private for the sequencer's file, verifier for auditors. The origin
// is a name like a URL without scheme: "registry.example.ua/audit".
func GenerateKey(random io.Reader, origin string) (private, verifier string, err error) {
	private, verifier, err = note.GenerateKey(random, origin)
	if err != nil {
		return "", "", fmt.Errorf("making a log key: %w", err)
	}
	return private, verifier, nil
}

// ReadVerifier reads a log's public key in its text form.
func ReadVerifier(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, errors.New("not a public log key (signed-note form name+hash+data)")
	}
	return v, nil
}

// SignerOf makes a signer of a key that rests elsewhere, in a device for one.
// verifier is its public key as text.
func SignerOf(key note.Signer, verifier string) (*Signer, error) {
	v, err := ReadVerifier(verifier)
	if err != nil {
		return nil, err
	}
	if v.Name() != key.Name() || v.KeyHash() != key.KeyHash() {
		return nil, errors.New("the public key is not that of the log's key")
	}
	return &Signer{key, strings.TrimSpace(verifier)}, nil
}
