package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/fixtures/corpus"
	"mist/signature/facts"
)

// spoilt are words in the names of corpus files that were made to have a bad archive time-stamp, or whose content is
// known by its digest alone.
var spoilt = []string{"copied", "corrupted", "modified", "arcTst132-add-object", "arcTst132-no-objects", "broken", "not-cover", "wrong-sigAndRefs", "signing-cert-multiple-refs", "wrong-cert", "removed"}

// TestConformanceArchive counts the imprints of archive time-stamps that other implementations made, over documents
// whose signatures are intact. The manifest of the corpus says nothing about them; an imprint that fits is its own
// proof, and those that must not fit are named by their files.
func TestConformanceArchive(t *testing.T) {
	dir := corpus.Dir(t, "dss")
	scores := board{}
	ran := 0
	for _, row := range corpus.Manifest(t, dir) {
		if row["expected_crypto"] != "intact" || row["detached_digest"] != "" {
			continue
		}
		r, err := verifier(t, empty()).Verify(context.Background(), dssInput(t, dir, row), policy(t, "archive-test"))
		if err != nil {
			continue
		}
		bad := false
		for _, w := range spoilt {
			bad = bad || strings.Contains(row["source_path"], w)
		}
		good, all := 0, 0
		name := ""
		for _, s := range r.Facts.Timestamps {
			if s.Type != facts.TimestampArchive && s.Type != facts.TimestampContainer && s.Type != facts.TimestampValidation {
				continue
			}
			name = strings.TrimSpace(s.Type + " " + s.ArchiveType)
			fits := !slices.ContainsFunc(s.MoreDigests, func(d facts.DigestMatch) bool { return !d.Intact }) && s.Imprint.Found && s.Imprint.Intact && (s.HashIndexValid == nil || *s.HashIndexValid)
			all++
			if fits {
				good++
			}
			if !bad {
				ran++
				scores.add(name, fits, fmt.Sprintf("%s %s: found %v, intact %v", row["id"], row["source_path"], s.Imprint.Found, s.Imprint.Intact))
			}
		}
		if bad && all > 0 {
			ran++
			scores.add("spoilt ones noticed", good < all, row["id"]+" "+row["source_path"])
		}
	}
	scores.print(t)
	corpus.Count(t, "archive time-stamps", ran, 0)
	for _, name := range []string{"archive v3", "archive xades141", "archive xades", "container asic", "spoilt ones noticed"} {
		s := scores[name]
		require.NotNil(t, s, name)
		require.GreaterOrEqual(t, s.ok*100, s.all*75, name)
	}
}
