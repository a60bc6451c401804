package contract

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// broken gives "entry rule" of the first broken rule, "" of none.
func broken(err error) string {
	if err == nil {
		return ""
	}
	e := registry.AsError(err)
	if len(e.Fields) == 0 {
		return e.Reason
	}
	return e.Fields[0].Entry + " " + e.Fields[0].Rule
}

func TestRulesOfAChange(t *testing.T) {
	const good = `{"contract_id":"01890a5d-ac96-774b-bcce-b302099a8050","employee_id":"01890a5d-ac96-774b-bcce-b302099a8059","division_id":"01890a5d-ac96-774b-bcce-b302099a8058","staff_units":0.5,"declaration_limit":900}`
	id, err := registry.ParseID("01890a5d-ac96-774b-bcce-b302099a8050")
	require.NoError(t, err)
	for _, c := range []struct{ old, with, want string }{
		{`{`, `{`, ""},
		{`,"staff_units":0.5,"declaration_limit":900`, `,"is_active":false`, ""},
		{`"declaration_limit":900`, `"declaration_limit":900,"is_active":true`, ""},
		{`"declaration_limit":900`, `"declaration_limit":900,"is_active":false`, "$.is_active invalid"},
		{`"staff_units":0.5,`, ``, "$.staff_units number"},
		{`"staff_units":0.5`, `"staff_units":2.5`, "$.staff_units number"},
		{`"declaration_limit":900`, `"declaration_limit":0`, "$.declaration_limit number"},
		{`"contract_id":"01890a5d-ac96-774b-bcce-b302099a8050"`, `"contract_id":"01890a5d-ac96-774b-bcce-b302099a8051"`, "$.contract_id invalid"},
		{`"employee_id":"01890a5d-ac96-774b-bcce-b302099a8059",`, ``, "$.employee_id required"},
		{`"declaration_limit":900`, `"declaration_limit":900,"end_date":"2027-01-01"`, "$.end_date schema"},
	} {
		require.Equal(t, 1, strings.Count(good, c.old), c.old)
		_, err := readChange([]byte(strings.Replace(good, c.old, c.with, 1)), id)
		require.Equal(t, c.want, broken(err), c.with)
	}
}

func TestRulesOfADecision(t *testing.T) {
	body := func(status, reason string) []byte {
		return []byte(`{"id":"01890a5d-ac96-774b-bcce-b302099a8050","next_status":"` + status + `","contractor_legal_entity":{"id":"01890a5d-ac96-774b-bcce-b302099a8057","name":"А","edrpou":"43395033"}` + reason + `}`)
	}
	for _, c := range []struct {
		to             Status
		status, reason string
		want           string
	}{
		{StatusApproved, "APPROVED", ``, ""},
		{StatusApproved, "DECLINED", ``, "$.next_status inclusion"},
		{StatusApproved, "APPROVED", `,"status_reason":"так"`, "$.status_reason exclusion"},
		{StatusDeclined, "DECLINED", `,"status_reason":"неповні документи"`, ""},
		{StatusDeclined, "DECLINED", ``, "$.status_reason length"},
		{StatusDeclined, "DECLINED", `,"status_reason":"ні"`, "$.status_reason length"},
		{StatusDeclined, "APPROVED", `,"status_reason":"неповні документи"`, "$.next_status inclusion"},
		{StatusApproved, "APPROVED", `,"text":"x"`, "$.text schema"},
	} {
		_, err := readDecision(body(c.status, c.reason), c.to)
		require.Equal(t, c.want, broken(err), "%s %s %s", c.to, c.status, c.reason)
	}
}

func TestADecisionIsAboutTheRequestAsItStands(t *testing.T) {
	now := decision{ID: registry.ID{1}, NextStatus: StatusApproved, Contractor: decided{registry.ID{2}, "Амбулаторія", "43395033"}}
	require.NoError(t, differs(now, now))
	other := now
	other.Contractor.EDRPOU = "43395034"
	require.Equal(t, []string{"/contractor_legal_entity/edrpou"}, registry.AsError(differs(other, now)).Fields[0].Params)
}

func TestPDF(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"pdf":         {"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n", ""},
		"bytes after": {"%PDF-1.7\n%%EOF\n" + strings.Repeat(" ", 500), ""},
		"html":        {"<html><script>alert(1)</script></html>", "document_type"},
		"svg":         {`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "document_type"},
		"html in it":  {"<html>%PDF-1.7\n%%EOF", "document_type"},
		"cut off":     {"%PDF-1.7\n1 0 obj", "document_type"},
		"script":      {"%PDF-1.7\n<< /S /JavaScript /JS (x) >>\n%%EOF", "document_active"},
		"launch":      {"%PDF-1.7\n<< /S /Launch /F (x.exe) >>\n%%EOF", "document_active"},
		"empty":       {"", "document_type"},
	} {
		require.Equal(t, c.want, broken(checkPDF([]byte(c.body))), name)
	}
}

func TestProlongation(t *testing.T) {
	k := Contract{EndDate: registry.Date{Year: 2026, Month: time.December, Day: 31}}
	for _, c := range []struct {
		end  string
		want string
	}{
		{"2027-06-30", ""}, {"2027-12-31", ""}, {"2028-01-01", "$.end_date invalid"},
		{"2026-12-31", "$.end_date invalid"}, {"2026-12-30", "$.end_date invalid"}, {"2026-11-21", "$.end_date invalid"}, {"2020-01-01", "$.end_date invalid"},
	} {
		end, err := registry.ParseDate(c.end)
		require.NoError(t, err)
		require.Equal(t, c.want, broken(checkProlongation(k, end, today)), c.end)
	}
}

func TestDocumentsFitTheRequest(t *testing.T) {
	var d registry.Digest
	d[0] = 1
	text := "01" + strings.Repeat("00", 31)
	at := time.Now()
	statute, more := Document{Type: DocumentStatute, Digest: d, UploadedAt: at}, Document{Type: DocumentAdditional}
	require.NoError(t, fits([]Document{statute, more}, Input{Statute: text}))
	require.Equal(t, "$.statute_sha256 invalid", broken(fits([]Document{statute, more}, Input{Statute: digits})))
	require.Equal(t, "$.statute_sha256 invalid", broken(fits([]Document{{Type: DocumentStatute}, more}, Input{Statute: text})))
	require.Equal(t, "$.additional_document_sha256 invalid", broken(fits([]Document{statute, more}, Input{Statute: text, AdditionalDocument: text})))
	more.Digest, more.UploadedAt = d, at
	require.Equal(t, "$.additional_document_sha256 invalid", broken(fits([]Document{statute, more}, Input{Statute: text})), "what is uploaded is signed")
	require.NoError(t, fits([]Document{statute, more}, Input{Statute: text, AdditionalDocument: text}))
}

func FuzzReadChange(f *testing.F) {
	f.Add([]byte(`{"contract_id":"01890a5d-ac96-774b-bcce-b302099a8050","employee_id":"01890a5d-ac96-774b-bcce-b302099a8059","division_id":"01890a5d-ac96-774b-bcce-b302099a8058","is_active":false}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := readChange(b, registry.ID{})
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
		_, err = readDecision(b, StatusDeclined)
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
	})
}
