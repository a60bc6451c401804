package signature_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
	"mist/signature/trust"
)

func transport(label string, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32([]byte(label+"\x00"), uint32(len(b))), b...)
}

// A signature is found in what people wrap it in; the verdict and the octets
// are those of the bare one.
func TestWrappings(t *testing.T) {
	w := newWorld(t, sign.KindDSTU257)
	doc := w.sign(w.human, w.options())
	header := transport("TRANSPORTABLE", []byte("EDRPOU=12345679\r\nDOC_TYPE=3\r\n\x00"))
	b64 := func(b []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(b)) }
	lines := func(b []byte) []byte {
		var out []byte
		for len(b) > 64 {
			out, b = append(append(out, b[:64]...), "\r\n"...), b[64:]
		}
		return append(append([]byte("\ufeff"), out...), b...)
	}
	for name, b := range map[string][]byte{
		"bare":                         doc,
		"PEM":                          pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: doc}),
		"base64":                       b64(doc),
		"base64 in lines, with a mark": lines(b64(doc)),
		"transport block":              transport("UA1_SIGN", doc),
		"transport with its header":    append(bytes.Clone(header), transport("UA1_SIGN", doc)...),
		"transport in base64":          b64(append(bytes.Clone(header), transport("UA1_SIGN", doc)...)),
		"transport with a certificate": append(append(bytes.Clone(header), transport("CERTCRYPT", w.ca.Certificate.Raw)...), transport("UA1_SIGN", doc)...),
		"base64 of PEM in a transport": transport("UA1_SIGN", pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: doc})),
	} {
		r := w.verify(b, "act")
		expect(t, r, ok, "", "")
		signed, _, err := r.MustBePassed()
		require.NoError(t, err, name)
		got, err := signed.Bytes()
		require.NoError(t, err)
		require.Equal(t, content, got, name)
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"encrypted":        {append(bytes.Clone(header), transport("UA1_CRYPT", doc)...), "decrypt it first"},
		"two signatures":   {append(transport("UA1_SIGN", doc), transport("UA1_SIGN", doc)...), "several"},
		"cut off":          {transport("UA1_SIGN", doc)[:400], "cut off"},
		"octets after":     {append(transport("UA1_SIGN", doc), 0), "octets after"},
		"header alone":     {header, "without a signature"},
		"length of 2^32-1": {append([]byte("UA1_SIGN\x00"), 0xff, 0xff, 0xff, 0xff), "cut off"},
	} {
		_, err := w.verifier(w.snapshot()).Verify(t.Context(), signature.Input{Document: facts.Bytes(c.b)}, policy(t, "act"))
		require.True(t, signature.IsUnreadable(err), name)
		require.ErrorContains(t, err, c.want, name)
	}
	require.Equal(t, signature.NoSignatureFound, w.verify([]byte("Mist is a text"), "act").Indication)
	require.Equal(t, signature.NoSignatureFound, w.verify([]byte(strings.Repeat("TRANSPORT ", 9)), "act").Indication)
}

// The transport container of another program holds the message that stands
// beside it in the corpus.
func TestTransportOfOthers(t *testing.T) {
	dir := corpus.Dir(t, "ua")
	verify := func(file string) *signature.Result {
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		r, err := verifier(t, trust.NewSnapshot("none", nil, nil, nil)).Verify(t.Context(), signature.Input{Document: facts.Bytes(b)}, policy(t, "archive-test"))
		require.NoError(t, err)
		return r
	}
	wrapped, bare := verify("keys/jkurwa__message.transport"), verify("cms/jkurwa__message.p7.p7s")
	require.Equal(t, signature.CryptoIntact, wrapped.Signatures[0].Crypto)
	require.Equal(t, bare.Signatures[0].ID, wrapped.Signatures[0].ID)
}
