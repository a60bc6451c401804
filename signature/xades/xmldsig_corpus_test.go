package xades_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/algo"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/trust"
	"mist/signature/xades"
	"mist/signature/xmldom"
)

// policyRefusals is the list of what may be refused among valid XML signatures (the minimum of a serious validator:
// XSLT, arbitrary XPath, HMAC, DSA, RetrievalMethod; a document type), each with the word it is refused with. The list is
// closed: a valid case that is refused for anything else fails the test.
var policyRefusals = []struct{ code, detail, meaning string }{
	{string(facts.ProblemTransformRefused), "xpath: ", "XPath that does not choose subtrees"},
	{string(facts.ProblemTransformRefused), "not on the list", "XSLT"},
	{string(facts.ProblemKeyRefused), "HMAC", "HMAC"},
	{string(facts.ProblemKeyRefused), "RetrievalMethod", "RetrievalMethod"},
	{string(facts.ProblemAlgorithmUnsupported), "#dsa-sha", "DSA"},
	{string(xmldom.DoctypeForbidden), "", "document type declaration"},
}

// departures are valid cases that do not come out as intact, and why.
var departures = map[string]string{
	"xds-0071": "unknown: the entries of its manifest and its certificate are not in the corpus",
	"xds-0147": "refused:TRANSFORM_REFUSED: xmlsec signed a foreign element as if it were a relationship",
	"xds-0151": "broken: relationships transform that writes <text/> elements for white space",
}

func TestConformanceXMLDSig(t *testing.T) {
	dir := corpus.Dir(t, "xmldsig")
	ran, valid, good, refused := 0, 0, 0, map[string]int{}
	for _, row := range corpus.Manifest(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		env := facts.Environment{Content: map[string]facts.Source{}, Keys: map[string][]byte{}}
		for pair := range strings.SplitSeq(row["detached_map"], ",") {
			if at := strings.LastIndex(pair, "="); at > 0 {
				content, err := os.ReadFile(filepath.Join(dir, pair[at+1:]))
				require.NoError(t, err)
				env.Content[pair[:at]] = facts.Bytes(content)
			}
		}
		env.Certificates = keyFiles(t, dir, row["key_files"], env.Keys)
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
		t.Logf("miss: %s %s: %s %s", row["id"], row["source_path"], have, why)
		if known := departures[row["id"]]; known != "" {
			word, _, _ := strings.Cut(known, ": ")
			require.Equal(t, word, have, row["id"])
			refused["departure"]++
			continue
		}
		meaning := ""
		for _, p := range policyRefusals {
			if at := strings.Index(why, p.code); strings.HasPrefix(have, "refused") && at >= 0 && strings.Contains(why[at:], p.detail) {
				meaning = p.meaning
				break
			}
		}
		require.NotEmpty(t, meaning, "%s %s is valid and %s for a reason that is not on the list: %s", row["id"], row["source_path"], have, why)
		refused[meaning]++
	}
	t.Logf("score: xmldsig %d/%d valid cases; others by answer: %v", good, valid, refused)
	corpus.Count(t, "xmldsig", ran, 0)
	require.GreaterOrEqual(t, good, 40)
}

// keyFiles puts the certificates of a case into a pool, which answers references as a trust store does, and its bare keys
// under the names that xmlsec's test keys are called by.
func keyFiles(t *testing.T, dir, list string, keys map[string][]byte) func(facts.CertificateRef) [][]byte {
	pool := trust.NewPool()
	for pair := range strings.SplitSeq(list, ",") {
		kind, file, found := strings.Cut(pair, "=")
		if !found {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		if block, _ := pem.Decode(b); block != nil {
			b = block.Bytes
		}
		if c, err := cert.Parse(b); err == nil {
			pool.Add(c)
		} else if _, err := algo.ParsePublicKey(b); err == nil {
			keys["TestKeyName-"+kind] = b
		}
	}
	return func(ref facts.CertificateRef) (out [][]byte) {
		for _, c := range pool.Match(ref) {
			out = append(out, c.Raw)
		}
		return out
	}
}
