package keystore

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"

	"mist/signature/algo"
	"mist/signature/gost34311"
	"mist/signature/internal/ber"
)

const (
	oidData      = "1.2.840.113549.1.7.1"
	oidEncrypted = "1.2.840.113549.1.7.6"
	oidKeyBag    = "1.2.840.113549.1.12.10.1.1"
	oidShrouded  = "1.2.840.113549.1.12.10.1.2"
	oidCertBag   = "1.2.840.113549.1.12.10.1.3"
	oidX509      = "1.2.840.113549.1.9.22.1"
	oidFriendly  = "1.2.840.113549.1.9.20"
)

// macDigests are the digests of the integrity check.
var macDigests = map[string]func() hash.Hash{
	algo.GOST34311.OID():     gost34311.New,
	"1.3.14.3.2.26":          sha1.New,
	"2.16.840.1.101.3.4.2.1": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New,
}

// pfx reads PFX (RFC 7292, 4): version 3, authenticated safe, integrity check.
func (o *opener) pfx(e ber.Element) error {
	o.out.Format = FormatPKCS12
	c := e.Children()
	version, err := c.Expect(ber.Integer)
	if err != nil {
		return err
	}
	if n, err := version.Small(); err != nil || n != 3 {
		return ErrUnknown
	}
	safe, err := c.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	content, err := contentOf(safe, oidData)
	if err != nil {
		return err
	}
	if mac, ok, err := c.Optional(ber.Sequence); err != nil {
		return err
	} else if ok {
		if err := o.integrity(mac, content); err != nil {
			return err
		}
	}
	list, err := ber.One(content)
	if err != nil {
		return err
	}
	for k := list.Children(); !k.Empty(); {
		info, err := k.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		bags, err := o.bags(info)
		var unsupported *unsupportedError
		if errors.As(err, &unsupported) {
			continue // certificates under RC2 as Windows writes them; keys never are
		}
		if err != nil {
			return err
		}
		if err := o.safeContents(bags); err != nil {
			return err
		}
	}
	return nil
}

// contentOf takes the octets out of a ContentInfo of a type.
func contentOf(info ber.Element, want string) ([]byte, error) {
	c := info.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return nil, err
	}
	oid, err := id.OID()
	if err != nil {
		return nil, err
	}
	if oid != want {
		return nil, &unsupportedError{"content", oid}
	}
	x, err := c.Expect(0xa0)
	if err != nil {
		return nil, err
	}
	v, err := ber.One(x.Body)
	if err != nil {
		return nil, err
	}
	if want == oidEncrypted {
		return v.Full, nil
	}
	return v.Octets()
}

// integrity checks MacData (RFC 7292, 4 and appendix B).
func (o *opener) integrity(mac ber.Element, content []byte) error {
	c := mac.Children()
	info, err := c.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	salt, err := c.Expect(ber.OctetString)
	if err != nil {
		return err
	}
	iterations := 1
	if n, ok, err := c.Optional(ber.Integer); err != nil {
		return err
	} else if ok {
		if iterations, err = n.Small(); err != nil {
			return ErrTooMuch
		}
	}
	ic := info.Children()
	alg, err := ic.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	want, err := ic.Expect(ber.OctetString)
	if err != nil {
		return err
	}
	oid, _, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return err
	}
	h, ok := macDigests[oid]
	if !ok {
		return &unsupportedError{"integrity check", oid}
	}
	if len(salt.Body) == 0 {
		return fmt.Errorf("%w: salt", ber.ErrSyntax)
	}
	key, err := o.pkcs12(h, 3, salt.Body, iterations, h().Size())
	if err != nil {
		return err
	}
	m := hmac.New(h, key)
	m.Write(content)
	if !hmac.Equal(m.Sum(nil), want.Body) {
		return ErrPassword
	}
	return nil
}

// bags are the SafeContents of one ContentInfo, plain or encrypted.
func (o *opener) bags(info ber.Element) ([]byte, error) {
	if b, err := contentOf(info, oidData); err == nil {
		return b, nil
	}
	b, err := contentOf(info, oidEncrypted)
	if err != nil {
		return nil, err
	}
	e, err := ber.One(b)
	if err != nil {
		return nil, err
	}
	c := e.Children()
	if _, err := c.Expect(ber.Integer); err != nil {
		return nil, err
	}
	eci, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	ec := eci.Children()
	if _, err := ec.Expect(ber.OID); err != nil {
		return nil, err
	}
	alg, err := ec.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	sealed, err := ec.Next()
	if err != nil {
		return nil, err
	}
	if sealed.Tag&^0x20 != 0x80 {
		return nil, fmt.Errorf("%w: encrypted content", ber.ErrSyntax)
	}
	octets, err := sealed.Octets()
	if err != nil {
		return nil, err
	}
	oid, params, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return nil, err
	}
	return o.decrypt(oid, params, octets)
}

func (o *opener) safeContents(b []byte) error {
	list, err := ber.One(b)
	if err != nil {
		return ErrPassword // decrypted to noise
	}
	n := 0
	for k := list.Children(); !k.Empty(); n++ {
		if n >= maxEntries {
			return ErrTooMuch
		}
		bag, err := k.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		c := bag.Children()
		id, err := c.Expect(ber.OID)
		if err != nil {
			return err
		}
		oid, err := id.OID()
		if err != nil {
			return err
		}
		x, err := c.Expect(0xa0)
		if err != nil {
			return err
		}
		v, err := ber.One(x.Body)
		if err != nil {
			return err
		}
		name := friendly(c)
		switch oid {
		case oidKeyBag:
			err = o.key(v.Full, name)
		case oidShrouded:
			err = o.encrypted(v, name)
		case oidCertBag:
			err = o.certificate(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *opener) certificate(bag ber.Element) error {
	c := bag.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return err
	}
	if oid, err := id.OID(); err != nil || oid != oidX509 {
		return err
	}
	x, err := c.Expect(0xa0)
	if err != nil {
		return err
	}
	v, err := ber.One(x.Body)
	if err != nil {
		return err
	}
	der, err := v.Octets()
	if err != nil {
		return err
	}
	o.out.Certificates = append(o.out.Certificates, der)
	return nil
}

// friendly reads friendlyName (a BMPString) out of the attributes of a bag.
func friendly(c ber.Cursor) string {
	set, ok, err := c.Optional(ber.Set)
	if err != nil || !ok {
		return ""
	}
	for k := set.Children(); !k.Empty(); {
		a, err := k.Expect(ber.Sequence)
		if err != nil {
			return ""
		}
		ac := a.Children()
		id, err := ac.Expect(ber.OID)
		if err != nil {
			return ""
		}
		if oid, err := id.OID(); err != nil || oid != oidFriendly {
			continue
		}
		values, err := ac.Expect(ber.Set)
		if err != nil {
			return ""
		}
		vc := values.Children()
		v, err := vc.Next()
		if err != nil {
			return ""
		}
		text, _ := v.Text()
		return text
	}
	return ""
}

// utf16be is a password as Java and PKCS#12 write it.
func utf16be(s string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return out
}
