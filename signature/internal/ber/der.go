package ber

import (
	"bytes"
	"sort"
)

// IsDER says whether the whole encoding is DER as far as lengths, string
// forms and the order of SET members go.
func IsDER(b []byte) bool {
	out, err := toDER(b, 0)
	return err == nil && bytes.Equal(out, b)
}

// IsOrderedSet says whether a SET stands in definite minimal length with its
// members in DER order. What is inside the members is not looked at.
func IsOrderedSet(b []byte) bool {
	e, err := One(b)
	if err != nil || e.Tag != Set || e.Indefinite || headerSize(len(e.Body))+len(e.Body) != len(b) {
		return false
	}
	var last []byte
	for c := e.Children(); !c.Empty(); {
		k, err := c.Next()
		if err != nil || k.Indefinite || headerSize(len(k.Body))+len(k.Body) != len(k.Full) || bytes.Compare(last, k.Full) > 0 {
			return false
		}
		last = k.Full
	}
	return true
}

// ToDER re-encodes one element as DER: definite minimal lengths, primitive
// octet strings, members of a SET in order (X.690, 10.2, 11.6).
func ToDER(b []byte) ([]byte, error) { return toDER(b, 0) }

func toDER(b []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, syntax("nested deeper than %d", MaxDepth)
	}
	e, err := One(b)
	if err != nil {
		return nil, err
	}
	if e.Tag&0x20 == 0 {
		return append(Header(e.Tag, len(e.Body)), e.Body...), nil
	}
	if e.Tag == OctetString|0x20 {
		o, err := e.Octets()
		if err != nil {
			return nil, err
		}
		return append(Header(OctetString, len(o)), o...), nil
	}
	var parts [][]byte
	size := 0
	for c := e.Children(); !c.Empty(); {
		k, err := c.Next()
		if err != nil {
			return nil, err
		}
		d, err := toDER(k.Full, depth+1)
		if err != nil {
			return nil, err
		}
		parts = append(parts, d)
		size += len(d)
	}
	if e.Tag == Set {
		sort.SliceStable(parts, func(i, j int) bool { return bytes.Compare(parts[i], parts[j]) < 0 })
	}
	out := make([]byte, 0, size+6)
	out = append(out, Header(e.Tag, size)...)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out, nil
}
