package auditor

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/portal/web"
	"mist/portal/web/webtest"
	"mist/registry/evidence"
	"mist/signature"
)

func TestTexts(t *testing.T) {
	webtest.Texts(t, ".", "audit.export.state.", "audit.act.", "audit.kind.", "audit.as.", "audit.basis.", "audit.answer.", "checker.")
}

// A page and mist-verify say the same of the same.
func TestWordsOfVerdicts(t *testing.T) {
	all, err := web.ReadTexts(os.DirFS("."))
	require.NoError(t, err)
	for _, lang := range []web.Lang{web.Ukrainian, web.English} {
		said := func(key string) string { return strings.Join(all[lang][key].All(), "") }
		require.Equal(t, evidence.ProvenWords(string(lang)), said("audit.proof.proven"))
		for key, i := range map[string]signature.Indication{"good": signature.TotalPassed, "bad": signature.TotalFailed, "unknown": signature.Indeterminate} {
			require.Equal(t, evidence.SignatureWords(i, string(lang)), said("audit.verdict."+key))
		}
	}
}

// The saved checker is one file: nothing in it is loaded from elsewhere, every
// word it shows is in the catalogue, and its policy names its own script.
func TestSavedCheckerIsOneFile(t *testing.T) {
	all, err := web.ReadTexts(os.DirFS("."))
	require.NoError(t, err)
	r := &room{Config{LogKey: `mist.example+0+"><script>`, Quorum: 1}}
	b, err := r.savedChecker(web.Ukrainian, func(key string) string {
		require.Contains(t, all[web.Ukrainian], key)
		return strings.Join(all[web.Ukrainian][key].All(), "")
	})
	require.NoError(t, err)
	page := string(b)
	require.NotRegexp(t, `(src|href)=|fetch\(|import[ (]`, page)
	require.NotContains(t, page, `"><script>`)
	script := regexp.MustCompile(`(?s)<script type="module">(.*?)</script>`).FindStringSubmatch(page)
	require.Len(t, script, 2)
	require.Contains(t, page, "script-src '"+cspHash(script[1])+"'")
	for _, m := range regexp.MustCompile(`texts\["([^"]+)"\]|step\("([^"]+)"`).FindAllStringSubmatch(script[1], -1) {
		require.Contains(t, page, `"`+m[1]+m[2]+`":`)
	}
}
