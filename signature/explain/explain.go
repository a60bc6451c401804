// Package explain puts a verification result into words for people: the
// verdict, who signed, when it is proven, what the trust rests on, and what to
// do when the answer is not yes. Ukrainian and English; the same words serve
// the command line and the pages.
package explain

import (
	"fmt"
	"io"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/facts"
)

// Options of the text.
type Options struct {
	Lang    string // uk or en
	MaskIDs bool
	Tree    bool // every question and its answer
	Short   bool // one line per signature
	Color   bool
	ASCII   bool // marks for terminals without UTF-8
	Trusted bool // trust anchors were given
	// Zone is what times of a Protocol are written in, with their offset; nil is UTC.
	Zone *time.Location
}

type lang struct{ uk, en string }

func (l lang) in(code string) string {
	if code == "en" {
		return l.en
	}
	return l.uk
}

// Write writes the report of a result.
func Write(w io.Writer, r *signature.Result, o Options) error {
	p := &printer{w: w, o: o, r: r}
	if len(r.Signatures) == 0 {
		p.verdict(r.Indication, "")
		p.line(words["no-signature"].in(o.Lang))
		return p.err
	}
	for i := range r.Signatures {
		if i > 0 && !o.Short {
			p.print("\n")
		}
		p.signature(i)
	}
	if len(r.UnsignedParts) > 0 {
		p.row(words["unsigned"], strings.Join(escapeAll(r.UnsignedParts), ", "))
	}
	return p.err
}

type printer struct {
	w   io.Writer
	o   Options
	r   *signature.Result
	err error
}

func (p *printer) print(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, a...)
	}
}

func (p *printer) line(s string) { p.print("  %s\n", s) }

func (p *printer) row(label lang, value string) {
	if value == "" {
		return
	}
	l := label.in(p.o.Lang)
	pad := 13 - len([]rune(l))
	if pad < 1 {
		pad = 1
	}
	p.print("  %s%s %s\n", l, strings.Repeat(" ", pad), value)
}

func (p *printer) mark(i signature.Indication) string {
	marks := map[signature.Indication][2]string{
		signature.TotalPassed: {"✔", "+"}, signature.TotalFailed: {"✘", "x"},
		signature.Indeterminate: {"?", "?"}, signature.NoSignatureFound: {"–", "-"},
	}
	if p.o.ASCII {
		return marks[i][1]
	}
	return marks[i][0]
}

func (p *printer) verdict(i signature.Indication, kind string) {
	word := verdicts[i].in(p.o.Lang)
	if p.o.Color {
		color := map[signature.Indication]string{
			signature.TotalPassed: "32", signature.TotalFailed: "31", signature.Indeterminate: "33",
		}[i]
		if color != "" {
			word = "\x1b[1;" + color + "m" + word + "\x1b[0m"
		}
	}
	p.print("%s %s", p.mark(i), word)
	if kind != "" {
		p.print("  %s", kind)
	}
	p.print("  %s\n", i)
}

func (p *printer) kind(s *signature.SignatureResult) string {
	switch {
	case s.Parent != "":
		return words["counter"].in(p.o.Lang)
	case s.Signer.Seal && s.Signer.Qualified:
		return words["qualified-seal"].in(p.o.Lang)
	case s.Signer.Seal:
		return words["seal"].in(p.o.Lang)
	case s.Signer.Qualified:
		return words["qualified-signature"].in(p.o.Lang)
	}
	return words["signature"].in(p.o.Lang)
}

func (p *printer) signature(i int) {
	s, sr := &p.r.Signatures[i], &p.r.Report.Signatures[i]
	p.verdict(s.Indication, p.kind(s))
	if s.Indication != signature.TotalPassed {
		t := reasons[s.SubIndication]
		sentence := t.sentence.in(p.o.Lang)
		if sentence == "" {
			sentence = string(s.SubIndication)
		}
		p.line(sentence + " (" + string(s.SubIndication) + codeOf(s) + ")")
		if !p.o.Short {
			advice := t.advice
			if s.SubIndication == signature.NoCertificateChainFound && !p.o.Trusted {
				advice = lang{"Довірених сертифікатів не задано: вкажіть теку --trust.", "No trusted certificates were given: name a folder with --trust."}
			}
			p.row(words["advice"], advice.in(p.o.Lang))
		}
	}
	if p.o.Short {
		return
	}
	p.who(s)
	p.when(s)
	p.row(words["level"], strings.Replace(s.Level, "BASELINE-", "", 1)+" · "+algorithm(s.Algorithm, p.o.Lang))
	if s.Scope != "" && s.Scope != facts.ScopeFull {
		p.row(words["scope"], scopes[s.Scope].in(p.o.Lang))
	}
	p.row(words["trust"], p.trust(sr))
	p.row(words["revocation"], p.revocation(sr))
	if s.Indication != signature.TotalPassed {
		p.row(words["crypto"], cryptoWords[s.Crypto].in(p.o.Lang))
	}
	for _, w := range s.Warnings {
		p.row(words["warning"], warning(w, p.o.Lang))
	}
	yes, all := count(sr.Blocks)
	p.print("  %s\n", fmt.Sprintf(words["checks"].in(p.o.Lang), all, yes))
	if p.o.Tree {
		p.tree(sr)
	}
}

func codeOf(s *signature.SignatureResult) string {
	if s.Reason == "" || s.Reason == string(s.SubIndication) {
		return ""
	}
	return ", " + s.Reason
}

func (p *printer) who(s *signature.SignatureResult) {
	g := s.Signer
	name := strings.TrimSpace(g.Surname + " " + g.GivenName)
	if name == "" {
		name = g.CommonName
	}
	if name == "" {
		return
	}
	parts := []string{Escape(name)}
	if g.RNOKPP != "" {
		parts = append(parts, words["rnokpp"].in(p.o.Lang)+" "+p.id(g.RNOKPP))
	}
	if g.UNZR != "" {
		parts = append(parts, words["unzr"].in(p.o.Lang)+" "+p.id(g.UNZR))
	}
	p.row(words["signer"], strings.Join(parts, " · "))
	if g.Organization != "" || g.EDRPOU != "" {
		org := Escape(g.Organization)
		if g.EDRPOU != "" {
			org = strings.TrimPrefix(org+" · "+words["edrpou"].in(p.o.Lang)+" "+Escape(g.EDRPOU), " · ")
		}
		p.row(words["organization"], org)
	}
}

func (p *printer) id(v string) string {
	if p.o.MaskIDs && len(v) > 4 {
		return strings.Repeat("*", len(v)-4) + Escape(v[len(v)-4:])
	}
	return Escape(v)
}

const stampLayout = "02.01.2006 15:04:05"

func (p *printer) when(s *signature.SignatureResult) {
	claimed := ""
	if s.ClaimedSigningTime != nil {
		claimed = s.ClaimedSigningTime.Format(stampLayout)
	}
	switch {
	case s.BestSignatureTime != nil:
		v := s.BestSignatureTime.Format(stampLayout) + " UTC " + words["by-stamp"].in(p.o.Lang)
		if claimed != "" {
			v += " (" + words["claimed"].in(p.o.Lang) + " " + claimed + ")"
		}
		p.row(words["time"], v)
	case claimed != "":
		p.row(words["time"], words["claimed"].in(p.o.Lang)+" "+claimed+" UTC, "+words["unproven"].in(p.o.Lang))
	}
	for _, t := range s.Timestamps {
		if t.Imprint == "ok" && t.Token == "ok" && t.Indication == signature.Passed {
			continue
		}
		p.row(words["stamp"], fmt.Sprintf("%s %s: %s", t.Type, t.Time.Format(stampLayout), string(t.Indication)+" "+string(t.SubIndication)))
	}
}

func (p *printer) trust(sr *signature.SignatureReport) string {
	var names []string
	for i, id := range sr.Chain {
		if i == 0 {
			continue
		}
		for k := range p.r.Facts.Certificates {
			if c := &p.r.Facts.Certificates[k]; c.ID == id {
				n := c.Identity.CommonName
				if n == "" {
					n = c.Subject
				}
				names = append(names, Escape(n))
			}
		}
	}
	return strings.Join(names, " → ")
}

func (p *printer) revocation(sr *signature.SignatureReport) string {
	if len(sr.Chain) == 0 {
		return ""
	}
	for k := range p.r.Facts.Certificates {
		c := &p.r.Facts.Certificates[k]
		if c.ID != sr.Chain[0] {
			continue
		}
		if len(c.Revocation) == 0 {
			return words["no-revocation"].in(p.o.Lang)
		}
		last := c.Revocation[len(c.Revocation)-1]
		for i := range p.r.Facts.Revocations {
			rev := &p.r.Facts.Revocations[i]
			if rev.ID == last.Revocation {
				origin := words["in-file"]
				if rev.Origin == facts.OriginFetched || rev.Origin == facts.OriginStore {
					origin = words["outside"]
				}
				v := statuses[last.Status].in(p.o.Lang)
				if last.RevokedAt != nil {
					v += " " + p.moment(*last.RevokedAt)
				}
				return fmt.Sprintf("%s, %s %s (%s)", v, rev.Kind, p.moment(rev.ProducedAt), origin.in(p.o.Lang))
			}
		}
	}
	return ""
}

// moment writes a time in the zone asked for, with its offset.
func (p *printer) moment(t time.Time) string {
	if p.o.Zone == nil {
		return t.Format(stampLayout)
	}
	return t.In(p.o.Zone).Format(stampLayout + " -07:00")
}

func count(blocks []signature.Block) (yes, all int) {
	for _, b := range blocks {
		for _, c := range b.Checks {
			all++
			if c.Status == signature.StatusOK {
				yes++
			}
		}
		y, a := count(b.Blocks)
		yes, all = yes+y, all+a
	}
	return
}

func (p *printer) tree(sr *signature.SignatureReport) {
	var walk func(blocks []signature.Block, indent string)
	walk = func(blocks []signature.Block, indent string) {
		for _, b := range blocks {
			p.print("%s%s: %s", indent, Block(b.Name, p.o.Lang), b.Conclusion.Indication)
			if b.Conclusion.SubIndication != "" {
				p.print(" / %s", b.Conclusion.SubIndication)
			}
			p.print("\n")
			for _, c := range b.Checks {
				p.print("%s  %s %s", indent, answer(c.Status, p.o), Question(c.Name, p.o.Lang))
				if c.Detail != "" {
					p.print(" — %s", Escape(c.Detail))
				}
				p.print("\n")
			}
			walk(b.Blocks, indent+"  ")
		}
	}
	walk(sr.Blocks, "  ")
	for i := range p.r.Report.Timestamps {
		t := &p.r.Report.Timestamps[i]
		if t.Signature == sr.ID {
			p.print("  %s %s %s\n", words["stamp"].in(p.o.Lang), t.Type, t.Time.Format(time.RFC3339))
			walk(t.Blocks, "    ")
		}
	}
}

func answer(s signature.Status, o Options) string {
	m := map[signature.Status][2]string{
		signature.StatusOK: {"✔", "+"}, signature.StatusNotOK: {"✘", "x"}, signature.StatusWarning: {"!", "!"},
		signature.StatusInfo: {"i", "i"}, signature.StatusIgnored: {"–", "-"},
	}[s]
	if o.ASCII {
		return m[1]
	}
	return m[0]
}

func escapeAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = Escape(s)
	}
	return out
}

// Escape makes text from a file safe for a terminal: control characters and
// bidirectional overrides are written out.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
