package media

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mist/registry"
)

// Links makes and serves links to one document for a limited time: to put it
// or to get it. Content goes through the registry for either storage, because
// only here it is sealed and opened: a link of an S3 store itself would give
// out, or take in, what rests there.
type Links struct {
	Store *Store
	Key   []byte // 32 bytes
	Base  string // URL of the handler, with a final slash
	Clock func() time.Time
}

// MaxLinkLife bounds the life of a link.
const MaxLinkLife = time.Hour

// Upload gives a link by which the document of this digest may be put.
func (l *Links) Upload(d registry.Digest, life time.Duration) string {
	return l.link(http.MethodPut, d, life)
}

// Download gives a link by which it may be got. The disclosure is audited by
// whoever gives the link out.
func (l *Links) Download(d registry.Digest, life time.Duration) string {
	return l.link(http.MethodGet, d, life)
}

func (l *Links) link(method string, d registry.Digest, life time.Duration) string {
	until := strconv.FormatInt(l.Clock().Add(min(life, MaxLinkLife)).Unix(), 10)
	name := hex.EncodeToString(d[:])
	return l.Base + name + "?until=" + until + "&mac=" + l.mac(method, name, until)
}

func (l *Links) mac(method, name, until string) string {
	m := hmac.New(sha256.New, l.Key)
	m.Write([]byte("mist media link v1\n" + method + "\n" + name + "\n" + until))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// ServeHTTP takes PUT and GET of links. 403 for a link that is not ours, is
// late or is for another method; 404, 413, 422 (other bytes than the digest
// says) and 503 as they say.
func (l *Links) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	until, mac := r.URL.Query().Get("until"), r.URL.Query().Get("mac")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if err != nil || !isName(name) || subtle.ConstantTimeCompare([]byte(mac), []byte(l.mac(method, name, until))) != 1 {
		refuse(w, http.StatusForbidden, "this link is not one of the registry, or is for another document or method")
		return
	}
	if l.Clock().Unix() > seconds {
		refuse(w, http.StatusForbidden, "this link has expired; ask for another")
		return
	}
	var digest registry.Digest
	if _, err := hex.Decode(digest[:], []byte(name)); err != nil {
		refuse(w, http.StatusForbidden, "this link is not one of the registry")
		return
	}
	// What is uploaded is never shown as a page of ours.
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodPut {
		l.put(w, r, digest)
		return
	}
	b, err := l.Store.Get(r.Context(), digest)
	switch {
	case errors.Is(err, ErrNotFound):
		refuse(w, http.StatusNotFound, "the document was not uploaded")
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "the document cannot be read now")
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		// The status is on its way; a failed write is the client's broken connection.
		_, _ = w.Write(b)
	}
}

func (l *Links) put(w http.ResponseWriter, r *http.Request, want registry.Digest) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxSize))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, ErrTooLarge.Error())
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "the document did not arrive whole")
		return
	case registry.Digest(sha256.Sum256(b)) != want:
		refuse(w, http.StatusUnprocessableEntity, "the document is not the one this link was given for: its SHA-256 differs")
		return
	}
	if _, err := l.Store.Put(r.Context(), b); err != nil {
		refuse(w, http.StatusServiceUnavailable, "the document cannot be kept now; send it again")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers in the envelope of every REST error.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"meta":{"code":`+strconv.Itoa(status)+`},"error":{"message":`+strconv.Quote(message)+`}}`+"\n")
}
