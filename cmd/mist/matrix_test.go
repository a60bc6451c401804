package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"mist/portal"
	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/dictionary"
	"mist/registry/postgres"
	"mist/registry/postgres/pgtest"
	"mist/registry/verification"
	"mist/signature"
)

// The authorisation matrix: every operation of openapi.yaml that demands a
// token, asked for objects of one clinic by everybody there is. What each is
// answered stands in testdata/matrix.tsv: 401, 403, 404, or pass where the
// answer is about the matter and not about the right. An operation without a
// row fails; -update writes the table anew, and the difference is reviewed.
var updateMatrix = flag.Bool("update", false, "write testdata/matrix.tsv anew")

const matrixFile = "testdata/matrix.tsv"

// actors in the order they ask: who may do least comes first.
var actors = []string{"nobody", "auditor", "operator", "other_citizen", "other_system", "other_doctor", "citizen", "key", "system", "pharmacist", "pharmacy_owner", "accountant", "hr",
	"receptionist", "assistant", "surgeon", "specialist", "doctor", "admin", "owner", "nhs_verifier", "nhs_signer", "nhs_admin", "nhs"}

// foreign are those to whom the clinic's objects do not exist.
var foreign = []string{"nobody", "auditor", "operator", "other_citizen", "other_system", "other_doctor"}

// matrix is one database with a clinic, its patient and what both have.
type matrix struct {
	cluster *pgtest.Cluster
	world   string // the database that others are copies of
	copies  int
	state   *sandboxState
	tokens  map[string]string
	ids     map[string]registry.ID // path prefix → an object of the clinic
	clinic  registry.ID
	victim  registry.Caller // the clinic's doctor, for forging
	// otherClinic and otherCitizen are to whom nothing of the clinic is known.
	otherClinic, otherCitizen registry.ID
	spare                     registry.ID       // a record nobody else needs
	bodies                    map[string]string // operations that want a body about somebody
	secrets                   []string          // what must never be told abroad
}

// noSignature refuses every container: rights are judged before signatures are.
type noSignature struct{}

func (noSignature) Verify(context.Context, signature.Input, signature.Policy) (*signature.Result, error) {
	return nil, errors.New("no signature is verified in this test")
}

// handler builds REST as serve does. forge stands in the test alone: it may
// change what the rooms believe about the caller, never whose rows the database shows.
func (m *matrix) handler(t *testing.T, dsn string, forge func(registry.Caller) registry.Caller) (http.Handler, *postgres.Store) {
	t.Helper()
	store := pgtest.Open(t, dsn)
	s := &server{cfg: defaultConfig(), store: store, source: registry.SystemSource(), log: slog.New(slog.DiscardHandler)}
	s.cfg.Profile, s.cfg.Media.Dir = profileSandbox, t.TempDir()
	key := bytes.Repeat([]byte{7}, 32)
	policies, err := signature.ParsePolicyTable(policyTable)
	require.NoError(t, err)
	documents, err := s.newDocuments(t.Context(), pgtest.Keys(t), key)
	require.NoError(t, err)
	dictionaries, err := dictionary.New(postgres.NewPort[dictionary.Tx](store), s.source)
	require.NoError(t, err)
	made := parts{store, s.source, noSignature{}, policies, documents.media, key, s.cfg.Limits, dictionaries, verification.Starter{}}
	acts, err := actKinds(made)
	require.NoError(t, err)
	rooms, err := newRooms(store, s.source, key, s.cfg.Limits, &exchangeRooms{})
	require.NoError(t, err)
	providers, err := newProviderRooms(made, rooms.life.EndOfDismissed)
	require.NoError(t, err)
	service, err := access.New(access.Config{
		Store: postgres.NewPort[access.Tx](store).Everywhere(), Walled: postgres.NewPort[access.Tx](store), Verifier: noSignature{}, Policies: policies,
		Source: s.source, Lives: access.DefaultLives(), Key: key, Audience: "http://matrix.test", Profile: "test",
	})
	require.NoError(t, err)
	citizens, err := pis(made)
	require.NoError(t, err)
	limits := portal.DefaultLimits()
	limits.Client, limits.User, limits.Token, limits.Address = portal.Rate{}, portal.Rate{}, portal.Rate{}, portal.Rate{}
	h, err := portal.New(acts.serve(rooms.serve(documents.serve(providers.serve(portal.Config{
		BaseURL: "http://matrix.test", Access: forged{service, forge}, APIKeys: service, Signatures: noSignature{}, Source: s.source, Log: s.log, Limits: limits,
		Rooms: []portal.Room{citizens, portal.Parties(service)},
	})))))
	require.NoError(t, err)
	return h, store
}

// forged removes the checks of the application: it lets the caller be believed
// to be somebody else.
type forged struct {
	*access.Service
	forge func(registry.Caller) registry.Caller
}

func (f forged) Authenticate(ctx context.Context, bearer string, certificate []byte) (registry.Caller, error) {
	c, err := f.Service.Authenticate(ctx, bearer, certificate)
	if err == nil && f.forge != nil {
		c = f.forge(c)
	}
	return c, err
}

func newMatrix(t *testing.T, cluster *pgtest.Cluster) *matrix {
	t.Helper()
	source := registry.SystemSource()
	m := &matrix{cluster: cluster, state: populate(source, 42), tokens: map[string]string{}, ids: map[string]registry.ID{}, world: "world"}
	server := cluster.Server(t)
	require.NoError(t, server.EnsureDatabase(t.Context(), m.world))
	require.NoError(t, postgres.Migrate(t.Context(), server.DSN(m.world)))
	store := pgtest.Open(t, server.DSN(m.world))
	require.NoError(t, (&sandbox{state: m.state}).load(t.Context(), store))

	first := m.state.Clients[0].LegalEntityID
	m.clinic = first
	var doctor, second, otherDoctor, owner, citizen, otherCitizen sandboxPerson
	for _, p := range m.state.Public.People {
		switch {
		case p.Role == roleDoctor && p.LegalEntityID == first.String() && doctor.EmployeeID == "":
			doctor = p
		case p.Role == roleDoctor && p.LegalEntityID == first.String():
			second = p
		case p.Role == roleDoctor && p.LegalEntityID != first.String():
			otherDoctor = p
		case p.Role == roleOwner:
			owner = p
		case p.Role == roleCitizen && citizen.PersonID == "":
			citizen = p
		case p.Role == roleCitizen && otherCitizen.PersonID == "":
			otherCitizen = p
		}
	}
	id := func(s string) registry.ID {
		v, err := registry.ParseID(s)
		require.NoError(t, err)
		return v
	}
	party := map[registry.ID]registry.ID{}
	for _, e := range m.state.Employees {
		party[e.ID] = e.Party.ID
	}
	client := func(kind string, n int) access.Client {
		for _, c := range m.state.Clients {
			if c.Type == kind {
				if n == 0 {
					return c
				}
				n--
			}
		}
		t.Fatalf("no client of type %s", kind)
		return access.Client{}
	}
	token := func(name string, c access.Client, employee, role, person string) {
		plain := strings.Repeat("x", 43-len(name)) + name
		tk := access.Token{Hash: sha256.Sum256([]byte(plain)), ClientID: c.ID, LegalEntityID: c.LegalEntityID, Role: role, Scopes: access.Effective(c, role),
			IssuedAt: source.Now(), ExpiresAt: source.Now().Add(time.Hour)}
		if employee != "" {
			tk.EmployeeID = id(employee)
			tk.PartyID = party[tk.EmployeeID]
		}
		if person != "" {
			tk.PersonID = id(person)
		}
		require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error { return tx.InsertToken(ctx, tk) }))
		m.tokens[name] = plain
	}
	token("auditor", client("AUDITOR", 0), "", "", "")
	token("other_citizen", client("CABINET", 0), "", registry.RolePatient, otherCitizen.PersonID)
	token("other_system", client("MIS", 1), "", "", "")
	token("other_doctor", client("MIS", 1), otherDoctor.EmployeeID, "DOCTOR", "")
	token("citizen", client("CABINET", 0), "", registry.RolePatient, citizen.PersonID)
	token("system", client("MIS", 0), "", "", "")
	token("doctor", client("MIS", 0), doctor.EmployeeID, "DOCTOR", "")
	token("owner", client("MIS", 0), owner.EmployeeID, "OWNER", "")
	token("nhs", client("NHS", 0), "", "", "")
	token("operator", client("OPERATOR", 0), "", "", "")
	m.employ(t, store, source, client("MIS", 0), client("NHS", 0), id(doctor.DivisionID))
	m.spare = m.state.Persons[len(m.state.Persons)-1].Person.ID
	m.otherClinic, m.otherCitizen = id(otherDoctor.LegalEntityID), id(otherCitizen.PersonID)
	m.victim = registry.Caller{LegalEntityID: first, EmployeeID: id(doctor.EmployeeID), PartyID: party[id(doctor.EmployeeID)], Role: "DOCTOR", ClientType: "MIS"}

	// What the clinic and its patient have: a declaration, a draft, an approval,
	// an emergency access, a key.
	person := id(citizen.PersonID)
	require.NoError(t, store.Update(t.Context(), func(ctx context.Context, tx *postgres.Tx) error {
		now := source.Now()
		act := registry.Act{ID: source.NewID(), Kind: "declaration", Version: 1, PatientID: person, AuthorID: m.victim.EmployeeID, LegalEntityID: first,
			Container: sha256.Sum256([]byte("c")), Content: sha256.Sum256([]byte("d")), AcceptedAt: now}
		m.ids["/api/v3/declarations"] = act.ID
		if err := tx.InsertAct(ctx, act); err != nil {
			return err
		}
		d := declaration.Declaration{ID: act.ID, ActID: act.ID, Number: "0001-TEST-0001", RequestID: source.NewID(), PersonID: person, EmployeeID: m.victim.EmployeeID,
			DivisionID: id(doctor.DivisionID), LegalEntityID: first, Scope: "family_doctor", StartDate: registry.DateOf(now), EndDate: registry.DateOf(now).AddDate(40, 0, 0),
			SignedAt: now, Status: declaration.StatusActive, Seed: strings.Repeat("0", 64), InsertedAt: now, UpdatedAt: now}
		if err := tx.InsertDeclaration(ctx, d); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.ActAccepted, Channel: "rest", RequestID: "matrix", SubjectID: person,
			Act: &audit.ActRef{ID: act.ID, Kind: "declaration", Container: act.Container[:], Content: act.Content[:]}})
		return err
	}))
	h, made := m.handler(t, server.DSN(m.world), nil)
	post := func(who, path, body string) registry.ID {
		w := m.ask(h, who, "POST", path, body)
		require.Equal(t, 201, w.Code, "%s: %s", path, w.Body)
		var answer struct {
			Data struct {
				ID  registry.ID `json:"id"`
				Key string      `json:"api_key"`
			} `json:"data"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		if answer.Data.Key != "" {
			m.tokens["key"] = answer.Data.Key
		}
		return answer.Data.ID
	}
	m.ids["/api/v3/declaration_requests"] = post("doctor", "/api/v3/declaration_requests", fmt.Sprintf(`{"person_id":%q,"employee_id":%q,"division_id":%q}`, citizen.PersonID, doctor.EmployeeID, doctor.DivisionID))
	m.ids["/api/v3/approvals"] = post("doctor", "/api/v3/approvals", fmt.Sprintf(`{"patient_id":%q,"reason":"огляд"}`, citizen.PersonID))
	m.ids["/api/v3/access_reviews"] = post("doctor", "/api/v3/persons/"+citizen.PersonID+"/emergency_accesses", `{"reason":"UNCONSCIOUS","explanation":"доставлена непритомною з вулиці"}`)
	m.ids["/api/v3/api_keys"] = post("owner", "/api/v3/api_keys", `{"name":"звіт","scopes":["declaration:read","division:read","employee:read","legal_entity:read","edge:sync"]}`)
	today := registry.DateOf(source.Now()).String()
	m.ids["/api/v3/medication_request_requests"] = post("doctor", "/api/v3/medication_request_requests", fmt.Sprintf(
		`{"medication_request_request":{"person_id":%q,"employee_id":%q,"division_id":%q,"created_at":%q,"started_at":%q,"ended_at":%q,"medication_id":"0190b000-0002-7000-8000-000000000003","medication_qty":20,"intent":"order","category":"community"}}`,
		citizen.PersonID, doctor.EmployeeID, doctor.DivisionID, today, today, today))
	m.ids["/api/v3/persons"] = person
	m.ids["/api/pis/declarations"] = m.ids["/api/v3/declarations"]
	m.furnish(t, store, source, server.DSN(m.world), post, citizen, otherCitizen, doctor, second)
	names := strings.Fields(citizen.Name)
	m.bodies = map[string]string{
		"searchMedicationRequest":  `{"request_number":"0000-0000-0000-000A"}`,
		"searchPersons":            fmt.Sprintf(`{"purpose":"medical_care","last_name":%q,"first_name":%q,"birth_date":%q}`, names[0], names[1], citizen.BirthDate),
		"createRegister":           registerBody,
		"closeEpisode":             `{"closing_reason":"recovered"}`,
		"createManualMergeRequest": fmt.Sprintf(`{"master_person_id":%q,"merge_person_id":%q,"reason":"одна людина, два записи"}`, otherCitizen.PersonID, citizen.PersonID),
	}
	for path, n := range map[string]int{"innm_dosages": 2, "medications": 3, "medical_programs": 4, "program_medications": 5} { // of the sandbox's file
		m.ids["/api/v3/"+path] = id(fmt.Sprintf("0190b000-%04d-7000-8000-000000000001", n))
	}
	m.ids["/api/v3/legal_entities"], m.ids["/api/v3/divisions"], m.ids["/api/v3/employees"] = first, id(doctor.DivisionID), id(doctor.EmployeeID)
	m.secrets = []string{citizen.RNOKPP, citizen.UNZR, "0001-TEST-0001", strings.Fields(citizen.Name)[0] + `"`, "непритомною"}
	require.NoError(t, made.Close(context.Background()))
	require.NoError(t, store.Close(context.Background()))
	return m
}

// copy gives a database of its own, so that what one operation does is not met by another.
func (m *matrix) copy(t *testing.T) string {
	t.Helper()
	m.copies++
	name := fmt.Sprintf("matrix_%d", m.copies)
	conn := pgtest.Connect(t, m.cluster.Server(t).DSN("postgres"))
	_, err := conn.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+m.world)
	require.NoError(t, err)
	return m.cluster.Server(t).DSN(name)
}

func (m *matrix) ask(h http.Handler, who, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token := m.tokens[who]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// asked is one operation as everybody asks for it.
type asked struct{ id, method, path, body string }

// operations are those that demand a token, with the clinic's own object in the
// path and a body that keeps the contract.
func (m *matrix) operations(t *testing.T) (list []asked) {
	t.Helper()
	spec, err := os.ReadFile(filepath.Join("..", "..", "portal", "openapi.yaml"))
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.Security != nil && len(*op.Security) == 0 {
				continue
			}
			a := asked{id: op.OperationID, method: method}
			prefix, _, _ := strings.Cut(path, "/{id}")
			object, known := m.ids[prefix]
			if !known {
				object = m.ids["/api/v3/persons"] // an id that is no such object
			}
			a.path = strings.NewReplacer("{id}", object.String(), "{destination}", "mvs").Replace(path)
			var query []string
			for _, p := range op.Parameters {
				if p.Value.In == "query" && p.Value.Required {
					query = append(query, p.Value.Name+"="+fmt.Sprint(m.sample(p.Value.Name, p.Value.Schema.Value)))
				}
			}
			if len(query) > 0 {
				a.path += "?" + strings.Join(query, "&")
			}
			if op.RequestBody != nil && op.RequestBody.Value.Content["application/json"] != nil {
				b, err := json.Marshal(m.sample("", op.RequestBody.Value.Content["application/json"].Schema.Value))
				require.NoError(t, err)
				a.body = string(b)
			}
			if a.id == "updateDictionary" {
				a.path += "?name=GENDER"
			}
			if body, given := m.bodies[a.id]; given {
				a.body = body
			}
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b asked) int { return strings.Compare(a.id, b.id) })
	return list
}

// sample is the least value a schema takes.
func (m *matrix) sample(name string, s *openapi3.Schema) any {
	switch {
	case s.Example != nil:
		return s.Example
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return m.sample(name, s.OneOf[0].Value)
	case len(s.AllOf) > 0:
		out := map[string]any{}
		for _, part := range s.AllOf {
			if o, ok := m.sample(name, part.Value).(map[string]any); ok {
				for k, v := range o {
					out[k] = v
				}
			}
		}
		return out
	}
	switch {
	case s.Type.Is("object"):
		out := map[string]any{}
		for _, member := range s.Required {
			if p := s.Properties[member]; p != nil {
				out[member] = m.sample(member, p.Value)
			}
		}
		return out
	case s.Type.Is("array"):
		if s.MinItems > 0 {
			return []any{m.sample(name, s.Items.Value)}
		}
		return []any{}
	case s.Type.Is("integer"), s.Type.Is("number"):
		if s.Min != nil {
			return *s.Min
		}
		return 1
	case s.Type.Is("boolean"):
		return true
	}
	switch {
	case strings.HasPrefix(name, "signed_") && !strings.HasSuffix(name, "_encoding"):
		return "AAAA"
	case name == "reason":
		return "підстава, названа словами"
	}
	switch s.Format {
	case "uuid":
		if strings.Contains(name, "person") || strings.Contains(name, "patient") {
			return m.ids["/api/v3/persons"].String()
		}
		return m.ids["/api/v3/employees"].String()
	case "date":
		return "2026-01-01"
	case "date-time":
		return "2026-01-01T00:00:00Z"
	case "byte":
		return "AAAA"
	}
	if s.Pattern != "" {
		for _, try := range []string{"1234", "3126509817", "+380930000000", "19900228-01234", "00000000", "01001", "2026", "АБ123456", "0001-AAAA-AAAA", "a", "08:00", "12345678"} {
			if s.VisitJSONString(try) == nil {
				return try
			}
		}
	}
	return strings.Repeat("опис ", int(s.MinLength)/5+1)
}

// outcome says what an answer is about.
func outcome(w *httptest.ResponseRecorder) string {
	var body struct {
		Error struct {
			Reason string `json:"reason"`
		} `json:"error"`
	}
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	switch {
	case w.Code == 403 && strings.HasPrefix(body.Error.Reason, "otp_"):
		return "pass" // the code is wrong, the right is there
	case w.Code == 403 && (body.Error.Reason == "invitation" || strings.HasPrefix(body.Error.Reason, "status_") || body.Error.Reason == "side"),
		w.Code == 404 && (body.Error.Reason == "not_sealed" || body.Error.Reason == "not_signed_by_patient"):
		return "pass" // the right is there, the state or the secret is not
	case w.Code == 503:
		return "pass" // signatures are not verified here
	case w.Code == 401, w.Code == 403, w.Code == 404, w.Code >= 500:
		return fmt.Sprint(w.Code)
	}
	return "pass"
}

func TestAuthorisationMatrix(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	got := map[string][]string{}
	read, _ := m.handler(t, m.copy(t), nil)
	for _, op := range m.operations(t) {
		h := read
		if op.method != http.MethodGet {
			h, _ = m.handler(t, m.copy(t), nil)
		}
		for _, who := range actors {
			w := m.ask(h, who, op.method, op.path, op.body)
			got[op.id] = append(got[op.id], outcome(w))
			require.NotEqual(t, 500, w.Code, "%s as %s: %s", op.id, who, w.Body)
			if slices.Contains(foreign, who) {
				for _, secret := range m.secrets {
					require.NotContains(t, w.Body.String(), secret, "%s tells %s of another clinic's patient", op.id, who)
				}
			}
		}
	}
	if *updateMatrix {
		var b strings.Builder
		b.WriteString("operation\t" + strings.Join(actors, "\t") + "\n")
		for _, op := range m.operations(t) {
			b.WriteString(op.id + "\t" + strings.Join(got[op.id], "\t") + "\n")
		}
		require.NoError(t, os.WriteFile(matrixFile, []byte(b.String()), 0o644))
	}
	text, err := os.ReadFile(matrixFile)
	require.NoError(t, err)
	want := map[string][]string{}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		cells := strings.Split(line, "\t")
		require.Len(t, cells, len(actors)+1, "line %d", i+1)
		if i == 0 {
			require.Equal(t, actors, cells[1:])
			continue
		}
		want[cells[0]] = cells[1:]
	}
	for id, cells := range got {
		require.Equal(t, want[id], cells, "%s: who may what has changed, or a new operation has no row in %s", id, matrixFile)
		require.Equal(t, "401", cells[0], "%s without a token", id)
		require.Contains(t, cells, "pass", "%s is refused to everybody: give the world an object or the actors a right", id)
		if id != "verifySignature" && id != "validateSignedEntity" && id != "listRequestLog" { // the log of its own requests
			require.Equal(t, "403", cells[slices.Index(actors, "auditor")], "%s: an auditor has the log alone", id)
		}
	}
	require.Len(t, want, len(got), "rows of operations that are no more")
}

// With the checks of the application removed (the rooms are made to believe
// that another clinic's doctor is the clinic's own, or its patient, and that another
// citizen is its patient, each with every scope there is), the database shows and
// changes nothing of the clinic.
func TestRowSecurityHoldsAlone(t *testing.T) {
	cluster := &pgtest.Cluster{}
	t.Cleanup(cluster.Stop)
	m := newMatrix(t, cluster)
	all := access.Scopes()
	patient := registry.Caller{PersonID: m.ids["/api/v3/persons"], Role: registry.RolePatient, ClientType: "CABINET"}
	as := func(believed registry.Caller) func(c registry.Caller) registry.Caller {
		return func(c registry.Caller) registry.Caller {
			f := believed
			f.Channel, f.ClientID, f.ClientName, f.Rows, f.Scopes = c.Channel, c.ClientID, c.ClientName, c.Rows, all
			return f
		}
	}
	honest, _ := m.handler(t, m.copy(t), nil)
	for who, path := range map[string]string{"doctor": "/api/v3/declarations/", "citizen": "/api/pis/declarations/"} {
		w := m.ask(honest, who, "GET", path+m.ids["/api/v3/declarations"].String(), "")
		require.Contains(t, w.Body.String(), "0001-TEST-0001", "the unmutated twin: %s is told", who)
	}
	var wrong []string
	for _, forged := range []struct {
		who      string
		believed registry.Caller
	}{{"other_doctor", m.victim}, {"other_citizen", patient}, {"other_doctor", patient}} {
		dsn := m.copy(t)
		h, _ := m.handler(t, dsn, as(forged.believed))
		conn := pgtest.Connect(t, dsn)
		list := walls(t, conn)
		before := m.digest(t, conn, list)
		for _, op := range m.operations(t) {
			w := m.ask(h, forged.who, op.method, op.path, op.body)
			for _, secret := range m.secrets {
				if strings.Contains(w.Body.String(), secret) {
					wrong = append(wrong, fmt.Sprintf("%s as %s tells %s", op.id, forged.who, secret))
				}
			}
			now := m.digest(t, conn, list)
			for table := range now {
				if now[table] != before[table] && !slices.Contains(crossing[op.id], table) {
					wrong = append(wrong, fmt.Sprintf("%s as %s changed rows of %s: %d", op.id, forged.who, table, w.Code))
				}
			}
			before = now
		}
		require.NoError(t, conn.Close(context.Background()))
	}
	require.Empty(t, wrong)
}

// crossing are operations whose work crosses legal entities by its nature (ADR
// 0731), with the tables they may write to: with every scope they are the NHSU's, or
// they are opened by what the patient told. Nothing is told by them either.
var crossing = map[string][]string{
	"closeLegalEntity": {"contracts", "contract_requests", "employee_requests", "status_events", "tokens"}, // the NHSU's; the registration itself is public
	// The NHSU's word about anybody's record and register; none is told.
	"askPersonVerification":    {"persons", "person_verifications"},
	"decidePersonVerification": {"persons", "person_verifications"},
	"declinePaymentRegister":   {"payment_registers"},
}

// A scope that the table of rights does not know is given to no human.
func TestEveryScopeOfTheSandboxIsInTheTableOfRights(t *testing.T) {
	known := access.Scopes()
	for _, c := range populate(registry.SystemSource(), 1).Clients {
		for _, scope := range c.Scopes {
			require.Contains(t, known, scope, c.Name)
		}
		require.NotEmpty(t, c.Scopes)
	}
}

// digest is over the rows of the clinic and its patient in every table behind the wall.
func (m *matrix) digest(t *testing.T, conn *pgx.Conn, list []wall) map[string]string {
	t.Helper()
	var parts []string
	for _, w := range list {
		parts = append(parts, "SELECT '"+w.table+"', COALESCE(md5(string_agg(x::text, '|' ORDER BY x::text)), '') FROM "+w.table+" x WHERE x::text ~ $1")
	}
	rows, err := conn.Query(t.Context(), strings.Join(parts, " UNION ALL "), strings.Join(m.belongings(), "|"))
	require.NoError(t, err)
	sums := map[string]string{}
	var table, sum string
	_, err = pgx.ForEachRow(rows, []any{&table, &sum}, func() error { sums[table] = sum; return nil })
	require.NoError(t, err)
	return sums
}
