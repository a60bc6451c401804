package edge

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/portal"
	"mist/portal/edge/vault"
	"mist/registry"
	"mist/registry/jcs"
	"mist/registry/patient"
)

// Prefix of the addresses that are the edge's own.
const Prefix = "/edge/v1"

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Handler serves the clinic's system, and pages where there are any. hosts are the
// names it is reached by beside those of this machine: another name is refused,
// so that no page of the web makes a browser ask in its name (DNS rebinding).
func (e *Edge) Handler(hosts []string, pages portal.Pages) http.Handler {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil {
				host = r.Host
			}
			known := loopback(strings.Trim(host, "[]"))
			for _, h := range hosts {
				known = known || strings.EqualFold(h, host)
			}
			if !known {
				e.refuse(w, registry.Errorf(registry.CodeForbidden, "this name is not one of the hospital's side").WithReason("host"))
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	if pages != nil {
		pages.Routes(r)
	}
	for _, o := range e.operations {
		r.Method(o.Method, o.Path, e.member(func(w http.ResponseWriter, r *http.Request) error { return e.takes(w, r, o) }))
	}
	r.Post(Prefix+"/unlock", e.answers(e.unlocks))
	r.Post(Prefix+"/lock", e.member(func(w http.ResponseWriter, _ *http.Request) error {
		e.Vault.Lock()
		return e.tell(w, http.StatusOK, e.Status(), nil)
	}))
	r.Get(Prefix+"/status", e.answers(func(w http.ResponseWriter, _ *http.Request) error { return e.tell(w, http.StatusOK, e.Status(), nil) }))
	r.Put(Prefix+"/key", e.member(e.setsKey))
	r.Get(Prefix+"/acts", e.member(e.lists))
	r.Get(Prefix+"/acts/{id}", e.member(e.shows))
	r.Post(Prefix+"/acts/{id}/replay", e.member(e.replays))
	r.Post(Prefix+"/acts/{id}/discard", e.member(e.discards))
	r.Get(Prefix+"/export", e.member(e.exports))
	r.Post(Prefix+"/patients/search", e.member(e.searches))
	r.NotFound(e.answers(func(http.ResponseWriter, *http.Request) error {
		return registry.Errorf(registry.CodeNotFound, "the hospital's side has no such address; without the centre it takes the acts of operations.json alone")
	}))
	return r
}

type handler func(w http.ResponseWriter, r *http.Request) error

func (e *Edge) answers(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := h(w, r); err != nil {
			e.refuse(w, err)
		}
	}
}

// member demands the local token; while the vault is locked nobody can be known.
func (e *Edge) member(h handler) http.HandlerFunc {
	return e.answers(func(w http.ResponseWriter, r *http.Request) error {
		var want []byte
		if err := e.Vault.State(stateToken, &want); err != nil {
			return vaultError(err)
		}
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
		sum := sha256.Sum256([]byte(token))
		if len(want) != sha256.Size || subtle.ConstantTimeCompare(sum[:], want) != 1 {
			return registry.Errorf(registry.CodeUnauthenticated, "send the token of mist edge init as Authorization: Bearer")
		}
		return h(w, r)
	})
}

// SetToken keeps what local programs show; the vault has its digest.
func (e *Edge) SetToken(token string) error {
	sum := sha256.Sum256([]byte(token))
	return e.Vault.SetState(stateToken, sum[:])
}

func (e *Edge) tell(w http.ResponseWriter, status int, data any, more map[string]any) error {
	body := map[string]any{"meta": map[string]any{"code": status}, "data": data}
	for name, v := range more {
		body[name] = v
	}
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // who went away asks again
	return nil
}

func (e *Edge) refuse(w http.ResponseWriter, cause error) {
	err := registry.AsError(vaultError(cause))
	if err.Code == registry.CodeInternal {
		e.Log.Error("an internal error", "cause", cause.Error())
		err = registry.Errorf(registry.CodeInternal, "internal error; see the log of mist edge")
	}
	status := portal.StatusOf(err.Code)
	kind := string(err.Code)
	for _, k := range portal.ErrorKinds() {
		if k.Code == err.Code {
			kind = k.Type
		}
	}
	said := map[string]any{"type": kind, "message": err.Detail}
	if err.Reason != "" {
		said["reason"] = err.Reason
	}
	var invalid []map[string]any
	for _, f := range err.Fields {
		rule := map[string]any{"rule": f.Rule, "description": f.Description, "params": append([]string{}, f.Params...)}
		invalid = append(invalid, map[string]any{"entry": f.Entry, "entry_type": "json_data_property", "rules": []any{rule}})
	}
	if invalid != nil {
		said["invalid"] = invalid
	}
	b, failed := json.Marshal(map[string]any{"meta": map[string]any{"code": status}, "error": said})
	if failed != nil {
		b = []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// body reads at most limit bytes of JSON.
func body(r *http.Request, limit int64) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, registry.Errorf(registry.CodeUnsupportedMedia, "send application/json")
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, registry.Errorf(registry.CodeMalformed, "the body could not be read to its end; nothing was stored").WithReason("body_cut").WithCause(err)
	}
	if int64(len(b)) > limit {
		return nil, registry.Errorf(registry.CodeTooLarge, "the body is larger than %d bytes", limit)
	}
	return b, nil
}

const smallBody = 16 << 10

// decode reads a small body of text members, and refuses any other.
func decode(r *http.Request, names ...string) (map[string]string, error) {
	b, err := body(r, smallBody)
	if err != nil {
		return nil, err
	}
	v, err := jcs.Parse(b)
	o, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, registry.Errorf(registry.CodeMalformed, "the body is not one JSON object").WithCause(err)
	}
	out := map[string]string{}
	for _, name := range names {
		if v, given := o[name]; given {
			text, ok := v.(string)
			if !ok {
				return nil, registry.Invalid(registry.FieldError{Entry: "$." + name, Rule: "cast", Description: "type mismatch. Expected String"})
			}
			out[name] = text
			delete(o, name)
		}
	}
	for name := range o {
		return nil, registry.Invalid(registry.FieldError{Entry: "$." + name, Rule: "schema", Description: "schema does not allow additional properties"})
	}
	return out, nil
}

func employee(r *http.Request) (registry.ID, error) {
	id, err := registry.ParseID(r.Header.Get("X-Employee-ID"))
	if err != nil || len(r.Header.Values("X-Employee-ID")) != 1 {
		return registry.ID{}, registry.Invalid(registry.FieldError{Entry: "$.x-employee-id", EntryType: "header", Rule: "required", Description: "name the employee who signed or asks: a UUID, once"})
	}
	return id, nil
}

// actView is an act as the clinic's system sees it.
type actView struct {
	vault.Act
	Digest  string `json:"digest"` // SHA-256 of the container, hexadecimal
	Lane    string `json:"lane,omitempty"`
	Judged  bool   `json:"judged_by_centre"`
	Message string `json:"message,omitempty"`
}

func viewOf(a vault.Act) actView {
	v := actView{Act: a, Digest: fmt.Sprintf("%x", a.Digest), Judged: a.AnswerStatus != 0}
	if !v.Judged {
		v.Message = "stored here; not yet judged by the centre"
	}
	return v
}

func (e *Edge) takes(w http.ResponseWriter, r *http.Request, o Operation) error {
	who, err := employee(r)
	if err != nil {
		return err
	}
	path := o.Path
	if strings.Contains(path, "{id}") {
		id, err := registry.ParseID(chi.URLParam(r, "id"))
		if err != nil {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		path = strings.Replace(path, "{id}", id.String(), 1)
	}
	b, err := body(r, MaxBody)
	if err != nil {
		return err
	}
	container, err := readSubmission(b, o.Member)
	if err != nil {
		return err
	}
	a, repeated, err := e.Take(r.Context(), o, path, who, container)
	if err != nil {
		return err
	}
	w.Header().Set("Location", Prefix+"/acts/"+a.ID.String())
	return e.tell(w, http.StatusAccepted, viewOf(a), map[string]any{"repeated": repeated})
}

func (e *Edge) unlocks(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(r, "passphrase")
	if err != nil {
		return err
	}
	if err := e.Unlock([]byte(in["passphrase"])); err != nil {
		return err
	}
	return e.tell(w, http.StatusOK, e.Status(), nil)
}

func (e *Edge) setsKey(w http.ResponseWriter, r *http.Request) error {
	in, err := decode(r, "api_key")
	if err != nil {
		return err
	}
	if err := e.SetKey(in["api_key"]); err != nil {
		return err
	}
	return e.tell(w, http.StatusOK, e.Status(), nil)
}

func (e *Edge) lists(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	f := vault.Filter{Status: vault.Status(q.Get("status")), Limit: 100}
	if text := q.Get("before"); text != "" {
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil || n == 0 {
			return registry.Invalid(registry.FieldError{Entry: "$.before", EntryType: "query_parameter", Rule: "number", Description: "a number of an act"})
		}
		f.Before = n
	}
	known := f.Status == ""
	for _, s := range vault.Statuses() {
		known = known || s == f.Status
	}
	if !known {
		return registry.Invalid(registry.FieldError{Entry: "$.status", EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum"})
	}
	list, err := e.Vault.List(f)
	if err != nil {
		return err
	}
	views := make([]actView, len(list))
	for i, a := range list {
		views[i] = viewOf(a)
	}
	return e.tell(w, http.StatusOK, views, nil)
}

func (e *Edge) act(r *http.Request) (vault.Act, error) {
	id, err := registry.ParseID(chi.URLParam(r, "id"))
	if err != nil {
		return vault.Act{}, vault.ErrNotFound
	}
	return e.Vault.Find(id)
}

func (e *Edge) shows(w http.ResponseWriter, r *http.Request) error {
	a, err := e.act(r)
	if err != nil {
		return err
	}
	answer, err := e.Vault.Answer(a.Number)
	if err != nil {
		return err
	}
	more := map[string]any{}
	if json.Valid(answer) {
		more["centre"] = json.RawMessage(answer)
	}
	return e.tell(w, http.StatusOK, viewOf(a), more)
}

// Replay has a dead act handed in again; a dry run tells what would go.
func (e *Edge) Replay(id registry.ID, dry bool) (vault.Act, error) {
	return e.change(id, dry, func(a *vault.Act) { again(a, e.Source.Now()) })
}

// Discard gives a dead act up: the centre will not have it, and what waits
// behind it may go. Its container stays for as long as ended acts are kept.
func (e *Edge) Discard(id registry.ID, dry bool) (vault.Act, error) {
	return e.change(id, dry, func(a *vault.Act) { a.Status, a.EndedAt = vault.StatusDiscarded, e.Source.Now() })
}

func (e *Edge) change(id registry.ID, dry bool, f func(a *vault.Act)) (vault.Act, error) {
	a, err := e.Vault.Find(id)
	if err != nil {
		return a, err
	}
	conflict := func(s vault.Status) error {
		return registry.Errorf(registry.CodeConflict, "the act is %s; this is for dead ones", s).WithReason("act_" + string(s))
	}
	if a.Status != vault.StatusDead {
		return a, conflict(a.Status)
	}
	if dry {
		f(&a)
		return a, nil
	}
	a, err = e.Vault.Change(a.Number, nil, func(a *vault.Act) error {
		if a.Status != vault.StatusDead {
			return conflict(a.Status)
		}
		f(a)
		return nil
	})
	if err == nil {
		e.Log.Info("an act was changed by hand", "act", a.ID.String(), "status", string(a.Status))
		e.stir()
	}
	return a, err
}

func (e *Edge) replays(w http.ResponseWriter, r *http.Request) error {
	return e.changes(w, r, e.Replay)
}

func (e *Edge) discards(w http.ResponseWriter, r *http.Request) error {
	return e.changes(w, r, e.Discard)
}

func (e *Edge) changes(w http.ResponseWriter, r *http.Request, f func(registry.ID, bool) (vault.Act, error)) error {
	a, err := e.act(r)
	if err != nil {
		return err
	}
	dry := r.URL.Query().Get("dry_run") != "false"
	if a, err = f(a.ID, dry); err != nil {
		return err
	}
	return e.tell(w, http.StatusOK, viewOf(a), map[string]any{"dry_run": dry})
}

// exports writes what has not reached the centre as a ZIP: containers and what
// another program needs to hand them in.
func (e *Edge) exports(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/zip")
	return e.Export(w)
}

// Export writes acts.json and NUMBER.p7s for each act that has not ended.
func (e *Edge) Export(w io.Writer) error {
	z := zip.NewWriter(w)
	type line struct {
		File, Method, Path, Member, SHA256, Status string
		Employee                                   registry.ID
		Received                                   time.Time
	}
	lines := []line{}
	for _, a := range e.Vault.Open() {
		o, _ := e.operation(a.Operation)
		b, err := e.Vault.Container(a.Number)
		if err != nil {
			return err
		}
		l := line{fmt.Sprintf("%08d.p7s", a.Number), o.Method, a.Path, o.Member, fmt.Sprintf("%x", a.Digest), string(a.Status), a.EmployeeID, a.ReceivedAt}
		f, err := z.Create(l.File)
		if err == nil {
			_, err = f.Write(b)
		}
		if err != nil {
			return err
		}
		lines = append(lines, l)
	}
	f, err := z.Create("acts.json")
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(lines, "", " ")
	if err == nil {
		_, err = f.Write(b)
	}
	return errors.Join(err, z.Close())
}

// maxFound is how many patients one look-up tells.
const maxFound = 5

func (e *Edge) searches(w http.ResponseWriter, r *http.Request) error {
	who, err := employee(r)
	if err != nil {
		return err
	}
	in, err := decode(r, "id", "tax_id", "unzr", "last_name", "birth_date", "purpose")
	if err != nil {
		return err
	}
	if !patient.IsPurpose(in["purpose"]) {
		return registry.Invalid(registry.FieldError{Entry: "$.purpose", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{"medical_care", "emergency"}})
	}
	q := vault.Question{TaxID: in["tax_id"], UNZR: in["unzr"], LastName: in["last_name"]}
	for name, at := range map[string]interface{ UnmarshalText([]byte) error }{"id": &q.ID, "birth_date": &q.BirthDate} {
		if in[name] != "" && at.UnmarshalText([]byte(in[name])) != nil {
			return registry.Invalid(registry.FieldError{Entry: "$." + name, Rule: "format", Description: "not of its form"})
		}
	}
	if q.ID.IsZero() && q.TaxID == "" && q.UNZR == "" && (strings.TrimSpace(q.LastName) == "" || q.BirthDate.IsZero()) {
		return registry.Invalid(registry.FieldError{Entry: "$", Rule: "required", Description: "name id, tax_id, unzr, or last_name with birth_date"})
	}
	list, more, copied, err := e.Look(r.Context(), q, who, in["purpose"])
	if err != nil {
		return err
	}
	if list == nil {
		list = []vault.Patient{}
	}
	return e.tell(w, http.StatusOK, list, map[string]any{"copied_at": copied, "has_more": more})
}

// Look finds the clinic's patients in the copy. Each one told is noted first and
// will stand in the centre's trail.
func (e *Edge) Look(_ context.Context, q vault.Question, who registry.ID, purpose string) (list []vault.Patient, more bool, copied time.Time, err error) {
	e.mu.Lock()
	l := e.line
	e.mu.Unlock()
	switch now := e.Source.Now(); {
	case !e.Vault.Unlocked():
		return nil, false, copied, vaultError(vault.ErrLocked)
	case l.Revoked:
		return nil, false, copied, registry.Errorf(registry.CodeForbidden, "the centre does not accept the hospital's key: the copy of patients was wiped").WithReason("key_revoked")
	case l.Copied.IsZero():
		return nil, false, copied, registry.Errorf(registry.CodeUnavailable, "there is no whole copy of patients yet").WithReason("no_copy")
	case now.Sub(l.Copied) > e.Age || now.Before(l.Copied.Add(-e.Skew)):
		return nil, false, copied, registry.Errorf(registry.CodeUnavailable, "the copy of patients is too old to be shown: the centre has to be reached first").WithReason("copy_too_old")
	}
	list, more, err = e.Vault.Look(q, who, purpose, maxFound)
	return list, more, l.Copied, err
}
