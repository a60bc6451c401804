package trust

import (
	"fmt"
	"math/big"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// MaxCRL is the largest CRL read.
const MaxCRL = 64 << 20

// CRL is a parsed certificate revocation list (RFC 5280, 5).
type CRL struct {
	Raw             []byte
	ID              string
	TBS             []byte
	Scheme          algo.Scheme
	SchemeErr       error
	Signature       []byte
	Issuer          cert.Name
	ThisUpdate      time.Time
	NextUpdate      time.Time // zero when absent
	Number          *big.Int
	DeltaBase       *big.Int // BaseCRLNumber of a delta CRL
	AuthorityKeyID  []byte
	ExpiredCerts    time.Time
	Indirect        bool
	OnlyUser        bool
	OnlyCA          bool
	OnlyAttribute   bool
	SomeReasons     bool
	UnknownCritical []string
	entries         []byte
}

// RevokedEntry is one entry of a CRL.
type RevokedEntry struct {
	At     time.Time
	Reason string
	Issuer bool // has certificateIssuer: an entry of an indirect CRL
}

var reasonNames = map[int]string{
	0: "unspecified", 1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
	5: "cessationOfOperation", 6: "certificateHold", 8: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
}

// Reasons that judgement looks at.
const (
	ReasonHold   = "certificateHold"
	ReasonRemove = "removeFromCRL"
)

// ParseCRL reads one DER CRL.
func ParseCRL(der []byte) (*CRL, error) {
	fail := func(part string, err error) (*CRL, error) { return nil, fmt.Errorf("reading CRL %s: %w", part, err) }
	if len(der) > MaxCRL {
		return fail("size", facts.ErrTooLarge)
	}
	top, err := ber.One(der)
	if err != nil {
		return fail("structure", err)
	}
	if err := top.Is(ber.Sequence); err != nil {
		return fail("structure", err)
	}
	l := &CRL{Raw: der, ID: facts.ID("R", der)}
	c := top.Children()
	tbs, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail("tbsCertList", err)
	}
	l.TBS = tbs.Full
	alg, err := c.Expect(ber.Sequence)
	if err != nil {
		return fail("algorithm", err)
	}
	oid, params, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return fail("algorithm", err)
	}
	l.Scheme, l.SchemeErr = algo.SchemeByOID(oid, params)
	sig, err := c.Expect(ber.BitString)
	if err != nil {
		return fail("signature", err)
	}
	if l.Signature, err = sig.Bits(); err != nil {
		return fail("signature", err)
	}
	if err := c.End(); err != nil {
		return fail("structure", err)
	}
	t := tbs.Children()
	if _, _, err := t.Optional(ber.Integer); err != nil {
		return fail("version", err)
	}
	if _, err := t.Expect(ber.Sequence); err != nil {
		return fail("algorithm", err)
	}
	name, err := t.Expect(ber.Sequence)
	if err != nil {
		return fail("issuer", err)
	}
	if l.Issuer, err = cert.ParseName(name); err != nil {
		return fail("issuer", err)
	}
	this, err := t.Next()
	if err != nil {
		return fail("thisUpdate", err)
	}
	if l.ThisUpdate, err = this.Time(); err != nil {
		return fail("thisUpdate", err)
	}
	if p := t.Peek(); p == ber.UTCTime || p == ber.GeneralizedTime {
		next, err := t.Next()
		if err != nil {
			return fail("nextUpdate", err)
		}
		if l.NextUpdate, err = next.Time(); err != nil {
			return fail("nextUpdate", err)
		}
	}
	if e, ok, err := t.Optional(ber.Sequence); err != nil {
		return fail("entries", err)
	} else if ok {
		l.entries = e.Body
	}
	if x, ok, err := t.Optional(0xa0); err != nil {
		return fail("extensions", err)
	} else if ok {
		list, err := ber.One(x.Body)
		if err != nil {
			return fail("extensions", err)
		}
		if err := l.extensions(list); err != nil {
			return fail("extensions", err)
		}
	}
	if err := t.End(); err != nil {
		return fail("tbsCertList", err)
	}
	// Walk the entries once, so that a broken list is refused now.
	for e := ber.Over(l.entries); !e.Empty(); {
		if _, err := e.Expect(ber.Sequence); err != nil {
			return fail("entries", err)
		}
	}
	return l, nil
}

func (l *CRL) extensions(list ber.Element) error {
	for c := list.Children(); !c.Empty(); {
		e, err := c.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		oid, critical, value, err := extension(e)
		if err != nil {
			return err
		}
		v, err := ber.One(value)
		if err != nil {
			return err
		}
		switch oid {
		case "2.5.29.20":
			if l.Number, err = v.Int(); err != nil {
				return err
			}
		case "2.5.29.27":
			if l.DeltaBase, err = v.Int(); err != nil {
				return err
			}
		case "2.5.29.35":
			for k := v.Children(); !k.Empty(); {
				f, err := k.Next()
				if err != nil {
					return err
				}
				if f.Tag == 0x80 {
					l.AuthorityKeyID = f.Body
				}
			}
		case "2.5.29.28":
			for k := v.Children(); !k.Empty(); {
				f, err := k.Next()
				if err != nil {
					return err
				}
				on := len(f.Body) == 1 && f.Body[0] != 0
				switch f.Tag {
				case 0x81:
					l.OnlyUser = on
				case 0x82:
					l.OnlyCA = on
				case 0x83:
					l.SomeReasons = true
				case 0x84:
					l.Indirect = on
				case 0x85:
					l.OnlyAttribute = on
				}
			}
		case "2.5.29.60":
			if l.ExpiredCerts, err = v.Time(); err != nil {
				return err
			}
		case "2.5.29.46", "2.5.29.18", "1.3.6.1.5.5.7.1.1":
		default:
			if critical {
				l.UnknownCritical = append(l.UnknownCritical, oid)
			}
		}
	}
	return nil
}

func extension(e ber.Element) (oid string, critical bool, value []byte, err error) {
	c := e.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return "", false, nil, err
	}
	if oid, err = id.OID(); err != nil {
		return "", false, nil, err
	}
	if b, ok, err := c.Optional(ber.Boolean); err != nil {
		return "", false, nil, err
	} else if ok {
		if critical, err = b.Bool(); err != nil {
			return "", false, nil, err
		}
	}
	v, err := c.Expect(ber.OctetString)
	if err != nil {
		return "", false, nil, err
	}
	return oid, critical, v.Body, c.End()
}

// IsDelta says whether this is a delta CRL.
func (l *CRL) IsDelta() bool { return l.DeltaBase != nil }

// Lookup finds the entry of a serial number (content octets of INTEGER).
func (l *CRL) Lookup(serial []byte) (RevokedEntry, bool) {
	for c := ber.Over(l.entries); !c.Empty(); {
		e, err := c.Next()
		if err != nil {
			return RevokedEntry{}, false
		}
		k := e.Children()
		s, err := k.Next()
		if err != nil || s.Tag != ber.Integer || string(s.Body) != string(serial) {
			continue
		}
		var out RevokedEntry
		if t, err := k.Next(); err == nil {
			out.At, _ = t.Time()
		}
		if x, ok, err := k.Optional(ber.Sequence); err == nil && ok {
			for xc := x.Children(); !xc.Empty(); {
				ext, err := xc.Next()
				if err != nil {
					break
				}
				oid, _, v, err := extension(ext)
				if err != nil {
					continue
				}
				switch oid {
				case "2.5.29.21":
					if r, err := ber.One(v); err == nil {
						if n, err := r.Small(); err == nil {
							out.Reason = reasonNames[n]
						}
					}
				case "2.5.29.29":
					out.Issuer = true
				}
			}
		}
		return out, true
	}
	return RevokedEntry{}, false
}

// CheckSignature verifies the CRL with a key.
func (l *CRL) CheckSignature(c *cert.Certificate) error {
	if l.SchemeErr != nil {
		return l.SchemeErr
	}
	if c.KeyErr != nil {
		return c.KeyErr
	}
	return cert.CheckSigned(c.Key, l.Scheme, l.TBS, l.Signature)
}

// Covers says whether a CRL of this kind can speak about c: issuer name,
// distribution point limits, and no critical extension we do not know
// (RFC 5280, 5.2 and 6.3.3). Indirect CRLs are not used.
func (l *CRL) Covers(c *cert.Certificate) bool {
	if len(l.UnknownCritical) > 0 || l.Indirect || l.OnlyAttribute || l.SomeReasons {
		return false
	}
	if l.OnlyCA && !c.Ext.CA || l.OnlyUser && c.Ext.CA {
		return false
	}
	return l.Issuer.Equal(c.Issuer)
}
