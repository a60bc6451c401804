// Package tlog shows the audit log to whoever wants to check it: the signed
// checkpoint and the tiles to everybody (C2SP tlog-checkpoint, tlog-tiles),
// single entries to those with the right to read them.
//
// Tiles and checkpoints hold hashes only. An entry tells who did what and when,
// so it is never given to an anonymous caller outside the sandbox; that is
// decided by the function passed in as Authorize. Entry bundles of tlog-tiles
// are not served for the same reason.
package tlog

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"

	"mist/registry"
	"mist/registry/archive"
	"mist/registry/audit"
)

// Store reads the published log. Absent things are registry.CodeNotFound.
type Store interface {
	LogCheckpoint(ctx context.Context) ([]byte, error)
	LogTile(ctx context.Context, t tlog.Tile) ([]byte, error)
	// LogEntry gives an entry's bytes and its place, -1 while it waits.
	LogEntry(ctx context.Context, id registry.ID) (entry []byte, index int64, err error)
	LogEntryAt(ctx context.Context, index int64) (entry []byte, at int64, err error)
}

// IndexHeader carries an entry's place in the tree; it is absent while the
// entry waits for its checkpoint.
const IndexHeader = "Mist-Entry-Index"

// ArchivedHeader names the month of an entry that lies in the file of that month.
const ArchivedHeader = "Mist-Archived-Month"

// Config of the handler. Store and Authorize are required.
type Config struct {
	Store Store
	// Authorize answers nil when the caller may read entries.
	Authorize func(r *http.Request) error
	// Refuse answers with an error; nil writes {error} without an envelope.
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
	Log    *slog.Logger
}

type handler struct{ Config }

// New serves GET /checkpoint, /tile/<L>/<N>[.p/<W>] and /entry/<id or index>.
func New(c Config) (http.Handler, error) {
	if c.Store == nil || c.Authorize == nil {
		return nil, errors.New("tlog: store and authorization are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := handler{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /checkpoint", h.checkpoint)
	mux.HandleFunc("GET /tile/", h.tile)
	mux.HandleFunc("GET /entry/{name}", h.entry)
	mux.HandleFunc("/", h.lost)
	return mux, nil
}

// public marks what anybody may read, also from a page of another site.
func public(w http.ResponseWriter, cache string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", cache)
	h.Set("X-Content-Type-Options", "nosniff")
}

func (h handler) checkpoint(w http.ResponseWriter, r *http.Request) {
	note, err := h.Store.LogCheckpoint(r.Context())
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	public(w, "no-cache")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(note)
}

func (h handler) tile(w http.ResponseWriter, r *http.Request) {
	t, err := audit.ParseTilePath(r.URL.Path[1:])
	if err != nil {
		h.refuse(w, r, registry.Errorf(registry.CodeNotFound, "no such tile").WithCause(err))
		return
	}
	b, err := h.Store.LogTile(r.Context(), t)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	// A tile of a given width never changes, the partial ones neither.
	public(w, "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(b)
}

func (h handler) entry(w http.ResponseWriter, r *http.Request) {
	if err := h.Authorize(r); err != nil {
		h.refuse(w, r, err)
		return
	}
	name := r.PathValue("name")
	var entry []byte
	var index int64
	id, err := registry.ParseID(name)
	if err == nil {
		entry, index, err = h.Store.LogEntry(r.Context(), id)
	} else if n, parseErr := strconv.ParseInt(name, 10, 64); parseErr == nil && n >= 0 {
		entry, index, err = h.Store.LogEntryAt(r.Context(), n)
	} else {
		err = registry.Errorf(registry.CodeMalformed, "an entry is named by its UUID or its place in the tree")
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", "application/json")
	if index >= 0 {
		w.Header().Set(IndexHeader, strconv.FormatInt(index, 10))
	}
	_, _ = w.Write(entry)
}

// lost answers what the log does not have.
func (h handler) lost(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.refuse(w, r, registry.Errorf(registry.CodeMethodNotAllowed, "this address takes GET, HEAD"))
		return
	}
	h.refuse(w, r, registry.Errorf(registry.CodeNotFound, "the log has checkpoint, tile/… and entry/…"))
}

// status translates the few codes that can come up here.
func status(code registry.Code) int {
	switch code {
	case registry.CodeMalformed, registry.CodeInvalid:
		return http.StatusBadRequest
	case registry.CodeUnauthenticated:
		return http.StatusUnauthorized
	case registry.CodeForbidden:
		return http.StatusForbidden
	case registry.CodeNotFound:
		return http.StatusNotFound
	case registry.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case registry.CodeRateLimited:
		return http.StatusTooManyRequests
	case registry.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (h handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := registry.AsError(err)
	code := status(e.Code)
	if code >= 500 {
		h.Log.ErrorContext(r.Context(), "audit log not served", "code", string(e.Code), "cause", err.Error())
	}
	switch code {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer scope="audit:read"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	}
	var gone *archive.GoneError
	if errors.As(err, &gone) {
		w.Header().Set(ArchivedHeader, gone.Month)
		w.Header().Set("Access-Control-Expose-Headers", ArchivedHeader)
	}
	public(w, "no-store")
	if h.Refuse != nil {
		h.Refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]map[string]string{"error": {"type": string(e.Code), "message": e.Detail}})
}
