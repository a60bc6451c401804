package consent

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

// The element of an XML signature, as canonical XML writes it.
func TestDocumentInXML(t *testing.T) {
	doc, err := good().ToBeSigned()
	require.NoError(t, err)
	for _, form := range []string{
		`<consent xmlns="urn:mist:consent:1">%</consent>`,
		`<c:consent xmlns:c="urn:mist:consent:1">%</c:consent>`,
		`<c:consent xmlns:c="urn:mist:consent:1" xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" Id="x">%</c:consent>`,
	} {
		back, err := parsed([]byte(replace(form, string(doc))))
		require.NoError(t, err, form)
		require.Equal(t, good().Text, back.Text)
	}
	escaped := `<consent xmlns="urn:mist:consent:1">{"a":"&lt;&gt;&amp;&#xD;"}</consent>`
	b, err := unwrap([]byte(escaped))
	require.NoError(t, err)
	require.Equal(t, "{\"a\":\"<>&\r\"}", string(b))

	for _, bad := range []string{
		`<consent>%</consent>`, `<consent xmlns="urn:other">%</consent>`, `<other xmlns="urn:mist:consent:1">%</other>`,
		`<c:consent xmlns="urn:mist:consent:1">%</c:consent>`, `<consent xmlns="urn:mist:consent:1"><b></b>%</consent>`,
		`<consent xmlns="urn:mist:consent:1"><!-- x -->%</consent>`, `<consent xmlns="urn:mist:consent:1">%</consent> `,
		`<consent xmlns='urn:mist:consent:1'>%</consent>`, `<consent xmlns="urn:mist:consent:1" price="1">%</consent>`,
		`<consent xmlns="urn:mist:consent:1">%&quot;</consent>`, `<consent xmlns="urn:mist:consent:1">%&#65;</consent>`,
		`<?xml version="1.0"?><consent xmlns="urn:mist:consent:1">%</consent>`, `<consent xmlns="urn:mist:consent:1"`, `<`,
	} {
		_, err := parsed([]byte(replace(bad, string(doc))))
		require.Equal(t, "consent_malformed", registry.AsError(err).Reason, bad)
	}
}

func replace(form, doc string) string {
	out := ""
	for _, r := range form {
		if r == '%' {
			out += doc
		} else {
			out += string(r)
		}
	}
	return out
}

func FuzzUnwrap(f *testing.F) {
	f.Add([]byte(`<consent xmlns="urn:mist:consent:1">{"a":"&lt;"}</consent>`))
	f.Add([]byte(`<c:consent xmlns:c="urn:mist:consent:1" Id="x">{}</c:consent>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, err := unwrap(b)
		if err == nil {
			require.LessOrEqual(t, len(out), len(b))
		}
		var c Consent
		_ = decode(b, &c)
	})
}

// attested reads a document without its seal.
func attested(t *testing.T, change func(m map[string]any)) error {
	t.Helper()
	a := NewAttestation(good(), Identification{Method: IdentifiedByBankID, At: now.Add(-2 * time.Minute)}, now)
	b, err := a.ToBeSigned()
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	change(m)
	b, err = json.Marshal(m)
	require.NoError(t, err)
	var back Attestation
	if err := decode(b, &back); err != nil {
		return err
	}
	return back.check()
}

func TestAttestation(t *testing.T) {
	require.NoError(t, attested(t, func(map[string]any) {}))
	inner := func(m map[string]any) map[string]any { return m["consent"].(map[string]any) }
	for name, change := range map[string]func(m map[string]any){
		"no type":          func(m map[string]any) { delete(m, "type") },
		"another version":  func(m map[string]any) { m["version"] = 2 },
		"nothing attested": func(m map[string]any) { delete(m, "consent") },
		"both attested":    func(m map[string]any) { m["revocation"] = map[string]any{} },
		"other text": func(m map[string]any) {
			inner(m)["text"] = "Я погоджуюся на все, що завгодно порталу."
		},
		"other digest":        func(m map[string]any) { m["text_sha256"] = "00" },
		"no digest":           func(m map[string]any) { delete(m, "text_sha256") },
		"unknown method":      func(m map[string]any) { m["identification"].(map[string]any)["method"] = "sms" },
		"no method":           func(m map[string]any) { delete(m, "identification") },
		"identified later":    func(m map[string]any) { m["identification"].(map[string]any)["at"] = now.Add(time.Minute) },
		"identified long ago": func(m map[string]any) { m["identification"].(map[string]any)["at"] = now.Add(-2 * time.Hour) },
		"given before":        func(m map[string]any) { inner(m)["granted_at"] = now.Add(-3 * time.Minute) },
		"bad consent":         func(m map[string]any) { inner(m)["nonce"] = "1" },
		"unknown member":      func(m map[string]any) { m["extra"] = 1 },
	} {
		require.Equal(t, "consent_malformed", registry.AsError(attested(t, change)).Reason, name)
	}
}

func TestRevocation(t *testing.T) {
	good := Revocation{Version: 1, Type: TypeRevocation, ConsentID: registry.SystemSource().NewID(), Text: "Я відкликаю свою згоду на передачу відомостей.",
		Subject: Subject{RNOKPP: "3126509817"}, RevokedAt: now}
	require.NoError(t, good.check(""))
	for name, change := range map[string]func(r *Revocation){
		"version": func(r *Revocation) { r.Version = 2 }, "type": func(r *Revocation) { r.Type = "" }, "id": func(r *Revocation) { r.ConsentID = registry.ID{} },
		"text": func(r *Revocation) { r.Text = "no" }, "subject": func(r *Revocation) { r.Subject = Subject{} }, "time": func(r *Revocation) { r.RevokedAt = time.Time{} },
	} {
		r := good
		change(&r)
		require.Equal(t, "consent_malformed", registry.AsError(r.check("")).Reason, name)
	}
}
