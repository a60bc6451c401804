package cert

import (
	"regexp"
	"strings"

	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/internal/ber"
)

// Attributes of subjectDirectoryAttributes.
const (
	sdaRNOKPP = algo.UA + ".11.1.4.1.1"
	sdaEDRPOU = algo.UA + ".11.1.4.2.1"
	sdaUNZR   = algo.UA + ".11.1.4.11.1"
)

// Forms of a natural person's identifier (eHealth rules for DRFO: 10 digits
// are a tax number, 9 an id card number, anything with a letter a passport).
const (
	FormTaxID      = "tax-id"
	FormNationalID = "national-id"
	FormPassport   = "passport"
)

// Places identifiers are read from, as reports name them.
const (
	SourceDirectory = "subjectDirectoryAttributes"
	SourceSerial    = "subject.serialNumber"
	SourceOrgID     = "subject.organizationIdentifier"
)

var (
	taxID      = regexp.MustCompile(`^[0-9]{10}$`)
	nationalID = regexp.MustCompile(`^[0-9]{9}$`)
	edrpou     = regexp.MustCompile(`^[0-9]{8}$`)
	unzr       = regexp.MustCompile(`^[0-9]{8}-?[0-9]{5}$`)
)

// PersonIDForm classifies a natural person's identifier; "" is no identifier.
func PersonIDForm(id string) string {
	switch {
	case taxID.MatchString(id):
		return FormTaxID
	case nationalID.MatchString(id):
		return FormNationalID
	case id != "" && strings.ContainsFunc(id, func(r rune) bool { return r > '9' }) && len([]rune(id)) <= 20:
		return FormPassport
	}
	return ""
}

// identify fills Identity from the subject and the directory attributes. The
// directory attributes come first: they are the oldest and most used place.
func (c *Certificate) identify() {
	s := c.Subject
	c.Identity = facts.Identity{
		CommonName: s.Get(oidCommonName), Surname: s.Get(oidSurname), GivenName: s.Get(oidGivenName),
		Title: s.Get(oidTitle), Organization: s.Get(oidOrganization), Unit: s.Get(oidUnit),
		Country: s.Get(oidCountry), Region: s.Get(oidRegion), Locality: s.Get(oidLocality),
		Email: s.Get(oidEmail), Pseudonym: s.Get(oidPseudonym), SerialNumber: s.Get(oidSerialNumber),
	}
	i := &c.Identity
	person := func(v, source string) {
		v = strings.Join(strings.Fields(v), "")
		if i.RNOKPP == "" && PersonIDForm(v) != "" {
			i.RNOKPP, i.RNOKPPForm, i.RNOKPPSource = v, PersonIDForm(v), source
		}
	}
	organisation := func(v, source string) {
		v = strings.Join(strings.Fields(v), "")
		if i.EDRPOU != "" || v == "" {
			return
		}
		// Sole traders have their tax number where the ЄДРПОУ stands.
		if edrpou.MatchString(v) || taxID.MatchString(v) {
			i.EDRPOU, i.EDRPOUSource = v, source
		}
	}
	for _, x := range c.Extensions {
		if x.OID != extSubjectDirectory {
			continue
		}
		for oid, v := range directoryAttributes(x.Value) {
			switch oid {
			case sdaRNOKPP:
				person(v, SourceDirectory)
			case sdaEDRPOU:
				organisation(v, SourceDirectory)
			case sdaUNZR:
				if unzr.MatchString(v) {
					i.UNZR = v
				}
			}
		}
	}
	serial := i.SerialNumber
	switch {
	case strings.HasPrefix(serial, "TINUA-"):
		person(strings.TrimPrefix(serial, "TINUA-"), SourceSerial)
	case strings.HasPrefix(serial, "IDCUA-"), strings.HasPrefix(serial, "PASUA-"), strings.HasPrefix(serial, "PNOUA-"):
		v := serial[6:]
		if unzr.MatchString(v) && len(v) >= 13 {
			if i.UNZR == "" {
				i.UNZR = v
			}
		} else {
			person(v, SourceSerial)
		}
	}
	if v, ok := strings.CutPrefix(s.Get(oidOrgID), "NTRUA-"); ok {
		organisation(v, SourceOrgID)
	} else if v, ok := strings.CutPrefix(s.Get(oidOrgID), "VATUA-"); ok {
		organisation(v, SourceOrgID)
	}
}

// directoryAttributes reads the first string value of each attribute; what
// cannot be read is left out.
func directoryAttributes(b []byte) map[string]string {
	out := map[string]string{}
	e, err := ber.One(b)
	if err != nil || e.Tag != ber.Sequence {
		return out
	}
	for c := e.Children(); !c.Empty(); {
		a, err := c.Expect(ber.Sequence)
		if err != nil {
			return out
		}
		ac := a.Children()
		id, err := ac.Expect(ber.OID)
		if err != nil {
			return out
		}
		oid, err := id.OID()
		if err != nil {
			return out
		}
		set, err := ac.Expect(ber.Set)
		if err != nil {
			return out
		}
		vc := set.Children()
		v, err := vc.Next()
		if err != nil {
			continue
		}
		if text, err := v.Text(); err == nil {
			if _, dup := out[oid]; !dup {
				out[oid] = strings.TrimSpace(text)
			}
		}
	}
	return out
}
