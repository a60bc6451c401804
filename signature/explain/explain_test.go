package explain

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature"
)

func TestEverySubIndicationHasWords(t *testing.T) {
	for _, s := range signature.SubIndications() {
		r := reasons[s]
		for _, l := range []lang{r.sentence, r.advice} {
			require.NotEmpty(t, l.uk, s)
			require.NotEmpty(t, l.en, s)
		}
	}
}

func TestEveryRuleHasAQuestion(t *testing.T) {
	for _, k := range signature.RuleNames() {
		require.Contains(t, questions, k)
	}
	for name, q := range questions {
		require.NotEmpty(t, q.uk, name)
		require.NotEmpty(t, q.en, name)
	}
}

func TestEscape(t *testing.T) {
	require.Equal(t, `a\u001b[31mb\u202ec`, Escape("a\x1b[31mb\u202ec"))
	require.Equal(t, "Коваленко «х»", Escape("Коваленко «х»"))
}
