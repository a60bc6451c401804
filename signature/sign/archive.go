package sign

import (
	"context"
	"errors"
	"fmt"
	"io"

	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// Archive adds an archive-time-stamp-v3 with its ats-hash-index-v3
// (EN 319 122-1, 5.5) to every signer of a CMS message: over the content, the
// signature and everything that stands in the message now, certificates,
// revocation data and earlier time-stamps. With the material of level LT in it
// the message is of level LTA; the same again, later, keeps it so. content is
// nil when the message carries its own.
func Archive(ctx context.Context, message []byte, content facts.Source, tsa TSA, d algo.Digest, random io.Reader) ([]byte, error) {
	m, err := cms.Parse(message)
	if err != nil {
		return nil, fmt.Errorf("archiving a signature: %w", err)
	}
	if m.Trailing > 0 || len(m.Signers) == 0 {
		return nil, errors.New("archiving a signature: no signers, or data after the message")
	}
	h := d.New(nil)
	switch {
	case m.Attached && content == nil:
		h.Write(m.Content)
	case !m.Attached && content != nil:
		if _, err := io.Copy(h, io.NewSectionReader(content, 0, content.Size())); err != nil {
			return nil, fmt.Errorf("archiving a signature: reading the content: %w", err)
		}
	default:
		return nil, errors.New("archiving a signature: the content is wanted once, in the message or beside it")
	}
	sum := h.Sum(nil)
	out := message
	for _, s := range m.Signers {
		index := hashIndexV3(m, s, d)
		imprint := d.New(nil)
		for _, b := range [][]byte{ber.EncodeOID(m.ContentType), sum, s.Fields, index} {
			imprint.Write(b)
		}
		token, err := stamp(ctx, tsa, d, imprint.Sum(nil), random)
		if err != nil {
			return nil, fmt.Errorf("archive time-stamp: %w", err)
		}
		t, err := cms.ParseToken(token)
		if err != nil {
			return nil, fmt.Errorf("archive time-stamp: %w", err)
		}
		if token, err = AddUnsigned(token, t.SignedData.Signers[0].Raw, attribute(cms.AttrHashIndexV3, index)); err != nil {
			return nil, err
		}
		if out, err = AddUnsigned(out, s.Raw, attribute(cms.AttrArchiveTimestampV3, token)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// hashIndexV3 lists the digests of all certificates, revocation data and
// unsigned attribute values of a message (EN 319 122-1, 5.5.2).
func hashIndexV3(m *cms.SignedData, s *cms.SignerInfo, d algo.Digest) []byte {
	sum := func(parts ...[]byte) []byte {
		h := d.New(nil)
		for _, p := range parts {
			h.Write(p)
		}
		return ber.EncodeOctets(h.Sum(nil))
	}
	var certificates, revocations, attributes [][]byte
	for _, der := range m.Certificates {
		certificates = append(certificates, sum(der))
	}
	for _, r := range m.Revocations {
		revocations = append(revocations, sum(r.Raw))
	}
	for _, a := range s.Unsigned {
		for _, v := range a.Values {
			attributes = append(attributes, sum(ber.EncodeOID(a.OID), v.Full))
		}
	}
	return ber.Seq(DigestAlgorithm(d), ber.Seq(certificates...), ber.Seq(revocations...), ber.Seq(attributes...))
}
