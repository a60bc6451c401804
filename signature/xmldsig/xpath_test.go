package xmldsig

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/signature/c14n"
	"mist/signature/facts"
	"mist/signature/xmldom"
)

const filtered = `<a xmlns="" xmlns:ds="` + Namespace + `" xmlns:p="urn:p"><b Id="one" k="v">t<c/></b><p:b/><d><b>u</b></d>` +
	`<ds:Signature><ds:Object><b/></ds:Object></ds:Signature><e Id="two"><!-- x --><?y z?></e></a>`

// apply runs one transform over the document above and returns what is left, without comments.
func apply(t testing.TB, algorithm, operation, expression string) (string, Extent, *Refusal) {
	t.Helper()
	escaped := strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;").Replace(expression)
	element := `<ds:XPath>` + escaped + `</ds:XPath>`
	if algorithm == Filter2 {
		element = `<f:XPath xmlns:f="` + Filter2 + `" Filter="` + operation + `">` + escaped + `</f:XPath>`
	}
	doc, err := xmldom.Parse([]byte(strings.Replace(filtered, "<d>", `<d><ds:Transform xmlns:p="urn:p">`+element+`</ds:Transform>`, 1)), xmldom.Limits{})
	if err != nil {
		return "", 0, malformed(err.Error())
	}
	var transform xmldom.Node
	for e := range doc.Root().Descendants() {
		if e.Is(Namespace, "Transform") {
			transform = e
		}
	}
	set := c14n.Subtree(doc.DocumentNode())
	set.NoComments = true
	set = set.Without(transform)
	v := &value{set: &set, extent: ExtentWhole}
	p := &Processor{Doc: doc, Limit: 1 << 20, Budget: NewBudget(1<<20, doc.Size())}
	if bad := p.transform(&Signature{}, &Transform{transform, algorithm}, v); bad != nil {
		return "", 0, bad
	}
	out, err := c14n.Append(nil, *v.set, c14n.Exclusive, nil)
	require.NoError(t, err)
	return string(out), v.extent, nil
}

func TestXPathThatChoosesSubtrees(t *testing.T) {
	const rest = `<b Id="one" k="v">t<c></c></b><p:b xmlns:p="urn:p"></p:b><d><b>u</b></d>`
	for _, c := range []struct {
		algorithm, operation, expression, want string
		extent                                 Extent
	}{
		{XPathURI, "", "not(ancestor-or-self::ds:Signature)", `<a>` + rest + `<e Id="two"><?y z?></e></a>`, ExtentWhole},
		{XPathURI, "", " not ( ancestor-or-self :: ds:Signature ) ", `<a>` + rest + `<e Id="two"><?y z?></e></a>`, ExtentWhole},
		{XPathURI, "", "not(ancestor-or-self::ds:Signature) and not(ancestor-or-self::d)", `<a><b Id="one" k="v">t<c></c></b><p:b xmlns:p="urn:p"></p:b><e Id="two"><?y z?></e></a>`, ExtentPart},
		{XPathURI, "", "ancestor-or-self::b[@k='v'] or ancestor-or-self::e", `<b Id="one" k="v">t<c></c></b><e Id="two"><?y z?></e>`, ExtentPart},
		{XPathURI, "", "ancestor-or-self::p:b", `<p:b xmlns:p="urn:p"></p:b>`, ExtentPart},
		{Filter2, "subtract", "/descendant::ds:Signature", `<a>` + rest + `<e Id="two"><?y z?></e></a>`, ExtentWhole},
		{Filter2, "subtract", "//ds:Signature", `<a>` + rest + `<e Id="two"><?y z?></e></a>`, ExtentWhole},
		{Filter2, "subtract", "/descendant::*[name()='ds:Signature']", `<a>` + rest + `<e Id="two"><?y z?></e></a>`, ExtentWhole},
		{Filter2, "intersect", "id('one')", `<b Id="one" k="v">t<c></c></b>`, ExtentPart},
		{Filter2, "intersect", "id('one two')/node()", `t<c></c><?y z?>`, ExtentPart},
		{Filter2, "intersect", "//b", `<b Id="one" k="v">t<c></c></b><b>u</b><b></b>`, ExtentPart},
		{Filter2, "intersect", "/a/b | /a/e", `<b Id="one" k="v">t<c></c></b><e Id="two"><?y z?></e>`, ExtentPart},
		{Filter2, "intersect", "/*/*[local-name()='b' and not(namespace-uri()='')]", `<p:b xmlns:p="urn:p"></p:b>`, ExtentPart},
		{Filter2, "intersect", "//text()", `tu`, ExtentPart},
		{Filter2, "intersect", "//c/parent::*", `<b Id="one" k="v">t<c></c></b>`, ExtentPart},
		{Filter2, "intersect", "//c/ancestor::b[1]", `<b Id="one" k="v">t<c></c></b>`, ExtentPart},
		{Filter2, "intersect", "//*[@Id]", `<b Id="one" k="v">t<c></c></b><e Id="two"><?y z?></e>`, ExtentPart},
		{Filter2, "intersect", "//*[@Id!='one']", `<e Id="two"><?y z?></e>`, ExtentPart},
		{Filter2, "intersect", "here()/ancestor::d[1]", `<d><b>u</b></d>`, ExtentPart},
		{Filter2, "union", "//b", `<a>` + rest + `<ds:Signature xmlns:ds="` + Namespace + `"><ds:Object><b></b></ds:Object></ds:Signature><e Id="two"><?y z?></e></a>`, ExtentWhole},
		{Filter2, "intersect", "//nothing", "", ExtentPart},
	} {
		got, extent, bad := apply(t, c.algorithm, c.operation, c.expression)
		require.Nil(t, bad, c.expression)
		require.Equal(t, c.want, got, c.expression)
		require.Equal(t, c.extent, extent, c.expression)
	}
}

func TestOtherXPathIsRefused(t *testing.T) {
	for _, c := range []struct{ algorithm, expression string }{
		{XPathURI, "self::text()"}, {XPathURI, "ancestor-or-self::node()"}, {XPathURI, "true()"}, {XPathURI, "not(@x)"}, {XPathURI, "1"},
		{XPathURI, "ancestor-or-self::undeclared:x"}, {XPathURI, "ancestor-or-self::b or"}, {XPathURI, "(ancestor-or-self::b"},
		{XPathURI, "ancestor-or-self::b)"}, {XPathURI, ""}, {XPathURI, "not not ancestor-or-self::b"}, {XPathURI, "'x"},
		{XPathURI, strings.Repeat("not(", 20) + "ancestor-or-self::b" + strings.Repeat(")", 20)},
		{XPathURI, strings.Repeat("ancestor-or-self::b or ", 20) + "ancestor-or-self::b"},
		{XPathURI, strings.Repeat(" ", 5000)},
		{Filter2, "//@*"}, {Filter2, "//b/@k"}, {Filter2, "//b[1]"}, {Filter2, "//b[position()=1]"}, {Filter2, "/following::b"},
		{Filter2, "count(//b)"}, {Filter2, "//namespace::*"}, {Filter2, "id(//b)"}, {Filter2, "//b["}, {Filter2, "//"}, {Filter2, "|"},
		{Filter2, "//b//"}, {Filter2, "$x"}, {Filter2, "document('http://x')"}, {Filter2, "//*[contains(text(),'t')]"}, {Filter2, "//b/ancestor::a[1]/.."},
	} {
		_, _, bad := apply(t, c.algorithm, "intersect", c.expression)
		require.NotNil(t, bad, c.expression)
		require.Contains(t, []facts.ProblemCode{facts.ProblemTransformRefused, facts.ProblemLimit}, bad.Code, c.expression)
	}
	_, _, bad := apply(t, Filter2, "xor", "//b")
	require.Equal(t, facts.ProblemMalformed, bad.Code)
}

func FuzzXPath(f *testing.F) {
	for _, s := range []string{
		"not(ancestor-or-self::ds:Signature)", "//b[@k='v']/c | id('one')/node()", "here()/ancestor::d[1]", "/*/*[local-name()='b' or starts-with(name(),'p')]",
		"count(ancestor-or-self::ds:Signature | here()/ancestor::ds:Signature[1]) > count(ancestor-or-self::ds:Signature)",
	} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, expression string, filter bool) {
		algorithm := XPathURI
		if filter {
			algorithm = Filter2
		}
		start := time.Now()
		apply(t, algorithm, "subtract", expression)
		require.Less(t, time.Since(start), 2*time.Second)
	})
}
