package diia_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/query"
	"mist/wsdl"
)

const person = `<d:person><d:rnokpp>3126509817</d:rnokpp><d:lastName>Тестова</d:lastName><d:firstName>Оксана</d:firstName></d:person>`

// asked is the message with another operation and body.
func asked(operation, body string) string {
	from, to := strings.Index(message, "<S:Body>"), strings.Index(message, "</S:Body>")
	head := strings.Replace(message[:from], "GetDeclarationByPatient", operation, 1)
	return head + "<S:Body><d:" + operation + "><d:requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</d:requestId>" + body + "</d:" + operation + ">" + message[to:]
}

func ok() query.Outcome {
	id := registry.SystemSource().NewID()
	return query.Outcome{Code: consent.OK, RequestID: id, AuditID: id, AnsweredAt: time.Unix(1, 0), ResponseHash: "ab"}
}

const consentID = "0198f000-0000-7000-8000-000000000001"

// Each operation reaches the service with what was asked, and its answer obeys
// the contract.
func TestEveryOperation(t *testing.T) {
	id, err := registry.ParseID(consentID)
	require.NoError(t, err)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	byID := `<d:consent><d:consentId>` + consentID + `</d:consentId></d:consent>`
	view := query.DeclarationView{Number: "0001-AAAA-1234", Status: "active"}
	for _, c := range []struct {
		operation, body string
		answer          recorded
		check           func(r *recorded)
		want            []string
	}{
		{"GetDeclarationByNumber", person + byID + "<d:declarationNumber>0001-AAAA-1234</d:declarationNumber>", recorded{declarations: []query.DeclarationView{view}},
			func(r *recorded) {
				require.Equal(t, "0001-AAAA-1234", r.number)
				require.Equal(t, id, r.ask.Basis.ConsentID)
			}, []string{"<declarationNumber>0001-AAAA-1234<"}},
		{"GetDeclarationHistory", person + byID + "<d:page>2</d:page>",
			recorded{history: query.HistoryPage{Page: 2, More: true, Declarations: []query.HistoryView{{Declaration: view, States: []query.StatusLine{{Status: "active", InsertedAt: at}, {Status: "closed", Reason: "x", InsertedAt: at}}}}}},
			func(r *recorded) { require.Equal(t, 2, r.page) }, []string{"<more>true<", "<reason>x<", "<since>2026-11-21T12:00:00Z<"}},
		{"GetDeclarationHistory", person + byID, recorded{}, func(r *recorded) { require.Equal(t, 1, r.page) }, []string{"<more>false<"}},
		{"CheckActiveDeclaration", person + byID, recorded{}, func(*recorded) {}, []string{"<active>false<"}},
		{"CheckActiveDeclaration", person + byID, recorded{active: query.ActiveView{Active: true, Status: "active"}}, func(*recorded) {}, []string{"<active>true<", "<status>active<"}},
		{"GetDependentDeclarations", person + byID + "<d:dependant><d:document><d:type>BIRTH_CERTIFICATE</d:type><d:number>1-ТТ123456</d:number></d:document></d:dependant>", recorded{declarations: []query.DeclarationView{view}},
			func(r *recorded) {
				require.Equal(t, query.Dependant{DocumentType: "BIRTH_CERTIFICATE", DocumentNumber: "1-ТТ123456"}, r.of)
			}, []string{"0001-AAAA-1234"}},
		{"RegisterConsent", person + `<d:consent><d:signedConsent>TUlJQg==</d:signedConsent><d:content>e30=</d:content></d:consent>`,
			recorded{state: query.ConsentState{ID: id, Status: consent.StatusActive, Method: consent.CitizenSigned, ExpiresAt: at}},
			func(r *recorded) {
				require.Equal(t, query.Basis{Signed: []byte("MIIB"), Content: []byte("{}")}, r.ask.Basis)
			}, []string{"<consentId>" + consentID, "<method>citizen_signed<"}},
		{"RegisterConsent", person + `<d:consent><d:signedConsentXml>&lt;consent/&gt;</d:signedConsentXml></d:consent>`, recorded{state: query.ConsentState{ID: id, Status: consent.StatusActive, Method: consent.CitizenSigned}},
			func(r *recorded) { require.Equal(t, "<consent/>", string(r.ask.Basis.Signed)) }, nil},
		{"RevokeConsent", person + "<d:consentId>" + consentID + "</d:consentId><d:revocation><d:attestation>TUlJQg==</d:attestation></d:revocation>",
			recorded{state: query.ConsentState{ID: id, Status: consent.StatusRevoked, Method: consent.PortalAttested, RevokedAt: at}},
			func(r *recorded) {
				require.Equal(t, id, r.id)
				require.Equal(t, query.Basis{Attestation: []byte("MIIB")}, r.ask.Basis)
			}, []string{"<status>revoked<", "<revokedAt>2026-11-21T12:00:00Z<"}},
		{"GetConsents", person + byID, recorded{consents: []query.ConsentView{{ID: id, Recipient: "a/b/c/d", Purpose: "p", Scope: []string{"declaration"}, Fields: []string{"status", "doctor"},
			Text: "Згода & умови", Method: "citizen_signed", Status: "expired", GrantedAt: at, ExpiresAt: at}}},
			func(*recorded) {}, []string{"<field>doctor<", "Згода &amp; умови", "<singleUse>false<"}},
		{"GetAccessLog", person + byID + "<d:from>2026-11-01T00:00:00+02:00</d:from><d:before>77</d:before><d:limit>10</d:limit>",
			recorded{accesses: query.AccessPage{Next: 5, Lines: []query.Access{{AuditID: id, At: at, Event: "disclosure", Organisation: "КНП", System: "МІС", Kind: "person", Given: true, Fields: []string{"status"}, Basis: "consent", ConsentID: id}}}},
			func(r *recorded) {
				require.Equal(t, int64(77), r.period.Before)
				require.Equal(t, 10, r.period.Limit)
				require.True(t, r.period.From.Equal(time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)))
			}, []string{"<next>5<", "<kind>person<", "<given>true<", "<consentId>" + consentID}},
		{"GetPrescriptions", person + byID, recorded{prescriptions: []query.PrescriptionView{{Number: "0000-AAAA-1111-2222", Status: "ACTIVE", Blocked: new(bool), Medication: "Бісопролол 5 мг",
			Quantity: "20", Dispensed: "0", StartDate: registry.Date{Year: 2026, Month: 11, Day: 1}}, {Number: "0000-AAAA-1111-3333"}}},
			func(*recorded) {}, []string{"<number>0000-AAAA-1111-2222<", "<blocked>false<", "<startDate>2026-11-01<", "Бісопролол", "<number>0000-AAAA-1111-3333</number></prescription>"}},
		{"GetSickLeaves", person + byID, recorded{leaves: []query.SickLeaveView{{Number: "AAAA-1111-2222-3333", Status: "FINAL", Category: "SICKNESS", SignedAt: at, EndDate: registry.Date{Year: 2026, Month: 11, Day: 5}}}},
			func(*recorded) {}, []string{"<category>SICKNESS<", "<endDate>2026-11-05<", "<signedAt>2026-11-21T12:00:00Z<"}},
		{"GetResponseEvidence", "<d:auditId>" + consentID + "</d:auditId>",
			recorded{evidence: query.Evidence{AuditID: id, Entry: []byte("{}"), Sequenced: true, TreeSize: 1, Proof: []tlog.Hash{{1}, {2}}, Checkpoint: []byte("note")}},
			func(r *recorded) { require.Equal(t, id, r.id) }, []string{"<logIndex>0<", "<treeSize>1<", "<checkpoint>note<", "<entry>e30=<"}},
		{"GetResponseEvidence", "<d:auditId>" + consentID + "</d:auditId>", recorded{evidence: query.Evidence{AuditID: id, Entry: []byte("{}")}},
			func(*recorded) {}, []string{"<sequenced>false<"}},
		{"GetResponseEvidence", "<d:auditId>" + consentID + "</d:auditId>", recorded{err: registry.Errorf(registry.CodeNotFound, "x")},
			func(*recorded) {}, []string{"<code>NOT_FOUND<"}},
	} {
		r := c.answer
		r.outcome = ok()
		w := send(serve(t, &r), asked(c.operation, c.body))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", c.operation, w.Body)
		doc := payload(t, w)
		require.Contains(t, doc, c.operation+"Response")
		for _, want := range c.want {
			require.Contains(t, doc, want, c.operation)
		}
		c.check(&r)

		// The same operation refused: no data, still the contract's form.
		if c.operation == "GetResponseEvidence" {
			continue
		}
		refused := &recorded{outcome: ok()}
		refused.outcome.Code = consent.Revoked
		doc = payload(t, send(serve(t, refused), asked(c.operation, c.body)))
		require.Contains(t, doc, "<code>CONSENT_REVOKED<")
		require.NotContains(t, doc, "<active>")
		require.NotContains(t, doc, "<state>")
		require.NotContains(t, doc, "<record>")
		require.NotContains(t, doc, "<prescription>")
		require.NotContains(t, doc, "<sickLeave>")
	}
}

func TestBadEvidenceIsAFault(t *testing.T) {
	h := serve(t, &recorded{outcome: ok()})
	for _, c := range []struct{ body, path string }{
		{`<d:consent><d:signedConsent>TUlJ</d:signedConsent><d:signedConsentXml>x</d:signedConsentXml></d:consent>`, "$.consent"},
		{`<d:consent><d:attestation>TU*J</d:attestation></d:consent>`, "SchemaValidation"},
	} {
		w := send(h, asked("RegisterConsent", person+c.body))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Contains(t, payload(t, w), c.path)
	}
	w := send(h, asked("GetAccessLog", person+"<d:from>2026-11-01T00:00:00</d:from>"))
	require.Contains(t, payload(t, w), "$.from", "a moment without its offset is two moments")
}

// The contract under an installation's own name: requests and answers carry it,
// the project's name is not understood.
func TestNamespaceOfAnInstallation(t *testing.T) {
	const own = "https://registry.example.gov.ua/ws/diia/v1"
	contract, err := wsdl.LoadAs("diia", own)
	require.NoError(t, err)
	h := serveContract(t, &recorded{outcome: ok()}, contract)
	w := send(h, strings.Replace(message, wsdl.DiiaNS, own, 1))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), `<GetDeclarationByPatientResponse xmlns="`+own+`"`)
	require.NotContains(t, w.Body.String(), wsdl.DiiaNS)
	require.Equal(t, http.StatusInternalServerError, send(h, message).Code)
}
