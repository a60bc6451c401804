package query

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
)

// The field lists of domain notes 1.1, word for word; what we do not show says
// why, and what we show beyond them is named too.
var (
	personList = `id version first_name last_name second_name birth_date birth_country birth_settlement gender email tax_id no_tax_id unzr
death_date preferred_way_communication invalid_tax_id is_active secret emergency_contact confidant_person patient_signed process_disclosure_data_consent
status documents addresses phones authentication_methods inserted_by updated_by verification_status verification_reason nhs_request_number nhs_request_comment names`
	documentList  = `type number issued_by issued_at expiration_date`
	addressList   = `type country area region settlement settlement_type settlement_id street_type street building apartment zip`
	phoneList     = `type number`
	contactList   = `first_name last_name second_name phones`
	methodList    = `type phone_number alias started_at ended_at value id`
	confidantList = `relation_type first_name last_name second_name birth_date birth_country birth_settlement gender tax_id unzr secret documents_person documents_relationship phones`

	notShown = map[string]string{
		"person.secret":              "a secret word that is shown to clinics is none",
		"person.invalid_tax_id":      "a number with a wrong check digit does not enter the index",
		"person.inserted_by":         "who wrote it stands in the audit log, provable",
		"person.updated_by":          "who wrote it stands in the audit log, provable",
		"person.verification_reason": "streams of verification come with their registers (issue G)",
		"person.nhs_request_number":  "streams of verification come with their registers (issue G)",
		"person.nhs_request_comment": "streams of verification come with their registers (issue G)",
		"person.names":               "the v3 array repeats the three names",
		"confidant.secret":           "a confidant of the index has their own record; nobody else's word is asked",
	}
	beyond = map[string]string{
		"person.inserted_at": "times of the record", "person.updated_at": "times of the record", "person.status_reason": "why a record is out of use",
		"confidant.person_id": "the confidant's own record (ЕСОЗ 1.4)",
	}
)

// full has a value in every member, so that omitempty hides none.
func full() patient.Person {
	day := registry.Date{Year: 1990, Month: 2, Day: 28}
	doc := patient.Document{Type: "PASSPORT", Number: "КВ123456", IssuedBy: "МВС", IssuedAt: day, ExpirationDate: day}
	phones := []patient.Phone{{Type: "MOBILE", Number: "+380390000001"}}
	return patient.Person{
		ID: registry.ID{1}, Version: 1, FirstName: "Марія", LastName: "Зразкова", SecondName: "Тестівна", BirthDate: day, BirthCountry: "Україна", BirthSettlement: "Зразкове",
		Gender: "FEMALE", Email: "a@example.org", TaxID: "3278011533", NoTaxID: true, UNZR: "19900228-01234", Secret: "калина",
		EmergencyContact: patient.EmergencyContact{FirstName: "Іван", LastName: "Запасний", SecondName: "Тестович", Phones: phones},
		PatientSigned:    true, ProcessDisclosureDataConsent: true, Documents: []patient.Document{doc},
		Addresses: []patient.Address{{Type: "RESIDENCE", Country: "UA", Area: "Навчальна", Region: "Перший", Settlement: "Зразкове", SettlementType: "VILLAGE",
			SettlementID: "0190a000-0000-7000-8000-000000000001", StreetType: "STREET", Street: "Пісочна", Building: "1", Apartment: "2", Zip: "00001"}},
		Phones:                    phones,
		AuthenticationMethods:     []patient.AuthenticationMethod{{ID: registry.ID{2}, Type: "OTP", PhoneNumber: "+380390000001", Value: registry.ID{3}, Alias: "мама", StartedAt: time.Unix(1, 0), EndedAt: time.Unix(2, 0)}},
		PreferredWayCommunication: "phone",
		ConfidantPersons: []patient.Confidant{{RelationType: "PRIMARY", FirstName: "Ганна", LastName: "Зразкова", SecondName: "Тестівна", BirthDate: day, BirthCountry: "Україна", BirthSettlement: "Зразкове",
			Gender: "FEMALE", TaxID: "3278011533", UNZR: "19900228-01234", DocumentsPerson: []patient.Document{doc}, DocumentsRelationship: []patient.Document{doc}, Phones: phones, PersonID: registry.ID{4}}},
		Status: patient.StatusInactive, StatusReason: "death", VerificationStatus: "VERIFIED", DeathDate: day, InsertedAt: time.Unix(1, 0), UpdatedAt: time.Unix(2, 0),
	}
}

func TestAnswersHaveTheFieldsOfTheirLists(t *testing.T) {
	b, err := json.Marshal(personView(full()))
	require.NoError(t, err)
	var person map[string]any
	require.NoError(t, json.Unmarshal(b, &person))
	first := func(v any) map[string]any { return v.([]any)[0].(map[string]any) }
	confidant := first(person["confidant_person"])
	used := map[string]bool{}
	for name, c := range map[string]struct {
		list string
		got  map[string]any
	}{
		"person": {personList, person}, "document": {documentList, first(person["documents"])}, "address": {addressList, first(person["addresses"])},
		"phone": {phoneList, first(person["phones"])}, "contact": {contactList, person["emergency_contact"].(map[string]any)},
		"method": {methodList, first(person["authentication_methods"])}, "confidant": {confidantList, confidant},
	} {
		listed := strings.Fields(c.list)
		for _, field := range listed {
			_, shown := c.got[field]
			_, excused := notShown[name+"."+field]
			used[name+"."+field] = true
			require.True(t, shown != excused, "%s.%s: shown %v, excused %v", name, field, shown, excused)
		}
		for field := range c.got {
			if !slices.Contains(listed, field) {
				require.Contains(t, beyond, name+"."+field)
				used[name+"."+field] = true
			}
		}
	}
	for field := range notShown {
		require.True(t, used[field], "%s stands in no list", field)
	}
	for field := range beyond {
		require.True(t, used[field], "%s is not shown", field)
	}
	require.NotContains(t, string(b), "калина")
	require.NotContains(t, person["authentication_methods"].([]any)[0].(map[string]any)["phone_number"], "390000001", "a phone that confirms is masked")
}
