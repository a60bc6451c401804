package cert_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/cert"
)

// A P-256 certificate with the Ukrainian identifiers, made for this test.
const seed = "MIIDcDCCAxagAwIBAgIUQTbJqi105YhV2JK6Ej69Hdc8wsMwCgYIKoZIzj0EAwIwMzEkMCIGA1UEAwwb0KLQtdGB0YLQvtCy0LjQuSDQmtCd0J" +
	"XQlNCfMQswCQYDVQQGEwJVQTAeFw0yNTExMjExMjAwMDBaFw0yNzExMjExMjAwMDBaMIHjMSgwJgYDVQQKDB/QktC40LPQsNC00LDQvdCwINC6" +
	"0LvRltC90ZbQutCwMTUwMwYDVQQDDCzQktC40LPQsNC00LDQvdCwINCe0LvQtdC90LAg0IbQstCw0L3RltCy0L3QsDEZMBcGA1UEBAwQ0JLQuN" +
	"Cz0LDQtNCw0L3QsDEkMCIGA1UEKgwb0J7Qu9C10L3QsCDQhtCy0LDQvdGW0LLQvdCwMRkwFwYDVQQFExBUSU5VQS0yMjIyMjIyMjI1MRcwFQYD" +
	"VQRhEw5OVFJVQS0xMjM0NTY3OTELMAkGA1UEBhMCVUEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARiBOOPCpVvvqi6ttsgZ6ThKIZ5oVMYfY" +
	"bKoeh4rMCC2xC6VuCBO3yF6FGW82BAkFb5jz7XkyiMy7Zh4KmxEX0Io4IBVTCCAVEwHQYDVR0OBBYEFBhIchaBd8p2x/W+sdf8IKEFb/p1MB8G" +
	"A1UdIwQYMBaAFHnLEDa9AnJstUnSnMC7oIcYHEfZMA4GA1UdDwEB/wQEAwIGwDAJBgNVHRMEAjAAMBYGA1UdIAQPMA0wCwYJKoYkAgEBAQICME" +
	"cGCCsGAQUFBwEDAQH/BDgwNjAIBgYEAI5GAQEwEwYGBACORgEGMAkGBwQAjkYBBgEwCwYJKoYkAgEBAQIBMAgGBgQAjkYBBDBlBgNVHQkEXjBc" +
	"MBwGDCqGJAIBAQELAQQBATEMEwoyMjIyMjIyMjI1MBoGDCqGJAIBAQELAQQCATEKEwgxMjM0NTY3OTAgBgwqhiQCAQEBCwEECwExEBMOMTk5MD" +
	"AxMDEtMDAwMjUwLAYIKwYBBQUHAQEEIDAeMBwGCCsGAQUFBzABhhBodHRwOi8vb2NzcC50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQDsCH3OKRVx" +
	"Pv+Ju6Hpd2dWd7RuI/sDVSsUHV9mliSSQwIgXsXO6QzCxvDLkxpwbaQVTXTaV0zZOTamynS5uFq0uxg="

func FuzzCertificate(f *testing.F) {
	der, err := base64.StdEncoding.DecodeString(seed)
	require.NoError(f, err)
	f.Add(der)
	c, err := cert.Parse(der)
	require.NoError(f, err)
	require.Equal(f, "2222222225", c.Identity.RNOKPP)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := cert.Parse(b)
		if err != nil {
			return
		}
		_ = c.Subject.String()
		_ = c.SelfSigned()
		_ = c.IsSeal()
		_ = c.PermitsNames(c)
		require.True(t, c.Subject.Equal(c.Subject))
	})
}
