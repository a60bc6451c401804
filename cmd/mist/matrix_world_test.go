package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/contract"
	"mist/registry/dispense"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/prescription"
	"mist/registry/prm"
	"mist/registry/record"
	"mist/registry/sickleave"
	"mist/registry/verification"
)

// colleagues are the other roles of the clinic, and those of the NHSU.
var (
	colleagues = map[string]string{"specialist": "SPECIALIST", "surgeon": "SURGEON", "assistant": "ASSISTANT", "receptionist": "RECEPTIONIST", "admin": "ADMIN",
		"hr": "HR", "accountant": "ACCOUNTANT", "pharmacist": "PHARMACIST", "pharmacy_owner": "PHARMACY_OWNER"}
	officers = map[string]string{"nhs_admin": "NHS ADMIN", "nhs_signer": "NHS ADMIN SIGNER", "nhs_verifier": "NHS LE VERIFIER"}
)

// employ gives every role of the table of rights somebody with a token.
func (m *matrix) employ(t *testing.T, store *postgres.Store, source registry.Source, clinic, nhsu access.Client, division registry.ID) {
	t.Helper()
	hire := func(name, role string, c access.Client, division registry.ID) {
		e := prm.Employee{ID: source.NewID(), LegalEntityID: c.LegalEntityID, DivisionID: division, Type: role, Position: "P1", Status: "APPROVED", StartDate: registry.DateOf(source.Now()),
			Party: prm.Party{ID: source.NewID(), LastName: "Рольова", FirstName: "Особа", BirthDate: registry.Date{Year: 1980, Month: 1, Day: 1}, TaxID: "3067305998"}}
		if role == "PHARMACY_OWNER" {
			e.Type = "ADMIN" // a legal entity has one head
		}
		plain := strings.Repeat("y", 43-len(name)) + name
		tk := access.Token{Hash: sha256.Sum256([]byte(plain)), ClientID: c.ID, LegalEntityID: c.LegalEntityID, EmployeeID: e.ID, PartyID: e.Party.ID, Role: role,
			Scopes: access.Effective(c, role), IssuedAt: source.Now(), ExpiresAt: source.Now().Add(time.Hour)}
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
			if err := tx.PutEmployee(ctx, e); err != nil {
				return err
			}
			return tx.InsertToken(ctx, tk)
		}))
		m.tokens[name] = plain
	}
	for name, role := range colleagues {
		hire(name, role, clinic, division)
	}
	for name, role := range officers {
		hire(name, role, nhsu, registry.ID{})
	}
	// The operator who proposed the merge; another one is asked.
	hire("proposer", "NHS ADMIN", nhsu, registry.ID{})
}

const matrixPerson = `{"process_disclosure_data_consent":true,"person":{"first_name":"Лукія","last_name":"Матрична","birth_date":"1990-02-28","birth_country":"Україна","birth_settlement":"Зразкове",
"gender":"FEMALE","no_tax_id":true,"secret":"калина","emergency_contact":{"first_name":"Іван","last_name":"Запасний","phones":[{"type":"MOBILE","number":"+380390000010"}]},
"documents":[{"type":"PASSPORT","number":"КВ000222","issued_by":"8000","issued_at":"2020-01-01"}],
"addresses":[{"type":"RESIDENCE","country":"UA","area":"Навчальна","settlement":"Зразкове","settlement_type":"VILLAGE","settlement_id":"0190a000-0000-7000-8000-000000000001","building":"5"}],
"authentication_methods":[{"type":"OTP","phone_number":"+380390000011"}]}}`

// furnish gives the clinic and the NHSU an object of every kind that an
// operation names in its path. post makes one by REST.
func (m *matrix) furnish(t *testing.T, store *postgres.Store, source registry.Source, dsn string, post func(who, path, body string) registry.ID, citizen, other sandboxPerson, doctor, second sandboxPerson) {
	t.Helper()
	id := func(s string) registry.ID {
		v, err := registry.ParseID(s)
		require.NoError(t, err)
		return v
	}
	m.ids["/api/v3/person_requests"] = post("doctor", "/api/v3/person_requests", matrixPerson)
	m.ids["/api/v3/authentication_method_requests"] = post("doctor", "/api/v3/authentication_method_requests",
		fmt.Sprintf(`{"person_id":%q,"action":"INSERT","authentication_method":{"type":"OTP","phone_number":"+380390000012"}}`, citizen.PersonID))
	m.ids["/api/v3/confidant_person_relationship_requests"] = post("doctor", "/api/v3/confidant_person_relationship_requests",
		fmt.Sprintf(`{"person_id":%q,"action":"INSERT","confidant_person_relationship":{"confidant_person_id":%q,"documents_relationship":[{"type":"COURT_DECISION","number":"1","issued_by":"суд","issued_at":"2026-01-01"}]}}`, citizen.PersonID, other.PersonID))
	m.ids["/api/v3/registers"] = post("proposer", "/api/v3/registers", registerBody)
	m.ids["/api/v3/payment_registers"] = post("proposer", "/api/v3/payment_registers",
		`{"kind":"CAPITATION","period":"2026-10","lines":[{"edrpou":"00000006","account":"UA213223130000026007233566001","amount":"1.00","purpose":"Договір 0000-МАТР-0001"}]}`)
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) (err error) {
		if err := tx.PutEntityCheck(ctx, m.clinic, verification.EntityState{Status: verification.Needed, UpdatedAt: source.Now(), Message: source.NewID()}); err != nil {
			return err
		}
		m.ids["/api/v3/outbox/messages"], err = outbox.Put(ctx, tx, source, registry.Caller{}, outbox.Message{Destination: "mvs", Operation: verification.CheckUNZR})
		return err
	}))
	m.ids["/api/v3/manual_merge_requests"] = post("proposer", "/api/v3/manual_merge_requests", fmt.Sprintf(`{"master_person_id":%q,"merge_person_id":%q,"reason":"одна людина, два записи"}`, other.PersonID, m.spare.String()))
	m.ids["/api/v3/black_list_users"] = post("nhs", "/api/v3/black_list_users", `{"tax_id":"3126509817","reason":"підробка"}`)
	m.ids["/api/pis/declaration_requests"] = post("citizen", "/api/pis/declaration_requests", fmt.Sprintf(`{"employee_id":%q,"division_id":%q}`, second.EmployeeID, second.DivisionID))

	now := source.Now()
	act := m.ids["/api/v3/declarations"] // any act will do
	invited := prm.EmployeeRequest{ID: source.NewID(), ActID: act, LegalEntityID: m.clinic, DivisionID: id(doctor.DivisionID), Status: prm.RequestNew, Invitation: registry.Digest{1},
		Body:       prm.EmployeeRequestBody{EmployeeType: "DOCTOR", Position: "P7", StartDate: registry.DateOf(now), Party: prm.PartyInput{LastName: "Запрошена", FirstName: "Особа", TaxID: "3067305998", Email: "z@example.org"}},
		InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
	asked := contract.Request{ID: source.NewID(), ActID: act, LegalEntityID: m.clinic, Status: contract.StatusNew, InsertedAt: now, UpdatedAt: now}
	asked.Body.StartDate, asked.Body.EndDate = registry.DateOf(now).AddDate(0, 0, 1), registry.DateOf(now).AddDate(0, 0, 30)
	running := contract.Contract{ID: source.NewID(), Number: "0000-МАТР-0001", RequestID: asked.ID, LegalEntityID: m.clinic, Status: "VERIFIED", StartDate: registry.DateOf(now), EndDate: registry.DateOf(now).AddDate(0, 0, 30), InsertedAt: now, UpdatedAt: now}
	relation := patient.Relationship{ID: source.NewID(), PersonID: id(citizen.PersonID), ConfidantPersonID: m.spare, IsActive: true, VerificationStatus: patient.VerificationNeeded,
		VerificationReason: patient.ReasonCreatedByDoctor, InsertedAt: now, UpdatedAt: now}
	user := access.User{ID: source.NewID(), Form: "tax-id", Number: "3126509817", Name: "Матрична Особа", SeenAt: now}
	m.ids["/api/v3/party_users"] = user.ID
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		e, err := tx.Employee(ctx, id(doctor.EmployeeID))
		if err != nil {
			return err
		}
		m.ids["/api/v3/parties"] = e.Party.ID
		for _, f := range []func() error{
			func() error { return tx.PutUser(ctx, user) },
			func() error { return tx.PutEmployeeRequest(ctx, invited) },
			func() error { return tx.PutContractRequest(ctx, asked) },
			func() error {
				return tx.PutContractDocument(ctx, contract.Document{ID: source.NewID(), RequestID: asked.ID, LegalEntityID: m.clinic, Type: contract.DocumentStatute, InsertedAt: now})
			},
			func() error { return tx.InsertContract(ctx, running) },
			func() error { return tx.PutRelationship(ctx, relation) },
			func() error { return tx.PutContainer(ctx, sha256.Sum256([]byte("c")), []byte("container")) },
		} {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}))
	places := kindsOf(t, store).places
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		return m.treat(ctx, tx, source, id(citizen.PersonID), places)
	}))
	m.ids["/api/v3/employee_requests"], m.ids["/api/v3/contract_requests/capitation"] = invited.ID, asked.ID
	m.ids["/api/v3/contracts/capitation"], m.ids["/api/v3/confidant_person_relationships"] = running.ID, relation.ID
	var job string
	conn := pgtest.Connect(t, dsn)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT id::text FROM jobs LIMIT 1`).Scan(&job), "a code was to be sent")
	m.ids["/api/v3/jobs"] = id(job)
}

// treat gives the patient a record of every kind that stands at an address of
// records: made by the clinic, and worked on there.
func (m *matrix) treat(ctx context.Context, tx *postgres.Tx, source registry.Source, patient registry.ID, places []record.Places) error {
	for _, k := range places {
		r := record.Record{ID: source.NewID(), Kind: k.Kind, PatientID: patient, AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic, HolderID: m.clinic, Number: "1234-5678-9012-3456", Status: "active",
			Body: []byte(`{"name":"лікування","type":"treatment","period":{"start":"2026-01-02T10:00:00Z"}}`), InsertedAt: source.Now(), UpdatedAt: source.Now()}
		m.ids[k.Path], m.ids[k.Own] = r.ID, r.ID
		if err := tx.InsertRecord(ctx, r); err != nil {
			return err
		}
	}
	if err := m.conclude(ctx, tx, source, patient); err != nil {
		return err
	}
	return m.prescribe(ctx, tx, source, patient)
}

// conclude gives the patient a medical conclusion, and the clinic a draft of one.
func (m *matrix) conclude(ctx context.Context, tx *postgres.Tx, source registry.Source, patient registry.ID) error {
	ref := func(kind string, id registry.ID) string {
		return fmt.Sprintf(`{"type":{"coding":[{"system":"eHealth/resources","code":%q}]},"value":%q}`, kind, id)
	}
	body := fmt.Sprintf(`{"type":{"coding":[{"system":"COMPOSITION_TYPES","code":"TEMP_DISABILITY"}]},"category":{"coding":[{"system":"COMPOSITION_CATEGORIES","code":"SICKNESS"}]},
"event":[{"code":{"coding":[{"system":"COMPOSITION_EVENTS","code":"COMPOSITION_VALIDITY_PERIOD"}]},"period":{"start":"2026-01-02T00:00:01Z","end":"2026-01-03T20:59:59Z"}}],
"subject":%s,"encounter":%s,"author":%s,"section":{"focus":%s},"title":"0A1E-2H3K-4M5P-6T7X","integration":[]}`,
		ref("person", patient), ref("encounter", m.ids["/api/v3/encounters"]), ref("employee", m.victim.EmployeeID), ref("person", patient))
	frozen, err := jcs.Canonicalize([]byte(body))
	if err != nil {
		return err
	}
	now := source.Now()
	r := record.Record{ID: source.NewID(), Kind: sickleave.Record, ActID: m.ids["/api/v3/declarations"], PatientID: patient, AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic,
		Status: "FINAL", Body: []byte(body), InsertedAt: now, UpdatedAt: now}
	d := intake.Draft{ID: source.NewID(), ActID: source.NewID(), Kind: sickleave.Name, Status: intake.StatusApproved, PersonID: patient, EmployeeID: m.victim.EmployeeID, PartyID: m.victim.PartyID,
		LegalEntityID: m.clinic, Data: []byte("{}"), ToBeSigned: frozen, AuthMethod: "NA", InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour)}
	m.ids["/api/v3/compositions"], m.ids["/api/pis/compositions"], m.ids["/api/v3/composition_requests"] = r.ID, r.ID, d.ID
	if err := tx.InsertRecord(ctx, r); err != nil {
		return err
	}
	return tx.InsertDraft(ctx, d)
}

// prescribe gives the patient a draft's prescription and what was dispensed of it.
func (m *matrix) prescribe(ctx context.Context, tx *postgres.Tx, source registry.Source, patient registry.ID) error {
	now, act := source.Now(), m.ids["/api/v3/declarations"] // any act will do
	rx := record.Record{ID: source.NewID(), Kind: prescription.KindRecord, ActID: act, PatientID: patient, AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic, Number: "0000-0000-0000-000A",
		Status: prescription.StatusActive, Body: []byte(`{"code":"4321","document":{"intent":"order","request_number":"0000-0000-0000-000A"}}`), InsertedAt: now, UpdatedAt: now}
	given := record.Record{ID: source.NewID(), Kind: dispense.KindRecord, PatientID: patient, AuthorID: m.victim.EmployeeID, LegalEntityID: m.clinic, BasedOnID: rx.ID,
		Status: dispense.StatusProcessed, Body: []byte(`{"document":{"dispensed_by":"зміна"}}`), InsertedAt: now, UpdatedAt: now}
	m.ids["/api/v3/medication_requests"], m.ids["/api/pis/medication_requests"] = rx.ID, rx.ID
	m.ids["/api/v3/medication_dispenses"], m.ids["/api/pis/medication_dispenses"], m.ids["/api/v3/reimbursement_report"] = given.ID, given.ID, given.ID
	for _, r := range []record.Record{rx, given} {
		if err := tx.InsertRecord(ctx, r); err != nil {
			return err
		}
	}
	if err := tx.TakePlace(ctx, dispense.Place{ID: given.ID, PrescriptionID: rx.ID, Status: given.Status, ProcessedOn: registry.DateOf(now)}); err != nil {
		return err
	}
	return tx.InsertReport(ctx, intake.Report{ID: source.NewID(), ActID: act, Container: sha256.Sum256([]byte("c")), Digest: "sha256:" + strings.Repeat("0", 64), Indication: "TOTAL-PASSED", Policy: "act", Body: []byte("{}"), CreatedAt: now})
}

// registerBody is a list of deaths that matches nobody.
const registerBody = `{"type":"DEATH_REGISTRATION","reason_description":"список померлих","file":"dHlwZSxudW1iZXIsZGVhdGhfZGF0ZQpUQVhfSUQsMzEyNjUwOTgxNywyMDIwLTAxLTAxCg=="}`
