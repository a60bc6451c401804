package consent

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/signature"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func good() Consent {
	return Consent{
		Version: 1, ID: registry.SystemSource().NewID(), Text: "Я погоджуюся передати порталу Дія відомості про мою декларацію.",
		Subject: Subject{RNOKPP: "3126509817"}, Recipient: "SANDBOX/GOV/00000001/diia", Purpose: "declaration-view",
		Scope: []string{ScopeDeclaration}, Fields: []string{"status"}, GrantedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Hour),
		SingleUse: true, Nonce: "0123456789abcdef",
	}
}

// parsed is Decode without the signature.
func parsed(b []byte) (Consent, error) {
	var c Consent
	if err := decode(b, &c); err != nil {
		return c, err
	}
	return c, c.check("")
}

func TestDecode(t *testing.T) {
	c := good()
	b, err := c.ToBeSigned()
	require.NoError(t, err)
	back, err := parsed(b)
	require.NoError(t, err)
	require.Equal(t, c, back)

	for name, change := range map[string]func(m map[string]any){
		"unknown member": func(m map[string]any) { m["extra"] = 1 },
		"version":        func(m map[string]any) { m["version"] = 2 },
		"no id":          func(m map[string]any) { delete(m, "id") },
		"other case":     func(m map[string]any) { m["Scope"] = m["scope"] },
		"Latin text":     func(m map[string]any) { m["text"] = "I agree that my declaration is told to the portal." },
		"hidden text":    func(m map[string]any) { m["text"] = m["text"].(string) + "\u0007" },
		"no text":        func(m map[string]any) { m["text"] = "  " },
		"two identifiers": func(m map[string]any) {
			m["subject"] = map[string]any{"rnokpp": "3126509817", "unzr": "19850427-12345"}
		},
		"no identifier":   func(m map[string]any) { m["subject"] = map[string]any{} },
		"bad check digit": func(m map[string]any) { m["subject"] = map[string]any{"rnokpp": "3126509816"} },
		"recipient":       func(m map[string]any) { m["recipient"] = "diia" },
		"purpose":         func(m map[string]any) { m["purpose"] = "" },
		"no time":         func(m map[string]any) { delete(m, "granted_at") },
		"ends first":      func(m map[string]any) { m["expires_at"] = m["granted_at"] },
		"for ever":        func(m map[string]any) { m["expires_at"] = "2126-01-01T00:00:00Z" },
		"short nonce":     func(m map[string]any) { m["nonce"] = "1" },
	} {
		var m map[string]any
		require.NoError(t, json.Unmarshal(b, &m))
		change(m)
		bad, err := json.Marshal(m)
		require.NoError(t, err)
		_, err = parsed(bad)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(err), name)
		require.Equal(t, "consent_malformed", registry.AsError(err).Reason, name)
	}
	_, err = parsed([]byte("not json"))
	require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
}

func TestCovers(t *testing.T) {
	c := good()
	require.Equal(t, OK, c.Covers(c.Recipient, ScopeDeclaration, now))
	require.Equal(t, Recipient, c.Covers("SANDBOX/GOV/00000002/other", ScopeDeclaration, now))
	require.Equal(t, Expired, c.Covers(c.Recipient, ScopeDeclaration, c.ExpiresAt))
	require.Equal(t, OK, c.Covers(c.Recipient, ScopeDeclaration, c.ExpiresAt.Add(-time.Microsecond)))
	require.Equal(t, OK, c.Covers(c.Recipient, ScopeDeclaration, c.GrantedAt.Add(-Skew)))
	require.Equal(t, Expired, c.Covers(c.Recipient, ScopeDeclaration, c.GrantedAt.Add(-Skew-time.Second)))
	require.Equal(t, Scope, c.Covers(c.Recipient, "sick_leave", now))
	c.Fields = nil
	require.Equal(t, Scope, c.Covers(c.Recipient, ScopeDeclaration, now))
}

func TestSignedBySubjectAlone(t *testing.T) {
	c := good()
	require.True(t, c.SignedBy(signature.Signer{RNOKPP: "3126509817"}))
	require.False(t, c.SignedBy(signature.Signer{RNOKPP: "3067305998"}))
	require.False(t, c.SignedBy(signature.Signer{UNZR: "19850427-12345"}))
	c.Subject = Subject{UNZR: "19850427-12345"}
	require.True(t, c.SignedBy(signature.Signer{UNZR: "19850427-12345"}))
	require.False(t, c.SignedBy(signature.Signer{}))
}
