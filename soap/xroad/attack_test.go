package xroad_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What servers on plain parsers were seen to let through (DTDs, duplicates, undeclared prefixes, two roots, headers and
// bodies that can be read two ways), each a change of the message that passes: a clean fault with its code within a tenth
// of a second.
func TestWhatPlainParsersLetThrough(t *testing.T) {
	h := conformingProvider(t)
	replace := func(old, new string) string {
		require.Contains(t, message, old)
		return strings.Replace(message, old, new, 1)
	}
	part := func(from, to string) string {
		a := strings.Index(message, from)
		return message[a : a+strings.Index(message[a:], to)+len(to)]
	}
	header, body := part("<S:Header>", "</S:Header>"), part("<S:Body>", "</S:Body>")
	const open = "<S:Envelope"
	for name, c := range map[string]struct{ message, code string }{
		"external DTD":                   {replace(open, `<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">`+open), "InvalidSoap"},
		"parameter entity":               {replace(open, `<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]>`+open), "InvalidSoap"},
		"unused DTD":                     {replace(open, `<!DOCTYPE a>`+open), "InvalidSoap"},
		"undefined entity":               {replace("<x:a>1<", "<x:a>&b;<"), "InvalidSoap"},
		"attribute twice":                {replace(`id:objectType="SUBSYSTEM"`, `id:objectType="SUBSYSTEM" id:objectType="MEMBER"`), "InvalidSoap"},
		"attribute twice by namespace":   {replace(`id:objectType="SUBSYSTEM"`, `id:objectType="SUBSYSTEM" xmlns:j="http://x-road.eu/xsd/identifiers" j:objectType="MEMBER"`), "InvalidSoap"},
		"undeclared prefix":              {replace("<x:a>1</x:a>", "<y:a>1</y:a>"), "InvalidSoap"},
		"undeclared attribute prefix":    {replace("<x:a>", `<x:a y:b="">`), "InvalidSoap"},
		"prefix xml rebound":             {replace("<x:a>", `<x:a xmlns:xml="urn:evil">`), "InvalidSoap"},
		"prefix xmlns bound":             {replace("<x:a>", `<x:a xmlns:xmlns="urn:evil">`), "InvalidSoap"},
		"surrogate reference":            {replace("<x:a>1<", "<x:a>&#xD800;<"), "InvalidSoap"},
		"blank before the declaration":   {" " + message, "InvalidSoap"},
		"declaration inside":             {replace("<x:a>1<", `<x:a><?xml version="1.0"?><`), "InvalidSoap"},
		"two roots":                      {message + "<a/>", "InvalidSoap"},
		"two documents":                  {message + message, "InvalidSoap"},
		"text after the root":            {message + "x", "InvalidSoap"},
		"nul":                            {replace("<x:a>1<", "<x:a>\x00<"), "InvalidSoap"},
		"two Headers":                    {replace(header, header+header), "InvalidSoap"},
		"two Bodies":                     {replace(body, body+body), "InvalidSoap"},
		"Header after Body":              {strings.Replace(replace(header, ""), body, body+header, 1), "InvalidSoap"},
		"two operations":                 {replace("</S:Body>", "<x:GetThing/></S:Body>"), "InvalidBody"},
		"operation of another namespace": {replace(`xmlns:x="urn:mist:test"`, `xmlns:x="urn:evil"`), "InconsistentHeaders"},
		"envelope of another namespace":  {replace("http://schemas.xmlsoap.org/soap/envelope/", "urn:evil"), "VersionMismatch"},
		"mustUnderstand":                 {replace(userID, userID+`<y:z xmlns:y="urn:y" S:mustUnderstand="1"/>`), "MustUnderstand"},
		"two ids":                        {replace("<xrd:id>", "<xrd:id>1</xrd:id><xrd:id>"), "DuplicateHeaderField"},
		"two services":                   {replace("<xrd:userId>", part("<xrd:service ", "</xrd:service>")+"<xrd:userId>"), "DuplicateHeaderField"},
	} {
		require.Equal(t, http.StatusOK, send(t, h, "text/xml; charset=utf-8", []byte(message)).Code, "the twin")
		best := time.Hour
		var w *httptest.ResponseRecorder
		for range 20 {
			start := time.Now()
			w = send(t, h, "text/xml; charset=utf-8", []byte(c.message))
			if best = min(best, time.Since(start)); best < 100*time.Millisecond {
				break
			}
		}
		require.Less(t, best, 100*time.Millisecond, name)
		require.Equal(t, http.StatusInternalServerError, w.Code, name)
		require.Equal(t, "text/xml; charset=UTF-8", w.Header().Get("Content-Type"), name)
		if !strings.Contains(w.Body.String(), ">"+c.code+"<") && !strings.Contains(w.Body.String(), ":"+c.code+"<") {
			t.Errorf("%s: %s", name, w.Body.String())
		}
		require.NotContains(t, w.Body.String(), "root:")
	}
}
