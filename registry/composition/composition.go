// Package composition knows what is common to medical conclusions (медичні
// висновки): their number, states, and how an outsider who knows a number and
// one identifier of the person is answered (esoz.md 2 and 3.2).
//
// It is no act kind. Kinds whose acts are conclusions (sick leaves, birth
// conclusions) put a Record beside each act, in the act's transaction, and
// change its status with it: Tx.PutComposition.
package composition

import (
	"context"
	"regexp"
	"strings"

	"mist/registry"
	"mist/registry/patient"
)

// Status of a conclusion.
type Status string

// States; a preliminary one is not signed yet.
const (
	Preliminary    Status = "PRELIMINARY"
	Final          Status = "FINAL"
	Amended        Status = "AMENDED"
	EnteredInError Status = "ENTERED_IN_ERROR"
)

// Record is what the registry tells of a conclusion to whoever may ask by its
// number.
type Record struct {
	ID       registry.ID // of the act
	Number   string      // normalised: see Normalize
	PersonID registry.ID // subject
	Type     string      // TEMP_DISABILITY, NEWBORN …
	Category string
	Status   Status
	Date     registry.Date
	// Start and End are the period of validity; either may be zero.
	Start, End    registry.Date
	LegalEntityID registry.ID
}

// Tx is what a kind of conclusion needs of its transaction.
type Tx interface {
	// PutComposition inserts a record or changes all of it but its number.
	PutComposition(ctx context.Context, r Record) error
}

var number = regexp.MustCompile(`^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$`)

// Normalize gives the form a number is kept in, XXXX-XXXX-XXXX-XXXX; false when
// it is none.
func Normalize(s string) (string, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	return s, number.MatchString(s)
}

// Code is how a check ends, in the numbers of the national system.
type Code string

// Codes. All but None, IdentityNeeded and DocumentNeeded tell something of what
// the registry holds.
const (
	None           Code = ""
	NotFound       Code = "404"
	IdentityNeeded Code = "10910"
	NoTaxID        Code = "10911"
	WrongTaxID     Code = "10912"
	NoUNZR         Code = "10913"
	WrongUNZR      Code = "10914"
	DocumentNeeded Code = "10915"
	NoPassport     Code = "10916"
	WrongPassport  Code = "10917"
)

// Documents that count as a passport, and the length of an ID card's number.
const (
	passportType     = "PASSPORT"
	nationalIDType   = "NATIONAL_ID"
	nationalIDDigits = 9
)

// Messages are what a person reads, Ukrainian first.
var messages = map[Code]string{
	NotFound:       "За наведеними даними медичний висновок не знайдено. / No medical conclusion was found for the data given.",
	IdentityNeeded: "Вкажіть рівно одне: РНОКПП, УНЗР або документ. / Give exactly one of RNOKPP, UNZR or a document.",
	NoTaxID:        "Для отримувача висновку не збережено РНОКПП. / No RNOKPP is stored for the recipient.",
	WrongTaxID:     "РНОКПП не збігається. / The RNOKPP does not match.",
	NoUNZR:         "Для отримувача висновку не збережено УНЗР. / No UNZR is stored for the recipient.",
	WrongUNZR:      "УНЗР не збігається. / The UNZR does not match.",
	DocumentNeeded: "Вкажіть серію та номер паспорта або номер ID-картки. / Give the series and number of the passport or the number of the ID card.",
	NoPassport:     "Для отримувача висновку не збережено паспортних даних. / No passport is stored for the recipient.",
	WrongPassport:  "Паспортні дані не збігаються. / The passport does not match.",
}

// Message is the text of a code.
func (c Code) Message() string { return messages[c] }

// Identity is what the asker knows of the person: exactly one of the three.
type Identity struct {
	TaxID registry.RNOKPP
	UNZR  registry.UNZR
	// Document tells that a document was named, with or without its number.
	Document       bool
	DocumentType   string // empty: told by the form of the number
	DocumentNumber string
}

// Check judges the form, which tells nothing of anybody.
func (i Identity) Check() Code {
	given := 0
	for _, there := range []bool{i.TaxID != "", i.UNZR != "", i.Document} {
		if there {
			given++
		}
	}
	switch {
	case given != 1:
		return IdentityNeeded
	case i.Document && strings.TrimSpace(i.DocumentNumber) == "":
		return DocumentNeeded
	}
	return None
}

// Match compares the identity with the person of a conclusion. It looks at all
// that is compared whatever differs first.
func (i Identity) Match(p *patient.Person) Code {
	kind := i.documentType()
	want := patient.NormalizeDocumentNumber(kind, i.DocumentNumber)
	stored, same := false, false
	for _, d := range p.Documents {
		passport := d.Type == passportType || d.Type == nationalIDType
		stored = stored || passport
		same = same || passport && d.Type == kind && patient.NormalizeDocumentNumber(d.Type, d.Number) == want
	}
	switch {
	case i.TaxID != "" && p.TaxID == "":
		return NoTaxID
	case i.TaxID != "" && string(i.TaxID) != p.TaxID:
		return WrongTaxID
	case i.UNZR != "" && p.UNZR == "":
		return NoUNZR
	case i.UNZR != "" && string(i.UNZR) != p.UNZR:
		return WrongUNZR
	case i.Document && !stored:
		return NoPassport
	case i.Document && !same:
		return WrongPassport
	}
	return None
}

// documentType: eight characters with letters are a passport of 1994, nine
// digits an ID card.
func (i Identity) documentType() string {
	if i.DocumentType != "" {
		return i.DocumentType
	}
	n := strings.TrimSpace(i.DocumentNumber)
	if len(n) == nationalIDDigits && strings.Trim(n, "0123456789") == "" {
		return nationalIDType
	}
	return passportType
}

// Generation of the check. The first has no word for the state of a
// conclusion, so it tells only of those in force; the second tells the state
// and knows amended and erroneous ones.
type Generation int

// Generations of PublicGetComposition.
const (
	V1 Generation = 1
	V2 Generation = 2
)

// Tells reports whether a conclusion of this state is told at all.
func (g Generation) Tells(s Status) bool {
	return s == Final || g == V2 && (s == Amended || s == EnteredInError)
}
