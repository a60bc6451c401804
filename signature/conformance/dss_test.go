package conformance

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature"
	"mist/signature/cert"
	"mist/signature/facts"
	"mist/signature/trust"
)

func policy(t testing.TB, name string) signature.Policy {
	t.Helper()
	p, err := signature.NamedPolicy(name)
	require.NoError(t, err)
	return p
}

func verifier(t testing.TB, s *trust.Snapshot) *signature.Verifier {
	t.Helper()
	v, err := signature.NewVerifier(signature.Config{Trust: trust.Fixed(s)})
	require.NoError(t, err)
	return v
}

func empty() *trust.Snapshot { return trust.NewSnapshot("none", nil, nil, nil) }

// trustAll makes anchors of every certificate the first reading found: the
// strictest test of a verifier is one that trusts too much.
func trustAll(f *facts.Facts) *trust.Snapshot {
	var anchors []trust.Anchor
	signers := map[string]bool{}
	for _, s := range f.Signatures {
		if len(s.Chain) > 1 {
			signers[s.SigningCertificate.Certificate] = true
		}
	}
	for _, c := range f.Certificates {
		if p, err := cert.Parse(c.DER); err == nil && !signers[c.ID] {
			anchors = append(anchors, trust.Anchor{Certificate: p, Trust: []facts.Trust{{Source: "file"}}})
		}
	}
	return trust.NewSnapshot("file", anchors, nil, nil)
}

type score struct {
	ok, all int
	misses  []string
}

type board map[string]*score

func (b board) add(name string, ok bool, miss string) {
	if b[name] == nil {
		b[name] = &score{}
	}
	b[name].all++
	if ok {
		b[name].ok++
		return
	}
	b[name].misses = append(b[name].misses, miss)
}

func (b board) print(t *testing.T) {
	var names []string
	for n := range b {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		t.Logf("score: %-48s %4d of %4d", n, b[n].ok, b[n].all)
		for _, m := range b[n].misses {
			t.Logf("    miss: %s", m)
		}
	}
}

func dssInput(t *testing.T, dir string, row corpus.Row) signature.Input {
	b, err := os.ReadFile(filepath.Join(dir, row["file"]))
	require.NoError(t, err)
	in := signature.Input{ID: row["id"], Name: filepath.Base(row["file"]), Document: facts.Bytes(b)}
	for f := range strings.SplitSeq(row["detached"], ",") {
		if f == "" {
			continue
		}
		c, err := os.ReadFile(filepath.Join(dir, f))
		require.NoError(t, err)
		if in.Content == nil {
			in.Content = map[string]facts.Source{}
		}
		in.Content[filepath.Base(f)] = facts.Bytes(c)
	}
	if alg, value, ok := strings.Cut(row["detached_digest"], ":"); ok {
		v, err := base64.StdEncoding.DecodeString(value)
		require.NoError(t, err)
		in.ContentDigests = []facts.Digest{{Algorithm: alg, Value: v}}
	}
	return in
}

// cryptoOf sums up a result the way the corpus does.
// cryptoOf is the word of the manifest for a whole file: counter-signatures count, as they do in its n_signatures.
func cryptoOf(r *signature.Result, err error) string {
	if err != nil {
		return "unreadable"
	}
	if len(r.Signatures) == 0 {
		return "no-signature"
	}
	out := "intact"
	for _, s := range r.Signatures {
		switch {
		case s.SubIndication == signature.SignedDataNotFound:
			return "not-evaluable(content missing)"
		case s.Crypto == signature.CryptoBroken || s.Indication == signature.TotalFailed:
			out = "broken"
		case s.Crypto != signature.CryptoIntact && out == "intact":
			out = "unsupported"
		}
	}
	return out
}

// intact says whether the cryptography of every signature over content holds,
// whatever the verdict about its form.
func intact(r *signature.Result) bool {
	n := 0
	if r == nil {
		return false
	}
	for _, s := range r.Signatures {
		n++
		if s.Crypto != signature.CryptoIntact {
			return false
		}
	}
	return n > 0
}

func describe(r *signature.Result, err error) string {
	if err != nil {
		return err.Error()
	}
	var parts []string
	for _, s := range r.Signatures {
		parts = append(parts, fmt.Sprintf("%s/%s/%s/%s", s.Crypto, s.Indication, s.SubIndication, s.Reason))
	}
	return strings.Join(parts, " ")
}

func TestConformanceDSS(t *testing.T) {
	dir := corpus.Dir(t, "dss")
	scores := board{}
	ran, falseAccepts, gradeA, gradeAOK := 0, 0, 0, 0
	for _, row := range corpus.Manifest(t, dir) {
		ran++
		in := dssInput(t, dir, row)
		r, err := verifier(t, empty()).Verify(context.Background(), in, policy(t, "archive-test"))
		have, want := cryptoOf(r, err), row["expected_crypto"]
		id := row["id"] + " " + row["source_path"] + " grade " + row["grade"]
		miss := fmt.Sprintf("%s: want %s, have %s (%s)", id, want, have, describe(r, err))
		name := row["format"] + " " + want
		passed := accepted(t, in, r, err)
		switch want {
		case "intact":
			ok := intact(r)
			scores.add(name, ok, miss)
			if row["grade"] == "A" {
				gradeA++
				if ok {
					gradeAOK++
				}
			}
		case "broken", "reject":
			// Broken is not accepted in any way; when the broken part is a
			// reference to nothing, SIGNED_DATA_NOT_FOUND says so.
			ok := have != "intact"
			if want == "reject" {
				ok = ok || r != nil && passed < len(r.Signatures)
			}
			if passed > 0 && passed == len(r.Signatures) {
				falseAccepts++
				ok = false
			}
			scores.add(name, ok, miss)
		case "no-signature":
			scores.add(name, have == "no-signature" || have == "unreadable", miss)
		case "disputed":
			scores.add(name, true, "")
		default:
			scores.add(name, have == want, miss)
		}
		if want := row["dss_indication"]; want != "" {
			ok := false
			if err == nil {
				for _, s := range r.Signatures {
					ind := strings.ReplaceAll(string(s.Indication), "-", "_")
					ok = ok || want == ind || want == ind+"/"+string(s.SubIndication)
				}
			}
			if want == "INDETERMINATE/NO_SIGNING_CERTIFICATE_FOUND" && r != nil && len(r.Report.Timestamps) > 0 {
				// stated about the time-stamp
				ok = ok || r.Report.Timestamps[0].Conclusion.SubIndication == signature.NoSigningCertificateFound
			}
			scores.add("stated indication", ok || want == "TOTAL_PASSED", id+": want "+want+", have "+describe(r, err))
		}
		if want := row["expected_level"]; want != "" && err == nil && len(r.Signatures) > 0 {
			level := strings.ReplaceAll(strings.ReplaceAll(r.Signatures[0].Level, "-", "_"), "BASELINE_B_", "BASELINE_")
			scores.add("level", level == want, id+": want "+want+", have "+level)
		}
		compareStamps(scores, id, row["timestamps"], r)
	}
	scores.print(t)
	corpus.Count(t, "dss", ran, 0)
	require.Zero(t, falseAccepts, "false accepts")
	require.Zero(t, len(scores["time-stamps"].misses), "time-stamp verdicts differ")
	t.Logf("grade A intact: %d of %d", gradeAOK, gradeA)
	require.GreaterOrEqual(t, gradeAOK*100, gradeA*99, "grade A intact below 99 %%")
	if levels := scores["level"]; levels != nil {
		require.GreaterOrEqual(t, levels.ok*100, levels.all*95, "levels below 95 %%")
	}
}

// accepted counts signatures that pass when every certificate in the file is
// trusted and the validation time is the claimed one.
func accepted(t *testing.T, in signature.Input, first *signature.Result, err error) int {
	if err != nil || len(first.Signatures) == 0 {
		return 0
	}
	in.Time = time.Now()
	for _, s := range first.Signatures {
		if s.ClaimedSigningTime != nil {
			in.Time = s.ClaimedSigningTime.Add(time.Hour)
		}
	}
	r, err := verifier(t, trustAll(first.Facts)).Verify(context.Background(), in, policy(t, "archive-test"))
	require.NoError(t, err)
	n := 0
	for _, s := range r.Signatures {
		if s.Indication == signature.TotalPassed {
			n++
		}
	}
	return n
}

// compareStamps compares imprint and token verdicts in the order of times.
func compareStamps(scores board, id, list string, r *signature.Result) {
	if list == "" || r == nil {
		return
	}
	names := map[string]string{"sigTST": "signature", "cntTST": "content", "escTST": "validation-data", "atsV2": "archive", "atsV3": "archive"}
	for item := range strings.SplitSeq(list, ";") {
		fields := strings.Fields(item)
		if len(fields) != 3 {
			continue
		}
		kind, at, _ := strings.Cut(fields[0], "@")
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			continue
		}
		imprint, token := strings.TrimPrefix(fields[1], "imprint="), strings.TrimPrefix(fields[2], "token=")
		found, have := false, ""
		for _, s := range r.Signatures {
			for _, ts := range s.Timestamps {
				if ts.Type != names[kind] || !ts.Time.Equal(when) {
					continue
				}
				have += fmt.Sprintf(" imprint=%s token=%s", ts.Imprint, ts.Token)
				if (imprint == "n/e" || strings.EqualFold(imprint, ts.Imprint)) && strings.EqualFold(token, ts.Token) {
					found = true
				}
			}
		}
		scores.add("time-stamps", found, id+": want "+item+", have"+have)
	}
}
