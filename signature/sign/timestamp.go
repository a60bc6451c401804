package sign

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cms"
	"mist/signature/internal/ber"
)

// TimestampRequest encodes a TimeStampReq (RFC 3161, 2.4.1).
func TimestampRequest(d algo.Digest, digest []byte, nonce *big.Int) []byte {
	parts := [][]byte{
		ber.EncodeSmall(1),
		ber.Seq(DigestAlgorithm(d), ber.EncodeOctets(digest)),
	}
	if nonce != nil {
		parts = append(parts, ber.EncodeInt(nonce))
	}
	return ber.Seq(append(parts, ber.EncodeBool(true))...)
}

// ParseTimestampResponse takes the token out of a TimeStampResp and checks
// status, imprint and nonce. Whether the token is to be trusted the verifier
// decides.
func ParseTimestampResponse(resp []byte, digest []byte, nonce *big.Int) ([]byte, error) {
	e, err := ber.One(resp)
	if err != nil {
		return nil, fmt.Errorf("reading time-stamp response: %w", err)
	}
	c := e.Children()
	status, err := c.Expect(ber.Sequence)
	if err != nil {
		return nil, fmt.Errorf("reading time-stamp response: %w", err)
	}
	sc := status.Children()
	code, err := sc.Expect(ber.Integer)
	if err != nil {
		return nil, fmt.Errorf("reading time-stamp response: %w", err)
	}
	if n, err := code.Small(); err != nil || n > 1 {
		return nil, fmt.Errorf("time-stamping unit refuses the request: status %d", n)
	}
	token, err := c.Next()
	if err != nil {
		return nil, errors.New("time-stamp response holds no token")
	}
	t, err := cms.ParseToken(token.Full)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(t.Imprint, digest) {
		return nil, errors.New("time-stamp token is about other data")
	}
	if nonce != nil && (t.Nonce == nil || t.Nonce.Cmp(nonce) != 0) {
		return nil, errors.New("time-stamp token does not repeat the nonce")
	}
	return token.Full, nil
}

// stamp asks a unit for a token over digest.
func stamp(ctx context.Context, tsa TSA, d algo.Digest, digest []byte, random io.Reader) ([]byte, error) {
	nonce, err := rand.Int(random, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		return nil, fmt.Errorf("making a nonce: %w", err)
	}
	resp, err := tsa(ctx, TimestampRequest(d, digest, nonce))
	if err != nil {
		return nil, err
	}
	return ParseTimestampResponse(resp, digest, nonce)
}

// Extend adds a signature time-stamp to every signer of a CMS message that
// has none: level B becomes T. Nothing signed changes.
func Extend(ctx context.Context, message []byte, tsa TSA, d algo.Digest, random io.Reader) ([]byte, error) {
	m, err := cms.Parse(message)
	if err != nil {
		return nil, fmt.Errorf("extending a signature: %w", err)
	}
	if m.Trailing > 0 || len(m.Signers) == 0 {
		return nil, errors.New("extending a signature: no signers, or data after the message")
	}
	out := message
	for _, s := range m.Signers {
		if len(cms.Find(s.Unsigned, cms.AttrSignatureTimestamp)) > 0 {
			continue
		}
		h := d.New(nil)
		h.Write(s.Signature)
		token, err := stamp(ctx, tsa, d, h.Sum(nil), random)
		if err != nil {
			return nil, fmt.Errorf("signature time-stamp: %w", err)
		}
		if out, err = AddUnsigned(out, s.Raw, attribute(cms.AttrSignatureTimestamp, token)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// AddUnsigned rebuilds a message with one more unsigned attribute at the
// signer whose encoding is signerRaw.
func AddUnsigned(message, signerRaw, attr []byte) ([]byte, error) {
	s, err := ber.One(signerRaw)
	if err != nil {
		return nil, err
	}
	var parts, unsigned [][]byte
	for c := s.Children(); !c.Empty(); {
		e, err := c.Next()
		if err != nil {
			return nil, err
		}
		if e.Tag == 0xa1 {
			for u := e.Children(); !u.Empty(); {
				a, err := u.Next()
				if err != nil {
					return nil, err
				}
				unsigned = append(unsigned, a.Full)
			}
			continue
		}
		parts = append(parts, e.Full)
	}
	set := ber.SetOf(append(unsigned, attr)...)
	set[0] = 0xa1
	return replace(message, signerRaw, ber.Seq(append(parts, set)...))
}

// replace rebuilds ContentInfo with one SignerInfo exchanged.
func replace(message, old, now []byte) ([]byte, error) {
	top, err := ber.One(message)
	if err != nil {
		return nil, err
	}
	tc := top.Children()
	oid, err := tc.Next()
	if err != nil {
		return nil, err
	}
	wrap, err := tc.Next()
	if err != nil {
		return nil, err
	}
	wc := wrap.Children()
	sd, err := wc.Next()
	if err != nil {
		return nil, err
	}
	var parts [][]byte
	done := false
	for c := sd.Children(); !c.Empty(); {
		e, err := c.Next()
		if err != nil {
			return nil, err
		}
		if !c.Empty() {
			parts = append(parts, e.Full)
			continue
		}
		var signers [][]byte
		for k := e.Children(); !k.Empty(); {
			s, err := k.Next()
			if err != nil {
				return nil, err
			}
			if !done && bytes.Equal(s.Full, old) {
				signers = append(signers, now)
				done = true
				continue
			}
			signers = append(signers, s.Full)
		}
		parts = append(parts, ber.SetOf(signers...))
	}
	if !done {
		return nil, errors.New("signer not found in the message")
	}
	return ber.Seq(oid.Full, ber.Wrap(0xa0, ber.Seq(parts...))), nil
}

// AskTime asks a time-stamping unit what time it is: a token over a random
// digest, whose imprint and nonce are compared. The unit's signature is not
// judged: who can answer in its place can make a clock look wrong, and nothing
// be believed.
func AskTime(ctx context.Context, tsa TSA, random io.Reader) (time.Time, error) {
	digest := make([]byte, 32)
	if _, err := io.ReadFull(random, digest); err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	token, err := stamp(ctx, tsa, algo.SHA256, digest, random)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	t, err := cms.ParseToken(token)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time: %w", err)
	}
	return t.Time, nil
}
