package patient

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mist/registry"
)

// Terms are the global parameters the rules of a person read.
type Terms struct {
	// ConfidantAge: below it a confidant person and a birth certificate are
	// demanded, and a tax number is not (no_self_auth_age).
	ConfidantAge int
	MaxAge       int
	// RegistrationAge: below it nobody acts alone in a citizens' channel
	// (no_self_registration_age). CapacityAge: from it everybody does who has no
	// guardian (person_full_legal_capacity_age).
	RegistrationAge int
	CapacityAge     int
	// PhoneLimit is how many persons one phone may confirm for
	// (phone_number_auth_limit); ThirdPersonLimit how many persons may be
	// confirmed for by one confidant (third_person_limit).
	PhoneLimit       int
	ThirdPersonLimit int
	// ThirdPersons is how many third persons one person may confirm through
	// (person_with_third_person_limit).
	ThirdPersons int
}

// DefaultTerms: ages of domain notes 1.1 and ЕСОЗ 1.3; the limits are ours, for
// the real ones are not public.
func DefaultTerms() Terms {
	return Terms{ConfidantAge: 14, MaxAge: 150, RegistrationAge: 14, CapacityAge: 18, PhoneLimit: 5, ThirdPersonLimit: 10, ThirdPersons: 3}
}

// Ukrainian letters, apostrophe, hyphen, single spaces; letters of Russian
// alone (ы, э, ё, ъ) and Latin ones are refused.
var (
	namePattern     = regexp.MustCompile(`^[А-ЩЬЮЯҐЄІЇа-щьюяґєії'’ʼ]+([ -][А-ЩЬЮЯҐЄІЇа-щьюяґєії'’ʼ]+)*$`)
	phonePattern    = regexp.MustCompile(`^\+38[0-9]{10}$`)
	emailPattern    = regexp.MustCompile(`^[^\s@<>"]{1,64}@[^\s@<>"]{1,190}\.[^\s@<>".]{2,63}$`)
	zipPattern      = regexp.MustCompile(`^[0-9]{5}$`)
	buildingPattern = regexp.MustCompile(`^[0-9]{1,5}[0-9А-ЩЬЮЯҐЄІЇа-щьюяґєії/ -]{0,20}$`)
)

const series = `[А-ЩЬЮЯҐЄІЇ]{2}`

// documentRule is what a document of one type must look like (domain notes 1.1).
type documentRule struct {
	number *regexp.Regexp
	expires,
	identity bool
}

var documentRules = map[string]documentRule{
	"PASSPORT":                             {regexp.MustCompile(`^` + series + `[0-9]{6}$`), false, true},
	"NATIONAL_ID":                          {regexp.MustCompile(`^[0-9]{9}$`), true, true},
	"BIRTH_CERTIFICATE":                    {regexp.MustCompile(`^[A-ZА-ЩЬЮЯҐЄІЇ0-9№/()-]{2,25}$`), false, false},
	"TEMPORARY_PASSPORT":                   {regexp.MustCompile(`^[A-ZА-ЩЬЮЯҐЄІЇ0-9№/()-]{2,25}$`), true, true},
	"COMPLEMENTARY_PROTECTION_CERTIFICATE": {regexp.MustCompile(`^` + series + `[0-9]{6}$`), true, true},
	"REFUGEE_CERTIFICATE":                  {regexp.MustCompile(`^` + series + `[0-9]{6}$`), true, true},
	"PERMANENT_RESIDENCE_PERMIT":           {regexp.MustCompile(`^(` + series + `[0-9]{4,6}|[0-9]{9}|` + series + `[0-9]{5}/[0-9]{5})$`), true, true},
	"MARRIAGE_CERTIFICATE":                 {regexp.MustCompile(`^[A-ZА-ЩЬЮЯҐЄІЇ0-9№/()-]{2,25}$`), false, false},
	"COURT_DECISION_LEGAL_CAPACITY":        {regexp.MustCompile(`^[A-ZА-ЩЬЮЯҐЄІЇ0-9№/()-]{2,25}$`), false, false},
	"LEGAL_CAPACITY_DOCUMENT":              {regexp.MustCompile(`^[A-ZА-ЩЬЮЯҐЄІЇ0-9№/()-]{2,25}$`), false, false},
	"TEMPORARY_CERTIFICATE":                {regexp.MustCompile(`^(` + series + `[0-9]{4,6}|[0-9]{9}|` + series + `[0-9]{5}/[0-9]{5})$`), true, true},
}

// KnownDocument tells whether a type of personal documents is known.
func KnownDocument(name string) bool { _, known := documentRules[name]; return known }

var (
	genders         = []string{"FEMALE", "MALE"}
	phoneTypes      = []string{"LAND_LINE", "MOBILE"}
	addressTypes    = []string{"REGISTRATION", "RESIDENCE"}
	settlementTypes = []string{"CITY", "SETTLEMENT", "TOWNSHIP", "VILLAGE"}
	// STREET_TYPE, 42 codes.
	streetTypes = strings.Fields(`ALLEY ASCENT AVENUE BLIND_STREET BLOCK BOARGING_HOUSE BOULEVARD COUNTRY_LANE CROSSROADS DACHA_COOPERATIVE ENTRANCE
FORESTRY GARDEN_SQUARE GROVE HAMLET HIGHWAY HOUSING_AREA ISLAND LANE LINE MAIDAN MICRODISTRICT MILITARY_BASE MINE PARK PASS PASSAGE PASSING_LOOP
RIVER_SIDE ROAD ROADWAY SANATORIUM SELECTION_BASE SETTLEMENT SQUARE STATE_FARM STATION STATION_SETTLEMENT STREET TRACK TRACT WAY`)
	relationTypes     = []string{"PRIMARY", "SECONDARY"}
	relationshipTypes = []string{"BIRTH_CERTIFICATE", "CONFIDANT_CERTIFICATE", "COURT_DECISION", "DOCUMENT"}
	channels          = []string{"email", "phone"}
	methodTypes       = []string{MethodOffline, MethodOTP, MethodThirdPerson}
)

// Validate holds a record that is to enter the index against all rules of its
// fields and documents and names every one that is broken, by JSON path below
// $.person.
func (t Terms) Validate(p Person, today registry.Date) error {
	c := &checker{today: today}
	c.names("$.person", p.FirstName, p.LastName, p.SecondName)
	c.born("$.person", p.BirthDate, t.MaxAge)
	c.demand("$.person.birth_country", p.BirthCountry)
	c.demand("$.person.birth_settlement", p.BirthSettlement)
	c.oneOf("$.person.gender", p.Gender, genders)
	if p.Email != "" && !emailPattern.MatchString(p.Email) {
		c.broken("$.person.email", "email", "expected to be an email address")
	}
	child := !p.BirthDate.IsZero() && p.BirthDate.YearsAt(today) < t.ConfidantAge
	c.numbers(p, child)
	if len([]rune(p.Secret)) < 6 {
		c.broken("$.person.secret", "length", "expected at least 6 characters", "6")
	}
	if p.PreferredWayCommunication != "" {
		c.oneOf("$.person.preferred_way_communication", p.PreferredWayCommunication, channels)
	}
	if !p.ProcessDisclosureDataConsent {
		c.broken("$.process_disclosure_data_consent", "acceptance", "must be true: without the consent there is no record")
	}
	c.names("$.person.emergency_contact", p.EmergencyContact.FirstName, p.EmergencyContact.LastName, p.EmergencyContact.SecondName)
	if len(p.EmergencyContact.Phones) == 0 {
		c.broken("$.person.emergency_contact.phones", "length", "expected a minimum of 1 items but got 0", "1")
	}
	c.phones("$.person.emergency_contact.phones", p.EmergencyContact.Phones)
	c.phones("$.person.phones", p.Phones)
	c.documents("$.person.documents", p.Documents, p.BirthDate)
	c.identity(p, child)
	c.addresses("$.person.addresses", p.Addresses)
	c.methods("$.person.authentication_methods", p)
	c.confidants(p, child, t)
	if len(c.errs) > 0 {
		return registry.Invalid(c.errs...)
	}
	return nil
}

// checker collects broken rules, within a bound.
type checker struct {
	today registry.Date
	errs  []registry.FieldError
}

const maxBroken = 50

func (c *checker) broken(entry, rule, text string, params ...string) {
	if len(c.errs) < maxBroken {
		c.errs = append(c.errs, registry.FieldError{Entry: entry, Rule: rule, Description: text, Params: params})
	}
}

func (c *checker) demand(entry, value string) {
	if strings.TrimSpace(value) == "" {
		c.broken(entry, "required", "can't be blank")
	} else if len([]rune(value)) > 255 {
		c.broken(entry, "length", "expected at most 255 characters", "255")
	}
}

func (c *checker) oneOf(entry, value string, allowed []string) {
	if !slices.Contains(allowed, value) {
		c.broken(entry, "inclusion", "value is not allowed in enum", allowed...)
	}
}

func (c *checker) names(at, first, last, second string) {
	for _, n := range []struct {
		member, value string
		optional      bool
	}{{"first_name", first, false}, {"last_name", last, false}, {"second_name", second, true}} {
		switch {
		case n.value == "" && n.optional:
		case n.value == "":
			c.broken(at+"."+n.member, "required", "can't be blank")
		case len([]rune(n.value)) > 255 || !namePattern.MatchString(n.value):
			c.broken(at+"."+n.member, "format", "Ukrainian letters, apostrophe, hyphen and single spaces are expected")
		}
	}
}

func (c *checker) born(at string, born registry.Date, maxAge int) {
	switch {
	case born.IsZero():
		c.broken(at+".birth_date", "required", "can't be blank")
	case c.today.Before(born) || born.YearsAt(c.today) > maxAge:
		c.broken(at+".birth_date", "invalid", "Invalid birth date")
	}
}

// numbers: РНОКПП, its absence, УНЗР.
func (c *checker) numbers(p Person, child bool) {
	switch {
	case p.TaxID != "" && p.NoTaxID:
		c.broken("$.person.tax_id", "invalid", "Persons who refused the tax_id should be without tax_id")
	case p.TaxID != "" && !registry.RNOKPP(p.TaxID).Valid():
		c.broken("$.person.tax_id", "format", "ten digits with a valid check digit are expected")
	case p.TaxID == "" && !p.NoTaxID && !child:
		c.broken("$.person.tax_id", "required", "Only persons who refused the tax_id should be without tax_id")
	}
	c.unzr("$.person", p.UNZR, p.BirthDate)
	if p.UNZR == "" && slices.ContainsFunc(p.Documents, func(d Document) bool { return d.Type == "NATIONAL_ID" }) {
		c.broken("$.person.unzr", "required", "unzr is mandatory for document type NATIONAL_ID")
	}
}

func (c *checker) unzr(at, unzr string, born registry.Date) {
	switch u := registry.UNZR(unzr); {
	case unzr == "":
	case !u.Valid():
		c.broken(at+".unzr", "format", "YYYYMMDD-NNNNN is expected")
	case !u.MatchesBirthDate(born):
		c.broken(at+".unzr", "invalid", "Birthdate or unzr is not correct")
	}
}

func (c *checker) phones(at string, list []Phone) {
	seen := map[string]bool{}
	for i, n := range list {
		one := item(at, i)
		c.oneOf(one+".type", n.Type, phoneTypes)
		if !phonePattern.MatchString(n.Number) {
			c.broken(one+".number", "format", "+38 and ten digits are expected")
		}
		if seen[n.Type] {
			c.broken(one+".type", "unique", "No duplicate values.")
		}
		seen[n.Type] = true
	}
}

func item(at string, i int) string { return at + ".[" + strconv.Itoa(i) + "]" }

func (c *checker) documents(at string, list []Document, born registry.Date) {
	if len(list) == 0 {
		c.broken(at, "length", "expected a minimum of 1 items but got 0", "1")
	}
	seen := map[string]bool{}
	for i, d := range list {
		one := item(at, i)
		rule, known := documentRules[d.Type]
		if !known {
			c.broken(one+".type", "inclusion", "value is not allowed in enum")
			continue
		}
		if seen[d.Type] {
			c.broken(one+".type", "unique", "No duplicate values.")
		}
		seen[d.Type] = true
		if !rule.number.MatchString(d.Number) {
			c.broken(one+".number", "format", "Invalid document number for type "+d.Type)
		} else if d.Type == "BIRTH_CERTIFICATE" && !strings.ContainsAny(d.Number, "0123456789") {
			c.broken(one+".number", "format", "a birth certificate's number has at least one digit")
		}
		c.dates(one, d, born)
		switch {
		case d.ExpirationDate.IsZero() && rule.expires:
			c.broken(one+".expiration_date", "required", "expiration_date is mandatory for document_type "+d.Type)
		case !d.ExpirationDate.IsZero() && d.ExpirationDate.Before(c.today):
			c.broken(one+".expiration_date", "invalid", "Document expiration_date should be in future")
		}
	}
	if seen["PASSPORT"] && seen["NATIONAL_ID"] {
		c.broken(at, "invalid", "Person can have only new passport NATIONAL_ID or old PASSPORT")
	}
}

func (c *checker) dates(one string, d Document, born registry.Date) {
	c.demand(one+".issued_by", d.IssuedBy)
	switch {
	case d.IssuedAt.IsZero():
		c.broken(one+".issued_at", "required", "can't be blank")
	case c.today.Before(d.IssuedAt):
		c.broken(one+".issued_at", "invalid", "Document issued date should be in the past")
	case d.IssuedAt.Before(born):
		c.broken(one+".issued_at", "invalid", "Document issued date should greater than person.birth_date")
	}
}

// identity: a child has a birth certificate, everybody else a document of their own.
func (c *checker) identity(p Person, child bool) {
	if child && !slices.ContainsFunc(p.Documents, func(d Document) bool { return d.Type == "BIRTH_CERTIFICATE" }) {
		c.broken("$.person.documents", "invalid", "Documents should contain: BIRTH_CERTIFICATE.")
	}
	if !child && len(p.Documents) > 0 && !slices.ContainsFunc(p.Documents, func(d Document) bool { return documentRules[d.Type].identity }) {
		c.broken("$.person.documents", "invalid", "Documents should contain one that proves identity.")
	}
}

func (c *checker) addresses(at string, list []Address) {
	seen := map[string]bool{}
	for i, a := range list {
		one := item(at, i)
		c.oneOf(one+".type", a.Type, addressTypes)
		if seen[a.Type] {
			c.broken(one+".type", "unique", "No duplicate values.")
		}
		seen[a.Type] = true
		c.demand(one+".country", a.Country)
		c.demand(one+".area", a.Area)
		c.demand(one+".settlement", a.Settlement)
		c.oneOf(one+".settlement_type", a.SettlementType, settlementTypes)
		if _, err := registry.ParseID(a.SettlementID); err != nil {
			c.broken(one+".settlement_id", "format", "expected a UUID")
		}
		if a.StreetType != "" {
			c.oneOf(one+".street_type", a.StreetType, streetTypes)
		}
		if a.Zip != "" && !zipPattern.MatchString(a.Zip) {
			c.broken(one+".zip", "format", "five digits are expected")
		}
		c.demand(one+".building", a.Building)
		if a.Building != "" && !buildingPattern.MatchString(a.Building) {
			c.broken(one+".building", "format", "a number with an optional letter is expected")
		}
	}
	if !seen["RESIDENCE"] {
		c.broken(at, "required", "Addresses with type RESIDENCE should be present")
	}
}

// methods: a new person has one, who is in the index changes theirs by a
// request of its own. A ward of a confidant in the index confirms through them.
func (c *checker) methods(at string, p Person) {
	if !p.ID.IsZero() {
		if len(p.AuthenticationMethods) > 0 {
			c.broken(at, "exclusion", "methods of a known person are changed by an authentication method request")
		}
		return
	}
	if len(p.AuthenticationMethods) != 1 {
		c.broken(at, "length", "exactly one authentication method is expected", "1")
	}
	through := map[registry.ID]bool{}
	for _, f := range p.ConfidantPersons {
		if !f.PersonID.IsZero() {
			through[f.PersonID] = true
		}
	}
	for i, m := range p.AuthenticationMethods {
		one := item(at, i)
		c.method(one, m)
		switch {
		case m.Type == MethodThirdPerson && !m.Value.IsZero() && !through[m.Value]:
			c.broken(one+".value", "invalid", "value must be the person_id of one of the confidants")
		case m.Type != MethodThirdPerson && len(through) > 0:
			c.broken(one+".type", "invalid", "a person with a confidant of the index confirms by THIRD_PERSON", MethodThirdPerson)
		}
	}
}

// method holds the rules of one method's own members.
func (c *checker) method(at string, m AuthenticationMethod) {
	c.oneOf(at+".type", m.Type, methodTypes)
	if m.Type == MethodOTP && !phonePattern.MatchString(m.PhoneNumber) {
		c.broken(at+".phone_number", "required", "required property phone_number was not present: +38 and ten digits")
	}
	if m.Type != MethodOTP && m.PhoneNumber != "" {
		c.broken(at+".phone_number", "exclusion", "only OTP has a phone number")
	}
	if m.Type == MethodThirdPerson && m.Value.IsZero() {
		c.broken(at+".value", "required", "required property value was not present: the confidant's person id")
	}
	if m.Type != MethodThirdPerson && !m.Value.IsZero() {
		c.broken(at+".value", "exclusion", "only THIRD_PERSON has a value")
	}
	if len([]rune(m.Alias)) > 100 {
		c.broken(at+".alias", "length", "expected at most 100 characters", "100")
	}
}

// ValidateMethod holds a method that stands alone in a request against its rules.
func ValidateMethod(at string, m AuthenticationMethod) error {
	c := &checker{}
	c.method(at, m)
	if len(c.errs) > 0 {
		return registry.Invalid(c.errs...)
	}
	return nil
}

// ValidateProofs holds the documents of a relationship against their rules.
func ValidateProofs(at string, list []Document, today registry.Date) error {
	c := &checker{today: today}
	c.proofs(at, list)
	if len(c.errs) > 0 {
		return registry.Invalid(c.errs...)
	}
	return nil
}

func (c *checker) proofs(at string, list []Document) {
	if len(list) == 0 {
		c.broken(at, "length", "expected a minimum of 1 items but got 0", "1")
	}
	seen := map[string]bool{}
	for i, d := range list {
		one := item(at, i)
		c.oneOf(one+".type", d.Type, relationshipTypes)
		if seen[d.Type] {
			c.broken(one+".type", "unique", "No duplicate values.")
		}
		seen[d.Type] = true
		c.demand(one+".number", d.Number)
		c.dates(one, d, registry.Date{})
	}
}

func (c *checker) confidants(p Person, child bool, t Terms) {
	const at = "$.person.confidant_person"
	if child && len(p.ConfidantPersons) == 0 {
		c.broken(at, "required", "Confidant person is mandatory for children")
	}
	primary := 0
	seen := map[string]bool{}
	for i, f := range p.ConfidantPersons {
		one := item(at, i)
		c.oneOf(one+".relation_type", f.RelationType, relationTypes)
		if seen[f.RelationType] {
			c.broken(one+".relation_type", "unique", "No duplicate values.")
		}
		seen[f.RelationType] = true
		if f.RelationType == "PRIMARY" {
			primary++
		}
		c.names(one, f.FirstName, f.LastName, f.SecondName)
		c.born(one, f.BirthDate, t.MaxAge)
		if !f.BirthDate.IsZero() && !c.today.Before(f.BirthDate) && f.BirthDate.YearsAt(c.today) < t.ConfidantAge {
			c.broken(one+".birth_date", "invalid", "Incorrect person age for such an action")
		}
		c.demand(one+".birth_country", f.BirthCountry)
		c.demand(one+".birth_settlement", f.BirthSettlement)
		c.oneOf(one+".gender", f.Gender, genders)
		if f.TaxID != "" && !registry.RNOKPP(f.TaxID).Valid() {
			c.broken(one+".tax_id", "format", "ten digits with a valid check digit are expected")
		}
		c.unzr(one, f.UNZR, f.BirthDate)
		c.documents(one+".documents_person", f.DocumentsPerson, f.BirthDate)
		c.phones(one+".phones", f.Phones)
		c.proofs(one+".documents_relationship", f.DocumentsRelationship)
	}
	if len(p.ConfidantPersons) > 0 && p.HasLegalCapacity() {
		c.broken(at, "invalid", "Confidant is not allowed for a person of full legal capacity")
	}
	if len(p.ConfidantPersons) > 0 && !p.ID.IsZero() && slices.ContainsFunc(p.ConfidantPersons, func(f Confidant) bool { return !f.PersonID.IsZero() }) {
		c.broken(at, "exclusion", "relationships of a known person are changed by a confidant relationship request")
	}
	if len(p.ConfidantPersons) > 0 && primary != 1 {
		c.broken(at, "required", "one and only one confidant person with type PRIMARY is required")
	}
}
