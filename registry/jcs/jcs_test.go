package jcs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry/jcs"
)

// The object of RFC 8785, 3.2.2 and its canonical form of 3.2.4.
func TestRFC8785Example(t *testing.T) {
	in := `{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}`
	want := `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
	got, err := jcs.Canonicalize([]byte(in))
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

// Sorting by UTF-16 code units, RFC 8785 3.2.3.
func TestNamesSortByUTF16(t *testing.T) {
	in := `{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`
	got, err := jcs.Canonicalize([]byte(in))
	require.NoError(t, err)
	require.Equal(t, "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}", string(got))
}

// Numbers of RFC 8785, appendix B.
func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"-0":                       "0",
		"5e-324":                   "5e-324",
		"-1.7976931348623157e+308": "-1.7976931348623157e+308",
		"9007199254740992":         "9007199254740992",
		"295147905179352830000":    "295147905179352830000",
		"1e21":                     "1e+21",
		"999999999999999900000":    "999999999999999900000",
		"0.000001":                 "0.000001",
		"0.0000001":                "1e-7",
		"333333333.33333325":       "333333333.33333325",
	} {
		got, err := jcs.Canonicalize([]byte(in))
		require.NoError(t, err, in)
		require.Equal(t, want, string(got), in)
	}
}

func TestRefused(t *testing.T) {
	ok := `{"a":[1,"x\ud83d\ude00"]}`
	_, err := jcs.Parse([]byte(ok))
	require.NoError(t, err)
	deep := ""
	for range 100 {
		deep += "["
	}
	for name, in := range map[string]string{
		"duplicate member":  `{"a":1,"\u0061":2}`,
		"trailing bytes":    ok + "x",
		"second text":       ok + ok,
		"lone surrogate":    `"\ud83d"`,
		"reversed pair":     `"\ude00\ud83d"`,
		"invalid UTF-8":     "\"\xff\"",
		"number too large":  `1e999`,
		"too deep":          deep,
		"empty":             ``,
		"unfinished":        `{"a":`,
		"unquoted":          `{a:1}`,
		"trailing comma":    `[1,]`,
		"control character": "\"\x01\"",
		"NaN":               `NaN`,
	} {
		_, err := jcs.Parse([]byte(in))
		var pe *jcs.ParseError
		require.ErrorAs(t, err, &pe, name)
	}
}

// A foreign reader agrees: what Parse takes encoding/json takes and reads alike,
// and what encoding/json refuses Parse refuses. The other way round Parse refuses
// more: doubled names, lone surrogates, numbers out of range, depth.
func FuzzParse(f *testing.F) {
	for _, s := range []string{` {"a" : [ 1 , -0.5e+3, "x\u00e9\\\"\/\b\f\n\r\t" ] , "б":null } `, `"\ud83d\ude00\u0041"`, `[[[]],{}]`, `-0.1e-7`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `tru`, `nulll`,
		`"\x"`, `"\u12"`, `"\u123g"`, "\"\x7f\"", `{"a":1,}`, `{"a"}`, `{,}`, `[1 2]`, `{"a":1,"\u0061":2}`, `"\ud83d\ud83d"`, `9999999999999999999999`, "\ufeff1", "1\x00", `"a`, `{"a":`, "\v1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := jcs.Parse(in)
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var want any
		foreign := d.Decode(&want)
		if foreign == nil {
			if _, more := d.Token(); more != io.EOF {
				foreign = io.ErrUnexpectedEOF
			}
		}
		if err == nil {
			require.NoError(t, foreign)
			require.Equal(t, want, got)
			return
		}
		var pe *jcs.ParseError
		require.ErrorAs(t, err, &pe)
		require.LessOrEqual(t, pe.Offset, int64(len(in)))
		if foreign == nil {
			require.NotContains(t, []string{"unexpected end", "syntax error", "bytes after the JSON text"}, pe.Reason, "encoding/json reads %q", in)
		}
	})
}

// What Marshal writes comes apart into its members and together again.
func TestMembers(t *testing.T) {
	src, err := jcs.Marshal(map[string]any{"a": []any{1, "},{", map[string]any{"b": nil}}, "ї\"": "x\\", "z": map[string]any{}, "n": -1.5})
	require.NoError(t, err)
	members, err := jcs.Members(src)
	require.NoError(t, err)
	require.Equal(t, string(src), string(jcs.Join(members)))
	require.Equal(t, "a", members[0].Name)
	require.Equal(t, `[1,"},{",{"b":null}]`, string(members[0].Value))
	none, err := jcs.Members([]byte(`{}`))
	require.NoError(t, err)
	require.Empty(t, none)
	for _, bad := range []string{``, `{`, `[]`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{a:1}`, `{"a":1}}`, `{"a":1}{"b":2}`, `{"a":"x}`} {
		_, err := jcs.Members([]byte(bad))
		require.Error(t, err, bad)
	}
}

func BenchmarkParse(b *testing.B) {
	src, err := os.ReadFile("../compact/dictionary-1.txt")
	require.NoError(b, err)
	src = bytes.Split(src, []byte("\n"))[0]
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jcs.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDiffNamesPointersNotValues(t *testing.T) {
	a, _ := jcs.Parse([]byte(`{"p":{"x":1,"y/z":[1,2]},"same":"v","n":1.0}`))
	b, _ := jcs.Parse([]byte(`{"p":{"x":2,"y/z":[1]},"same":"v","n":1,"extra":null}`))
	require.Equal(t, []string{"/extra", "/p/x", "/p/y~1z/1"}, jcs.Diff(a, b, 10))
	require.Equal(t, []string{"/extra"}, jcs.Diff(a, b, 1))
	require.Empty(t, jcs.Diff(a, a, 10))
}

func FuzzCanonicalize(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x"],"б":null}`, `"\ud83d\ude00"`, `[[[]]]`, `-0.1e-7`, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		once, err := jcs.Canonicalize(in)
		if err != nil {
			return
		}
		require.True(t, json.Valid(once))
		twice, err := jcs.Canonicalize(once)
		require.NoError(t, err)
		require.Equal(t, string(once), string(twice))
		a, err := jcs.Parse(in)
		require.NoError(t, err)
		b, err := jcs.Parse(once)
		require.NoError(t, err)
		require.Empty(t, jcs.Diff(a, b, 5))
	})
}

// What Marshal writes by moving members is what reading and writing anew gives.
func FuzzMarshalIsCanonical(f *testing.F) {
	for _, s := range []string{`{"b":1,"a":{"d":[1,2.50,-0,1e30,12345678901234567890],"c":"x"}}`, `{"a b":1,"a":2,"a!":3}`, `{"\u00e9":1,"e":"\u2028<&>\n\u0001"}`,
		`[[],{},null,true,"\\\""]`, `{"\ud83d\ude00":1,"\ufb33":2}`, `0.1`, `-12`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		v, err := jcs.Parse(src)
		if err != nil {
			return
		}
		written, err := json.Marshal(v)
		if err != nil {
			return
		}
		want, wantErr := jcs.Canonicalize(written)
		got, err := jcs.Marshal(v)
		require.Equal(t, wantErr == nil, err == nil)
		require.Equal(t, string(want), string(got))
	})
}

func BenchmarkMarshal(b *testing.B) {
	v, err := jcs.Parse([]byte(`[{"declaration_number":"0001-AAAA-1234","status":"active","start_date":"2026-01-02","doctor":{"last_name":"Лікаренко","first_name":"Петро","position":"P1"},"division":{"name":"Амбулаторія","mountain_group":false,"phones":["+380440000000"]}}]`))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jcs.Marshal(v); err != nil {
			b.Fatal(err)
		}
	}
}
