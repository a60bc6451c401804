package portal

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/media"
)

// scans stands for the room of documents.
type scans struct{ f *fakes }

func (s scans) Receive(_ context.Context, c registry.Caller, _ registry.ID, b []byte) error {
	s.f.caller, s.f.body = c, b
	return s.f.err
}

func (s scans) Give(_ context.Context, c registry.Caller, id registry.ID) ([]byte, intake.Document, error) {
	s.f.caller = c
	return []byte("<svg onload='alert(1)'>"), intake.Document{ID: id, MediaType: "image/png"}, s.f.err
}

func (f *fakes) Documents(ctx context.Context, c registry.Caller, _ registry.ID) ([]intake.Document, error) {
	d, err := f.call(ctx, c)
	return d.Documents, err
}

var (
	_ Documents     = (*intake.Documents)(nil)
	_ DocumentLinks = (*media.Links)(nil)
)

func linksOf(now time.Time) *media.Links {
	l, err := media.NewLinks(bytes.Repeat([]byte{3}, 32), func() time.Time { return now })
	if err != nil {
		panic(err)
	}
	return l
}

func TestDocumentsByLinks(t *testing.T) {
	b := newBench(t)
	b.draft.Documents = []intake.Document{{ID: registry.ID{5}, Type: "person.PASSPORT"}, {ID: registry.ID{6}, Type: "person.tax_id", MediaType: "image/jpeg", Size: 7, UploadedAt: time.Unix(1, 0)}}
	w := b.do("GET", onePath, "")
	require.Equal(t, 200, w.Code)
	up := strings.Split(strings.Split(w.Body.String(), `"type":"person.PASSPORT","url":"https://mist.example`)[1], `"`)[0]
	require.Contains(t, w.Body.String(), `"uploaded":true`)

	w = b.do("PUT", up, "scan", "Authorization", "", "Content-Type", "image/jpeg")
	require.Equal(t, 204, w.Code, w.Body.String())
	require.Equal(t, "scan", string(b.body))
	require.True(t, b.caller.ClientID.IsZero())
	failure(t, b.do("GET", up, "", "Authorization", ""), 403, "forbidden")
	failure(t, b.do("PUT", strings.Replace(up, "/0500", "/0600", 1), "scan", "Authorization", ""), 403, "forbidden")
	failure(t, b.do("PUT", "/media/x?"+up[strings.Index(up, "until"):], "scan"), 403, "forbidden")
	failure(t, b.do("PUT", up, strings.Repeat("x", intake.MaxDocument+1), "Authorization", ""), 413, "content_too_large")
	b.err = registry.Errorf(registry.CodeUnsupportedMedia, "a scan is one page as JPEG or PNG")
	failure(t, b.do("PUT", up, "<html>", "Authorization", ""), 415, "content_type_invalid")
	b.err = nil

	w = b.do("GET", onePath+"/documents", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.NotContains(t, w.Body.String(), `"type":"person.PASSPORT","url"`, "nothing lies there yet")
	down := strings.Split(strings.Split(w.Body.String(), `"url":"https://mist.example/media`)[1], `"`)[0]
	w = b.do("GET", "/media"+down, "", "Authorization", "")
	require.Equal(t, 200, w.Code)
	// Whatever stands in the bytes is saved, not shown, sniffed or run.
	require.Equal(t, "image/png", w.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Contains(t, w.Header().Get("Content-Disposition"), "attachment")
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "sandbox")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.NotContains(t, b.log.String(), "mac=", "a link stands in no log")

	b.draft.Status = intake.StatusApproved
	require.NotContains(t, b.do("GET", onePath, "").Body.String(), "/media/", "an approved draft takes nothing")
	require.Equal(t, http.StatusOK, b.do("HEAD", "/media"+down, "", "Authorization", "").Code)
}
