package contract

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/registry"
)

func packed(text string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.String()
}

// objects is a PDF whose object stream has the dictionary and holds the text.
func objects(dict, text string) string {
	return "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /Names [(a\\)) <41> /B 3 0 R] >>\nendobj\n5 0 obj\n<< " + dict + " >>\nstream\r\n" + text + "\nendstream\nendobj\n%%EOF\n"
}

const (
	script  = "7 0 << /S /JavaScript /JS (app.alert(1)) >>"
	goodBye = "7 0 << /S /GoTo /D (chapter 1) >>"
	stream  = "/Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length 60"
)

// Each PDF that acts by itself, or hides whether it does, beside the same one
// that does not.
func TestActivePDFsAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ good, bad, want string }{
		"object stream":             {objects(stream, packed(goodBye)), objects(stream, packed(script)), "document_active"},
		"filter as a list":          {objects("/N 1 /First 4 /Filter [/FlateDecode]", packed(goodBye)), objects("/N 1 /First 4 /Filter [/FlateDecode]", packed(script)), "document_active"},
		"another type":              {objects("/Type /XRef /N 1 /First 4 /Filter /FlateDecode", packed(goodBye)), objects("/Type /XRef /N 1 /First 4 /Filter /FlateDecode", packed(script)), "document_active"},
		"escaped name":              {objects(stream, packed(goodBye)), objects(stream, packed(strings.Replace(script, "/JavaScript", "/Java#53cript", 1))), "document_active"},
		"escaped keys":              {objects(stream, packed(goodBye)), objects("/#4e 1 /F#69rst 4 /Filter /Flate#44ecode", packed(script)), "document_active"},
		"escaped in the open":       {objects("/A 1", "x"), objects("/A << /S /J#61vaScript >>", "x"), "document_active"},
		"cut off":                   {objects(stream, packed(goodBye)[:20]), objects(stream, packed(script + strings.Repeat("abcdefgh", 4000))[:70]), "document_active"},
		"marker inside":             {objects(stream, packed(goodBye)), objects(stream, packed("endstream endobj "+script)), "document_active"},
		"comment before the head":   {objects(stream, packed(goodBye)), strings.Replace(objects(stream, packed(script)), "5 0 obj", "5 0 %c\nobj", 1), "document_active"},
		"a string opened before":    {objects(stream, packed(goodBye)), strings.Replace(objects(stream, packed(script)), "5 0 obj", "%1 0 obj (\n5 0 obj", 1) + "%)\n%%EOF", "document_unread"},
		"packed twice":              {objects(stream, packed(goodBye)), objects("/N 1 /First 4 /Filter [/FlateDecode /FlateDecode]", packed(packed(goodBye))), "document_unread"},
		"another packing":           {objects(stream, packed(goodBye)), objects("/N 1 /First 4 /Filter /LZWDecode", goodBye), "document_unread"},
		"packing told elsewhere":    {objects(stream, packed(goodBye)), objects("/N 1 /First 4 /Filter 9 0 R", packed(goodBye)), "document_unread"},
		"predicted":                 {objects("/Type /XRef /Filter /FlateDecode /DecodeParms << /Predictor 12 >>", packed(goodBye)), objects(stream+" /DecodeParms << /Predictor 12 >>", packed(goodBye)), "document_unread"},
		"two filters for one":       {objects(stream, packed(goodBye)), objects(stream+" /Filter /LZWDecode", packed(goodBye)), "document_unread"},
		"encrypted":                 {objects("/A 1", "x"), strings.Replace(objects("/A 1", "x"), "%%EOF", "trailer << /Encrypt 8 0 R >>\n%%EOF", 1), "document_unread"},
		"not well formed":           {objects("/A 1", "x"), objects("/A >", "x"), "document_unread"},
		"no zlib":                   {objects(stream, packed(goodBye)), objects(stream, goodBye), "document_unread"},
		"nested without end":        {objects("/A [[[1]]]", "x"), objects("/A "+strings.Repeat("[", 100), "x"), "document_unread"},
		"unpacks to too much":       {objects(stream, packed(strings.Repeat(" ", 1<<20))), objects(stream, packed(strings.Repeat(" ", maxUnpacked+1))), "document_unread"},
		"heads within heads":        {objects("/A (((1 0)))", "x"), "%PDF-1.7\n" + strings.Repeat("1 0 obj(", 20_000) + strings.Repeat(")", 20_000) + "\n%%EOF", "document_unread"},
		"pictures, other packing":   {objects("/Subtype /Image /Filter [/ASCII85Decode /DCTDecode]", "x 1 0 obj"), objects("/N 1 /First 4 /Filter [/ASCII85Decode]", "x"), "document_unread"},
		"file carried":              {objects(stream, packed(goodBye)), objects(stream, packed("7 0 << /Type /Filespec /EF << /F 8 0 R >> /EmbeddedFiles 1 >>")), "document_active"},
		"form with its own program": {objects(stream, packed(goodBye)), objects(stream, packed("7 0 << /XFA 8 0 R >>")), "document_active"},
	} {
		require.Empty(t, broken(checkPDF([]byte(c.good))), name)
		require.Equal(t, c.want, broken(checkPDF([]byte(c.bad))), name)
	}
}

// A PDF made by somebody else passes.
func TestForeignPDFIsTaken(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(corpus.Dir(t, "dss"), "files", "dss-0205.d", "InfoSelladoTiempo.pdf"))
	require.NoError(t, err)
	require.NoError(t, checkPDF(b))
}

func FuzzCheckPDF(f *testing.F) {
	f.Add([]byte(objects(stream, packed(goodBye))))
	f.Add([]byte(objects(stream, packed(script))))
	f.Add([]byte(objects("/A (\\", "x")))
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NotEqual(t, registry.CodeInternal, registry.CodeOf(checkPDF(b)), fmt.Sprintf("%q", b))
	})
}
