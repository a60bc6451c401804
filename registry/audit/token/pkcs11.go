//go:build pkcs11

package token

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"

	"github.com/miekg/pkcs11"
	"golang.org/x/mod/sumdb/note"
)

// oidEd25519 is the curve in CKA_EC_PARAMS: the printable name or the OID
// 1.3.101.112 (PKCS #11 3.0, 2.3.5).
var oidEd25519 = []byte{0x06, 0x03, 0x2b, 0x65, 0x70}

// PKCS #11 3.0 numbers that the binding's older names lack.
const (
	ckkEdwards        = 0x00000040 // CKK_EC_EDWARDS
	ckmEdwardsKeyPair = 0x00001055 // CKM_EC_EDWARDS_KEY_PAIR_GEN
	ckmEdDSA          = 0x00001057 // CKM_EDDSA
)

// device is an open session that signs, one signature at a time: sessions are
// not for concurrent use.
type device struct {
	mu      sync.Mutex
	module  *pkcs11.Ctx
	session pkcs11.SessionHandle
	private pkcs11.ObjectHandle
}

// connect opens the token and logs in. The PIN stands in no error.
func connect(c Config) (*device, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := pkcs11.New(c.Module)
	if m == nil {
		return nil, fmt.Errorf("the PKCS #11 module %s cannot be loaded", c.Module)
	}
	if err := m.Initialize(); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		m.Destroy()
		return nil, fmt.Errorf("opening the PKCS #11 module: %w", err)
	}
	slots, err := m.GetSlotList(true)
	if err != nil {
		return nil, fmt.Errorf("listing tokens: %w", err)
	}
	for _, slot := range slots {
		info, err := m.GetTokenInfo(slot)
		if err != nil || info.Label != c.Token {
			continue
		}
		session, err := m.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return nil, fmt.Errorf("opening the token %q: %w", c.Token, err)
		}
		if err := m.Login(session, pkcs11.CKU_USER, c.PIN); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
			_ = m.CloseSession(session)
			return nil, fmt.Errorf("the token %q refuses the PIN: %w", c.Token, err)
		}
		return &device{module: m, session: session}, nil
	}
	return nil, fmt.Errorf("no token is labelled %q", c.Token)
}

func (d *device) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.module.CloseSession(d.session)
}

// find gives the one object of a class with the label.
func (d *device) find(class uint, label string) (pkcs11.ObjectHandle, error) {
	err := d.module.FindObjectsInit(d.session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label)})
	if err != nil {
		return 0, err
	}
	found, _, err := d.module.FindObjects(d.session, 2)
	if end := d.module.FindObjectsFinal(d.session); err == nil {
		err = end
	}
	switch {
	case err != nil:
		return 0, err
	case len(found) == 0:
		return 0, errNoKey
	case len(found) > 1:
		return 0, fmt.Errorf("several keys are labelled %q", label)
	}
	return found[0], nil
}

var errNoKey = errors.New("no key of this label is in the token")

func (d *device) public(label string) (ed25519.PublicKey, error) {
	o, err := d.find(pkcs11.CKO_PUBLIC_KEY, label)
	if err != nil {
		return nil, err
	}
	a, err := d.module.GetAttributeValue(d.session, o, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
	if err != nil {
		return nil, err
	}
	point := a[0].Value
	if len(point) == 2+ed25519.PublicKeySize && point[0] == 0x04 && point[1] == ed25519.PublicKeySize {
		point = point[2:] // an OCTET STRING around it
	}
	if len(point) != ed25519.PublicKeySize {
		return nil, errors.New("the key in the token is no Ed25519 key")
	}
	return ed25519.PublicKey(point), nil
}

// Open gives the signer of a key in a device and its public key as text.
func Open(c Config) (key note.Signer, verifier string, stop func(), err error) {
	d, err := connect(c)
	if err != nil {
		return nil, "", nil, err
	}
	public, err := d.public(c.Key)
	if err == nil {
		d.private, err = d.find(pkcs11.CKO_PRIVATE_KEY, c.Key)
	}
	if err == nil {
		key, verifier, err = newSigner(c.Origin, public, d.sign)
	}
	if err != nil {
		d.close()
		return nil, "", nil, fmt.Errorf("the log's key %q: %w", c.Key, err)
	}
	return key, verifier, d.close, nil
}

func (d *device) sign(msg []byte) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.module.SignInit(d.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmEdDSA, nil)}, d.private); err != nil {
		return nil, fmt.Errorf("signing in the device: %w", err)
	}
	b, err := d.module.Sign(d.session, msg)
	if err != nil {
		return nil, fmt.Errorf("signing in the device: %w", err)
	}
	return b, nil
}

// Make makes a key pair in the device; it refuses a label that is taken. The
// private half is sensitive and cannot be taken out.
func Make(c Config) (verifier string, err error) {
	d, err := connect(c)
	if err != nil {
		return "", err
	}
	defer d.close()
	if _, err := d.find(pkcs11.CKO_PRIVATE_KEY, c.Key); !errors.Is(err, errNoKey) {
		return "", fmt.Errorf("the token has a key %q already: a key is never written over", c.Key)
	}
	public := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, ckkEdwards), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, oidEd25519), pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.Key),
	}
	private := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, ckkEdwards), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_LABEL, c.Key),
	}
	if _, _, err := d.module.GenerateKeyPair(d.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(ckmEdwardsKeyPair, nil)}, public, private); err != nil {
		return "", fmt.Errorf("making a key in the device: %w", err)
	}
	key, err := d.public(c.Key)
	if err != nil {
		return "", err
	}
	_, verifier, err = newSigner(c.Origin, key, d.sign)
	return verifier, err
}
