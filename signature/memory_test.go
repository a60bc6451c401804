package signature_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/cms"
	"mist/signature/facts"
	"mist/signature/internal/ber"
	"mist/signature/sign"
)

// allocated is what one verification allocates in all, in bytes: an upper
// bound of what it ever holds.
func allocated(t *testing.T, v *signature.Verifier, in signature.Input) (*signature.Result, uint64, error) {
	t.Helper()
	p := policy(t, "archive-test")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := v.Verify(context.Background(), in, p)
	runtime.ReadMemStats(&after)
	return r, after.TotalAlloc - before.TotalAlloc, err
}

// A CMS message from a file takes at most three times its size, attached or
// detached, DER or in pieces; a detached content is never held.
func TestMemoryOfCMS(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	body := bytes.Repeat([]byte("зміст документа "), 16<<20/len("зміст документа "))
	who := sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw}
	made := func(detached bool) []byte {
		b, err := sign.CAdES(t.Context(), who, facts.Bytes(body), sign.Options{Time: w.stampAt, Detached: detached})
		require.NoError(t, err)
		return b
	}
	onDisk := func(b []byte) facts.Source {
		path := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return io.NewSectionReader(f, 0, int64(len(b)))
	}
	v := w.verifier(w.snapshot())
	attached := made(false)
	pieces := inPieces(t, attached, 4096)
	for name, b := range map[string][]byte{"attached": attached, "content in pieces": pieces} {
		r, most, err := allocated(t, v, signature.Input{Document: onDisk(b)})
		require.NoError(t, err)
		require.Equal(t, signature.CryptoIntact, r.Signatures[0].Crypto, name)
		t.Logf("%s: %d bytes, allocated %.2f times as much", name, len(b), float64(most)/float64(len(b)))
		require.Less(t, most, 3*uint64(len(b)), name)
	}
	r, most, err := allocated(t, v, signature.Input{Document: onDisk(made(true)), Content: map[string]facts.Source{"": onDisk(body)}})
	require.NoError(t, err)
	require.Equal(t, signature.CryptoIntact, r.Signatures[0].Crypto)
	require.Less(t, most, uint64(1<<20), "content is streamed")
}

// inPieces rewrites the content of a message as a constructed octet string.
func inPieces(t *testing.T, message []byte, size int) []byte {
	m, err := cms.Parse(message)
	require.NoError(t, err)
	var parts [][]byte
	for rest := m.Content; len(rest) > 0; {
		n := min(size, len(rest))
		parts = append(parts, ber.EncodeOctets(rest[:n]))
		rest = rest[n:]
	}
	encap := ber.Seq(ber.EncodeOID(m.ContentType), ber.Wrap(0xa0, ber.Wrap(ber.OctetString|0x20, parts...)))
	top, err := ber.One(message)
	require.NoError(t, err)
	tc := top.Children()
	id, err := tc.Next()
	require.NoError(t, err)
	x, err := tc.Next()
	require.NoError(t, err)
	sd, err := ber.One(x.Body)
	require.NoError(t, err)
	var fields [][]byte
	for c := sd.Children(); !c.Empty(); {
		e, err := c.Next()
		require.NoError(t, err)
		if len(fields) == 2 {
			e.Full = encap
		}
		fields = append(fields, e.Full)
	}
	return ber.Seq(id.Full, ber.Wrap(0xa0, ber.Seq(fields...)))
}

// Hostile messages of a megabyte cost some multiple of it and no more.
func TestMemoryOfHostileCMS(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	v := w.verifier(w.snapshot())
	for name, b := range map[string][]byte{
		"nested":       bytes.Repeat([]byte{0x30, 0x80}, 1<<19),
		"tiny parts":   w.message(w.human, forgery{content: content, certs: [][]byte{bytes.Repeat([]byte{0x30, 0x00}, 1<<19)}}),
		"empty octets": append([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80}, bytes.Repeat([]byte{0x24, 0x80, 0x04, 0x00}, 1<<18)...),
	} {
		_, most, _ := allocated(t, v, signature.Input{Document: facts.Bytes(b)})
		require.Less(t, most, 8*uint64(len(b)), name)
	}
}
