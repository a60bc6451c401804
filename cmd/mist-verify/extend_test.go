package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/facts"
	"mist/signature/pki"
	"mist/signature/sign"
)

// A signature of level B is lifted to T, LT and LTA with the services its
// certificates name; what does not pass is not lifted, and nothing is written.
func TestExtend(t *testing.T) {
	for _, kind := range []string{sign.KindP256, sign.KindDSTU257} {
		t.Run(kind, func(t *testing.T) { testExtend(t, kind) })
	}
}

func testExtend(t *testing.T, kind string) {
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	now := time.Now().UTC().Truncate(time.Second)
	var ca, responder, unit pki.Issuer
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		if r.URL.Path == "/tsa" {
			q, err := pki.ParseStampRequest(b)
			require.NoError(t, err)
			token, err := pki.Stamp(q, unit, time.Now(), rand.Reader)
			require.NoError(t, err)
			_, _ = w.Write(pki.StampResponse(token))
			return
		}
		id, nonce, err := pki.ParseOCSPRequest(b)
		require.NoError(t, err)
		out, err := pki.RespondOCSP(id, nonce, pki.Status{}, responder, time.Now(), time.Hour, rand.Reader)
		require.NoError(t, err)
		_, _ = w.Write(out)
	}))
	defer srv.Close()
	issue := func(p pki.Template, by *pki.Issuer) pki.Issuer {
		p.NotBefore, p.NotAfter = now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)
		k, err := sign.GenerateKey(kind, rand.Reader)
		require.NoError(t, err)
		c, err := pki.Issue(p, k, by, rand.Reader)
		require.NoError(t, err)
		return pki.Issuer{Certificate: c, Key: k}
	}
	ca = issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Корінь"}}, nil)
	responder = issue(pki.Template{Profile: pki.Responder, Subject: pki.Subject{CommonName: "OCSP"}}, &ca)
	unit = issue(pki.Template{Profile: pki.TSA, OCSP: srv.URL, Subject: pki.Subject{CommonName: "Позначки часу"}}, &ca)
	who := issue(pki.Template{Profile: pki.Person, OCSP: srv.URL, Subject: pki.Subject{CommonName: "Вигадана О.І.", RNOKPP: "2222222225"}}, &ca)
	body := []byte("зміст")
	signer := sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}
	write := func(name string, b []byte) { require.NoError(t, os.WriteFile(at(name), b, 0o644)) }
	doc, err := sign.CAdES(t.Context(), signer, facts.Bytes(body), sign.Options{Time: now})
	require.NoError(t, err)
	write("b.p7s", doc)
	detached, err := sign.CAdES(t.Context(), signer, facts.Bytes(body), sign.Options{Time: now, Detached: true})
	require.NoError(t, err)
	write("d.p7s", detached)
	write("content", body)
	broken := bytes.Clone(doc)
	broken[bytes.Index(broken, body)] ^= 1
	write("broken.p7s", broken)
	require.NoError(t, os.Mkdir(at("trust"), 0o755))
	write("trust/root.cer", ca.Certificate.Raw)

	online := []string{"--trust", at("trust"), "--online", "--host", strings.TrimPrefix(srv.URL, "http://"), "--allow-private"}
	extend := func(in, level string, more ...string) (int, string) {
		require.NoError(t, os.RemoveAll(at("out.p7s")))
		code, out, errOut := command(t, "", append(append([]string{"extend", at(in), at("out.p7s"), "--tsa", srv.URL + "/tsa", "--level", level}, online...), more...)...)
		return code, out + errOut
	}
	for _, level := range []string{"T", "LT", "LTA"} {
		code, said := extend("b.p7s", level)
		require.Equal(t, 0, code, said)
		require.Contains(t, said, "CAdES-BASELINE-"+level+": TOTAL-PASSED")
		// LT and LTA are judged offline: the message brings everything.
		args := []string{at("out.p7s"), "--trust", at("trust"), "--json"}
		code, out, errOut := command(t, "", args...)
		if level == "T" {
			require.Equal(t, exitUndecided, code, out)
			continue
		}
		require.Equal(t, 0, code, out+errOut)
		require.Contains(t, out, `"level": "CAdES-BASELINE-`+level+`"`)
	}
	// A second time: the archive is renewed.
	again, err := os.ReadFile(at("out.p7s"))
	require.NoError(t, err)
	write("lta.p7s", again)
	code, said := extend("lta.p7s", "LTA")
	require.Equal(t, 0, code, said)

	code, said = extend("d.p7s", "LTA", "--content", at("content"))
	require.Equal(t, 0, code, said)
	code, said = extend("d.p7s", "LTA")
	require.Equal(t, exitUndecided, code, said)
	require.NoFileExists(t, at("out.p7s"))
	code, said = extend("broken.p7s", "T")
	require.Equal(t, exitFailed, code, said)
	require.NoFileExists(t, at("out.p7s"))
	code, said = extend("content", "T")
	require.Equal(t, exitNone, code, said)

	// XAdES and containers, and a signature in base64 as it comes by mail.
	xml, err := sign.XAdESEnveloped(t.Context(), signer, []byte(`<act>зміст</act>`), sign.XAdESOptions{Options: sign.Options{Time: now}})
	require.NoError(t, err)
	write("x.xml", xml)
	var e, s bytes.Buffer
	file := sign.DataObject{Name: "a.txt", Content: facts.Bytes(body)}
	require.NoError(t, sign.ASiC(t.Context(), &e, signer, sign.ASiCOptions{Extended: true, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: now}}}, file))
	write("e.asice", e.Bytes())
	require.NoError(t, sign.ASiC(t.Context(), &s, signer, sign.ASiCOptions{XAdES: true, XAdESOptions: sign.XAdESOptions{Options: sign.Options{Time: now}}}, file))
	write("s.asics", s.Bytes())
	write("m.txt", []byte(base64.StdEncoding.EncodeToString(doc)))
	for name, level := range map[string]string{"x.xml": "XAdES", "e.asice": "CAdES", "s.asics": "XAdES", "m.txt": "CAdES"} {
		code, said := extend(name, "LTA")
		require.Equal(t, 0, code, said)
		require.Contains(t, said, level+"-BASELINE-LTA: TOTAL-PASSED", name)
		code, out, errOut := command(t, "", at("out.p7s"), "--trust", at("trust"), "--json")
		require.Equal(t, 0, code, out+errOut)
	}
}
