package query

import (
	"bytes"
	"crypto/sha512"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
	"mist/signature/gost34311"
)

// The entry of an exchange has client, message, purpose and both hashes of the message as received; neither the message,
// nor the userId, nor a person's number stands in it.
func TestEntryOfAnExchange(t *testing.T) {
	body := []byte("<envelope>3126509817 Зразкова</envelope>")
	whole, national := sha512.Sum512(body), gost34311.Sum256(body)
	s := &Service{}
	c := registry.Caller{XRoad: "SEVDEIR-TEST/GOV/43395033/DpDiia_cons", UserID: "UA3126509817", Channel: registry.ChannelSOAP, RequestID: "r-1"}
	r := Request{MessageID: "m-1", PurposeID: "9K9J65I75ILCLMPDUIRXS", Body512: whole[:], Body: body}
	e := s.entry(c, r, audit.Disclosure, registry.ID{})
	require.Equal(t, audit.Exchange{MessageID: "m-1", PurposeID: "9K9J65I75ILCLMPDUIRXS", RequestSHA512: whole[:], RequestGOST: national[:]}, *e.Exchange)
	require.Equal(t, c.XRoad, e.Actor.XRoadClient)
	source := registry.SystemSource()
	e.ID, e.Writer, e.Time, e.Nonce = source.NewID(), audit.Writer{ID: source.NewID(), N: 1}, time.Now().UTC().Truncate(time.Microsecond), make([]byte, 16)
	b, err := audit.Encode(e)
	require.NoError(t, err)
	for _, secret := range []string{"3126509817", "Зразкова", "envelope"} {
		require.False(t, bytes.Contains(b, []byte(secret)), secret)
	}
	require.Contains(t, string(b), c.XRoad)
	r.Body = nil
	require.Empty(t, s.entry(c, r, audit.Disclosure, registry.ID{}).Exchange.RequestGOST)
}
