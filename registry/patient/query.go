package patient

import (
	"crypto/subtle"

	"mist/registry"
)

// Query names one person from outside: exactly one identifier class, with
// names; a birth date, if given, must match (domain notes 5.3).
type Query struct {
	TaxID          registry.RNOKPP
	UNZR           registry.UNZR
	DocumentType   string
	DocumentNumber string

	LastName   string
	FirstName  string
	SecondName string // empty: not compared
	BirthDate  registry.Date
}

// Validate checks the form of a query and answers with the fields to mend,
// named as the SOAP contract names them.
func (q Query) Validate() error {
	var fields []registry.FieldError
	add := func(entry, rule, text string) {
		fields = append(fields, registry.FieldError{Entry: entry, Rule: rule, Description: text})
	}
	classes := 0
	if q.TaxID != "" {
		classes++
		if !q.TaxID.Valid() {
			add("$.person.rnokpp", "format", "ten digits with a valid check digit are expected")
		}
	}
	if q.UNZR != "" {
		classes++
		if !q.UNZR.Valid() {
			add("$.person.unzr", "format", "YYYYMMDD-NNNNN is expected")
		}
	}
	if q.DocumentNumber != "" || q.DocumentType != "" {
		classes++
		if q.DocumentNumber == "" {
			add("$.person.document.number", "required", "a document needs its number")
		}
		if !KnownDocumentType(q.DocumentType) {
			add("$.person.document.type", "inclusion", "value is not allowed in enum")
		}
	}
	if classes != 1 {
		add("$.person", "required", "exactly one of rnokpp, unzr, document must be given")
	}
	if NormalizeName(q.LastName) == "" {
		add("$.person.lastName", "required", "can't be blank")
	}
	if NormalizeName(q.FirstName) == "" {
		add("$.person.firstName", "required", "can't be blank")
	}
	if len(fields) > 0 {
		return registry.Invalid(fields...)
	}
	return nil
}

// Matches reports whether the person found under the query's identifier is the
// one meant: names equal in normalised form, birth date equal if given. Both
// sides are compared in full whatever differs first, so that the answer's time
// tells nothing.
func (q Query) Matches(p *Person) bool {
	same := func(a, b string) int {
		return subtle.ConstantTimeCompare([]byte(NormalizeName(a)), []byte(NormalizeName(b)))
	}
	ok := same(q.LastName, p.LastName) & same(q.FirstName, p.FirstName)
	if q.SecondName != "" {
		ok &= same(q.SecondName, p.SecondName)
	}
	if !q.BirthDate.IsZero() {
		ok &= same(q.BirthDate.String(), p.BirthDate.String())
	}
	return ok == 1
}

var documentTypes = map[string]bool{
	"PASSPORT": true, "NATIONAL_ID": true, "BIRTH_CERTIFICATE": true, "TEMPORARY_PASSPORT": true,
	"COMPLEMENTARY_PROTECTION_CERTIFICATE": true, "REFUGEE_CERTIFICATE": true,
	"PERMANENT_RESIDENCE_PERMIT": true, "TEMPORARY_CERTIFICATE": true,
}

// KnownDocumentType reports whether the type stands in the DOCUMENT_TYPE dictionary.
func KnownDocumentType(t string) bool { return documentTypes[t] }
