package protocol

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/image/font/sfnt"
)

// file is a PDF under way (ISO 32000-1): numbered objects, written in order.
type file struct {
	objects [][]byte
}

// reserve gives the number of an object that is set later.
func (f *file) reserve() int {
	f.objects = append(f.objects, nil)
	return len(f.objects)
}

func (f *file) set(n int, format string, a ...any) {
	f.objects[n-1] = fmt.Appendf(nil, format, a...)
}

func (f *file) add(format string, a ...any) int {
	n := f.reserve()
	f.set(n, format, a...)
	return n
}

// stream adds a compressed stream; more are further entries of its dictionary.
func (f *file) stream(b []byte, more string) (int, error) {
	var z bytes.Buffer
	w, err := zlib.NewWriterLevel(&z, zlib.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(b); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	n := f.reserve()
	f.objects[n-1] = append(fmt.Appendf(nil, "<< /Length %d /Filter /FlateDecode %s >>\nstream\n", z.Len(), more), append(z.Bytes(), "\nendstream"...)...)
	return n, nil
}

// bytes writes the file; its identifier is the hash of what it holds.
func (f *file) bytes(catalog, info int) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	places := make([]int, len(f.objects))
	for i, o := range f.objects {
		places[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n", i+1)
		b.Write(o)
		b.WriteString("\nendobj\n")
	}
	sum := sha256.Sum256(b.Bytes())
	id := hex.EncodeToString(sum[:16])
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(places)+1)
	for _, p := range places {
		fmt.Fprintf(&b, "%010d 00000 n \n", p)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R /ID [<%s> <%s>] >>\nstartxref\n%d\n%%%%EOF\n", len(places)+1, catalog, info, id, id, at)
	return b.Bytes()
}

// text is a text string: UTF-16BE in hexadecimal (7.9.2.2).
func text(s string) string {
	b := []byte{0xfe, 0xff}
	for _, c := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return "<" + hex.EncodeToString(b) + ">"
}

func date(t time.Time) string { return t.UTC().Format("(D:20060102150405Z)") }

// embed writes a font as a Type 0 font over its subset, with the characters its
// glyphs stand for, so that text can be copied and read aloud.
func (f *file) embed(x *face) (int, error) {
	ttf, tag, err := x.subset()
	if err != nil {
		return 0, err
	}
	program, err := f.stream(ttf, fmt.Sprintf("/Length1 %d", len(ttf)))
	if err != nil {
		return 0, err
	}
	glyphs := x.glyphs()
	unicode, err := f.stream(toUnicode(x, glyphs), "")
	if err != nil {
		return 0, err
	}
	name := tag + "+" + x.name
	weight := 400
	if x.bold {
		weight = 700
	}
	m, err := x.font.Metrics(&x.buf, x.units, 0)
	if err != nil {
		return 0, err
	}
	scale := func(v int) int { return v * 1000 / int(x.units) }
	box, err := x.font.Bounds(&x.buf, x.units, 0)
	if err != nil {
		return 0, err
	}
	descriptor := f.add("<< /Type /FontDescriptor /FontName /%s /Flags 32 /FontBBox [%d %d %d %d] /ItalicAngle 0 /Ascent %d /Descent %d /CapHeight %d /StemV %d /FontWeight %d /FontFile2 %d 0 R >>",
		name, scale(int(box.Min.X)), scale(int(-box.Max.Y)), scale(int(box.Max.X)), scale(int(-box.Min.Y)), scale(int(m.Ascent)), -scale(int(m.Descent)), scale(int(m.CapHeight)), weight/5, weight, program)
	var widths strings.Builder
	for _, g := range glyphs {
		fmt.Fprintf(&widths, "%d [%d] ", g, x.advance(g))
	}
	descendant := f.add("<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%s /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /CIDToGIDMap /Identity /DW %d /W [%s] >>",
		name, descriptor, x.advance(0), strings.TrimSpace(widths.String()))
	return f.add("<< /Type /Font /Subtype /Type0 /BaseFont /%s /Encoding /Identity-H /DescendantFonts [%d 0 R] /ToUnicode %d 0 R >>", name, descendant, unicode), nil
}

// toUnicode is the CMap of 9.10.3, at most 100 lines in a part.
func toUnicode(x *face, glyphs []sfnt.GlyphIndex) []byte {
	var b bytes.Buffer
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <ffff>\nendcodespacerange\n")
	for len(glyphs) > 0 {
		part := glyphs[:min(100, len(glyphs))]
		glyphs = glyphs[len(part):]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(part))
		for _, g := range part {
			fmt.Fprintf(&b, "<%04x> <", g)
			for _, c := range utf16.Encode([]rune{x.used[g]}) {
				fmt.Fprintf(&b, "%04x", c)
			}
			b.WriteString(">\n")
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return b.Bytes()
}
