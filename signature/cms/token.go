package cms

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// Token is an RFC 3161 time-stamp token.
type Token struct {
	SignedData *SignedData
	Policy     string
	Imprint    []byte
	Digest     algo.Digest // "" when not supported
	DigestOID  string
	Serial     *big.Int
	Time       time.Time
	Nonce      *big.Int
	TSA        *cert.Name // directory name in the tsa field
}

// ParseToken reads a TimeStampToken: SignedData of TSTInfo with exactly one
// signer (RFC 3161, 2.4.2).
func ParseToken(b []byte) (*Token, error) {
	sd, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading time-stamp token: %w", err)
	}
	if sd.Trailing > 0 {
		return nil, fmt.Errorf("reading time-stamp token: %w", ber.ErrTrailing)
	}
	if sd.ContentType != OIDTSTInfo || !sd.Attached {
		return nil, errors.New("reading time-stamp token: content is not TSTInfo")
	}
	if len(sd.Signers) != 1 {
		return nil, fmt.Errorf("reading time-stamp token: %d signers", len(sd.Signers))
	}
	t := &Token{SignedData: sd}
	if err := t.parseInfo(sd.Content); err != nil {
		return nil, fmt.Errorf("reading TSTInfo: %w", err)
	}
	return t, nil
}

func (t *Token) parseInfo(b []byte) error {
	e, err := ber.One(b)
	if err != nil {
		return err
	}
	if err := e.Is(ber.Sequence); err != nil {
		return err
	}
	c := e.Children()
	v, err := c.Expect(ber.Integer)
	if err != nil {
		return err
	}
	if n, err := v.Small(); err != nil || n != 1 {
		return fmt.Errorf("%w: version", ber.ErrSyntax)
	}
	p, err := c.Expect(ber.OID)
	if err != nil {
		return err
	}
	if t.Policy, err = p.OID(); err != nil {
		return err
	}
	mi, err := c.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	mc := mi.Children()
	alg, err := mc.Next()
	if err != nil {
		return err
	}
	if t.DigestOID, _, err = algorithm(alg); err != nil {
		return err
	}
	t.Digest, _ = algo.DigestByOID(t.DigestOID)
	h, err := mc.Expect(ber.OctetString)
	if err != nil {
		return err
	}
	t.Imprint = h.Body
	serial, err := c.Expect(ber.Integer)
	if err != nil {
		return err
	}
	if t.Serial, err = serial.Int(); err != nil {
		return err
	}
	g, err := c.Expect(ber.GeneralizedTime)
	if err != nil {
		return err
	}
	if t.Time, err = g.Time(); err != nil {
		return err
	}
	for !c.Empty() {
		f, err := c.Next()
		if err != nil {
			return err
		}
		switch f.Tag {
		case ber.Integer:
			if t.Nonce, err = f.Int(); err != nil {
				return err
			}
		case 0xa0:
			if n, err := ber.One(f.Body); err == nil && n.Tag == 0xa4 {
				if ne, err := ber.One(n.Body); err == nil {
					if name, err := cert.ParseName(ne); err == nil {
						t.TSA = &name
					}
				}
			}
		}
	}
	return nil
}

// TokenHolds names the certificates and revocation data inside a time-stamp
// token (DER): who proves that the token existed proves it of them.
func TokenHolds(der []byte) (ids []string) {
	tok, err := ParseToken(der)
	if err != nil {
		return nil
	}
	return tok.SignedData.Holds()
}

// Holds names the certificates and revocation data in a message.
func (m *SignedData) Holds() (ids []string) {
	for _, c := range m.Certificates {
		ids = append(ids, facts.ID("C", c))
	}
	for _, r := range m.Revocations {
		ids = append(ids, facts.ID("R", r.Inner))
	}
	return ids
}
