package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"mist/signature/facts"
)

// maxArmoured is the largest wrapping of a signature read.
const maxArmoured = 64 << 20

// errEncryptedTransport names what cannot be looked into.
var errEncryptedTransport = errors.New("a transport container whose content is encrypted (UA1_CRYPT): decrypt it first, the signature is inside")

// Unwrap takes a signed document out of what people wrap it in: PEM, bare
// base64 as in JSON and mail, the transport container of tax reports
// (UA1_SIGN). Other input is returned as it is.
func Unwrap(src facts.Source) (facts.Source, error) {
	for range 3 { // base64 of a transport container of PEM is as deep as it was met
		next, err := unwrapOnce(src)
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		src = next
	}
	return src, nil
}

// base64Starts are beginnings of DER, of a zip, of XML and of a transport
// container in base64.
var base64Starts = []string{"M", "UEsD", "PD94", "VFJBTlNQ", "VUExX"}

// unwrapOnce takes one wrapping off; nil when there is none.
func unwrapOnce(src facts.Source) (facts.Source, error) {
	var head [64]byte
	n, _ := src.ReadAt(head[:], 0)
	start := bytes.TrimLeft(head[:n], " \t\r\n\ufeff")
	if len(start) == 0 || src.Size() > maxArmoured {
		return nil, nil
	}
	all := func() []byte {
		b, err := facts.ReadAll(src, maxArmoured)
		if err != nil {
			return nil
		}
		return b
	}
	switch {
	case bytes.HasPrefix(start, []byte("-----BEGIN")):
		if block, rest := pem.Decode(all()); block != nil && len(bytes.TrimSpace(rest)) == 0 {
			return facts.Bytes(block.Bytes), nil
		}
	case bytes.HasPrefix(head[:n], []byte(transportable)), bytes.HasPrefix(head[:n], []byte(transportSign)), bytes.HasPrefix(head[:n], []byte(transportCrypt)):
		return untransport(all())
	}
	for _, p := range base64Starts {
		if !bytes.HasPrefix(start, []byte(p)) {
			continue
		}
		text := bytes.Join(bytes.Fields(bytes.TrimLeft(all(), "\ufeff")), nil)
		out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		if n, err := base64.StdEncoding.Strict().Decode(out, text); err == nil {
			return facts.Bytes(out[:n]), nil
		}
	}
	return nil, nil
}

// Labels of the blocks of a transport container, with the zero that ends them.
const (
	transportable  = "TRANSPORTABLE\x00"
	transportSign  = "UA1_SIGN\x00"
	transportCrypt = "UA1_CRYPT\x00"
	transportCert  = "CERTCRYPT\x00"
)

// untransport takes the signature out of a transport container: blocks of a
// label, a length of four octets, least first, and that many octets. Exactly
// one must be a signature: which of several is meant would be a guess.
func untransport(b []byte) (facts.Source, error) {
	var found []byte
	for rest := b; len(rest) > 0; {
		label := ""
		for _, l := range []string{transportable, transportSign, transportCrypt, transportCert} {
			if bytes.HasPrefix(rest, []byte(l)) {
				label = l
			}
		}
		if label == "" || len(rest) < len(label)+4 {
			return nil, errors.New("a transport container with an unknown block or octets after the last one")
		}
		size := binary.LittleEndian.Uint32(rest[len(label):])
		rest = rest[len(label)+4:]
		if uint64(size) > uint64(len(rest)) {
			return nil, fmt.Errorf("a transport container whose block of %d octets is cut off", size)
		}
		switch label {
		case transportSign:
			if found != nil {
				return nil, errors.New("a transport container with several signatures")
			}
			found = rest[:size:size]
		case transportCrypt:
			return nil, errEncryptedTransport
		}
		rest = rest[size:]
	}
	if found == nil {
		return nil, errors.New("a transport container without a signature")
	}
	return facts.Bytes(found), nil
}
