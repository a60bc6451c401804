package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
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
	"mist/signature/trust/fetch"
)

// publisher is an administrator of a trusted list with a server of its own.
type publisher struct {
	*testing.T
	server *httptest.Server
	docs   map[string][]byte
	admin  pki.Issuer
	now    time.Time
}

func newPublisher(t *testing.T) *publisher {
	p := &publisher{T: t, docs: map[string][]byte{}, now: time.Now().UTC().Truncate(time.Second)}
	p.admin = p.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Адміністратор списку"}}, nil)
	p.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved.xml" {
			http.Redirect(w, r, "https://elsewhere.example/tl.xml", http.StatusFound)
			return
		}
		b, ok := p.docs[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(b)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *publisher) issue(t pki.Template, by *pki.Issuer) pki.Issuer {
	t.NotBefore, t.NotAfter = p.now.AddDate(-1, 0, 0), p.now.AddDate(1, 0, 0)
	k, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(p, err)
	c, err := pki.Issue(t, k, by, rand.Reader)
	require.NoError(p, err)
	return pki.Issuer{Certificate: c, Key: k}
}

// publish puts a list with one authority on the server.
func (p *publisher) publish(path string, sequence int, ca pki.Issuer, by pki.Issuer) []byte {
	doc := fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<TrustServiceStatusList xmlns="http://uri.etsi.org/02231/v2#" Id="TL" TSLTag="http://uri.etsi.org/19612/TSLTag"><SchemeInformation><TSLVersionIdentifier>6</TSLVersionIdentifier><TSLSequenceNumber>%d</TSLSequenceNumber><TSLType>http://uri.etsi.org/TrstSvc/TrustedList/TSLType/UAlist</TSLType><SchemeTerritory>UA</SchemeTerritory><ListIssueDateTime>%s</ListIssueDateTime><NextUpdate><dateTime>%s</dateTime></NextUpdate></SchemeInformation><TrustServiceProviderList><TrustServiceProvider><TSPInformation><TSPName><Name xml:lang="uk">Вигаданий надавач</Name></TSPName></TSPInformation><TSPServices><TSPService><ServiceInformation><ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/CA/QC</ServiceTypeIdentifier><ServiceName><Name xml:lang="uk">Служба</Name></ServiceName><ServiceDigitalIdentity><DigitalId><X509Certificate>%s</X509Certificate></DigitalId></ServiceDigitalIdentity><ServiceStatus>http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted</ServiceStatus><StatusStartingTime>%s</StatusStartingTime></ServiceInformation></TSPService></TSPServices></TrustServiceProvider></TrustServiceProviderList></TrustServiceStatusList>`,
		sequence, p.now.Add(-time.Hour).Format(time.RFC3339), p.now.AddDate(0, 6, 0).Format(time.RFC3339),
		base64.StdEncoding.EncodeToString(ca.Certificate.Raw), p.now.AddDate(0, -1, 0).Format(time.RFC3339))
	out, err := sign.XAdESEnveloped(p.Context(), sign.Signer{Key: by.Key, Certificate: by.Certificate.Raw}, []byte(doc), sign.XAdESOptions{Options: sign.Options{Time: p.now}})
	require.NoError(p, err)
	p.docs[path] = out
	return out
}

// update runs `trust update` with a fetcher that knows the test's server.
func (p *publisher) update(private bool, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	roots := x509.NewCertPool()
	roots.AddCert(p.server.Certificate())
	x := &env{ctx: context.Background(), in: strings.NewReader(""), out: &o, err: &e, getenv: func(string) string { return "" },
		fetcher: func(c fetch.Config) (*fetch.Fetcher, error) {
			c.Roots, c.AllowPrivate = roots, private
			return fetch.New(c)
		}}
	code = x.run(append([]string{"trust", "update"}, args...))
	return code, o.String(), e.String()
}

// A trusted list is taken over https under a pinned signer; an older one, one
// of another signer or a changed one leaves the folder as it was. What was
// taken decides about signatures.
func TestTrustUpdate(t *testing.T) {
	p := newPublisher(t)
	dir := t.TempDir()
	ca := p.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Вигаданий КНЕДП"}}, nil)
	who := p.issue(pki.Template{Profile: pki.Person, Subject: pki.Subject{CommonName: "Вигадана О.І.", RNOKPP: "2222222225"}}, &ca)
	doc, err := sign.CAdES(t.Context(), sign.Signer{Key: who.Key, Certificate: who.Certificate.Raw}, facts.Bytes([]byte("зміст")), sign.Options{Time: p.now})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "a.p7s")
	require.NoError(t, os.WriteFile(file, doc, 0o644))
	verify := func() int {
		code, _, _ := command(t, "", file, "--trust", dir, "--policy", "archive-test")
		return code
	}
	sum := sha256.Sum256(p.admin.Certificate.Raw)
	pin := hex.EncodeToString(sum[:])
	address := p.server.URL + "/tl.xml"
	list := p.publish("/tl.xml", 7, ca, p.admin)

	refused := func(code int, text string, args ...string) {
		t.Helper()
		before := folder(t, dir)
		got, out, errOut := p.update(true, args...)
		require.Equal(t, code, got, out+errOut)
		require.Contains(t, errOut, text)
		require.Equal(t, before, folder(t, dir), "the folder is as it was")
	}
	refused(exitUse, "list-signers.sha256", dir, address)
	refused(exitFailed, "pinned", dir, address, "--pin", strings.Repeat("00", 32))
	refused(exitUse, "hexadecimal", dir, address, "--pin", "zz")

	code, out, errOut := p.update(true, dir, address, "--pin", pin)
	require.Equal(t, 0, code, errOut)
	require.Contains(t, out, "TL-UA.xml: sequence 7")
	require.Contains(t, out, "1 anchors")
	require.Equal(t, map[string]string{"TL-UA.xml": string(list), "list-sequence": "7\n", "list-signers.sha256": pin + "\n"}, folder(t, dir))
	require.Equal(t, 0, verify(), "the list's authority is trusted")

	refused(exitUse, "edit it", dir, address, "--pin", pin)
	p.publish("/old.xml", 6, ca, p.admin)
	refused(exitFailed, "older", dir, p.server.URL+"/old.xml")
	stranger := p.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Чужий"}}, nil)
	p.publish("/forged.xml", 9, stranger, stranger)
	refused(exitFailed, "pinned", dir, p.server.URL+"/forged.xml")
	p.docs["/changed.xml"] = bytes.Replace(list, []byte(">7<"), []byte(">8<"), 1)
	refused(exitFailed, "not signed as it must be", dir, p.server.URL+"/changed.xml")
	refused(exitUnreadable, "not on the list", dir, p.server.URL+"/moved.xml")
	refused(exitUnreadable, "404", dir, p.server.URL+"/missing.xml")
	p.docs["/huge.xml"] = make([]byte, fetch.MaxList+1)
	refused(exitUnreadable, "larger", dir, p.server.URL+"/huge.xml")
	refused(exitUnreadable, "no such file", dir, strings.Replace(address, "https://", "http://", 1))

	// An address of this machine is refused without leave, whoever names it.
	before := folder(t, dir)
	code, _, errOut = p.update(false, dir, address)
	require.Equal(t, exitUnreadable, code)
	require.Contains(t, errOut, "private address")
	require.Equal(t, before, folder(t, dir))

	// A newer list without the authority: its signatures are trusted no more.
	other := p.issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Інший КНЕДП"}}, nil)
	p.publish("/tl.xml", 8, other, p.admin)
	code, out, errOut = p.update(true, dir, address)
	require.Equal(t, 0, code, errOut)
	require.Contains(t, out, "sequence 8")
	require.Equal(t, exitUndecided, verify())

	// The same from a file.
	p.publish("/tl.xml", 9, ca, p.admin)
	local := filepath.Join(t.TempDir(), "list.xml")
	require.NoError(t, os.WriteFile(local, p.docs["/tl.xml"], 0o644))
	code, _, errOut = p.update(false, dir, local)
	require.Equal(t, 0, code, errOut)
	require.Equal(t, 0, verify())
}

func folder(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		out[e.Name()] = string(b)
	}
	return out
}
