package facts_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/facts"
)

// Characters that encoding/json treats in different ways, invalid UTF-8 among
// them.
var alphabet = []string{"a", "Є", "\"", "\\", "<", ">", "&", "\n", "\r", "\t", "\b", "\f", "\x00", "\x1f", "\x7f", "\u2028", "\u2029", "\xff", "\xe2\x80", "😀", "\ufffd"}

func digestForm(f *facts.Facts) string {
	var b strings.Builder
	f.WriteDigestForm(&b)
	return b.String()
}

// fill sets every exported field, however deep; with some chance a value stays
// empty, or a list or a pointer nil.
func fill(r *rand.Rand, v reflect.Value, chance float64) {
	if _, ok := v.Interface().(time.Time); ok {
		at := time.Unix(r.Int64N(4e9), 0).UTC()
		if r.IntN(4) == 0 {
			at = at.Add(time.Duration(r.IntN(1e9))).In(time.FixedZone("", 60*r.IntN(600)))
		}
		v.Set(reflect.ValueOf(at))
		return
	}
	if v.Kind() != reflect.Struct && r.Float64() < chance {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i), chance)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem(), chance)
	case reflect.Slice:
		n := r.IntN(4)
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(r, v.Index(i), chance)
		}
	case reflect.String:
		s := ""
		for range r.IntN(6) {
			s += alphabet[r.IntN(len(alphabet))]
		}
		v.SetString(s)
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1 << 40))
	case reflect.Uint8:
		v.SetUint(r.Uint64N(256))
	default:
		panic("a kind the writer does not know: " + v.Kind().String())
	}
}

// The written-out form is what encoding/json makes of the same facts without
// their raw bytes. A field added to a type and forgotten in the writer fails.
func TestDigestFormIsTheJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	long := 0
	for i := range 3000 {
		var f facts.Facts
		fill(r, reflect.ValueOf(&f).Elem(), []float64{0, 0.05, 0.3, 0.9}[i%4])
		got := digestForm(&f)
		for i := range f.Certificates {
			f.Certificates[i].DER = nil
		}
		for i := range f.Revocations {
			f.Revocations[i].DER = nil
		}
		for i := range f.Timestamps {
			f.Timestamps[i].Token = nil
		}
		for i := range f.Signatures {
			f.Signatures[i].Value = nil
		}
		want, err := json.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, string(want), got)
		long = max(long, len(got))
	}
	require.Greater(t, long, 10_000, "facts were hardly filled")
}

// One character at a time, and the facts of nothing.
func TestDigestFormOfEveryByte(t *testing.T) {
	for c := range 256 {
		for _, s := range []string{string([]byte{byte(c)}), string(rune(c)), "x" + string([]byte{byte(c)}) + "y"} {
			f := facts.Facts{TrustVersion: s}
			want, err := json.Marshal(f)
			require.NoError(t, err)
			require.Equal(t, string(want), digestForm(&f))
		}
	}
	f := facts.Facts{Document: facts.Document{SHA256: []byte{}}, UnsignedParts: []string{}, Certificates: []facts.Certificate{}}
	want, err := json.Marshal(f)
	require.NoError(t, err)
	require.Equal(t, string(want), digestForm(&f))
}
