// Package verify is the page /verify: whoever has a signed file drops it and
// gets the whole report, the protocol and the ETSI report, computed in their own
// browser by the verifier of this house compiled to WebAssembly. The file never
// leaves the device: the worker that reads it is served with a policy under
// which it can ask no address, and the page that starts it may ask two, before
// any file is chosen.
//
// The server gives code and trust material, the material with a statement of the
// log's key about its bytes and the time. It learns nothing of the file, so
// there is no audit entry.
package verify

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"mist/portal/verify/offline"
	"mist/portal/web"
	"mist/registry"
	"mist/registry/audit"
	"mist/signature/trust"
)

//go:embed templates text assets
var files embed.FS

// built is what `make build` puts there (command pack); empty in a build without it.
//
//go:embed all:built
var built embed.FS

// MaterialPath is where the trust material is served, below a language.
const MaterialPath = "/verify/material"

// Config of the room.
type Config struct {
	Trust interface{ Snapshot() *trust.Snapshot }
	// Sign is the log's key over a statement about trust material.
	Sign   func(audit.Material) (string, error)
	LogKey string // public, in text form
	Clock  func() time.Time
}

type room struct {
	Config
	code map[string]code // by name in the address
	// The addresses of the worker and of the compiled verifier; "" without them.
	worker, wasm string

	mu       sync.Mutex
	material []byte // gzip
	version  string
	signed   time.Time
}

// code is a file of the compiled verifier in the encodings it is served in.
type code struct {
	media     string
	encodings map[string][]byte
	worker    bool
}

// signedAnew is how long a statement is handed out before a new one is signed.
const signedAnew = time.Hour

// Add puts the room into the kit.
func Add(kit *web.Kit, c Config) error {
	if c.Trust == nil || c.Sign == nil || c.LogKey == "" || c.Clock == nil {
		return errors.New("portal/verify: a part is missing")
	}
	pages, err := kit.Room("verify", files)
	if err != nil {
		return err
	}
	r := &room{Config: c, code: map[string]code{}}
	if err := r.read(built); err != nil {
		return err
	}
	pages.Section("/verify", "verify.section")
	pages.Get("/verify", r.page)
	pages.Get(MaterialPath, r.handMaterial)
	pages.Get("/verify/code/{name}", r.handCode)
	return nil
}

// read takes the compiled verifier over, where this build has one.
func (r *room) read(built fs.FS) error {
	script, err := fs.ReadFile(built, "built/worker.js")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	gz, err := fs.ReadFile(built, "built/mist.wasm.gz")
	if err != nil {
		return fmt.Errorf("the compiled verifier: %w", err)
	}
	zst, err := fs.ReadFile(built, "built/mist.wasm.zst")
	if err != nil {
		return fmt.Errorf("the compiled verifier: %w", err)
	}
	named := func(prefix, suffix string, b []byte) string {
		sum := sha256.Sum256(b)
		return prefix + "." + hex.EncodeToString(sum[:6]) + suffix
	}
	packed, err := packed(script)
	if err != nil {
		return err
	}
	r.worker, r.wasm = named("worker", ".js", script), named("mist", ".wasm", gz)
	r.code[r.worker] = code{media: "text/javascript; charset=utf-8", encodings: map[string][]byte{"": script, "gzip": packed}, worker: true}
	r.code[r.wasm] = code{media: "application/wasm", encodings: map[string][]byte{"gzip": gz, "zstd": zst}}
	return nil
}

func packed(b []byte) ([]byte, error) {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return z.Bytes(), nil
}

// words are the texts of the kit that the tree of a report is written with.
var words = []string{"verdict.good", "verdict.bad", "verdict.unknown", "verdict.none", "answer.good", "answer.bad", "answer.unknown", "answer.none", "report.signature", "report.timestamp"}

// said are the room's texts that the script sets; {values} are filled there.
var said = []string{"verify.opening", "verify.ready", "verify.working", "verify.done", "verify.large", "verify.none", "verify.failed", "verify.unreadable", "verify.refused",
	"verify.key.changed", "verify.offline", "verify.needs", "verify.stale", "verify.revocations", "verify.slow"}

// skeleton is a node of the tree as the kit draws it, with the names of what the
// script puts there: one markup for pages of the server and of the browser.
type skeleton struct {
	Mark         string
	Branch, Leaf node
}

type node struct {
	Title, Term, Detail, Mark, Word string
	Open                            bool
	Nodes                           []node
}

// view is the Data of the page.
type view struct {
	Ready                  bool
	Worker, Code, Material string
	Key, Policy            string
	Words, Said            string // JSON
	Skeletons              []skeleton
	Limit                  int
}

// address of a file of the room, the same for both languages.
func address(path string) string { return "/" + string(web.Ukrainian) + path }

func (r *room) page(w http.ResponseWriter, q *web.Request) error {
	v := view{Ready: r.worker != "", Key: r.LogKey, Policy: web.WorkerPolicy, Limit: offline.MaxFile >> 20}
	p := web.Page{Template: "verify", Title: q.T("verify.title")}
	if !v.Ready {
		p.Status = http.StatusServiceUnavailable
		p.Data = v
		return q.Render(w, p)
	}
	v.Worker, v.Code, v.Material = address("/verify/code/"+r.worker), address("/verify/code/"+r.wasm), address(MaterialPath)
	texts := func(keys []string) (string, error) {
		all := map[string]string{}
		for _, k := range keys {
			all[k] = q.T(k, "level", "{level}", "size", "{size}", "when", "{when}", "anchors", "{anchors}", "why", "{why}", "seconds", "{seconds}", "verdict", "{verdict}")
		}
		b, err := json.Marshal(all)
		return string(b), err
	}
	var err error
	if v.Words, err = texts(words); err != nil {
		return err
	}
	if v.Said, err = texts(said); err != nil {
		return err
	}
	for _, m := range []web.Mark{web.Good, web.Bad, web.Unknown, web.None} {
		one := node{Title: "{title}", Term: "{term}", Detail: "{detail}", Mark: string(m), Word: "{word}"}
		branch := one
		branch.Nodes = []node{{Mark: string(m)}}
		v.Skeletons = append(v.Skeletons, skeleton{string(m), branch, one})
	}
	p.Data, p.Scripts, p.Computes = v, []string{"verify.js"}, []string{v.Code, v.Material}
	return q.Render(w, p)
}

// handMaterial serves the trust material with its statement.
func (r *room) handMaterial(w http.ResponseWriter, q *web.Request) error {
	b, err := r.current()
	if err != nil {
		return registry.Errorf(registry.CodeUnavailable, "the trust material cannot be served now").WithCause(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*") // public, as checkpoints are
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Header().Set("Cache-Control", "public, max-age=60")
	return send(w, q, map[string][]byte{"gzip": b})
}

// current is the material, packed; it is signed when it changes and once an hour.
func (r *room) current() ([]byte, error) {
	snap, now := r.Trust.Snapshot(), r.Clock().UTC().Truncate(time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version == snap.Version() && now.Sub(r.signed) < signedAnew {
		return r.material, nil
	}
	b, err := snap.Bundle()
	if err != nil {
		return nil, err
	}
	statement, err := r.Sign(audit.Material{Version: snap.Version(), SHA256: sha256.Sum256(b), Time: now})
	if err != nil {
		return nil, err
	}
	// Not by encoding/json: it compacts and escapes, and the statement is about
	// exactly these bytes.
	quoted, err := json.Marshal(statement)
	if err != nil {
		return nil, err
	}
	out, err := packed(bytes.Join([][]byte{[]byte(`{"statement":`), quoted, []byte(`,"bundle":`), b, []byte(`}`)}, nil))
	if err != nil {
		return nil, err
	}
	r.material, r.version, r.signed = out, snap.Version(), now
	return out, nil
}

// handCode serves the worker's script and the compiled verifier, each at an
// address with its own digest.
func (r *room) handCode(w http.ResponseWriter, q *web.Request) error {
	one, known := r.code[q.Param("name")]
	if !known {
		return registry.Errorf(registry.CodeNotFound, "there is no such file")
	}
	h := w.Header()
	h.Set("Content-Type", one.media)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if one.worker {
		web.WorkerHeaders(h)
	}
	return send(w, q, one.encodings)
}

// send answers in the best encoding the reader takes; what is kept packed alone
// is unpacked for whoever takes none.
func send(w http.ResponseWriter, q *web.Request, encodings map[string][]byte) error {
	w.Header().Set("Vary", "Accept-Encoding")
	for _, name := range []string{"zstd", "gzip"} {
		if b := encodings[name]; b != nil && takes(q.Header.Get("Accept-Encoding"), name) {
			w.Header().Set("Content-Encoding", name)
			_, err := w.Write(b)
			return ignoreGone(err)
		}
	}
	b := encodings[""]
	if b == nil {
		z, err := gzip.NewReader(bytes.NewReader(encodings["gzip"]))
		if err != nil {
			return err
		}
		var plain bytes.Buffer
		if _, err := plain.ReadFrom(z); err != nil {
			return err
		}
		b = plain.Bytes()
	}
	_, err := w.Write(b)
	return ignoreGone(err)
}

// ignoreGone: a reader that went away needs no answer, and no error page fits
// behind half a file.
func ignoreGone(error) error { return nil }

// takes says whether an Accept-Encoding names an encoding and does not refuse it.
func takes(accept, name string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), name) {
			q := strings.ReplaceAll(parameters, " ", "")
			return q != "q=0" && !strings.HasPrefix(q, "q=0.000")
		}
	}
	return false
}
