package sign

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// Signer is a private key with its certificate.
type Signer struct {
	Key         *Key
	Certificate []byte   // DER
	Chain       [][]byte // DER, further certificates to embed
	Random      io.Reader
}

// TSA sends an RFC 3161 request to a time-stamping unit and returns its
// response, both DER.
type TSA func(ctx context.Context, request []byte) ([]byte, error)

// Options of a CAdES signature (EN 319 122-1).
type Options struct {
	Detached bool
	Time     time.Time // claimed signing time; zero leaves the attribute out
	// TSA makes level T: a time-stamp over the signature value.
	TSA TSA
	// ContentTSA adds a time-stamp over the content to the signed attributes.
	ContentTSA TSA
	// TSADigest is the digest of time-stamp imprints; empty: the key's own.
	TSADigest algo.Digest
	// CRLs and OCSPs (DER) make level LT when given with a TSA and Chain.
	CRLs  [][]byte
	OCSPs [][]byte
	// MediaType of the content, optional.
	MediaType string
}

var errKeyMismatch = errors.New("the private key does not belong to the certificate")

func (s Signer) random() io.Reader {
	if s.Random != nil {
		return s.Random
	}
	return rand.Reader
}

// certificate parses the signer's certificate and checks the key against it.
func (s Signer) certificate() (*cert.Certificate, error) {
	if s.Key == nil || len(s.Certificate) == 0 {
		return nil, errors.New("signer lacks a key or a certificate")
	}
	c, err := cert.Parse(s.Certificate)
	if err != nil {
		return nil, err
	}
	return c, s.Key.Fits(c, s.random())
}

// Fits says whether the key belongs to a certificate: what it signs is tried
// with the certificate's key.
func (k *Key) Fits(c *cert.Certificate, random io.Reader) error {
	probe := []byte("mist: key and certificate belong together")
	sig, err := k.Sign(random, probe)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	oid, params, err := algoOf(k.Algorithm())
	if err != nil {
		return err
	}
	scheme, err := algo.SchemeByOID(oid, params)
	if err != nil {
		return err
	}
	if c.KeyErr != nil || c.Key.Verify(scheme, probe, sig) != nil {
		return errKeyMismatch
	}
	return nil
}

func algoOf(der []byte) (string, []byte, error) {
	e, err := ber.One(der)
	if err != nil {
		return "", nil, err
	}
	return algo.ParseAlgorithm(e)
}

// CAdES signs content and returns the DER CMS message.
func CAdES(ctx context.Context, s Signer, content facts.Source, o Options) ([]byte, error) {
	c, err := s.certificate()
	if err != nil {
		return nil, fmt.Errorf("signing CAdES: %w", err)
	}
	d := s.Key.Digest()
	h := d.New(c.Key.SBox())
	if _, err := io.Copy(h, io.NewSectionReader(content, 0, content.Size())); err != nil {
		return nil, fmt.Errorf("hashing the content: %w", err)
	}
	attrs := [][]byte{
		attribute(cms.AttrContentType, ber.EncodeOID(cms.OIDData)),
		attribute(cms.AttrMessageDigest, ber.EncodeOctets(h.Sum(nil))),
		signingCertificate(c, d),
	}
	if !o.Time.IsZero() {
		attrs = append(attrs, attribute(cms.AttrSigningTime, ber.EncodeTime(o.Time)))
	}
	if o.MediaType != "" {
		attrs = append(attrs, attribute(cms.AttrMimeType, ber.EncodeUTF8(o.MediaType)))
	}
	tsaDigest := o.TSADigest
	if tsaDigest == "" {
		tsaDigest = d
	}
	if o.ContentTSA != nil {
		th := tsaDigest.New(nil)
		if _, err := io.Copy(th, io.NewSectionReader(content, 0, content.Size())); err != nil {
			return nil, fmt.Errorf("hashing the content: %w", err)
		}
		token, err := stamp(ctx, o.ContentTSA, tsaDigest, th.Sum(nil), s.random())
		if err != nil {
			return nil, fmt.Errorf("content time-stamp: %w", err)
		}
		attrs = append(attrs, attribute(cms.AttrContentTimestamp, token))
	}
	signed := ber.SetOf(attrs...)
	value, err := s.Key.Sign(s.random(), signed)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	var unsigned [][]byte
	if o.TSA != nil {
		th := tsaDigest.New(nil)
		th.Write(value)
		token, err := stamp(ctx, o.TSA, tsaDigest, th.Sum(nil), s.random())
		if err != nil {
			return nil, fmt.Errorf("signature time-stamp: %w", err)
		}
		unsigned = append(unsigned, attribute(cms.AttrSignatureTimestamp, token))
	}
	signedImplicit := append([]byte(nil), signed...)
	signedImplicit[0] = 0xa0
	info := [][]byte{
		ber.EncodeSmall(1),
		ber.Seq(c.Issuer.Raw, ber.EncodeInt(c.Serial)),
		DigestAlgorithm(d),
		signedImplicit,
		s.Key.Algorithm(),
		ber.EncodeOctets(value),
	}
	if len(unsigned) > 0 {
		u := ber.SetOf(unsigned...)
		u[0] = 0xa1
		info = append(info, u)
	}
	var body []byte
	if !o.Detached {
		if body, err = facts.ReadAll(content, facts.DefaultLimits.Document); err != nil {
			return nil, fmt.Errorf("reading the content: %w", err)
		}
		if body == nil {
			body = []byte{}
		}
	}
	return Message(cms.OIDData, body, DigestAlgorithm(d), append([][]byte{s.Certificate}, s.Chain...), o.CRLs, o.OCSPs, ber.Seq(info...)), nil
}

// Message encodes ContentInfo with SignedData (RFC 5652, 5.1). A nil content
// makes it detached.
func Message(contentType string, content, digestAlgorithm []byte, certs, crls, ocsps [][]byte, signer []byte) []byte {
	encap := [][]byte{ber.EncodeOID(contentType)}
	if content != nil {
		encap = append(encap, ber.Wrap(0xa0, ber.EncodeOctets(content)))
	}
	version := 1
	if contentType != cms.OIDData {
		version = 3
	}
	var revocation [][]byte
	revocation = append(revocation, crls...)
	for _, o := range ocsps {
		version = 5
		revocation = append(revocation, ber.Wrap(0xa1, ber.EncodeOID("1.3.6.1.5.5.7.16.2"), o))
	}
	parts := [][]byte{
		ber.EncodeSmall(version),
		ber.Wrap(ber.Set, digestAlgorithm),
		ber.Seq(encap...),
	}
	if len(certs) > 0 {
		set := ber.SetOf(unique(certs)...)
		set[0] = 0xa0
		parts = append(parts, set)
	}
	if len(revocation) > 0 {
		set := ber.SetOf(unique(revocation)...)
		set[0] = 0xa1
		parts = append(parts, set)
	}
	parts = append(parts, ber.Wrap(ber.Set, signer))
	return ber.Seq(ber.EncodeOID(cms.OIDSignedData), ber.Wrap(0xa0, ber.Seq(parts...)))
}

func unique(list [][]byte) [][]byte {
	var out [][]byte
	for _, b := range list {
		dup := false
		for _, have := range out {
			dup = dup || bytes.Equal(have, b)
		}
		if !dup {
			out = append(out, b)
		}
	}
	return out
}

func attribute(oid string, values ...[]byte) []byte {
	return ber.Seq(ber.EncodeOID(oid), ber.SetOf(values...))
}

// signingCertificate is the signed reference to the certificate
// (EN 319 122-1, 5.2.2.3) with issuer and serial number.
func signingCertificate(c *cert.Certificate, d algo.Digest) []byte {
	id := [][]byte{}
	if d != algo.SHA256 {
		id = append(id, DigestAlgorithm(d))
	}
	id = append(id, ber.EncodeOctets(d.Sum(c.Raw)), IssuerSerial(c))
	return attribute(cms.AttrSigningCertV2, ber.Seq(ber.Seq(ber.Seq(id...))))
}

// IssuerSerial of ESS: GeneralNames with the directory name, serial number.
func IssuerSerial(c *cert.Certificate) []byte {
	return ber.Seq(ber.Seq(ber.Wrap(0xa4, c.Issuer.Raw)), ber.EncodeInt(c.Serial))
}

// SigningCertificateAttribute is for others that build signed attributes
// (time-stamp tokens).
func SigningCertificateAttribute(c *cert.Certificate, d algo.Digest) []byte {
	return signingCertificate(c, d)
}
