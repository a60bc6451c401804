// Package protocol draws the record of a verification as a PDF that is printed
// and filed: one page for one signature, tagged for screen readers, in fonts it
// carries, the same bytes for the same record. The words are those of
// signature/explain; nothing is judged here.
package protocol

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"html"
	"strings"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"mist/signature"
	"mist/signature/explain"
)

// MediaType of what PDF makes.
const MediaType = "application/pdf"

// The page is A4; sizes are in points.
const (
	pageWidth, pageHeight = 595.28, 841.89
	margin                = 46.0
	foot                  = 40.0
	labelWidth            = 150.0
	size, leading         = 8.6, 11.2
	gap                   = 2.0
)

// page is one page under way.
type page struct {
	ops   bytes.Buffer
	marks []*node // by MCID
}

type drawing struct {
	p             explain.Protocol
	regular, bold *face
	pages         []*page
	y             float64
	root          *node
}

// PDF draws a record.
func PDF(p explain.Protocol) ([]byte, error) {
	d := &drawing{p: p, root: &node{tag: "Document"}}
	var err error
	if d.regular, err = newFace("GoRegular", goregular.TTF, false); err != nil {
		return nil, err
	}
	if d.bold, err = newFace("GoBold", gobold.TTF, true); err != nil {
		return nil, err
	}
	d.turn()
	d.text(d.root.child("H1"), d.bold, 14, 18, margin, p.Title)
	d.y -= 4
	d.verdict(d.root, p.Verdict, 12)
	for _, s := range p.Sections {
		d.section(s, len(p.Sections) == 3)
	}
	d.y -= 6
	note := d.root.child("P")
	for _, line := range d.wrap(d.regular, 7.6, pageWidth-2*margin, p.Note) {
		d.text(note, d.regular, 7.6, 10, margin, line)
	}
	return d.finish()
}

func (d *drawing) page() *page { return d.pages[len(d.pages)-1] }

// turn begins a page.
func (d *drawing) turn() {
	d.pages = append(d.pages, &page{})
	d.y = pageHeight - margin
}

// need turns the page where the next lines have no room.
func (d *drawing) need(height float64) {
	if d.y-height < margin+foot-20 {
		d.turn()
	}
}

// text writes a line as content of a structure element and goes down.
func (d *drawing) text(n *node, f *face, size, height, x float64, s string) {
	d.need(height)
	d.y -= height
	d.at(n, f, size, x, d.y, s)
}

func (d *drawing) at(n *node, f *face, size, x, y float64, s string) {
	p := d.page()
	id := len(p.marks)
	p.marks = append(p.marks, n)
	n.content = append(n.content, mark{len(d.pages) - 1, id})
	fmt.Fprintf(&p.ops, "/%s << /MCID %d >> BDC BT /%s %.2f Tf %.2f %.2f Td <%s> Tj ET EMC\n", n.tag, id, f.resource(), size, x, y, hex.EncodeToString(f.encode(s)))
}

func (f *face) resource() string {
	if f.bold {
		return "F2"
	}
	return "F1"
}

// shade draws a filled rectangle that says nothing.
func (d *drawing) shade(gray, x, y, w, h float64) {
	fmt.Fprintf(&d.page().ops, "/Artifact BMC q %.2f g %.2f %.2f %.2f %.2f re f Q EMC\n", gray, x, y, w, h)
}

// verdict is a box: a bar whose width tells the verdict besides its word, the
// word, the term, the reason and the advice.
func (d *drawing) verdict(parent *node, v explain.Verdict, large float64) {
	width := pageWidth - 2*margin - 14
	lines := append(d.wrap(d.regular, size, width, v.Why), d.wrap(d.regular, size, width, v.Advice)...)
	height := large + 10 + leading*float64(len(lines))
	d.need(height)
	d.shade(0.94, margin, d.y-height, pageWidth-2*margin, height)
	bar := map[signature.Indication]float64{signature.TotalPassed: 3, signature.TotalFailed: 9}[v.Indication]
	if bar == 0 {
		bar = 6
	}
	d.shade(0.2, margin, d.y-height, bar, height)
	n := parent.child("P")
	d.y -= large + 3
	d.at(n, d.bold, large, margin+14, d.y, v.Word)
	d.at(n, d.regular, size, margin+14+d.bold.width(v.Word+"  ", large), d.y, v.Term)
	d.y -= 2
	for _, line := range lines {
		d.y -= leading
		d.at(n, d.regular, size, margin+14, d.y, line)
	}
	d.y -= 5
}

func (d *drawing) section(s explain.Section, only bool) {
	d.need(60)
	d.y -= 8
	d.text(d.root.child("H2"), d.bold, 10, 12, margin, s.Heading)
	d.y -= 3
	d.shade(0.35, margin, d.y, pageWidth-2*margin, 0.6)
	d.y -= 2
	// The verdict of the only signature stands at the top already.
	if s.Verdict != nil && !only {
		d.verdict(d.root, *s.Verdict, 9.5)
		d.y -= 2
	}
	if len(s.Rows) == 0 {
		return
	}
	table := d.root.child("Table")
	for _, r := range s.Rows {
		d.row(table.child("TR"), r)
	}
}

// row keeps together on one page, unless it is longer than a page.
func (d *drawing) row(n *node, r explain.Row) {
	labels := d.wrap(d.regular, size, labelWidth-8, r.Label)
	values := d.wrap(d.regular, size, pageWidth-2*margin-labelWidth, r.Value)
	d.need(float64(max(len(labels), len(values)))*leading + gap)
	th, td := n.child("TH"), n.child("TD")
	th.more = "/A << /O /Table /Scope /Row >>"
	td.more = "/ActualText " + text(r.Value) // a digest broken over lines is one word
	top := d.y
	for i, line := range labels {
		d.at(th, d.regular, size, margin, top-leading*float64(i+1), line)
	}
	for _, line := range values {
		d.need(leading)
		d.y -= leading
		d.at(td, d.regular, size, margin+labelWidth, d.y, line)
	}
	d.y = min(d.y, top-leading*float64(len(labels))) - gap
}

// wrap breaks a text into lines, at spaces where it can.
func (d *drawing) wrap(f *face, size, width float64, s string) (lines []string) {
	line := ""
	flush := func() {
		if line != "" {
			lines = append(lines, line)
			line = ""
		}
	}
	for word := range strings.FieldsSeq(s) {
		try := word
		if line != "" {
			try = line + " " + word
		}
		if f.width(try, size) <= width {
			line = try
			continue
		}
		flush()
		for _, r := range word {
			if f.width(line+string(r), size) > width {
				flush()
			}
			line += string(r)
		}
	}
	flush()
	return lines
}

// finish numbers the pages and writes the file.
func (d *drawing) finish() ([]byte, error) {
	of := map[string]string{"en": "Page %d of %d"}[d.p.Lang]
	if of == "" {
		of = "Сторінка %d з %d"
	}
	for i, p := range d.pages {
		s := fmt.Sprintf(of, i+1, len(d.pages)) + " · " + d.p.Digest
		fmt.Fprintf(&p.ops, "/Artifact << /Type /Pagination /Subtype /Footer >> BDC BT /F1 7 Tf %.2f %.2f Td <%s> Tj ET EMC\n", margin, foot, hex.EncodeToString(d.regular.encode(s)))
	}
	f := &file{}
	catalog, tree := f.reserve(), f.reserve()
	regular, err := f.embed(d.regular)
	if err != nil {
		return nil, err
	}
	bold, err := f.embed(d.bold)
	if err != nil {
		return nil, err
	}
	var kids []string
	pages := make([]int, len(d.pages))
	marks := make([][]*node, len(d.pages))
	for i, p := range d.pages {
		content, err := f.stream(p.ops.Bytes(), "")
		if err != nil {
			return nil, err
		}
		pages[i] = f.add("<< /Type /Page /Parent %d 0 R /MediaBox [0 0 %.2f %.2f] /Resources << /Font << /F1 %d 0 R /F2 %d 0 R >> >> /Contents %d 0 R /StructParents %d /Tabs /S >>",
			tree, pageWidth, pageHeight, regular, bold, content, i)
		kids = append(kids, fmt.Sprintf("%d 0 R", pages[i]))
		marks[i] = p.marks
	}
	f.set(tree, "<< /Type /Pages /Kids [%s] /Count %d >>", strings.Join(kids, " "), len(kids))
	structure := f.structure(d.root, pages, marks)
	lang := d.p.Lang
	if lang == "" {
		lang = "uk"
	}
	meta := f.reserve()
	xmp := `<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">` +
		html.EscapeString(d.p.Title) + `</rdf:li></rdf:Alt></dc:title><dc:language><rdf:Bag><rdf:li>` + lang + `</rdf:li></rdf:Bag></dc:language></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`
	f.set(meta, "<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%s\nendstream", len(xmp), xmp)
	info := f.add("<< /Title %s /Subject %s /Producer (Mist) /CreationDate %s >>", text(d.p.Title), text(d.p.Verdict.Term), date(d.p.Moment))
	f.set(catalog, "<< /Type /Catalog /Version /1.7 /Pages %d 0 R /Lang (%s) /MarkInfo << /Marked true >> /StructTreeRoot %d 0 R /ViewerPreferences << /DisplayDocTitle true >> /Metadata %d 0 R >>",
		tree, lang, structure, meta)
	return f.bytes(catalog, info), nil
}
