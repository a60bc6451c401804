package mist_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// speaksOfReferrals is what a file says that cannot do without the kind: its
// room, its scopes, its lists, its addresses.
var speaksOfReferrals = regexp.MustCompile(`registry/referral\b|service_request:[a-z]|eHealth/(SNOMED/)?service_request_|/service_requests\b|service_request_expiration|^package referral\b|(?:[Cc]ancel|[Rr]ecall|[Qq]ualify)ServiceRequest`)

// A new act is one folder and what docs/acts.md names: the page was written from
// building the referral, and stays true.
func TestAReferralIsOneFolder(t *testing.T) {
	page, err := os.ReadFile("docs/acts.md")
	require.NoError(t, err)
	var named []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(page), -1) {
		named = append(named, m[1])
	}
	count := regexp.MustCompile(`(?m)^(?:By hand|Made by a program), (\d+):$`).FindAllStringSubmatch(string(page), -1)
	require.Len(t, count, 2)
	byHand := strings.Index(string(page), "Made by a program")
	hand := 0
	for _, f := range named {
		if strings.Index(string(page), "| `"+f+"` |") < byHand {
			hand++
		}
	}
	require.Equal(t, count[0][1], strconv.Itoa(hand), "the count by hand")
	require.Equal(t, count[1][1], strconv.Itoa(len(named)-hand), "the count of made files")
	slices.Sort(named)
	require.Equal(t, slices.Compact(slices.Clone(named)), named, "a file is named once")

	// The documents and this test speak of everything.
	about := func(path string) bool {
		return strings.HasPrefix(path, "docs/") && path != "docs/acts.md" || path == "acts_test.go" || path == "arch_test.go" || path == "README.md"
	}
	var speaking []string
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && (strings.HasPrefix(d.Name(), ".") || path == "var" || path == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if about(path) || !slices.Contains([]string{".go", ".json", ".yaml", ".txtar", ".wsdl", ".sql", ".tsv", ".md"}, filepath.Ext(path)) {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if (bytes.Contains(b, []byte("erviceRequest")) || bytes.Contains(b, []byte("ervice_request")) || bytes.Contains(b, []byte("referral"))) && speaksOfReferrals.Match(b) {
			speaking = append(speaking, path)
		}
		return nil
	}))
	slices.Sort(speaking)
	require.Equal(t, named, speaking, "docs/acts.md names what a referral touches, and nothing else speaks of it")
}
