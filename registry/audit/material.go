package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// materialHeader is the first line of a statement about trust material. A
// checkpoint begins with its log's origin and a promise with promiseHeader:
// none is taken for another.
const materialHeader = "mist-trust@v1"

// Material is the log's statement that signatures are judged by these bytes at
// this time: what a verifier outside of the server is handed.
type Material struct {
	Version string
	SHA256  [32]byte
	Time    time.Time // whole seconds
}

// ErrMaterial tells that a text is no statement about trust material.
var ErrMaterial = errors.New("not a statement of the log about trust material")

func (m Material) text(origin string) string {
	return materialHeader + "\n" + origin + "\n" + m.Version + "\n" + m.Time.UTC().Format(time.RFC3339) + "\n" + base64.StdEncoding.EncodeToString(m.SHA256[:]) + "\n"
}

// Material signs a statement.
func (s *Signer) Material(m Material) (string, error) {
	if m.Version == "" || strings.ContainsAny(m.Version, "\n\r") {
		return "", ErrMaterial
	}
	b, err := note.Sign(&note.Note{Text: m.text(s.key.Name())}, s.key)
	if err != nil {
		return "", fmt.Errorf("signing a statement about trust material: %w", err)
	}
	return string(b), nil
}

// OpenMaterial verifies a statement with the log's key.
//
// Errors: *NotSignedError, ErrMaterial.
func OpenMaterial(signed string, key note.Verifier) (Material, error) {
	if len(signed) > 4<<10 {
		return Material{}, ErrMaterial
	}
	n, err := note.Open([]byte(signed), note.VerifierList(key))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &invalid):
		return Material{}, &NotSignedError{Key: key.Name(), False: true}
	case errors.As(err, &unverified):
		return Material{}, &NotSignedError{Key: key.Name()}
	case err != nil:
		return Material{}, ErrMaterial
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 6 {
		return Material{}, ErrMaterial
	}
	at, timeErr := time.Parse(time.RFC3339, lines[3])
	sum, sumErr := base64.StdEncoding.Strict().DecodeString(lines[4])
	m := Material{Version: lines[2], Time: at}
	if timeErr != nil || sumErr != nil || len(sum) != len(m.SHA256) {
		return Material{}, ErrMaterial
	}
	copy(m.SHA256[:], sum)
	if m.text(key.Name()) != n.Text {
		return Material{}, ErrMaterial
	}
	return m, nil
}
