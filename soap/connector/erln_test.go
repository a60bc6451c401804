package connector_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/outbox"
	"mist/registry/sickleave"
	"mist/soap/connector"
	"mist/soap/connector/simulator"
)

func incident(id, surname string) sickleave.Incident {
	return sickleave.Incident{RequestID: id, RequestType: 1, Category: 1, Number: "0A1E-2H3K-4M5P-6T7X", Start: died, End: died, Issued: died,
		Person: sickleave.Insured{RNOKPP: olena.TaxID, Surname: surname, Name: "Олена", BirthDate: born, DocumentType: 2, DocumentNumber: "000111222"},
		Doctor: sickleave.Signed{NoRNOKPP: true, Surname: "Лікарка", Name: "Олена"}, EDRPOU: "00015622", Clinic: "Амбулаторія"}
}

// The register of sick leaves is told by its message and answers by it; what
// it took before it takes again without opening anything new.
func TestSickLeaveRegister(t *testing.T) {
	w := newWorld(t)
	w.Add(simulator.World{SickLeaves: map[string]string{"Пізня": "later", "Невідома": "1201", "Помилкова": "refused"}})
	post := func(id, surname string) sickleave.Verdict {
		return ask[sickleave.Verdict](t, w, sickleave.ERLN, sickleave.PostIncident, incident(id, surname))
	}
	first := post("a", "Тестова")
	require.Equal(t, 1101, first.Result)
	require.NotEmpty(t, first.Number)
	require.Equal(t, first, post("a", "Тестова"), "the same request in another message")
	require.NotEqual(t, first.Number, post("b", "Тестова").Number)
	require.Equal(t, sickleave.Verdict{Result: 1201}, post("c", "Невідома"))
	require.Equal(t, sickleave.Verdict{Received: 1, Fault: "PERSON"}, post("d", "Помилкова"))

	result := func(id string) sickleave.Verdict {
		return ask[sickleave.Verdict](t, w, sickleave.ERLN, sickleave.GetIncidentResult, sickleave.Inquiry{RequestID: id})
	}
	require.Equal(t, sickleave.Verdict{}, post("e", "Пізня"))
	require.Equal(t, sickleave.Verdict{}, result("e"))
	late := result("e")
	require.Equal(t, 1101, late.Result)
	require.Equal(t, late, result("e"))

	withdrawal := sickleave.Withdrawal{RequestID: "f", Number: "0A1E-2H3K-4M5P-6T7X", Reason: "INCORRECT_OTHER", On: died}
	require.Equal(t, sickleave.Verdict{Result: 1103}, ask[sickleave.Verdict](t, w, sickleave.ERLN, sickleave.CancelIncident, withdrawal))
	withdrawal.RequestID = "g"
	require.Equal(t, 1104, ask[sickleave.Verdict](t, w, sickleave.ERLN, sickleave.CancelIncident, withdrawal).Result)

	// What breaks the contract is not sent.
	wrong := incident("h", "Тестова")
	wrong.Category = 11
	_, err := w.registry[sickleave.ERLN].Send(t.Context(), message(t, sickleave.ERLN, sickleave.PostIncident, wrong))
	code, refused := outbox.AsRefused(err)
	require.True(t, refused)
	require.Equal(t, "Unsendable", code)
}

// A message written by hand, after the contract alone, is what the connector
// writes; and an answer written by hand is read.
func TestMessageOfASickLeave(t *testing.T) {
	services, err := connector.ERLN()
	require.NoError(t, err)
	in := incident("01a20015-4e69-7d8b-bd68-3439ca9f86e1", "Тестова")
	in.Previous, in.Accident, in.Violation, in.ViolationOn = "0000-AAAA-1111-2222", true, "reject_recommendation", died
	body, err := json.Marshal(in)
	require.NoError(t, err)
	got, err := services[sickleave.PostIncident].Encode(body)
	require.NoError(t, err)
	want := `<requestId>01a20015-4e69-7d8b-bd68-3439ca9f86e1</requestId><REQUEST_TYPE>1</REQUEST_TYPE><INCIDENT_TYPE>1</INCIDENT_TYPE><INCIDENT_CATEGORY>1</INCIDENT_CATEGORY>` +
		`<NUMBER>0A1E-2H3K-4M5P-6T7X</NUMBER><PREVIOUS_NUMBER>0000-AAAA-1111-2222</PREVIOUS_NUMBER><DATE_START>2026-11-03</DATE_START><DATE_END>2026-11-03</DATE_END><DATE_ISSUED>2026-11-03</DATE_ISSUED>` +
		`<IS_ABROAD>0</IS_ABROAD><IS_ACCIDENT>1</IS_ACCIDENT><SIGN_ANLK_NARKOTIK_INTOXICATION>0</SIGN_ANLK_NARKOTIK_INTOXICATION><VIOLATION_TYPE>reject_recommendation</VIOLATION_TYPE><VIOLATION_DATE>2026-11-03</VIOLATION_DATE>` +
		`<PERSON><DP_IPN>3126509817</DP_IPN><DP_IPN_NO>0</DP_IPN_NO><DP_SURNAME>Тестова</DP_SURNAME><DP_NAME>Олена</DP_NAME><DP_BIRTH_DATE>1985-05-17</DP_BIRTH_DATE><DP_SEX>0</DP_SEX><DP_DOCTYPE>2</DP_DOCTYPE><DP_DOCNUMBER>000111222</DP_DOCNUMBER></PERSON>` +
		`<DOCTOR><DOCTOR_IPN_NO>1</DOCTOR_IPN_NO><DOCTOR_SURNAME>Лікарка</DOCTOR_SURNAME><DOCTOR_NAME>Олена</DOCTOR_NAME></DOCTOR><EDRPOU>00015622</EDRPOU><LEGAL_ENTITY>Амбулаторія</LEGAL_ENTITY>`
	require.Contains(t, string(got), want)
	require.False(t, strings.Contains(string(got), "J06"), "no diagnosis")

	for doc, want := range map[string]string{
		`<PostIncidentResponse xmlns="urn:mist:ws:consumed:erln:v1"><requestReceiveStatus>0</requestReceiveStatus><RESULT>1101</RESULT><SL_NUM>42</SL_NUM></PostIncidentResponse>`: `{"requestReceiveStatus":0,"result":1101,"slNum":"42"}`,
		`<PostIncidentResponse xmlns="urn:mist:ws:consumed:erln:v1"><requestReceiveStatus>0</requestReceiveStatus></PostIncidentResponse>`:                                         `{"requestReceiveStatus":0}`,
	} {
		require.NoError(t, services[sickleave.PostIncident].Contract.Validate([]byte(doc)))
		b, err := services[sickleave.PostIncident].Decode([]byte(doc))
		require.NoError(t, err)
		require.JSONEq(t, want, string(b))
	}
	_, err = services[sickleave.PostIncident].Decode([]byte(`<PostIncidentResponse xmlns="urn:mist:ws:consumed:erln:v1"><RESULT>1101</RESULT></PostIncidentResponse>`))
	require.True(t, outbox.IsRubbish(err))
}
