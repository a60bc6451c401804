package edge

import (
	"strings"
	"testing"

	"mist/portal"
)

// contractPaths gives the text of each path of the centre's contract.
func contractPaths(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	path := ""
	for line := range strings.SplitSeq(string(portal.Spec()), "\n") {
		if strings.HasPrefix(line, "  /") {
			path = strings.TrimSuffix(strings.TrimSpace(line), ":")
		} else if strings.HasPrefix(line, "components:") {
			break
		}
		out[path] += line + "\n"
	}
	return out
}
