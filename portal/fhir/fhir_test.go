package fhir_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/portal/fhir"
	"mist/registry"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/query"
)

// oracle answers what a test gives it and keeps what it was asked.
type oracle struct {
	answer   query.Answer[[]query.DeclarationView]
	err      error
	asked    query.Request
	statuses []declaration.Status
	caller   registry.Caller
}

func (o *oracle) DeclarationByPatient(_ context.Context, c registry.Caller, r query.Request, statuses []declaration.Status) (query.Answer[[]query.DeclarationView], error) {
	o.asked, o.statuses, o.caller = r, statuses, c
	return o.answer, o.err
}

func serve(t *testing.T, o *oracle) func(method, path, body string) (int, map[string]any, http.Header) {
	t.Helper()
	h, err := fhir.New(fhir.Config{
		Queries: o, Now: time.Now,
		Sender: func(r *http.Request) (fhir.Sender, error) {
			if r.Header.Get("X-Road-Client") == "" {
				return fhir.Sender{}, registry.Errorf(registry.CodeUnauthenticated, "who asks?")
			}
			return fhir.Sender{Caller: registry.Caller{XRoad: r.Header.Get("X-Road-Client")}, MessageID: "m-1"}, nil
		},
	})
	require.NoError(t, err)
	return func(method, path, body string) (int, map[string]any, http.Header) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", fhir.MediaType)
		r.Header.Set("X-Road-Client", "A/GOV/1/portal")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var v map[string]any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v))
		require.Equal(t, fhir.MediaType+"; charset=utf-8", w.Header().Get("Content-Type"))
		return w.Code, v, w.Header()
	}
}

const requestID = "0190a000-0000-7000-8000-000000000001"

func parameters(change ...[2]string) string {
	text := `{"resourceType":"Parameters","parameter":[
{"name":"requestId","valueUuid":"urn:uuid:` + requestID + `"},
{"name":"identifier","valueIdentifier":{"system":"urn:mist:fhir:id:rnokpp","value":"3126509817"}},
{"name":"family","valueString":"Зразковий"},{"name":"given","valueString":"Андрій"},{"name":"given","valueString":"Миколайович"},
{"name":"birthDate","valueDate":"1985-08-07"},{"name":"status","valueCode":"active"},
{"name":"consent","valueBase64Binary":"` + base64.StdEncoding.EncodeToString([]byte("signed consent")) + `"}]}`
	for _, c := range change {
		text = strings.Replace(text, c[0], c[1], 1)
	}
	return text
}

func TestTheQuestionIsTheDiiaServices(t *testing.T) {
	o := &oracle{answer: query.Answer[[]query.DeclarationView]{Outcome: query.Outcome{Code: consent.OK, AnsweredAt: time.Now()}}}
	status, v, _ := serve(t, o)(http.MethodPost, "/Patient/$declarations", parameters())
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "Bundle", v["resourceType"])
	require.Equal(t, "A/GOV/1/portal", o.caller.XRoad)
	require.Equal(t, "m-1", o.asked.MessageID)
	require.Equal(t, requestID, o.asked.RequestID.String())
	require.Equal(t, "3126509817", string(o.asked.Person.TaxID))
	require.Equal(t, []string{"Зразковий", "Андрій", "Миколайович"}, []string{o.asked.Person.LastName, o.asked.Person.FirstName, o.asked.Person.SecondName})
	require.Equal(t, "1985-08-07", o.asked.Person.BirthDate.String())
	require.Equal(t, []byte("signed consent"), o.asked.Basis.Signed)
	require.Equal(t, []declaration.Status{declaration.StatusActive}, o.statuses)
	require.NotZero(t, o.asked.Hash)
	require.Len(t, o.asked.Body512, 64)
}

// A request without a message id is known by its own id, and the subject that
// the sender declared must be the person of the body.
func TestTheSendersWordIsHeld(t *testing.T) {
	o := &oracle{answer: query.Answer[[]query.DeclarationView]{Outcome: query.Outcome{Code: consent.OK, AnsweredAt: time.Now()}}}
	var declared registry.RNOKPP
	h, err := fhir.New(fhir.Config{Queries: o, Now: time.Now, Sender: func(*http.Request) (fhir.Sender, error) {
		return fhir.Sender{About: func(person registry.RNOKPP) error {
			if declared != "" && declared != person {
				return registry.Errorf(registry.CodeConflict, "another subject was declared")
			}
			return nil
		}}, nil
	}})
	require.NoError(t, err)
	ask := func() int {
		r := httptest.NewRequest(http.MethodPost, "/Patient/$declarations", strings.NewReader(parameters()))
		r.Header.Set("Content-Type", fhir.MediaType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	declared = "2597666070"
	require.Equal(t, http.StatusConflict, ask())
	require.Zero(t, o.asked)
	declared = "3126509817"
	require.Equal(t, http.StatusOK, ask())
	require.Equal(t, requestID, o.asked.MessageID)
}

func TestBadParametersAreNamed(t *testing.T) {
	o := &oracle{}
	ask := serve(t, o)
	for name, c := range map[string]struct {
		body   string
		status int
		where  string
	}{
		"no JSON":            {`{`, 400, ""},
		"another resource":   {`{"resourceType":"Patient"}`, 400, ""},
		"unknown member":     {parameters([2]string{`"name":"family"`, `"x":1,"name":"family"`}), 400, ""},
		"unknown parameter":  {parameters([2]string{`"family"`, `"surname"`}), 422, "Parameters.parameter[2].name"},
		"wrong type":         {parameters([2]string{`{"name":"family","valueString"`, `{"name":"family","valueCode"`}), 422, "Parameters.parameter[2]"},
		"twice":              {parameters([2]string{`{"name":"status","valueCode":"active"}`, `{"name":"family","valueString":"Інша"}`}), 422, "Parameters.parameter[6]"},
		"no request id":      {parameters([2]string{`{"name":"requestId","valueUuid":"urn:uuid:` + requestID + `"},`, ``}), 422, "Parameters.parameter"},
		"id that is no UUID": {parameters([2]string{requestID, "1"}), 422, "Parameters.parameter[0]"},
		"day":                {parameters([2]string{"1985-08-07", "1985-02-30"}), 422, "Parameters.parameter[5]"},
		"base64":             {parameters([2]string{`"valueBase64Binary":"`, `"valueBase64Binary":"*`}), 422, "Parameters.parameter[7]"},
		"unknown system":     {parameters([2]string{"urn:mist:fhir:id:rnokpp", "urn:other"}), 422, "Parameters.parameter[1]"},
		"three given":        {parameters([2]string{`{"name":"status","valueCode":"active"}`, `{"name":"given","valueString":"Третє"}`}), 422, "Parameters.parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			status, v, _ := ask(http.MethodPost, "/Patient/$declarations", c.body)
			require.Equal(t, c.status, status)
			require.Equal(t, "OperationOutcome", v["resourceType"])
			issues := v["issue"].([]any)
			if c.where != "" {
				require.Equal(t, []any{c.where}, issues[1].(map[string]any)["expression"])
			}
			require.Zero(t, o.asked, "nothing may be asked")
		})
	}
}

func TestOutcomesHaveTheirStatus(t *testing.T) {
	for code, status := range map[consent.Code]int{
		consent.NotFound: 404, consent.Required: 403, consent.Expired: 403, consent.Revoked: 403, consent.RateLimited: 429, consent.Pending: 202,
	} {
		o := &oracle{answer: query.Answer[[]query.DeclarationView]{Outcome: query.Outcome{Code: code, Message: "why"}}}
		got, v, _ := serve(t, o)(http.MethodPost, "/Patient/$declarations", parameters())
		require.Equal(t, status, got, code)
		details := v["issue"].([]any)[0].(map[string]any)["details"].(map[string]any)["coding"].([]any)[0].(map[string]any)
		require.Equal(t, string(code), details["code"])
	}
	for _, code := range registry.Codes() {
		o := &oracle{err: registry.Errorf(code, "secret of %s", code)}
		status, v, _ := serve(t, o)(http.MethodPost, "/Patient/$declarations", parameters())
		require.GreaterOrEqual(t, status, 400, code)
		text, err := json.Marshal(v)
		require.NoError(t, err)
		if code == registry.CodeInternal {
			require.NotContains(t, string(text), "secret")
		} else {
			require.NotEqual(t, http.StatusInternalServerError, status, "%s has no row", code)
		}
	}
}

// What was not consented is not in the answer, and so not in the Bundle.
func TestOnlyConsentedMembersAreTold(t *testing.T) {
	view := query.DeclarationView{Status: string(declaration.StatusTerminated)}
	o := &oracle{answer: query.Answer[[]query.DeclarationView]{Outcome: query.Outcome{Code: consent.OK, AnsweredAt: time.Now()}, Data: []query.DeclarationView{view}}}
	_, v, _ := serve(t, o)(http.MethodPost, "/Patient/$declarations", parameters())
	kinds := map[string]int{}
	for _, e := range v["entry"].([]any) {
		r := e.(map[string]any)["resource"].(map[string]any)
		kinds[r["resourceType"].(string)]++
		if r["resourceType"] == "Contract" {
			require.Equal(t, "terminated", r["status"])
			for _, absent := range []string{"identifier", "applies", "issued", "author", "signer"} {
				require.NotContains(t, r, absent)
			}
		}
	}
	require.Equal(t, map[string]int{"Organization": 1, "Patient": 1, "Contract": 1, "Consent": 1, "Provenance": 1}, kinds)
}

func TestWhoIsNotKnownAsksNothing(t *testing.T) {
	o := &oracle{}
	h, err := fhir.New(fhir.Config{Queries: o, Now: time.Now, Sender: func(*http.Request) (fhir.Sender, error) {
		return fhir.Sender{}, registry.Errorf(registry.CodeUnauthenticated, "who asks?")
	}})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/Patient/$declarations", strings.NewReader(parameters())))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.Zero(t, o.asked)
	_, err = fhir.New(fhir.Config{})
	require.Error(t, err)
}

func FuzzParameters(f *testing.F) {
	f.Add(parameters())
	f.Add(`{"resourceType":"Parameters"}`)
	f.Fuzz(func(t *testing.T, body string) {
		o := &oracle{answer: query.Answer[[]query.DeclarationView]{Outcome: query.Outcome{Code: consent.OK}}}
		h, err := fhir.New(fhir.Config{Queries: o, Now: time.Now, Sender: func(*http.Request) (fhir.Sender, error) { return fhir.Sender{}, nil }})
		require.NoError(t, err)
		r := httptest.NewRequest(http.MethodPost, "/Patient/$declarations", strings.NewReader(body))
		r.Header.Set("Content-Type", fhir.MediaType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.True(t, json.Valid(w.Body.Bytes()))
		require.NotEqual(t, http.StatusInternalServerError, w.Code)
	})
}
