package fetch_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/pki"
	"mist/signature/sign"
	"mist/signature/trust"
	"mist/signature/trust/fetch"
)

// Good answers are kept until the shorter of the two terms; others never.
func TestCacheKeepsGoodAnswersAlone(t *testing.T) {
	key, err := sign.GenerateKey(sign.KindP256, rand.Reader)
	require.NoError(t, err)
	at := time.Now()
	ca, err := pki.Issue(pki.Template{Profile: pki.Root, Subject: pki.Subject{CommonName: "Root"}, NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour)}, key, nil, rand.Reader)
	require.NoError(t, err)
	by := pki.Issuer{Certificate: ca, Key: key}
	var asked atomic.Int32
	var status pki.Status
	ttl := time.Hour
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		id, nonce, err := pki.ParseOCSPRequest(body)
		if err != nil {
			_, _ = w.Write([]byte("noise"))
			return
		}
		answer, err := pki.RespondOCSP(id, nonce, status, by, at, ttl, rand.Reader)
		if err == nil {
			_, _ = w.Write(answer)
		}
	}))
	defer s.Close()
	f, err := fetch.New(fetch.Config{Hosts: []string{strings.TrimPrefix(s.URL, "http://")}, AllowPrivate: true})
	require.NoError(t, err)
	now := at
	request := trust.OCSPRequest(ca, ca, nil)
	count := func(c *fetch.Cached, request []byte) int32 {
		before := asked.Load()
		_, err := c.OCSP(t.Context(), s.URL, request)
		require.NoError(t, err)
		return asked.Load() - before
	}

	c := f.Cache(5*time.Minute, func() time.Time { return now })
	require.EqualValues(t, 1, count(c, request))
	require.EqualValues(t, 0, count(c, request))
	now = at.Add(5*time.Minute + time.Second)
	require.EqualValues(t, 1, count(c, request), "the term has passed")

	now, ttl = at, time.Minute
	c = f.Cache(5*time.Minute, func() time.Time { return now })
	require.EqualValues(t, 1, count(c, request))
	now = at.Add(59 * time.Second)
	require.EqualValues(t, 0, count(c, request))
	now = at.Add(61 * time.Second)
	require.EqualValues(t, 1, count(c, request), "the responder's nextUpdate has passed")

	now, ttl = at, time.Hour
	for _, bad := range []pki.Status{{Revoked: at.Add(-time.Minute)}, {Unknown: true}} {
		status = bad
		c = f.Cache(5*time.Minute, func() time.Time { return now })
		require.EqualValues(t, 1, count(c, request))
		require.EqualValues(t, 1, count(c, request), "an answer that is not good is asked anew")
	}
	require.EqualValues(t, 1, count(c, []byte("no request")))
	require.EqualValues(t, 1, count(c, []byte("no request")), "noise is not kept")
}
