package signature_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature"
	"mist/signature/facts"
	"mist/signature/sign"
	"mist/signature/trust"
)

// One verifier serves many at once, while its caches fill: equal answers and
// no data race (run with -race).
func TestVerifierIsSafeForConcurrentUse(t *testing.T) {
	w := newWorld(t, sign.KindDSTU257)
	doc := w.sign(w.human, w.options())
	v := w.verifier(w.snapshot())
	p := policy(t, "default")
	digests := make([]string, 16)
	var wg sync.WaitGroup
	for i := range digests {
		wg.Go(func() {
			for range 5 {
				r, err := v.Verify(t.Context(), signature.Input{Document: facts.Bytes(doc), Time: w.now}, p)
				if err != nil || r.Indication != signature.TotalPassed {
					return
				}
				digests[i] = string(r.Indication)
			}
		})
	}
	wg.Wait()
	for _, d := range digests {
		require.Equal(t, string(signature.TotalPassed), d)
	}
}

// 88: beyond running and waiting verifications the answer is "busy", at once;
// those that wait are served, and one that gives up leaves its place.
func TestVerifierRefusesWhatItCannotServe(t *testing.T) {
	w := newWorld(t, sign.KindP256)
	doc := w.sign(w.human, w.options())
	hold, entered := make(chan struct{}), make(chan struct{}, 100)
	slow := fetcherFunc(func(ctx context.Context, url string, request []byte) ([]byte, error) {
		entered <- struct{}{}
		<-hold
		return w.OCSP(ctx, url, request)
	})
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(w.snapshot()), Fetcher: slow, Now: func() time.Time { return w.now }, Parallel: 2, Queue: 3})
	require.NoError(t, err)
	p := policy(t, "act")
	ask := func(ctx context.Context) error {
		r, err := v.Verify(ctx, signature.Input{Document: facts.Bytes(doc)}, p)
		if err == nil && r.Indication != signature.TotalPassed {
			err = errors.New(string(r.Indication))
		}
		return err
	}
	persist := func(ctx context.Context) error { // a probe may hold a place for a moment
		for {
			if err := ask(ctx); !errors.Is(err, signature.ErrBusy) {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	}
	probe := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return errors.Is(ask(ctx), signature.ErrBusy)
	}
	answers := make(chan error, 10)
	for range 2 {
		go func() { answers <- persist(t.Context()) }()
	}
	<-entered
	<-entered // both run
	impatient, leave := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- persist(impatient) }()
	for range 2 {
		go func() { answers <- persist(t.Context()) }()
	}
	require.Eventually(t, probe, 5*time.Second, 20*time.Millisecond, "three wait")
	require.False(t, signature.IsUnreadable(signature.ErrBusy))
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	go func() { answers <- persist(t.Context()) }() // takes the place
	close(hold)
	for range 5 {
		require.NoError(t, <-answers)
	}
	require.NoError(t, ask(t.Context()), "the turns are free again")
}

type fetcherFunc func(ctx context.Context, url string, request []byte) ([]byte, error)

func (f fetcherFunc) OCSP(ctx context.Context, url string, request []byte) ([]byte, error) {
	return f(ctx, url, request)
}
func (f fetcherFunc) CRL(context.Context, string) ([]byte, error) { return nil, errors.New("none") }
func (f fetcherFunc) Certificate(context.Context, string) ([]byte, error) {
	return nil, errors.New("none")
}
