package document

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

type inner struct {
	Code string  `json:"code"`
	Rate float64 `json:"rate,omitempty"`
}

type sample struct {
	ID    registry.ID           `json:"id,omitzero"`
	Name  string                `json:"name"`
	Born  registry.Date         `json:"born,omitzero"`
	Count int                   `json:"count,omitempty"`
	Yes   *bool                 `json:"yes,omitempty"`
	Inner *inner                `json:"inner,omitempty"`
	List  []inner               `json:"list,omitempty"`
	Hours map[string][][]string `json:"hours,omitempty"`
}

func TestEveryFaultIsNamed(t *testing.T) {
	var s sample
	require.NoError(t, Read([]byte(`{"id":"01890a5d-ac96-774b-bcce-b302099a8057","name":"a","born":"1990-02-28","count":3,"yes":false,"inner":{"code":"x","rate":1.5},"list":[{"code":"y"}],"hours":{"mon":[["08:00","12:00"]]}}`), &s))
	require.Equal(t, "12:00", s.Hours["mon"][0][1])
	require.False(t, *s.Yes)
	for body, want := range map[string]string{
		`{}`:                                           "$.name required",
		`[]`:                                           "$ cast",
		`{"name":1}`:                                   "$.name cast",
		`{"name":"a","x":1}`:                           "$.x schema",
		`{"name":"a","Name":"b"}`:                      "$.Name schema",
		`{"name":"a","id":"1"}`:                        "$.id format",
		`{"name":"a","id":7}`:                          "$.id cast",
		`{"name":"a","born":"x"}`:                      "$.born date",
		`{"name":"a","born":""}`:                       "$.born date",
		`{"name":"a","count":1.5}`:                     "$.count cast",
		`{"name":"a","count":"1"}`:                     "$.count cast",
		`{"name":"a","yes":"no"}`:                      "$.yes cast",
		`{"name":"a","inner":[]}`:                      "$.inner cast",
		`{"name":"a","inner":{}}`:                      "$.inner.code required",
		`{"name":"a","inner":null}`:                    "$.inner cast",
		`{"name":"a","list":{}}`:                       "$.list cast",
		`{"name":"a","list":[{}]}`:                     "$.list.[0].code required",
		`{"name":"a","hours":[]}`:                      "$.hours cast",
		`{"name":"a","hours":{"m":[1]}}`:               "$.hours.m.[0] cast",
		`{"name":"a","inner":{"code":"x","rate":"1"}}`: "$.inner.rate cast",
		`{"name":"a","` + strings.Repeat("n", 500) + `":true}`: "$." + strings.Repeat("n", 64) + " schema",
	} {
		e := registry.AsError(Read([]byte(body), &sample{}))
		require.NotNil(t, e, body)
		require.Equal(t, registry.CodeInvalid, e.Code, body)
		require.Equal(t, want, e.Fields[0].Entry+" "+e.Fields[0].Rule, body)
	}
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(Read([]byte(`{"name":"a","name":"b"}`), &sample{})))
	require.Equal(t, registry.CodeMalformed, registry.CodeOf(Read([]byte(`{`), &sample{})))
	require.Equal(t, registry.CodeTooLarge, registry.CodeOf(Read(make([]byte, MaxBytes+1), &sample{})))
	many := registry.AsError(Read([]byte(`{"name":"a","list":[`+strings.TrimSuffix(strings.Repeat("{},", 200), ",")+`]}`), &sample{}))
	require.Len(t, many.Fields, maxFaults)
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","list":[{"code":""}]}`, `{"name":"a","hours":{"":[[]]}}`, `{"count":1e999}`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s sample
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(Read(b, &s)))
	})
}
