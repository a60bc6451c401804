package xmldsig

import (
	"slices"
	"strings"

	"mist/signature/facts"
	"mist/signature/xmldom"
)

// Relationship is the relationships transform of office documents (ISO/IEC 29500-2, 10.5.8 and 10.6): it picks
// relationships by identifier or type, sorts them and drops everything between them.
const (
	Relationship    = "http://schemas.openxmlformats.org/package/2006/RelationshipTransform"
	nsRelationships = "http://schemas.openxmlformats.org/package/2006/relationships"
	nsPackageSign   = "http://schemas.openxmlformats.org/package/2006/digital-signature"
)

func (p *Processor) relationships(t *Transform, v *value) *Refusal {
	if bad := p.nodes(v); bad != nil {
		return bad
	}
	root := v.set.Doc.Root()
	if !root.Is(nsRelationships, "Relationships") || v.set.Apex > root.ID() {
		return refuse(facts.ProblemTransformRefused, "relationships transform on another document")
	}
	ids, types := map[string]bool{}, map[string]bool{}
	for e := range t.Element.Elements() {
		id, hasID := e.Attr("", "SourceId")
		kind, hasType := e.Attr("", "SourceType")
		switch {
		case e.Is(nsPackageSign, "RelationshipReference") && hasID:
			ids[id] = true
		case e.Is(nsPackageSign, "RelationshipsGroupReference") && hasType:
			types[kind] = true
		default:
			return malformed("relationships transform with an unknown parameter")
		}
	}
	if !p.Budget.steps(int64(v.set.Doc.Len())) {
		return refuse(facts.ProblemLimit, "transforms visit too many nodes")
	}
	type picked struct{ id, text string }
	var list []picked
	for e := range root.Elements() {
		if !e.Is(nsRelationships, "Relationship") {
			// ISO/IEC 29500-2 drops them, xmlsec turns them into relationships: two readings, so none.
			return refuse(facts.ProblemTransformRefused, "relationships transform with foreign elements")
		}
		id, _ := e.Attr("", "Id")
		kind, _ := e.Attr("", "Type")
		if ids[id] || types[kind] {
			list = append(list, picked{id, relationship(e)})
		}
	}
	slices.SortStableFunc(list, func(a, b picked) int { return strings.Compare(a.id, b.id) })
	var b strings.Builder
	b.WriteString(`<Relationships xmlns="` + nsRelationships + `">`)
	for _, r := range list {
		b.WriteString(r.text)
	}
	b.WriteString(`</Relationships>`)
	v.set, v.octets, v.extent = nil, []byte(b.String()), ExtentPart
	return nil
}

var escapeAttribute = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")

// relationship writes one element with the attributes of its schema; TargetMode has a default that is made explicit.
func relationship(e xmldom.Node) string {
	var b strings.Builder
	b.WriteString(`<Relationship`)
	for _, name := range []string{"Id", "Target", "TargetMode", "Type"} {
		value, ok := e.Attr("", name)
		if !ok && name == "TargetMode" {
			value, ok = "Internal", true
		}
		if ok {
			b.WriteString(` ` + name + `="` + escapeAttribute.Replace(value) + `"`)
		}
	}
	return b.String() + `></Relationship>`
}
