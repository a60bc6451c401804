package signature_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
)

// fillReport sets fields however deep; with some chance one stays empty.
func fillReport(r *rand.Rand, v reflect.Value, depth int) {
	if _, ok := v.Interface().(time.Time); ok {
		at := time.Unix(r.Int64N(4e9), 0).UTC()
		if r.IntN(4) == 0 {
			at = at.Add(time.Duration(r.IntN(1e9))).In(time.FixedZone("", 60*r.IntN(600)))
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	if v.Kind() != reflect.Struct && (r.IntN(4) == 0 || depth > 9) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillReport(r, v.Field(i), depth+1)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillReport(r, v.Elem(), depth+1)
	case reflect.Slice:
		n := r.IntN(3)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fillReport(r, v.Index(i), depth+1)
		}
	case reflect.String:
		words := []string{"a", "Є", "\"", "\\", "<", ">", "&", "\n", "\x00", "\x7f", "\u2028", "\xff", "😀", "C-12", "OK"}
		s := ""
		for range r.IntN(4) {
			s += words[r.IntN(len(words))]
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int:
		v.SetInt(r.Int64N(1 << 40))
	default:
		panic("a kind the writer does not know: " + v.Kind().String())
	}
}

// The report written by hand is what encoding/json makes of it. A field added
// to a type and forgotten in the writer fails.
func TestReportIsItsJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	long := 0
	for range 3000 {
		var report signature.Report
		fillReport(r, reflect.ValueOf(&report).Elem(), 0)
		want, err := json.Marshal(&report)
		require.NoError(t, err)
		require.Equal(t, string(want), string(report.AppendJSON(nil)))
		long = max(long, len(want))
	}
	require.Greater(t, long, 3000, "reports were hardly filled")
}
