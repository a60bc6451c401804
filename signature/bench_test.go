package signature_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

// The verifier as a server runs it: one snapshot, warm caches, no network.
func benchmarkVerify(b *testing.B, kind string, size int, stamped bool) {
	t := &testing.T{}
	w := newWorld(t, kind)
	body := make([]byte, size)
	_, err := rand.Read(body)
	require.NoError(b, err)
	o := w.options()
	if !stamped {
		o.TSA = nil
	}
	doc, err := sign.CAdES(context.Background(), sign.Signer{Key: w.human.Key, Certificate: w.human.Certificate.Raw}, facts.Bytes(body), o)
	require.NoError(b, err)
	v := verifier(b, w.snapshot())
	p := policy(b, "archive-test")
	b.ReportAllocs()
	b.SetBytes(int64(size))
	b.ResetTimer()
	for b.Loop() {
		r, err := v.Verify(context.Background(), signature.Input{Document: facts.Bytes(doc), Time: w.now}, p)
		if err != nil || r.Indication != signature.TotalPassed {
			b.Fatal(err, r)
		}
	}
}

func BenchmarkCAdESB4KRSA(b *testing.B)   { benchmarkVerify(b, sign.KindRSA2048, 4<<10, false) }
func BenchmarkCAdESB4KECDSA(b *testing.B) { benchmarkVerify(b, sign.KindP256, 4<<10, false) }
func BenchmarkCAdESB4KDSTU(b *testing.B)  { benchmarkVerify(b, sign.KindDSTU257, 4<<10, false) }
func BenchmarkCAdEST4KDSTU(b *testing.B)  { benchmarkVerify(b, sign.KindDSTU257, 4<<10, true) }
func BenchmarkCAdESB1MRSA(b *testing.B)   { benchmarkVerify(b, sign.KindRSA2048, 1<<20, false) }

// A real X-Long signature of the corpus: two time-stamps, OCSP answers, four
// keys of authorities, which are known; the signer's key is new each time.
func BenchmarkXLongDSTU(b *testing.B) {
	doc, err := os.ReadFile(filepath.Join(corpusDir(b, "ua/cms"), "eu-sign-node__test_signed.txt.p7s"))
	require.NoError(b, err)
	v, p := verifier(b, uaTrust(b)), policy(b, "archive-test")
	in := signature.Input{Document: facts.Bytes(doc), Time: time.Date(2025, 6, 12, 10, 0, 0, 0, time.UTC)}
	b.ReportAllocs()
	for b.Loop() {
		r, err := v.Verify(context.Background(), in, p)
		if err != nil || r.Indication != signature.TotalPassed {
			b.Fatal(err, r)
		}
	}
}
