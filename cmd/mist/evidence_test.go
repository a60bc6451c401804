package main

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/evidence"
	"mist/signature"
	"mist/signature/cades"
	"mist/signature/facts"
	"mist/signature/sign"
	"mist/signature/trust"
	"mist/signature/trust/fetch"
	"mist/signature/trust/list"
)

// A package is sealed at level LTA: its seal carries what it was judged by, so
// that a court judges it with no network, after the certificate of the seal was
// revoked. A seal of level T leaves that question open.
func TestPackagesAreSealedForLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mux := http.NewServeMux()
	services := httptest.NewServer(mux)
	defer services.Close()
	state := &sandboxState{}
	state.Public.Organisations = []sandboxOrganisation{{Name: "Вигадана служба", EDRPOU: "12345679"}, {Name: "Вигадана служба 2", EDRPOU: "12345679"}}
	require.NoError(t, makeAuthority(dir, services.URL, state, registry.SystemSource()))
	authority, err := openAuthority(dir)
	require.NoError(t, err)
	dark := &darkness{}
	mux.Handle("/tsa", exchangeHandler("application/timestamp-query", "application/timestamp-reply", authority.tsa))
	mux.Handle("/ocsp", dark.over(exchangeHandler("application/ocsp-request", "application/ocsp-response", authority.ocsp)))

	anchors := func(now time.Time) *trust.Snapshot {
		s, err := list.Folder(t.Context(), os.DirFS(filepath.Join(dir, "pki", "trust")), "trust", now)
		require.NoError(t, err)
		return s
	}
	bare := anchors(time.Now()) // of the court: roots, and no revocation data
	require.NoError(t, authority.writeCRLs(filepath.Join(dir, "pki", "trust")))
	at, err := url.Parse(services.URL)
	require.NoError(t, err)
	fetcher, err := fetch.New(fetch.Config{Hosts: []string{at.Hostname()}, AllowPrivate: true})
	require.NoError(t, err)
	verifier, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(anchors(time.Now())), Fetcher: fetcher, Now: time.Now})
	require.NoError(t, err)
	for _, o := range state.Public.Organisations {
		seal, err := SealConfig{KeyFile: o.SealKey, CertFile: o.SealCert, TSA: services.URL + "/tsa"}.open(true, registry.SystemSource())
		require.NoError(t, err)
		files := []sign.DataObject{{Name: "a.txt", MediaType: "text/plain", Content: facts.Bytes([]byte("a"))}, {Name: "b.json", MediaType: "application/json", Content: facts.Bytes([]byte("{}"))}}
		plain, err := seal.SealPackage(t.Context(), files)
		require.NoError(t, err)
		seal.verifier = verifier
		sealed, err := seal.SealPackage(t.Context(), files)
		require.NoError(t, err)

		later := func() time.Time { return time.Now().AddDate(1, 6, 0) }
		judge := func(b []byte) (evidence.Outcome, string) {
			got, out, err := evidence.VerifySeal(t.Context(), facts.Bytes(b), evidence.Trusted{Anchors: bare, Now: later})
			require.NoError(t, err)
			require.Equal(t, []byte("a"), got["a.txt"])
			return out, out.Report.Signatures[0].Level
		}
		out, level := judge(sealed)
		require.Equal(t, cades.LevelLTA, level)
		require.Equal(t, []evidence.Step{{Name: evidence.StepPackage, Verdict: evidence.Proven}, {Name: evidence.StepSeal, Verdict: evidence.Proven}}, out.Steps, "%+v", out.Report.Signatures[0])
		out, level = judge(plain)
		require.Equal(t, cades.LevelT, level)
		require.NotEqual(t, evidence.Proven, out.Steps[1].Verdict, "the twin without the material: %+v", out.Steps)

		// A file changed after the sealing.
		changed := changeFile(t, sealed, "a.txt", []byte("z"))
		_, out, err = evidence.VerifySeal(t.Context(), facts.Bytes(changed), evidence.Trusted{Anchors: bare, Now: later})
		require.NoError(t, err)
		require.Equal(t, evidence.Disproven, out.Verdict().Verdict)

		// Without lists and responder no seal is made that could not be judged later.
		dark.turn(true)(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
		seal.verifier, err = signature.NewVerifier(signature.Config{Trust: trust.Fixed(bare), Fetcher: fetcher, Now: time.Now})
		require.NoError(t, err)
		_, err = seal.SealPackage(t.Context(), files)
		require.Equal(t, registry.CodeUnavailable, registry.AsError(err).Code)
		require.Equal(t, "seal_status", registry.AsError(err).Reason)
		dark.turn(false)(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	}
}

func changeFile(t *testing.T, container []byte, name string, body []byte) []byte {
	in, err := zip.NewReader(bytes.NewReader(container), int64(len(container)))
	require.NoError(t, err)
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		if f.Name != name {
			require.NoError(t, out.Copy(f))
			continue
		}
		w, err := out.Create(name)
		require.NoError(t, err)
		_, err = w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	return b.Bytes()
}
