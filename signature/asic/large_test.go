package asic_test

import (
	"encoding/binary"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
)

const (
	largeSize = 100 << 20
	heapLimit = 32 << 20
)

// large is a container of a hundred megabytes with one file.
func large(t testing.TB, w *workshop, xml, deflate bool) []byte {
	body := make([]byte, largeSize)
	for i := 0; i < largeSize; i += 8 {
		binary.LittleEndian.PutUint64(body[i:], uint64(i)*0x9E3779B97F4A7C15)
	}
	a := w.archive(t, true, xml, sign.DataObject{Name: "scan.bin", Content: facts.Bytes(body)})
	a.find("scan.bin").deflate = deflate
	return a.bytes()
}

// peak is the most heap in use while f runs, above what was in use before.
func peak(f func()) uint64 {
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	return max(<-done, before.HeapAlloc) - before.HeapAlloc
}

// A container of a hundred megabytes is verified within 32 MB of heap, stored or compressed.
func TestLargeContainerInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 400 MB")
	}
	w := newWorkshop(t, sign.KindP256)
	for _, xml := range []bool{false, true} {
		for _, deflate := range []bool{false, true} {
			container := large(t, w, xml, deflate)
			var r *signature.Result
			most := peak(func() { r = w.verify(t, container) })
			require.Equal(t, signature.TotalPassed, r.Indication, "%s %s", r.Signatures[0].SubIndication, r.Signatures[0].Reason)
			t.Logf("xml %v, deflated %v: %d MB of heap above the container", xml, deflate, most>>20)
			require.Less(t, most, uint64(heapLimit))
			b, _, err := r.MustBePassed()
			require.NoError(t, err)
			rc, err := b.Open()
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, rc)
			require.NoError(t, err)
			require.EqualValues(t, largeSize, n)
		}
	}
}

func BenchmarkASiC100MB(b *testing.B) {
	w := newWorkshop(b, sign.KindP256)
	for name, deflate := range map[string]bool{"stored": false, "deflated": true} {
		b.Run(name, func(b *testing.B) {
			container := large(b, w, false, deflate)
			b.SetBytes(largeSize)
			most := uint64(0)
			for b.Loop() {
				most = max(most, peak(func() {
					if r := w.verify(b, container); r.Indication != signature.TotalPassed {
						b.Fatal(r.Signatures[0].SubIndication)
					}
				}))
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MB")
			if most > heapLimit {
				b.Fatalf("%d MB of heap", most>>20)
			}
		})
	}
}
