package patient

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

func day(y, m, d int) registry.Date { return registry.Date{Year: y, Month: time.Month(m), Day: d} }

// goodAdult and goodChild break no rule.
func goodAdult() Person {
	return Person{
		FirstName: "Марія", LastName: "Зразкова-Тестова", SecondName: "Лук’янівна", BirthDate: day(1990, 2, 28),
		BirthCountry: "Україна", BirthSettlement: "Зразкове", Gender: "FEMALE", Email: "zrazkova@example.org",
		TaxID: "3278011533", UNZR: "19900228-01234", Secret: "таємне", ProcessDisclosureDataConsent: true,
		EmergencyContact: EmergencyContact{FirstName: "Іван", LastName: "Запасний", Phones: []Phone{{"MOBILE", "+380390000001"}}},
		Documents: []Document{
			{Type: "NATIONAL_ID", Number: "123456789", IssuedBy: "8000", IssuedAt: day(2020, 1, 1), ExpirationDate: today},
		},
		Addresses: []Address{{Type: "RESIDENCE", Country: "UA", Area: "Навчальна", Settlement: "Зразкове", SettlementType: "VILLAGE",
			SettlementID: "0190a000-0000-7000-8000-000000000001", Building: "1/2 А", Zip: "00001"}},
		Phones:                []Phone{{"MOBILE", "+380390000002"}, {"LAND_LINE", "+380390000003"}},
		AuthenticationMethods: []AuthenticationMethod{{Type: "OTP", PhoneNumber: "+380390000002"}},
	}
}

func TestStreetTypes(t *testing.T) {
	require.Len(t, streetTypes, 42)
}

func TestAWardConfirmsThroughTheConfidant(t *testing.T) {
	p := goodChild()
	p.ConfidantPersons[0].PersonID = registry.ID{7}
	p.AuthenticationMethods = []AuthenticationMethod{{Type: MethodThirdPerson, Value: registry.ID{7}, Alias: "мама"}}
	require.NoError(t, DefaultTerms().Validate(p, today))
	p.ID, p.AuthenticationMethods, p.ConfidantPersons[0].PersonID = registry.ID{1}, nil, registry.ID{}
	require.NoError(t, DefaultTerms().Validate(p, today), "a known person's methods are not given")
}

func goodChild() Person {
	p := goodAdult()
	p.BirthDate, p.TaxID, p.UNZR = day(2020, 5, 1), "", ""
	p.Documents = []Document{{Type: "BIRTH_CERTIFICATE", Number: "І-БК123456", IssuedBy: "РАЦС", IssuedAt: day(2020, 5, 2)}}
	p.ConfidantPersons = []Confidant{{
		RelationType: "PRIMARY", FirstName: "Ганна", LastName: "Зразкова", BirthDate: day(1990, 2, 28), BirthCountry: "Україна", BirthSettlement: "Зразкове",
		Gender: "FEMALE", TaxID: "3278011533", DocumentsPerson: []Document{{Type: "PASSPORT", Number: "КВ123456", IssuedBy: "МВС", IssuedAt: day(2008, 1, 1)}},
		DocumentsRelationship: []Document{{Type: "BIRTH_CERTIFICATE", Number: "І-БК123456", IssuedBy: "РАЦС", IssuedAt: day(2020, 5, 2)}},
	}}
	return p
}

// One line a rule of domain notes 1.1 and ЕСОЗ 1.5; each breaks a record that
// passes and names the entry and the rule that must answer.
func TestRulesOfAPerson(t *testing.T) {
	terms := DefaultTerms()
	require.NoError(t, terms.Validate(goodAdult(), today), "the unbroken adult")
	require.NoError(t, terms.Validate(goodChild(), today), "the unbroken child")
	doc := func(kind, number string) func(*Person) {
		return func(p *Person) {
			p.Documents = []Document{{Type: kind, Number: number, IssuedBy: "8000", IssuedAt: day(2020, 1, 1), ExpirationDate: day(2030, 1, 1)}}
		}
	}
	for _, r := range []struct {
		what   string
		break_ func(p *Person)
		entry  string // below $.person
		rule   string
	}{
		{"no first name", func(p *Person) { p.FirstName = "" }, ".first_name", "required"},
		{"no last name", func(p *Person) { p.LastName = "" }, ".last_name", "required"},
		{"Russian letter", func(p *Person) { p.LastName = "Зразковый" }, ".last_name", "format"},
		{"Latin letter", func(p *Person) { p.FirstName = "Mapiя" }, ".first_name", "format"},
		{"sign", func(p *Person) { p.SecondName = "Тест@вна" }, ".second_name", "format"},
		{"two spaces", func(p *Person) { p.LastName = "Зразкова  Тестова" }, ".last_name", "format"},
		{"space at the end", func(p *Person) { p.LastName = "Зразкова " }, ".last_name", "format"},
		{"mark-up", func(p *Person) { p.LastName = "<script>" }, ".last_name", "format"},
		{"long name", func(p *Person) { p.LastName = strings.Repeat("а", 256) }, ".last_name", "format"},
		{"no birth date", func(p *Person) { p.BirthDate, p.UNZR = registry.Date{}, "" }, ".birth_date", "required"},
		{"born tomorrow", func(p *Person) { p.BirthDate = today.AddDate(0, 0, 1) }, ".birth_date", "invalid"},
		{"born 151 years ago", func(p *Person) { p.BirthDate = today.AddDate(-151, 0, 0) }, ".birth_date", "invalid"},
		{"birth country", func(p *Person) { p.BirthCountry = " " }, ".birth_country", "required"},
		{"birth settlement", func(p *Person) { p.BirthSettlement = "" }, ".birth_settlement", "required"},
		{"long settlement", func(p *Person) { p.BirthSettlement = strings.Repeat("а", 256) }, ".birth_settlement", "length"},
		{"gender", func(p *Person) { p.Gender = "female" }, ".gender", "inclusion"},
		{"email", func(p *Person) { p.Email = "a@b" }, ".email", "email"},
		{"secret", func(p *Person) { p.Secret = "п'ять" }, ".secret", "length"},
		{"way of communication", func(p *Person) { p.PreferredWayCommunication = "pigeon" }, ".preferred_way_communication", "inclusion"},
		{"consent", func(p *Person) { p.ProcessDisclosureDataConsent = false }, "^$.process_disclosure_data_consent", "acceptance"},
		{"tax number's check digit", func(p *Person) { p.TaxID = "3126509816" }, ".tax_id", "format"},
		{"tax number of zeroes", func(p *Person) { p.TaxID = "0000000000" }, ".tax_id", "format"},
		{"refused and given", func(p *Person) { p.NoTaxID = true }, ".tax_id", "invalid"},
		{"neither refused nor given", func(p *Person) { p.TaxID = "" }, ".tax_id", "required"},
		{"УНЗР's form", func(p *Person) { p.UNZR = "19900228-1234" }, ".unzr", "format"},
		{"УНЗР of another day", func(p *Person) { p.UNZR = "19900227-01234" }, ".unzr", "invalid"},
		{"ID card without УНЗР", func(p *Person) { p.UNZR = "" }, ".unzr", "required"},
		{"no documents", func(p *Person) { p.Documents = nil }, ".documents", "length"},
		{"unknown document", func(p *Person) { p.Documents[0].Type = "LIBRARY_CARD" }, ".documents.[0].type", "inclusion"},
		{"document twice", func(p *Person) { p.Documents = append(p.Documents, p.Documents[0]) }, ".documents.[1].type", "unique"},
		{"old and new passport", func(p *Person) {
			p.Documents = append(p.Documents, Document{Type: "PASSPORT", Number: "КВ123456", IssuedBy: "МВС", IssuedAt: day(2010, 1, 1)})
		}, ".documents", "invalid"},
		{"passport number", doc("PASSPORT", "КВ12345"), ".documents.[0].number", "format"},
		{"passport in Latin", doc("PASSPORT", "KB123456"), ".documents.[0].number", "format"},
		{"passport with ы", doc("PASSPORT", "ЫВ123456"), ".documents.[0].number", "format"},
		{"ID card number", doc("NATIONAL_ID", "12345678"), ".documents.[0].number", "format"},
		{"refugee certificate", doc("REFUGEE_CERTIFICATE", "123456"), ".documents.[0].number", "format"},
		{"complementary protection", doc("COMPLEMENTARY_PROTECTION_CERTIFICATE", "АА12345"), ".documents.[0].number", "format"},
		{"residence permit", doc("PERMANENT_RESIDENCE_PERMIT", "АА123"), ".documents.[0].number", "format"},
		{"temporary certificate", doc("TEMPORARY_CERTIFICATE", "1234567890"), ".documents.[0].number", "format"},
		{"temporary passport", doc("TEMPORARY_PASSPORT", "а"), ".documents.[0].number", "format"},
		{"no issuer", func(p *Person) { p.Documents[0].IssuedBy = "" }, ".documents.[0].issued_by", "required"},
		{"no day of issue", func(p *Person) { p.Documents[0].IssuedAt = registry.Date{} }, ".documents.[0].issued_at", "required"},
		{"issued tomorrow", func(p *Person) { p.Documents[0].IssuedAt = today.AddDate(0, 0, 1) }, ".documents.[0].issued_at", "invalid"},
		{"issued before birth", func(p *Person) { p.Documents[0].IssuedAt = day(1990, 2, 27) }, ".documents.[0].issued_at", "invalid"},
		{"no expiration", func(p *Person) { p.Documents[0].ExpirationDate = registry.Date{} }, ".documents.[0].expiration_date", "required"},
		{"expired yesterday", func(p *Person) { p.Documents[0].ExpirationDate = today.AddDate(0, 0, -1) }, ".documents.[0].expiration_date", "invalid"},
		{"an adult's birth certificate alone", doc("BIRTH_CERTIFICATE", "І-БК123456"), ".documents", "invalid"},
		{"capacity and a guardian", func(p *Person) {
			p.ConfidantPersons = goodChild().ConfidantPersons
			p.Documents = append(p.Documents, Document{Type: "MARRIAGE_CERTIFICATE", Number: "І-СГ123456", IssuedBy: "РАЦС", IssuedAt: day(2020, 1, 1)})
		}, ".confidant_person", "invalid"},
		{"number of a capacity document", doc("LEGAL_CAPACITY_DOCUMENT", "?"), ".documents.[0].number", "format"},
		{"relationships of a known person", func(p *Person) {
			p.ID, p.AuthenticationMethods = registry.ID{1}, nil
			p.ConfidantPersons = goodChild().ConfidantPersons
			p.ConfidantPersons[0].PersonID = registry.ID{7}
		}, ".confidant_person", "exclusion"},
		{"phone type", func(p *Person) { p.Phones[0].Type = "FAX" }, ".phones.[0].type", "inclusion"},
		{"phone number", func(p *Person) { p.Phones[0].Number = "0390000002" }, ".phones.[0].number", "format"},
		{"phone twice", func(p *Person) { p.Phones[1].Type = "MOBILE" }, ".phones.[1].type", "unique"},
		{"no residence", func(p *Person) { p.Addresses[0].Type = "REGISTRATION" }, ".addresses", "required"},
		{"address type", func(p *Person) { p.Addresses[0].Type = "WORK" }, ".addresses.[0].type", "inclusion"},
		{"two residences", func(p *Person) { p.Addresses = append(p.Addresses, p.Addresses[0]) }, ".addresses.[1].type", "unique"},
		{"country", func(p *Person) { p.Addresses[0].Country = "" }, ".addresses.[0].country", "required"},
		{"area", func(p *Person) { p.Addresses[0].Area = "" }, ".addresses.[0].area", "required"},
		{"settlement", func(p *Person) { p.Addresses[0].Settlement = "" }, ".addresses.[0].settlement", "required"},
		{"settlement type", func(p *Person) { p.Addresses[0].SettlementType = "HAMLET" }, ".addresses.[0].settlement_type", "inclusion"},
		{"settlement id", func(p *Person) { p.Addresses[0].SettlementID = "1" }, ".addresses.[0].settlement_id", "format"},
		{"street type", func(p *Person) { p.Addresses[0].StreetType = "PATHLET" }, ".addresses.[0].street_type", "inclusion"},
		{"zip", func(p *Person) { p.Addresses[0].Zip = "1234" }, ".addresses.[0].zip", "format"},
		{"building", func(p *Person) { p.Addresses[0].Building = "будинок" }, ".addresses.[0].building", "format"},
		{"no method", func(p *Person) { p.AuthenticationMethods = nil }, ".authentication_methods", "length"},
		{"two methods", func(p *Person) {
			p.AuthenticationMethods = append(p.AuthenticationMethods, AuthenticationMethod{Type: "OFFLINE"})
		}, ".authentication_methods", "length"},
		{"method NA", func(p *Person) { p.AuthenticationMethods[0] = AuthenticationMethod{Type: "NA"} }, ".authentication_methods.[0].type", "inclusion"},
		{"OTP without phone", func(p *Person) { p.AuthenticationMethods[0].PhoneNumber = "" }, ".authentication_methods.[0].phone_number", "required"},
		{"OFFLINE with phone", func(p *Person) { p.AuthenticationMethods[0].Type = "OFFLINE" }, ".authentication_methods.[0].phone_number", "exclusion"},
		{"third person without a value", func(p *Person) { p.AuthenticationMethods[0] = AuthenticationMethod{Type: MethodThirdPerson} }, ".authentication_methods.[0].value", "required"},
		{"third person who is no confidant", func(p *Person) {
			p.AuthenticationMethods[0] = AuthenticationMethod{Type: MethodThirdPerson, Value: registry.ID{7}}
		}, ".authentication_methods.[0].value", "invalid"},
		{"value of a phone", func(p *Person) { p.AuthenticationMethods[0].Value = registry.ID{7} }, ".authentication_methods.[0].value", "exclusion"},
		{"long alias", func(p *Person) { p.AuthenticationMethods[0].Alias = strings.Repeat("а", 101) }, ".authentication_methods.[0].alias", "length"},
		{"methods of a known person", func(p *Person) { p.ID = registry.ID{1} }, ".authentication_methods", "exclusion"},
		{"emergency contact's name", func(p *Person) { p.EmergencyContact.LastName = "" }, ".emergency_contact.last_name", "required"},
		{"emergency contact's phones", func(p *Person) { p.EmergencyContact.Phones = nil }, ".emergency_contact.phones", "length"},
		{"emergency contact's number", func(p *Person) { p.EmergencyContact.Phones[0].Number = "1" }, ".emergency_contact.phones.[0].number", "format"},
		{"guardian without PRIMARY", func(p *Person) {
			p.ConfidantPersons = goodChild().ConfidantPersons
			p.ConfidantPersons[0].RelationType = "SECONDARY"
		}, ".confidant_person", "required"},
	} {
		p := goodAdult()
		r.break_(&p)
		expect(t, terms.Validate(p, today), r.what, r.entry, r.rule)
	}
	for _, r := range []struct {
		what   string
		break_ func(p *Person)
		entry  string
		rule   string
	}{
		{"child without a confidant", func(p *Person) { p.ConfidantPersons = nil }, ".confidant_person", "required"},
		{"child without certificate", func(p *Person) { p.Documents = goodAdult().Documents; p.UNZR = "20200501-00001" }, ".documents", "invalid"},
		{"certificate without a digit", func(p *Person) { p.Documents[0].Number = "І-БК" }, ".documents.[0].number", "format"},
		{"relation", func(p *Person) { p.ConfidantPersons[0].RelationType = "AUNT" }, ".confidant_person.[0].relation_type", "inclusion"},
		{"two of one relation", func(p *Person) { p.ConfidantPersons = append(p.ConfidantPersons, p.ConfidantPersons[0]) }, ".confidant_person.[1].relation_type", "unique"},
		{"confidant's name", func(p *Person) { p.ConfidantPersons[0].FirstName = "" }, ".confidant_person.[0].first_name", "required"},
		{"confidant is a child", func(p *Person) { p.ConfidantPersons[0].BirthDate = day(2015, 1, 1) }, ".confidant_person.[0].birth_date", "invalid"},
		{"confidant's country", func(p *Person) { p.ConfidantPersons[0].BirthCountry = "" }, ".confidant_person.[0].birth_country", "required"},
		{"confidant's settlement", func(p *Person) { p.ConfidantPersons[0].BirthSettlement = "" }, ".confidant_person.[0].birth_settlement", "required"},
		{"confidant's gender", func(p *Person) { p.ConfidantPersons[0].Gender = "" }, ".confidant_person.[0].gender", "inclusion"},
		{"confidant's tax number", func(p *Person) { p.ConfidantPersons[0].TaxID = "1" }, ".confidant_person.[0].tax_id", "format"},
		{"confidant's УНЗР", func(p *Person) { p.ConfidantPersons[0].UNZR = "19900227-00001" }, ".confidant_person.[0].unzr", "invalid"},
		{"confidant's documents", func(p *Person) { p.ConfidantPersons[0].DocumentsPerson = nil }, ".confidant_person.[0].documents_person", "length"},
		{"confidant's phone", func(p *Person) { p.ConfidantPersons[0].Phones = []Phone{{"MOBILE", "1"}} }, ".confidant_person.[0].phones.[0].number", "format"},
		{"proof of relationship", func(p *Person) { p.ConfidantPersons[0].DocumentsRelationship = nil }, ".confidant_person.[0].documents_relationship", "length"},
		{"kind of proof", func(p *Person) { p.ConfidantPersons[0].DocumentsRelationship[0].Type = "LETTER" }, ".confidant_person.[0].documents_relationship.[0].type", "inclusion"},
		{"confidant of the index, own phone", func(p *Person) { p.ConfidantPersons[0].PersonID = registry.ID{7} }, ".authentication_methods.[0].type", "invalid"},
		{"proof twice", func(p *Person) {
			p.ConfidantPersons[0].DocumentsRelationship = append(p.ConfidantPersons[0].DocumentsRelationship, p.ConfidantPersons[0].DocumentsRelationship[0])
		}, ".confidant_person.[0].documents_relationship.[1].type", "unique"},
		{"number of the proof", func(p *Person) { p.ConfidantPersons[0].DocumentsRelationship[0].Number = "" }, ".confidant_person.[0].documents_relationship.[0].number", "required"},
	} {
		p := goodChild()
		r.break_(&p)
		expect(t, terms.Validate(p, today), r.what, r.entry, r.rule)
	}
}

// expect finds the one broken rule that was meant; what else it breaks (a
// changed birth date also breaks the УНЗР) may stand beside it.
func expect(t *testing.T, err error, what, entry, rule string) {
	t.Helper()
	e := registry.AsError(err)
	require.NotNil(t, e, what)
	require.Equal(t, registry.CodeInvalid, e.Code, what)
	if at, whole := strings.CutPrefix(entry, "^"); whole {
		entry = at
	} else {
		entry = "$.person" + entry
	}
	var got []string
	for _, f := range e.Fields {
		require.NotEmpty(t, f.Description)
		got = append(got, f.Entry+" "+f.Rule)
	}
	require.Contains(t, got, entry+" "+rule, what)
	require.LessOrEqual(t, len(got), 5, "%s: %v", what, got)
}

// The day of the fourteenth birthday is the first on which a person stands for themselves.
func TestComingOfAge(t *testing.T) {
	terms := DefaultTerms()
	p := goodAdult()
	p.BirthDate = today.AddDate(-14, 0, 0)
	p.UNZR = strings.ReplaceAll(p.BirthDate.String(), "-", "") + "-00001"
	require.NoError(t, terms.Validate(p, today))
	require.Error(t, terms.Validate(p, today.AddDate(0, 0, -1)))
}

func TestBrokenRulesAreBounded(t *testing.T) {
	p := goodAdult()
	for range 1000 {
		p.Phones = append(p.Phones, Phone{})
	}
	require.Len(t, registry.AsError(DefaultTerms().Validate(p, today)).Fields, maxBroken)
}
