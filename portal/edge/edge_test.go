package edge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/portal/edge/vault"
	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry"
	"mist/registry/job"
	"mist/signature"
)

// centre answers as the centre does: the envelope with the request's id. What
// each path is answered is a list; the last of it stays.
type centre struct {
	mu    sync.Mutex
	by    map[string][]string // "401 access_denied", "201"; guarded by mu
	asked []string
	key   string
}

func (c *centre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, r.Method+" "+r.URL.Path)
	list := c.by[r.URL.Path]
	what := "200"
	if len(list) > 0 {
		if what = list[0]; len(list) > 1 {
			c.by[r.URL.Path] = list[1:]
		}
	}
	var code int
	var kind string
	_, _ = fmt.Sscanf(what, "%d %s", &code, &kind)
	if c.key != "" && r.Header.Get("Authorization") != "Bearer "+c.key {
		code, kind = 401, "access_denied"
	}
	body := map[string]any{"meta": map[string]any{"code": code, "request_id": r.Header.Get("X-Request-ID")}}
	switch {
	case code >= 400:
		body["error"] = map[string]any{"type": kind, "message": "відмова"}
	case strings.HasSuffix(r.URL.Path, "/reads"):
		body["data"] = map[string]any{"last": 0}
	case strings.HasSuffix(r.URL.Path, "/patients"):
		body["data"], body["paging"] = []any{map[string]any{"id": registry.ID{7}.String(), "last_name": "Тестова", "first_name": "Особа", "birth_date": "1990-01-02", "gender": "FEMALE",
			"tax_id": "3126509816", "declaration_id": registry.ID{8}.String(), "declaration_number": "0001-TEST-0001", "employee_id": registry.ID{9}.String(), "division_id": registry.ID{10}.String()}}, map[string]any{"has_more": false}
	default:
		body["data"] = map[string]any{"id": "x"}
	}
	b, _ := json.Marshal(body)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(b)
}

func (c *centre) says(path string, list ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by[path] = list
}

func (c *centre) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

// sound takes every container for one of a patient that it names itself.
type sound struct{}

func (sound) Verify(context.Context, signature.Input, signature.Policy) (*signature.Result, error) {
	return &signature.Result{Indication: signature.Indeterminate}, nil
}

type anyPolicy struct{}

func (anyPolicy) For(string, time.Time) (signature.Policy, error) { return signature.Policy{}, nil }

const testKey = "mist_test_0011"

func side(t *testing.T, c http.Handler, change ...func(*Config)) *Edge {
	t.Helper()
	source := registry.Source{Clock: time.Now, Random: rand.Reader}
	path := filepath.Join(t.TempDir(), "edge.vault")
	phrase := []byte("садок вишневий коло хати")
	require.NoError(t, vault.Create(path, phrase, vault.Cost{Passes: 1, Memory: 64, Lanes: 1}, source))
	v, err := vault.Open(path, vault.Options{}, source)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	config := Config{Vault: v, Centre: server.URL, Client: server.Client(), Verifier: sound{}, Policies: anyPolicy{}, Trust: func() (string, time.Time) { return "v1", time.Now() },
		Source: source, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
		Backoff: job.Backoff{First: time.Millisecond, Most: 20 * time.Millisecond}, Pause: job.Backoff{First: time.Millisecond, Most: 20 * time.Millisecond}, Beat: 20 * time.Millisecond}
	for _, f := range change {
		f(&config)
	}
	e, err := New(config)
	require.NoError(t, err)
	require.NoError(t, e.Unlock(phrase))
	require.NoError(t, e.SetKey(testKey))
	require.NoError(t, e.SetToken("token"))
	return e
}

func (e *Edge) runs(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); e.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// take stores an act of an operation in the lane of an employee.
func (e *Edge) take(t *testing.T, operation string, lane byte) vault.Act {
	t.Helper()
	o, ok := e.operation(operation)
	require.True(t, ok)
	path := strings.Replace(o.Path, "{id}", e.Source.NewID().String(), 1)
	a, repeated, err := e.Take(t.Context(), o, path, registry.ID{lane}, e.Source.Bytes(40))
	require.NoError(t, err)
	require.False(t, repeated)
	return a
}

func (e *Edge) becomes(t *testing.T, a vault.Act, s vault.Status) vault.Act {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := e.Vault.Find(a.ID)
		a = found
		return err == nil && a.Status == s
	}, 30*time.Second, 5*time.Millisecond, "%s", s)
	return a
}

// What each answer of the centre makes of an act.
func TestAnswersOfTheCentre(t *testing.T) {
	for said, want := range map[string]struct {
		status vault.Status
		reason string
	}{
		"201":                         {vault.StatusAnswered, ""},
		"202":                         {vault.StatusAnswered, ""},
		"400 request_malformed":       {vault.StatusDead, ReasonRefused},
		"403 forbidden":               {vault.StatusDead, ReasonRefused},
		"404 not_found":               {vault.StatusDead, ReasonRefused},
		"409 request_conflict":        {vault.StatusDead, ReasonRefused},
		"413 content_too_large":       {vault.StatusDead, ReasonRefused},
		"422 validation_failed":       {vault.StatusDead, ReasonRefused},
		"422 signature_invalid":       {vault.StatusDead, ReasonRefused},
		"401 access_denied":           {vault.StatusWaiting, ""},
		"422 signature_indeterminate": {vault.StatusWaiting, ""},
		"429 too_many_requests":       {vault.StatusWaiting, ""},
		"500 internal_error":          {vault.StatusWaiting, ""},
		"503 internal_error":          {vault.StatusWaiting, ""},
		"302":                         {vault.StatusWaiting, ""},
	} {
		t.Run(said, func(t *testing.T) {
			c := &centre{by: map[string][]string{}}
			c.says("/api/v3/encounters", said)
			e := side(t, c)
			a := e.take(t, "encounter.create", 1)
			e.runs(t)
			if want.status == vault.StatusWaiting {
				require.Eventually(t, func() bool {
					found, err := e.Vault.Find(a.ID)
					return err == nil && found.Attempts >= 2 && found.Status == vault.StatusWaiting && len(found.Failures) >= 2
				}, 30*time.Second, 5*time.Millisecond)
				c.says("/api/v3/encounters", "201")
				e.becomes(t, a, vault.StatusAnswered) // the twin: nothing was lost by waiting
				return
			}
			a = e.becomes(t, a, want.status)
			require.Equal(t, want.reason, a.Reason)
			answer, err := e.Vault.Answer(a.Number)
			require.NoError(t, err)
			require.True(t, json.Valid(answer), "the whole answer is kept")
		})
	}
}

func TestAnUndecidedSignatureDoesNotWaitForEver(t *testing.T) {
	c := &centre{by: map[string][]string{}}
	c.says("/api/v3/encounters", "422 signature_indeterminate")
	e := side(t, c, func(c *Config) { c.Patience = time.Nanosecond })
	a := e.take(t, "encounter.create", 1)
	e.runs(t)
	require.Equal(t, ReasonUndecided, e.becomes(t, a, vault.StatusDead).Reason)
}

// Behind a dead act of its lane an ending waits and an independent act goes;
// other lanes are not concerned; given up, it holds nobody back.
func TestOrderBehindADeadAct(t *testing.T) {
	c := &centre{by: map[string][]string{}}
	c.says("/api/v3/encounters", "422 validation_failed", "201")
	e := side(t, c)
	dead := e.take(t, "encounter.create", 1)
	ending := e.take(t, "encounter.cancel", 1)
	independent := e.take(t, "encounter.create", 1)
	other := e.take(t, "encounter.cancel", 2)
	e.runs(t)
	e.becomes(t, dead, vault.StatusDead)
	e.becomes(t, independent, vault.StatusAnswered)
	e.becomes(t, other, vault.StatusAnswered)
	e.becomes(t, ending, vault.StatusWaiting)
	require.NotContains(t, c.log(), "PATCH "+ending.Path)
	a, err := e.Discard(dead.ID, true)
	require.NoError(t, err)
	require.Equal(t, vault.StatusDiscarded, a.Status)
	e.becomes(t, dead, vault.StatusDead) // a dry run changed nothing
	_, err = e.Discard(dead.ID, false)
	require.NoError(t, err)
	e.becomes(t, ending, vault.StatusAnswered)
	_, err = e.Replay(dead.ID, false)
	require.Equal(t, "act_discarded", registry.AsError(err).Reason)
}

func TestARefusedActMayComeForAnotherEmployee(t *testing.T) {
	c := &centre{by: map[string][]string{}}
	c.says("/api/v3/encounters", "403 forbidden", "201")
	e := side(t, c)
	o, _ := e.operation("encounter.create")
	container := e.Source.Bytes(40)
	a, _, err := e.Take(t.Context(), o, o.Path, registry.ID{1}, container)
	require.NoError(t, err)
	e.runs(t)
	e.becomes(t, a, vault.StatusDead)
	_, repeated, err := e.Take(t.Context(), o, o.Path, registry.ID{1}, container)
	require.NoError(t, err)
	require.True(t, repeated)
	e.becomes(t, a, vault.StatusDead) // the same request stays refused
	again, repeated, err := e.Take(t.Context(), o, o.Path, registry.ID{2}, container)
	require.NoError(t, err)
	require.True(t, repeated)
	require.Equal(t, a.ID, again.ID)
	require.Equal(t, registry.ID{2}, e.becomes(t, a, vault.StatusAnswered).EmployeeID)
}

func TestARevokedKeyLocksLookUpAndKeepsActs(t *testing.T) {
	c := &centre{by: map[string][]string{}, key: testKey}
	e := side(t, c)
	e.runs(t)
	who := registry.ID{9}
	q := vault.Question{TaxID: "3126509816"}
	require.Eventually(t, func() bool { return e.Vault.Patients() == 1 && !e.Status().CopiedAt.IsZero() }, 30*time.Second, 5*time.Millisecond)
	list, _, _, err := e.Look(t.Context(), q, who, "medical_care")
	require.NoError(t, err)
	require.Equal(t, "Тестова", list[0].LastName)

	c.mu.Lock()
	c.key = "mist_test_new"
	c.mu.Unlock()
	require.Eventually(t, func() bool { return e.Status().Centre == "revoked" && e.Vault.Patients() == 0 }, 30*time.Second, 5*time.Millisecond)
	_, _, _, err = e.Look(t.Context(), q, who, "medical_care")
	require.Equal(t, "key_revoked", registry.AsError(err).Reason)
	a := e.take(t, "encounter.create", 1)
	var out strings.Builder
	require.NoError(t, e.Export(&out))
	require.Contains(t, out.String(), "00000001.p7s")
	require.NoError(t, e.SetKey("mist_test_new"))
	e.becomes(t, a, vault.StatusAnswered)
	require.Eventually(t, func() bool { return e.Vault.Patients() == 1 }, 30*time.Second, 5*time.Millisecond)
	require.Error(t, e.SetKey("не ключ"))
}

func TestAnOldCopyIsNotShown(t *testing.T) {
	c := &centre{by: map[string][]string{}}
	e := side(t, c, func(c *Config) { c.Age = time.Millisecond })
	e.runs(t)
	require.Eventually(t, func() bool { return !e.Status().CopiedAt.IsZero() }, 30*time.Second, 5*time.Millisecond)
	time.Sleep(5 * time.Millisecond)
	_, _, _, err := e.Look(t.Context(), vault.Question{TaxID: "3126509816"}, registry.ID{9}, "medical_care")
	require.Equal(t, "copy_too_old", registry.AsError(err).Reason)
	require.Zero(t, e.Vault.WaitingReads(), "what was not told is not noted")
}

// Only a whole answer to the very request counts.
func TestWhatIsNoAnswer(t *testing.T) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	good := `{"meta":{"code":201,"request_id":"` + id + `"},"data":{"id":"x"}}`
	_, err := readAnswer(201, "application/json; charset=utf-8", id, []byte(good))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		status      int
		media, body string
	}{
		"captive page":       {200, "text/html", "<html>"},
		"cut":                {201, "application/json", good[:len(good)/2]},
		"another status":     {200, "application/json", good},
		"another request":    {201, "application/json", strings.Replace(good, id, "01890a5d-ac96-774b-bcce-b302099a8058", 1)},
		"no data":            {201, "application/json", `{"meta":{"code":201,"request_id":"` + id + `"}}`},
		"no error":           {422, "application/json", `{"meta":{"code":422,"request_id":"` + id + `"},"data":{}}`},
		"no envelope":        {401, "application/json", `{"error":{"type":"access_denied"}}`},
		"doubled member":     {201, "application/json", strings.Replace(good, `"data"`, `"meta":{},"data"`, 1)},
		"not an object":      {201, "application/json", `[]`},
		"two answers in one": {201, "application/json", good + good},
	} {
		_, err := readAnswer(c.status, c.media, id, []byte(c.body))
		require.Error(t, err, name)
	}
}

func FuzzAnswer(f *testing.F) {
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	f.Add(201, "application/json", []byte(`{"meta":{"code":201,"request_id":"`+id+`"},"data":{"id":"x"}}`))
	f.Add(422, "application/json", []byte(`{"meta":{"code":422,"request_id":"`+id+`"},"error":{"type":"a"}}`))
	f.Fuzz(func(t *testing.T, status int, media string, body []byte) {
		a, err := readAnswer(status, media, id, body)
		if err == nil {
			require.Equal(t, id, a.word("meta", "request_id"))
			require.True(t, json.Valid(a.body))
		}
	})
}

func FuzzSubmission(f *testing.F) {
	f.Add([]byte(`{"signed_data":"AAAA","signed_content_encoding":"base64"}`))
	f.Add([]byte(`{"signed_data":"AAAA","signed_data":"BBBB","signed_content_encoding":"base64"}`))
	f.Add([]byte(`{"signed_data":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := readSubmission(body, "signed_data")
		if err != nil {
			require.NotEqual(t, registry.CodeInternal, registry.CodeOf(err))
			return
		}
		again, err := readSubmission(submission("signed_data", b), "signed_data")
		require.NoError(t, err)
		require.Equal(t, b, again, "the centre reads what was stored")
	})
}

func FuzzSubject(f *testing.F) {
	f.Add([]byte(`{"person":{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}}`))
	f.Add([]byte(`{"person":[]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		if id := subjectOf(document, []string{"person", "id"}); !id.IsZero() {
			require.Contains(t, strings.ToLower(string(document)), id.String()[:1])
		}
	})
}

func TestOperationsAreOfTheContract(t *testing.T) {
	list, err := Operations()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, o := range list {
		require.False(t, seen[o.Name] || seen[o.Method+o.Path], o.Name)
		seen[o.Name], seen[o.Method+o.Path] = true, true
		require.Contains(t, contractPaths(t), o.Path, "the centre has no such address")
		require.Contains(t, contractPaths(t)[o.Path], o.Member+":", o.Name)
	}
}

func TestTexts(t *testing.T) { webtest.Texts(t, ".", "edge.status.", "edge.centre.") }

func TestPageAsksForThePassphrase(t *testing.T) {
	e := side(t, &centre{by: map[string][]string{}})
	kit, err := web.New(web.Config{BaseURL: "http://127.0.0.1:1", Log: e.Log, Clock: time.Now})
	require.NoError(t, err)
	require.NoError(t, e.AddPage(kit))
	a := e.take(t, "encounter.create", 1)
	h := e.Handler(nil, kit)
	do := func(method, path, form string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := do("GET", "/uk/edge", "")
	require.Equal(t, 200, w.Code)
	require.NotContains(t, w.Body.String(), "взаємодія", "who has not said the passphrase sees no queue")
	require.Equal(t, 401, do("POST", "/uk/edge/acts/"+a.ID.String()+"/discard", "").Code)
	w = do("POST", "/uk/edge/unlock", "passphrase=хибна кодова фраза")
	require.Equal(t, 403, w.Code)
	require.Contains(t, w.Body.String(), "Кодова фраза не відмикає")
	w = do("POST", "/uk/edge/unlock", "passphrase=садок вишневий коло хати")
	require.Equal(t, 303, w.Code)
	cookie := w.Result().Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Contains(t, do("GET", "/uk/edge", "", cookie).Body.String(), "взаємодія")
	require.Contains(t, do("GET", "/en/edge", "", cookie).Body.String(), "encounter")

	// A page of the web that makes a browser ask in its name reaches nothing.
	r := httptest.NewRequest("GET", "http://evil.example/edge/v1/status", nil)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, 403, w.Code)
}

func TestCentreByHTTPIsThisMachineAlone(t *testing.T) {
	e := side(t, &centre{by: map[string][]string{}})
	for address, fine := range map[string]bool{"https://centre.example": true, "http://127.0.0.1:80": true, "http://centre.example": false, "ftp://127.0.0.1": false, "": false} {
		c := e.Config
		c.Centre = address
		_, err := New(c)
		require.Equal(t, fine, err == nil, address)
	}
}
