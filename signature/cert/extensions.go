package cert

import (
	"fmt"
	"slices"

	"mist/signature/internal/ber"
)

// Extension identifiers.
const (
	extSubjectDirectory = "2.5.29.9"
	extSubjectKeyID     = "2.5.29.14"
	extKeyUsage         = "2.5.29.15"
	extAltNames         = "2.5.29.17"
	extBasic            = "2.5.29.19"
	extNameConstraints  = "2.5.29.30"
	extCRL              = "2.5.29.31"
	extPolicies         = "2.5.29.32"
	extAuthorityKeyID   = "2.5.29.35"
	extPolicyConstr     = "2.5.29.36"
	extExtKeyUsage      = "2.5.29.37"
	extFreshestCRL      = "2.5.29.46"
	extNoRevAvail       = "2.5.29.56"
	extAIA              = "1.3.6.1.5.5.7.1.1"
	extQC               = "1.3.6.1.5.5.7.1.3"
	extOCSPNoCheck      = "1.3.6.1.5.5.7.48.1.5"
	extShortTerm        = "0.4.0.194121.2.1"
)

// maxExtensions of one certificate.
const maxExtensions = 256

// parseExtensions reads Extensions. One that cannot be read is an error when
// it decides trust (basic constraints, key usage), else a remark: issuers do
// write odd key identifiers.
func (c *Certificate) parseExtensions(list ber.Element) error {
	if err := list.Is(ber.Sequence); err != nil {
		return parseErr("extensions", err)
	}
	c.Extensions, c.Ext.All = make([]Extension, 0, 12), make([]string, 0, 12)
	for cur := list.Children(); !cur.Empty(); {
		e, err := cur.Expect(ber.Sequence)
		if err != nil {
			return parseErr("extensions", err)
		}
		x, err := parseExtension(e)
		if err != nil {
			return parseErr("extensions", err)
		}
		if len(c.Extensions) >= maxExtensions {
			return parseErr("extensions", fmt.Errorf("%w: more than %d", ber.ErrSyntax, maxExtensions))
		}
		if slices.Contains(c.Ext.All, x.OID) {
			return parseErr("extensions", fmt.Errorf("%w: extension %s occurs twice", ber.ErrSyntax, x.OID))
		}
		c.Extensions = append(c.Extensions, x)
		c.Ext.All = append(c.Ext.All, x.OID)
		if x.Critical {
			c.Ext.Critical = append(c.Ext.Critical, x.OID)
		}
		if err := c.readExtension(x); err != nil {
			switch x.OID {
			case extBasic, extKeyUsage, extExtKeyUsage, extNameConstraints:
				return parseErr("extension "+x.OID, err)
			}
			c.Remarks = append(c.Remarks, "unreadable extension "+x.OID)
		}
	}
	return nil
}

func parseExtension(e ber.Element) (Extension, error) {
	var x Extension
	c := e.Children()
	id, err := c.Expect(ber.OID)
	if err != nil {
		return x, err
	}
	if x.OID, err = id.OID(); err != nil {
		return x, err
	}
	if b, ok, err := c.Optional(ber.Boolean); err != nil {
		return x, err
	} else if ok {
		if x.Critical, err = b.Bool(); err != nil {
			return x, err
		}
	}
	v, err := c.Expect(ber.OctetString)
	if err != nil {
		return x, err
	}
	x.Value = v.Body
	return x, c.End()
}

var keyUsageNames = []string{
	"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "crlSign", "encipherOnly", "decipherOnly",
}

func (c *Certificate) readExtension(x Extension) error {
	switch x.OID {
	case extOCSPNoCheck:
		c.Ext.OCSPNoCheck = true
		return nil
	case extNoRevAvail:
		c.Ext.NoRevAvail = true
		return nil
	case extShortTerm:
		c.Ext.ShortTerm = true
		return nil
	}
	e, err := ber.One(x.Value)
	if err != nil {
		return err
	}
	switch x.OID {
	case extSubjectKeyID:
		if err := e.Is(ber.OctetString); err != nil {
			return err
		}
		c.Ext.SubjectKeyID = e.Body
	case extAuthorityKeyID:
		for k := e.Children(); !k.Empty(); {
			f, err := k.Next()
			if err != nil {
				return err
			}
			if f.Tag == 0x80 {
				c.Ext.AuthorityKeyID = f.Body
			}
		}
	case extKeyUsage:
		if e.Tag != ber.BitString || len(e.Body) == 0 || len(e.Body) > 3 {
			return fmt.Errorf("%w: key usage", ber.ErrSyntax)
		}
		c.Ext.KeyUsagePresent = true
		for i, name := range keyUsageNames {
			if 1+i/8 < len(e.Body) && e.Body[1+i/8]&(0x80>>(i%8)) != 0 {
				c.Ext.KeyUsage = append(c.Ext.KeyUsage, name)
			}
		}
	case extBasic:
		c.Ext.BasicConstraints = true
		k := e.Children()
		if b, ok, err := k.Optional(ber.Boolean); err != nil {
			return err
		} else if ok {
			if c.Ext.CA, err = b.Bool(); err != nil {
				return err
			}
		}
		if p, ok, err := k.Optional(ber.Integer); err != nil {
			return err
		} else if ok {
			n, err := p.Small()
			if err != nil {
				return err
			}
			c.Ext.PathLen = &n
		}
		return k.End()
	case extExtKeyUsage:
		c.Ext.ExtKeyUsageCritical = x.Critical
		for k := e.Children(); !k.Empty(); {
			o, err := k.Expect(ber.OID)
			if err != nil {
				return err
			}
			oid, err := o.OID()
			if err != nil {
				return err
			}
			c.Ext.ExtKeyUsage = append(c.Ext.ExtKeyUsage, oid)
		}
	case extPolicies:
		for k := e.Children(); !k.Empty(); {
			p, err := k.Expect(ber.Sequence)
			if err != nil {
				return err
			}
			pc := p.Children()
			o, err := pc.Expect(ber.OID)
			if err != nil {
				return err
			}
			oid, err := o.OID()
			if err != nil {
				return err
			}
			c.Ext.Policies = append(c.Ext.Policies, oid)
		}
	case extPolicyConstr:
		for k := e.Children(); !k.Empty(); {
			f, err := k.Next()
			if err != nil {
				return err
			}
			if f.Tag == 0x80 {
				v, err := ber.IntOf(f.Body)
				if err != nil || v.Sign() < 0 || v.BitLen() > 16 {
					return fmt.Errorf("%w: policy constraints", ber.ErrSyntax)
				}
				n := int(v.Int64())
				c.Ext.RequireExplicit = &n
			}
		}
	case extAIA:
		return c.readAIA(e)
	case extCRL, extFreshestCRL:
		urls, err := distributionPoints(e)
		if x.OID == extCRL {
			c.Ext.CRL = urls
		} else {
			c.Ext.FreshestCRL = urls
		}
		return err
	case extQC:
		return c.readQC(e)
	case extAltNames:
		return c.altNames.read(e)
	case extNameConstraints:
		c.Ext.NameConstraints = true
		nc, err := parseNameConstraints(e)
		c.nameConstraints = nc
		return err
	}
	return nil
}

func (c *Certificate) readAIA(e ber.Element) error {
	for k := e.Children(); !k.Empty(); {
		d, err := k.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		dc := d.Children()
		o, err := dc.Expect(ber.OID)
		if err != nil {
			return err
		}
		oid, err := o.OID()
		if err != nil {
			return err
		}
		g, err := dc.Next()
		if err != nil {
			return err
		}
		if g.Tag != 0x86 {
			continue
		}
		switch oid {
		case "1.3.6.1.5.5.7.48.1":
			c.Ext.OCSP = append(c.Ext.OCSP, string(g.Body))
		case "1.3.6.1.5.5.7.48.2":
			c.Ext.CAIssuers = append(c.Ext.CAIssuers, string(g.Body))
		}
	}
	return nil
}

// distributionPoints collects the URIs of CRLDistributionPoints.
func distributionPoints(e ber.Element) ([]string, error) {
	var urls []string
	for k := e.Children(); !k.Empty(); {
		dp, err := k.Expect(ber.Sequence)
		if err != nil {
			return urls, err
		}
		for f := dp.Children(); !f.Empty(); {
			n, err := f.Next()
			if err != nil {
				return urls, err
			}
			if n.Tag != 0xa0 {
				continue
			}
			for fn := n.Children(); !fn.Empty(); {
				full, err := fn.Next()
				if err != nil {
					return urls, err
				}
				if full.Tag != 0xa0 {
					continue
				}
				for g := full.Children(); !g.Empty(); {
					name, err := g.Next()
					if err != nil {
						return urls, err
					}
					if name.Tag == 0x86 && len(urls) < 32 {
						urls = append(urls, string(name.Body))
					}
				}
			}
		}
	}
	return urls, nil
}
