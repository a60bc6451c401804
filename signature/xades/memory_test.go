package xades_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/sign"
)

// memoryDocuments are documents of ten megabytes, from the densest markup that the limits admit to one long text.
func memoryDocuments() map[string]string {
	const size = 10 << 20
	repeat := func(f func(b *strings.Builder, i int)) string {
		var b strings.Builder
		b.WriteString(`<act xmlns="urn:mist:act" xmlns:t="urn:mist:types">`)
		for i := 0; b.Len() < size-32; i++ {
			f(&b, i)
		}
		b.WriteString(`</act>`)
		return b.String()
	}
	text := func(s string) string { return `<act xmlns="urn:mist:act">` + strings.Repeat(s, size/len(s)) + `</act>` }
	return map[string]string{
		"clinical":           string(clinicalDocument(size)),
		"small elements":     repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v>%02d</v>`, i%100) }),
		"empty elements":     repeat(func(b *strings.Builder, i int) { b.WriteString(`<ab/>`) }),
		"one attribute each": repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v c="%d"/>`, i%10) }),
		"many attributes":    repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v a="" b="" c="%d" d="" e=""/>`, i%10) }),
		"prefixes":           repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<t:v t:c="%d">x</t:v>`, i%10) }),
		"declarations":       repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v xmlns="u%d"/>`, i%10) }),
		"identifiers":        repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v Id="x%07d"/>`, i) }),
		"different names":    repeat(func(b *strings.Builder, i int) { fmt.Fprintf(b, `<v%05d n="1">1</v%05d>`, i%60000, i%60000) }),
		"comments":           repeat(func(b *strings.Builder, i int) { b.WriteString(`<!--c-->`) }),
		"one text":           text("артеріальний тиск "),
		"references":         text("a&amp;b"),
		"carriage returns":   text("рядок\r\n"),
	}
}

// peakLive is the most live heap while f runs above what was live before, in bytes. The collector runs almost
// continuously, so garbage counts little; what it could not collect counts in full.
func peakLive(t testing.TB, f func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
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
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	return max(<-done, before.HeapAlloc) - before.HeapAlloc
}

// A signed document of ten megabytes is verified in at most three times its size, the octets of the document included:
// here they are read from a file, so the copy in memory counts.
func TestMemoryIsThreeTimesTheInput(t *testing.T) {
	if testing.Short() {
		t.Skip("signs and verifies 130 MB")
	}
	w := newWorkshop(t, sign.KindP256)
	dir := t.TempDir()
	for name, document := range memoryDocuments() {
		signed, err := sign.XAdESEnveloped(context.Background(), sign.Signer{Key: w.key, Certificate: w.cert.Raw}, []byte(document), sign.XAdESOptions{Options: sign.Options{Time: w.now}})
		require.NoError(t, err, name)
		path := filepath.Join(dir, "document.xml")
		require.NoError(t, os.WriteFile(path, signed, 0o600))
		size := int64(len(signed))
		document, signed = "", nil
		file, err := os.Open(path)
		require.NoError(t, err)
		var r *signature.Result
		var total uint64
		most := peakLive(t, func() {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, err = w.verifier.Verify(context.Background(), signature.Input{Document: io.NewSectionReader(file, 0, size)}, w.policy)
			runtime.ReadMemStats(&after)
			total = after.TotalAlloc - before.TotalAlloc
		})
		require.NoError(t, err, name)
		require.Equal(t, signature.TotalPassed, r.Indication, "%s: %s %s", name, r.Signatures[0].SubIndication, r.Signatures[0].Reason)
		t.Logf("%-20s %.1f MB: live heap %.2f times the input, allocated in all %.2f times", name, float64(size)/(1<<20), float64(most)/float64(size), float64(total)/float64(size))
		require.Less(t, most, uint64(3*size), name)

		// What was verified can be read afterwards, and is what was hashed.
		b, _, err := r.MustBePassed()
		require.NoError(t, err)
		rc, err := b.Open()
		require.NoError(t, err)
		n, err := io.Copy(io.Discard, rc)
		require.NoError(t, err)
		require.Equal(t, b.Size(), n)
		require.NoError(t, file.Close())
	}
}
