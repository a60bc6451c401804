package keystore

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"

	"mist/signature/algo"
	"mist/signature/gost28147"
	"mist/signature/gost34311"
	"mist/signature/internal/ber"
)

// iitIterations is how often GOST 34.311 is taken over a password.
const iitIterations = 10_000

// iit opens Key-6.dat of IIT: simple substitution under the hash of the
// password, a 32-bit code over the whole, and the end of the last block in the
// parameters. The form is not published; it was confirmed with containers of
// known passwords, the code included.
func (o *opener) iit(p ber.Element, sealed []byte) ([]byte, error) {
	c := p.Children()
	code, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	pad, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	if len(code.Body) != gost28147.MACSize || len(pad.Body) >= gost28147.BlockSize || (len(sealed)+len(pad.Body))%gost28147.BlockSize != 0 {
		return nil, fmt.Errorf("%w: parameters of Key-6", ber.ErrSyntax)
	}
	if err := o.spend(iitIterations); err != nil {
		return nil, err
	}
	key := []byte(o.password)
	for range iitIterations {
		sum := gost34311.Sum256(key)
		key = sum[:]
	}
	g, err := gost28147.NewCipher(key, nil)
	if err != nil {
		return nil, err
	}
	plain := append(append(make([]byte, 0, len(sealed)+8), sealed...), pad.Body...)
	for at := 0; at < len(plain); at += gost28147.BlockSize {
		g.Decrypt(plain[at:], plain[at:])
	}
	if mac := g.MAC(plain); string(mac[:]) != string(code.Body) {
		return nil, ErrPassword
	}
	return plain[:len(sealed)], nil
}

// Attributes of the first key that hold the second one (key agreement).
const (
	iitCurve = "1.3.6.1.4.1.19398.1.1.2.2"
	iitBits  = "1.3.6.1.4.1.19398.1.1.2.3"
)

// iitSecond makes a PrivateKeyInfo of the second key that IIT keeps in the
// attributes of the first; nil when there is none.
func iitSecond(info []byte) []byte {
	e, err := ber.One(info)
	if err != nil {
		return nil
	}
	c := e.Children()
	for range 3 {
		if _, err := c.Next(); err != nil {
			return nil
		}
	}
	attributes, ok, err := c.Optional(0xa0)
	if err != nil || !ok {
		return nil
	}
	var curve, key ber.Element
	for a := attributes.Children(); !a.Empty(); {
		x, err := a.Expect(ber.Sequence)
		if err != nil {
			return nil
		}
		xc := x.Children()
		id, err := xc.Expect(ber.OID)
		if err != nil {
			return nil
		}
		oid, err := id.OID()
		if err != nil {
			return nil
		}
		set, err := xc.Expect(ber.Set)
		if err != nil {
			return nil
		}
		vc := set.Children()
		v, err := vc.Next()
		if err != nil {
			return nil
		}
		switch oid {
		case iitCurve:
			curve = v
		case iitBits:
			key = v
		}
	}
	if curve.Tag != ber.Sequence || key.Tag != ber.BitString || len(key.Body) < 2 {
		return nil
	}
	// The parameters hold curve constants in the other byte order than
	// certificates do, and the S-box twice, for hashing and for encryption; the
	// first bit of the bit string is the lowest of the key. Confirmed by the key
	// identifier that stands beside it.
	cc := curve.Children()
	parameters, err := cc.Expect(ber.Sequence)
	if err != nil {
		return nil
	}
	dke, err := cc.Expect(ber.OctetString)
	if err != nil {
		return nil
	}
	var parts [][]byte
	for pc := parameters.Children(); !pc.Empty(); {
		x, err := pc.Next()
		if err != nil {
			return nil
		}
		if x.Tag == ber.OctetString {
			parts = append(parts, ber.EncodeOctets(reversed(x.Body)))
		} else {
			parts = append(parts, x.Full)
		}
	}
	return ber.Seq(ber.EncodeSmall(0), ber.Seq(ber.EncodeOID(algo.UA+".1.3.1.1"), ber.Seq(ber.Seq(parts...), dke.Full)), ber.EncodeOctets(mirrored(key.Body[1:])))
}

func reversed(b []byte) []byte {
	out := bytes.Clone(b)
	slices.Reverse(out)
	return out
}

// mirrored turns each octet round, bit by bit.
func mirrored(b []byte) []byte {
	out := make([]byte, len(b))
	for i, x := range b {
		out[i] = bits.Reverse8(x)
	}
	return out
}
