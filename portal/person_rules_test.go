package portal

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/intake"
	"mist/registry/patient"
	"mist/registry/personrequest"
	"mist/registry/prm"
)

// acting runs the person request's own rules behind REST.
type acting struct {
	*fakes
	index index
}

// index is as much of the registry as these rules ask: one known person and one
// grown-up who may speak for others.
type index struct {
	personrequest.Tx
	crowded bool
}

var (
	knownPerson = registry.ID{0x01, 0x90, 0xa0, 6: 0x70, 8: 0x80, 15: 1}
	grownUp     = registry.ID{0x01, 0x90, 0xa0, 6: 0x70, 8: 0x80, 15: 2}
	gonePerson  = registry.ID{0x01, 0x90, 0xa0, 6: 0x70, 8: 0x80, 15: 3}
	knownChild  = registry.ID{0x01, 0x90, 0xa0, 6: 0x70, 8: 0x80, 15: 4}
)

func (d acting) Create(ctx context.Context, c registry.Caller, body []byte) (intake.Draft, error) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	k := personrequest.Kind{Terms: patient.DefaultTerms(), Source: registry.Source{Clock: func() time.Time { return now }, Random: registry.SystemSource().Random}}
	c.EmployeeID, c.LegalEntityID = registry.ID{3}, registry.ID{4}
	draft := d.draft
	err := k.Draft(ctx, d.index, c, &draft, body)
	return draft, err
}

// Settlements: no register is loaded here.
func (d index) Settlements(context.Context, []registry.ID) (map[registry.ID]address.Settlement, bool, error) {
	return nil, false, nil
}

func (d index) Employee(context.Context, registry.ID) (prm.Employee, error) {
	return prm.Employee{ID: registry.ID{3}, LegalEntityID: registry.ID{4}, Type: "DOCTOR", Status: "APPROVED"}, nil
}

func (d index) LegalEntity(context.Context, registry.ID) (prm.LegalEntity, error) {
	return prm.LegalEntity{ID: registry.ID{4}, Type: "PRIMARY_CARE", Status: "ACTIVE"}, nil
}

func (d index) Person(_ context.Context, id registry.ID) (patient.Person, error) {
	p := patient.Person{ID: id, Version: 3, Status: patient.StatusActive, BirthDate: registry.Date{Year: 1980, Month: 1, Day: 1},
		AuthenticationMethods: []patient.AuthenticationMethod{{ID: registry.ID{9}, Type: "OTP", PhoneNumber: "+380390000009"}}}
	switch id {
	case knownPerson, grownUp:
		return p, nil
	case knownChild:
		if err := json.Unmarshal([]byte(goodConfidant), &p.ConfidantPersons); err != nil {
			return p, err
		}
		p.ConfidantPersons[0].PersonID = grownUp
		return p, nil
	case gonePerson:
		p.Status = patient.StatusInactive
		return p, nil
	}
	return p, registry.Errorf(registry.CodeNotFound, "not found")
}

func (d index) FindPerson(_ context.Context, q patient.Query) (patient.Person, bool, error) {
	if q.DocumentNumber == "І-БК000999" {
		return patient.Person{LastName: "ЗРАЗКОВА", BirthDate: registry.Date{Year: 2020, Month: 5, Day: 1}}, true, nil
	}
	return patient.Person{LastName: "Двійник", FirstName: "Марія", BirthDate: registry.Date{Year: 1990, Month: 2, Day: 28}}, true, nil
}

func (d index) PutPerson(context.Context, patient.Person) error { return nil }

func (d index) CountByMethod(context.Context, patient.AuthenticationMethod, registry.ID) (int, error) {
	return map[bool]int{true: 5}[d.crowded], nil
}

func (d index) RelationshipsOf(context.Context, registry.ID) ([]patient.Relationship, error) {
	return nil, nil
}

func (d index) CancelDrafts(context.Context, registry.KindName, registry.ID, registry.ID, registry.ID, registry.ID) error {
	return nil
}

const goodPersonBody = `{"process_disclosure_data_consent": true, "person": {
 "first_name": "Марія", "last_name": "Зразкова", "second_name": "Лук'янівна", "birth_date": "1990-02-28", "birth_country": "Україна", "birth_settlement": "Зразкове",
 "gender": "FEMALE", "email": "a@example.org", "tax_id": "3278011533", "no_tax_id": false, "unzr": "19900228-01234", "secret": "калина",
 "emergency_contact": {"first_name": "Іван", "last_name": "Запасний", "phones": [{"type": "MOBILE", "number": "+380390000010"}]},
 "documents": [{"type": "NATIONAL_ID", "number": "123456789", "issued_by": "8000", "issued_at": "2020-01-01", "expiration_date": "2030-01-01"}],
 "addresses": [{"type": "RESIDENCE", "country": "UA", "area": "Навчальна", "settlement": "Зразкове", "settlement_type": "VILLAGE", "settlement_id": "0190a000-0000-7000-8000-000000000001", "building": "5", "zip": "00001"}],
 "phones": [{"type": "MOBILE", "number": "+380390000011"}],
 "authentication_methods": [{"type": "OTP", "phone_number": "+380390000011"}]}}`

const goodConfidant = `[{"relation_type": "PRIMARY", "first_name": "Ганна", "last_name": "Тестова", "birth_date": "1990-01-01", "birth_country": "Україна",
 "birth_settlement": "Зразкове", "gender": "FEMALE", "documents_person": [{"type": "PASSPORT", "number": "КВ000222", "issued_by": "МВС", "issued_at": "2010-01-01"}],
 "documents_relationship": [{"type": "BIRTH_CERTIFICATE", "number": "І-БК000111", "issued_by": "РАЦС", "issued_at": "2020-05-02"}]}]`

// change sets a member by its path, or takes it away ("" as the new value).
func change(t *testing.T, v any, path, value string) {
	t.Helper()
	parts := strings.Split(path, ".")
	for _, name := range parts[:len(parts)-1] {
		if i, err := strconv.Atoi(name); err == nil {
			v = v.([]any)[i]
		} else {
			v = v.(map[string]any)[name]
		}
	}
	last := parts[len(parts)-1]
	if value == "" {
		delete(v.(map[string]any), last)
		return
	}
	var to any
	require.NoError(t, json.Unmarshal([]byte(value), &to), value)
	v.(map[string]any)[last] = to
}

// Every rule of a person's record (domain notes 1.1, ЕСОЗ 1.5) as a clinic's
// system meets it: broken in a body that passes otherwise, and the answer has
// the documented entry, rule and HTTP code.
func TestRulesOfAPersonByREST(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Acts = append(c.Acts, PersonRequests(acting{fakes: c.Events.(*fakes)})) })
	crowded := newBench(t, func(c *Config) {
		c.Acts = append(c.Acts, PersonRequests(acting{fakes: c.Events.(*fakes), index: index{crowded: true}}))
	})
	send := func(b *bench, edits map[string]string) (int, string) {
		var body any
		require.NoError(t, json.Unmarshal([]byte(goodPersonBody), &body))
		for _, path := range slicesSorted(edits) {
			change(t, body, path, edits[path])
		}
		text, err := json.Marshal(body)
		require.NoError(t, err)
		w := b.do("POST", "/api/v3/person_requests", string(text))
		return w.Code, w.Body.String()
	}
	child := map[string]string{"person.birth_date": `"2020-05-01"`, "person.tax_id": "", "person.unzr": "",
		"person.documents": `[{"type": "BIRTH_CERTIFICATE", "number": "І-БК000111", "issued_by": "РАЦС", "issued_at": "2020-05-02"}]`, "person.confidant_person": goodConfidant}
	with := func(base map[string]string, path, value string) map[string]string {
		m := maps.Clone(base)
		if m == nil {
			m = map[string]string{}
		}
		m[path] = value
		return m
	}
	doc := func(kind, number string) map[string]string {
		return map[string]string{"person.documents": `[{"type": "` + kind + `", "number": "` + number + `", "issued_by": "8000", "issued_at": "2020-01-01", "expiration_date": "2030-01-01"}]`}
	}
	known := map[string]string{"person.id": `"` + knownPerson.String() + `"`, "person.authentication_methods": ""}
	ward := map[string]string{}
	maps.Copy(ward, child)
	ward["person.confidant_person"] = strings.Replace(goodConfidant, `"PRIMARY",`, `"PRIMARY", "person_id": "`+grownUp.String()+`",`, 1)
	ward["person.authentication_methods"] = `[{"type": "THIRD_PERSON", "value": "` + grownUp.String() + `"}]`
	// The twins that pass.
	for name, edits := range map[string]map[string]string{
		"adult": nil, "child": child, "change of a known person": known, "change of a child whose confidants stay": childOf(child, known), "ward of a confidant in the index": ward,
		"no tax number": {"person.tax_id": "", "person.no_tax_id": "true"}, "OFFLINE": {"person.authentication_methods": `[{"type": "OFFLINE"}]`},
		"other apostrophe and spaces": {"person.second_name": `"  Лук’янівна "`},
	} {
		status, body := send(b, edits)
		require.Equal(t, 201, status, "%s: %s", name, body)
	}
	for _, r := range []struct {
		what   string
		edits  map[string]string
		status int
		entry  string
		rule   string
	}{
		{"no first name", with(nil, "person.first_name", ""), 422, "$.person.first_name", "required"},
		{"no last name", with(nil, "person.last_name", ""), 422, "$.person.last_name", "required"},
		{"Russian letter", with(nil, "person.last_name", `"Зразковый"`), 422, "$.person.last_name", "format"},
		{"Latin letter", with(nil, "person.first_name", `"Mapia"`), 422, "$.person.first_name", "format"},
		{"mark-up", with(nil, "person.last_name", `"<script>"`), 422, "$.person.last_name", "format"},
		{"sign", with(nil, "person.second_name", `"Тест@вна"`), 422, "$.person.second_name", "format"},
		{"type of a name", with(nil, "person.first_name", "5"), 422, "$.person.first_name", "cast"},
		{"no birth date", with(nil, "person.birth_date", ""), 422, "$.person.birth_date", "required"},
		{"form of the birth date", with(nil, "person.birth_date", `"28.02.1990"`), 422, "$.person.birth_date", "date"},
		{"born tomorrow", with(nil, "person.birth_date", `"2026-11-22"`), 422, "$.person.birth_date", "invalid"},
		{"151 years old", with(nil, "person.birth_date", `"1875-11-21"`), 422, "$.person.birth_date", "invalid"},
		{"no birth country", with(nil, "person.birth_country", ""), 422, "$.person.birth_country", "required"},
		{"no birth settlement", with(nil, "person.birth_settlement", `" "`), 422, "$.person.birth_settlement", "required"},
		{"gender", with(nil, "person.gender", `"OTHER"`), 422, "$.person.gender", "inclusion"},
		{"e-mail", with(nil, "person.email", `"a@b"`), 422, "$.person.email", "email"},
		{"check digit", with(nil, "person.tax_id", `"3126509816"`), 422, "$.person.tax_id", "format"},
		{"zeroes", with(nil, "person.tax_id", `"0000000000"`), 422, "$.person.tax_id", "format"},
		{"refused and given", with(nil, "person.no_tax_id", "true"), 422, "$.person.tax_id", "invalid"},
		{"neither refused nor given", with(nil, "person.tax_id", ""), 422, "$.person.tax_id", "required"},
		{"УНЗР's form", with(nil, "person.unzr", `"1990-1"`), 422, "$.person.unzr", "format"},
		{"УНЗР of another day", with(nil, "person.unzr", `"19900227-01234"`), 422, "$.person.unzr", "invalid"},
		{"ID card without УНЗР", with(nil, "person.unzr", ""), 422, "$.person.unzr", "required"},
		{"secret", with(nil, "person.secret", `"кіт"`), 422, "$.person.secret", "length"},
		{"way of communication", with(nil, "person.preferred_way_communication", `"pigeon"`), 422, "$.person.preferred_way_communication", "inclusion"},
		{"no consent", with(nil, "process_disclosure_data_consent", "false"), 422, "$.process_disclosure_data_consent", "acceptance"},
		{"consent left out", with(nil, "process_disclosure_data_consent", ""), 422, "$.process_disclosure_data_consent", "required"},
		{"no person", with(nil, "person", ""), 422, "$.person", "required"},
		{"unknown member", with(nil, "person.colour", `"red"`), 422, "$.person.colour", "schema"},
		{"version", with(nil, "person.version", "1"), 422, "$.person.version", "schema"},
		{"no documents", with(nil, "person.documents", "[]"), 422, "$.person.documents", "length"},
		{"document type", doc("LIBRARY_CARD", "1"), 422, "$.person.documents.[0].type", "inclusion"},
		{"passport", doc("PASSPORT", "КВ12345"), 422, "$.person.documents.[0].number", "format"},
		{"ID card", doc("NATIONAL_ID", "1"), 422, "$.person.documents.[0].number", "format"},
		{"birth certificate", doc("BIRTH_CERTIFICATE", "?"), 422, "$.person.documents.[0].number", "format"},
		{"certificate without a digit", doc("BIRTH_CERTIFICATE", "І-БК"), 422, "$.person.documents.[0].number", "format"},
		{"temporary passport", doc("TEMPORARY_PASSPORT", "?"), 422, "$.person.documents.[0].number", "format"},
		{"refugee", doc("REFUGEE_CERTIFICATE", "1"), 422, "$.person.documents.[0].number", "format"},
		{"complementary protection", doc("COMPLEMENTARY_PROTECTION_CERTIFICATE", "1"), 422, "$.person.documents.[0].number", "format"},
		{"residence permit", doc("PERMANENT_RESIDENCE_PERMIT", "1"), 422, "$.person.documents.[0].number", "format"},
		{"temporary certificate", doc("TEMPORARY_CERTIFICATE", "1"), 422, "$.person.documents.[0].number", "format"},
		{"no identity", doc("BIRTH_CERTIFICATE", "І-БК000111"), 422, "$.person.documents", "invalid"},
		{"twice", with(nil, "person.documents", `[{"type":"PASSPORT","number":"КВ000222","issued_by":"8000","issued_at":"2020-01-01"},{"type":"PASSPORT","number":"КВ000223","issued_by":"8000","issued_at":"2020-01-01"}]`), 422, "$.person.documents.[1].type", "unique"},
		{"old and new passport", with(nil, "person.documents", `[{"type":"PASSPORT","number":"КВ000222","issued_by":"8000","issued_at":"2020-01-01"},{"type":"NATIONAL_ID","number":"123456789","issued_by":"8000","issued_at":"2020-01-01","expiration_date":"2030-01-01"}]`), 422, "$.person.documents", "invalid"},
		{"no issuer", with(nil, "person.documents.0.issued_by", ""), 422, "$.person.documents.[0].issued_by", "required"},
		{"no day of issue", with(nil, "person.documents.0.issued_at", ""), 422, "$.person.documents.[0].issued_at", "required"},
		{"issued tomorrow", with(nil, "person.documents.0.issued_at", `"2026-11-22"`), 422, "$.person.documents.[0].issued_at", "invalid"},
		{"issued before birth", with(nil, "person.documents.0.issued_at", `"1990-02-27"`), 422, "$.person.documents.[0].issued_at", "invalid"},
		{"no expiration", with(nil, "person.documents.0.expiration_date", ""), 422, "$.person.documents.[0].expiration_date", "required"},
		{"expired", with(nil, "person.documents.0.expiration_date", `"2026-11-20"`), 422, "$.person.documents.[0].expiration_date", "invalid"},
		{"no residence", with(nil, "person.addresses.0.type", `"REGISTRATION"`), 422, "$.person.addresses", "required"},
		{"address type", with(nil, "person.addresses.0.type", `"WORK"`), 422, "$.person.addresses.[0].type", "inclusion"},
		{"country", with(nil, "person.addresses.0.country", ""), 422, "$.person.addresses.[0].country", "required"},
		{"area", with(nil, "person.addresses.0.area", ""), 422, "$.person.addresses.[0].area", "required"},
		{"settlement", with(nil, "person.addresses.0.settlement", ""), 422, "$.person.addresses.[0].settlement", "required"},
		{"settlement type", with(nil, "person.addresses.0.settlement_type", `"HAMLET"`), 422, "$.person.addresses.[0].settlement_type", "inclusion"},
		{"settlement id", with(nil, "person.addresses.0.settlement_id", `"1"`), 422, "$.person.addresses.[0].settlement_id", "format"},
		{"street type", with(nil, "person.addresses.0.street_type", `"PATHLET"`), 422, "$.person.addresses.[0].street_type", "inclusion"},
		{"building", with(nil, "person.addresses.0.building", `"будинок"`), 422, "$.person.addresses.[0].building", "format"},
		{"zip", with(nil, "person.addresses.0.zip", `"1234"`), 422, "$.person.addresses.[0].zip", "format"},
		{"phone type", with(nil, "person.phones.0.type", `"FAX"`), 422, "$.person.phones.[0].type", "inclusion"},
		{"phone number", with(nil, "person.phones.0.number", `"0390000011"`), 422, "$.person.phones.[0].number", "format"},
		{"emergency contact", with(nil, "person.emergency_contact.phones", "[]"), 422, "$.person.emergency_contact.phones", "length"},
		{"no method", with(nil, "person.authentication_methods", "[]"), 422, "$.person.authentication_methods", "length"},
		{"method NA", with(nil, "person.authentication_methods", `[{"type":"NA"}]`), 422, "$.person.authentication_methods.[0].type", "inclusion"},
		{"OTP without a phone", with(nil, "person.authentication_methods", `[{"type":"OTP"}]`), 422, "$.person.authentication_methods.[0].phone_number", "required"},
		{"method's own times", with(nil, "person.authentication_methods.0.ended_at", `"2026-01-01T00:00:00Z"`), 422, "$.person.authentication_methods.[0].ended_at", "schema"},
		{"third person who is no confidant", with(nil, "person.authentication_methods", `[{"type":"THIRD_PERSON","value":"`+grownUp.String()+`"}]`), 422, "$.person.authentication_methods.[0].value", "invalid"},
		{"child without a confidant", with(child, "person.confidant_person", ""), 422, "$.person.confidant_person", "required"},
		{"child without a certificate", with(child, "person.documents", `[{"type":"PASSPORT","number":"КВ000222","issued_by":"8000","issued_at":"2020-05-02"}]`), 422, "$.person.documents", "invalid"},
		{"no PRIMARY", with(child, "person.confidant_person", strings.Replace(goodConfidant, "PRIMARY", "SECONDARY", 1)), 422, "$.person.confidant_person", "required"},
		{"confidant too young", with(child, "person.confidant_person", strings.Replace(goodConfidant, "1990-01-01", "2014-01-01", 1)), 422, "$.person.confidant_person.[0].birth_date", "invalid"},
		{"no proof", with(child, "person.confidant_person", strings.Replace(goodConfidant, "BIRTH_CERTIFICATE", "LETTER", 1)), 422, "$.person.confidant_person.[0].documents_relationship.[0].type", "inclusion"},
		{"ward with a phone of their own", with(ward, "person.authentication_methods", `[{"type":"OTP","phone_number":"+380390000011"}]`), 422, "$.person.authentication_methods.[0].type", "invalid"},
		{"ward of nobody", with(ward, "person.confidant_person", strings.Replace(ward["person.confidant_person"], grownUp.String(), gonePerson.String(), 1)), 422, "$.person.authentication_methods.[0].value", "invalid"},
		{"methods of a known person", with(map[string]string{"person.id": known["person.id"]}, "person.email", `"b@example.org"`), 422, "$.person.authentication_methods", "exclusion"},
		{"somebody else's method", with(known, "authorize_with", `"0190a000-0000-7000-8000-00000000000f"`), 422, "$.authorize_with", "invalid"},
		{"id of nobody", with(known, "person.id", `"0190a000-0000-7000-8000-00000000000f"`), 404, "", "not found"},
		{"person out of use", with(known, "person.id", `"`+gonePerson.String()+`"`), 409, "", "person is not active"},
		{"the same child by the certificate", with(child, "person.documents.0.number", `"І-БК000999"`), 409, "", "such person already exists; find the person and send the request with the id"},
		{"the same person a second time", with(nil, "person.last_name", `"Двійник"`), 409, "", "such person already exists; find the person and send the request with the id"},
	} {
		status, body := send(b, r.edits)
		require.Equal(t, r.status, status, "%s: %s", r.what, body)
		answered(t, r.what, body, r.entry, r.rule)
	}
	status, body := send(crowded, nil)
	require.Equal(t, 422, status)
	answered(t, "phone of too many", body, "$.person.authentication_methods.[0].phone_number", "invalid")
	require.Contains(t, body, "This phone number is present more than 5 times in the system")
}

// childOf is a change of a known child that does not speak of confidants.
func childOf(child, known map[string]string) map[string]string {
	m := maps.Clone(child)
	maps.Copy(m, known)
	m["person.id"] = `"` + knownChild.String() + `"`
	m["person.confidant_person"] = ""
	return m
}

func slicesSorted(m map[string]string) []string {
	// Whole members before what lies in them.
	keys := make([]string, 0, len(m))
	for n := 1; n < 8; n++ {
		for k := range m {
			if strings.Count(k, ".") == n-1 {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// answered looks for the entry and the rule, or for the message where an error
// has no entries.
func answered(t *testing.T, what, body, entry, rule string) {
	t.Helper()
	var e struct {
		Error errorBody `json:"error"`
		Data  any       `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(body), &e), what)
	require.Nil(t, e.Data, what)
	if entry == "" {
		require.Equal(t, rule, e.Error.Message, what)
		return
	}
	require.Equal(t, "validation_failed", e.Error.Type, what)
	var got []string
	for _, i := range e.Error.Invalid {
		require.Equal(t, "json_data_property", i.Type, what)
		for _, r := range i.Rules {
			require.NotEmpty(t, r.Description, what)
			got = append(got, i.Entry+" "+r.Rule)
		}
	}
	require.Contains(t, got, entry+" "+rule, what)
}
