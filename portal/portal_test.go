package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/access"
	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/idempotency"
	"mist/registry/intake"
	"mist/registry/job"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/query"
	"mist/signature"
)

// fakes stand for the rooms behind the translation layer; what the rooms do is
// shown by fixtures/scripts against a real server.
type fakes struct {
	draft   intake.Draft
	outcome intake.Outcome
	issued  access.Issued
	err     error
	hook    func(ctx context.Context) // runs inside every call of the service

	caller      registry.Caller
	grant       access.Grant
	body        []byte
	code        string
	revoked     string
	certificate []byte
	user        registry.ID
	asked       access.AuthorizationRequest
	exchanged   [3]string
	filter      query.DeclarationFilter
	approved    bool
	note        string
	termination declaration.Termination
	criteria    patient.Criteria
	answered    [2]string
	verified    signature.Input
	policy      string
	scopes      []string
	wanted      prm.Filter
	jobs        job.Filter
	dryRun      bool
	kept        map[string]idempotency.Reply
	requests    map[string][32]byte
}

const goodToken = "good-token"

func (f *fakes) Issue(_ context.Context, c registry.Caller, g access.Grant) (access.Issued, error) {
	f.caller, f.grant = c, g
	return f.issued, f.err
}

func (f *fakes) Authenticate(_ context.Context, bearer string, certificate []byte) (registry.Caller, error) {
	f.certificate = certificate
	if bearer != goodToken {
		return registry.Caller{}, registry.Errorf(registry.CodeUnauthenticated, "Invalid access token")
	}
	return registry.Caller{ClientID: registry.ID{1}, ClientName: "MIS", LegalEntityID: registry.ID{2}, Scopes: f.scopes, User: f.user}, nil
}

func (f *fakes) ActFor(_ context.Context, c registry.Caller, _ string) (registry.Caller, error) {
	return c, f.err
}

func (f *fakes) Revoke(_ context.Context, c registry.Caller, token string) error {
	f.caller, f.revoked = c, token
	return f.err
}

func (f *fakes) Challenge(_ context.Context, r access.AuthorizationRequest) ([]byte, access.Challenge, error) {
	f.asked = r
	return []byte(`{"type":"login"}`), access.Challenge{ClientName: "МІС <b>", Scope: []string{"a:read"}, RedirectURI: r.RedirectURI}, f.err
}

func (f *fakes) Authorize(_ context.Context, _ registry.Caller, container []byte, employee string) (access.Authorized, error) {
	f.body, f.code = container, employee
	return access.Authorized{Code: "the-code", State: "s t", RedirectURI: "https://mis.example/cb?x=1"}, f.err
}

func (f *fakes) SignIn(_ context.Context, _ registry.Caller, proof access.Proof, container []byte, scope, employee string) (access.Issued, error) {
	f.grant, f.body = access.Grant{Proof: proof, Scope: scope, EmployeeID: employee}, container
	return f.issued, f.err
}

func (f *fakes) Exchange(_ context.Context, _ registry.Caller, proof access.Proof, code, redirectURI, verifier string) (access.Issued, error) {
	f.grant, f.exchanged = access.Grant{Proof: proof}, [3]string{code, redirectURI, verifier}
	return f.issued, f.err
}

func (f *fakes) Refresh(_ context.Context, _ registry.Caller, proof access.Proof, refresh, scope string) (access.Issued, error) {
	f.grant, f.exchanged = access.Grant{Proof: proof, Scope: scope}, [3]string{refresh}
	return f.issued, f.err
}

func (f *fakes) Kind() registry.KindName { return declaration.Name }

func (f *fakes) call(ctx context.Context, c registry.Caller) (intake.Draft, error) {
	f.caller = c
	if f.hook != nil {
		f.hook(ctx)
	}
	return f.draft, f.err
}

func (f *fakes) Create(ctx context.Context, c registry.Caller, body []byte) (intake.Draft, error) {
	f.body = body
	return f.call(ctx, c)
}

func (f *fakes) Frozen(ctx context.Context, c registry.Caller, id registry.ID) (intake.Draft, error) {
	return f.Get(ctx, c, id)
}

func (f *fakes) Get(ctx context.Context, c registry.Caller, _ registry.ID) (intake.Draft, error) {
	return f.call(ctx, c)
}

func (f *fakes) Approve(ctx context.Context, c registry.Caller, _ registry.ID, code string) (intake.Draft, error) {
	f.code = code
	return f.call(ctx, c)
}

func (f *fakes) ResendOTP(ctx context.Context, c registry.Caller, _ registry.ID) (intake.Draft, error) {
	return f.call(ctx, c)
}

func (f *fakes) Reject(ctx context.Context, c registry.Caller, _ registry.ID) (intake.Draft, error) {
	return f.call(ctx, c)
}

func (f *fakes) Sign(ctx context.Context, c registry.Caller, _ registry.ID, container []byte) (intake.Outcome, error) {
	f.body = container
	_, err := f.call(ctx, c)
	return f.outcome, err
}

var _ Intake = (*intake.Service[declaration.Tx])(nil)

const (
	draftPath = "/api/v3/declaration_requests"
	onePath   = draftPath + "/01890a5d-ac96-774b-bcce-b302099a8057"
)

type bench struct {
	shown LoginView
	*fakes
	handler http.Handler
	log     *bytes.Buffer
	metrics *prometheus.Registry
}

func newBench(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	b := &bench{log: &bytes.Buffer{}, metrics: prometheus.NewRegistry(), fakes: &fakes{
		draft: intake.Draft{
			ID: registry.ID{9}, Status: intake.StatusNew, AuthMethod: "OTP", Phone: "+380931234574",
			Data:       []byte(`{"content":"","declaration_number":"0001-1000-0000","status":"APPROVED"}`),
			InsertedAt: now, UpdatedAt: now, ExpiresAt: now.Add(time.Hour),
		},
		issued: access.Issued{AccessToken: "secret-token", ExpiresIn: time.Hour, Scopes: []string{"a:read", "a:write"}},
		outcome: intake.Outcome{
			Resource: map[string]string{"declaration_number": "0001-1000-0000"},
			Receipt:  audit.Receipt{EntryID: registry.ID{7}, Time: now},
		},
	}}
	c := Config{
		BaseURL: "https://mist.example", Access: b.fakes, Acts: []Act{DeclarationRequests(b.fakes)}, Declarations: b.fakes, DeclarationLife: b.fakes, Persons: b.fakes, PersonSearch: b.fakes, Signatures: judge{b.fakes}, Events: b.fakes, Replies: b.fakes, Providers: providers{b.fakes}, Rooms: []Room{Dictionaries(lists{b.fakes})}, Jobs: jobDesk{b.fakes}, Approvals: newConsented(), Emergencies: emergencies{newConsented()}, APIKeys: apiKeys{newConsented()},
		PersonLife: lifeDesk{b.fakes}, Documents: scans{b.fakes}, DocumentLinks: linksOf(now),
		Source: registry.Source{Clock: func() time.Time { return now }, Random: rand.Reader},
		Log:    slog.New(slog.NewJSONHandler(b.log, nil)), Limits: DefaultLimits(), Metrics: b.metrics, LoginPage: b,
	}
	for _, f := range change {
		f(&c)
	}
	h, err := New(c)
	require.NoError(t, err)
	b.handler = h
	return b
}

// do sends a request with the good token unless the caller sets its own header.
func (b *bench) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+goodToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Del(headers[i])
		if headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// failure checks that an answer is an error in the whole envelope.
func failure(t *testing.T, w *httptest.ResponseRecorder, status int, kind string) errorBody {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
	var e struct {
		Meta  meta       `json:"meta"`
		Error *errorBody `json:"error"`
	}
	d := json.NewDecoder(w.Body)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&e))
	require.NotNil(t, e.Error)
	require.Equal(t, status, e.Meta.Code)
	require.Equal(t, "object", e.Meta.Type)
	require.True(t, strings.HasPrefix(e.Meta.URL, "https://mist.example/"), e.Meta.URL)
	require.Equal(t, w.Header().Get("X-Request-ID"), e.Meta.RequestID)
	require.NotEmpty(t, e.Meta.RequestID)
	require.Equal(t, kind, e.Error.Type)
	require.NotEmpty(t, e.Error.Message)
	return *e.Error
}

func TestEveryCodeHasAProblem(t *testing.T) {
	require.Len(t, problems, len(registry.Codes()))
	for _, code := range registry.Codes() {
		pr, ok := problems[code]
		require.True(t, ok, code)
		require.GreaterOrEqual(t, pr.status, 400)
		require.NotEmpty(t, pr.kind)
		require.NotEmpty(t, pr.message)
		require.Contains(t, string(spec), "- "+pr.kind+"\n", "the spec does not know the type")

		b := newBench(t)
		b.err = &registry.Error{Code: code}
		e := failure(t, b.do("GET", onePath, ""), pr.status, pr.kind)
		require.Equal(t, pr.message, e.Message)
	}
}

func TestEnvelopeOfRefusalsOfTheRouter(t *testing.T) {
	b := newBench(t)
	failure(t, b.do("GET", "/api/v3/nothing", ""), 404, "not_found")
	failure(t, b.do("GET", "/", ""), 404, "not_found")

	w := b.do("PUT", onePath, "")
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	failure(t, w, 405, "method_not_allowed")
	w = b.do("DELETE", draftPath, "")
	require.Equal(t, "POST", w.Header().Get("Allow"))
	failure(t, w, 405, "method_not_allowed")
}

func TestMediaType(t *testing.T) {
	b := newBench(t)
	for name, headers := range map[string][]string{
		"xml":        {"Content-Type", "application/xml"},
		"none":       {"Content-Type", ""},
		"latin":      {"Content-Type", "application/json; charset=windows-1251"},
		"compressed": {"Content-Encoding", "gzip"},
		"broken":     {"Content-Type", "application/json; charset"},
	} {
		t.Run(name, func(t *testing.T) {
			failure(t, b.do("POST", draftPath, `{}`, headers...), 415, "content_type_invalid")
			require.Nil(t, b.body)
		})
	}
	require.Equal(t, 201, b.do("POST", draftPath, draftBody, "Content-Type", "application/json; charset=UTF-8").Code)
}

func TestBodySizes(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Body, c.Limits.SmallBody = 2000, 300 })
	pad := func(n int) string { return `{"a":"` + strings.Repeat("x", n-8) + `"}` }

	require.Equal(t, 201, b.do("POST", draftPath, draftBody+strings.Repeat(" ", 300-len(draftBody))).Code)
	e := failure(t, b.do("POST", draftPath, draftBody+strings.Repeat(" ", 301-len(draftBody))), 413, "content_too_large")
	require.Contains(t, e.Message, "300 bytes")

	// Without a declared length the limit is met while reading.
	r := httptest.NewRequest("POST", draftPath, io.MultiReader(strings.NewReader(pad(301))))
	require.EqualValues(t, -1, r.ContentLength)
	r.Header.Set("Authorization", "Bearer "+goodToken)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	failure(t, w, 413, "content_too_large")

	require.Equal(t, 422, b.do("PATCH", onePath+"/actions/sign", pad(2000)).Code, "the sign step has the larger limit")
	failure(t, b.do("PATCH", onePath+"/actions/sign", pad(2001)), 413, "content_too_large")
	failure(t, b.do("POST", "/oauth/token", pad(2001)), 413, "content_too_large")
}

func TestManySmallValuesAreRefusedBeforeParsing(t *testing.T) {
	b := newBench(t)
	body := `{"a":[` + strings.TrimSuffix(strings.Repeat("0,", maxValues), ",") + `]}`
	require.Less(t, int64(len(body)), DefaultLimits().SmallBody)
	e := failure(t, b.do("POST", draftPath, body), 413, "content_too_large")
	require.Contains(t, e.Message, "values")
	failure(t, b.do("POST", draftPath, `{"a":"`+strings.Repeat(",", maxValues+1)+`\"{["}`), 422, "validation_failed") // text is not counted
}

func TestStrictJSON(t *testing.T) {
	b := newBench(t)
	for name, body := range map[string]string{
		"cut":       `{"person_id":`,
		"trailing":  `{} {}`,
		"twice":     `{"a":1,"a":2}`,
		"not utf-8": "{\"a\":\"\xff\"}",
		"surrogate": `{"a":"\ud800"}`,
		"depth":     strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, b.do("POST", draftPath, body), 400, "request_malformed")
			require.Contains(t, e.Message, "byte")
			require.Equal(t, "json", e.Reason)
			require.Nil(t, b.body)
		})
	}
	e := failure(t, b.do("POST", draftPath, `[]`), 422, "validation_failed")
	require.Equal(t, []invalidEntry{{"$", "json_data_property", []brokenRule{{"cast", "type mismatch. Expected Object", []string{}}}}}, e.Invalid)
	failure(t, b.do("POST", draftPath, ""), 400, "request_malformed")
}

func TestUnknownFieldsAreNamed(t *testing.T) {
	b := newBench(t)
	for path, body := range map[string]string{
		"/actions/approve":    `{"verification_code":"4727","extra":1}`,
		"/actions/reject":     `{"extra":1}`,
		"/actions/resend_otp": `{"extra":1}`,
		"/actions/sign":       `{"signed_declaration_request":"AA==","signed_content_encoding":"base64","extra":1}`,
	} {
		e := failure(t, b.do("PATCH", onePath+path, body), 422, "validation_failed")
		require.Equal(t, []invalidEntry{{"$.extra", "json_data_property",
			[]brokenRule{{"schema", "schema does not allow additional properties", []string{}}}}}, e.Invalid, path)
	}
}

func TestBearer(t *testing.T) {
	b := newBench(t)
	for header, reason := range map[string]string{
		"":                  "token_missing",
		"Basic QTpC":        "authorization_malformed",
		"Bearer":            "authorization_malformed",
		"Bearer other":      "",
		"bearer other":      "",
		"Bearer  ":          "",
		"Bearer " + "a b c": "",
	} {
		w := b.do("POST", draftPath, `not even JSON`, "Authorization", header)
		require.Contains(t, w.Header().Get("WWW-Authenticate"), "Bearer")
		require.Equal(t, reason, failure(t, w, 401, "access_denied").Reason, header)
	}
	require.Equal(t, 4.0, refusals(t, b, "invalid_token"))
	require.Equal(t, 1.0, refusals(t, b, "token_missing"))
	require.Contains(t, b.log.String(), `"remote":"192.0.2.1"`)

	require.Equal(t, 200, b.do("GET", onePath, "", "Authorization", "bearer "+goodToken).Code)
	require.Equal(t, registry.ChannelREST, b.caller.Channel)
	require.NotEmpty(t, b.caller.RequestID)
}

func refusals(t *testing.T, b *bench, reason string) float64 {
	t.Helper()
	families, err := b.metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mist_rest_unauthenticated_total" && m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestRequestID(t *testing.T) {
	b := newBench(t)
	for id, kept := range map[string]bool{
		"abc-1":                                true,
		"01890a5d-ac96-774b-bcce-b302099a8057": true,
		"2222222225":                           false, // a tax number
		"19900101-12345":                       false, // a УНЗР
		"a b":                                  false,
		"a\"b":                                 false,
		strings.Repeat("a", 64):                true,
		strings.Repeat("a", 65):                false,
	} {
		got := b.do("GET", "/openapi.yaml", "", "X-Request-ID", id).Header().Get("X-Request-ID")
		if kept {
			require.Equal(t, id, got)
			continue
		}
		require.NotEqual(t, id, got)
		_, err := registry.ParseID(got)
		require.NoError(t, err)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	b := newBench(t)
	b.hook = func(context.Context) { panic("secret of the house") }
	w := b.do("GET", onePath, "")
	require.NotContains(t, w.Body.String(), "secret")
	failure(t, w, 500, "internal_error")
	require.Contains(t, b.log.String(), "secret of the house")

	b.hook = func(context.Context) { panic(http.ErrAbortHandler) }
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { b.do("GET", onePath, "") })
}

func TestInternalErrorsTellNothing(t *testing.T) {
	b := newBench(t)
	b.err = errors.New("dial tcp: the secret host")
	w := b.do("GET", onePath, "")
	require.NotContains(t, w.Body.String(), "secret")
	failure(t, w, 500, "internal_error")
	require.Contains(t, b.log.String(), "the secret host")

	b.err = &registry.Error{Code: registry.CodeInternal, Detail: "secret detail", Reason: "secret"}
	w = b.do("GET", onePath, "")
	require.NotContains(t, w.Body.String(), "secret")
	failure(t, w, 500, "internal_error")
}

func TestDeadline(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Limits.Timeout = 20 * time.Millisecond })
	b.hook = func(ctx context.Context) { <-ctx.Done() }
	b.err = context.DeadlineExceeded
	w := b.do("GET", onePath, "")
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	require.Equal(t, "timeout", failure(t, w, 503, "internal_error").Reason)

	// A judgement that arrived late is still the judgement.
	b.err = registry.Errorf(registry.CodeConflict, "Invalid transition")
	failure(t, b.do("GET", onePath, ""), 409, "request_conflict")
}

func TestRates(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Limits.Client = Rate{PerSecond: 0.5, Burst: 2}
		c.Limits.Token = Rate{PerSecond: 1, Burst: 1}
	})
	require.Equal(t, 200, b.do("GET", onePath, "").Code)
	require.Equal(t, 200, b.do("GET", onePath, "").Code)
	w := b.do("GET", onePath, "")
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	failure(t, w, 429, "too_many_requests")

	grant := `{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}`
	require.Equal(t, 200, b.do("POST", "/oauth/token", grant, "Authorization", "").Code)
	failure(t, b.do("POST", "/oauth/token", grant, "Authorization", ""), 429, "too_many_requests")
}

// One human's haste does not use up what the client system may ask for others.
func TestRateOfAUserWithinAClient(t *testing.T) {
	b := newBench(t, func(c *Config) {
		c.Limits.Client = Rate{PerSecond: 10, Burst: 10}
		c.Limits.User = Rate{PerSecond: 0.1, Burst: 2}
	})
	b.user = registry.ID{21}
	w := b.do("GET", onePath, "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, []string{"2", "1", "10"}, []string{w.Header().Get("X-RateLimit-Limit"), w.Header().Get("X-RateLimit-Remaining"), w.Header().Get("X-RateLimit-Reset")})
	require.Equal(t, 200, b.do("GET", onePath, "").Code)
	w = b.do("GET", onePath, "")
	failure(t, w, 429, "too_many_requests")
	require.Equal(t, "10", w.Header().Get("Retry-After"))
	b.user = registry.ID{22}
	require.Equal(t, 200, b.do("GET", onePath, "").Code, "another human in the same system")
	require.NotZero(t, DefaultLimits().Client.PerSecond, "limits are on by default")
}

func TestNothingPersonalIsLogged(t *testing.T) {
	b := newBench(t)
	b.do("GET", "/api/v3/persons/2222222225?tax_id=2222222225", "", "X-Request-ID", "2222222225", "User-Agent", "2222222225")
	b.do("PATCH", onePath+"/actions/approve", `{"verification_code":"4727","tax_id":"2222222225"}`)
	b.do("2222222225", onePath, "")
	require.Contains(t, b.log.String(), "rest request")
	require.NotContains(t, b.log.String(), "2222222225")
	require.NotContains(t, b.log.String(), "4727")
	require.NotContains(t, b.log.String(), goodToken)
	families, err := b.metrics.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.String(), "2222222225")
	}
}

func TestSecurityHeaders(t *testing.T) {
	h := newBench(t).do("GET", onePath, "").Header()
	require.Equal(t, "no-store", h.Get("Cache-Control"))
	require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
	require.Equal(t, "default-src 'none'; frame-ancestors 'none'", h.Get("Content-Security-Policy"))
	require.Equal(t, "max-age=31536000", h.Get("Strict-Transport-Security"))
}

func TestConfigIsChecked(t *testing.T) {
	good := Config{
		BaseURL: "http://127.0.0.1:1", Access: &fakes{}, Acts: []Act{DeclarationRequests(&fakes{})}, Declarations: &fakes{}, DeclarationLife: &fakes{}, Persons: &fakes{}, PersonSearch: &fakes{}, Signatures: judge{}, Events: &fakes{}, Replies: &fakes{}, Providers: providers{}, Jobs: jobDesk{}, Approvals: newConsented(), Emergencies: emergencies{newConsented()}, APIKeys: apiKeys{newConsented()},
		PersonLife: lifeDesk{}, Documents: scans{}, DocumentLinks: linksOf(time.Time{}),
		Source: registry.SystemSource(), Log: slog.New(slog.DiscardHandler), Limits: DefaultLimits(),
	}
	_, err := New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*Config){
		"no access":  func(c *Config) { c.Access = nil },
		"no log":     func(c *Config) { c.Log = nil },
		"no acts":    func(c *Config) { c.Acts = nil },
		"no service": func(c *Config) { c.Acts = []Act{DeclarationRequests(nil)} },
		"bad path":   func(c *Config) { c.Acts = []Act{{Path: "x", SignedField: "y", Service: &fakes{}}} },
		"no limits":  func(c *Config) { c.Limits = Limits{} },
		"no clock":   func(c *Config) { c.Source = registry.Source{} },
		"no address": func(c *Config) { c.BaseURL = "mist" },
		"no burst":   func(c *Config) { c.Limits.Client = Rate{PerSecond: 1} },
		"bad prefix": func(c *Config) { c.Public = map[string]http.Handler{"/log": http.NotFoundHandler()} },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			_, err := New(c)
			require.Error(t, err)
		})
	}
}
