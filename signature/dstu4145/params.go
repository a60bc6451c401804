package dstu4145

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"slices"

	"mist/signature/dstu4145/internal/gf2m"
	"mist/signature/gost34311"
)

// keyParams is the AlgorithmIdentifier of a key: which curve, which S-box,
// which byte order.
type keyParams struct {
	curve     *Curve
	sbox      *gost34311.SBox
	bigEndian bool
}

// parseAlgorithm reads AlgorithmIdentifier { OID, DSTU4145Params }. With bare
// set the parameters may also be just the OID of the curve, as Bouncy Castle
// writes them in a PrivateKeyInfo.
func parseAlgorithm(d *der, bare bool, field string) (p keyParams, err error) {
	alg, err := d.readField(tagSequence, field)
	if err != nil {
		return p, err
	}
	oid, err := alg.readOID(field + ".algorithm")
	if err != nil {
		return p, err
	}
	switch {
	case oid.Equal(OIDSignatureGOST34311LE):
	case oid.Equal(OIDSignatureGOST34311BE):
		p.bigEndian = true
	default:
		return p, parseErr(field+".algorithm", fmt.Errorf("%w: %s", ErrAlgorithm, oid))
	}
	p.sbox = gost34311.DefaultSBox()
	if bare && alg.peek() == tagOID {
		if p.curve, err = parseNamedCurve(&alg, field+".parameters"); err != nil {
			return p, err
		}
		return p, alg.end(field)
	}
	params, err := alg.readField(tagSequence, field+".parameters")
	if err != nil {
		return p, err
	}
	if err := alg.end(field); err != nil {
		return p, err
	}
	if params.peek() == tagOID {
		p.curve, err = parseNamedCurve(&params, field+".parameters.namedCurve")
	} else {
		p.curve, err = parseExplicitCurve(&params, p.bigEndian, field+".parameters.ecbinary")
	}
	if err != nil {
		return p, err
	}
	if len(params) > 0 {
		dke, err := params.readField(tagOctetString, field+".parameters.dke")
		if err != nil {
			return p, err
		}
		if p.sbox, err = gost34311.ParseSBox(dke); err != nil {
			return p, parseErr(field+".parameters.dke", err)
		}
	}
	return p, params.end(field + ".parameters")
}

func parseNamedCurve(d *der, field string) (*Curve, error) {
	oid, err := d.readOID(field)
	if err != nil {
		return nil, err
	}
	c := CurveByOID(oid)
	if c == nil {
		return nil, parseErr(field, fmt.Errorf("%w: %s", ErrCurve, oid))
	}
	return c, nil
}

// parseExplicitCurve reads ECBinary and compares every parameter with the
// standard table; a curve chosen by the sender is never computed with.
func parseExplicitCurve(d *der, bigEndian bool, field string) (*Curve, error) {
	ec, err := d.readField(tagSequence, field)
	if err != nil {
		return nil, err
	}
	if ec.peek() == tagContext0 {
		if v, ok := ec.read(tagContext0); !ok || !bytes.Equal(v, []byte{tagInteger, 1, 0}) {
			return nil, parseErr(field+".version", ErrEncoding)
		}
	}
	c, err := parseField(&ec, field+".f")
	if err != nil {
		return nil, err
	}
	a, err := ec.readSmallUint(field + ".a")
	if err != nil {
		return nil, err
	}
	if uint64(a) != c.a {
		return nil, parseErr(field+".a", ErrCurve)
	}
	if err := c.expectElement(&ec, &c.b, bigEndian, field+".b"); err != nil {
		return nil, err
	}
	n, err := ec.readUint(field + ".n")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(n, c.orderBytes()) {
		return nil, parseErr(field+".n", ErrCurve)
	}
	base := c.compress(&c.base)
	if err := c.expectElement(&ec, &base, bigEndian, field+".bp"); err != nil {
		return nil, err
	}
	return c, ec.end(field)
}

// parseField reads BinaryField and returns the standard curve over that field;
// there is one for each.
func parseField(d *der, field string) (*Curve, error) {
	bf, err := d.readField(tagSequence, field)
	if err != nil {
		return nil, err
	}
	m, err := bf.readSmallUint(field + ".m")
	if err != nil {
		return nil, err
	}
	var exps []int
	switch bf.peek() {
	case tagInteger: // trinomial
		k, err := bf.readSmallUint(field + ".k")
		if err != nil {
			return nil, err
		}
		exps = []int{k}
	case tagSequence: // pentanomial
		ks, err := bf.readField(tagSequence, field+".ks")
		if err != nil {
			return nil, err
		}
		for range 3 {
			k, err := ks.readSmallUint(field + ".ks")
			if err != nil {
				return nil, err
			}
			exps = append(exps, k)
		}
		if err := ks.end(field + ".ks"); err != nil {
			return nil, err
		}
		slices.Sort(exps)
		slices.Reverse(exps)
	case 0:
		return nil, parseErr(field, fmt.Errorf("%w: optimal normal basis", ErrAlgorithm))
	}
	if err := bf.end(field); err != nil {
		return nil, err
	}
	for _, c := range curves {
		if c.field.Bits() == m && slices.Equal(c.field.Exponents(), exps) {
			return c, nil
		}
	}
	return nil, parseErr(field, ErrCurve)
}

// expectElement reads an OCTET STRING that must hold the given field element.
func (c *Curve) expectElement(d *der, want *gf2m.Element, bigEndian bool, field string) error {
	b, err := d.readField(tagOctetString, field)
	if err != nil {
		return err
	}
	e := c.field.AppendBytes(nil, want)
	if bigEndian {
		slices.Reverse(e)
	}
	if !bytes.Equal(b, e) {
		return parseErr(field, ErrCurve)
	}
	return nil
}

// orderBytes returns n big-endian without leading zeros.
func (c *Curve) orderBytes() []byte {
	b := make([]byte, c.order.bytes())
	c.order.putBytes(b, &c.order.n)
	slices.Reverse(b)
	return b
}

// appendAlgorithm writes the AlgorithmIdentifier with a named curve and the
// S-box, which every reader known to us accepts.
func (p *keyParams) appendAlgorithm(b []byte) []byte {
	oid := OIDSignatureGOST34311LE
	if p.bigEndian {
		oid = OIDSignatureGOST34311BE
	}
	params := appendTLV(nil, tagSequence, marshalOID(p.curve.oid), appendTLV(nil, tagOctetString, p.sbox.Packed()))
	return appendTLV(b, tagSequence, marshalOID(oid), params)
}

// marshalOID encodes one of the identifiers of this package, which cannot fail.
func marshalOID(oid asn1.ObjectIdentifier) []byte {
	b, err := asn1.Marshal(oid)
	if err != nil {
		panic(err)
	}
	return b
}
