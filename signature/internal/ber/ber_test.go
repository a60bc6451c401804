package ber

import (
	"bytes"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRefusals(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":                      {},
		"no length":                  {0x30},
		"length beyond the input":    {0x30, 0x05, 0x01},
		"length of nine octets":      {0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		"high tag number":            {0x1f, 0x81, 0x00, 0x00},
		"indefinite primitive":       {0x04, 0x80, 0x00, 0x00},
		"indefinite without end":     {0x30, 0x80, 0x02, 0x01, 0x00},
		"two values":                 {0x05, 0x00, 0x05, 0x00},
		"indefinite nested too deep": append(bytes.Repeat([]byte{0x30, 0x80}, MaxDepth+1), make([]byte, 2*(MaxDepth+1))...),
	} {
		_, err := One(b)
		require.ErrorIs(t, err, ErrSyntax, name)
	}
	_, err := One(append(bytes.Repeat([]byte{0x30, 0x80}, MaxDepth), make([]byte, 2*MaxDepth)...))
	require.NoError(t, err)
}

func TestBERStrings(t *testing.T) {
	// 24 80 04 02 'ab' 24 80 04 01 'c' 00 00 00 00
	e, err := One([]byte{0x24, 0x80, 0x04, 0x02, 'a', 'b', 0x24, 0x80, 0x04, 0x01, 'c', 0, 0, 0, 0})
	require.NoError(t, err)
	o, err := e.Octets()
	require.NoError(t, err)
	require.Equal(t, "abc", string(o))
	d, err := ToDER(e.Full)
	require.NoError(t, err)
	require.Equal(t, []byte{0x04, 0x03, 'a', 'b', 'c'}, d)
	require.False(t, IsDER(e.Full))
	require.True(t, IsDER(d))
}

func TestSetOrder(t *testing.T) {
	set := Wrap(Set, []byte{0x02, 0x01, 0x05}, []byte{0x02, 0x01, 0x03})
	require.False(t, IsDER(set))
	d, err := ToDER(set)
	require.NoError(t, err)
	require.Equal(t, SetOf([]byte{0x02, 0x01, 0x05}, []byte{0x02, 0x01, 0x03}), d)
}

func TestIntegersAndOIDs(t *testing.T) {
	for _, v := range []int64{0, 1, 127, 128, 255, 256, -1, -128, -129, 1 << 40, -(1 << 40)} {
		e, err := One(EncodeInt(big.NewInt(v)))
		require.NoError(t, err)
		got, err := e.Int()
		require.NoError(t, err)
		require.Equal(t, v, got.Int64())
	}
	require.Equal(t, []byte{0x02, 0x01, 0x80}, EncodeInt(big.NewInt(-128)))
	for _, s := range []string{"1.2.840.113549.1.7.2", "1.2.804.2.1.1.1.1.3.1.1", "2.5.4.3", "2.999.1", "0.4.0.1862.1.1"} {
		e, err := One(EncodeOID(s))
		require.NoError(t, err)
		got, err := e.OID()
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		e, err := One(EncodeTime(at))
		require.NoError(t, err)
		got, err := e.Time()
		require.NoError(t, err)
		require.Equal(t, at, got)
	}
	_, err := Element{Tag: UTCTime, Body: []byte("991332000000Z")}.Time()
	require.Error(t, err)
}

func FuzzBER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 0x04, 0x01, 'c', 0, 0, 0, 0})
	f.Add(Seq(EncodeOID("1.2.3"), EncodeSmall(5), EncodeTime(time.Unix(0, 0))))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := Read(b)
		if err != nil {
			return
		}
		require.Equal(t, len(b), len(e.Full)+len(rest))
		e.Octets()
		e.Int()
		e.OID()
		e.Time()
		e.Text()
		if d, err := ToDER(e.Full); err == nil {
			again, err := ToDER(d)
			require.NoError(t, err)
			require.Equal(t, d, again, "DER of DER differs")
		}
	})
}

// The short way to a time and the general parser agree wherever both answer.
func TestPlainTimes(t *testing.T) {
	for _, c := range []struct {
		tag  byte
		text string
		want string // "" refused
	}{
		{UTCTime, "491231235959Z", "2049-12-31T23:59:59Z"},
		{UTCTime, "500101000000Z", "1950-01-01T00:00:00Z"},
		{UTCTime, "240229120000Z", "2024-02-29T12:00:00Z"},
		{UTCTime, "230229120000Z", ""},
		{UTCTime, "240229126000Z", ""},
		{UTCTime, "240229240000Z", ""},
		{UTCTime, "2402291200Z", "2024-02-29T12:00:00Z"},
		{UTCTime, "240229120000+0200", "2024-02-29T10:00:00Z"},
		{UTCTime, "24022912000 Z", ""},
		{UTCTime, "2402291200-1Z", ""},
		{GeneralizedTime, "20261121120000Z", "2026-11-21T12:00:00Z"},
		{GeneralizedTime, "20261121120000.5Z", "2026-11-21T12:00:00.5Z"},
		{GeneralizedTime, "20261321120000Z", ""},
		{GeneralizedTime, "20260431120000Z", ""},
		{GeneralizedTime, "00010101000000Z", "0001-01-01T00:00:00Z"},
	} {
		got, err := Element{Tag: c.tag, Body: []byte(c.text)}.Time()
		if c.want == "" {
			require.ErrorIs(t, err, ErrSyntax, c.text)
			continue
		}
		require.NoError(t, err, c.text)
		require.Equal(t, c.want, got.Format(time.RFC3339Nano), c.text)
	}
}

// Shared identifiers are what decoding gives.
func TestCommonIdentifiers(t *testing.T) {
	for body, dotted := range common {
		require.Equal(t, append([]byte{OID, byte(len(body))}, body...), EncodeOID(dotted))
		// A made-up last arc is not in the table and takes the long way.
		got, err := OIDOf(append([]byte(body), 0x7f))
		require.NoError(t, err)
		require.Equal(t, dotted+".127", got)
	}
}
