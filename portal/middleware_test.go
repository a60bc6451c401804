package portal

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeadIsGetWithoutABody(t *testing.T) {
	b := newBench(t)
	server := httptest.NewServer(b.handler)
	defer server.Close()
	r, err := http.NewRequest(http.MethodHead, server.URL+onePath, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+goodToken)
	answer, err := server.Client().Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "application/json; charset=utf-8", answer.Header.Get("Content-Type"))
}

// A client that sends all of its body before it reads must see the refusal,
// not a reset connection.
func TestRefusalReachesAClientThatSendsFirst(t *testing.T) {
	b := newBench(t)
	server := httptest.NewServer(b.handler)
	defer server.Close()
	for token, status := range map[string]string{goodToken: "413", "bad": "401"} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		const size = 20 << 20
		_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: mist.example\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", draftPath, token, size)
		require.NoError(t, err)
		_, err = c.Write(bytes.Repeat([]byte(" "), size))
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, status, strconv.Itoa(answer.StatusCode))
	}
}
