// Package patient is the master patient index: who a person is in the
// registry, under which identifiers, and how a request names one.
//
// No other room reads its tables; they ask for a person by id or by [Query].
// Rules: the eHealth person (domain notes 1.1), Cabinet and NHSU identity rules
// as cited at each rule.
package patient

import (
	"reflect"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"mist/registry"
)

// Status of a person record.
type Status string

// Person states.
const (
	StatusActive   Status = "active"
	StatusInactive Status = "inactive"
)

// Document proves identity: {type, number, issued_by, issued_at, expiration_date}.
type Document struct {
	Type           string        `json:"type"`
	Number         string        `json:"number"`
	IssuedBy       string        `json:"issued_by,omitempty"`
	IssuedAt       registry.Date `json:"issued_at,omitzero"`
	ExpirationDate registry.Date `json:"expiration_date,omitzero"`
}

// Phone is {type: MOBILE|LAND_LINE, number: +38 and ten digits}.
type Phone struct {
	Type   string `json:"type"`
	Number string `json:"number"`
}

// Address as the eHealth address block.
type Address struct {
	Type           string `json:"type"`
	Country        string `json:"country"`
	Area           string `json:"area"`
	Region         string `json:"region,omitempty"`
	Settlement     string `json:"settlement"`
	SettlementType string `json:"settlement_type"`
	SettlementID   string `json:"settlement_id"`
	StreetType     string `json:"street_type,omitempty"`
	Street         string `json:"street,omitempty"`
	Building       string `json:"building,omitempty"`
	Apartment      string `json:"apartment,omitempty"`
	Zip            string `json:"zip,omitempty"`
}

// EmergencyContact is whom to call.
type EmergencyContact struct {
	FirstName  string  `json:"first_name"`
	LastName   string  `json:"last_name"`
	SecondName string  `json:"second_name,omitempty"`
	Phones     []Phone `json:"phones"`
}

// Confidant stands for a person who cannot stand for themselves: a parent, a guardian.
type Confidant struct {
	RelationType          string        `json:"relation_type"` // PRIMARY, SECONDARY
	FirstName             string        `json:"first_name"`
	LastName              string        `json:"last_name"`
	SecondName            string        `json:"second_name,omitempty"`
	BirthDate             registry.Date `json:"birth_date"`
	BirthCountry          string        `json:"birth_country"`
	BirthSettlement       string        `json:"birth_settlement"`
	Gender                string        `json:"gender"`
	TaxID                 string        `json:"tax_id,omitempty"`
	UNZR                  string        `json:"unzr,omitempty"`
	DocumentsPerson       []Document    `json:"documents_person"`
	DocumentsRelationship []Document    `json:"documents_relationship"`
	Phones                []Phone       `json:"phones,omitempty"`
	// PersonID names the confidant's own record, where there is one: with it
	// the relationship becomes one of the registry.
	PersonID registry.ID `json:"person_id,omitzero"`
}

// Person is one record of the index, in the field names of the eHealth API.
type Person struct {
	ID                           registry.ID            `json:"id"`
	Version                      int                    `json:"version"`
	FirstName                    string                 `json:"first_name"`
	LastName                     string                 `json:"last_name"`
	SecondName                   string                 `json:"second_name,omitempty"`
	BirthDate                    registry.Date          `json:"birth_date"`
	BirthCountry                 string                 `json:"birth_country"`
	BirthSettlement              string                 `json:"birth_settlement"`
	Gender                       string                 `json:"gender"`
	Email                        string                 `json:"email,omitempty"`
	TaxID                        string                 `json:"tax_id,omitempty"`
	NoTaxID                      bool                   `json:"no_tax_id"`
	UNZR                         string                 `json:"unzr,omitempty"`
	Secret                       string                 `json:"secret,omitempty"`
	EmergencyContact             EmergencyContact       `json:"emergency_contact"`
	PatientSigned                bool                   `json:"patient_signed"`
	ProcessDisclosureDataConsent bool                   `json:"process_disclosure_data_consent"`
	Documents                    []Document             `json:"documents"`
	Addresses                    []Address              `json:"addresses"`
	Phones                       []Phone                `json:"phones,omitempty"`
	AuthenticationMethods        []AuthenticationMethod `json:"authentication_methods"`
	PreferredWayCommunication    string                 `json:"preferred_way_communication,omitempty"`
	ConfidantPersons             []Confidant            `json:"confidant_person,omitempty"`

	// The rest is the registry's own knowledge; it never stands in a signed snapshot.
	Status             Status        `json:"-"`
	StatusReason       string        `json:"-"` // why it is inactive
	VerificationStatus string        `json:"-"`
	DeathDate          registry.Date `json:"-"`
	// MasterID points to the survivor of a merge; zero for a record that stands for itself.
	MasterID   registry.ID `json:"-"`
	InsertedAt time.Time   `json:"-"`
	UpdatedAt  time.Time   `json:"-"`
}

// Version is a record as it stood until EndedAt.
type Version struct {
	Person  Person
	EndedAt time.Time
}

// NormalizeName brings a name to the form names are compared in: NFC, one kind
// of apostrophe and hyphen, single spaces, upper case. Letters are compared
// exactly: є and е, ґ and г stay different, as in the demographic register.
func NormalizeName(s string) string {
	s = norm.NFC.String(s)
	var b strings.Builder
	space := false
	for _, r := range strings.TrimSpace(s) {
		switch r {
		case '\'', '’', 'ʼ', '`', '´', '‘', '′', 'ʹ', '"', '“', '”':
			r = 'ʼ'
		case '-', '‐', '‑', '‒', '–', '—', '−':
			r = '-'
		}
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// TidyName leaves a name as it was written but for what nobody writes on
// purpose: other forms of apostrophe, hyphen and accents, spaces too many.
func TidyName(s string) string {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	return strings.Map(func(r rune) rune {
		switch r {
		case '\'', '’', '`', '´', '‘', '′', 'ʹ':
			return 'ʼ'
		case '‐', '‑', '‒', '–', '—', '−':
			return '-'
		}
		return r
	}, s)
}

// lookalike are Latin capitals that print like Ukrainian ones: a series is typed
// in either alphabet.
var lookalike = strings.NewReplacer("A", "А", "B", "В", "C", "С", "E", "Е", "H", "Н", "I", "І", "K", "К", "M", "М", "O", "О", "P", "Р", "T", "Т", "X", "Х")

// NormalizeDocumentNumber brings a document number to the form it is compared
// in: NFC, upper case, look-alike Latin letters as Ukrainian ones, no spaces and
// punctuation. The Roman number that begins a birth certificate's series is
// typed as 1, l, I or І; it is read as І (domain notes 1.2, complaint 12).
func NormalizeDocumentNumber(kind, number string) string {
	s := lookalike.Replace(strings.ToUpper(norm.NFC.String(number)))
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) {
			return -1
		}
		return r
	}, s)
	if kind == "BIRTH_CERTIFICATE" && strings.ContainsAny(s, "АБВГҐДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЬЮЯ") {
		rest := strings.TrimLeft(s, "1LІ")
		s = strings.Repeat("І", len([]rune(s))-len([]rune(rest))) + rest
	}
	return s
}

// Changed names the members of a record that differ between two versions of
// it, in the order of the record; what the registry knows by itself comes last.
func Changed(a, b Person) (names []string) {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		f := va.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch f.Name {
		case "InsertedAt", "UpdatedAt", "Version":
			continue
		case "Status", "StatusReason", "VerificationStatus", "DeathDate", "MasterID":
			name = map[string]string{"Status": "status", "StatusReason": "status_reason", "VerificationStatus": "verification_status", "DeathDate": "death_date", "MasterID": "master_person_id"}[f.Name]
		}
		if !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return names
}
