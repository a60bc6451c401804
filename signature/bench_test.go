package signature_test

import (
	"context"
	"crypto/rand"
	"testing"

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
