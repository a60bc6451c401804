package pki

import (
	"fmt"
	"io"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/internal/ber"
	"mist/signature/sign"
)

// StampRequest is a TimeStampReq (RFC 3161, 2.4.1).
type StampRequest struct {
	Imprint  []byte // DER MessageImprint, echoed
	Digest   algo.Digest
	Nonce    *big.Int
	WantCert bool
}

// ParseStampRequest reads a request and refuses digests that are not known or
// imprints of a wrong length.
func ParseStampRequest(der []byte) (StampRequest, error) {
	fail := func(err error) (StampRequest, error) {
		return StampRequest{}, fmt.Errorf("reading a time-stamp request: %w: %w", ErrRequest, err)
	}
	top, err := ber.One(der)
	if err != nil {
		return fail(err)
	}
	if err := top.Is(ber.Sequence); err != nil {
		return fail(err)
	}
	c := top.Children()
	if _, err := c.Expect(ber.Integer); err != nil {
		return fail(err)
	}
	imprint, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	r := StampRequest{Imprint: imprint.Full}
	ic := imprint.Children()
	alg, err := ic.Expect(ber.Sequence)
	if err != nil {
		return fail(err)
	}
	oid, _, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return fail(err)
	}
	if r.Digest, err = algo.DigestByOID(oid); err != nil {
		return fail(err)
	}
	hash, err := ic.Expect(ber.OctetString)
	if err != nil {
		return fail(err)
	}
	if len(hash.Body) != r.Digest.New(nil).Size() {
		return fail(fmt.Errorf("imprint of %d octets for %s", len(hash.Body), r.Digest))
	}
	if _, _, err := c.Optional(ber.OID); err != nil { // reqPolicy
		return fail(err)
	}
	if n, ok, err := c.Optional(ber.Integer); err != nil {
		return fail(err)
	} else if ok {
		if r.Nonce, err = n.Int(); err != nil {
			return fail(err)
		}
	}
	if b, ok, err := c.Optional(ber.Boolean); err != nil {
		return fail(err)
	} else if ok {
		if r.WantCert, err = b.Bool(); err != nil {
			return fail(err)
		}
	}
	return r, nil
}

// stampPolicy is the policy identifier of sandbox tokens, under the national arc.
const stampPolicy = algo.UA + ".2.3.1"

// Stamp makes a TimeStampToken at the time given.
func Stamp(r StampRequest, unit Issuer, at time.Time, random io.Reader) ([]byte, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	var nonce []byte
	if r.Nonce != nil {
		nonce = ber.EncodeInt(r.Nonce)
	}
	info := ber.Seq(
		ber.EncodeSmall(1), ber.EncodeOID(stampPolicy), r.Imprint, ber.EncodeInt(new(big.Int).SetBytes(serial)),
		ber.EncodeGeneralizedTime(at.UTC().Truncate(time.Second)), nonce,
	)
	d := unit.Key.Digest()
	attributes := ber.SetOf(
		ber.Seq(ber.EncodeOID(cms.AttrContentType), ber.SetOf(ber.EncodeOID(cms.OIDTSTInfo))),
		ber.Seq(ber.EncodeOID(cms.AttrMessageDigest), ber.SetOf(ber.EncodeOctets(d.Sum(info)))),
		ber.Seq(ber.EncodeOID(cms.AttrSigningTime), ber.SetOf(ber.EncodeTime(at.UTC().Truncate(time.Second)))),
		sign.SigningCertificateAttribute(unit.Certificate, d),
	)
	value, err := unit.Key.Sign(random, attributes)
	if err != nil {
		return nil, fmt.Errorf("signing a time-stamp: %w", err)
	}
	implicit := append([]byte(nil), attributes...)
	implicit[0] = 0xa0
	signer := ber.Seq(
		ber.EncodeSmall(1), ber.Seq(unit.Certificate.Issuer.Raw, ber.EncodeInt(unit.Certificate.Serial)),
		sign.DigestAlgorithm(d), implicit, unit.Key.Algorithm(), ber.EncodeOctets(value),
	)
	var certificates [][]byte
	if r.WantCert {
		certificates = [][]byte{unit.Certificate.Raw}
	}
	return sign.Message(cms.OIDTSTInfo, info, sign.DigestAlgorithm(d), certificates, nil, nil, signer), nil
}

// StampResponse wraps a token as TimeStampResp with status granted.
func StampResponse(token []byte) []byte { return ber.Seq(ber.Seq(ber.EncodeSmall(0)), token) }

// StampRefusal is a TimeStampResp with status rejection.
func StampRefusal() []byte { return ber.Seq(ber.Seq(ber.EncodeSmall(2))) }
