package cert

import (
	"sync"

	"mist/signature/algo"
)

// derived holds what is computed from a certificate at the first asking.
// Certificates of authorities, time-stamp units and OCSP responders live as
// long as the trust snapshot and are asked for each document.
type derived struct {
	text    sync.Once
	subject string
	issuer  string
	serial  string

	gost    sync.Once
	gostDKE []byte

	own     sync.Once
	gostOwn []byte

	name     sync.Once
	nameHash []byte
}

// Texts are the subject and the issuer in RFC 4514 form and the serial number
// in decimal.
func (c *Certificate) Texts() (subject, issuer, serial string) {
	d := &c.derived
	d.text.Do(func() { d.subject, d.issuer, d.serial = c.Subject.String(), c.Issuer.String(), c.Serial.String() })
	return d.subject, d.issuer, d.serial
}

// GOST34311 is the GOST 34.311 digest of the certificate with DKE 1, as signed
// references to certificates hold it. The slice must not be changed.
func (c *Certificate) GOST34311() []byte {
	d := &c.derived
	d.gost.Do(func() { d.gostDKE = algo.GOST34311.Sum(c.Raw) })
	return d.gostDKE
}

// GOST34311Own is GOST34311 with the S-box of the certificate's own key.
func (c *Certificate) GOST34311Own() []byte {
	d := &c.derived
	d.own.Do(func() {
		h := algo.GOST34311.New(c.Key.SBox())
		h.Write(c.Raw)
		d.gostOwn = h.Sum(nil)
	})
	return d.gostOwn
}

// SubjectGOST34311 is the GOST 34.311 digest of the subject's encoding with
// DKE 1: the issuerNameHash of OCSP answers about what c issued. The slice must
// not be changed.
func (c *Certificate) SubjectGOST34311() []byte {
	d := &c.derived
	d.name.Do(func() { d.nameHash = algo.GOST34311.Sum(c.Subject.Raw) })
	return d.nameHash
}
