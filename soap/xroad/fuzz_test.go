package xroad_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/soap"
	"mist/soap/xroad"
)

// FuzzHeader: whatever is accepted is echoed, and the answer is consistent with
// its request by the rules of a security server.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(message))
	f.Add([]byte(strings.Replace(message, "<xrd:userId>", "<xrd:issue/><xrd:userId a='1'>", 1)))
	f.Add([]byte(strings.Replace(message, "<xrd:id>", `<r:representedParty xmlns:r="http://x-road.eu/xsd/representation.xsd"><r:partyCode>1</r:partyCode></r:representedParty><xrd:id>`, 1)))
	f.Add([]byte(strings.Replace(message, "xmlns:xrd=", "xmlns=\"http://x-road.eu/xsd/xroad.xsd\" xmlns:xrd=", 1)))
	h := handler(f, true)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := send(t, h, "text/xml", body)
		if w.Code != http.StatusOK {
			require.NotEqual(t, "Internal", faultCode(t, w))
			return
		}
		lenient := xroad.Protocol{AnyMajor: true, EmptyID: true}
		var request, answer soap.Envelope
		require.NoError(t, request.Parse(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")), soap.DefaultHeaderBytes))
		require.NoError(t, answer.Parse(w.Body.Bytes(), soap.DefaultHeaderBytes))
		q, err := xroad.ParseHeader(&request, lenient)
		require.NoError(t, err)
		a, err := xroad.ParseHeader(&answer, lenient)
		require.NoError(t, err)
		require.NoError(t, xroad.Consistent(q, a))
		require.Equal(t, q.Service.Code+"Response", answer.Payload.Local)
		require.Equal(t, request.Payload.Space, answer.Payload.Space)
	})
}
