package diia

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/wsdl"
	"mist/wsdl/gen/diia"
)

const plainBody = `<d:GetDeclarationByPatient xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:d="` + wsdl.DiiaNS + `"><d:requestId>4894e35d-bf0f-44a6-867a-8e51f1daa7e0</d:requestId>` +
	`<d:person><d:rnokpp>3126509817</d:rnokpp><d:lastName>Тестова</d:lastName><d:firstName>Оксана</d:firstName><d:patronymic>Іванівна</d:patronymic><d:birthDate>1985-08-07</d:birthDate></d:person>` +
	`<d:consent><d:signedConsent>TUlJQg==</d:signedConsent></d:consent><d:status>active</d:status><d:status>closed</d:status><d:purposeId>ціль 1</d:purposeId></d:GetDeclarationByPatient>`

// plainVariants are bodies that are read the plain way, and others; all of the
// first obey the schema.
func plainVariants() (plain, other []string) {
	edit := func(old, new string) string { return strings.Replace(plainBody, old, new, 1) }
	noPrefix := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(plainBody, "<d:", "<"), "</d:", "</"), "xmlns:d=", "xmlns=")
	plain = []string{
		plainBody, noPrefix, edit("><d:requestId>", ">\n  <d:requestId>"),
		edit("<d:rnokpp>3126509817</d:rnokpp>", "<d:unzr>19850807-12345</d:unzr>"),
		edit("<d:rnokpp>3126509817</d:rnokpp>", "<d:document><d:type>PASSPORT</d:type><d:number>АА 123</d:number></d:document>"),
		edit("<d:patronymic>Іванівна</d:patronymic><d:birthDate>1985-08-07</d:birthDate>", ""),
		edit("<d:signedConsent>TUlJQg==</d:signedConsent>", "<d:consentId>4894E35D-bf0f-44a6-867a-8e51f1daa7e0</d:consentId>"),
		edit("<d:consent><d:signedConsent>TUlJQg==</d:signedConsent></d:consent>", ""),
		edit("<d:signedConsent>TUlJQg==</d:signedConsent>", ""),
	}
	other = []string{
		edit("TUlJQg==", "TUlJ\nQg=="), edit("TUlJQg==", "TUlJQh=="), edit("TUlJQg==", "TUl=Qg=="), edit("TUlJQg==", ""),
		edit("Тестова", "Т&amp;естова"), edit("Тестова", "<![CDATA[Тестова]]>"), edit("Тестова", "Тес<!-- -->това"), edit("Тестова", ""),
		edit("Тестова", strings.Repeat("я", 256)), edit("Тестова", "\xff"), edit("3126509817", "312650981"), edit("active", "activ"),
		edit("<d:lastName>", `<d:lastName a="b">`), edit("<d:lastName>", `<d:lastName xmlns:d="other">`), edit("<d:lastName>", "<d:lastName >"),
		edit("1985-08-07", "1985-08-07Z"), edit("1985-08-07", "1985-02-30"), edit(wsdl.DiiaNS, "urn:other"), plainBody + " ", plainBody + "<a/>",
		edit(`xmlns:soapenv=`, `soapenv=`), edit(`xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"`, `xmlns:d="`+wsdl.DiiaNS+`"`),
		edit(`xmlns:soapenv=`, `xmlns:xml=`), edit("<d:person>", "<d:person>text"), strings.Replace(plainBody, "d:lastName", "e:lastName", 2), edit("4894e35d", "4894e35"),
	}
	return plain, other
}

func TestPlainIsChosen(t *testing.T) {
	plain, other := plainVariants()
	for _, doc := range plain {
		require.True(t, plainDeclarationByPatient(wsdl.DiiaNS, []byte(doc), new(diia.GetDeclarationByPatient)), doc)
	}
	for _, doc := range other {
		require.False(t, plainDeclarationByPatient(wsdl.DiiaNS, []byte(doc), new(diia.GetDeclarationByPatient)), doc)
	}
}

// FuzzPlain: what the plain way takes the schema takes, and both read the same.
func FuzzPlain(f *testing.F) {
	contract, err := wsdl.Diia()
	require.NoError(f, err)
	plain, other := plainVariants()
	for _, doc := range append(plain, other...) {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var got, want diia.GetDeclarationByPatient
		if !plainDeclarationByPatient(wsdl.DiiaNS, doc, &got) {
			return
		}
		require.NoError(t, contract.Validate(doc))
		require.NoError(t, xml.Unmarshal(doc, &want))
		got.XMLName = want.XMLName
		require.Equal(t, want, got)
	})
}

func BenchmarkPlain(b *testing.B) {
	doc := []byte(strings.Replace(plainBody, "TUlJQg==", strings.Repeat("TUlJ", 1200), 1))
	contract, err := wsdl.Diia()
	require.NoError(b, err)
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if !plainDeclarationByPatient(wsdl.DiiaNS, doc, new(diia.GetDeclarationByPatient)) {
				b.Fatal("not plain")
			}
		}
	})
	b.Run("schema", func(b *testing.B) {
		for b.Loop() {
			if contract.Validate(doc) != nil || xml.Unmarshal(doc, new(diia.GetDeclarationByPatient)) != nil {
				b.Fatal("not valid")
			}
		}
	})
}
