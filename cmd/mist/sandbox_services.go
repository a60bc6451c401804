package main

import (
	"io"
	"net/http"
	"sync/atomic"
)

// maxServiceRequest bounds an OCSP or time-stamp request, in bytes.
const maxServiceRequest = 64 << 10

// exchangeHandler is a POST endpoint of bytes to bytes: OCSP and TSA.
func exchangeHandler(requestType, answerType string, answer func(request []byte) ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST "+requestType, http.StatusMethodNotAllowed)
			return
		}
		if r.Header.Get("Content-Type") != requestType {
			http.Error(w, "Content-Type must be "+requestType, http.StatusUnsupportedMediaType)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxServiceRequest))
		if err != nil {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		b, err := answer(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", answerType)
		// The status is on its way; a failed write is the client's broken connection.
		_, _ = w.Write(b)
	})
}

// darkness is the switch that makes the OCSP responder silent, as a provider
// in trouble is: POST /ocsp/off, POST /ocsp/on.
type darkness struct{ off atomic.Bool }

func (d *darkness) turn(off bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		d.off.Store(off)
		writeJSON(w, http.StatusOK, map[string]bool{"on": !off})
	}
}

func (d *darkness) over(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.off.Load() {
			http.Error(w, "the responder was switched off: POST /ocsp/on", http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	})
}
