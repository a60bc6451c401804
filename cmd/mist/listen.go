package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// httpServer is *http.Server, or the guarded server of the Trembita listener.
type httpServer interface {
	Serve(l net.Listener) error
	Shutdown(ctx context.Context) error
}

// endpoint is one HTTP listener of the server.
type endpoint struct {
	name     string
	listener net.Listener
	server   httpServer
}

// bind opens a listener before anything else starts, so that an address in use
// is told at once.
func bind(name, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s (another copy running? choose another address with --%s): %w", name, address, name, err)
	}
	return l, nil
}

func publicURL(c ListenConfig, l net.Listener) string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	return "http://" + l.Addr().String()
}

// endpoints runs all listeners and drains them together.
type endpoints struct {
	list     []endpoint
	draining atomic.Bool
	limits   LimitsConfig
	log      *slog.Logger
}

func (e *endpoints) add(name string, l net.Listener, h http.Handler) {
	e.serveBy(name, l, &http.Server{
		Handler:           h,
		ReadHeaderTimeout: e.limits.ReadHeader,
		ReadTimeout:       e.limits.Read,
		WriteTimeout:      e.limits.Write,
		IdleTimeout:       2 * e.limits.Read,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
	})
}

func (e *endpoints) serveBy(name string, l net.Listener, s httpServer) {
	e.list = append(e.list, endpoint{name, l, s})
}

// serve blocks until ctx ends or a listener fails, then lets running requests
// finish within the drain time.
func (e *endpoints) serve(ctx context.Context) error {
	failed := make(chan error, len(e.list))
	for _, ep := range e.list {
		go func() {
			if err := ep.server.Serve(ep.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s listener: %w", ep.name, err)
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	e.draining.Store(true)
	if err == nil {
		// A balancer that asks /ready sends nothing here any more before we close.
		time.Sleep(e.limits.Linger)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.limits.Drain)
	defer cancel()
	var wg sync.WaitGroup
	for _, ep := range e.list {
		wg.Go(func() {
			if err := ep.server.Shutdown(drain); err != nil {
				e.log.Warn("requests were cut off at the end of the drain time", "listener", ep.name)
				if s, ok := ep.server.(*http.Server); ok {
					_ = s.Close()
				}
			}
		})
	}
	wg.Wait()
	return err
}
