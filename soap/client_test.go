package soap

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newClient(t *testing.T, c *ClientTLS) *Client {
	t.Helper()
	out, err := NewClient(5*time.Second, c)
	require.NoError(t, err)
	return out
}

func TestClientReadsAnswersAndFaults(t *testing.T) {
	server := httptest.NewServer(newHandler(t, mirror, nil))
	defer server.Close()
	c := newClient(t, nil)
	r, err := c.Post(t.Context(), server.URL, V11, []byte(envelope))
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, "opResponse", r.Payload.Local)

	_, err = c.Post(t.Context(), server.URL, V12, []byte("<a/>"))
	var f *Fault
	require.ErrorAs(t, err, &f)
	require.Equal(t, "InvalidSoap", f.Code)
	require.Equal(t, ClientFault, f.Class)
	require.NotEmpty(t, f.TrackingID)
}

// Only what the service says is a fault; what cannot be read is an error.
func TestClientRefusesWhatIsNotAnAnswer(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"not found":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"html":            func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html") },
		"no content type": func(w http.ResponseWriter) { w.Header()["Content-Type"] = nil },
		"doctype": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, "<!DOCTYPE a>"+envelope)
		},
		"two bodies": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, strings.Replace(envelope, "</S:Body>", "</S:Body><S:Body/>", 1))
		},
		"half": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			w.Header().Set("Content-Length", "5000")
			_, _ = io.WriteString(w, envelope)
		},
		"half multipart": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", relatedType)
			_, _ = io.WriteString(w, "--b\r\nContent-Type: text/xml\r\n\r\n"+envelope)
		},
		"too large": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, strings.Repeat(" ", 11<<20)+envelope)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
			defer server.Close()
			_, err := newClient(t, nil).Post(t.Context(), server.URL, V11, []byte(envelope))
			require.Error(t, err)
			var f *Fault
			require.NotErrorAs(t, err, &f)
		})
	}
}

func TestClientDoesNotFollowRedirects(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	_, err := newClient(t, nil).Post(t.Context(), server.URL, V11, []byte(envelope))
	require.ErrorContains(t, err, "307")
	require.False(t, reached)
}

func TestClientPinsItsServer(t *testing.T) {
	server, mine, other := selfSigned(t, "ss"), selfSigned(t, "mist"), selfSigned(t, "other")
	addr := start(t, newHandler(t, mirror, nil), Transport{
		Certificate:   func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &server, nil },
		PinnedClients: [][32]byte{Pin(mine.Leaf)},
	})
	show := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &mine, nil }
	c := newClient(t, &ClientTLS{Certificate: show, PinnedServers: [][32]byte{Pin(server.Leaf)}})
	r, err := c.Post(t.Context(), "https://"+addr, V11, []byte(envelope))
	require.NoError(t, err)
	r.Close()
	c = newClient(t, &ClientTLS{Certificate: show, PinnedServers: [][32]byte{Pin(other.Leaf)}})
	_, err = c.Post(t.Context(), "https://"+addr, V11, []byte(envelope))
	require.ErrorContains(t, err, "pinned")
	_, err = NewClient(time.Second, &ClientTLS{Certificate: show})
	require.Error(t, err)
	_, err = NewClient(0, nil)
	require.Error(t, err)
}

// FuzzReadReply: a foreign answer never panics and never passes for more than it is.
func FuzzReadReply(f *testing.F) {
	f.Add("text/xml", []byte(envelope))
	f.Add(relatedType, related("Content-Type: text/xml\r\n\r\n"+envelope, "Content-Type: a/b\r\n\r\nx"))
	f.Add("text/xml", []byte(`<S:Envelope xmlns:S="`+NS11+`"><S:Body><S:Fault><faultcode>S:Server.x</faultcode><faultstring>y</faultstring></S:Fault></S:Body></S:Envelope>`))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r, err := ReadReply(contentType, strings.NewReader(string(body)), Limits{EnvelopeBytes: 64 << 10, TotalBytes: 128 << 10, SpillBytes: 1 << 10}, t.TempDir())
		if r != nil {
			require.NotEmpty(t, r.Payload.Local)
			r.Close()
		} else {
			require.Error(t, err)
		}
	})
}
