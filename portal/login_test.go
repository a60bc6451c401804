package portal

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
)

func TestLoginPageIsShownOrLeadsBack(t *testing.T) {
	b := newBench(t)
	const page = "/oauth/authorize?response_type=code&client_id=x&redirect_uri=https%3A%2F%2Fmis.example%2Fcb&code_challenge=c&code_challenge_method=S256&state=s"
	w := b.do("GET", page, "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, access.AuthorizationRequest{ClientID: "x", RedirectURI: "https://mis.example/cb", State: "s", CodeChallenge: "c", Method: "S256"}, b.asked)
	require.Equal(t, "МІС <b>", b.shown.Challenge.ClientName)
	require.NotEmpty(t, b.shown.Document)

	b.err = registry.Errorf(registry.CodeForbidden, "the client has no scope %q", "x").WithReason("invalid_scope")
	w = b.do("GET", page, "")
	require.Equal(t, 303, w.Code)
	require.Contains(t, w.Header().Get("Location"), "https://mis.example/cb?error=invalid_scope")
	b.err = registry.Errorf(registry.CodeInvalid, "redirect_uri is not one of the client's registered addresses").WithReason("redirect_uri")
	w = b.do("GET", page, "")
	require.Equal(t, 422, w.Code, "nobody is sent to an address that is not registered")
	require.Empty(t, w.Header().Get("Location"))
	require.Equal(t, "redirect_uri", b.shown.Trouble.Reason)
	require.Nil(t, b.shown.Challenge)
}

func TestAuthorizeForms(t *testing.T) {
	b := newBench(t)
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	part, err := m.CreateFormFile("signed_content", "login.p7s")
	require.NoError(t, err)
	_, err = part.Write([]byte("container"))
	require.NoError(t, err)
	require.NoError(t, m.Close())
	for name, c := range map[string]struct{ body, media string }{
		"file":   {body.String(), m.FormDataContentType()},
		"base64": {"signed_content=Y29udGFpbmVy&employee_id=e", form},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			w := b.do("POST", "/oauth/authorize", c.body, "Content-Type", c.media)
			require.Equal(t, 303, w.Code, w.Body.String())
			require.Equal(t, "https://mis.example/cb?code=the-code&iss=https%3A%2F%2Fmist.example&state=s+t&x=1", w.Header().Get("Location"))
			require.Equal(t, "container", string(b.body))
		})
	}
	w := b.do("POST", "/oauth/authorize", `{"signed_content":"Y29udGFpbmVy"}`)
	require.Equal(t, 200, w.Code)
	require.Equal(t, "the-code", oauthAnswer(t, w)["code"])
	require.Equal(t, 400, b.do("POST", "/oauth/authorize", `{"signed_content":"?"}`).Code)
	require.Equal(t, 422, b.do("POST", "/oauth/authorize", "--b--\r\n", "Content-Type", "multipart/form-data; boundary=b").Code)

	choice := &access.ChoiceError{Positions: []access.Position{{Role: "OWNER", LegalEntityName: "<КНП>"}, {Role: "DOCTOR"}}}
	b.err = registry.Errorf(registry.CodeConflict, "choose").WithReason("interaction_required").WithCause(choice)
	w = b.do("POST", "/oauth/authorize", "signed_content=Y29udGFpbmVy", "Content-Type", form)
	require.Equal(t, 200, w.Code)
	require.Equal(t, choice.Positions, b.shown.Positions)
	require.Equal(t, "container", string(b.shown.Signed))
	w = b.do("POST", "/oauth/authorize", `{"signed_content":"Y29udGFpbmVy"}`)
	require.Equal(t, 400, w.Code)
	require.Equal(t, "interaction_required", oauthAnswer(t, w)["error"])
	b.err = errors.New("the database says: secret")
	w = b.do("POST", "/oauth/authorize", "signed_content=Y29udGFpbmVy", "Content-Type", form)
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
}

func TestGrantMembersBelongToTheirType(t *testing.T) {
	const client = "&client_id=id&client_secret=s"
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"code without verifier":   {"grant_type=authorization_code&code=c&redirect_uri=r" + client, "invalid_request"},
		"refresh without token":   {"grant_type=refresh_token" + client, "invalid_request"},
		"signature without it":    {"grant_type=digital_signature" + client, "invalid_request"},
		"signature not base64":    {"grant_type=digital_signature&signed_content=%3F" + client, "invalid_request"},
		"code with client grant":  {"grant_type=client_credentials&code=c" + client, "invalid_request"},
		"refresh and a signature": {"grant_type=refresh_token&refresh_token=r&signed_content=eA==" + client, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBench(t).do("POST", "/oauth/token", c.body, "Content-Type", form, "Authorization", "")
			require.Equal(t, 400, w.Code)
			require.Equal(t, c.code, oauthAnswer(t, w)["error"])
		})
	}
	b := newBench(t)
	require.Equal(t, 200, b.do("POST", "/oauth/token", "grant_type=authorization_code&code=c&redirect_uri=r&code_verifier=v"+client, "Content-Type", form, "Authorization", "").Code)
	require.Equal(t, [3]string{"c", "r", "v"}, b.exchanged)
	require.Equal(t, 200, b.do("POST", "/oauth/token", "grant_type=refresh_token&refresh_token=r&scope=a"+client, "Content-Type", form, "Authorization", "").Code)
	require.Equal(t, "a", b.grant.Scope)
}

// The header of a proxy counts only where the configuration says that there is one.
func TestCertificateOfTheConnection(t *testing.T) {
	der := []byte("a certificate")
	header := ":" + base64.StdEncoding.EncodeToString(der) + ":"
	sum := sha256.Sum256(der)
	trusting := newBench(t, func(c *Config) { c.ProxyTellsCertificate = true })
	for _, c := range []struct {
		b      *bench
		header string
		want   []byte
	}{{trusting, header, sum[:]}, {trusting, "", nil}, {trusting, header[1:], nil}, {trusting, ":%:", nil}, {newBench(t), header, nil}} {
		c.b.do("GET", onePath, "", "Client-Cert", c.header)
		require.Equal(t, c.want, c.b.certificate, c.header)
	}
}

// ShowLogin keeps what the page would show; portal/oauth is the page.
func (b *bench) ShowLogin(w http.ResponseWriter, _ *http.Request, v LoginView) {
	b.shown = v
	w.WriteHeader(v.Status)
}
