package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/intake"
)

const draftBody = `{"person_id": "01890a5d-ac96-774b-bcce-b302099a8057", "employee_id": "01890a5d-ac96-774b-bcce-b302099a8058",
	"division_id": "01890a5d-ac96-774b-bcce-b302099a8059"}`

func TestCreateShowsTheDraft(t *testing.T) {
	b := newBench(t)
	w := b.do("POST", draftPath, draftBody, "X-Request-ID", "req-1")
	require.Equal(t, 201, w.Code, w.Body.String())
	require.Equal(t, draftBody, string(b.body), "the kind gets the body as it came")
	id := registry.ID{9}.String()
	require.Equal(t, "https://mist.example"+draftPath+"/"+id, w.Header().Get("Location"))
	require.JSONEq(t, `{
		"meta": {"code": 201, "type": "object", "url": "https://mist.example/api/v3/declaration_requests", "request_id": "req-1"},
		"data": {"id": "`+id+`", "status": "NEW", "content": "", "declaration_number": "0001-1000-0000",
			"inserted_at": "2026-11-21T10:00:00.000000Z", "updated_at": "2026-11-21T10:00:00.000000Z", "expires_at": "2026-11-21T11:00:00.000000Z"},
		"urgent": {"authentication_method_current": {"type": "OTP", "number": "+38093*****74"}, "next_step": "approve_with_code"}
	}`, w.Body.String())
}

func TestApprovedDraftCarriesTheExactBytes(t *testing.T) {
	b := newBench(t)
	frozen := `{"content":"<p>Ганна & Ко\u2028</p>","status":"APPROVED","zero":1e-7}`
	frozen = strings.ReplaceAll(frozen, `\u2028`, "\u2028")
	b.draft.Status, b.draft.ToBeSigned = intake.StatusApproved, []byte(frozen)

	w := b.do("PATCH", onePath+"/actions/approve", `{"verification_code":"4727"}`)
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"data_to_be_signed":`+frozen)
	require.Equal(t, "4727", b.code)

	w = b.do("GET", onePath+"/data_to_be_signed", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, frozen, w.Body.String())
	sum := sha256.Sum256([]byte(frozen))
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, `"`+hex.EncodeToString(sum[:])+`"`, w.Header().Get("ETag"))
	require.Equal(t, "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":", w.Header().Get("Content-Digest"))
}

func TestNothingToSignBeforeApprove(t *testing.T) {
	e := failure(t, newBench(t).do("GET", onePath+"/data_to_be_signed", ""), 409, "request_conflict")
	require.Equal(t, "status_NEW", e.Reason)
}

func TestVerificationCodeForms(t *testing.T) {
	b := newBench(t)
	for body, want := range map[string]string{`{"verification_code":"0727"}`: "0727", `{"verification_code":4727}`: "4727", `{}`: "", ``: ""} {
		b.code = "untouched"
		require.Equal(t, 200, b.do("PATCH", onePath+"/actions/approve", body).Code, body)
		require.Equal(t, want, b.code, body)
	}
	for _, body := range []string{`{"verification_code":47.27}`, `{"verification_code":-1}`, `{"verification_code":1e3}`, `{"verification_code":null}`, `{"verification_code":["4727"]}`} {
		e := failure(t, b.do("PATCH", onePath+"/actions/approve", body), 422, "validation_failed")
		require.Equal(t, "$.verification_code", e.Invalid[0].Entry)
		require.Equal(t, "cast", e.Invalid[0].Rules[0].Rule)
	}
}

func TestSign(t *testing.T) {
	b := newBench(t)
	container := []byte{0x30, 0x82, 0xff}
	w := b.do("PATCH", onePath+"/actions/sign",
		`{"signed_declaration_request":"`+base64.StdEncoding.EncodeToString(container)+`","signed_content_encoding":"base64"}`)
	require.Equal(t, 201, w.Code, w.Body.String())
	require.Equal(t, container, b.body)
	var got struct {
		Data   map[string]string `json:"data"`
		Urgent struct {
			Receipt map[string]string `json:"receipt"`
		} `json:"urgent"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Equal(t, map[string]string{"declaration_number": "0001-1000-0000"}, got.Data)
	require.Equal(t, registry.ID{7}.String(), got.Urgent.Receipt["entry_id"])
	require.NotEmpty(t, got.Urgent.Receipt["time"])
}

func TestSignRefusesOtherForms(t *testing.T) {
	b := newBench(t)
	const ok = `"signed_content_encoding":"base64"`
	for name, c := range map[string]struct{ body, entry, rule string }{
		"line break":    {`{"signed_declaration_request":"AAAA\nAAAA",` + ok + `}`, "$.signed_declaration_request", "invalid"},
		"no padding":    {`{"signed_declaration_request":"AA",` + ok + `}`, "$.signed_declaration_request", "invalid"},
		"stray bits":    {`{"signed_declaration_request":"AB==",` + ok + `}`, "$.signed_declaration_request", "invalid"},
		"url alphabet":  {`{"signed_declaration_request":"__8=",` + ok + `}`, "$.signed_declaration_request", "invalid"},
		"missing":       {`{` + ok + `}`, "$.signed_declaration_request", "required"},
		"null":          {`{"signed_declaration_request":null,` + ok + `}`, "$.signed_declaration_request", "cast"},
		"encoding":      {`{"signed_declaration_request":"AAAA","signed_content_encoding":"hex"}`, "$.signed_content_encoding", "inclusion"},
		"encoding gone": {`{"signed_declaration_request":"AAAA"}`, "$.signed_content_encoding", "required"},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, b.do("PATCH", onePath+"/actions/sign", c.body), 422, "validation_failed")
			require.Len(t, e.Invalid, 1)
			require.Equal(t, c.entry, e.Invalid[0].Entry)
			require.Equal(t, c.rule, e.Invalid[0].Rules[0].Rule)
			require.Nil(t, b.body)
		})
	}
}

func TestRefusalOfARoom(t *testing.T) {
	b := newBench(t)
	b.err = &registry.Error{
		Code: registry.CodeInvalid, Reason: "content_differs", Detail: "Signed content does not match the previously created content", ReportID: "r-1",
		Fields: []registry.FieldError{
			{Entry: "$.content", EntryType: "content", Rule: "invalid", Description: "differs", Params: []string{"/person/last_name"}},
			{Entry: "$.content", EntryType: "content", Rule: "format", Description: "odd"},
			{Entry: "$.person_id", Rule: "required", Description: "missing"},
		},
	}
	e := failure(t, b.do("GET", onePath, ""), http.StatusUnprocessableEntity, "validation_failed")
	require.Equal(t, errorBody{
		Type: "validation_failed", Message: "Signed content does not match the previously created content", Reason: "content_differs", Report: "r-1",
		Invalid: []invalidEntry{
			{"$.content", "content", []brokenRule{{"invalid", "differs", []string{"/person/last_name"}}, {"format", "odd", []string{}}}},
			{"$.person_id", "json_data_property", []brokenRule{{"required", "missing", []string{}}}},
		},
	}, e)
}

func TestPathMustNameADraft(t *testing.T) {
	e := failure(t, newBench(t).do("GET", draftPath+"/17", ""), 422, "validation_failed")
	require.Equal(t, "$.id", e.Invalid[0].Entry)
	require.Equal(t, "request", e.Invalid[0].Type)
}

func TestMaskPhone(t *testing.T) {
	require.Equal(t, "+38093*****74", maskPhone("+380931234574"))
	require.Equal(t, "********", maskPhone("12345678"))
	require.Equal(t, "", maskPhone(""))
}

func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,{"b":"\"{,["}]}`, `[]`, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `"`, "\\", `{"a":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseObject(b)
		if err != nil {
			require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
			return
		}
		require.True(t, json.Valid(b))
		require.LessOrEqual(t, len(o), countValues(b))
	})
}
