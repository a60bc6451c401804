package patient

import (
	"slices"
	"strconv"
)

// Uploads names the scans a person's side must hand in (domain notes 1.3): the
// tax number or its refusal, each document, and the proof of each confidant's
// right, a birth certificate only once.
func Uploads(p Person) []string {
	var types []string
	add := func(t string) {
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	switch {
	case p.NoTaxID:
		add("person.no_tax_id")
	case p.TaxID != "":
		add("person.tax_id")
	}
	certificate := false
	for _, d := range p.Documents {
		add("person." + d.Type)
		certificate = certificate || d.Type == "BIRTH_CERTIFICATE"
	}
	for i, c := range p.ConfidantPersons {
		for _, d := range c.DocumentsRelationship {
			if d.Type == "BIRTH_CERTIFICATE" && certificate {
				continue
			}
			add("confidant_person." + strconv.Itoa(i) + "." + c.RelationType + ".RELATIONSHIP." + d.Type)
		}
	}
	return types
}

// UploadsForRecord are the scans of a request that writes the record: where no
// code of a phone confirms it, where there is no tax number, and wherever
// somebody else speaks for the person.
func UploadsForRecord(p Person, method string) []string {
	if method == "OTP" && !p.NoTaxID && len(p.ConfidantPersons) == 0 {
		return nil
	}
	return Uploads(p)
}

// UploadsForDeclaration are the scans of a declaration request: the OFFLINE
// method, or any with no tax number.
func UploadsForDeclaration(p Person, method string) []string {
	if method == "OTP" && !p.NoTaxID {
		return nil
	}
	return Uploads(p)
}
