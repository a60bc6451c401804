package xades_test

import (
	"context"
	"encoding/base64"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/asic"
	"mist/signature/facts"
	"mist/signature/xades"
)

// crypto puts one reading into the words of the corpus: the cryptographic side only, no trust.
func crypto(r *facts.Reading) string {
	if len(r.Signatures) == 0 {
		return "no-signature"
	}
	verdict := "intact"
	for i := range r.Signatures {
		switch v := one(&r.Signatures[i]); {
		case v == "broken":
			return v
		case v != "intact":
			verdict = v
		}
	}
	return verdict
}

func one(s *facts.Signature) string {
	for _, p := range s.Problems {
		switch p.Code {
		case facts.ProblemTransformRefused, facts.ProblemReferenceRefused, facts.ProblemKeyRefused, facts.ProblemAlgorithmUnsupported:
			return "refused:" + string(p.Code)
		}
	}
	if s.SignatureValue == facts.OutcomeBad {
		return "broken"
	}
	missing := false
	for _, d := range s.Digests {
		switch {
		case d.Kind == facts.MatchManifestEntry && !d.Found:
		case !d.Found:
			missing = true
		case !d.Intact:
			return "broken"
		}
	}
	switch {
	case missing:
		return "not-evaluable"
	case s.SignatureValue == facts.OutcomeUnknown:
		return "unknown"
	}
	return "intact"
}

func rejected(r *facts.Reading, err error) bool {
	if err != nil {
		return true
	}
	for i := range r.Signatures {
		if one(&r.Signatures[i]) != "intact" {
			return true
		}
		for _, p := range r.Signatures[i].Problems {
			switch p.Code {
			case facts.ProblemDuplicateID, facts.ProblemWrongTarget, facts.ProblemAmbiguous, facts.ProblemMalformed:
				return true
			}
		}
	}
	return false
}

func environment(t *testing.T, dir string, row corpus.Row) facts.Environment {
	env := facts.Environment{Content: map[string]facts.Source{}}
	for f := range strings.SplitSeq(row["detached"], ",") {
		if f == "" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f))
		require.NoError(t, err)
		env.Content[path.Base(f)] = facts.Bytes(b)
		if !strings.Contains(row["detached"], ",") {
			env.Content = map[string]facts.Source{"": facts.Bytes(b), path.Base(f): facts.Bytes(b)}
		}
	}
	if d, found := strings.CutPrefix(row["detached_digest"], "SHA512:"); found {
		v, err := base64.StdEncoding.DecodeString(d)
		require.NoError(t, err)
		env.ContentDigests = []facts.Digest{{Algorithm: "SHA512", Value: v}}
	}
	return env
}

// The cryptographic side of every XML signature and container of the corpus, without trust; the whole judgement is in
// package conformance.
func TestDSSCorpus(t *testing.T) {
	dir := corpus.Dir(t, "dss")
	ran, agreed, gradeA, missesA := 0, 0, 0, 0
	for _, row := range corpus.Manifest(t, dir) {
		isXML, isContainer := strings.HasPrefix(row["format"], "XAdES"), strings.HasPrefix(row["format"], "ASiC")
		if !isXML && !isContainer || row["grade"] == "X" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, row["file"]))
		require.NoError(t, err)
		read := xades.Read
		if isContainer {
			read = asic.Read
		}
		got, err := read(context.Background(), facts.Bytes(b), environment(t, dir, row))
		ran++
		want, _, _ := strings.Cut(row["expected_crypto"], "(")
		have := "refused: "
		if err != nil {
			have += err.Error()
		} else {
			have = crypto(got)
		}
		switch want {
		case "broken", "reject":
			require.True(t, rejected(got, err), "false accept: %s %s", row["id"], row["source_path"])
			if want == "reject" || err != nil {
				have = want
			}
		}
		if row["grade"] == "A" && want == "intact" {
			gradeA++
		}
		if have == want {
			agreed++
			continue
		}
		if row["grade"] == "A" && want == "intact" {
			missesA++
		}
		var problems []string
		if err == nil {
			for _, s := range got.Signatures {
				for _, p := range s.Problems {
					problems = append(problems, string(p.Code)+" "+p.Detail)
				}
			}
			problems = slices.Compact(problems)
		}
		t.Logf("%s %s %s: want %s, have %s  %s %v", row["id"], row["grade"], path.Base(row["source_path"]), want, have, row["notes"], problems)
	}
	t.Logf("%d of %d agree; grade A intact: %d misses of %d", agreed, ran, missesA, gradeA)
	corpus.Count(t, "dss-xml", ran, 0)
	require.LessOrEqual(t, 100*missesA, gradeA)
}
