// Package legalentity is the act by which a legal entity enters the registry
// or changes in it (a signed upsert by ЄДРПОУ and type), what the NHSU decides
// about it, and how it ends: suspended, closed, merged into another one.
//
// What a type must be and may do is a row of legal_entity_types, read in the
// act's own transaction; a new type is one migration. The room trusts the
// certificate for who signs and nobody for what a registration says.
package legalentity

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/prm"
	"mist/signature"
)

// Registration is the signed document (domain notes 1.5).
type Registration struct {
	EDRPOU            registry.EDRPOU    `json:"edrpou"`
	Type              string             `json:"type"`
	Name              string             `json:"name"`
	ShortName         string             `json:"short_name,omitempty"`
	PublicName        string             `json:"public_name,omitempty"`
	LegalForm         string             `json:"legal_form"`
	OwnerPropertyType string             `json:"owner_property_type"`
	KVEDs             []string           `json:"kveds"`
	Addresses         []prm.Address      `json:"addresses"`
	Phones            []prm.Phone        `json:"phones"`
	Email             string             `json:"email"`
	Website           string             `json:"website,omitempty"`
	Beneficiary       string             `json:"beneficiary,omitempty"`
	ReceiverFundsCode string             `json:"receiver_funds_code,omitempty"`
	Archive           []prm.Archive      `json:"archive,omitempty"`
	Accreditation     *prm.Accreditation `json:"accreditation,omitempty"`
	Licence           *prm.Licence       `json:"license,omitempty"`
	Owner             Owner              `json:"owner"`
	Security          Security           `json:"security"`
	PublicOffer       PublicOffer        `json:"public_offer"`
}

// Owner is the head: a party and a position.
type Owner struct {
	prm.PartyInput
	Position string `json:"position"`
}

// Security of the client made for the legal entity.
type Security struct {
	RedirectURI string `json:"redirect_uri"`
}

// PublicOffer is the consent to the NHSU's offer.
type PublicOffer struct {
	Consent bool `json:"consent"`
}

// read decodes a registration and holds it against every rule that needs
// neither the registry's rows nor the type's.
func read(body []byte, lists prm.Lists, today registry.Date) (Registration, error) {
	var r Registration
	if err := document.Read(body, &r); err != nil {
		return Registration{}, err
	}
	var f document.Faults
	prm.CheckCode(&f, "$.edrpou", r.EDRPOU)
	f.Required("$.name", r.Name)
	f.OneOf("$.owner_property_type", r.OwnerPropertyType, "STATE", "PRIVATE")
	if !lists.Has("LEGAL_FORM", r.LegalForm) {
		f.Add("$.legal_form", "inclusion", "value is not allowed in enum", "LEGAL_FORM")
	}
	if len(r.KVEDs) == 0 {
		f.Add("$.kveds", "length", "expected a minimum of 1 items but got 0", "1")
	}
	for i, k := range r.KVEDs {
		if !lists.Has("KVEDS", k) {
			f.Add("$.kveds.["+strconv.Itoa(i)+"]", "inclusion", "value is not allowed in enum", "KVEDS")
		}
		if slices.Contains(r.KVEDs[:i], k) {
			f.Add("$.kveds.["+strconv.Itoa(i)+"]", "unique", "KVEDs must be unique")
		}
	}
	prm.CheckAddresses(&f, "$.addresses", r.Addresses)
	prm.CheckPhones(&f, "$.phones", r.Phones)
	prm.CheckEmail(&f, "$.email", r.Email)
	for i, a := range r.Archive {
		if today.Before(a.Date) {
			f.Add("$.archive.["+strconv.Itoa(i)+"].date", "invalid", "the date must not be in the future")
		}
	}
	checkAccreditation(&f, r.Accreditation, today)
	checkLicence(&f, r.Licence, today)
	prm.CheckParty(&f, "$.owner", r.Owner.PartyInput, today)
	if r.Owner.NoTaxID {
		f.Add("$.owner.no_tax_id", "invalid", "'no_tax_id' must be false")
	}
	if !lists.Has("POSITION", r.Owner.Position) {
		f.Add("$.owner.position", "inclusion", "value is not allowed in enum", "POSITION")
	}
	if u, err := url.Parse(r.Security.RedirectURI); err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		f.Add("$.security.redirect_uri", "url", "expected an https address without a fragment")
	}
	if r.Website != "" {
		if u, err := url.Parse(r.Website); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			f.Add("$.website", "url", "expected an http or https address")
		}
	}
	if !r.PublicOffer.Consent {
		f.Add("$.public_offer.consent", "acceptance", "must be true")
	}
	return r, f.Err()
}

func checkAccreditation(f *document.Faults, a *prm.Accreditation, today registry.Date) {
	if a == nil {
		return
	}
	f.OneOf("$.accreditation.category", a.Category, "FIRST", "SECOND", "HIGHEST", "NO_ACCREDITATION")
	if a.Category == "NO_ACCREDITATION" {
		return
	}
	if a.IssuedDate.IsZero() || today.Before(a.IssuedDate) {
		f.Add("$.accreditation.issued_date", "invalid", "an accreditation has an issue date that is not in the future")
	}
	if !a.ExpiryDate.IsZero() && a.ExpiryDate.Before(a.IssuedDate) {
		f.Add("$.accreditation.expiry_date", "invalid", "must not be before issued_date")
	}
	f.Required("$.accreditation.order_no", a.OrderNo)
}

func checkLicence(f *document.Faults, l *prm.Licence, today registry.Date) {
	if l == nil {
		return
	}
	f.OneOf("$.license.type", l.Type, "MSP", "PHARMACY")
	f.Required("$.license.issued_by", l.IssuedBy)
	if l.IssuedDate.IsZero() || today.Before(l.IssuedDate) {
		f.Add("$.license.issued_date", "invalid", "must not be in the future")
	}
	if l.ActiveFromDate.Before(l.IssuedDate) && !l.ActiveFromDate.IsZero() {
		f.Add("$.license.active_from_date", "invalid", "must not be before issued_date")
	}
	if !l.ExpiryDate.IsZero() && l.ExpiryDate.Before(today) {
		f.Add("$.license.expiry_date", "invalid", "the license has run out")
	}
}

// checkType holds a registration against the rules of its type.
func checkType(r Registration, t prm.LegalEntityType) error {
	var f document.Faults
	if !t.Creatable {
		f.Add("$.type", "inclusion", "Only legal_entity with type "+t.Type+" that is creatable by registration could be registered")
	}
	if len(t.KVEDs) > 0 && !slices.ContainsFunc(r.KVEDs, func(k string) bool { return slices.Contains(t.KVEDs, k) }) {
		f.Add("$.kveds", "inclusion", "KVEDs list should contain at least one of the codes allowed for this type", t.KVEDs...)
	}
	want := "MSP"
	if t.OwnerType == "PHARMACY_OWNER" {
		want = "PHARMACY"
	}
	switch {
	case t.LicenceRequired && r.Licence == nil:
		f.Add("$.license", "required", "required property license was not present")
	case r.Licence != nil && r.Licence.Type != want:
		f.Add("$.license.type", "inclusion", "License type must fit the type of the legal entity", want)
	case t.LicenceRequired && strings.TrimSpace(r.Licence.Number) == "":
		f.Add("$.license.license_number", "required", "license_number is required for this type of legal entity")
	}
	if len(t.OwnerPositions) > 0 && !slices.Contains(t.OwnerPositions, r.Owner.Position) {
		f.Add("$.owner.position", "inclusion", "value is not allowed in enum", t.OwnerPositions...)
	}
	return f.Err()
}

// checkSigner: the ЄДРПОУ of the certificate, or the РНОКПП when it names none,
// is the code of the legal entity (domain notes 1.5, 2.5).
func checkSigner(s signature.Signer, code registry.EDRPOU) error {
	switch {
	case s.EDRPOU == "" && s.RNOKPP == "":
		return registry.Errorf(registry.CodeSignatureInvalid, "EDRPOU and DRFO is empty in digital sign").WithReason("signer_without_identifier")
	case s.EDRPOU != "" && s.EDRPOU != string(code):
		return intake.Mismatch("EDRPOU does not match legal_entity edrpou", "signer_mismatch", "edrpou-of-the-content", "equal digits",
			intake.Side{Masked: registry.Mask(s.EDRPOU), Source: s.EDRPOUSource}, intake.Side{Masked: registry.Mask(string(code)), Source: "content.edrpou"})
	case s.EDRPOU == "" && !registry.SameIdentifier(s.RNOKPP, string(code)):
		return intake.Mismatch("DRFO does not match signer drfo", "signer_mismatch", "drfo-where-the-certificate-names-no-edrpou", "look-alikes equal",
			intake.Side{Masked: registry.Mask(s.RNOKPP), Source: s.RNOKPPSource}, intake.Side{Masked: registry.Mask(string(code)), Source: "content.edrpou"})
	}
	return nil
}

// apply writes a registration over a legal entity, new or known.
func (r Registration) apply(l prm.LegalEntity) prm.LegalEntity {
	l.EDRPOU, l.Type = r.EDRPOU, r.Type
	l.Name, l.ShortName, l.PublicName = r.Name, or(r.ShortName, r.Name), or(r.PublicName, r.Name)
	l.Phones, l.Email, l.Address = r.Phones, r.Email, prm.Residence(r.Addresses).Line()
	l.Licence = prm.Licence{}
	if r.Licence != nil {
		l.Licence = *r.Licence
	}
	l.MISVerified, l.NHSVerified, l.NHSReviewed, l.NHSComment = true, false, false, ""
	l.Details = prm.Details{
		LegalForm: r.LegalForm, OwnerPropertyType: r.OwnerPropertyType, KVEDs: r.KVEDs, Addresses: r.Addresses, Website: r.Website,
		Beneficiary: r.Beneficiary, Archive: r.Archive, ReceiverFundsCode: r.ReceiverFundsCode, Accreditation: r.Accreditation,
		RedirectURI: r.Security.RedirectURI, PublicOffer: r.PublicOffer.Consent,
	}
	return l
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
