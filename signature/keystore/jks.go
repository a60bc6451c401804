package keystore

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"

	"mist/signature/algo"
	"mist/signature/internal/ber"
)

const oidJKS = "1.3.6.1.4.1.42.2.17.1.1"

// jks reads a Java key store of versions 1 and 2: entries in order, then SHA-1
// over password, a constant and the rest. Ukrainian banks keep DSTU keys so.
func (o *opener) jks(b []byte) error {
	o.out.Format = FormatJKS
	if len(b) < 12+sha1.Size {
		return io.ErrUnexpectedEOF
	}
	body, check := b[:len(b)-sha1.Size], b[len(b)-sha1.Size:]
	h := sha1.New()
	h.Write(utf16be(o.password))
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(body)
	if subtle.ConstantTimeCompare(h.Sum(nil), check) != 1 {
		return ErrPassword
	}
	r := &jksReader{bytes.NewReader(body[4:])}
	version, err := r.number()
	if err != nil {
		return err
	}
	if version != 1 && version != 2 {
		return ErrUnknown
	}
	count, err := r.number()
	if err != nil {
		return err
	}
	if count > maxEntries {
		return ErrTooMuch
	}
	for range count {
		if err := o.jksEntry(r, version); err != nil {
			return err
		}
	}
	if r.Len() != 0 {
		return ber.ErrTrailing
	}
	return nil
}

func (o *opener) jksEntry(r *jksReader, version int) error {
	tag, err := r.number()
	if err != nil {
		return err
	}
	alias, err := r.text()
	if err != nil {
		return err
	}
	if _, err := r.take(8); err != nil { // date of creation
		return err
	}
	certificates := 1
	switch tag {
	case 1:
		sealed, err := r.blob()
		if err != nil {
			return err
		}
		plain, err := o.jksKey(sealed)
		if err != nil {
			return err
		}
		if err := o.key(plain, alias); err != nil {
			return err
		}
		if certificates, err = r.number(); err != nil {
			return err
		}
	case 2:
	default:
		return fmt.Errorf("%w: entry of kind %d", algo.ErrUnsupported, tag)
	}
	for range certificates {
		if len(o.out.Certificates) >= maxEntries {
			return ErrTooMuch
		}
		if version == 2 {
			if _, err := r.text(); err != nil { // "X.509"
				return err
			}
		}
		der, err := r.blob()
		if err != nil {
			return err
		}
		o.out.Certificates = append(o.out.Certificates, der)
	}
	return nil
}

// jksKey undoes Java's own protection: a key stream of SHA-1 over password and
// what came before, and SHA-1 over password and key as check.
func (o *opener) jksKey(info []byte) ([]byte, error) {
	e, err := ber.One(info)
	if err != nil {
		return nil, err
	}
	c := e.Children()
	alg, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	sealed, err := c.Expect(ber.OctetString)
	if err != nil {
		return nil, err
	}
	oid, _, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return nil, err
	}
	if oid != oidJKS {
		return nil, &unsupportedError{"encryption", oid}
	}
	b := sealed.Body
	if len(b) < 2*sha1.Size {
		return nil, io.ErrUnexpectedEOF
	}
	password := utf16be(o.password)
	state, b, check := b[:sha1.Size], b[sha1.Size:len(b)-sha1.Size], b[len(b)-sha1.Size:]
	plain := make([]byte, len(b))
	for at := 0; at < len(b); at += sha1.Size {
		sum := sha1.Sum(append(bytes.Clone(password), state...))
		state = sum[:]
		for i := at; i < min(at+sha1.Size, len(b)); i++ {
			plain[i] = b[i] ^ sum[i-at]
		}
	}
	sum := sha1.Sum(append(bytes.Clone(password), plain...))
	if subtle.ConstantTimeCompare(sum[:], check) != 1 {
		return nil, ErrPassword
	}
	return plain, nil
}

type jksReader struct{ *bytes.Reader }

func (r *jksReader) take(n int) ([]byte, error) {
	if n < 0 || n > r.Len() {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

func (r *jksReader) number() (int, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(b)
	if n > MaxSize {
		return 0, ErrTooMuch
	}
	return int(n), nil
}

func (r *jksReader) blob() ([]byte, error) {
	n, err := r.number()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

func (r *jksReader) text() (string, error) {
	n, err := r.take(2)
	if err != nil {
		return "", err
	}
	b, err := r.take(int(binary.BigEndian.Uint16(n)))
	return string(b), err
}
