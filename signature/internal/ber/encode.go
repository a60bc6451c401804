package ber

import (
	"bytes"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Header encodes identifier and DER length octets.
func Header(tag byte, n int) []byte {
	if n < 0x80 {
		return append(make([]byte, 0, n+2), tag, byte(n))
	}
	var l []byte
	for v := n; v > 0; v >>= 8 {
		l = append([]byte{byte(v)}, l...)
	}
	out := make([]byte, 0, n+2+len(l))
	out = append(out, tag, 0x80|byte(len(l)))
	return append(out, l...)
}

// headerSize is the length of Header(tag, n) for a tag below 31.
func headerSize(n int) int {
	size := 2
	if n >= 0x80 {
		for v := n; v > 0; v >>= 8 {
			size++
		}
	}
	return size
}

// Wrap encodes tag, length and the concatenated parts.
func Wrap(tag byte, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := Header(tag, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// Seq encodes a SEQUENCE.
func Seq(parts ...[]byte) []byte { return Wrap(Sequence, parts...) }

// SetOf encodes a SET OF with its members in DER order.
func SetOf(parts ...[]byte) []byte {
	sorted := append([][]byte(nil), parts...)
	sort.SliceStable(sorted, func(i, j int) bool { return bytes.Compare(sorted[i], sorted[j]) < 0 })
	return Wrap(Set, sorted...)
}

// EncodeInt encodes an INTEGER.
func EncodeInt(v *big.Int) []byte {
	if v.Sign() == 0 {
		return []byte{Integer, 1, 0}
	}
	if v.Sign() > 0 {
		b := v.Bytes()
		if b[0]&0x80 != 0 {
			b = append([]byte{0}, b...)
		}
		return Wrap(Integer, b)
	}
	n := uint(v.BitLen()/8 + 1)
	b := new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), n*8)).Bytes()
	for len(b) > 1 && b[0] == 0xff && b[1]&0x80 != 0 {
		b = b[1:]
	}
	return Wrap(Integer, b)
}

// EncodeSmall encodes a small INTEGER.
func EncodeSmall(v int) []byte { return EncodeInt(big.NewInt(int64(v))) }

// EncodeOID encodes a dotted OBJECT IDENTIFIER that the program itself
// wrote; a malformed one is a mistake in the program and panics.
func EncodeOID(dotted string) []byte {
	arcs := strings.Split(dotted, ".")
	var body []byte
	var first uint64
	for i, a := range arcs {
		v, err := strconv.ParseUint(a, 10, 63)
		if err != nil || len(arcs) < 2 {
			panic("bad object identifier " + dotted)
		}
		switch i {
		case 0:
			first = v * 40
			continue
		case 1:
			v += first
		}
		var tmp []byte
		tmp = append(tmp, byte(v&0x7f))
		for v >>= 7; v > 0; v >>= 7 {
			tmp = append([]byte{byte(v&0x7f) | 0x80}, tmp...)
		}
		body = append(body, tmp...)
	}
	return Wrap(OID, body)
}

// EncodeBool encodes a BOOLEAN.
func EncodeBool(v bool) []byte {
	if v {
		return []byte{Boolean, 1, 0xff}
	}
	return []byte{Boolean, 1, 0}
}

// EncodeOctets encodes an OCTET STRING.
func EncodeOctets(b []byte) []byte { return Wrap(OctetString, b) }

// EncodeBits encodes a BIT STRING of whole octets.
func EncodeBits(b []byte) []byte { return Wrap(BitString, []byte{0}, b) }

// EncodeUTF8 encodes a UTF8String.
func EncodeUTF8(s string) []byte { return Wrap(UTF8String, []byte(s)) }

// EncodePrintable encodes a PrintableString.
func EncodePrintable(s string) []byte { return Wrap(PrintableString, []byte(s)) }

// EncodeIA5 encodes an IA5String.
func EncodeIA5(s string) []byte { return Wrap(IA5String, []byte(s)) }

// EncodeTime encodes UTCTime up to 2049 and GeneralizedTime after
// (RFC 5280, 4.1.2.5).
func EncodeTime(t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 1950 || t.Year() >= 2050 {
		return EncodeGeneralizedTime(t)
	}
	return Wrap(UTCTime, []byte(t.Format("060102150405Z")))
}

// EncodeGeneralizedTime encodes a GeneralizedTime with whole seconds.
func EncodeGeneralizedTime(t time.Time) []byte {
	return Wrap(GeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

// EncodeNull encodes NULL.
func EncodeNull() []byte { return []byte{Null, 0} }
