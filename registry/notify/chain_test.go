package notify

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/job"
)

func TestChainAsksTheNextProvider(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	source := registry.Source{Clock: func() time.Time { return now }}
	dark, refusal := errors.New("answered 503"), job.Permanent(errors.New("refused the message: 422"))
	var first, second gateway
	var told []string
	c, err := NewChain(source, func(provider string, err error) {
		outcome := "taken"
		if err != nil {
			outcome = err.Error()
		}
		told = append(told, provider+" "+outcome)
	}, Provider{"first", &first}, Provider{"second", &second})
	require.NoError(t, err)
	for _, step := range []struct {
		name          string
		first, second error
		later         time.Duration
		asked         []string // first letters, in order
		final, failed bool
	}{
		{"the first takes it", nil, nil, 0, []string{"first"}, false, false},
		{"the first is dark", dark, nil, 0, []string{"first", "second"}, false, false},
		{"it stands back", nil, nil, 0, []string{"second"}, false, false},
		{"and comes again", nil, nil, standBack, []string{"first"}, false, false},
		{"both are dark", dark, dark, 0, []string{"first", "second"}, false, true},
		{"both stand back and are asked all the same", nil, dark, 0, []string{"first"}, false, false},
		{"one refuses, the other takes it", refusal, nil, standBack, []string{"first", "second"}, false, false},
		{"one refuses, the other is dark: not final", refusal, dark, 0, []string{"first", "second"}, false, true},
		{"both refuse", refusal, refusal, standBack, []string{"first", "second"}, true, true},
	} {
		now = now.Add(step.later)
		first.err, second.err, told = step.first, step.second, nil
		err := c.Send(t.Context(), Message{To: "+380390000001", Text: "secret words"})
		require.Equal(t, step.failed, err != nil, step.name)
		require.Equal(t, step.final, job.IsPermanent(err), step.name)
		var asked []string
		for _, line := range told {
			asked = append(asked, map[byte]string{'f': "first", 's': "second"}[line[0]])
		}
		require.Equal(t, step.asked, asked, step.name)
		if err != nil {
			require.NotContains(t, err.Error(), "0390000001")
			require.NotContains(t, err.Error(), "secret")
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	now = now.Add(standBack)
	first.err, second.err, told = dark, nil, nil
	require.Error(t, c.Send(gone, Message{}))
	require.Len(t, told, 1, "whoever gave up asks nobody more")

	for _, bad := range [][]Provider{nil, {{"", &first}}, {{"a", nil}}, {{"a", &first}, {"a", &second}}} {
		_, err := NewChain(source, nil, bad...)
		require.Error(t, err)
	}
}
