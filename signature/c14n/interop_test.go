//go:build interop

package c14n

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/stretchr/testify/require"

	outside "mist/fixtures/corpus"
	"mist/signature/xmldom"
)

func corpus(t *testing.T) []string {
	root := outside.Root(t)
	if root == "" {
		t.Skip("no corpus: set MIST_CORPUS")
	}
	var files []string
	for _, pattern := range []string{"dss/files/*.xml", "xmldsig/files/*.xml", "dss/files/*.ddoc", "xroad/*.soap", "dss-process/files/*.xml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.NotEmpty(t, files, "the corpus is there and has no document")
	return files
}

// Whole documents with comments against libxml2 (xmllint prints comments).
func TestSameAsLibxml2(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		t.Skip("xmllint is absent")
	}
	compared := 0
	for _, f := range corpus(t) {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		d, err := xmldom.Parse(src, xmldom.Limits{})
		if err != nil {
			continue
		}
		for flag, m := range map[string]Method{"--c14n": Inclusive10WithComments, "--c14n11": Inclusive11WithComments, "--exc-c14n": ExclusiveWithComments} {
			want, err := exec.Command("xmllint", "--nonet", "--huge", flag, f).Output()
			if err != nil {
				continue
			}
			got, err := Append(nil, Subtree(d.DocumentNode()), m, nil)
			require.NoError(t, err, f)
			require.True(t, bytes.Equal(want, got), "%s %s: %d bytes here, %d there", f, flag, len(got), len(want))
			compared++
		}
	}
	t.Logf("%d canonical forms equal", compared)
	require.Greater(t, compared, 300)
}

// Elements in the middle of documents, exclusive, against goxmldsig; and everything both parsers accept, inclusive.
func TestSameAsGoxmldsig(t *testing.T) {
	compared := 0
	for _, f := range corpus(t) {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		if len(src) > 200_000 || strings.Contains(string(src), "\r") {
			continue // goxmldsig is quadratic; encoding/xml keeps carriage returns apart
		}
		d, err := xmldom.Parse(src, xmldom.Limits{})
		if err != nil {
			continue
		}
		tree := etree.NewDocument()
		if err := tree.ReadFromBytes(src); err != nil {
			continue
		}
		want, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("").Canonicalize(tree.Root())
		if err != nil {
			continue
		}
		got, err := Append(nil, Subtree(d.Root()), Exclusive, nil)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), f)
		compared++
	}
	t.Logf("%d canonical forms equal", compared)
	require.Greater(t, compared, 100)
}
