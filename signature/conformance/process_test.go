package conformance

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
)

// dssPolicy turns the DSS constraint file into a policy of ours, so that the
// process cases are judged by the very constraints their answers were made
// under. Rules we have and DSS has not stay out.
func dssPolicy(t *testing.T, file string) signature.Policy {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	type node struct {
		XMLName  xml.Name
		Level    string `xml:"Level,attr"`
		Text     string `xml:",chardata"`
		Children []node `xml:",any"`
	}
	var root node
	require.NoError(t, xml.Unmarshal(b, &root))
	contexts := map[string]string{
		"ContainerConstraints": "container", "SignatureConstraints": "signature", "CounterSignatureConstraints": "counter-signature",
		"Timestamp": "timestamp", "Revocation": "revocation",
	}
	known := signature.RuleNames()
	rules := map[string]map[string]any{}
	var fill func(n node, ctx string)
	fill = func(n node, ctx string) {
		for _, c := range n.Children {
			name := c.XMLName.Local
			switch name {
			case "BasicSignatureConstraints", "SignedAttributes", "UnsignedAttributes":
				fill(c, ctx)
			case "SigningCertificate":
				fill(c, ctx+".signer")
			case "CACertificate":
				fill(c, ctx+".ca")
			default:
				if !slices.Contains(known, name) {
					continue
				}
				if rules[ctx] == nil {
					rules[ctx] = map[string]any{}
				}
				var values []string
				for _, v := range c.Children {
					if v.XMLName.Local == "CertificateExtensions" {
						for _, x := range v.Children {
							values = append(values, strings.TrimSpace(x.Text))
						}
					} else {
						values = append(values, strings.TrimSpace(v.Text))
					}
				}
				level := c.Level
				if name == "Cryptographic" {
					level, values = "FAIL", nil
				}
				if level == "" {
					level = "FAIL"
				}
				rules[ctx][name] = map[string]any{"level": level, "values": values}
			}
		}
	}
	for _, c := range root.Children {
		if ctx := contexts[c.XMLName.Local]; ctx != "" {
			fill(c, ctx)
		}
	}
	doc, err := json.Marshal(map[string]any{"id": "dss", "version": "corpus", "rules": rules})
	require.NoError(t, err)
	p, err := signature.ParsePolicy(doc)
	require.NoError(t, err)
	return p
}

// changedInTest are cases whose own test changes facts or policy although the
// manifest does not say so: the same file stands in the manifest with another
// answer, and one set of facts has one.
var changedInTest = map[string]string{
	"proc-0304": "RevocationFreshness is set in the test",
	"proc-0382": "archive time-stamp's anchor is given a sunset date in the test",
	"proc-0389": "a trusted service is added in the test",
	"proc-0390": "a trusted service is added in the test",
	"proc-0391": "a trusted service with a past sunset date is added in the test",
	"proc-0407": "TimestampDelay is set in the test",
}

// TestConformanceProcess judges the diagnostic data of DSS: facts without
// cryptography, against the answers its own tests state.
func TestConformanceProcess(t *testing.T) {
	dir := corpus.Dir(t, "dss-process")
	p := dssPolicy(t, filepath.Join(dir, "constraint.xml"))
	ran, equal, modified := 0, 0, 0
	falsePassed := 0
	seen := map[string]bool{}
	for _, row := range corpus.Manifest(t, dir) {
		if row["policy_modified_in_test"] == "yes" || row["policy"] != "DefaultPolicy" {
			modified++
			continue
		}
		if why := changedInTest[row["id"]]; why != "" {
			t.Logf("left out: %s %s: %s", row["id"], filepath.Base(row["file"]), why)
			modified++
			continue
		}
		ran++
		f, at := readDiagnostic(t, filepath.Join(dir, row["file"]))
		r, err := signature.Judge(f, p, at)
		require.NoError(t, err, row["file"])
		want := row["expected_indication"]
		have, haveSub := "NO_SIGNATURE", ""
		match := false
		for _, s := range r.Signatures {
			have = strings.ReplaceAll(string(s.Conclusion.Indication), "-", "_")
			haveSub = string(s.Conclusion.SubIndication)
			if have == want && (row["expected_subindication"] == "" || haveSub == row["expected_subindication"]) {
				match = true
				break
			}
		}
		if match {
			equal++
			seen[row["expected_subindication"]] = true
			continue
		}
		for _, s := range r.Signatures {
			if s.Conclusion.Indication == signature.TotalPassed && want != "TOTAL_PASSED" {
				falsePassed++
				break
			}
		}
		t.Logf("miss: %s %s %s: want %s/%s, have %s", row["id"], filepath.Base(row["file"]), row["dss_test"], want, row["expected_subindication"], conclusions(r))
	}
	t.Logf("score: process cases under the default policy: %d of %d equal; %d cases with a policy changed in the test left out", equal, ran, modified)
	corpus.Count(t, "dss-process", ran, modified)
	require.Zero(t, falsePassed, "TOTAL-PASSED where the reference says otherwise")
	require.GreaterOrEqual(t, equal*100, ran*95)
	for _, row := range corpus.Manifest(t, dir) {
		if sub := row["expected_subindication"]; sub != "" && row["policy"] == "DefaultPolicy" && row["policy_modified_in_test"] == "no" && changedInTest[row["id"]] == "" {
			require.True(t, seen[sub], "%s was never met", sub)
		}
	}
}

func conclusions(r *signature.Report) string {
	var parts []string
	for _, s := range r.Signatures {
		parts = append(parts, fmt.Sprintf("%s/%s/%s", s.Conclusion.Indication, s.Conclusion.SubIndication, s.Conclusion.Reason))
	}
	for _, s := range r.Timestamps {
		parts = append(parts, fmt.Sprintf("[%s %s/%s]", s.Type, s.Conclusion.Indication, s.Conclusion.SubIndication))
	}
	return strings.Join(parts, " ")
}
