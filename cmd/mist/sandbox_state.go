package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mist/fixtures/population"
	operatorpages "mist/portal/operator"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Roles of sandbox people.
const (
	roleDoctor     = "doctor"
	rolePharmacist = "pharmacist"
	roleCitizen    = "citizen"
	// Citizens of a special kind.
	roleCitizenOffline = "citizen_offline"
	roleCitizenNoTaxID = "citizen_no_tax_id"
	roleNamesake       = "namesake"
	roleCommonName     = "common_name"
	roleDuplicate      = "duplicate"
	roleSlip           = "slip" // one person with two records
	roleAuditor        = "auditor"
	roleNHSU           = "nhsu"
	roleNHSSigner      = "nhs_signer"
	roleDirector       = "director"
	rolePharmacyOwner  = "pharmacy_owner"
	// An owner who also treats: two positions in one clinic.
	roleOwner = "owner"
)

// Algorithms of sandbox keys.
const (
	algorithmDSTU  = "DSTU4145-M257"
	algorithmECDSA = "ECDSA-P256"
)

// sandboxPerson is one row of people in sandbox.json.
type sandboxPerson struct {
	Role          string `json:"role"`
	Name          string `json:"name"`
	RNOKPP        string `json:"rnokpp"`
	UNZR          string `json:"unzr"`
	EDRPOU        string `json:"edrpou,omitempty"` // of the organisation in the certificate
	BirthDate     string `json:"birth_date"`
	Key           string `json:"key"`
	Cert          string `json:"cert"`
	Algorithm     string `json:"algorithm"`
	PersonID      string `json:"person_id,omitempty"`
	EmployeeID    string `json:"employee_id,omitempty"`
	LegalEntityID string `json:"legal_entity_id,omitempty"`
	DivisionID    string `json:"division_id,omitempty"`
}

// sandboxNegative is a key that must be refused: what for, and whose it is.
type sandboxNegative struct {
	Case   string        `json:"case"` // revoked, untrusted_ca, expired
	Person sandboxPerson `json:"person"`
}

type sandboxClient struct {
	Name         string   `json:"name"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Type         string   `json:"type"`
	Scopes       []string `json:"scopes"`
	// RedirectURI is where a browser goes on after a login.
	RedirectURI string `json:"redirect_uri,omitempty"`
	// LegalEntityID is whose employees the client may act for.
	LegalEntityID string `json:"legal_entity_id,omitempty"`
}

type sandboxOrganisation struct {
	Name          string `json:"name"`
	EDRPOU        string `json:"edrpou"`
	LegalEntityID string `json:"legal_entity_id,omitempty"`
	SealKey       string `json:"seal_key"`
	SealCert      string `json:"seal_cert"`
}

type sandboxDivision struct {
	ID            string `json:"id"`
	LegalEntityID string `json:"legal_entity_id"`
}

// sandboxFile is sandbox.json: everything an outside program needs.
type sandboxFile struct {
	REST   string `json:"rest"`
	SOAP   string `json:"soap"`
	WSDL   string `json:"wsdl"`
	Admin  string `json:"admin"`
	TSA    string `json:"tsa"`
	OCSP   string `json:"ocsp"`
	OTPURL string `json:"otp_url"`
	// MessagesURL shows what the gateways would have sent.
	MessagesURL string `json:"messages_url"`
	// RegistersURL is the simulated registers: GET …seen, POST …world, POST …trouble.
	RegistersURL string `json:"registers_url"`
	Trust        string `json:"trust"`
	Log          struct {
		URL         string `json:"url"`
		VerifierKey string `json:"verifier_key"`
		WitnessKey  string `json:"witness_key"` // public key of the sandbox's witness
	} `json:"log"`
	Clients       []sandboxClient       `json:"clients"`
	People        []sandboxPerson       `json:"people"`
	Organisations []sandboxOrganisation `json:"organisations"`
	Divisions     []sandboxDivision     `json:"divisions"`
	XRoad         struct {
		Client  string `json:"client"`
		Service string `json:"service"`
	} `json:"xroad"`
	// Negative holds keys that must be refused, for tests.
	Negative []sandboxNegative `json:"negative"`
}

// sandboxState is what the sandbox remembers between starts: the rows it loads
// into the registry and the public side of sandbox.json.
type sandboxState struct {
	// Services is the address in the certificates' OCSP links; it cannot change.
	Services      string            `json:"services"`
	LegalEntities []prm.LegalEntity `json:"legal_entities"`
	Divisions     []prm.Division    `json:"divisions"`
	Employees     []prm.Employee    `json:"employees"`
	Persons       []storedPerson    `json:"persons"`
	Clients       []access.Client   `json:"clients"`
	// Page is the client of the citizen's page.
	Page registry.ID `json:"page"`
	// AuditPage is the client of the auditors' pages.
	AuditPage registry.ID `json:"audit_page"`
	// OperatorPage is the client of the operators' pages.
	OperatorPage registry.ID `json:"operator_page"`
	Public       sandboxFile `json:"public"`
}

// storedPerson keeps a person with the members that are not in its JSON form.
type storedPerson struct {
	Person             patient.Person `json:"person"`
	Status             patient.Status `json:"status"`
	VerificationStatus string         `json:"verification_status"`
}

const stateName = "state.json"

func loadState(dir string) (*sandboxState, error) {
	var s sandboxState
	if err := readJSONFile(filepath.Join(dir, stateName), &s); err != nil {
		return nil, fmt.Errorf("reading the sandbox (delete %s to begin anew): %w", dir, err)
	}
	return &s, nil
}

func readJSONFile(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(path string, b []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func writeJSONFile(path string, v any, mode os.FileMode) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(b, '\n'), mode)
}

// sandboxKeyMark is the first line of every secret the sandbox makes; a server
// of another profile refuses a key file that begins with it.
const sandboxKeyMark = "# mist sandbox key\n"

func writeSandboxSecret(path string, secret []byte) error {
	return writeFile(path, []byte(sandboxKeyMark+hex.EncodeToString(secret)+"\n"), 0o600)
}

// X-Road addresses of the sandbox.
const (
	sandboxService = "SANDBOX/GOV/00000002/mist"
	sandboxPortal  = "SANDBOX/GOV/00000001/diia"
	sandboxMIS     = "SANDBOX/COM/00000003/mis" // an information system that works by SOAP
)

// What acts bring by their own files of rights is added to these.
var misScopes = append(access.OfActs("MIS"),
	"declaration_request:write", "declaration_request:read", "declaration_request:approve",
	"declaration_request:sign", "declaration_request:reject",
	"declaration:read", "person:read", "person:search", "signature:verify", "event:read",
	"legal_entity:read", "division:read", "employee:read", "employee:deactivate",
	"person_request:write", "person_request:read", "person_request:approve", "person_request:sign", "person_request:reject",
	"legal_entity:write", "division:write", "division:activate", "division:deactivate",
	"employee_request:write", "employee_request:read", "employee_request:approve", "employee_request:reject",
	"contract_request:create", "contract_request:read", "contract_request:sign", "contract_request:terminate", "contract:read", "contract:update",
	"authentication_method_request:write", "authentication_method_request:read",
	"confidant_person_relationship_request:write", "confidant_person_relationship_request:read", "confidant_person_relationship:read",
	"approval:create", "approval:read", "approval:cancel", "emergency_access:create", "api_key:write", "api_key:read",
	"innm:read", "innm_dosage:read", "medication:read", "drugs:read", "medical_program:read", "program_medication:read",
)

// pharmacyScopes are those of a pharmacy's system.
var pharmacyScopes = append(access.OfActs("MIS"),
	"contract_request:create", "contract_request:read", "contract_request:sign", "contract_request:terminate", "contract:read",
	"legal_entity:read", "division:read", "employee:read", "signature:verify", "event:read",
	"innm:read", "innm_dosage:read", "medication:read", "drugs:read", "medical_program:read", "program_medication:read",
)

var citizenScopes = append(access.OfActs("CABINET"),
	"declaration_request:write_pis", "declaration_request:read_pis", "declaration_request:details_pis", "declaration_request:sign_pis", "declaration_request:reject_pis",
	"person:read_pis", "person:write_pis", "declaration:read_pis", "declaration:terminate_pis", "access_log:read_pis", "consent:read_pis", "consent:revoke_pis", "legal_entity:read", "division:read",
)

// sandboxRedirect is where the browsers of a sandbox go on after a login: a
// program of the newcomer's own.
const sandboxRedirect = "http://127.0.0.1:8090/callback"

var nhsScopes = append(access.OfActs("NHS"), "access_review:read", "access_review:write", "declaration:read", "declaration:read_nhs", "person:read", "person:read_nhs", "person:search", "declaration:verify", "declaration:terminate",
	"legal_entity:read", "division:read", "employee:read", "employee:read_nhs", "employee:deactivate", "party:read", "user:block", "user:unblock",
	"manual_merge_request:read", "manual_merge_request:write", "person:deactivate", "register:read", "register:write", "event:read",
	"legal_entity:nhs_verify", "legal_entity:deactivate", "legal_entity:merge", "legal_entity:hide", "settlement:write", "bl_user:read", "bl_user:write", "bl_user:deactivate",
	"contract_request:read", "contract_request:update", "contract_request:sign", "contract:read", "contract:read_nhs", "contract:update", "contract:terminate",
	"dictionary:write", "global_parameters:write", "person_verification:read", "person_verification:write", "payment_register:read", "payment_register:write",
	"person:reset_authentication_method", "confidant_person_relationship:read", "confidant_person_relationship:verify",
	"innm:read", "innm_dosage:read", "medication:read", "drugs:read", "medical_program:read", "program_medication:read")

// populate makes the sandbox's people and clinics. Keys and certificates are
// filled in by the caller.
func populate(source registry.Source, seed uint64) *sandboxState {
	g := population.New(seed)
	now := source.Now()
	today := registry.DateOf(now)
	s := &sandboxState{}
	id := func() registry.ID { return source.NewID() }

	addClient := func(name, kind string, entity registry.ID, scopes []string) {
		secret := hex.EncodeToString(source.Bytes(24))
		salt := source.Bytes(16)
		c := access.Client{ID: id(), Name: name, Type: kind, LegalEntityID: entity, Scopes: scopes, SecretHash: access.HashSecret(secret, salt), SecretSalt: salt}
		if kind != "AUDITOR" {
			c.RedirectURIs = []string{sandboxRedirect}
		}
		s.Clients = append(s.Clients, c)
		public := sandboxClient{Name: name, ClientID: c.ID.String(), ClientSecret: secret, Type: kind, Scopes: scopes}
		if kind != "AUDITOR" {
			public.RedirectURI = sandboxRedirect
		}
		if !entity.IsZero() {
			public.LegalEntityID = entity.String()
		}
		s.Public.Clients = append(s.Public.Clients, public)
	}
	addHuman := func(role, algorithm string, h population.Human) *sandboxPerson {
		s.Public.People = append(s.Public.People, describe(role, algorithm, h))
		return &s.Public.People[len(s.Public.People)-1]
	}
	addEmployee := func(p *sandboxPerson, h population.Human, kind, position, speciality string, l prm.LegalEntity, d prm.Division) {
		e := prm.Employee{
			ID: id(), LegalEntityID: l.ID, DivisionID: d.ID, Party: population.Party(h, id()), Type: kind,
			Position: position, Speciality: speciality, Status: "APPROVED", StartDate: today.AddDate(-3, 0, 0),
		}
		s.Employees = append(s.Employees, e)
		p.EmployeeID, p.LegalEntityID, p.DivisionID = e.ID.String(), l.ID.String(), d.ID.String()
	}
	addPatient := func(h population.Human) registry.ID {
		p := population.Patient(h, id(), now)
		s.Persons = append(s.Persons, storedPerson{p, p.Status, p.VerificationStatus})
		return p.ID
	}

	clinic := func(name string) (prm.LegalEntity, prm.Division) {
		l, d := g.Clinic(name, id(), id())
		s.LegalEntities, s.Divisions = append(s.LegalEntities, l), append(s.Divisions, d)
		s.Public.Organisations = append(s.Public.Organisations, sandboxOrganisation{Name: name, EDRPOU: string(l.EDRPOU), LegalEntityID: l.ID.String()})
		s.Public.Divisions = append(s.Public.Divisions, sandboxDivision{d.ID.String(), l.ID.String()})
		return l, d
	}
	first, firstDivision := clinic("Амбулаторія «Зразкова»")
	second, secondDivision := clinic("Клініка «Навчальна»")
	pharmacy, pharmacyDivision := clinic("Аптека «Пісочна»")
	nhsu, _ := clinic("НСЗУ (пісочниця)")
	for i := range s.LegalEntities {
		switch s.LegalEntities[i].ID {
		case pharmacy.ID:
			s.LegalEntities[i].Type, s.Divisions[i].Type = "PHARMACY", "DRUGSTORE"
		case nhsu.ID:
			s.LegalEntities[i].Type = "NHS"
		}
	}
	addClient("МІС «Зразкова»", "MIS", first.ID, misScopes)
	addClient("МІС «Навчальна»", "MIS", second.ID, misScopes)
	addClient("НСЗУ (пісочниця)", "NHS", nhsu.ID, nhsScopes)
	addClient("Оператор Mist", "OPERATOR", registry.ID{}, []string{"job:read", "job:write", "outbox:read", "outbox:write"})
	addClient("Аудитор журналу", "AUDITOR", registry.ID{}, []string{"audit:read", "signature:verify"})
	addClient("Кабінет громадянина", "CABINET", registry.ID{}, citizenScopes)
	// The citizen's page of Mist itself: a client without a secret.
	s.Page = id()
	s.Clients = append(s.Clients, access.Client{ID: s.Page, Name: "Сторінка громадянина", Type: "CABINET", Public: true,
		Scopes: []string{"access_log:read_pis", "composition:read_pis", "consent:read_pis", "consent:revoke_pis", "dispute:write_pis", "medication_request:read_pis"}})
	s.AuditPage = id()
	s.Clients = append(s.Clients, access.Client{ID: s.AuditPage, Name: "Сторінки аудитора", Type: "AUDITOR", Public: true, Scopes: []string{"audit:read"}})
	s.OperatorPage = id()
	addClient("МІС «Аптечна»", "MIS", pharmacy.ID, pharmacyScopes)
	s.Clients = append(s.Clients, access.Client{ID: s.OperatorPage, Name: "Сторінки оператора", Type: "NHS", LegalEntityID: nhsu.ID, Public: true, Scopes: strings.Fields(operatorpages.Scopes)})

	for _, a := range []string{algorithmDSTU, algorithmECDSA} {
		h := g.Human(30, 60, today)
		addEmployee(addHuman(roleDoctor, a, h), h, "DOCTOR", "P3", "FAMILY_DOCTOR", first, firstDivision)
	}
	h := g.Human(30, 60, today)
	addEmployee(addHuman(roleDoctor, algorithmDSTU, h), h, "DOCTOR", "P3", "FAMILY_DOCTOR", second, secondDivision)
	for _, a := range []string{algorithmDSTU, algorithmECDSA} {
		h := g.Human(25, 60, today)
		addEmployee(addHuman(rolePharmacist, a, h), h, "PHARMACIST", "P18", "", pharmacy, pharmacyDivision)
	}
	for _, a := range []string{algorithmDSTU, algorithmECDSA, algorithmDSTU} {
		h := g.Human(20, 70, today)
		addHuman(roleCitizen, a, h).PersonID = addPatient(h).String()
	}
	h = g.Human(30, 60, today)
	addEmployee(addHuman(roleAuditor, algorithmDSTU, h), h, "AUDITOR", "P5", "", nhsu, prm.Division{})
	for _, a := range []string{algorithmDSTU, algorithmECDSA} { // two: what one proposes another agrees to
		h = g.Human(30, 60, today)
		addEmployee(addHuman(roleNHSU, a, h), h, "NHS ADMIN", "P1", "", nhsu, prm.Division{})
	}
	h = g.Human(30, 60, today)
	owner := addHuman(roleOwner, algorithmDSTU, h)
	addEmployee(owner, h, "SPECIALIST", "P8", "THERAPIST", first, firstDivision)
	treats := &s.Employees[len(s.Employees)-1]
	addEmployee(owner, h, "OWNER", "P1", "", first, firstDivision)
	s.Employees[len(s.Employees)-1].Party.ID = treats.Party.ID
	// A patient who confirms by documents, and one who has no tax number.
	h = g.Human(20, 70, today)
	p := population.Patient(h, id(), now)
	p.AuthenticationMethods = []patient.AuthenticationMethod{{Type: "OFFLINE"}}
	s.Persons = append(s.Persons, storedPerson{p, p.Status, p.VerificationStatus})
	addHuman(roleCitizenOffline, algorithmDSTU, h).PersonID = p.ID.String()
	h = g.Human(20, 70, today)
	p = population.Patient(h, id(), now)
	p.TaxID, p.NoTaxID = "", true
	s.Persons = append(s.Persons, storedPerson{p, p.Status, p.VerificationStatus})
	addHuman(roleCitizenNoTaxID, algorithmDSTU, h).PersonID = p.ID.String()
	for range 20 {
		addPatient(g.Human(0, 80, today))
	}
	// Two records for a merge by hand.
	for range 2 {
		h := g.Human(30, 60, today)
		addHuman(roleDuplicate, algorithmDSTU, h).PersonID = addPatient(h).String()
	}
	// Namesakes of one birth date, for the search protocol: two, and six.
	for _, n := range []struct {
		role  string
		count int
	}{{roleNamesake, 2}, {roleCommonName, 6}} {
		first := g.Human(30, 60, today)
		for i := range n.count {
			h := g.Human(30, 60, today)
			h.LastName, h.FirstName, h.SecondName, h.Gender = first.LastName, first.FirstName, first.SecondName, first.Gender
			h.BirthDate = first.BirthDate
			h.UNZR = registry.UNZR(fmt.Sprintf("%s-%05d", string(first.UNZR[:8]), i))
			if i == 0 {
				addHuman(n.role, algorithmECDSA, h).PersonID = addPatient(h).String()
			} else {
				addPatient(h)
			}
		}
	}
	// Keys that must be refused. The doctors are approved, so that only the key is wrong.
	for _, c := range []string{"revoked", "untrusted_ca", "expired"} {
		h := g.Human(30, 60, today)
		p := describe(roleDoctor, algorithmDSTU, h)
		addEmployee(&p, h, "DOCTOR", "P3", "FAMILY_DOCTOR", first, firstDivision)
		s.Public.Negative = append(s.Public.Negative, sandboxNegative{Case: c, Person: p})
	}
	// The portal's own seal: its EDRPOU is the member code of its X-Road address.
	s.Public.Organisations = append(s.Public.Organisations, sandboxOrganisation{Name: "Портал Дія (пісочниця)", EDRPOU: strings.Split(sandboxPortal, "/")[2]})
	// Who signs contracts for the NHSU, and a head whose company is not registered yet.
	h = g.Human(30, 60, today)
	addEmployee(addHuman(roleNHSSigner, algorithmDSTU, h), h, "NHS ADMIN SIGNER", "P5", "", nhsu, prm.Division{})
	addHuman(roleDirector, algorithmDSTU, g.Human(30, 60, today)).EDRPOU = string(g.EDRPOU())
	// One person with two records, as slips make them: day and month exchanged,
	// a Latin letter in the surname.
	for h = g.Human(30, 60, today); h.BirthDate.Day > 12 || h.BirthDate.Day == int(h.BirthDate.Month) || !strings.ContainsAny(h.LastName, "аеіорсху"); {
		h = g.Human(30, 60, today)
	}
	addHuman(roleSlip, algorithmDSTU, h).PersonID = addPatient(h).String()
	h.BirthDate.Day, h.BirthDate.Month = int(h.BirthDate.Month), time.Month(h.BirthDate.Day)
	h.LastName = latinLetter(h.LastName)
	h.UNZR = registry.UNZR(strings.ReplaceAll(h.BirthDate.String(), "-", "") + string(h.UNZR[8:]))
	addHuman(roleSlip, algorithmDSTU, h).PersonID = addPatient(h).String()
	// The head of the pharmacy, who signs its contracts of reimbursement.
	h = g.Human(30, 60, today)
	addEmployee(addHuman(rolePharmacyOwner, algorithmDSTU, h), h, "PHARMACY_OWNER", "P1", "", pharmacy, pharmacyDivision)
	s.Public.XRoad.Client, s.Public.XRoad.Service = sandboxPortal, sandboxService
	return s
}

// latinLetter puts a Latin letter in the place of the first Ukrainian one that looks like it.
func latinLetter(name string) string {
	for i, r := range name {
		if at := strings.IndexRune("аеіорсху", r); at >= 0 {
			return name[:i] + string("aeiopcxy"[at/2]) + name[i+len(string(r)):]
		}
	}
	return name
}

func describe(role, algorithm string, h population.Human) sandboxPerson {
	return sandboxPerson{
		Role: role, Algorithm: algorithm, Name: h.LastName + " " + h.FirstName + " " + h.SecondName,
		RNOKPP: string(h.RNOKPP), UNZR: string(h.UNZR), BirthDate: h.BirthDate.String(),
	}
}
