package diia_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/patient"
	"mist/registry/query"
	"mist/soap"
	"mist/soap/diia"
	"mist/soap/xroad"
	"mist/wsdl"
)

var (
	provider = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "42032422", Subsystem: "50_mist_prod"}
	portal   = xroad.ClientID{Instance: "SEVDEIR-TEST", Class: "GOV", Member: "43395033", Subsystem: "DpDiia_cons"}
)

const body = `<d:GetDeclarationByPatient><d:requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</d:requestId>` +
	`<d:person><d:rnokpp>3126509817</d:rnokpp><d:lastName>Тестова</d:lastName><d:firstName>Оксана</d:firstName><d:patronymic>Іванівна</d:patronymic><d:birthDate>1985-08-07</d:birthDate></d:person>` +
	`<d:consent><d:signedConsent>TUlJ
 Qg==</d:signedConsent></d:consent><d:status>active</d:status><d:status>closed</d:status></d:GetDeclarationByPatient>`

const message = `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers" xmlns:d="` + wsdl.DiiaNS + `"><S:Header>` +
	`<x:client i:objectType="SUBSYSTEM"><i:xRoadInstance>SEVDEIR-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>43395033</i:memberCode><i:subsystemCode>DpDiia_cons</i:subsystemCode></x:client>` +
	`<x:service i:objectType="SERVICE"><i:xRoadInstance>SEVDEIR-TEST</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>42032422</i:memberCode><i:subsystemCode>50_mist_prod</i:subsystemCode><i:serviceCode>GetDeclarationByPatient</i:serviceCode></x:service>` +
	`<x:userId>UA3126509817</x:userId><x:id>m-1</x:id><x:protocolVersion>4.0</x:protocolVersion></S:Header><S:Body>` + body + `</S:Body></S:Envelope>`

func serve(t *testing.T, q diia.Queries) http.Handler {
	t.Helper()
	contract, err := wsdl.Diia()
	require.NoError(t, err)
	return serveContract(t, q, contract)
}

func serveContract(t *testing.T, q diia.Queries, contract *wsdl.Contract) http.Handler {
	t.Helper()
	services, err := diia.Services(diia.Config{Provider: provider, Clients: []xroad.ClientID{portal}, Contract: contract, Queries: q, Now: time.Now})
	require.NoError(t, err)
	router, err := xroad.NewRouter(services, false)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: contract.TargetNamespace, Contract: contract.At, Source: registry.SystemSource()})
	require.NoError(t, err)
	return h
}

func send(h http.Handler, doc string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/diia", strings.NewReader(doc))
	r.Header.Set("Content-Type", "text/xml; charset=utf-8")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// payload checks that an answer or fault detail obeys the contract and gives it.
func payload(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	e := new(soap.Envelope)
	require.NoError(t, e.Parse(w.Body.Bytes(), soap.DefaultHeaderBytes), w.Body.String())
	contract, err := wsdl.Diia()
	require.NoError(t, err)
	doc := string(e.Payload.Standalone())
	if e.IsFault() {
		from, to := strings.Index(doc, "<ServiceFault"), strings.Index(doc, "</detail>")
		require.True(t, from > 0 && to > from)
		doc = doc[from:to]
	}
	require.NoError(t, contract.Validate([]byte(doc)), doc)
	return doc
}

func TestRequestReachesTheService(t *testing.T) {
	q := &recorded{outcome: query.Outcome{Code: consent.OK}}
	w := send(serve(t, q), message)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, registry.ChannelSOAP, q.caller.Channel)
	require.Equal(t, portal.String(), q.caller.XRoad)
	require.Equal(t, "UA3126509817", q.caller.UserID)
	_, err := registry.ParseID(q.caller.RequestID)
	require.NoError(t, err)
	whole := sha512.Sum512([]byte(message))
	id, err := registry.ParseID("4894e35d-bf0f-44a6-867a-8e51f1daa7e0")
	require.NoError(t, err)
	require.Equal(t, query.Request{
		RequestID: id,
		Person: patient.Query{TaxID: "3126509817", LastName: "Тестова", FirstName: "Оксана", SecondName: "Іванівна",
			BirthDate: registry.Date{Year: 1985, Month: 8, Day: 7}},
		Basis:     query.Basis{Signed: []byte("MIIB")},
		MessageID: "m-1", Hash: sha256.Sum256([]byte(body)), Body512: whole[:], Body: []byte(message),
	}, q.ask)
	require.Equal(t, []declaration.Status{"active", "closed"}, q.statuses)
}

func TestOtherIdentifiersAndDates(t *testing.T) {
	q := &recorded{outcome: query.Outcome{Code: consent.OK}}
	h := serve(t, q)
	edit := func(old, new string) string {
		require.Contains(t, message, old)
		return strings.Replace(message, old, new, 1)
	}
	require.Equal(t, http.StatusOK, send(h, edit("<d:rnokpp>3126509817</d:rnokpp>", "<d:unzr>19850807-12345</d:unzr>")).Code)
	require.Equal(t, registry.UNZR("19850807-12345"), q.ask.Person.UNZR)
	require.Equal(t, http.StatusOK, send(h, edit("<d:rnokpp>3126509817</d:rnokpp>", "<d:document><d:type>PASSPORT</d:type><d:number>АА123456</d:number></d:document>")).Code)
	require.Equal(t, "PASSPORT АА123456", q.ask.Person.DocumentType+" "+q.ask.Person.DocumentNumber)
	for _, zone := range []string{"Z", "+03:00", "-11:00"} {
		require.Equal(t, http.StatusOK, send(h, edit("1985-08-07", "1985-08-07"+zone)).Code)
		require.Equal(t, "1985-08-07", q.ask.Person.BirthDate.String())
	}
	require.Equal(t, http.StatusOK, send(h, edit("<d:birthDate>1985-08-07</d:birthDate>", "")).Code)
	require.True(t, q.ask.Person.BirthDate.IsZero())
	require.Equal(t, http.StatusOK, send(h, strings.ReplaceAll(message, "d:GetDeclarationByPatient>", "d:GetDeclarationByPatientRequest>")).Code)
	require.Equal(t, "m-1", q.ask.MessageID)
}

func TestEveryResultCodeIsAnOrdinaryAnswer(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 123456000, time.UTC)
	entry := registry.SystemSource().NewID()
	for _, code := range consent.ResultCodes() {
		q := &recorded{outcome: query.Outcome{Code: code, AnsweredAt: at, ResponseHash: "ab", AuditID: entry, RequestID: entry}}
		w := send(serve(t, q), message)
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		doc := payload(t, w)
		require.Contains(t, doc, "<code>"+string(code)+"</code>")
		require.Contains(t, doc, "<answeredAt>2026-11-21T12:00:00.123456Z</answeredAt>")
		require.Contains(t, doc, "<auditId>"+entry.String()+"</auditId>")
	}
}

func TestAnswerCarriesWhatWasConsented(t *testing.T) {
	id := registry.SystemSource().NewID()
	full := query.DeclarationView{
		Number: "0001-AAAA-1234", ID: id, Status: "active", StatusReason: "offline",
		StartDate: registry.Date{Year: 2026, Month: 1, Day: 2}, EndDate: registry.Date{Year: 2066, Month: 1, Day: 2}, SignedAt: time.Unix(0, 0),
		Doctor:      &query.Doctor{LastName: "Лікаренко", FirstName: "Петро", Position: "P1", Speciality: "FAMILY_DOCTOR", EmployeeID: id, WorkPhones: []string{"+380440000000"}},
		Division:    &query.Division{Name: "Амбулаторія <№1>", Type: "CLINIC", Address: "Київ", Phones: []string{"1", "2"}},
		LegalEntity: &query.LegalEntity{Name: "КНП & Ко", EDRPOU: "00015622", Type: "PRIMARY_CARE", Address: "Київ"},
	}
	q := &recorded{outcome: query.Outcome{Code: consent.OK, RequestID: id, AuditID: id, AnsweredAt: time.Unix(0, 0), ResponseHash: "ab"},
		declarations: []query.DeclarationView{full, {Number: "0001-BBBB-1234"}}}
	doc := payload(t, send(serve(t, q), message))
	for _, want := range []string{"0001-AAAA-1234", "<startDate>2026-01-02</startDate>", "<edrpou>00015622</edrpou>", "КНП &amp; Ко", "<mountainGroup>false</mountainGroup>", "Амбулаторія &lt;№1&gt;"} {
		require.Contains(t, doc, want)
	}
	second := doc[strings.Index(doc, "0001-BBBB-1234"):]
	require.NotContains(t, second, "<status>")
	require.NotContains(t, second, "<doctor>")
}

func TestBadBodiesAreFaults(t *testing.T) {
	q := &recorded{outcome: query.Outcome{Code: consent.OK}}
	h := serve(t, q)
	for _, c := range []struct{ old, new, code string }{
		{"<d:requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</d:requestId>", "", "SchemaValidation"},
		{"1985-08-07", "", "SchemaValidation"},
		{"1985-08-07", "1985-02-30", "SchemaValidation"},
		{"1985-08-07", "19850-08-07", "SchemaValidation"},
		{"3126509817</d:rnokpp>", "312650981</d:rnokpp>", "SchemaValidation"},
		{"<d:status>active</d:status>", "<d:status>new</d:status>", "SchemaValidation"},
		{"<d:status>active</d:status>", "<d:secret>x</d:secret>", "SchemaValidation"},
		{"<d:lastName>Тестова</d:lastName>", "", "SchemaValidation"},
		{"TUlJ\n Qg==", "****", "SchemaValidation"},
		{"TUlJ\n Qg==", strings.Repeat("QUFB", 1<<20), "TooLarge"},
	} {
		require.Contains(t, message, c.old)
		w := send(h, strings.Replace(message, c.old, c.new, 1))
		require.Equal(t, http.StatusInternalServerError, w.Code, c.new)
		require.Contains(t, payload(t, w), "<code>"+c.code+"</code>")
		require.NotContains(t, w.Body.String(), "312650981<", "values stay out of faults")
	}
	q.err = registry.Errorf(registry.CodeUnavailable, "ask again")
	w := send(h, message)
	require.Contains(t, payload(t, w), "<code>Unavailable</code><message>ask again</message>")
	q.err = patient.Query{TaxID: "3126509818"}.Validate()
	require.Contains(t, payload(t, send(h, message)), "<path>$.person.rnokpp</path>")
}

func TestPurposeOfProcessing(t *testing.T) {
	q := &recorded{outcome: query.Outcome{Code: consent.OK}}
	contract, err := wsdl.Diia()
	require.NoError(t, err)
	services, err := diia.Services(diia.Config{Provider: provider, Clients: []xroad.ClientID{portal}, Contract: contract, Queries: q, Now: time.Now, RequirePurpose: true})
	require.NoError(t, err)
	router, err := xroad.NewRouter(services, false)
	require.NoError(t, err)
	h, err := soap.New(soap.Handler{Service: router, DetailNS: contract.TargetNamespace, Source: registry.SystemSource()})
	require.NoError(t, err)
	require.Contains(t, payload(t, send(h, message)), "<code>PurposeRequired</code>")
	named := strings.Replace(message, "</d:GetDeclarationByPatient>", "<d:purposeId>9K9J65I75ILCLMPDUIRXS</d:purposeId></d:GetDeclarationByPatient>", 1)
	require.Equal(t, http.StatusOK, send(h, named).Code)
	blank := strings.Replace(named, "9K9J65I75ILCLMPDUIRXS", " ", 1)
	require.Contains(t, payload(t, send(h, blank)), "<code>PurposeRequired</code>")
	nobody := strings.Replace(named, "<d:rnokpp>3126509817</d:rnokpp>", "", 1)
	require.Contains(t, payload(t, send(h, nobody)), "<code>SubjectRequired</code>")
}

// A consent sent as an optimised attachment is the same consent.
func TestConsentAsAttachment(t *testing.T) {
	q := &recorded{outcome: query.Outcome{Code: consent.OK}}
	h := serve(t, q)
	root := strings.Replace(message, "TUlJ\n Qg==", `<xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:consent%40diia"/>`, 1)
	mtom := func(root, attachment string) *httptest.ResponseRecorder {
		body := "--b\r\nContent-Type: application/xop+xml; type=\"text/xml\"; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n" + root +
			"\r\n--b\r\nContent-Type: application/pkcs7-mime\r\nContent-ID: <consent@diia>\r\nContent-Transfer-Encoding: binary\r\n\r\n" + attachment + "\r\n--b--\r\n"
		r := httptest.NewRequest(http.MethodPost, "/diia", strings.NewReader(body))
		r.Header.Set("Content-Type", `multipart/related; type="application/xop+xml"; start="<root>"; start-info="text/xml"; boundary=b`)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := mtom(root, "MII\x00B")
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Equal(t, "MII\x00B", string(q.ask.Basis.Signed))
	first := q.ask.Hash
	require.Equal(t, http.StatusOK, mtom(root, "MII\x00C").Code)
	require.NotEqual(t, first, q.ask.Hash, "another attachment is another question")
	for _, bad := range []string{"cid:other", "http://x/"} {
		require.Contains(t, payload(t, mtom(strings.Replace(root, "cid:consent%40diia", bad, 1), "M")), "<code>InvalidAttachmentRef</code>")
	}
	require.Contains(t, payload(t, mtom(strings.Replace(root, "<xop:Include", "text<xop:Include", 1), "M")), "<code>InvalidAttachmentRef</code>")
}

func TestConfigIsChecked(t *testing.T) {
	_, err := diia.Services(diia.Config{})
	require.Error(t, err)
}
