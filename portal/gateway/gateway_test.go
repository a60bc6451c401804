package gateway

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/quota"
)

var ours = Member{"SEVDEIR-TEST", "GOV", "42032422", "50_mist_prod"}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func rule(t *testing.T, err error) string {
	t.Helper()
	var e *registry.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, registry.CodeInvalid, e.Code)
	require.Equal(t, "header", e.Fields[0].EntryType)
	return e.Fields[0].Rule + " " + e.Fields[0].Entry
}

// Cases 72 to 75 of the study of X-Road: the headers, in every spelling.
func TestHeaders(t *testing.T) {
	good := []string{"X-Road-Client", "SEVDEIR-TEST/GOV/00015622/a%2Fb%20%D1%97"}
	c, err := Read(header(good...))
	require.NoError(t, err)
	require.Equal(t, Member{"SEVDEIR-TEST", "GOV", "00015622", "a/b ї"}, c.Client, "72: a solidus in a part is no separator, zeros stay")
	for name, x := range map[string]struct {
		add  []string
		rule string
	}{
		"73 two clients":             {[]string{"X-Road-Client", "SEVDEIR-TEST/GOV/00015622/other"}, "duplicate X-Road-Client"},
		"73 an alias that disagrees": {[]string{"Uxp-Client", "SEVDEIR-TEST/GOV/1/c"}, "duplicate Uxp-Client"},
		"service too short":          {[]string{"Uxp-Service", "I/C/M"}, "format X-Road-Service"},
		"service too long":           {[]string{"Uxp-Service", "I/C/M/S/c/v1/x"}, "format X-Road-Service"},
		"control character":          {[]string{"X-Road-Id", "a\x01"}, "format X-Road-Id"},
		"too long":                   {[]string{"X-Road-Issue", strings.Repeat("x", 513)}, "format X-Road-Issue"},
		"subject is no number":       {[]string{"Uxp-Subject-Id", "123"}, "format Uxp-Subject-Id"},
		"seventeen purposes":         {[]string{"Uxp-Purpose-Ids", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"}, "length Uxp-Purpose-Ids"},
		"represented with three":     {[]string{"X-Road-Represented-Party", "a/b/c"}, "format X-Road-Represented-Party"},
	} {
		_, err := Read(header(append(good[:2:2], x.add...)...))
		require.Equal(t, x.rule, rule(t, err), name)
	}
	_, err = Read(header(append(good[:2:2], good...)...))
	require.Equal(t, "duplicate X-Road-Client", rule(t, err), "73: the same value twice is a doubled header all the same")
	for client, want := range map[string]string{"": "required X-Road-Client", "I/C": "format X-Road-Client", "I/C//S": "format X-Road-Client", "I/C/%zz": "format X-Road-Client", "I/C/%ff": "format X-Road-Client"} {
		_, err := Read(header("X-Road-Client", client))
		require.Equal(t, want, rule(t, err), client)
	}
	// 74: UXP names, any case, as a proxy may lower them; the service with and without subsystem and version.
	for service, want := range map[string]Call{
		"I/C/M/code":      {Service: Member{"I", "C", "M", ""}, ServiceCode: "code"},
		"I/C/M/S/code":    {Service: Member{"I", "C", "M", "S"}, ServiceCode: "code"},
		"I/C/M/S/code/v1": {Service: Member{"I", "C", "M", "S"}, ServiceCode: "code", ServiceVersion: "v1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for name, v := range map[string]string{"uxp-client": "I/C/M/S", "UXP-SERVICE": service, "uxp-queryid": "m-1", "uxp-userid": "u", "uxp-issue": "i", "uxp-purpose-ids": "P1, P2,P1", "uxp-subject-id": "3126509817"} {
			r.Header.Set(name, v)
		}
		c, err := Read(r.Header)
		require.NoError(t, err)
		want.Client, want.MessageID, want.UserID, want.Issue = Member{"I", "C", "M", "S"}, "m-1", "u", "i"
		want.Purposes, want.Subject = []string{"P1", "P2"}, "3126509817"
		require.Equal(t, want, c)
	}
	// 75: a represented party by its code alone.
	c, err = Read(header(append(good[:2:2], "X-Road-Represented-Party", "00032684")...))
	require.NoError(t, err)
	require.Equal(t, " 00032684", c.RepresentedClass+" "+c.Represented)
	c, err = Read(header(append(good[:2:2], "X-Road-Represented-Party", "COM/3")...))
	require.NoError(t, err)
	require.Equal(t, "COM 3", c.RepresentedClass+" "+c.Represented)
	c, err = Read(header(append(good[:2:2], "Purpose-Id", "9K9J65I75ILCLMPDUIRXS")...))
	require.NoError(t, err)
	require.Equal(t, []string{"9K9J65I75ILCLMPDUIRXS"}, c.Purposes)
}

// Cases 76 to 80: what passes, what does not, and what an answer carries.
func TestGateway(t *testing.T) {
	client := Member{"SEVDEIR-TEST", "GOV", "43395033", "DpDiia_cons"}
	g := Config{Service: ours, Clients: []Member{client}, RequirePurpose: true, Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
		var e *registry.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		w.Header().Set("X-Road-Error", "never")
		w.WriteHeader(map[registry.Code]int{registry.CodeInvalid: 400, registry.CodeForbidden: 403}[e.Code])
		_, _ = io.WriteString(w, e.Reason)
	}}
	h := g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := From(r.Context())
		require.True(t, ok)
		w.Header().Set("X-Road-Request-Hash", "never")
		w.Header().Set("Uxp-Client", "never")
		if r.URL.Path != "/declarations" {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":"not found"}`)
			return
		}
		_, _ = io.WriteString(w, c.Caller().XRoad+" "+strings.Join(c.Purposes, "+"))
	}))
	call := func(method, path string, pairs ...string) (int, string) {
		r := httptest.NewRequest(method, "http://mist"+path, nil)
		r.Header = header(pairs...)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		for name := range w.Header() {
			require.NotContains(t, strings.ToLower(name), "x-road", "78")
			require.NotContains(t, strings.ToLower(name), "uxp", "78")
		}
		return w.Code, w.Body.String()
	}
	good := []string{"Uxp-Client", client.String(), "Uxp-Service", ours.String() + "/declarations/v1", "Uxp-Purpose-Ids", "P1"}
	code, body := call("GET", "//declarations", good...)
	require.Equal(t, client.String()+" P1", body)
	require.Equal(t, 200, code)
	code, body = call("GET", "/other", good...)
	require.Equal(t, 404, code)
	require.Equal(t, `{"error":"not found"}`, body, "79: an answer passes as it is")
	code, body = call("GET", "/declarations", good[:4]...)
	require.Equal(t, 403, code)
	require.Equal(t, "purpose_required", body, "76")
	code, _ = call("TRACE", "/declarations", good...)
	require.Equal(t, 405, code, "80")
	for name, pairs := range map[string][]string{
		"wrong_addressee":   {"Uxp-Client", client.String(), "Uxp-Service", "SEVDEIR-TEST/GOV/00032684/x/declarations", "Uxp-Purpose-Ids", "P1"},
		"wrong_instance":    {"Uxp-Client", "SEVDEIR/GOV/43395033/DpDiia_cons", "Uxp-Purpose-Ids", "P1"},
		"client_not_listed": {"Uxp-Client", "SEVDEIR-TEST/GOV/43395033/other", "Uxp-Purpose-Ids", "P1"},
	} {
		code, body = call("GET", "/declarations", pairs...)
		require.Equal(t, 403, code)
		require.Equal(t, name, body)
	}
	code, _ = call("GET", "/declarations")
	require.Equal(t, 400, code)

	// The quota of a client is one for all transports: what SOAP has spent is spent here.
	calls, err := quota.New(1, 2, func() time.Time { return time.Unix(1, 0) }, client.String())
	require.NoError(t, err)
	require.NoError(t, calls.Admit(client.String()))
	limited := g
	limited.Quota = calls
	h = limited.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	code, _ = call("GET", "/declarations", good...)
	require.Equal(t, 204, code)
	require.Equal(t, registry.CodeRateLimited, registry.CodeOf(calls.Admit(client.String())))

	// A number as id of the request is not taken into entries.
	require.Empty(t, Call{RequestID: "3126509817"}.Caller().RequestID)
	require.Equal(t, "r-1", Call{RequestID: "r-1"}.Caller().RequestID)

	// 77: the subject declared to the monitoring is the person of the body.
	c, err := Read(header(append(good[:6:6], "Uxp-Subject-Id", "3126509817")...))
	require.NoError(t, err)
	require.NoError(t, c.About("3126509817"))
	var e *registry.Error
	require.ErrorAs(t, c.About("1111111118"), &e)
	require.Equal(t, registry.CodeConflict, e.Code)
	require.NotContains(t, e.Detail, "3126509817")
}

func FuzzRead(f *testing.F) {
	f.Add("I/C/M/S", "I/C/M/S/c/v", "a,b")
	f.Fuzz(func(t *testing.T, client, service, purposes string) {
		c, err := Read(http.Header{"X-Road-Client": {client}, "Uxp-Service": {service}, "Uxp-Purpose-Ids": {purposes}})
		if err == nil && (c.Client.Instance == "" || c.Client.Code == "") {
			t.Fatalf("an empty part in %q", client)
		}
	})
}
