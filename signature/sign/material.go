package sign

import (
	"bytes"
	"errors"
	"fmt"

	"mist/signature/cms"
	"mist/signature/internal/ber"
)

// AddMaterial puts certificates, CRLs and OCSP responses (DER) into a CMS
// message, each once: what level LT consists of (EN 319 122-1, 6.3). Nothing
// signed changes; an archive time-stamp that is there already does not cover
// what is added.
func AddMaterial(message []byte, certificates, crls, ocsps [][]byte) ([]byte, error) {
	m, err := cms.Parse(message)
	if err != nil {
		return nil, fmt.Errorf("adding material: %w", err)
	}
	if m.Trailing > 0 {
		return nil, errors.New("adding material: data after the message")
	}
	var newCerts, newRevocations [][]byte
	for _, c := range unique(certificates) {
		if !holds(m.Certificates, c) {
			newCerts = append(newCerts, c)
		}
	}
	for _, c := range unique(crls) {
		if !holds(m.CRLs, c) {
			newRevocations = append(newRevocations, c)
		}
	}
	for _, o := range unique(ocsps) {
		if !holds(m.OCSPs, o) {
			newRevocations = append(newRevocations, ber.Wrap(0xa1, ber.EncodeOID("1.3.6.1.5.5.7.16.2"), o))
		}
	}
	top, err := ber.One(message)
	if err != nil {
		return nil, err
	}
	tc := top.Children()
	id, err := tc.Next()
	if err != nil {
		return nil, err
	}
	wrap, err := tc.Next()
	if err != nil {
		return nil, err
	}
	sd, err := ber.One(wrap.Body)
	if err != nil {
		return nil, err
	}
	c := sd.Children()
	if _, err := c.Next(); err != nil { // version: 5 where other revocation formats occur (RFC 5652, 5.1)
		return nil, err
	}
	version := 5
	if len(m.OCSPs)+len(ocsps) == 0 {
		version = 3
	}
	parts := [][]byte{ber.EncodeSmall(version)}
	for range 2 { // digest algorithms, content
		e, err := c.Next()
		if err != nil {
			return nil, err
		}
		parts = append(parts, e.Full)
	}
	for _, field := range []struct {
		tag   byte
		added [][]byte
	}{{0xa0, newCerts}, {0xa1, newRevocations}} {
		e, ok, err := c.Optional(field.tag)
		if err != nil {
			return nil, err
		}
		var list [][]byte
		if ok {
			list = append(list, e.Body)
		}
		if list = append(list, field.added...); len(list) > 0 {
			parts = append(parts, ber.Wrap(field.tag, list...))
		}
	}
	parts = append(parts, c.Rest())
	return ber.Seq(id.Full, ber.Wrap(0xa0, ber.Seq(parts...))), nil
}

func holds(list [][]byte, b []byte) bool {
	for _, x := range list {
		if bytes.Equal(x, b) {
			return true
		}
	}
	return false
}
