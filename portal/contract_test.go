package portal

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"mist/registry"
)

func TestSpecIsSound(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
}

// What is POST and yet no write: a search and a verification disclose, tokens
// are not to be kept.
var notRepeatable = []string{"searchPersons", "verifySignature", "validateSignedEntity", "createAPIKey", "issueToken", "revokeToken",
	"prequalifyMedicationRequestRequest", "searchMedicationRequest", "qualifyMedicationRequest"}

func TestWritesAreRepeatableAndReadsAreTagged(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(spec)
	require.NoError(t, err)
	c, err := readContract()
	require.NoError(t, err)
	require.Greater(t, len(c), 20)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if method == http.MethodGet {
				if ok := op.Responses.Value("200"); ok == nil || ok.Value.Content["application/json"] == nil {
					continue // a page, a file or a redirect
				}
				require.NotNil(t, op.Responses.Value("304"), "%s %s answers If-None-Match: declare 304", method, path)
				continue
			}
			if strings.HasPrefix(path, "/api/") && !slices.Contains(notRepeatable, op.OperationID) {
				require.True(t, c[method+" "+path].repeatable, "%s %s is a write: it takes IdempotencyKey", method, path)
			} else {
				require.False(t, c[method+" "+path].repeatable, "%s %s must not be answered from memory", method, path)
			}
		}
	}
}

const schemaOfAll = `
openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /x:
    post:
      requestBody:
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [name]
              properties:
                name: {type: string, minLength: 2, maxLength: 5}
                kind: {type: string, enum: [A, B]}
                code: {type: string, pattern: "^[0-9]{4}$"}
                id: {type: string, format: uuid}
                day: {type: string, format: date}
                at: {type: string, format: date-time}
                bytes: {type: string, format: byte}
                count: {type: integer, minimum: 1, maximum: 9}
                flag: {type: boolean}
                list: {type: array, minItems: 1, maxItems: 2, items: {type: object, required: [n], properties: {n: {type: integer}}}}
                all: {allOf: [{type: object, required: [a]}, {type: object, required: [b]}]}
                one: {oneOf: [{type: object, additionalProperties: false, required: [a], properties: {a: {type: string}}}, {type: object, additionalProperties: false, required: [b, c], properties: {b: {type: string}, c: {type: string}}}]}
      responses: {"200": {description: ok}}
`

// Each broken keyword has the entry, the rule and the words of the eHealth API;
// the twin that breaks nothing passes.
func TestBrokenKeywords(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(schemaOfAll))
	require.NoError(t, err)
	o := &operation{body: doc.Paths.Value("/x").Post.RequestBody.Value.Content["application/json"].Schema.Value}
	for body, want := range map[string]string{
		`{}`:                                       "$.name required required property name was not present",
		`{"name":5}`:                               "$.name cast type mismatch. Expected String but got Number",
		`{"name":null}`:                            "$.name cast type mismatch. Expected String",
		`{"name":"a"}`:                             "$.name length expected value to have a minimum length of 2",
		`{"name":"їїїїїї"}`:                        "$.name length expected value to have a maximum length of 5",
		`{"name":"ok","kind":"C"}`:                 "$.kind inclusion value is not allowed in enum",
		`{"name":"ok","code":"12a4"}`:              `$.code format string does not match pattern "^[0-9]{4}$"`,
		`{"name":"ok","id":"1"}`:                   "$.id format expected a UUID",
		`{"name":"ok","day":"1980-02-30"}`:         "$.day date expected a date YYYY-MM-DD",
		`{"name":"ok","at":"2026-11-21"}`:          "$.at datetime expected a time as in RFC 3339",
		`{"name":"ok","bytes":"A"}`:                "$.bytes invalid Not a base64 string",
		`{"name":"ok","count":0}`:                  "$.count number expected the value to be >= 1",
		`{"name":"ok","count":10}`:                 "$.count number expected the value to be <= 9",
		`{"name":"ok","count":1.5}`:                "$.count cast type mismatch. Expected Integer but got Number",
		`{"name":"ok","flag":"true"}`:              "$.flag cast type mismatch. Expected Boolean but got String",
		`{"name":"ok","list":[]}`:                  "$.list length expected a minimum of 1 items",
		`{"name":"ok","list":[{"n":1},{"n":"x"}]}`: "$.list.[1].n cast type mismatch. Expected Integer but got String",
		`{"name":"ok","more":1}`:                   "$.more schema schema does not allow additional properties",
		`{"name":"ok","all":{"a":1}}`:              "$.all.b required required property b was not present",
		`{"name":"ok","one":{"b":"x"}}`:            "$.one.c required required property c was not present",
	} {
		v, err := parseObject([]byte(body))
		require.NoError(t, err)
		e := registry.AsError(o.checkBody(map[string]any(v)))
		require.NotNil(t, e, body)
		require.Equal(t, registry.CodeInvalid, e.Code)
		require.Len(t, e.Fields, 1, body)
		f := e.Fields[0]
		require.Equal(t, want, f.Entry+" "+f.Rule+" "+f.Description, body)
	}
	good, err := parseObject([]byte(`{"name":"ok","kind":"A","code":"1234","id":"01890a5d-ac96-774b-bcce-b302099a8057","day":"1980-02-29","at":"2026-11-21T10:00:00Z",
		"bytes":"AA==","count":9,"flag":true,"list":[{"n":1}],"all":{"a":1,"b":2},"one":{"a":"x"}}`))
	require.NoError(t, err)
	require.NoError(t, o.checkBody(map[string]any(good)))
}

func TestQueryStringsFollowTheContract(t *testing.T) {
	b := newBench(t)
	for query, want := range map[string]string{
		"page=x":                "$.page number expected a whole number",
		"page=1&page=2":         "$.page length the parameter stands more than once",
		"person_id=1":           "$.person_id format expected a UUID",
		"start_date_from=1.1.1": "$.start_date_from date expected a date YYYY-MM-DD",
		"nothing=1":             "$.nothing schema unknown query parameter",
	} {
		e := failure(t, b.do("GET", declarationsPath+"?"+query, ""), 422, "validation_failed")
		require.Len(t, e.Invalid, 1, query)
		i := e.Invalid[0]
		require.Equal(t, want, fmt.Sprintf("%s %s %s", i.Entry, i.Rules[0].Rule, i.Rules[0].Description), query)
		require.Equal(t, "query_parameter", i.Type)
	}
	// A read by id takes no parameters at all.
	failure(t, b.do("GET", personsPath+"/01890a5d-ac96-774b-bcce-b302099a8057?x=1", ""), 422, "validation_failed")
	require.Equal(t, 200, b.do("GET", personsPath+"/01890a5d-ac96-774b-bcce-b302099a8057", "").Code)
	failure(t, b.do("GET", declarationsPath+"?a=%zz", ""), 400, "request_malformed")
}

func TestReadsAnswerIfNoneMatch(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/api/v3/dictionaries", personsPath + "/01890a5d-ac96-774b-bcce-b302099a8057", "/openapi.yaml", "/api/v3/legal_entities"} {
		first := b.do("GET", path, "")
		require.Equal(t, 200, first.Code, path)
		tag := first.Header().Get("ETag")
		require.NotEmpty(t, tag, path)
		for _, match := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			again := b.do("GET", path, "", "If-None-Match", match)
			require.Equal(t, 304, again.Code, "%s %s", path, match)
			require.Empty(t, again.Body.String())
		}
		require.Equal(t, 200, b.do("GET", path, "", "If-None-Match", `"other"`).Code, path)
	}
}

func BenchmarkContract(b *testing.B) {
	c, err := readContract()
	require.NoError(b, err)
	o := c["POST /api/v3/declaration_requests"]
	v, err := parseObject([]byte(draftBody))
	require.NoError(b, err)
	b.Run("body", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := o.checkBody(map[string]any(v)); err != nil {
				b.Fatal(err)
			}
		}
	})
	list := c["GET "+declarationsPath]
	r, err := http.NewRequest("GET", declarationsPath+"?page=2&page_size=50&status=active", nil)
	require.NoError(b, err)
	b.Run("query", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := list.checkQuery(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
