package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
)

func message(c notify.Channel, to string) notify.Message {
	return notify.Message{ID: registry.SystemSource().NewID(), Channel: c, To: to, Subject: "Декларацію підписано", Text: "Декларацію № 0001 підписано."}
}

func TestSMSGatewayTellsWhatCanBeTriedAgain(t *testing.T) {
	var status int
	var got *http.Request
	var body map[string]string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		require.NoError(t, json.NewDecoder(r.Body).Decode(&body))
		w.WriteHeader(status)
	}))
	defer server.Close()
	g := &smsGateway{server.URL, "secret", "eHealth", server.Client()}
	m := message(notify.SMS, "+380671234567")
	for status = range map[int]bool{200: true, 202: true} {
		require.NoError(t, g.Send(t.Context(), m))
		require.Equal(t, map[string]string{"id": m.ID.String(), "to": m.To, "text": m.Text, "sender": "eHealth"}, body)
		require.Equal(t, "Bearer secret", got.Header.Get("Authorization"))
		require.Equal(t, m.ID.String(), got.Header.Get("Idempotency-Key"))
	}
	for code, permanent := range map[int]bool{400: true, 422: true, 401: false, 403: false, 408: false, 429: false, 500: false, 503: false} {
		status = code
		err := g.Send(t.Context(), m)
		require.Error(t, err)
		require.Equal(t, permanent, job.IsPermanent(err), "%d", code)
		require.NotContains(t, err.Error(), "671234567")
	}
	server.Close()
	err := g.Send(t.Context(), m)
	require.Error(t, err)
	require.False(t, job.IsPermanent(err))
	require.NotContains(t, err.Error(), "671234567")
}

func TestLetterIsReadByAMailReader(t *testing.T) {
	m := message(notify.EMail, "osoba@example.org")
	read, err := mail.ReadMessage(strings.NewReader(string(letter(&mail.Address{Name: "ЕСОЗ", Address: "noreply@example.org"}, m))))
	require.NoError(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, m.Subject, subject)
	from, err := mail.ParseAddress(read.Header.Get("From"))
	require.NoError(t, err)
	require.Equal(t, "ЕСОЗ", from.Name)
	text, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, read.Body))
	require.NoError(t, err)
	require.Equal(t, m.Text+"\r\n", string(text))
}
