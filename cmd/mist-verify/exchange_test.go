package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/registry"
	"mist/registry/audit"
	"mist/soap/xroad"
)

// rewritten makes a copy of a container with one file changed.
func rewritten(t *testing.T, from, name string, edit func([]byte) []byte) string {
	t.Helper()
	z, err := zip.OpenReader(from)
	require.NoError(t, err)
	defer z.Close()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		in, err := f.Open()
		require.NoError(t, err)
		b, err := io.ReadAll(in)
		require.NoError(t, err)
		if f.Name == name {
			b = edit(b)
		}
		p, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Store})
		require.NoError(t, err)
		_, err = p.Write(b)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	path := filepath.Join(t.TempDir(), filepath.Base(from))
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

func exchange(t *testing.T, args ...string) (int, exchangeReport, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), append([]string{"exchange", "--json", "--policy", "archive-test"}, args...), strings.NewReader(""), &out, &errs, func(string) string { return "" })
	var r exchangeReport
	if out.Len() > 0 {
		require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
	}
	return code, r, errs.String()
}

func TestExchangeOfTrembita(t *testing.T) {
	dir := corpus.Dir(t, "trembita-exchange")
	var request, response string
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		ran++
		if strings.Contains(row["file"], "-request-") {
			request = filepath.Join(dir, row["file"])
		} else {
			response = filepath.Join(dir, row["file"])
		}
	}
	corpus.Count(t, "trembita-exchange", ran, 0)

	// The test CA of the exchange is not among the trusted: everything but the
	// certificate is decided.
	code, r, errs := exchange(t, request, response)
	require.Equal(t, exitUndecided, code, errs)
	require.Equal(t, "undecided", r.Verdict)
	require.True(t, r.Link.Linked)
	require.Equal(t, xroad.AlgorithmGOST34311, r.Link.Algorithm)
	require.True(t, r.Request.Intact && r.Response.Intact)

	// One octet of either message, an answer to another request, the two swapped.
	flip := func(b []byte) []byte {
		return bytes.Replace(b, []byte("</"), []byte(" </"), 1)
	}
	for name, pair := range map[string][2]string{
		"request changed":  {rewritten(t, request, "message.xml", flip), response},
		"response changed": {request, rewritten(t, response, "message.xml", flip)},
	} {
		code, r, errs := exchange(t, pair[0], pair[1])
		require.Equal(t, exitFailed, code, name+errs)
		require.Equal(t, "disproven", r.Verdict)
	}
	code, _, _ = exchange(t, response, request)
	require.NotEqual(t, exitPassed, code)
	code, _, _ = exchange(t, rewritten(t, request, "message.xml", func([]byte) []byte { return []byte("<a/>") }), response)
	require.Equal(t, exitUnreadable, code)

	// The audit entry joins by message id, client and hash of the request.
	z, err := zip.OpenReader(request)
	require.NoError(t, err)
	defer z.Close()
	f, err := z.Open("message.xml")
	require.NoError(t, err)
	message, err := io.ReadAll(f)
	require.NoError(t, err)
	link, err := xroad.LinkExchange(message, message, nil)
	require.NoError(t, err)
	entry := func(edit func(*audit.Entry)) string {
		source := registry.SystemSource()
		e := audit.Entry{
			ID: source.NewID(), Kind: "disclosure", Time: time.Now().UTC().Truncate(time.Microsecond), Writer: audit.Writer{ID: source.NewID(), N: 1},
			Actor: audit.Actor{XRoadClient: link.Request.Client.String()}, Channel: "soap", RequestID: "r", Nonce: make([]byte, 16),
			Exchange: &audit.Exchange{MessageID: link.Request.ID, RequestSHA512: link.RequestSHA512[:]},
		}
		edit(&e)
		b, err := audit.Encode(e)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "entry.json")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	code, r, errs = exchange(t, request, response, "--entry", entry(func(*audit.Entry) {}))
	require.Equal(t, exitUndecided, code, errs)
	require.True(t, r.Entry.Matches)
	require.False(t, r.Entry.Answer, "the entry says nothing of the answer")
	for want, edit := range map[string]func(*audit.Entry){
		"message id":          func(e *audit.Entry) { e.Exchange.MessageID = "other" },
		"client":              func(e *audit.Entry) { e.Actor.XRoadClient = "A/B/C/D" },
		"hash of the request": func(e *audit.Entry) { e.Exchange.RequestSHA512 = make([]byte, 64) },
		"hash of the answer":  func(e *audit.Entry) { e.Exchange.ResponseSHA512 = make([]byte, 64) },
	} {
		code, r, errs = exchange(t, request, response, "--entry", entry(edit))
		require.Equal(t, exitFailed, code, errs)
		require.Equal(t, want, r.Entry.Differs)
	}
}
