package cert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/internal/ber"
)

func TestFold(t *testing.T) {
	for _, s := range []string{
		"", " ", "plain", "Plain  Name ", "\tТОВ  «Їжак Ґанок»\n", "ЀЏ Єва", "İstanbul", "ẞ", "a\u00a0b", "a\u2003 b", "ÀÉ", "ǅ", "\u0000x",
	} {
		want := strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(s), " ")), "\x00", "\x00\x01")
		require.Equal(t, want, fold(s), "%q", s)
	}
}

// Names that a reader of joined text would take for each other stay apart.
func TestNamesStayApart(t *testing.T) {
	name := func(rdns ...[][2]string) Name {
		var sets [][]byte
		for _, rdn := range rdns {
			var atvs [][]byte
			for _, a := range rdn {
				atvs = append(atvs, ber.Seq(ber.EncodeOID(a[0]), ber.Wrap(ber.UTF8String, []byte(a[1]))))
			}
			sets = append(sets, ber.Wrap(ber.Set, atvs...))
		}
		e, err := ber.One(ber.Seq(sets...))
		require.NoError(t, err)
		n, err := ParseName(e)
		require.NoError(t, err)
		return n
	}
	cn := func(v string) [][2]string { return [][2]string{{oidCommonName, v}} }
	require.True(t, name(cn("Центр  «А»")).Equal(name(cn("центр «а»"))))
	for _, other := range []Name{
		name(cn("x"), cn("y")), name(cn("x\x00/2.5.4.3=y")), name([][2]string{{oidCommonName, "x"}, {oidCommonName, "y"}}), name(cn("x\x002.5.4.3=y")), name(cn("x")),
	} {
		for _, again := range []Name{name(cn("x/y")), name(cn("x\x00y")), name(cn("xy"))} {
			require.False(t, other.Equal(again))
		}
	}
	require.False(t, name(cn("x"), cn("y")).Equal(name(cn("x\x00/2.5.4.3=y"))))
	require.False(t, name([][2]string{{oidCommonName, "x"}, {oidCommonName, "y"}}).Equal(name(cn("x\x002.5.4.3=y"))))
	require.False(t, name([][2]string{{oidCommonName, "x"}, {oidCommonName, "y"}}).Equal(name(cn("x"), cn("y"))))
}
