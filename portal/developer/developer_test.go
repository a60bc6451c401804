package developer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/portal"
	"mist/portal/web"
	"mist/portal/web/webtest"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "code.", "rule.", "verdict.", "answer.", "outcome.")
	all, err := web.ReadTexts(files)
	require.NoError(t, err)
	for _, k := range portal.ErrorKinds() {
		require.Contains(t, all[web.Ukrainian], "code."+string(k.Code))
		require.Contains(t, all[web.Ukrainian], "code."+string(k.Code)+".repair")
	}
	for _, r := range rules {
		require.Contains(t, all[web.Ukrainian], "rule."+r)
	}
}
