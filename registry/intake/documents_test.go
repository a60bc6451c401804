package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
)

// shelf is the port and the media store in memory.
type shelf struct {
	draft Draft
	doc   Document
	log   []audit.Kind
	kept  map[registry.Digest][]byte
	dark  error
	// shared: another document has the same bytes.
	shared bool
}

func (s *shelf) Update(ctx context.Context, f func(ctx context.Context, tx DocumentsTx) error) error {
	return f(ctx, s)
}

func (s *shelf) Document(_ context.Context, id registry.ID) (Document, Draft, error) {
	if id != s.doc.ID {
		return Document{}, Draft{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return s.doc, s.draft, nil
}

func (s *shelf) KeepDocument(_ context.Context, d Document) error {
	s.doc = d
	return nil
}

func (s *shelf) Audit(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	s.log = append(s.log, e.Kind)
	return audit.Receipt{}, nil
}

func (s *shelf) Put(_ context.Context, b []byte) (registry.Digest, error) {
	d := registry.Digest(sha256.Sum256(b))
	s.kept[d] = b
	return d, s.dark
}

func (s *shelf) Get(_ context.Context, d registry.Digest) ([]byte, error) { return s.kept[d], s.dark }

func (s *shelf) Has(_ context.Context, d registry.Digest) (bool, error) {
	_, there := s.kept[d]
	return there, s.dark
}

func (s *shelf) Delete(_ context.Context, d registry.Digest) error {
	delete(s.kept, d)
	return s.dark
}

func (s *shelf) ErasableDocuments(context.Context, int) ([]Erasable, error) {
	if !s.doc.Uploaded() || s.draft.Status != StatusRejected {
		return nil, nil
	}
	return []Erasable{{s.doc, s.draft, s.shared}}, nil
}

func TestScansOfWhatCameToNothingAreErased(t *testing.T) {
	digest := registry.Digest{7}
	for shared, left := range map[bool]int{false: 0, true: 1} {
		s := &shelf{draft: Draft{Status: StatusRejected}, doc: Document{ID: registry.ID{1}, Digest: digest, UploadedAt: time.Unix(1, 0)}, kept: map[registry.Digest][]byte{digest: {1}}, shared: shared}
		d, err := NewDocuments(s, s, registry.SystemSource())
		require.NoError(t, err)
		n, err := d.Erase(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Len(t, s.kept, left, "bytes that another request refers to stay")
		require.False(t, s.doc.Uploaded())
		require.Equal(t, []audit.Kind{"document.erased"}, s.log)
		n, err = d.Erase(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

func picture(t *testing.T, write func(b *bytes.Buffer, m image.Image) error) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b, image.NewGray(image.Rect(0, 0, 8, 8))))
	return b.Bytes()
}

func TestScansAreTakenAndGiven(t *testing.T) {
	jpg := picture(t, func(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) })
	pic := picture(t, func(b *bytes.Buffer, m image.Image) error { return png.Encode(b, m) })
	moving := picture(t, func(b *bytes.Buffer, m image.Image) error { return gif.Encode(b, m, nil) })
	huge := bytes.Clone(pic)
	copy(huge[16:24], []byte{0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff}) // the size a PNG claims
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	source := registry.Source{Clock: func() time.Time { return now }, Random: registry.SystemSource().Random}
	c := registry.Caller{RequestID: "r"}
	open := func() (*shelf, *Documents) {
		s := &shelf{doc: Document{ID: registry.ID{1}, Type: "person.PASSPORT"}, draft: Draft{Status: StatusNew, ExpiresAt: now.Add(time.Hour)}, kept: map[registry.Digest][]byte{}}
		d, err := NewDocuments(s, s, source)
		require.NoError(t, err)
		return s, d
	}
	s, documents := open()
	_, _, err := documents.Give(t.Context(), c, s.doc.ID)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	require.NoError(t, documents.Receive(t.Context(), c, s.doc.ID, jpg))
	require.Equal(t, "image/jpeg", s.doc.MediaType)
	require.NoError(t, documents.Receive(t.Context(), c, s.doc.ID, pic), "a better scan takes the place")
	got, d, err := documents.Give(t.Context(), c, s.doc.ID)
	require.NoError(t, err)
	require.Equal(t, pic, got)
	require.Equal(t, "image/png", d.MediaType)
	require.Equal(t, []audit.Kind{"document.received", "document.received", "disclosure.document"}, s.log)

	for what, r := range map[string]struct {
		id     registry.ID
		bytes  []byte
		change func(s *shelf)
		code   registry.Code
	}{
		"another document":  {registry.ID{2}, jpg, nil, registry.CodeNotFound},
		"nothing":           {registry.ID{1}, nil, nil, registry.CodeUnsupportedMedia},
		"HTML":              {registry.ID{1}, []byte("<!DOCTYPE html><script>alert(1)</script>"), nil, registry.CodeUnsupportedMedia},
		"SVG":               {registry.ID{1}, []byte("<svg onload='alert(1)'/>"), nil, registry.CodeUnsupportedMedia},
		"PDF":               {registry.ID{1}, []byte("%PDF-1.7"), nil, registry.CodeUnsupportedMedia},
		"GIF":               {registry.ID{1}, moving, nil, registry.CodeUnsupportedMedia},
		"four gigapixels":   {registry.ID{1}, huge, nil, registry.CodeUnsupportedMedia},
		"over 10 MiB":       {registry.ID{1}, append(bytes.Clone(jpg), make([]byte, MaxDocument)...), nil, registry.CodeTooLarge},
		"approved already":  {registry.ID{1}, jpg, func(s *shelf) { s.draft.Status = StatusApproved }, registry.CodeConflict},
		"past its time":     {registry.ID{1}, jpg, func(s *shelf) { s.draft.ExpiresAt = now }, registry.CodeConflict},
		"the store is dark": {registry.ID{1}, jpg, func(s *shelf) { s.dark = errors.New("dark") }, registry.CodeUnavailable},
	} {
		s, documents := open()
		if r.change != nil {
			r.change(s)
		}
		require.Equal(t, r.code, registry.CodeOf(documents.Receive(t.Context(), c, r.id, r.bytes)), what)
		require.Empty(t, s.log, what)
		require.False(t, s.doc.Uploaded(), what)
	}
}

// An approval asks the storage only when everything was uploaded, and believes
// it more than the table.
func TestWhatIsLacking(t *testing.T) {
	there := Document{Type: "person.tax_id", Digest: registry.Digest{1}, UploadedAt: time.Unix(1, 0)}
	require.NoError(t, lacking(nil, nil))
	require.ErrorIs(t, lacking([]Document{there}, nil), errAskMedia)
	require.NoError(t, lacking([]Document{there}, map[registry.Digest]bool{{1}: true}))
	err := registry.AsError(lacking([]Document{there}, map[registry.Digest]bool{{1}: false}))
	require.Equal(t, "Documents person.tax_id is not uploaded", err.Detail)
	err = registry.AsError(lacking([]Document{there, {Type: "person.PASSPORT"}, {Type: "person.BIRTH_CERTIFICATE"}}, nil))
	require.Equal(t, registry.CodeConflict, err.Code)
	require.Equal(t, "documents_missing", err.Reason)
	require.Equal(t, []string{"person.BIRTH_CERTIFICATE", "person.PASSPORT"}, err.Fields[0].Params)
}
