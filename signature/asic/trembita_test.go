package asic_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/algo"
	"mist/signature/asic"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

// An exchange kept by a Trembita security server: request and answer, each an ASiC-S with a DSTU 4145 signature of an
// organisation's seal over message.xml; the answer carries the hash of the request.
func TestTrembitaExchange(t *testing.T) {
	dir := corpus.Dir(t, "trembita-exchange")
	messages := map[string][]byte{}
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		got, err := asic.Read(context.Background(), facts.Bytes(b), facts.Environment{})
		require.NoError(t, err)
		require.Equal(t, facts.FormatASiCS, got.Format)
		require.Equal(t, []facts.Problem{{Code: facts.RemarkMimetype, Detail: "mimetype is compressed"}}, got.Problems)
		require.Empty(t, got.UnsignedParts)
		require.Len(t, got.Signatures, 1)
		s := got.Signatures[0]
		require.Equal(t, facts.OutcomeGood, s.SignatureValue)
		require.Equal(t, algo.DSTU4145, s.Algorithm.Encryption)
		require.Equal(t, string(algo.GOST34311), s.Algorithm.Digest)
		require.Equal(t, "META-INF/signature.p7s", s.Name)
		require.Len(t, s.Scopes, 1)
		require.Equal(t, "message.xml", s.Scopes[0].Name)
		require.Equal(t, facts.ScopeFull, s.Scopes[0].Kind)
		for _, d := range s.Digests {
			require.True(t, d.Found && d.Intact)
		}
		rc, err := got.Octets[s.ID][0].Open()
		require.NoError(t, err)
		content := make([]byte, s.Scopes[0].Size)
		_, err = rc.Read(content)
		require.NoError(t, err)
		kind := "request"
		if strings.Contains(row["file"], "-response-") {
			kind = "response"
		}
		messages[kind] = content
		ran++

		// The same container with one octet of the message changed: the signature value stays, the digest does not.
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err)
		var changed archive
		for _, f := range z.File {
			if strings.HasSuffix(f.Name, "/") {
				continue
			}
			rc, err := f.Open()
			require.NoError(t, err)
			body, err := io.ReadAll(rc)
			require.NoError(t, err)
			if f.Name == "message.xml" {
				body[len(body)/2] ^= 1
			}
			changed.files = append(changed.files, file{name: f.Name, body: body})
		}
		got, err = asic.Read(context.Background(), facts.Bytes(changed.bytes()), facts.Environment{})
		require.NoError(t, err)
		require.Equal(t, facts.OutcomeGood, got.Signatures[0].SignatureValue)
		require.False(t, got.Signatures[0].Digests[0].Intact)
	}
	corpus.Count(t, "trembita-exchange", ran, 0)
	doc, err := xmldom.Parse(messages["response"], xmldom.Limits{})
	require.NoError(t, err)
	var hash string
	for e := range doc.Root().Descendants() {
		if e.Name().Local == "requestHash" {
			hash, _ = e.Value()
		}
	}
	require.Equal(t, base64.StdEncoding.EncodeToString(algo.GOST34311.Sum(messages["request"])), strings.TrimSpace(hash))
}
