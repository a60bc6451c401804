package c14n

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"mist/signature/xmldom"
)

// Reading in windows gives the octets that Append gives, however it is read.
func TestReaderIsAppend(t *testing.T) {
	long := strings.Repeat("0123456789абв&lt;", 9000)
	for name, src := range map[string]string{
		"elements":  `<a xmlns:p="u">` + strings.Repeat(`<p:b c="&quot;1"><d xmlns="v"/>t</p:b><!--x--><?y z?>`, 4000) + `</a><!--after-->`,
		"one text":  `<a>` + strings.Repeat("рядок > ", 20_000) + `</a>`,
		"entities":  `<a b="` + long + `">` + long + `<![CDATA[` + strings.Repeat("<&>", 30_000) + `]]>` + long + `</a>`,
		"a comment": `<a><!--` + strings.Repeat("-x", 50_000) + `--></a>`,
		"small":     `<a/>`,
	} {
		d := parse(t, src)
		for _, m := range []Method{Inclusive10, Inclusive11WithComments, Exclusive, ExclusiveWithComments} {
			set := Subtree(d.DocumentNode())
			want, err := Append([]byte("before"), set, m, nil)
			require.NoError(t, err)
			want = want[len("before"):]
			r, err := NewReader(set, m, nil)
			require.NoError(t, err)
			require.NoError(t, iotest.TestReader(r, want), name)
			r, err = NewReader(set, m, nil)
			require.NoError(t, err)
			var got bytes.Buffer
			n, err := r.WriteTo(&got)
			require.NoError(t, err)
			require.Equal(t, int64(len(want)), n)
			require.True(t, bytes.Equal(want, got.Bytes()), name)
		}
		half := Subtree(d.Root()).Filter(func(id xmldom.ID) bool { return id%3 != 0 })
		want, err := Append(nil, half, Inclusive10, nil)
		require.NoError(t, err)
		r, err := NewReader(half, Inclusive10, nil)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
	_, err := NewReader(Subtree(parse(t, `<a/>`).Root()), "rot13", nil)
	require.ErrorIs(t, err, ErrUnknownMethod)
}

// What Append refuses, a reader refuses, and goes on refusing.
func TestReaderIsBounded(t *testing.T) {
	d := parse(t, `<a xmlns:p="`+strings.Repeat("u", 100_000)+`">`+strings.Repeat("<p:b/>", 20_000)+`</a>`)
	r, err := NewReader(Subtree(d.Root()), Exclusive, nil)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, r)
	require.ErrorIs(t, err, ErrTooMuchOutput)
	_, err = r.Read(make([]byte, 1))
	require.ErrorIs(t, err, ErrTooMuchOutput)
}
