package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// --etsi and --pdf write beside the verdict and change no exit code.
func TestReports(t *testing.T) {
	dir := t.TempDir()
	doc := room(t)
	at := func(n string) string { return filepath.Join(dir, n) }
	code, _, errOut := command(t, "", doc+"/a.p7s", "--trust", doc+"/trust", "--etsi", at("r.xml"), "--pdf", at("p.pdf"), "-q")
	require.NotEqual(t, exitUse, code, errOut)
	report := string(read(t, at("r.xml")))
	require.Contains(t, report, `<ValidationReport xmlns="http://uri.etsi.org/19102/v1.4.1#"`)
	require.Contains(t, report, "urn:etsi:019102:mainindication:")
	require.Contains(t, string(read(t, at("p.pdf"))), "%PDF-1.7")

	same, out, _ := command(t, "", doc+"/a.p7s", "--trust", doc+"/trust", "--etsi", "-")
	require.Equal(t, code, same)
	require.Contains(t, out, "</ValidationReport>")
	require.NotContains(t, out, "TOTAL-PASSED  ", "the report stands alone on standard output")

	require.NoError(t, os.WriteFile(at("plain.txt"), []byte("лист"), 0o644))
	code, _, errOut = command(t, "", at("plain.txt"), "--etsi", at("none.xml"), "-q")
	require.Equal(t, exitNone, code)
	require.Contains(t, errOut, "holds none")
	require.NoFileExists(t, at("none.xml"))

	code, _, _ = command(t, "", doc+"/a.p7s", at("plain.txt"), "--pdf", at("two.pdf"))
	require.Equal(t, exitUse, code)
	code, _, _ = command(t, "", doc+"/a.p7s", "--etsi", "-", "--json")
	require.Equal(t, exitUse, code)
	code, _, _ = command(t, "", doc+"/a.p7s", "--pdf", at("no/such/folder.pdf"))
	require.Equal(t, exitUse, code)
}
