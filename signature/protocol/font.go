package protocol

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// face is a TrueType font with what a document used of it.
type face struct {
	name  string // PostScript name
	raw   []byte
	font  *sfnt.Font
	buf   sfnt.Buffer
	units fixed.Int26_6
	// used: glyph → character it stands for.
	used map[sfnt.GlyphIndex]rune
	bold bool
}

func newFace(name string, ttf []byte, bold bool) (*face, error) {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("reading the font %s: %w", name, err)
	}
	return &face{name: name, raw: ttf, font: f, units: fixed.I(int(f.UnitsPerEm())), used: map[sfnt.GlyphIndex]rune{}, bold: bold}, nil
}

// replaced is written for a character the font lacks.
const replaced = '?'

// glyph finds a character's glyph; 0 stands for none.
func (f *face) glyph(r rune) (sfnt.GlyphIndex, rune) {
	if r == '\u00a0' {
		r = ' '
	}
	if g, err := f.font.GlyphIndex(&f.buf, r); err == nil && g != 0 {
		return g, r
	}
	g, err := f.font.GlyphIndex(&f.buf, replaced)
	if err != nil {
		return 0, replaced
	}
	return g, replaced
}

// advance of a glyph in thousandths of the size.
func (f *face) advance(g sfnt.GlyphIndex) int {
	a, err := f.font.GlyphAdvance(&f.buf, g, f.units, font.HintingNone)
	if err != nil {
		return 0
	}
	return int(a) * 1000 / int(f.units)
}

// width of a text at a size, in points.
func (f *face) width(s string, size float64) float64 {
	sum := 0
	for _, r := range s {
		g, _ := f.glyph(r)
		sum += f.advance(g)
	}
	return float64(sum) * size / 1000
}

// encode writes a text as glyph numbers and notes them.
func (f *face) encode(s string) []byte {
	out := make([]byte, 0, 2*len(s))
	for _, r := range s {
		g, stands := f.glyph(r)
		if _, known := f.used[g]; !known {
			f.used[g] = stands
		}
		out = binary.BigEndian.AppendUint16(out, uint16(g))
	}
	return out
}

// glyphs in order.
func (f *face) glyphs() []sfnt.GlyphIndex {
	out := make([]sfnt.GlyphIndex, 0, len(f.used))
	for g := range f.used {
		out = append(out, g)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out
}

// kept are the tables a font program in a PDF needs (ISO 32000-1, 9.9, table 126).
var kept = []string{"cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"}

var errFont = errors.New("the font is not a TrueType font with long tables")

// subset is the font with the outlines that were used; glyphs keep their numbers.
func (f *face) subset() (ttf []byte, tag string, err error) {
	tables := map[string][]byte{}
	count := int(binary.BigEndian.Uint16(f.raw[4:]))
	for i := range count {
		e := f.raw[12+16*i:]
		at, n := binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		tables[string(e[:4])] = f.raw[at : at+n]
	}
	head, loca, glyf := tables["head"], tables["loca"], tables["glyf"]
	if len(head) < 54 || glyf == nil || loca == nil {
		return nil, "", errFont
	}
	long := binary.BigEndian.Uint16(head[50:]) == 1
	place := func(g int) int {
		if long {
			return int(binary.BigEndian.Uint32(loca[4*g:]))
		}
		return 2 * int(binary.BigEndian.Uint16(loca[2*g:]))
	}
	glyphs := len(loca)/2 - 1
	if long {
		glyphs = len(loca)/4 - 1
	}
	want := map[int]bool{0: true}
	var add func(g int)
	add = func(g int) {
		if g >= glyphs || g != 0 && want[g] {
			return
		}
		want[g] = true
		for _, part := range components(glyf[place(g):place(g+1)]) {
			add(part)
		}
	}
	for g := range f.used {
		add(int(g))
	}
	var outlines []byte
	places := make([]byte, 0, 4*(glyphs+1))
	for g := range glyphs {
		places = binary.BigEndian.AppendUint32(places, uint32(len(outlines)))
		if want[g] {
			outlines = append(outlines, glyf[place(g):place(g+1)]...)
			for len(outlines)%4 != 0 {
				outlines = append(outlines, 0)
			}
		}
	}
	places = binary.BigEndian.AppendUint32(places, uint32(len(outlines)))
	head = append([]byte(nil), head...)
	binary.BigEndian.PutUint16(head[50:], 1)
	binary.BigEndian.PutUint32(head[8:], 0)
	tables["head"], tables["loca"], tables["glyf"] = head, places, outlines
	ttf = assemble(tables)
	sum := sha256.Sum256(ttf)
	for _, c := range sum[:6] {
		tag += string('A' + rune(c%26))
	}
	return ttf, tag, nil
}

// components are the glyphs a composite one is made of (OpenType, glyf).
func components(glyph []byte) (out []int) {
	if len(glyph) < 10 || int16(binary.BigEndian.Uint16(glyph)) >= 0 {
		return nil
	}
	for at := 10; at+4 <= len(glyph); {
		flags := binary.BigEndian.Uint16(glyph[at:])
		out = append(out, int(binary.BigEndian.Uint16(glyph[at+2:])))
		at += 6
		if flags&1 != 0 {
			at += 2
		}
		switch {
		case flags&8 != 0:
			at += 2
		case flags&0x40 != 0:
			at += 4
		case flags&0x80 != 0:
			at += 8
		}
		if flags&0x20 == 0 {
			break
		}
	}
	return out
}

// assemble writes a font file of the kept tables.
func assemble(tables map[string][]byte) []byte {
	var names []string
	for _, n := range kept {
		if len(tables[n]) > 0 {
			names = append(names, n)
		}
	}
	log := 0
	for 2<<log <= len(names) {
		log++
	}
	out := binary.BigEndian.AppendUint32(nil, 0x00010000)
	for _, v := range []int{len(names), 16 << log, log, 16*len(names) - 16<<log} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	at := 12 + 16*len(names)
	var data []byte
	headAt := 0
	for _, n := range names {
		t := tables[n]
		if n == "head" {
			headAt = at + len(data)
		}
		out = append(out, n...)
		for _, v := range []uint32{sum32(t), uint32(at + len(data)), uint32(len(t))} {
			out = binary.BigEndian.AppendUint32(out, v)
		}
		data = append(data, t...)
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
	}
	out = append(out, data...)
	binary.BigEndian.PutUint32(out[headAt+8:], 0xB1B0AFBA-sum32(out))
	return out
}

func sum32(b []byte) (sum uint32) {
	for i := 0; i < len(b); i += 4 {
		var word [4]byte
		copy(word[:], b[i:])
		sum += binary.BigEndian.Uint32(word[:])
	}
	return sum
}
