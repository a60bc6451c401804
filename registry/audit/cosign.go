package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// algCosignature marks keys of Ed25519 cosignatures (C2SP tlog-cosignature).
const algCosignature = 0x04

// Cosigner signs what a witness has verified, with the time it did so.
type Cosigner struct {
	name string
	hash uint32
	key  ed25519.PrivateKey
}

// WitnessKey is a witness's public key.
type WitnessKey struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// Cosignature is a witness's statement about a checkpoint: at Time it was the
// largest consistent tree of the log that the witness had seen.
type Cosignature struct {
	Witness string
	Time    time.Time // whole seconds
}

// GenerateWitnessKey makes an Ed25519 key pair of a witness in the signed-note
// text forms with signature type 0x04. The name is like a URL without scheme.
func GenerateWitnessKey(random io.Reader, name string) (private, verifier string, err error) {
	if !isKeyName(name) {
		return "", "", errors.New("a witness is named like a URL without scheme: no spaces, no plus signs")
	}
	public, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return "", "", fmt.Errorf("making a witness key: %w", err)
	}
	hash := keyHash(name, public)
	return "PRIVATE+KEY+" + keyText(name, hash, key.Seed()), keyText(name, hash, public), nil
}

func keyText(name string, hash uint32, key []byte) string {
	return fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, key...)))
}

// keyHash is the key id of tlog-cosignature: SHA-256(name ‖ "\n" ‖ 0x04 ‖ key)[:4].
func keyHash(name string, public ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write([]byte(name))
	h.Write([]byte{'\n', algCosignature})
	h.Write(public)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func isKeyName(s string) bool {
	return s != "" && len(s) <= 200 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '+' || r == 0x7f || r > 0x7e })
}

// readKey reads name+hash+base64(0x04 ‖ 32 bytes).
func readKey(text string) (name string, hash uint32, key []byte, ok bool) {
	name, rest, _ := strings.Cut(text, "+")
	hashText, keyText, found := strings.Cut(rest, "+")
	if !found || !isKeyName(name) || len(hashText) != 8 {
		return "", 0, nil, false
	}
	h, err := hex.DecodeString(hashText)
	if err != nil {
		return "", 0, nil, false
	}
	key, err = base64.StdEncoding.Strict().DecodeString(keyText)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != algCosignature {
		return "", 0, nil, false
	}
	return name, binary.BigEndian.Uint32(h), key[1:], true
}

// NewCosigner reads a witness's private key in its text form.
func NewCosigner(text string) (*Cosigner, error) {
	// The text is a secret: no error repeats it.
	rest, marked := strings.CutPrefix(strings.TrimSpace(text), "PRIVATE+KEY+")
	name, hash, seed, ok := readKey(rest)
	if !marked || !ok {
		return nil, errors.New("not a private witness key (PRIVATE+KEY+name+hash+data of type 0x04)")
	}
	key := ed25519.NewKeyFromSeed(seed)
	if keyHash(name, key.Public().(ed25519.PublicKey)) != hash {
		return nil, errors.New("the private witness key's hash does not belong to its name and key")
	}
	return &Cosigner{name, hash, key}, nil
}

// Name is the witness's name.
func (c *Cosigner) Name() string { return c.name }

// Verifier is the text form of the public key.
func (c *Cosigner) Verifier() string {
	return keyText(c.name, c.hash, c.key.Public().(ed25519.PublicKey))
}

// Cosign gives the signature line for a checkpoint's text (Checkpoint.Text or
// the body of a note), ending in a newline.
func (c *Cosigner) Cosign(text string, at time.Time) string {
	stamp := uint64(at.Unix())
	signature := binary.BigEndian.AppendUint32(nil, c.hash)
	signature = binary.BigEndian.AppendUint64(signature, stamp)
	signature = append(signature, ed25519.Sign(c.key, cosigned(text, stamp))...)
	return "— " + c.name + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
}

// cosigned is the message under an Ed25519 cosignature.
func cosigned(text string, stamp uint64) []byte {
	return []byte("cosignature/v1\ntime " + strconv.FormatUint(stamp, 10) + "\n" + text)
}

// ReadWitnessKey reads a witness's public key in its text form.
func ReadWitnessKey(text string) (*WitnessKey, error) {
	name, hash, key, ok := readKey(strings.TrimSpace(text))
	if !ok || keyHash(name, key) != hash {
		return nil, errors.New("not a public witness key (name+hash+data of type 0x04)")
	}
	return &WitnessKey{name, hash, key}, nil
}

// Name implements note.Verifier.
func (w *WitnessKey) Name() string { return w.name }

// KeyHash implements note.Verifier.
func (w *WitnessKey) KeyHash() uint32 { return w.hash }

// Verify implements note.Verifier: signature is the time and 64 bytes.
func (w *WitnessKey) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	stamp := binary.BigEndian.Uint64(signature)
	return stamp < 1<<63 && ed25519.Verify(w.key, cosigned(string(text), stamp), signature[8:])
}

// Check verifies one signature line over a note's text and gives its time.
func (w *WitnessKey) Check(text, line string) (time.Time, bool) {
	encoded, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— "+w.name+" ")
	b, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !found || err != nil || len(b) < 12 || binary.BigEndian.Uint32(b) != w.hash || !w.Verify([]byte(text), b[4:]) {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC(), true
}

// Quorum is how many of which witnesses must have cosigned. The zero Quorum
// demands none.
type Quorum struct {
	Need      int
	Witnesses []*WitnessKey
}

// Check refuses a quorum that cannot be met or counts a witness twice.
func (q Quorum) Check() error {
	if q.Need < 0 || q.Need > len(q.Witnesses) {
		return fmt.Errorf("%d of %d witnesses cannot be demanded", q.Need, len(q.Witnesses))
	}
	for i, w := range q.Witnesses {
		for _, other := range q.Witnesses[:i] {
			if w.name == other.name || w.key.Equal(other.key) {
				return fmt.Errorf("the witness %s is named twice", w.name)
			}
		}
	}
	return nil
}

// QuorumError tells that too few witnesses have cosigned a checkpoint.
type QuorumError struct{ Have, Need int }

// Error says how many there are.
func (e *QuorumError) Error() string {
	return fmt.Sprintf("the checkpoint has cosignatures of %d witnesses, %d are needed", e.Have, e.Need)
}

// OpenWitnessed verifies a checkpoint as [OpenCheckpoint] does, and its
// cosignatures. Signatures of unknown keys are left aside; a false one of a
// known key is an error.
//
// Errors: those of OpenCheckpoint, *QuorumError (with the checkpoint and the
// cosignatures that are there).
func OpenWitnessed(signed []byte, key note.Verifier, q Quorum) (Checkpoint, []Cosignature, error) {
	c, err := OpenCheckpoint(signed, key)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	var list []Cosignature
	if len(q.Witnesses) > 0 {
		if list, err = cosignatures(signed, q.Witnesses); err != nil {
			return Checkpoint{}, nil, err
		}
	}
	if len(list) < q.Need {
		return c, list, &QuorumError{len(list), q.Need}
	}
	return c, list, nil
}

func cosignatures(signed []byte, witnesses []*WitnessKey) ([]Cosignature, error) {
	verifiers := make([]note.Verifier, len(witnesses))
	for i, w := range witnesses {
		verifiers[i] = w
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		return nil, nil
	case errors.As(err, &invalid):
		return nil, &NotSignedError{Key: invalid.Name, False: true}
	case err != nil:
		return nil, ErrCheckpoint
	}
	var list []Cosignature
	for _, s := range n.Sigs {
		if slices.ContainsFunc(list, func(c Cosignature) bool { return c.Witness == s.Name }) {
			continue
		}
		b, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(b) < 12 {
			return nil, ErrCheckpoint
		}
		list = append(list, Cosignature{s.Name, time.Unix(int64(binary.BigEndian.Uint64(b[4:])), 0).UTC()})
	}
	return list, nil
}

// NoteText is the signed text of a note: what cosigners sign.
func NoteText(signed []byte) (string, error) {
	text, _, found := strings.Cut(string(signed), "\n\n")
	if !found || len(signed) > maxNoteBytes {
		return "", ErrCheckpoint
	}
	return text + "\n", nil
}
