package explain

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mist/signature"
	"mist/signature/facts"
)

// Protocol is the record of a verification that is printed and filed («Протокол
// перевірки електронного підпису»), in words: pages and the PDF draw the same.
type Protocol struct {
	Lang     string // uk or en
	Title    string
	Verdict  Verdict
	Sections []Section // the file, each signature, how it was checked
	Note     string
	Moment   time.Time // of the validation
	Digest   string    // of the report
}

// Verdict is an indication with its word and sentences.
type Verdict struct {
	Indication signature.Indication
	Word, Term string // «ЧИННИЙ», TOTAL-PASSED
	Why        string
	Advice     string
}

// Section has a heading, for a signature its verdict, and rows.
type Section struct {
	Heading string
	Verdict *Verdict
	Rows    []Row
}

// Row is a label with its value. Code says that the value is a digest or number
// that is copied by the letter.
type Row struct {
	Label, Value string
	Code         bool
}

var record = map[string]lang{
	"title":       {"Протокол перевірки електронного підпису", "Record of the verification of an electronic signature"},
	"file":        {"Файл", "File"},
	"name":        {"Назва файлу", "File name"},
	"size":        {"Розмір", "Size"},
	"bytes":       {"%s байт", "%s bytes"},
	"container":   {"Вид підписаного файлу", "Kind of signed file"},
	"signatures":  {"Підписів у файлі", "Signatures in the file"},
	"of":          {"Підпис %d з %d", "Signature %d of %d"},
	"counter-of":  {"Підпис %d з %d, засвідчувальний", "Signature %d of %d, a counter-signature"},
	"person":      {"Підписувач", "Signer"},
	"position":    {"Посада", "Position"},
	"country":     {"Країна", "Country"},
	"passport":    {"Номер документа", "Document number"},
	"kind":        {"Вид підпису", "Kind of signature"},
	"claimed":     {"Час підпису (заявлено)", "Time of signing (claimed)"},
	"stamped":     {"Час за позначкою часу", "Time by time-stamp"},
	"stamped-by":  {"%s, надавач: %s", "%s, authority: %s"},
	"no-stamp":    {"позначки часу немає, час не доведено", "there is no time-stamp, the time is not proven"},
	"issuer":      {"Сертифікат видав", "Certificate issued by"},
	"serial":      {"Серійний номер сертифіката", "Serial number of the certificate"},
	"valid":       {"Строк сертифіката", "Certificate's period"},
	"from-to":     {"з %s до %s", "from %s to %s"},
	"certificate": {"Вид сертифіката", "Kind of certificate"},
	"qualified":   {"кваліфікований", "qualified"},
	"unqualified": {"не зазначено, що кваліфікований", "not said to be qualified"},
	"device":      {"Носій особистого ключа", "Holder of the private key"},
	"qscd":        {"засіб кваліфікованого електронного підпису", "qualified signature creation device"},
	"no-qscd":     {"про кваліфікований засіб у сертифікаті не сказано", "the certificate names no qualified device"},
	"algorithm":   {"Алгоритм підпису", "Signature algorithm"},
	"form":        {"Формат і рівень", "Format and level"},
	"signed":      {"Підписано", "What is signed"},
	"content":     {"вміст", "content"},
	"check":       {"Як перевірено", "How it was checked"},
	"moment":      {"Час перевірки", "Time of the verification"},
	"policy":      {"Політика перевірки", "Validation policy"},
	"policy-hash": {"Відбиток політики", "Digest of the policy"},
	"table":       {"Таблиця алгоритмів", "Algorithm table"},
	"material":    {"Матеріал довіри", "Trust material"},
	"facts":       {"Відбиток фактів", "Digest of the facts"},
	"report":      {"Відбиток звіту", "Digest of the report"},
	"program":     {"Програма", "Program"},
	"note": {"Протокол повторює висновок програми за ETSI EN 319 102-1 на зазначений час. Хто має файл, може перевірити його знову: mist-verify ФАЙЛ --trust ТЕКА.",
		"The record repeats the program's conclusion by ETSI EN 319 102-1 at the time given. Whoever has the file can verify it again: mist-verify FILE --trust FOLDER."},
}

// NewProtocol puts a result into rows; program is who checked.
func NewProtocol(r *signature.Result, program string, o Options) Protocol {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	p := &printer{o: o, r: r}
	w := func(key string) string { return record[key].in(o.Lang) }
	doc := r.Facts.Document
	out := Protocol{Lang: o.Lang, Title: w("title"), Note: w("note"), Moment: r.Report.Time, Digest: r.Report.Digest(), Verdict: p.judged(r.Indication, "", "")}
	if len(r.Signatures) > 0 && r.Indication != signature.TotalPassed {
		for _, s := range r.Signatures {
			if s.Indication == r.Indication {
				out.Verdict = p.judged(r.Indication, s.SubIndication, s.Reason)
				break
			}
		}
	}
	file := Section{Heading: w("file")}
	file.add(w("name"), Escape(doc.Name), false)
	file.add(w("size"), fmt.Sprintf(w("bytes"), thousands(doc.Size)), false)
	file.add("SHA-256", hex.EncodeToString(doc.SHA256), true)
	file.add(w("container"), doc.Format, false)
	if len(r.Signatures) != 1 {
		file.add(w("signatures"), strconv.Itoa(len(r.Signatures)), false)
	}
	file.add(words["unsigned"].in(o.Lang), strings.Join(escapeAll(r.UnsignedParts), ", "), false)
	out.Sections = append(out.Sections, file)
	for i := range r.Signatures {
		out.Sections = append(out.Sections, p.section(i, w))
	}
	check := Section{Heading: w("check")}
	check.add(w("moment"), p.moment(r.Report.Time), false)
	check.add(w("policy"), r.Report.Policy.ID+", "+r.Report.Policy.Version, false)
	check.add(w("policy-hash"), r.Report.Policy.Digest, true)
	check.add(w("table"), r.Report.Algorithms, false)
	check.add(w("material"), r.Facts.TrustVersion, true)
	check.add(w("facts"), r.Report.Facts, true)
	check.add(w("report"), out.Digest, true)
	check.add(w("program"), program, false)
	out.Sections = append(out.Sections, check)
	return out
}

func (s *Section) add(label, value string, code bool) {
	if value != "" {
		s.Rows = append(s.Rows, Row{label, value, code})
	}
}

func (p *printer) judged(i signature.Indication, sub signature.SubIndication, reason string) Verdict {
	v := Verdict{Indication: i, Word: verdicts[i].in(p.o.Lang), Term: string(i)}
	if i == signature.NoSignatureFound {
		v.Why = words["no-signature"].in(p.o.Lang)
	}
	if sub != "" {
		v.Term += " / " + string(sub)
		v.Why, v.Advice = Reason(sub, p.o.Lang)
		if reason != "" && reason != string(sub) {
			v.Term += " (" + Escape(reason) + ")"
		}
	}
	return v
}

func (p *printer) section(i int, w func(string) string) Section {
	s, sr, f := &p.r.Signatures[i], &p.r.Report.Signatures[i], &p.r.Facts.Signatures[i]
	heading := w("of")
	if s.Parent != "" {
		heading = w("counter-of")
	}
	v := p.judged(s.Indication, s.SubIndication, s.Reason)
	out := Section{Heading: fmt.Sprintf(heading, i+1, len(p.r.Signatures)), Verdict: &v}
	c := p.certificate(f.SigningCertificate.Certificate)
	p.whom(&out, s, c, w)
	out.add(w("kind"), p.kind(s), false)
	if s.ClaimedSigningTime != nil {
		out.add(w("claimed"), p.moment(*s.ClaimedSigningTime), false)
	}
	stamped := w("no-stamp")
	if s.BestSignatureTime != nil {
		stamped = p.moment(*s.BestSignatureTime)
		if tsa := p.authority(sr.ProvenBy); tsa != "" {
			stamped = fmt.Sprintf(w("stamped-by"), stamped, tsa)
		}
	}
	out.add(w("stamped"), stamped, false)
	if c != nil {
		out.add(w("issuer"), p.issuer(c), false)
		out.add(w("serial"), s.Signer.Serial, true)
		out.add(w("valid"), fmt.Sprintf(w("from-to"), p.moment(c.NotBefore), p.moment(c.NotAfter)), false)
		kind, device := "unqualified", "no-qscd"
		if c.Ext.QC.Compliance || c.Ext.QC.UA {
			kind = "qualified"
		}
		if c.Ext.QC.SSCD {
			device = "qscd"
		}
		out.add(w("certificate"), w(kind), false)
		out.add(w("device"), w(device), false)
	}
	out.add(w("algorithm"), algorithm(s.Algorithm, p.o.Lang), false)
	out.add(w("form"), strings.Replace(s.Level, "BASELINE-", "", 1), false)
	for _, sc := range f.Scopes {
		name := Escape(sc.Name)
		if name == "" {
			name = w("content")
		}
		if sc.Kind != facts.ScopeFull {
			name += " (" + scopes[sc.Kind].in(p.o.Lang) + ")"
		}
		value := name + ", " + fmt.Sprintf(w("bytes"), thousands(sc.Size))
		if len(sc.SHA256) > 0 {
			value += ", SHA-256 " + hex.EncodeToString(sc.SHA256)
		}
		out.add(w("signed"), value, false)
	}
	out.add(words["revocation"].in(p.o.Lang), p.revocation(sr), false)
	out.add(words["trust"].in(p.o.Lang), p.trust(sr), false)
	for _, code := range s.Warnings {
		out.add(words["warning"].in(p.o.Lang), warning(code, p.o.Lang), false)
	}
	return out
}

// whom are the rows about the person or organisation, as the certificate shows
// them.
func (p *printer) whom(out *Section, s *signature.SignatureResult, c *facts.Certificate, w func(string) string) {
	g := s.Signer
	name := strings.TrimSpace(g.Surname + " " + g.GivenName)
	if name == "" {
		name = g.CommonName
	}
	out.add(w("person"), Escape(name), false)
	number := words["rnokpp"].in(p.o.Lang)
	if g.RNOKPPForm != "" && g.RNOKPPForm != "tax-id" {
		number = w("passport")
	}
	out.add(number, p.id(g.RNOKPP), true)
	out.add(words["unzr"].in(p.o.Lang), p.id(g.UNZR), true)
	out.add(w("position"), Escape(g.Title), false)
	out.add(words["organization"].in(p.o.Lang), Escape(g.Organization), false)
	out.add(words["edrpou"].in(p.o.Lang), Escape(g.EDRPOU), true)
	if c != nil {
		out.add(w("country"), Escape(c.Identity.Country), false)
	}
}

func (p *printer) certificate(id string) *facts.Certificate {
	for i := range p.r.Facts.Certificates {
		if c := &p.r.Facts.Certificates[i]; c.ID == id {
			return c
		}
	}
	return nil
}

// issuer names the authority: by the certificate it has, else as written.
func (p *printer) issuer(c *facts.Certificate) string {
	if by := p.certificate(c.IssuerID); by != nil && by.Identity.CommonName != "" {
		return Escape(by.Identity.CommonName)
	}
	return Escape(c.Issuer)
}

// authority is who signed a time-stamp.
func (p *printer) authority(id string) string {
	for i := range p.r.Facts.Timestamps {
		if t := &p.r.Facts.Timestamps[i]; t.ID == id {
			if c := p.certificate(t.Signer.Certificate); c != nil {
				return Escape(c.Identity.CommonName)
			}
		}
	}
	return ""
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s
}
