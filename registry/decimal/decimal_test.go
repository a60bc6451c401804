package decimal

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{"0": "0", "1": "1", "1.5": "1.5", "-1.50": "-1.5", "18.6500000": "18.65", "0.0001": "0.0001", "1000000000": "1000000000", "-0": "0"} {
		d, err := Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d.String(), text)
	}
	for _, text := range []string{"", "-", ".5", "1.", "+1", "1e2", "0x1", "01", "1.00001", "1000000000.0001", "99999999999", "1,5", " 1", "1 ", "NaN", "--1", "1.2.3", "²"} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrForm, text)
	}
}

func TestJSON(t *testing.T) {
	var v struct{ A Decimal }
	require.NoError(t, json.Unmarshal([]byte(`{"A":186.50}`), &v))
	b, err := json.Marshal(v)
	require.NoError(t, err)
	require.Equal(t, `{"A":186.5}`, string(b))
	require.Error(t, json.Unmarshal([]byte(`{"A":"186.50"}`), &v))
	require.Error(t, json.Unmarshal([]byte(`{"A":1e3}`), &v))
}

// Rounding is compared with exact fractions of math/big.
func TestMulDivAgainstRationals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	half := big.NewRat(1, 2)
	for range 20_000 {
		a, m, by := Decimal(r.Int64N(int64(Of(100_000)))), Decimal(r.Int64N(int64(Of(1000)))), Decimal(1+r.Int64N(int64(Of(500))))
		exact := new(big.Rat).Mul(big.NewRat(int64(a), scale), big.NewRat(int64(m), int64(by)))
		kopiykas := new(big.Rat).Add(new(big.Rat).Mul(exact, big.NewRat(100, 1)), half)
		want := new(big.Int).Quo(kopiykas.Num(), kopiykas.Denom()).Int64()
		require.Equal(t, want, int64(a.MulDiv(m, by))/kopiyka, "%s·%s/%s", a, m, by)
		require.Zero(t, int64(a.MulDiv(m, by))%kopiyka)
	}
	require.Equal(t, Max, Max.MulDiv(Max, Of(1)))
	require.Equal(t, -Max, Max.MulDiv(-Max, Of(1)))
	require.Equal(t, Max, Max.MulDiv(Of(1), Of(1)))
	require.Equal(t, Decimal(0), Of(1).MulDiv(1, 0))
	require.Equal(t, "-0.01", Decimal(-50).Round().String())
	require.Equal(t, "0.01", Decimal(50).Round().String())
	require.Equal(t, "0", Decimal(49).Round().String())
}

func TestFixedAndMultiple(t *testing.T) {
	for text, want := range map[string]string{"5": "5.00", "18.655": "18.66", "-0.004": "0.00", "-1.5": "-1.50"} {
		d, err := Parse(text)
		require.NoError(t, err)
		require.Equal(t, want, d.Fixed(), text)
	}
	require.True(t, Of(30).MultipleOf(Of(10)))
	require.False(t, Of(35).MultipleOf(Of(10)))
	require.False(t, Of(30).MultipleOf(0))
	require.False(t, Of(30).MultipleOf(-Of(10)))
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.5", "-0.0001", "1000000000", "1e9", "00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		back, err := Parse(d.String())
		require.NoError(t, err)
		require.Equal(t, d, back)
		require.LessOrEqual(t, d, Max)
	})
}
