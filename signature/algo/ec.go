package algo

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"

	"mist/signature/internal/ber"
)

func parseEC(oid string, params, point []byte) (*PublicKey, error) {
	p, err := ber.One(params)
	if err != nil {
		return nil, fmt.Errorf("reading curve parameters: %w", err)
	}
	var name string
	if p.Tag == ber.OID {
		if name, err = p.OID(); err != nil {
			return nil, err
		}
	} else if name, err = explicitCurve(p); err != nil {
		return nil, err
	}
	return NewEC(oid, name, point)
}

// NewEC makes an elliptic curve key of a curve OID and an uncompressed or
// compressed SEC 1 point.
func NewEC(oid, curveOID string, point []byte) (*PublicKey, error) {
	if c, ok := namedCurves[curveOID]; ok {
		q := c.Params()
		x, y := decodePoint(q.P, big.NewInt(-3), q.B, point)
		if x == nil || y.Cmp(q.P) >= 0 || x.Cmp(q.P) >= 0 {
			return nil, errors.New("public key is not a point of its curve")
		}
		size := (q.BitSize + 7) / 8
		full := append([]byte{4}, x.FillBytes(make([]byte, size))...)
		k, err := ecdsa.ParseUncompressedPublicKey(c, append(full, y.FillBytes(make([]byte, size))...))
		if err != nil {
			return nil, errors.New("public key is not a point of its curve")
		}
		return &PublicKey{Encryption: ECDSA, OID: oid, Bits: q.BitSize, Curve: q.Name, ec: k}, nil
	}
	if c, ok := otherCurves[curveOID]; ok {
		x, y := decodePoint(c.p, c.a, c.b, point)
		if x == nil || !c.onCurve(x, y) {
			return nil, errors.New("public key is not a point of its curve")
		}
		return &PublicKey{Encryption: ECDSA, OID: oid, Bits: c.p.BitLen(), Curve: c.name, other: c, x: x, y: y}, nil
	}
	return nil, fmt.Errorf("curve %s: %w", curveOID, ErrUnsupported)
}

func decodePoint(p, a, b *big.Int, enc []byte) (x, y *big.Int) {
	size := (p.BitLen() + 7) / 8
	switch {
	case len(enc) == 1+2*size && enc[0] == 4:
		return new(big.Int).SetBytes(enc[1 : 1+size]), new(big.Int).SetBytes(enc[1+size:])
	case len(enc) == 1+size && (enc[0] == 2 || enc[0] == 3):
		x = new(big.Int).SetBytes(enc[1:])
		if x.Cmp(p) >= 0 {
			return nil, nil
		}
		r := new(big.Int).Mul(x, x)
		r.Add(r, a).Mul(r, x).Add(r, b).Mod(r, p)
		if y = r.ModSqrt(r, p); y == nil {
			return nil, nil
		}
		if y.Bit(0) != uint(enc[0]&1) {
			y.Sub(p, y)
		}
		return x, y
	}
	return nil, nil
}

// explicitCurve recognises ECParameters (RFC 3279, 2.3.5) that spell out a
// known curve. Free parameters are refused: a chosen generator lets anyone
// make a key pair for a foreign public point.
func explicitCurve(e ber.Element) (string, error) {
	fail := func() (string, error) { return "", fmt.Errorf("explicit curve parameters: %w", ErrUnsupported) }
	if e.Tag != ber.Sequence {
		return fail()
	}
	c := e.Children()
	if _, err := c.Expect(ber.Integer); err != nil {
		return fail()
	}
	field, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail()
	}
	fc := field.Children()
	if id, err := fc.Expect(ber.OID); err != nil {
		return fail()
	} else if oid, _ := id.OID(); oid != "1.2.840.10045.1.1" {
		return fail()
	}
	pe, err := fc.Expect(ber.Integer)
	if err != nil {
		return fail()
	}
	p, err := pe.Int()
	if err != nil {
		return fail()
	}
	abe, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail()
	}
	ac := abe.Children()
	ae, err := ac.Expect(ber.OctetString)
	if err != nil {
		return fail()
	}
	be, err := ac.Expect(ber.OctetString)
	if err != nil {
		return fail()
	}
	ge, err := c.Expect(ber.OctetString)
	if err != nil {
		return fail()
	}
	ne, err := c.Expect(ber.Integer)
	if err != nil {
		return fail()
	}
	n, err := ne.Int()
	if err != nil {
		return fail()
	}
	a, b := new(big.Int).SetBytes(ae.Body), new(big.Int).SetBytes(be.Body)
	gx, gy := decodePoint(p, a, b, ge.Body)
	if gx == nil {
		return fail()
	}
	same := func(cp, ca, cb, cx, cy, cn *big.Int) bool {
		return cp.Cmp(p) == 0 && ca.Cmp(a) == 0 && cb.Cmp(b) == 0 && cx.Cmp(gx) == 0 && cy.Cmp(gy) == 0 && cn.Cmp(n) == 0
	}
	for oid, nc := range namedCurves {
		q := nc.Params()
		if same(q.P, new(big.Int).Sub(q.P, big.NewInt(3)), q.B, q.Gx, q.Gy, q.N) {
			return oid, nil
		}
	}
	for oid, oc := range otherCurves {
		if same(oc.p, oc.a, oc.b, oc.x, oc.y, oc.n) {
			return oid, nil
		}
	}
	return fail()
}

func (k *PublicKey) verifyEC(s Scheme, digest, sig []byte) error {
	var r, t *big.Int
	if s.Encryption == PlainECDSA {
		// r || s, XMLDSig 6.4.3 and BSI TR-03111, 5.2.1.
		if len(sig) == 0 || len(sig)%2 != 0 || len(sig) > 144 {
			return ErrBadSignature
		}
		r = new(big.Int).SetBytes(sig[:len(sig)/2])
		t = new(big.Int).SetBytes(sig[len(sig)/2:])
	} else {
		e, err := ber.One(sig)
		if err != nil || e.Tag != ber.Sequence {
			return ErrBadSignature
		}
		c := e.Children()
		for _, v := range []**big.Int{&r, &t} {
			i, err := c.Expect(ber.Integer)
			if err != nil {
				return ErrBadSignature
			}
			if *v, err = i.Int(); err != nil {
				return ErrBadSignature
			}
		}
		if !c.Empty() {
			return ErrBadSignature
		}
	}
	if r.Sign() <= 0 || t.Sign() <= 0 {
		return ErrBadSignature
	}
	ok := false
	if k.ec != nil {
		ok = ecdsa.Verify(k.ec, digest, r, t)
	} else {
		ok = k.other.verify(k.x, k.y, digest, r, t)
	}
	if !ok {
		return ErrBadSignature
	}
	return nil
}
