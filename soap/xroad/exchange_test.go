package xroad_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/gost34311"
	"mist/soap/xroad"
)

var gost = map[string]func([]byte) []byte{
	xroad.AlgorithmGOST34311: func(b []byte) []byte { s := gost34311.Sum256(b); return s[:] },
}

// A real exchange of Trembita: the answer's requestHash is the GOST 34.311 hash
// of the request, and one flipped byte in either message breaks the link.
func TestExchangeOfTrembita(t *testing.T) {
	dir := corpus.Dir(t, "trembita-exchange")
	messages, ran := map[string][]byte{}, 0
	for _, row := range corpus.Manifest(t, dir) {
		z, err := zip.OpenReader(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		defer z.Close()
		f, err := z.Open("message.xml")
		require.NoError(t, err)
		b, err := io.ReadAll(f)
		require.NoError(t, err)
		messages[strings.Split(row["file"], "-")[5]] = b
		ran++
	}
	require.Len(t, messages, 2)
	x, err := xroad.LinkExchange(messages["request"], messages["response"], gost)
	require.NoError(t, err)
	require.True(t, x.Linked(), "%+v", x)
	require.Equal(t, xroad.AlgorithmGOST34311, x.HashAlgorithm)
	require.Equal(t, "832c9883-8d41-406c-bcc3-a7429f0bbbb2", x.Request.ID)
	require.Equal(t, sha512.Sum512(messages["request"]), x.RequestSHA512)

	unknown, err := xroad.LinkExchange(messages["request"], messages["response"], nil)
	require.NoError(t, err)
	require.False(t, unknown.HashKnown)
	require.False(t, unknown.Linked())

	changed := bytes.Replace(messages["request"], []byte("</"), []byte(" </"), 1)
	x, err = xroad.LinkExchange(changed, messages["response"], gost)
	require.NoError(t, err)
	require.True(t, x.HashKnown)
	require.False(t, x.HashMatches)
	corpus.Count(t, "trembita-exchange", ran, 0)
}

func TestExchangeFindings(t *testing.T) {
	sum := sha512.Sum512([]byte(message))
	hash := `<xrd:requestHash algorithmId="` + xroad.AlgorithmSHA512 + `">` + base64.StdEncoding.EncodeToString(sum[:]) + "</xrd:requestHash>"
	answer := strings.Replace(strings.ReplaceAll(message, "x:GetThing>", "x:GetThingResponse>"), "<xrd:protocolVersion>", hash+"<xrd:protocolVersion>", 1)
	link := func(answer string) *xroad.Exchange {
		x, err := xroad.LinkExchange([]byte(message), []byte(answer), gost)
		require.NoError(t, err)
		return x
	}
	require.True(t, link(answer).Linked())
	require.Equal(t, "userId", link(strings.Replace(answer, "UA1234567890", "UA1234567891", 1)).Inconsistent)
	require.Equal(t, "client", link(strings.Replace(answer, "DpDiia_cons", "Other_cons", 1)).Inconsistent)
	require.False(t, link(strings.Replace(answer, hash, "", 1)).Linked())
	require.False(t, link(strings.Replace(answer, hash, hash+hash, 1)).Linked(), "two hashes prove nothing")
	require.False(t, link(strings.Replace(answer, ">"+base64.StdEncoding.EncodeToString(sum[:]), ">AAAA", 1)).HashMatches)
	fault := strings.Replace(answer, answer[strings.Index(answer, "<x:GetThingResponse>"):strings.Index(answer, "</S:Body>")], "<S:Fault><faultcode>S:Server</faultcode><faultstring>x</faultstring></S:Fault>", 1)
	require.True(t, link(fault).Fault)
	_, err := xroad.LinkExchange([]byte("<a/>"), []byte(answer), nil)
	require.Error(t, err)
	_, err = xroad.LinkExchange([]byte(message), []byte("<a/>"), nil)
	require.Error(t, err)
}
