package soap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTextAt(t *testing.T) {
	doc := []byte(`<r><a><b>no</b></a><p><q><b>deep</b></q><b> x&amp;<![CDATA[<y>]]><!-- c --> </b></p><p><b>second</b></p><e/><m>a<b/>c</m></r>`)
	for _, c := range []struct {
		path []string
		want string
		ok   bool
	}{
		{[]string{"p", "b"}, " x&<y> ", true},
		{[]string{"a", "b"}, "no", true},
		{[]string{"p", "q", "b"}, "deep", true},
		{[]string{"e"}, "", true},
		{[]string{"b"}, "", false},
		{[]string{"m"}, "", false},
		{[]string{"r"}, "", false},
		{nil, "", false},
	} {
		got, ok := TextAt(doc, c.path...)
		require.Equal(t, c.ok, ok, "%v", c.path)
		require.Equal(t, c.want, got)
	}
	_, ok := TextAt([]byte("<r><a>"), "a")
	require.False(t, ok)
}

func TestDocumentPutsOptimisedContentBack(t *testing.T) {
	inc := `<i:Include xmlns:i="` + xopNS + `" href="cid:1"/>`
	atts := []*Attachment{{ContentID: "1", memory: []byte("hello"), Size: 5}}
	for _, c := range []struct{ in, want, code string }{
		{"<x:a>" + inc + "</x:a><x:b>" + inc + "</x:b>", "<x:a>aGVsbG8=</x:a><x:b>aGVsbG8=</x:b>", ""},
		{"<x:a>\n" + `<i:Include xmlns:i="` + xopNS + `" href="cid:1"> </i:Include>` + "\n</x:a>", "<x:a>\naGVsbG8=\n</x:a>", ""},
		{"<x:a>" + inc + inc + "</x:a>", "", "InvalidAttachmentRef"},
		{"<x:a>" + inc + "<x:b/></x:a>", "", "InvalidAttachmentRef"},
		{"<x:a>t" + inc + "</x:a>", "", "InvalidAttachmentRef"},
		{`<x:a><i:Include xmlns:i="` + xopNS + `"/></x:a>`, "", "InvalidAttachmentRef"},
		{`<x:a><i:Include xmlns:i="` + xopNS + `" href="cid:1">t</i:Include></x:a>`, "", "InvalidAttachmentRef"},
		{`<x:a><i:Include xmlns:i="` + xopNS + `" href="cid:2"/></x:a>`, "", "InvalidAttachmentRef"},
	} {
		e, err := parse(envOpen + "<S:Body><x:op>" + c.in + "</x:op></S:Body></S:Envelope>")
		require.NoError(t, err)
		m := &Message{Envelope: e, Attachments: atts}
		doc, err := m.Document("op", 1<<10)
		if c.code != "" {
			require.Equal(t, c.code, FaultOf(err).Code, c.in)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, `<x:op xmlns:S="`+NS11+`" xmlns:x="urn:x">`+c.want+`</x:op>`, string(doc))
		_, err = m.Document("op", 10)
		require.Equal(t, "TooLarge", FaultOf(err).Code)
	}
}
