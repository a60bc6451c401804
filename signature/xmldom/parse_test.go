package xmldom

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func TestParseRefuses(t *testing.T) {
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	cases := []struct {
		name   string
		src    string
		reason Reason
	}{
		{"doctype", `<!DOCTYPE a><a/>`, DoctypeForbidden},
		{"doctype with external entity", `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, DoctypeForbidden},
		{"billion laughs", `<!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><lolz>&b;</lolz>`, DoctypeForbidden},
		{"undeclared entity", `<a>&nbsp;</a>`, EntityForbidden},
		{"long undeclared entity", `<a>&` + strings.Repeat("x", 40) + `;</a>`, EntityForbidden},
		{"bare ampersand", `<a>b & c</a>`, Malformed},
		{"undeclared element prefix", `<p:a/>`, NamespaceInvalid},
		{"undeclared attribute prefix", `<a p:b="1"/>`, NamespaceInvalid},
		{"prefix out of scope", `<a><b xmlns:p="u"/><p:c/></a>`, NamespaceInvalid},
		{"xmlns prefix declared", `<a xmlns:xmlns="u"/>`, NamespaceInvalid},
		{"xml prefix rebound", `<a xmlns:xml="u"/>`, NamespaceInvalid},
		{"xml namespace on another prefix", `<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`, NamespaceInvalid},
		{"xmlns namespace bound", `<a xmlns="http://www.w3.org/2000/xmlns/"/>`, NamespaceInvalid},
		{"prefix undeclared", `<a xmlns:p="u"><b xmlns:p=""/></a>`, NamespaceInvalid},
		{"empty prefix name", `<a xmlns:="u"/>`, NamespaceInvalid},
		{"two colons", `<a xmlns:p="u"><p:b:c/></a>`, NamespaceInvalid},
		{"leading colon", `<:a/>`, NamespaceInvalid},
		{"xmlns as element", `<xmlns:a/>`, NamespaceInvalid},
		{"attribute twice", `<a b="1" b="2"/>`, AttributeRepeated},
		{"attribute twice by namespace", `<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, AttributeRepeated},
		{"declaration twice", `<a xmlns:p="u" xmlns:p="v"/>`, AttributeRepeated},
		{"attribute twice among many", `<a ` + many(40, func(i int) string { return fmt.Sprintf(`b%d="" `, i) }) + `b7=""/>`, AttributeRepeated},
		{"second root", `<a/><b/>`, Malformed},
		{"text after root", `<a/>b`, Malformed},
		{"text before root", `b<a/>`, Malformed},
		{"cdata outside root", `<![CDATA[b]]><a/>`, Malformed},
		{"no root", `<!-- only -->`, Malformed},
		{"empty", ``, Malformed},
		{"open element", `<a><b></b>`, Malformed},
		{"crossed tags", `<a><b></a></b>`, Malformed},
		{"end tag prefix of name", `<ab></a>`, Malformed},
		{"end tag longer than name", `<a></ab>`, Malformed},
		{"end tag only", `</a>`, Malformed},
		{"declaration not first", ` <?xml version="1.0"?><a/>`, Malformed},
		{"version 1.1", `<?xml version="1.1"?><a/>`, Malformed},
		{"declaration without version", `<?xml encoding="UTF-8"?><a/>`, Malformed},
		{"declaration out of order", `<?xml version="1.0" standalone="yes" encoding="UTF-8"?><a/>`, Malformed},
		{"reserved target", `<a><?XML x?></a>`, Malformed},
		{"colon in target", `<a><?p:x y?></a>`, Malformed},
		{"open instruction", `<a><?x </a>`, Malformed},
		{"two hyphens", `<a><!-- -- --></a>`, Malformed},
		{"three hyphens at the end", `<a><!-- ---></a>`, Malformed},
		{"open comment", `<a><!-- </a>`, Malformed},
		{"open cdata", `<a><![CDATA[ </a>`, Malformed},
		{"cdata end in text", `<a>]]></a>`, Malformed},
		{"unquoted attribute", `<a b=c/>`, Malformed},
		{"attribute without value", `<a b/>`, Malformed},
		{"less-than in attribute", `<a b="<"/>`, Malformed},
		{"attributes without space", `<a b="1"c="2"/>`, Malformed},
		{"name starts with digit", `<1a/>`, Malformed},
		{"space before name", `< a/>`, Malformed},
		{"nul", "<a>\x00</a>", Malformed},
		{"control character", "<a>\x1f</a>", Malformed},
		{"noncharacter", "<a>\uFFFE</a>", Malformed},
		{"reference to nul", `<a>&#0;</a>`, Malformed},
		{"reference to surrogate", `<a>&#xD800;</a>`, Malformed},
		{"reference beyond unicode", `<a>&#x110000;</a>`, Malformed},
		{"reference overflow", `<a>&#99999999999;</a>`, Malformed},
		{"bad utf-8", "<a>\xc3\x28</a>", EncodingRefused},
		{"overlong utf-8", "<a>\xc0\xbc</a>", EncodingRefused},
		{"utf-8 surrogate", "<a>\xed\xa0\x80</a>", EncodingRefused},
		{"unknown encoding", `<?xml version="1.0" encoding="EBCDIC-CP-US"?><a/>`, EncodingRefused},
		{"utf-8 bytes said to be utf-16", `<?xml version="1.0" encoding="UTF-16"?><a/>`, EncodingRefused},
		{"bom against declaration", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a/>", EncodingRefused},
		{"utf-32", "\x00\x00\x00<\x00\x00\x00a", EncodingRefused},
		{"odd utf-16", "\xff\xfe<\x00a\x00/\x00>", EncodingRefused},
		{"lone surrogate", "\xff\xfe<\x00a\x00>\x00\x00\xd8<\x00/\x00a\x00>\x00", EncodingRefused},
		{"too deep", strings.Repeat("<a>", 257) + strings.Repeat("</a>", 257), LimitExceeded},
		{"a million nested elements", strings.Repeat("<a>", 1_000_000), LimitExceeded},
		{"a million attributes", `<a ` + many(1_000_000, func(i int) string { return fmt.Sprintf(`b%d="" `, i) }) + `/>`, LimitExceeded},
		{"attribute of ten megabytes", `<a b="` + strings.Repeat("x", 10<<20) + `"/>`, LimitExceeded},
		{"too many nodes", `<a>` + strings.Repeat("<b/>", 1<<22) + `</a>`, LimitExceeded},
		{"long name", `<` + strings.Repeat("a", 2000) + `/>`, LimitExceeded},
		{"too many prefixes", `<a>` + many(5000, func(i int) string { return fmt.Sprintf(`<b xmlns:p%d="u"/>`, i) }) + `</a>`, LimitExceeded},
		{"too many namespaces", `<a>` + many(5000, func(i int) string { return fmt.Sprintf(`<b xmlns="u%d"/>`, i) }) + `</a>`, LimitExceeded},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse([]byte(c.src), Limits{})
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Equal(t, c.reason, syntax.Reason, "%v", err)
			require.Less(t, time.Since(start), 3*time.Second)
		})
	}
	_, err := Parse([]byte("<a>12345</a>"), Limits{Bytes: 11})
	var syntax *SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, LimitExceeded, syntax.Reason)
}

// The twins of the refused documents: the nearest well-formed forms.
func TestParseAccepts(t *testing.T) {
	for _, src := range []string{
		`<a/>`,
		"\xef\xbb\xbf<a/>",
		`<?xml version="1.0"?><a>&amp;&lt;&gt;&quot;&apos;&#x41;&#66;</a>`,
		`<?xml version='1.0' encoding='utf-8' standalone='yes' ?><a/>`,
		`<!-- b --><?p d?><a/><!-- c -->`,
		`<a xmlns:p="u"><p:b p:c="1" c="2"/></a>`,
		`<a xmlns="u"><b xmlns=""/></a>`,
		`<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:lang="uk"/>`,
		strings.Repeat("<a>", 256) + strings.Repeat("</a>", 256),
		`<дата час="нині">так</дата>`,
		`<a b=">"/>`,
		`<a><![CDATA[]]><![CDATA[<]]]]><![CDATA[>]]></a>`,
		"<a\n\tb = '1'\n/>\n",
	} {
		_, err := Parse([]byte(src), Limits{})
		require.NoError(t, err, src)
	}
}

func TestTree(t *testing.T) {
	d, err := Parse([]byte("<r xmlns='u' xmlns:p='v' Id='one'>t&amp;<![CDATA[<c>]]>u<!--x--><p:e p:a=' 1\n2&#10;' b=\"'\"/>\r\n<e/></r>"), Limits{})
	require.NoError(t, err)
	root := d.Root()
	require.Equal(t, Name{Local: "r", Space: "u"}, root.Name())
	var kinds []Kind
	for c := range root.Children() {
		kinds = append(kinds, c.Kind())
	}
	require.Equal(t, []Kind{TextNode, CommentNode, ElementNode, TextNode, ElementNode}, kinds)
	require.Equal(t, "t&<c>u\n", root.StringValue())
	_, simple := root.Value()
	require.False(t, simple)
	e, n := root.Child("v", "e")
	require.Equal(t, 1, n)
	v, ok := e.Attr("v", "a")
	require.True(t, ok)
	require.Equal(t, " 1 2\n", v)
	v, ok = e.Attr("", "b")
	require.True(t, ok)
	require.Equal(t, "'", v)
	_, ok = e.Attr("u", "b")
	require.False(t, ok, "the default namespace does not apply to attributes")
	require.True(t, root.Contains(e))
	require.False(t, e.Contains(root))
	one, count := d.ByID("one")
	require.Equal(t, 1, count)
	require.Equal(t, root, one)
	uri, ok := e.ResolvePrefix("p")
	require.True(t, ok)
	require.Equal(t, "v", uri)
}

func TestValueRefusesMixedContent(t *testing.T) {
	for src, want := range map[string]bool{
		`<a>12345</a>`: true, `<a/>`: true, `<a><![CDATA[1]]>2</a>`: true,
		`<a>12345<!---->67</a>`: false, `<a>123<?x?>45</a>`: false, `<a>1<b/>2</a>`: false, `<a><b/></a>`: false, `<a><!--1--></a>`: false,
	} {
		d, err := Parse([]byte(src), Limits{})
		require.NoError(t, err)
		_, ok := d.Root().Value()
		require.Equal(t, want, ok, src)
	}
}

func TestIdentifiers(t *testing.T) {
	d, err := Parse([]byte(`<a xmlns:w="`+wsuNamespace+`" xmlns:o="o"><b Id="1"/><c ID="2"/><d id="3"/><e xml:id="4"/><f w:Id="5"/><g o:Id="6"/><h iD="7"/><i id="2"/></a>`), Limits{})
	require.NoError(t, err)
	for id, want := range map[string]int{"1": 1, "2": 2, "3": 1, "4": 1, "5": 1, "6": 0, "7": 0} {
		_, n := d.ByID(id)
		require.Equal(t, want, n, id)
	}
	require.Equal(t, []string{"2"}, d.DuplicateIDs(10))
}

func TestEncodings(t *testing.T) {
	want, err := Parse([]byte(`<a>Міст 🌉</a>`), Limits{})
	require.NoError(t, err)
	for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
		for _, decl := range []string{"", `<?xml version="1.0" encoding="UTF-16"?>`} {
			for _, bom := range []string{"", "\uFEFF"} {
				var b []byte
				for _, u := range utf16.Encode([]rune(bom + decl + `<a>Міст 🌉</a>`)) {
					b = order.AppendUint16(b, u)
				}
				d, err := Parse(b, Limits{})
				require.NoError(t, err)
				require.Equal(t, want.Root().StringValue(), d.Root().StringValue())
				require.True(t, strings.HasPrefix(d.Encoding, "UTF-16"))
			}
		}
	}
	d, err := Parse([]byte("<?xml version=\"1.0\" encoding=\"windows-1251\"?><a>\xcc\xb3\xf1\xf2</a>"), Limits{})
	require.NoError(t, err)
	require.Equal(t, "Міст", d.Root().StringValue())
}

// Work must grow linearly: a hundred times the input may not take much more than a hundred times the time.
func TestParseIsLinear(t *testing.T) {
	for name, piece := range map[string]string{
		"siblings": `<b c="1">&amp;t</b>`, "comments": `<!--c-->`, "cdata": `<![CDATA[x]]>`, "references": `&#65;`,
		"namespaces": `<p:b xmlns:p="u" xmlns:q="v" q:r=""/>`,
	} {
		d := func(n int) time.Duration {
			src := []byte(`<a>` + strings.Repeat(piece, n) + `</a>`)
			best := time.Hour
			for range 3 {
				start := time.Now()
				_, err := Parse(src, Limits{})
				require.NoError(t, err)
				best = min(best, time.Since(start))
			}
			return best
		}
		small, large := d(1000), d(50_000)
		require.Less(t, large, 500*small+100*time.Millisecond, name)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<a/>`, `<?xml version="1.0" encoding="UTF-8"?><a xmlns:p="u" p:b="&#10;c">t&lt;<![CDATA[d]]><!--e--><?f g?></a>`,
		"\xff\xfe<\x00a\x00/\x00>\x00", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "<a>\r\n</a>",
		`<?xml version="1.0" encoding="windows-1251"?><a/>`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		d, err := Parse(src, Limits{Bytes: 1 << 16, Depth: 32, Nodes: 2000})
		require.Equal(t, before, src)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		// Subtrees nest, and every node is reached by walking from the top.
		seen := 0
		var walk func(n Node)
		walk = func(n Node) {
			seen++
			for c := range n.Children() {
				require.Equal(t, n.ID(), c.Parent().ID())
				walk(c)
			}
		}
		walk(d.DocumentNode())
		require.Equal(t, d.Len(), seen)
	})
}
