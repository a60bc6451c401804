package xroad

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"fmt"

	"mist/soap"
)

// Exchange is what the two messages of one exchange say about each other.
// Every finding is a fact; the caller judges.
type Exchange struct {
	Request, Response *Header
	// Fault tells that the provider answered with a fault; it then has no
	// headers to compare unless it carried them.
	Fault bool
	// Inconsistent names the header that differs; empty when all six agree.
	Inconsistent string
	// HashAlgorithm is the algorithmId of the answer's requestHash; empty when
	// there is none.
	HashAlgorithm string
	// HashKnown tells that the algorithm could be computed, HashMatches that
	// the requestHash is that of the request.
	HashKnown, HashMatches bool
	// RequestSHA512 is the hash our audit trail keeps of a request.
	RequestSHA512 [64]byte
	// AnswerSHA512 is over the body element of the answer, byte for byte;
	// ToldSHA512 is what its element responseHash says (hexadecimal), the hash
	// of the data told, where there is one.
	AnswerSHA512 [64]byte
	ToldSHA512   string
}

// Linked reports whether the answer is proven to answer this request.
func (x *Exchange) Linked() bool { return x.Inconsistent == "" && x.HashKnown && x.HashMatches }

// LinkExchange reads two SOAP messages as a security server logged them and
// compares them: the six headers, and the requestHash the provider's security
// server wrote into the answer. hashes gives functions by algorithmId beyond
// SHA-512. An error means one of the messages cannot be read as X-Road.
func LinkExchange(request, response []byte, hashes map[string]func([]byte) []byte) (*Exchange, error) {
	x := &Exchange{RequestSHA512: sha512.Sum512(request)}
	q, err := readLogged(request)
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if x.Request, err = ParseHeader(q, Protocol{EmptyID: true}); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	a, err := readLogged(response)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	x.Fault = a.IsFault()
	x.AnswerSHA512 = sha512.Sum512(a.Payload.Raw)
	x.ToldSHA512, _ = soap.TextAt(a.Payload.Standalone(), "responseHash")
	x.Response, err = ParseHeader(a, Protocol{EmptyID: true})
	switch {
	case err != nil && x.Fault:
		return x, nil
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if err := Consistent(x.Request, x.Response); err != nil {
		if differs, ok := err.(*InconsistentError); ok {
			x.Inconsistent = differs.Field
		}
	}
	if len(x.Response.hashes) != 1 {
		return x, nil
	}
	n := x.Response.hashes[0]
	x.HashAlgorithm, _ = a.Attr(n, "", "algorithmId")
	text, _ := a.TextString(n)
	sum := hashes[x.HashAlgorithm]
	if x.HashAlgorithm == AlgorithmSHA512 {
		sum = func([]byte) []byte { return x.RequestSHA512[:] }
	}
	if sum == nil {
		return x, nil
	}
	x.HashKnown = true
	told, err := base64.StdEncoding.DecodeString(text)
	x.HashMatches = err == nil && bytes.Equal(told, sum(request))
	return x, nil
}

func readLogged(b []byte) (*soap.Envelope, error) {
	e := new(soap.Envelope)
	return e, e.Parse(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")), soap.DefaultHeaderBytes)
}
