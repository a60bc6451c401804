package query

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
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

// What is shown of a person is held against the lists by fixtures/scripts
// TestRules; here, that nothing of a whole record is shown plainly that confirms
// for the person.
func TestAPersonIsShownWithoutWhatConfirms(t *testing.T) {
	b, err := json.Marshal(personView(full()))
	require.NoError(t, err)
	var person map[string]any
	require.NoError(t, json.Unmarshal(b, &person))
	require.NotContains(t, string(b), "калина")
	method := person["authentication_methods"].([]any)[0].(map[string]any)
	require.NotContains(t, method["phone_number"], "390000001", "a phone that confirms is masked")
}
