package xroad_test

import (
	"context"
	"crypto/sha512"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/signature/gost34311"
	"mist/soap/xroad"
)

// ledger keeps what a router records.
type ledger struct {
	kept []registry.Exchanged
	err  error
}

func (l *ledger) Record(_ context.Context, x registry.Exchanged) error {
	l.kept = append(l.kept, x)
	return l.err
}

const answerBody = `<GetThingResponse xmlns="urn:mist:test"/>`

// A joined service records every message of a client that may call: the hashes
// of what came and of the body element that leaves.
func TestExchangesAreRecorded(t *testing.T) {
	l := &ledger{}
	s := thing(func(ctx context.Context, _ *xroad.Request) ([]byte, error) {
		x := registry.ExchangeOf(ctx)
		require.NotNil(t, x, "the operation's own entries name the message")
		require.Equal(t, portal.String(), x.Client)
		return []byte(answerBody), nil
	})
	s.Recorder, s.Joined = l, true
	h := handler(t, false, s)
	w := send(t, h, "text/xml", []byte(message))
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), answerBody)
	require.Len(t, l.kept, 1)
	x := l.kept[0]
	request, answer := sha512.Sum512([]byte(message)), sha512.Sum512([]byte(answerBody))
	requestGOST, answerGOST := gost34311.Sum256([]byte(message)), gost34311.Sum256([]byte(answerBody))
	require.Equal(t, registry.Exchanged{
		Exchange: registry.Exchange{Client: portal.String(), MessageID: x.MessageID, RequestSHA512: request[:], RequestGOST: requestGOST[:]},
		Service:  "GetThing", TrackingID: x.TrackingID, ResponseSHA512: answer[:], ResponseGOST: answerGOST[:],
	}, x)
	require.Contains(t, message, "<xrd:id>"+x.MessageID+"<")
	require.NotEmpty(t, x.TrackingID)

	// An id that is a person's number reaches nothing that is kept, and comes back as it was.
	at := strings.Index(message, "<xrd:id>") + len("<xrd:id>")
	numbered := message[:at] + "3126509817" + message[at+strings.Index(message[at:], "<"):]
	w = send(t, h, "text/xml", []byte(numbered))
	require.Contains(t, w.Body.String(), "<xrd:id>3126509817<")
	require.Len(t, l.kept, 2)
	require.NotContains(t, l.kept[1].MessageID, "3126509817")
	require.Len(t, l.kept[1].MessageID, 32)

	// Nothing leaves that could not be recorded.
	l.err = registry.Errorf(registry.CodeUnavailable, "the database is down")
	w = send(t, h, "text/xml", []byte(message))
	require.Equal(t, "Unavailable", faultCode(t, w))
	require.NotContains(t, w.Body.String(), "GetThingResponse")

	// Another client's messages are not recorded: a stranger cannot make the log grow.
	l.kept, l.err = nil, nil
	require.Equal(t, "AccessDenied", faultCode(t, send(t, h, "text/xml", []byte(strings.Replace(message, ">43395033<", ">00015622<", 1)))))
	require.Empty(t, l.kept)
}

// Refusals are recorded by every service with a trail, answers by joined ones.
func TestRefusalsAreRecorded(t *testing.T) {
	for _, joined := range []bool{true, false} {
		l := &ledger{}
		answer := error(registry.Errorf(registry.CodeNotFound, "nothing"))
		s := thing(func(ctx context.Context, r *xroad.Request) ([]byte, error) {
			require.Equal(t, joined, registry.ExchangeOf(ctx) != nil)
			if answer != nil {
				return nil, answer
			}
			return []byte(answerBody), nil
		})
		s.Recorder, s.Joined = l, joined
		h := handler(t, false, s)
		require.Equal(t, "NotFound", faultCode(t, send(t, h, "text/xml", []byte(message))))
		require.Len(t, l.kept, 1)
		require.Equal(t, "NotFound", l.kept[0].Refused)
		require.Nil(t, l.kept[0].ResponseSHA512)
		require.Len(t, l.kept[0].RequestGOST, 32)
		// What the caller is told does not depend on the trail.
		l.err = registry.Errorf(registry.CodeUnavailable, "the database is down")
		require.Equal(t, "NotFound", faultCode(t, send(t, h, "text/xml", []byte(message))))
		require.Equal(t, "InconsistentHeaders", faultCode(t, send(t, h, "text/xml", []byte(strings.ReplaceAll(message, "x:GetThing", "x:GetOther")))))
		require.Equal(t, "InconsistentHeaders", l.kept[2].Refused)
		l.kept, l.err, answer = nil, nil, nil
		require.Equal(t, http.StatusOK, send(t, h, "text/xml", []byte(message)).Code)
		require.Equal(t, joined, len(l.kept) == 1)
	}
}
