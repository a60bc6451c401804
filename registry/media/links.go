package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strconv"
	"time"

	"mist/registry"
)

// Links makes and knows links to one document for a limited time: to put it or
// to get it. Content goes through the registry for either storage, because
// only here it is sealed and opened: a link of an S3 store itself would give
// out, or take in, what rests there.
type Links struct {
	key   []byte
	clock func() time.Time
}

// MaxLinkLife bounds the life of a link.
const MaxLinkLife = time.Hour

// NewLinks needs a key of at least 32 bytes and a clock.
func NewLinks(key []byte, clock func() time.Time) (*Links, error) {
	if len(key) < 32 || clock == nil {
		return nil, errors.New("media: links need a key of 32 bytes and a clock")
	}
	// A key of its own for links, whatever else the given one is used for.
	m := hmac.New(sha256.New, key)
	m.Write([]byte("mist media links v2"))
	return &Links{m.Sum(nil), clock}, nil
}

// Sign gives the query of a link by which method (GET or PUT) is allowed on a
// document until life has passed.
func (l *Links) Sign(method string, document registry.ID, life time.Duration) string {
	until := strconv.FormatInt(l.clock().Add(min(life, MaxLinkLife)).Unix(), 10)
	return "until=" + until + "&mac=" + l.mac(method, document, until)
}

func (l *Links) mac(method string, document registry.ID, until string) string {
	m := hmac.New(sha256.New, l.key)
	m.Write([]byte(method + "\n" + document.String() + "\n" + until))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// Check refuses a link that is not ours, is for another method or document, or
// is late.
func (l *Links) Check(method string, document registry.ID, until, mac string) error {
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || subtle.ConstantTimeCompare([]byte(mac), []byte(l.mac(method, document, until))) != 1 {
		return registry.Errorf(registry.CodeForbidden, "this link is not one of the registry, or is for another document or method").WithReason("link_foreign")
	}
	if l.clock().Unix() > seconds {
		return registry.Errorf(registry.CodeForbidden, "this link has expired; ask for the request again to get another").WithReason("link_expired")
	}
	return nil
}
