package xmldom

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// grown is a random document and what its tree must say, noted while it was written.
type grown struct {
	random  *rand.Rand
	b       strings.Builder
	parents []ID
	ends    []ID
	kinds   []Kind
	data    []string // text, or the attributes of an element
	ids     map[string]int
}

func (g *grown) node(parent ID, k Kind, data string) ID {
	id := ID(len(g.parents))
	g.parents, g.ends = append(g.parents, parent), append(g.ends, id+1)
	g.kinds, g.data = append(g.kinds, k), append(g.data, data)
	return id
}

func (g *grown) element(parent ID, depth int) {
	g.b.WriteString("<v")
	var list []string
	n := g.random.IntN(4)
	if g.random.IntN(500) == 0 {
		n = 240 + g.random.IntN(40) // around the largest count that stands in the element itself
	}
	for i := range n {
		if i == 1 && g.random.IntN(2) == 0 {
			fmt.Fprintf(&g.b, "\n xmlns:p%d = 'u%d'", i, i)
			continue
		}
		value := fmt.Sprint(g.random.IntN(1000))
		name := fmt.Sprintf("a%d", i)
		if i == 2 && g.random.IntN(3) == 0 {
			name = "Id"
			g.ids[value]++
		}
		fmt.Fprintf(&g.b, ` %s="%s"`, name, value)
		list = append(list, name+"="+value)
	}
	id := g.node(parent, ElementNode, strings.Join(list, " "))
	if depth == 0 || g.random.IntN(3) == 0 {
		g.b.WriteString("/>")
		return
	}
	g.b.WriteString(">")
	text := false // two texts in a row are one node
	for range g.random.IntN(8) {
		switch k := g.random.IntN(8); {
		case k < 2 && !text:
			written := []string{"t", "a&amp;b", "<![CDATA[<c>]]>", "x<![CDATA[]]>y"}[g.random.IntN(4)]
			g.b.WriteString(written)
			g.node(id, TextNode, strings.NewReplacer("&amp;", "&", "<![CDATA[", "", "]]>", "").Replace(written))
			text = true
		case k == 2:
			text = false
			g.b.WriteString("<!--c-->")
			g.node(id, CommentNode, "c")
		case k == 3:
			text = false
			g.b.WriteString("<?p  d ?>")
			g.node(id, ProcInstNode, "p d ")
		case k > 3:
			text = false
			g.element(id, depth-1)
		}
	}
	g.b.WriteString("</v >")
	g.ends[id] = ID(len(g.parents))
}

// The packed tree says what a plain one would: parents, ends, kinds, texts, attributes, identifiers.
func TestPackedTree(t *testing.T) {
	for seed := range uint64(6) {
		g := &grown{random: rand.New(rand.NewPCG(seed, 1)), ids: map[string]int{}}
		g.node(None, DocumentNode, "")
		g.b.WriteString("<root>")
		root := g.node(0, ElementNode, "")
		for len(g.parents) < 20_000 {
			g.element(root, 12)
		}
		g.b.WriteString("</root>")
		g.ends[0], g.ends[root] = ID(len(g.parents)), ID(len(g.parents))
		d, err := Parse([]byte(g.b.String()), Limits{})
		require.NoError(t, err)
		require.Equal(t, len(g.parents), d.Len())
		declarations := 0
		for i := range g.parents {
			id := ID(i)
			require.Equal(t, g.kinds[i], d.Kind(id), i)
			require.Equal(t, g.parents[i], d.Parent(id), i)
			require.Equal(t, g.ends[i], d.End(id), i)
			if g.kinds[i] != ElementNode {
				require.Equal(t, g.data[i], d.Data(id), i)
				continue
			}
			var list []string
			for _, a := range d.Attributes(nil, id) {
				list = append(list, a.Name.Local+"="+a.Value)
				value, ok := d.Node(id).Attr("", a.Name.Local)
				require.True(t, ok)
				require.Equal(t, a.Value, value)
			}
			require.Equal(t, g.data[i], strings.Join(list, " "), i)
			for _, n := range d.Declarations(nil, id) {
				require.Equal(t, "p1", d.Prefix(n.Prefix))
				require.Equal(t, "u1", d.URI(n.URI))
				declarations++
			}
		}
		require.Equal(t, strings.Count(g.b.String(), "xmlns"), declarations)
		duplicates := 0
		for value, n := range g.ids {
			_, count := d.ByID(value)
			require.Equal(t, n, count, value)
			if n > 1 {
				duplicates++
			}
		}
		require.Len(t, d.DuplicateIDs(10_000), duplicates)
		_, count := d.ByID("absent")
		require.Zero(t, count)
	}
}

// A name may mean one thing here and another there, and the first again.
func TestNamesChangeTheirMeaning(t *testing.T) {
	d, err := Parse([]byte(`<a xmlns="u"><b/><a xmlns="v"><b/><a xmlns="u"><b/></a><b/></a><b/></a>`), Limits{})
	require.NoError(t, err)
	var spaces string
	for n := range d.Root().Descendants() {
		if n.Name().Local == "b" {
			spaces += n.Name().Space
		}
	}
	require.Equal(t, "uvuvu", spaces)
}

// Different names are counted: 16 bits name one.
func TestTooManyNames(t *testing.T) {
	var b strings.Builder
	b.WriteString("<a>")
	for i := range 1 << 16 {
		fmt.Fprintf(&b, "<n%d/>", i)
	}
	_, err := Parse([]byte(b.String()+"</a>"), Limits{})
	var syntax *SyntaxError
	require.ErrorAs(t, err, &syntax)
	require.Equal(t, LimitExceeded, syntax.Reason)
	_, err = Parse([]byte(strings.Replace(b.String(), "<n65535/>", "", 1)+"</a>"), Limits{})
	require.NoError(t, err)
}
