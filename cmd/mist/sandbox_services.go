package main

import (
	"context"
	"io"
	"net/http"
	"sync"

	"mist/registry"
	"mist/registry/intake"
)

// otpWindow is the sandbox's SMS gateway: it shows codes instead of sending
// them. It forgets the oldest beyond its capacity and everything at the end of
// the process; a new code can be asked for.
type otpWindow struct {
	mu    sync.Mutex
	codes map[registry.ID]string
	order []registry.ID
}

const otpWindowSize = 10_000

func newOTPWindow() *otpWindow { return &otpWindow{codes: map[registry.ID]string{}} }

// SendOTP implements intake.Notifier.
func (w *otpWindow) SendOTP(_ context.Context, n intake.OTPNotice) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.codes[n.RequestID]; !known {
		w.order = append(w.order, n.RequestID)
	}
	w.codes[n.RequestID] = n.Code
	if len(w.order) > otpWindowSize {
		delete(w.codes, w.order[0])
		w.order = w.order[1:]
	}
	return nil
}

// ServeHTTP answers GET ?request=ID with {"code"}.
func (w *otpWindow) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	id, err := registry.ParseID(r.URL.Query().Get("request"))
	if err != nil {
		writeJSON(rw, http.StatusBadRequest, map[string]string{"error": "give ?request= and the id of a declaration request"})
		return
	}
	w.mu.Lock()
	code, ok := w.codes[id]
	w.mu.Unlock()
	if !ok {
		writeJSON(rw, http.StatusNotFound, map[string]string{"error": "no code was sent for this request"})
		return
	}
	writeJSON(rw, http.StatusOK, map[string]string{"code": code})
}

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
