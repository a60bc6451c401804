package conformance

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/algo"
	"mist/signature/facts"
	"mist/signature/trust"
)

// detachedOf names the content of detached messages in the ua folder.
var detachedOf = map[string]string{
	"cms/rust-UAPKI__detached.p7s": "cms/rust-UAPKI__content.dat",
	"cms/UAPKI__verify4.p7s":       "cms/UAPKI__verify4.content",
}

// Every Ukrainian CMS of the corpus: intact where the manifest says VALID,
// broken where it says INVALID, every embedded time-stamp good.
func TestConformanceUA(t *testing.T) {
	dir := corpus.Dir(t, "ua")
	snap, err := trust.LoadFolder(os.DirFS(filepath.Join(dir, "certs")), "ua")
	require.NoError(t, err)
	scores := board{}
	ran, skipped := 0, 0
	for _, row := range corpus.Manifest(t, dir) {
		name := row["file"]
		if !strings.HasPrefix(name, "cms/") || !strings.HasSuffix(name, ".p7s") {
			skipped++
			continue
		}
		want := row["expected"]
		ran++
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		in := signature.Input{ID: name, Document: facts.Bytes(b)}
		if c := detachedOf[name]; c != "" {
			content, err := os.ReadFile(filepath.Join(dir, c))
			require.NoError(t, err)
			in.Content = map[string]facts.Source{"": facts.Bytes(content)}
		}
		r, err := verifier(t, snap).Verify(context.Background(), in, policy(t, "archive-test"))
		switch {
		case strings.Contains(want, "INVALID"):
			scores.add("ua invalid", err == nil && !intact(r) && r.Indication == signature.TotalFailed, name+": "+describe(r, err))
		case strings.Contains(want, "VALID"):
			ok := intact(r)
			if n := strings.Count(want, "crypto=VALID"); n > 0 && r != nil {
				ok = ok && len(r.Signatures) == n
			}
			scores.add("ua valid", ok, name+": "+describe(r, err))
			if m := regexp.MustCompile(`tsTokens=(\d+)`).FindStringSubmatch(want); m != nil && r != nil {
				good := 0
				for _, s := range r.Signatures {
					for _, ts := range s.Timestamps {
						if ts.Imprint == "ok" && ts.Token == "ok" {
							good++
						}
					}
				}
				scores.add("ua time-stamps", good >= 1, name+": "+describe(r, err))
			}
			// At the time it was signed, with the chain of the folder.
			if strings.Contains(want, "issuerOK") && r != nil {
				in.Time = *r.Signatures[0].ClaimedSigningTime
				r, err = verifier(t, snap).Verify(context.Background(), in, policy(t, "archive-test"))
				scores.add("ua passes at its time", err == nil && r.Indication == signature.TotalPassed, name+": "+describe(r, err))
			}
		default:
			// Nothing stated: it must be read or refused, never accepted as signed by someone trusted now.
			scores.add("ua nothing stated", err != nil || r.Indication != signature.TotalPassed, name)
		}
	}
	scores.print(t)
	corpus.Count(t, "ua", ran, skipped)
	for name, s := range scores {
		require.Empty(t, s.misses, name)
	}
}

// The two containers of a Trembita exchange: organisation seals over
// message.xml, and the answer names the digest of the request.
func TestConformanceTrembitaExchange(t *testing.T) {
	dir := corpus.Dir(t, "trembita-exchange")
	ua := corpus.Dir(t, "ua")
	snap, err := trust.LoadFolder(os.DirFS(filepath.Join(ua, "certs")), "ua")
	require.NoError(t, err)
	messages := map[string][]byte{}
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		ran++
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		r, err := verifier(t, snap).Verify(context.Background(), signature.Input{Document: facts.Bytes(b)}, policy(t, "archive-test"))
		require.NoError(t, err)
		require.Equal(t, facts.FormatASiCS, r.Format)
		require.True(t, intact(r), describe(r, err))
		for _, s := range r.Signatures {
			for _, ts := range s.Timestamps {
				require.Equal(t, "ok", ts.Imprint)
				require.Equal(t, "ok", ts.Token)
			}
		}
		broken := bytes.Clone(b)
		messages[row["file"]] = messageXML(t, b)
		at := bytes.Index(broken, messages[row["file"]][:64])
		if at > 0 { // stored without compression
			broken[at+40] ^= 1
			bad, err := verifier(t, snap).Verify(context.Background(), signature.Input{Document: facts.Bytes(broken)}, policy(t, "archive-test"))
			require.NoError(t, err)
			require.Equal(t, signature.TotalFailed, bad.Indication)
		}
	}
	var request, response []byte
	for name, m := range messages {
		if strings.Contains(name, "request") {
			request = m
		} else {
			response = m
		}
	}
	hash := regexp.MustCompile(`<[^>]*requestHash[^>]*>([^<]+)<`).FindSubmatch(response)
	require.NotNil(t, hash, "the answer has no requestHash")
	want, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(hash[1])))
	require.NoError(t, err)
	require.Equal(t, want, algo.GOST34311.Sum(request), "requestHash")
	t.Logf("score: trembita-exchange containers %d of %d, requestHash link holds", ran, ran)
	corpus.Count(t, "trembita-exchange", ran, 0)
}

func messageXML(t *testing.T, b []byte) []byte {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	for _, f := range z.File {
		if f.Name != "message.xml" {
			continue
		}
		rc, err := f.Open()
		require.NoError(t, err)
		defer rc.Close()
		out, err := io.ReadAll(rc)
		require.NoError(t, err)
		return out
	}
	require.Fail(t, "no message.xml")
	return nil
}
