package cert

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/internal/ber"
)

// nameOf encodes attributes, most general first, each an RDN of its own.
func nameOf(t *testing.T, pairs ...string) Name {
	t.Helper()
	var rdns [][]byte
	for i := 0; i < len(pairs); i += 2 {
		rdns = append(rdns, ber.SetOf(ber.Seq(ber.EncodeOID(pairs[i]), ber.EncodeUTF8(pairs[i+1]))))
	}
	e, err := ber.One(ber.Seq(rdns...))
	require.NoError(t, err)
	n, err := ParseName(e)
	require.NoError(t, err)
	return n
}

// Names as text in the dialects of signers name the certificate's name, and a change of one letter does not.
func TestTextKeys(t *testing.T) {
	n := nameOf(t, oidCountry, "UA", oidLocality, "Київ", oidOrganization, `ТОВ "Зразок, і Ко"`, oidCommonName, "Зразкова Марія", oidSerialNumber, "TINUA-1111111118", oidEmail, "m@example.org")
	for _, text := range []string{
		n.String(),
		`EMAILADDRESS=m@example.org, SERIALNUMBER=TINUA-1111111118, CN=Зразкова Марія, O="ТОВ \"Зразок, і Ко\"", L=Київ, C=UA`,
		`C=UA,L=Київ,O=ТОВ \"Зразок\, і Ко\",CN=зразкова  марія,2.5.4.5=TINUA-1111111118,E=m@example.org`,
		`1.2.840.113549.1.9.1=#0c0d6d406578616d706c652e6f7267,OID.2.5.4.5=TINUA-1111111118,CN=\D0\97разкова Марія,O=ТОВ \22Зразок\, і Ко\22,L=Київ,C=UA`,
	} {
		require.True(t, slices.Contains(TextKeys(text), n.Key()), text)
		require.False(t, slices.Contains(TextKeys(text+" "), nameOf(t, oidCountry, "UA").Key()))
	}
	for _, text := range []string{
		"", "CN", "CN=a,", "=a", "XX=a", `CN="a`, `CN="a"b`, `CN=a\`, "CN=#zz", "CN=#0c05", "a=b=c", "1=2", string(make([]byte, 5000)), "CN=\xff",
	} {
		require.Empty(t, TextKeys(text), "%q", text)
	}
	require.False(t, slices.Contains(TextKeys(`C=UA,CN=Зразкова Марія`), n.Key()))
}

func FuzzTextKeys(f *testing.F) {
	f.Add(`CN=a\,b+OU="c d",C=#0c0161;O=\D0\97`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, key := range TextKeys(s) {
			require.NotEmpty(t, key)
		}
	})
}
