package dstu4145

import (
	"encoding/asn1"
	"errors"
	"fmt"
)

// maxKeySize bounds an encoded key in bytes; the largest genuine one, explicit
// M431 parameters with an S-box and a private key, is below 600.
const maxKeySize = 4096

// ParseError says which field of an encoding could not be accepted and why.
type ParseError struct {
	// Field is the path of the field in its ASN.1 structure.
	Field string
	// Err is the reason.
	Err error
}

func (e *ParseError) Error() string { return "dstu4145: " + e.Field + ": " + e.Err.Error() }

func (e *ParseError) Unwrap() error { return e.Err }

// Reasons a ParseError carries, for errors.Is.
var (
	// ErrEncoding reports bytes that are not the DER the structure asks for.
	ErrEncoding = errors.New("not valid DER")
	// ErrTooLarge reports an input above the size limit.
	ErrTooLarge = errors.New("too large")
	// ErrAlgorithm reports a key of another algorithm.
	ErrAlgorithm = errors.New("not a DSTU 4145 polynomial-basis key")
	// ErrCurve reports curve parameters that are not in the standard table.
	ErrCurve = errors.New("not a standard curve")
	// ErrPoint reports a public key that is not a point of the prime-order
	// subgroup.
	ErrPoint = errors.New("not a point of the prime-order subgroup")
	// ErrScalar reports a private key outside 1..n-1.
	ErrScalar = errors.New("private key not in 1..n-1")
)

func parseErr(field string, err error) error { return &ParseError{Field: field, Err: err} }

// DER tags used by the keys.
const (
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagOID         = 0x06
	tagSequence    = 0x30
	tagContext0    = 0xa0
	tagContext1    = 0xa1
)

// der is the rest of a strict DER encoding.
type der []byte

// peek returns the next tag, or 0 at the end.
func (d der) peek() byte {
	if len(d) == 0 {
		return 0
	}
	return d[0]
}

// read takes the next element when it has the tag; ok is false otherwise or
// when the length is not minimal or runs past the end.
func (d *der) read(tag byte) (content der, ok bool) {
	b := *d
	if len(b) < 2 || b[0] != tag {
		return nil, false
	}
	n, head := int(b[1]), 2
	switch {
	case n < 0x80:
	case n == 0x81 && len(b) >= 3 && b[2] >= 0x80:
		n, head = int(b[2]), 3
	case n == 0x82 && len(b) >= 4 && b[2] != 0:
		n, head = int(b[2])<<8|int(b[3]), 4
	default: // indefinite, not minimal, or beyond any key
		return nil, false
	}
	if len(b)-head < n {
		return nil, false
	}
	*d = b[head+n:]
	return b[head : head+n], true
}

// readField is read with a ParseError.
func (d *der) readField(tag byte, field string) (der, error) {
	c, ok := d.read(tag)
	if !ok {
		return nil, parseErr(field, ErrEncoding)
	}
	return c, nil
}

// end reports bytes left over.
func (d der) end(field string) error {
	if len(d) != 0 {
		return parseErr(field, fmt.Errorf("%w: trailing bytes", ErrEncoding))
	}
	return nil
}

// readOID takes an OBJECT IDENTIFIER.
func (d *der) readOID(field string) (asn1.ObjectIdentifier, error) {
	start := *d
	if _, ok := d.read(tagOID); !ok {
		return nil, parseErr(field, ErrEncoding)
	}
	var oid asn1.ObjectIdentifier
	if _, err := asn1.Unmarshal(start[:len(start)-len(*d)], &oid); err != nil {
		return nil, parseErr(field, fmt.Errorf("%w: %w", ErrEncoding, err))
	}
	return oid, nil
}

// readUint takes a non-negative INTEGER in its minimal form and returns its
// big-endian bytes without a leading zero.
func (d *der) readUint(field string) ([]byte, error) {
	c, err := d.readField(tagInteger, field)
	if err != nil {
		return nil, err
	}
	if len(c) == 0 || c[0] >= 0x80 || len(c) > 1 && c[0] == 0 && c[1] < 0x80 {
		return nil, parseErr(field, fmt.Errorf("%w: not a non-negative minimal INTEGER", ErrEncoding))
	}
	if c[0] == 0 {
		c = c[1:]
	}
	return c, nil
}

// readSmallUint takes an INTEGER below 65536.
func (d *der) readSmallUint(field string) (int, error) {
	b, err := d.readUint(field)
	if err != nil {
		return 0, err
	}
	if len(b) > 2 {
		return 0, parseErr(field, ErrTooLarge)
	}
	n := 0
	for _, v := range b {
		n = n<<8 | int(v)
	}
	return n, nil
}

// appendTLV appends an element.
func appendTLV(b []byte, tag byte, content ...[]byte) []byte {
	n := 0
	for _, c := range content {
		n += len(c)
	}
	b = append(b, tag)
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	for _, c := range content {
		b = append(b, c...)
	}
	return b
}
