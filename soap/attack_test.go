package soap

import (
	"bytes"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hostile are messages near the limits, each with the code it must get.
func hostile() map[string]struct {
	body []byte
	code string
} {
	inside := func(s string) []byte { return []byte(envOpen + "<S:Body><x:op>" + s + "</x:op></S:Body></S:Envelope>") }
	big := 9 << 20
	type c = struct {
		body []byte
		code string
	}
	return map[string]c{
		"elements":   {inside(strings.Repeat("<x:b/>", big/6)), "TooLarge"},
		"depth":      {inside(strings.Repeat("<x:b>", big/5)), "TooLarge"},
		"attributes": {inside("<x:b" + strings.Repeat(` a="1"`, big/6) + "/>"), "InvalidSoap"},
		"references": {inside(strings.Repeat("&lt;", big/4) + "&no;"), "InvalidSoap"},
		"comment":    {inside("<!--" + strings.Repeat("x", big)), "InvalidSoap"},
		"doctype":    {append([]byte("<!DOCTYPE a [<!ENTITY b \""+strings.Repeat("b", big)+"\">]>"), envelope...), "InvalidSoap"},
		"oversize":   {inside(strings.Repeat("x", 11<<20)), "TooLarge"},
		"header":     {[]byte(strings.Replace(envelope, `<x:h a="1">v`, `<x:h a="1">`+strings.Repeat("v", big), 1)), "TooLarge"},
	}
}

// Attackers get clean faults, honest callers are served meanwhile, and memory
// stays within the shared limit.
func TestAttacksLeaveOthersServed(t *testing.T) {
	if testing.Short() {
		t.Skip("a load test")
	}
	const shared = 64 << 20
	h := newHandler(t, mirror, func(h *Handler) { h.Limits.MemoryBytes = shared })
	addr := start(t, h, Transport{})
	call := func(body []byte) (code string, took time.Duration) {
		begin := time.Now()
		resp, err := http.Post("http://"+addr+"/", "text/xml", bytes.NewReader(body))
		if err != nil {
			return "reset", time.Since(begin)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return "reset", time.Since(begin)
		}
		e := new(Envelope)
		if err := e.Parse(b, DefaultHeaderBytes); err != nil {
			return "unreadable", time.Since(begin)
		}
		if !e.IsFault() {
			return "", time.Since(begin)
		}
		f, err := ReadFault(e)
		if err != nil {
			return "unreadable", time.Since(begin)
		}
		return f.Code, time.Since(begin)
	}
	var peak uint64
	stop := make(chan struct{})
	var attackers, watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapInuse)
			}
		}
	})
	messages := hostile()
	for name, c := range messages {
		for range 2 {
			attackers.Go(func() {
				for range 4 {
					if code, _ := call(c.body); code != c.code && code != "Unavailable" {
						t.Errorf("%s: fault %q, not %s", name, code, c.code)
					}
				}
			})
		}
	}
	honest, slowest := 0, time.Duration(0)
	done := make(chan struct{})
	go func() { attackers.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		code, took := call([]byte(envelope))
		require.Empty(t, code)
		honest, slowest = honest+1, max(slowest, took)
	}
	close(stop)
	watcher.Wait()
	t.Logf("%d honest calls, the slowest took %v; heap peak %d MiB (attackers' own bodies included)", honest, slowest, peak>>20)
	require.Positive(t, honest)
	require.Less(t, slowest, 5*time.Second)
	// The attackers live in this process too: their messages, and copies of
	// them on the way, are part of the heap.
	require.Less(t, peak, uint64(shared)+700<<20)
	require.Zero(t, h.memory.Load(), "everything is given back")
}

// One hostile message costs little, parsing and fault together: a tenth of a second of
// processor time. The best of some tries counts: caches are shared.
func TestHostileMessageGetsItsFaultQuickly(t *testing.T) {
	if testing.Short() {
		t.Skip("times mean nothing under the race detector")
	}
	h := newHandler(t, mirror, nil)
	for name, c := range hostile() {
		best := time.Hour
		for range 20 {
			var code string
			best = min(best, spent(func() { _, code = readFaultOf(t, post(t, h, "text/xml", c.body)) }))
			require.Equal(t, c.code, code, name)
			if best < 100*time.Millisecond {
				break
			}
		}
		t.Logf("%-10s %v", name, best)
		require.Less(t, best, 100*time.Millisecond, name)
	}
}

func TestSharedMemoryLimit(t *testing.T) {
	h := newHandler(t, mirror, func(h *Handler) { h.Limits.MemoryBytes = 1 << 20 })
	body := []byte(strings.Replace(envelope, "<x:a>1<", "<x:a>"+strings.Repeat("1", 300<<10)+"<", 1))
	require.Equal(t, http.StatusOK, post(t, h, "text/xml", body).Code)
	h.memory.Add(900 << 10) // others are busy
	class, code := readFaultOf(t, post(t, h, "text/xml", body))
	require.Equal(t, "Server Unavailable", class+" "+code)
	require.Equal(t, http.StatusOK, post(t, h, "text/xml", []byte(envelope)).Code, "small messages are served")
	parts := related("Content-Type: text/xml\r\n\r\n"+envelope, "Content-Type: a/b\r\n\r\n"+strings.Repeat("x", 200<<10))
	_, code = readFaultOf(t, post(t, h, relatedType, parts))
	require.Equal(t, "Unavailable", code)
	h.memory.Add(-900 << 10)
	require.Equal(t, http.StatusOK, post(t, h, relatedType, parts).Code)
	require.Zero(t, h.memory.Load())
}
