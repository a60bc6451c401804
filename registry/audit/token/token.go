// Package token keeps a log's signing key in a device behind PKCS #11: the
// private half never leaves it, and no file or database holds it.
//
// It needs cgo and is built with the tag pkcs11 alone; without the tag [Open]
// and [Make] say so. It trusts the module it is given with the PIN, and checks
// each signature with the public key before it hands it out.
package token

import "errors"

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
