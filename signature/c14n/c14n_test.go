package c14n

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/signature/xmldom"
)

func parse(t testing.TB, src string) *xmldom.Document {
	t.Helper()
	d, err := xmldom.Parse([]byte(src), xmldom.Limits{})
	require.NoError(t, err)
	return d
}

func canonical(t testing.TB, set NodeSet, m Method, prefixes ...string) string {
	t.Helper()
	out, err := Append(nil, set, m, prefixes)
	require.NoError(t, err)
	return string(out)
}

// The examples of Canonical XML 1.0, 3.1 to 3.7, as far as they need no document type declaration.
func TestRecommendationExamples(t *testing.T) {
	pi := "<?xml version=\"1.0\"?>\n\n<?xml-stylesheet   href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n\n<doc>Hello, world!<!-- Comment 1 --></doc>\n\n<?pi-without-data     ?>\n\n<!-- Comment 2 -->\n\n<!-- Comment 3 -->\n"
	d := parse(t, pi)
	require.Equal(t, "<?xml-stylesheet href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n<doc>Hello, world!</doc>\n<?pi-without-data?>",
		canonical(t, Subtree(d.DocumentNode()), Inclusive10))
	require.Equal(t, "<?xml-stylesheet href=\"doc.xsl\"\n   type=\"text/xsl\"   ?>\n<doc>Hello, world!<!-- Comment 1 --></doc>\n<?pi-without-data?>\n<!-- Comment 2 -->\n<!-- Comment 3 -->",
		canonical(t, Subtree(d.DocumentNode()), Inclusive10WithComments))

	d = parse(t, "<doc>\n   <e1   />\n   <e2   ></e2>\n   <e3   name = \"elem3\"   id=\"elem3\"   />\n   <e4   name=\"elem4\"   id=\"elem4\"   ></e4>\n   <e5 a:attr=\"out\" b:attr=\"sorted\" attr2=\"all\" attr=\"I'm\"\n      xmlns:b=\"http://www.ietf.org\"\n      xmlns:a=\"http://www.w3.org\"\n      xmlns=\"http://example.org\"/>\n   <e6 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n      <e7 xmlns=\"http://www.ietf.org\">\n         <e8 xmlns=\"\" xmlns:a=\"http://www.w3.org\">\n            <e9 xmlns=\"\" xmlns:a=\"http://www.ietf.org\"/>\n         </e8>\n      </e7>\n   </e6>\n</doc>")
	require.Equal(t, "<doc>\n   <e1></e1>\n   <e2></e2>\n   <e3 id=\"elem3\" name=\"elem3\"></e3>\n   <e4 id=\"elem4\" name=\"elem4\"></e4>\n   <e5 xmlns=\"http://example.org\" xmlns:a=\"http://www.w3.org\" xmlns:b=\"http://www.ietf.org\" attr=\"I'm\" attr2=\"all\" b:attr=\"sorted\" a:attr=\"out\"></e5>\n   <e6 xmlns:a=\"http://www.w3.org\">\n      <e7 xmlns=\"http://www.ietf.org\">\n         <e8 xmlns=\"\">\n            <e9 xmlns:a=\"http://www.ietf.org\"></e9>\n         </e8>\n      </e7>\n   </e6>\n</doc>",
		canonical(t, Subtree(d.DocumentNode()), Inclusive10))

	d = parse(t, "<doc>\n   <text>First line&#x0d;&#10;Second line</text>\n   <value>&#x32;</value>\n   <compute><![CDATA[value>\"0\" && value<\"10\" ?\"valid\":\"error\"]]></compute>\n   <compute expr='value>\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"'>valid</compute>\n   <norm attr=' &apos;   &#x20;&#13;&#xa;&#9;   &apos; '/>\n</doc>")
	require.Equal(t, "<doc>\n   <text>First line&#xD;\nSecond line</text>\n   <value>2</value>\n   <compute>value&gt;\"0\" &amp;&amp; value&lt;\"10\" ?\"valid\":\"error\"</compute>\n   <compute expr=\"value>&quot;0&quot; &amp;&amp; value&lt;&quot;10&quot; ?&quot;valid&quot;:&quot;error&quot;\">valid</compute>\n   <norm attr=\" '    &#xD;&#xA;&#x9;   ' \"></norm>\n</doc>",
		canonical(t, Subtree(d.DocumentNode()), Inclusive10))

	// 3.7, document subsets, with the subset given as nodes.
	d = parse(t, "<doc xmlns=\"http://www.ietf.org\" xmlns:w3c=\"http://www.w3.org\">\n   <e1>\n      <e2 xmlns=\"\">\n         <e3 id=\"E3\"/>\n      </e2>\n   </e1>\n</doc>")
	set := Subtree(d.DocumentNode()).Filter(func(id xmldom.ID) bool {
		n := d.Node(id).Name()
		return n.Local == "e1" || n.Local == "e3"
	})
	require.Equal(t, "<e1 xmlns=\"http://www.ietf.org\" xmlns:w3c=\"http://www.w3.org\"><e3 xmlns=\"\" id=\"E3\"></e3></e1>", canonical(t, set, Inclusive10))
}

// Exclusive XML Canonicalization 1.0, 2.2.
func TestExclusiveExamples(t *testing.T) {
	for _, src := range []string{
		"<n0:local xmlns:n0=\"foo:bar\" xmlns:n3=\"ftp://example.org\"><n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff xmlns:n3=\"ftp://example.org\"/></n1:elem2></n0:local>",
		"<n2:pdu xmlns:n1=\"http://example.com\" xmlns:n2=\"http://foo.example\" xml:lang=\"fr\" xml:space=\"retain\"><n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff xmlns:n3=\"ftp://example.org\"/></n1:elem2></n2:pdu>",
	} {
		d := parse(t, src)
		e, _ := d.Root().Child("http://example.net", "elem2")
		require.Equal(t, "<n1:elem2 xmlns:n1=\"http://example.net\" xml:lang=\"en\"><n3:stuff xmlns:n3=\"ftp://example.org\"></n3:stuff></n1:elem2>",
			canonical(t, Subtree(e), Exclusive))
	}
}

func TestInclusiveNamespacesPrefixList(t *testing.T) {
	d := parse(t, `<a xmlns="d" xmlns:p="u" xmlns:q="v"><p:b><c xmlns=""/></p:b></a>`)
	b, _ := d.Root().Child("u", "b")
	require.Equal(t, `<p:b xmlns:p="u"><c></c></p:b>`, canonical(t, Subtree(b), Exclusive))
	require.Equal(t, `<p:b xmlns:p="u" xmlns:q="v"><c></c></p:b>`, canonical(t, Subtree(b), Exclusive, "q", "unused"))
	require.Equal(t, `<p:b xmlns="d" xmlns:p="u"><c xmlns=""></c></p:b>`, canonical(t, Subtree(b), Exclusive, "#default"))
}

func TestInheritedXMLAttributes(t *testing.T) {
	d := parse(t, `<a xml:lang="uk" xml:id="top" xml:base="http://x.example/one/" xml:foo="f"><b xml:base="two/" xml:space="preserve"><c xml:lang="en"/></b></a>`)
	b, _ := d.Root().Child("", "b")
	c, _ := b.Child("", "c")
	require.Equal(t, `<c xml:base="two/" xml:foo="f" xml:id="top" xml:lang="en" xml:space="preserve"></c>`, canonical(t, Subtree(c), Inclusive10))
	require.Equal(t, `<c xml:base="http://x.example/one/two/" xml:lang="en" xml:space="preserve"></c>`, canonical(t, Subtree(c), Inclusive11))
	require.Equal(t, `<c xml:lang="en"></c>`, canonical(t, Subtree(c), Exclusive))
	require.Equal(t, `<b xml:base="http://x.example/one/two/" xml:lang="uk" xml:space="preserve"><c xml:lang="en"></c></b>`, canonical(t, Subtree(b), Inclusive11))
}

// The cases of Canonical XML 1.1, appendix A (as published in its errata) and of RFC 3986, 5.4, that do not depend on a fragment.
func TestJoinURI(t *testing.T) {
	for _, c := range []struct{ base, ref, want string }{
		{"http://www.example.com/", "foo/bar", "http://www.example.com/foo/bar"},
		{"abc/", "../", ""}, {"abc/", "../..", "../"}, {"abc", "..", "../"},
		{"../abc/", "..", "../"}, {"..", "..", "../../"}, {"../..", "..", "../../../"},
		{"abc/d/", "./e", "abc/d/e"}, {"http://a/b/c/d?q", "g", "http://a/b/c/g"}, {"http://a/b/c/d", "//g/x", "http://g/x"},
		{"http://a/b/c/d", "/g", "http://a/g"}, {"http://a/b/c/d", "?y", "http://a/b/c/d?y"}, {"http://a/b/c/d", "../../../g", "http://a/g"},
		{"http://a", "g", "http://a/g"}, {"http://a/b", "", "http://a/b"},
	} {
		require.Equal(t, c.want, joinURI(c.base, c.ref), "%s + %s", c.base, c.ref)
	}
}

func TestWithoutTakesSubtreesOut(t *testing.T) {
	d := parse(t, `<a><b><c/></b>x<d/><e><b/></e></a>`)
	b, _ := d.Root().Child("", "b")
	dd, _ := d.Root().Child("", "d")
	c, _ := b.Child("", "c")
	set := Subtree(d.DocumentNode()).Without(dd).Without(c).Without(b)
	require.Equal(t, `<a>x<e><b></b></e></a>`, canonical(t, set, Inclusive10))
	require.False(t, set.Has(c.ID()))
	require.True(t, Subtree(d.Root()).Without(d.Root()).Empty())
	require.Equal(t, "", canonical(t, Subtree(d.Root()).Without(d.Root()), Exclusive))
}

func TestUnknownMethod(t *testing.T) {
	_, err := Append(nil, Subtree(parse(t, `<a/>`).Root()), "http://www.w3.org/2001/10/xml-exc-c14n", nil)
	require.ErrorIs(t, err, ErrUnknownMethod)
}

// A set of many single elements under elements that are not in it is the one case with work beyond linear.
func TestScatteredSetIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("<a>")
	for i := range 3000 {
		fmt.Fprintf(&b, `<n xmlns:p%d="u"/>`, i)
	}
	b.WriteString(strings.Repeat("<b><c/></b>", 100_000) + "</a>")
	d := parse(t, b.String())
	set := Subtree(d.DocumentNode()).Filter(func(id xmldom.ID) bool { return d.Node(id).Name().Local == "c" })
	_, err := Append(nil, set, Inclusive10, nil)
	require.ErrorIs(t, err, ErrTooMuchWork)
	_, err = Append(nil, Subtree(d.DocumentNode()), Inclusive10, nil)
	require.NoError(t, err)
}

// Each of many siblings repeats a namespace name that their parent does not use.
func TestOutputIsBounded(t *testing.T) {
	d := parse(t, `<a xmlns:p="`+strings.Repeat("u", 100_000)+`">`+strings.Repeat("<p:b/>", 20_000)+`</a>`)
	_, err := Append(nil, Subtree(d.Root()), Exclusive, nil)
	require.ErrorIs(t, err, ErrTooMuchOutput)
	_, err = Append(nil, Subtree(d.Root()), Inclusive10, nil)
	require.NoError(t, err)
}

// Canonical XML is its own canonical form, whatever the document.
func FuzzIdempotent(f *testing.F) {
	for _, s := range []string{
		`<a xmlns:p="u" p:b="&#10;c" xml:lang="uk">t&lt;<![CDATA[d]]><!--e--><?f g?></a>`,
		`<?x?><a xmlns="d"><b xmlns=""><c xmlns="d" z="1" y="2"/></b></a><!--z-->`, "<a>&#13;</a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := xmldom.Parse(src, xmldom.Limits{Bytes: 1 << 16, Depth: 64, Nodes: 5000})
		if err != nil {
			return
		}
		for _, m := range []Method{Inclusive10WithComments, Inclusive11WithComments, ExclusiveWithComments} {
			once := canonical(t, Subtree(d.DocumentNode()), m)
			again, err := xmldom.Parse([]byte(once), xmldom.Limits{})
			require.NoError(t, err, once)
			require.Equal(t, once, canonical(t, Subtree(again.DocumentNode()), m))
		}
	})
}
