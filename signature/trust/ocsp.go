package trust

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"time"

	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/gost34311"
	"mist/signature/internal/ber"
)

// MaxOCSP is the largest OCSP response read.
const MaxOCSP = 1 << 20

// OCSP is a parsed OCSP response (RFC 6960).
type OCSP struct {
	Raw           []byte // as found: OCSPResponse or BasicOCSPResponse
	ID            string
	TBS           []byte
	Scheme        algo.Scheme
	SchemeErr     error
	Signature     []byte
	ResponderName *cert.Name
	ResponderKey  []byte
	ProducedAt    time.Time
	Answers       []OCSPAnswer
	Certificates  [][]byte
	Nonce         []byte
	Problems      []string
}

// OCSPAnswer is one SingleResponse.
type OCSPAnswer struct {
	HashOID       string
	NameHash      []byte
	KeyHash       []byte
	SerialRaw     []byte
	Status        string // facts.StatusGood …
	RevokedAt     time.Time
	Reason        string
	ThisUpdate    time.Time
	NextUpdate    time.Time
	ArchiveCutOff time.Time
	CertHash      *certHash
}

type certHash struct {
	oid   string
	value []byte
}

// OCSPStatusError is a responder's refusal (tryLater, unauthorized …).
type OCSPStatusError struct{ Status int }

func (e *OCSPStatusError) Error() string {
	names := map[int]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
	if n, ok := names[e.Status]; ok {
		return "OCSP responder answers " + n
	}
	return fmt.Sprintf("OCSP responder answers status %d", e.Status)
}

// ParseOCSP reads an OCSPResponse or a BasicOCSPResponse.
func ParseOCSP(der []byte) (*OCSP, error) {
	o, err := parseOCSP(der)
	if err != nil {
		var s *OCSPStatusError
		if errors.As(err, &s) {
			return nil, err
		}
		return nil, fmt.Errorf("reading OCSP response: %w", err)
	}
	return o, nil
}

func parseOCSP(der []byte) (*OCSP, error) {
	if len(der) > MaxOCSP {
		return nil, facts.ErrTooLarge
	}
	top, err := ber.One(der)
	if err != nil {
		return nil, err
	}
	if err := top.Is(ber.Sequence); err != nil {
		return nil, err
	}
	c := top.Children()
	basic := top
	if c.Peek() == ber.Enumerated {
		st, err := c.Next()
		if err != nil {
			return nil, err
		}
		n, err := st.Small()
		if err != nil {
			return nil, err
		}
		if n != 0 {
			return nil, &OCSPStatusError{n}
		}
		rb, err := c.Expect(0xa0)
		if err != nil {
			return nil, err
		}
		seq, err := ber.One(rb.Body)
		if err != nil {
			return nil, err
		}
		sc := seq.Children()
		id, err := sc.Expect(ber.OID)
		if err != nil {
			return nil, err
		}
		if oid, err := id.OID(); err != nil || oid != "1.3.6.1.5.5.7.48.1.1" {
			return nil, fmt.Errorf("response type %s: %w", oid, algo.ErrUnsupported)
		}
		oct, err := sc.Expect(ber.OctetString)
		if err != nil {
			return nil, err
		}
		if basic, err = ber.One(oct.Body); err != nil {
			return nil, err
		}
	}
	o := &OCSP{Raw: der, ID: facts.ID("R", der)}
	b := basic.Children()
	tbs, err := b.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	o.TBS = tbs.Full
	alg, err := b.Expect(ber.Sequence)
	if err != nil {
		return nil, err
	}
	oid, params, err := algo.ParseAlgorithm(alg)
	if err != nil {
		return nil, err
	}
	o.Scheme, o.SchemeErr = algo.SchemeByOID(oid, params)
	sig, err := b.Expect(ber.BitString)
	if err != nil {
		return nil, err
	}
	if o.Signature, err = sig.Bits(); err != nil {
		return nil, err
	}
	if certs, ok, err := b.Optional(0xa0); err != nil {
		return nil, err
	} else if ok {
		list, err := ber.One(certs.Body)
		if err != nil {
			return nil, err
		}
		for k := list.Children(); !k.Empty() && len(o.Certificates) < 16; {
			e, err := k.Next()
			if err != nil {
				return nil, err
			}
			o.Certificates = append(o.Certificates, e.Full)
		}
	}
	if err := b.End(); err != nil {
		return nil, err
	}
	return o, o.parseData(tbs)
}

func (o *OCSP) parseData(tbs ber.Element) error {
	c := tbs.Children()
	if _, _, err := c.Optional(0xa0); err != nil { // version
		return err
	}
	id, err := c.Next()
	if err != nil {
		return err
	}
	inner, err := ber.One(id.Body)
	if err != nil {
		return err
	}
	switch id.Tag {
	case 0xa1:
		n, err := cert.ParseName(inner)
		if err != nil {
			return err
		}
		o.ResponderName = &n
	case 0xa2:
		o.ResponderKey = inner.Body
	default:
		return fmt.Errorf("%w: responder id", ber.ErrSyntax)
	}
	at, err := c.Expect(ber.GeneralizedTime)
	if err != nil {
		return err
	}
	if o.ProducedAt, err = at.Time(); err != nil {
		return err
	}
	list, err := c.Expect(ber.Sequence)
	if err != nil {
		return err
	}
	for k := list.Children(); !k.Empty(); {
		e, err := k.Expect(ber.Sequence)
		if err != nil {
			return err
		}
		a, err := parseAnswer(e)
		if err != nil {
			return err
		}
		if len(o.Answers) >= 1024 {
			return facts.ErrTooLarge
		}
		o.Answers = append(o.Answers, a)
	}
	if x, ok, err := c.Optional(0xa1); err != nil {
		return err
	} else if ok {
		xs, err := ber.One(x.Body)
		if err != nil {
			return err
		}
		for k := xs.Children(); !k.Empty(); {
			e, err := k.Expect(ber.Sequence)
			if err != nil {
				return err
			}
			oid, critical, v, err := extension(e)
			if err != nil {
				return err
			}
			switch {
			case oid == "1.3.6.1.5.5.7.48.1.2":
				o.Nonce = v
			case critical:
				o.Problems = append(o.Problems, "unknown critical extension "+oid)
			}
		}
	}
	return c.End()
}

func parseAnswer(e ber.Element) (OCSPAnswer, error) {
	var a OCSPAnswer
	c := e.Children()
	id, err := c.Expect(ber.Sequence)
	if err != nil {
		return a, err
	}
	ic := id.Children()
	alg, err := ic.Expect(ber.Sequence)
	if err != nil {
		return a, err
	}
	if a.HashOID, _, err = algo.ParseAlgorithm(alg); err != nil {
		return a, err
	}
	for _, p := range []*[]byte{&a.NameHash, &a.KeyHash} {
		h, err := ic.Expect(ber.OctetString)
		if err != nil {
			return a, err
		}
		*p = h.Body
	}
	serial, err := ic.Expect(ber.Integer)
	if err != nil {
		return a, err
	}
	a.SerialRaw = serial.Body
	st, err := c.Next()
	if err != nil {
		return a, err
	}
	switch st.Tag {
	case 0x80:
		a.Status = facts.StatusGood
	case 0xa1:
		a.Status = facts.StatusRevoked
		sc := st.Children()
		t, err := sc.Expect(ber.GeneralizedTime)
		if err != nil {
			return a, err
		}
		if a.RevokedAt, err = t.Time(); err != nil {
			return a, err
		}
		if r, ok, err := sc.Optional(0xa0); err == nil && ok {
			if n, err := ber.One(r.Body); err == nil {
				if v, err := n.Small(); err == nil {
					a.Reason = reasonNames[v]
				}
			}
		}
	case 0x82, 0xa2:
		a.Status = facts.StatusUnknown
	default:
		return a, fmt.Errorf("%w: certificate status", ber.ErrSyntax)
	}
	this, err := c.Expect(ber.GeneralizedTime)
	if err != nil {
		return a, err
	}
	if a.ThisUpdate, err = this.Time(); err != nil {
		return a, err
	}
	if n, ok, err := c.Optional(0xa0); err != nil {
		return a, err
	} else if ok {
		t, err := ber.One(n.Body)
		if err != nil {
			return a, err
		}
		if a.NextUpdate, err = t.Time(); err != nil {
			return a, err
		}
	}
	if x, ok, err := c.Optional(0xa1); err != nil {
		return a, err
	} else if ok {
		xs, err := ber.One(x.Body)
		if err != nil {
			return a, err
		}
		for k := xs.Children(); !k.Empty(); {
			xe, err := k.Expect(ber.Sequence)
			if err != nil {
				return a, err
			}
			oid, _, v, err := extension(xe)
			if err != nil {
				return a, err
			}
			ve, err := ber.One(v)
			if err != nil {
				continue
			}
			switch oid {
			case "1.3.6.1.5.5.7.48.1.6":
				a.ArchiveCutOff, _ = ve.Time()
			case "1.3.36.8.3.13": // certHash (Common PKI)
				hc := ve.Children()
				if alg, err := hc.Expect(ber.Sequence); err == nil {
					if h, err := hc.Expect(ber.OctetString); err == nil {
						if hoid, _, err := algo.ParseAlgorithm(alg); err == nil {
							a.CertHash = &certHash{hoid, h.Body}
						}
					}
				}
			}
		}
	}
	return a, c.End()
}

// Matches says whether the answer is about c as issued by issuer
// (RFC 6960, 4.1.1): both hashes and the serial number.
func (a OCSPAnswer) Matches(c, issuer *cert.Certificate) bool {
	if !bytes.Equal(a.SerialRaw, c.SerialRaw) {
		return false
	}
	d, err := algo.DigestByOID(a.HashOID)
	if err != nil {
		return false
	}
	if a.names(d, nil, issuer) {
		return true
	}
	// GOST 34.311 may have been computed with the S-box of the issuer's key.
	own := issuer.Key.OwnSBox()
	return d == algo.GOST34311 && own != nil && a.names(d, own, issuer)
}

func (a OCSPAnswer) names(d algo.Digest, sbox *gost34311.SBox, issuer *cert.Certificate) bool {
	if !bytes.Equal(nameHash(d, sbox, issuer), a.NameHash) {
		return false
	}
	h := d.New(sbox)
	h.Write(keyBits(issuer.SPKI))
	return bytes.Equal(h.Sum(nil), a.KeyHash)
}

func nameHash(d algo.Digest, sbox *gost34311.SBox, issuer *cert.Certificate) []byte {
	if d == algo.GOST34311 && sbox == nil {
		return issuer.SubjectGOST34311()
	}
	h := d.New(sbox)
	h.Write(issuer.Subject.Raw)
	return h.Sum(nil)
}

// CertHashMatch compares the certHash extension; nil when it is absent.
func (a OCSPAnswer) CertHashMatch(c *cert.Certificate) *bool {
	if a.CertHash == nil {
		return nil
	}
	ok := false
	if d, err := algo.DigestByOID(a.CertHash.oid); err == nil {
		ok = bytes.Equal(d.Sum(c.Raw), a.CertHash.value)
	}
	return &ok
}

// keyBits is the value of the subjectPublicKey BIT STRING.
func keyBits(spki []byte) []byte {
	e, err := ber.One(spki)
	if err != nil {
		return nil
	}
	c := e.Children()
	if _, err := c.Next(); err != nil {
		return nil
	}
	b, err := c.Next()
	if err != nil {
		return nil
	}
	bits, err := b.Bits()
	if err != nil {
		return nil
	}
	return bits
}

// RespondedBy says whether c is the certificate the responder id names. A key
// hash is SHA-1 (RFC 6960, 4.2.1); Ukrainian responders use GOST 34.311 too.
func (o *OCSP) RespondedBy(c *cert.Certificate) bool {
	if o.ResponderName != nil {
		return o.ResponderName.Equal(c.Subject)
	}
	bits := keyBits(c.SPKI)
	digests := []algo.Digest{algo.GOST34311, algo.SHA256, algo.Kupyna256}
	if len(o.ResponderKey) == sha1.Size {
		digests = []algo.Digest{algo.SHA1}
	}
	for _, d := range digests {
		if bytes.Equal(d.Sum(bits), o.ResponderKey) {
			return true
		}
	}
	return len(c.Ext.SubjectKeyID) > 0 && bytes.Equal(c.Ext.SubjectKeyID, o.ResponderKey)
}

// CheckSignature verifies the response with a key.
func (o *OCSP) CheckSignature(c *cert.Certificate) error {
	if o.SchemeErr != nil {
		return o.SchemeErr
	}
	if c.KeyErr != nil {
		return c.KeyErr
	}
	return cert.CheckSigned(c.Key, o.Scheme, o.TBS, o.Signature)
}

// OCSPRequest encodes a request about c (RFC 6960, 4.1.1) with a nonce. The
// hash is SHA-1 as all responders know it, GOST 34.311 for DSTU issuers.
func OCSPRequest(c, issuer *cert.Certificate, nonce []byte) []byte {
	d := algo.SHA1
	if issuer.Key != nil && issuer.Key.Encryption == algo.DSTU4145 {
		d = algo.GOST34311
	}
	var alg []byte
	if d == algo.SHA1 {
		alg = ber.Seq(ber.EncodeOID(d.OID()), ber.EncodeNull())
	} else {
		alg = ber.Seq(ber.EncodeOID(d.OID()))
	}
	id := ber.Seq(alg, ber.EncodeOctets(d.Sum(issuer.Subject.Raw)), ber.EncodeOctets(d.Sum(keyBits(issuer.SPKI))), ber.EncodeInt(c.Serial))
	tbs := [][]byte{ber.Seq(ber.Seq(id))}
	if len(nonce) > 0 {
		ext := ber.Seq(ber.EncodeOID("1.3.6.1.5.5.7.48.1.2"), ber.EncodeOctets(ber.EncodeOctets(nonce)))
		tbs = append(tbs, ber.Wrap(0xa2, ber.Seq(ext)))
	}
	return ber.Seq(ber.Seq(tbs...))
}
