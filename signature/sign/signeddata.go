package sign

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/internal/ber"
)

// Attribute identifiers.
const (
	oidContentType        = "1.2.840.113549.1.9.3"
	oidMessageDigest      = "1.2.840.113549.1.9.4"
	oidSigningTime        = "1.2.840.113549.1.9.5"
	oidSigningCertificate = "1.2.840.113549.1.9.16.2.47"
	oidSignatureTimeStamp = "1.2.840.113549.1.9.16.2.14"
)

// SignedData is a CMS message to be made (RFC 5652, 5.1) with one signer.
type SignedData struct {
	Key         *Key
	Certificate *cert.Certificate
	Digest      algo.Digest // zero: the key's own
	ContentType string      // OID of eContentType
	Content     []byte
	Detached    bool
	SigningTime time.Time // zero: no attribute
	// Certificates are embedded besides nothing: put the signer's here to embed it.
	Certificates [][]byte
	Version      int // of SignedData: 1 for id-data, 3 otherwise
	// Unsigned gives unsigned attributes (DER) once the signature value is known.
	Unsigned func(value []byte) ([][]byte, error)
}

func attribute(oid string, value []byte) []byte {
	return ber.Seq(ber.EncodeOID(oid), ber.SetOf(value))
}

// signingCertificateV2 is ESSCertIDv2 of RFC 5035 with issuerSerial, as
// Ukrainian providers write it. The digest name is left out where it is the
// default, SHA-256.
func signingCertificateV2(c *cert.Certificate, d algo.Digest) []byte {
	var hashAlg []byte
	if d != algo.SHA256 {
		hashAlg = DigestAlgorithm(d)
	}
	issuer := ber.Seq(ber.Wrap(0xa4, c.Issuer.Raw))
	id := ber.Seq(hashAlg, ber.EncodeOctets(d.Sum(c.Raw)), ber.Seq(issuer, ber.EncodeInt(c.Serial)))
	return ber.Seq(ber.Seq(id))
}

// Encode signs and gives the DER ContentInfo.
func (s SignedData) Encode(random io.Reader) ([]byte, error) {
	d := s.Digest
	if d == "" {
		d = s.Key.Digest()
	}
	sigAlg, err := s.Key.Algorithm(d)
	if err != nil {
		return nil, err
	}
	h := d.New(nil)
	if s.Key.dstu != nil {
		h = d.New(s.Key.dstu.PublicKey().SBox())
	}
	h.Write(s.Content)
	attributes := [][]byte{
		attribute(oidContentType, ber.EncodeOID(s.ContentType)),
		attribute(oidMessageDigest, ber.EncodeOctets(h.Sum(nil))),
		attribute(oidSigningCertificate, signingCertificateV2(s.Certificate, d)),
	}
	if !s.SigningTime.IsZero() {
		attributes = append(attributes, attribute(oidSigningTime, ber.EncodeTime(s.SigningTime.UTC().Truncate(time.Second))))
	}
	signed := ber.SetOf(attributes...) // DER order: SetOf sorts
	value, err := s.Key.Sign(random, signed, d)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	var unsigned []byte
	if s.Unsigned != nil {
		list, err := s.Unsigned(value)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			unsigned = ber.SetOf(list...)
			unsigned[0] = 0xa1
		}
	}
	implicit := append([]byte(nil), signed...)
	implicit[0] = 0xa0
	info := ber.Seq(
		ber.EncodeSmall(1), ber.Seq(s.Certificate.Issuer.Raw, ber.EncodeInt(s.Certificate.Serial)),
		DigestAlgorithm(d), implicit, sigAlg, ber.EncodeOctets(value), unsigned,
	)
	content := ber.EncodeOID(s.ContentType)
	if !s.Detached {
		content = append(content, ber.Wrap(0xa0, ber.EncodeOctets(s.Content))...)
	}
	var certificates []byte
	if len(s.Certificates) > 0 {
		certificates = ber.SetOf(s.Certificates...)
		certificates[0] = 0xa0
	}
	version := s.Version
	if version == 0 {
		version = 1
	}
	return ber.Seq(ber.EncodeOID(cms.OIDSignedData), ber.Wrap(0xa0, ber.Seq(
		ber.EncodeSmall(version), ber.SetOf(DigestAlgorithm(d)), ber.Seq(content), certificates, ber.SetOf(info),
	))), nil
}

// TSA asks a time-stamping authority: a DER TimeStampReq to a DER
// TimeStampResp (RFC 3161). The transport is the caller's.
type TSA func(ctx context.Context, request []byte) ([]byte, error)

// TimeStamp gets a token over data and checks that it answers the question:
// status granted, imprint and nonce equal. Whether the authority is trusted is
// the verifier's to say.
func TimeStamp(ctx context.Context, tsa TSA, random io.Reader, d algo.Digest, data []byte) ([]byte, error) {
	nonce := make([]byte, 8)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("making a nonce: %w", err)
	}
	number := new(big.Int).SetBytes(nonce)
	imprint := ber.Seq(DigestAlgorithm(d), ber.EncodeOctets(d.Sum(data)))
	request := ber.Seq(ber.EncodeSmall(1), imprint, ber.EncodeInt(number), ber.EncodeBool(true))
	answer, err := tsa(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("asking for a time-stamp: %w", err)
	}
	token, err := readAnswer(answer)
	if err != nil {
		return nil, fmt.Errorf("reading the time-stamp response: %w", err)
	}
	t, err := cms.ParseToken(token)
	if err != nil {
		return nil, err
	}
	if string(t.Imprint) != string(d.Sum(data)) || t.Nonce == nil || t.Nonce.Cmp(number) != 0 {
		return nil, fmt.Errorf("the time-stamp does not answer this request")
	}
	return token, nil
}

// readAnswer takes the token out of a TimeStampResp whose status is granted
// (0) or grantedWithMods (1).
func readAnswer(b []byte) ([]byte, error) {
	top, err := ber.One(b)
	if err != nil {
		return nil, err
	}
	if err := top.Is(ber.Sequence); err != nil {
		return nil, err
	}
	c := top.Children()
	info, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	ic := info.Children()
	e, err := ic.Expect(ber.Integer)
	if err != nil {
		return nil, err
	}
	status, err := e.Small()
	if err != nil {
		return nil, err
	}
	if status > 1 {
		return nil, fmt.Errorf("the authority refused: status %d", status)
	}
	token, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	return token.Full, c.End()
}
