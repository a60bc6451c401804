package xades_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/facts"
	"mist/signature/xades"
	"mist/signature/xmldom"
)

// policyRefusals is the list of what may be refused among valid XML signatures, and the word each is refused with. It
// is closed: a case refused with another word fails the test.
var policyRefusals = map[facts.ProblemCode]string{
	facts.ProblemTransformRefused:     "XSLT, XPath beyond subtrees, transforms of office documents",
	facts.ProblemKeyRefused:           "HMAC, RetrievalMethod",
	facts.ProblemAlgorithmUnsupported: "DSA, Ed448, prehashed EdDSA",
}

// departures are valid cases called broken here, and why.
var departures = map[string]string{
	"xds-0141": "RSA with RIPEMD-160: package algo writes the identifier of ISO, OpenSSL that of TeleTrusT",
	"xds-0151": "relationships transform that writes <text/> elements for white space",
}

func TestConformanceXMLDSig(t *testing.T) {
	dir := corpus.Dir(t, "xmldsig")
	ran, valid, good, refused := 0, 0, 0, map[string]int{}
	for _, row := range corpus.Manifest(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		env := facts.Environment{Content: map[string]facts.Source{}}
		for pair := range strings.SplitSeq(row["detached_map"], ",") {
			if at := strings.LastIndex(pair, "="); at > 0 {
				content, err := os.ReadFile(filepath.Join(dir, pair[at+1:]))
				require.NoError(t, err)
				env.Content[pair[:at]] = facts.Bytes(content)
			}
		}
		env.Certificates = keyFiles(t, dir, row["key_files"])
		got, err := xades.Read(context.Background(), facts.Bytes(b), env)
		ran++
		have, why := "", ""
		switch {
		case err != nil:
			var syntax *xmldom.SyntaxError
			require.ErrorAs(t, err, &syntax)
			have, why = "refused", string(syntax.Reason)
		default:
			have = crypto(got)
			for _, s := range got.Signatures {
				for _, p := range s.Problems {
					why += fmt.Sprintf(" %s %s;", p.Code, p.Detail)
				}
			}
		}
		if row["expected"] == "reject" {
			if strings.Contains(row["notes"], "core signature broken") || row["santuario_2_1_7_core"] == "broken" {
				require.NotEqual(t, "intact", have, row["id"])
			}
			continue
		}
		valid++
		if have == "intact" {
			good++
			continue
		}
		if have == "broken" && departures[row["id"]] == "" {
			t.Errorf("%s %s is valid: %s", row["id"], row["source_path"], why)
		}
		if code, found := strings.CutPrefix(have, "refused:"); found {
			require.NotEmpty(t, policyRefusals[facts.ProblemCode(code)], "%s is refused for a reason that is not on the list", row["id"])
		}
		refused[have]++
		t.Logf("miss: %s %s: %s %s", row["id"], row["source_path"], have, why)
	}
	t.Logf("score: xmldsig %d/%d valid cases; others by answer: %v", good, valid, refused)
	corpus.Count(t, "xmldsig", ran, 0)
	require.GreaterOrEqual(t, good, 40)
}

func keyFiles(t *testing.T, dir, list string) func(facts.CertificateRef) [][]byte {
	var ders [][]byte
	for pair := range strings.SplitSeq(list, ",") {
		_, file, found := strings.Cut(pair, "=")
		if !found {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		if block, _ := pem.Decode(b); block != nil {
			b = block.Bytes
		}
		ders = append(ders, b)
	}
	return func(facts.CertificateRef) [][]byte { return slices.Clone(ders) }
}
