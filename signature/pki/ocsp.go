package pki

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/internal/ber"
)

// Status of a certificate as a responder tells it.
type Status struct {
	// Revoked is when it was revoked; zero: good.
	Revoked time.Time
	// Unknown: the responder never heard of it.
	Unknown bool
}

// CertID of RFC 6960, 4.1.1, as asked.
type CertID struct {
	Digest     string // OID
	IssuerName []byte
	IssuerKey  []byte
	Serial     *big.Int
	raw        []byte
}

// ErrRequest is wrapped by errors about requests that cannot be read.
var ErrRequest = errors.New("request cannot be read")

// ParseOCSPRequest reads a request with one question; nonce is nil when there is none.
func ParseOCSPRequest(der []byte) (id CertID, nonce []byte, err error) {
	fail := func(err error) (CertID, []byte, error) {
		return CertID{}, nil, fmt.Errorf("reading an OCSP request: %w: %w", ErrRequest, err)
	}
	top, err := ber.One(der)
	if err != nil {
		return fail(err)
	}
	if err := top.Is(ber.Sequence); err != nil {
		return fail(err)
	}
	tc := top.Children()
	tbs, err := tc.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	c := tbs.Children()
	for c.Peek() == 0xa0 || c.Peek() == 0xa1 { // version, requestorName
		if _, err := c.Next(); err != nil {
			return fail(err)
		}
	}
	list, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	lc := list.Children()
	one, err := lc.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	if !lc.Empty() {
		return fail(errors.New("more than one question"))
	}
	oc := one.Children()
	cid, err := oc.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	id.raw = cid.Full
	ic := cid.Children()
	alg, err := ic.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	if id.Digest, _, err = algo.ParseAlgorithm(alg); err != nil {
		return fail(err)
	}
	name, err := ic.Expect(ber.OctetString)
	if err != nil {
		return fail(err)
	}
	key, err := ic.Expect(ber.OctetString)
	if err != nil {
		return fail(err)
	}
	serial, err := ic.Expect(ber.Integer)
	if err != nil {
		return fail(err)
	}
	if id.Serial, err = serial.Int(); err != nil {
		return fail(err)
	}
	id.IssuerName, id.IssuerKey = name.Body, key.Body
	if c.Peek() == 0xa2 {
		x, err := c.Next()
		if err != nil {
			return fail(err)
		}
		if nonce, err = requestNonce(x); err != nil {
			return fail(err)
		}
	}
	return id, nonce, nil
}

const oidOCSPNonce = "1.3.6.1.5.5.7.48.1.2"

func requestNonce(x ber.Element) ([]byte, error) {
	xc := x.Children()
	list, err := xc.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	for lc := list.Children(); !lc.Empty(); {
		e, err := lc.Expect(ber.Sequence)
		if err != nil {
			return nil, err
		}
		ec := e.Children()
		o, err := ec.Expect(ber.OID)
		if err != nil {
			return nil, err
		}
		oid, err := o.OID()
		if err != nil {
			return nil, err
		}
		if _, _, err := ec.Optional(ber.Boolean); err != nil {
			return nil, err
		}
		v, err := ec.Expect(ber.OctetString)
		if err != nil {
			return nil, err
		}
		if oid == oidOCSPNonce {
			return v.Body, nil // the DER of the value, echoed as it came
		}
	}
	return nil, nil
}

// RespondOCSP answers a question: BasicOCSPResponse signed by the responder,
// valid from now for ttl, with its certificate embedded.
func RespondOCSP(id CertID, nonce []byte, s Status, responder Issuer, now time.Time, ttl time.Duration, random io.Reader) ([]byte, error) {
	now = now.UTC().Truncate(time.Second)
	var status []byte
	switch {
	case s.Unknown:
		status = ber.Wrap(0x82)
	case s.Revoked.IsZero():
		status = ber.Wrap(0x80)
	default:
		// revocationReason keyCompromise (1).
		status = ber.Wrap(0xa1, ber.EncodeGeneralizedTime(s.Revoked.UTC()), ber.Wrap(0xa0, ber.Wrap(ber.Enumerated, []byte{1})))
	}
	single := ber.Seq(id.raw, status, ber.EncodeGeneralizedTime(now), ber.Wrap(0xa0, ber.EncodeGeneralizedTime(now.Add(ttl))))
	parts := [][]byte{
		ber.Wrap(0xa1, responder.Certificate.Subject.Raw), ber.EncodeGeneralizedTime(now), ber.Seq(single),
	}
	if nonce != nil {
		parts = append(parts, ber.Wrap(0xa1, ber.Seq(ber.Seq(ber.EncodeOID(oidOCSPNonce), ber.EncodeOctets(nonce)))))
	}
	tbs := ber.Seq(parts...)
	key := responder.Key
	value, err := key.SignBits(random, tbs)
	if err != nil {
		return nil, fmt.Errorf("signing an OCSP response: %w", err)
	}
	basic := ber.Seq(tbs, key.Algorithm(), ber.EncodeBits(value), ber.Wrap(0xa0, ber.Seq(responder.Certificate.Raw)))
	return ber.Seq(
		ber.Wrap(ber.Enumerated, []byte{0}),
		ber.Wrap(0xa0, ber.Seq(ber.EncodeOID("1.3.6.1.5.5.7.48.1.1"), ber.EncodeOctets(basic))),
	), nil
}

// OCSPFailure is a response without an answer: malformedRequest (1),
// internalError (2), tryLater (3), unauthorized (6).
func OCSPFailure(status int) []byte { return ber.Seq(ber.Wrap(ber.Enumerated, []byte{byte(status)})) }
