package registry

import (
	"context"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Exchange is the message of a security server in which a question or command
// came: who sent it, its id, and the two hashes under which Trembita (GOST
// 34.311) and X-Road (SHA-512) keep it.
type Exchange struct {
	Client        string // INSTANCE/CLASS/MEMBER/SUBSYSTEM
	MessageID     string // see MessageName
	PurposeID     string // purpose declaration the message names, where it does
	RequestSHA512 []byte
	RequestGOST   []byte
}

// Exchanged is an exchange that is over: what was asked and how it ended.
type Exchanged struct {
	Exchange
	Service    string // code of the service
	TrackingID string
	// ResponseSHA512 and ResponseGOST are over the body element of the answer,
	// byte for byte; nil for a refusal.
	ResponseSHA512 []byte
	ResponseGOST   []byte
	// Refused is the code of the fault; empty for an answer.
	Refused string
}

type exchangeKey struct{}

// WithExchange lets every audit entry written under ctx name the message it
// was written for.
func WithExchange(ctx context.Context, x *Exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}

// ExchangeOf gives the message ctx belongs to; nil outside an exchange.
func ExchangeOf(ctx context.Context) *Exchange {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	return x
}

// maxMessageName is what a text of an audit entry may hold, in bytes.
const maxMessageName = 256

// MessageName is the name under which a message stands in the trail and beside
// its stored answer: its id, or, where that has the shape of a person's number
// or cannot stand in an entry, the first 32 hexadecimal digits of the message's
// SHA-512. A digest of the id alone would be no cover: numbers of ten digits are
// soon tried out. Who holds the message finds the name again.
func MessageName(id string, sha512 []byte) string {
	if len(sha512) < 16 || len(id) <= maxMessageName && utf8.ValidString(id) && !MayHoldIdentifier(id) && !strings.ContainsFunc(id, breaksLines) {
		return id
	}
	return hex.EncodeToString(sha512[:16])
}

// breaksLines reports characters that an audit entry refuses.
func breaksLines(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
