package connector

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/verification"
	"mist/soap"
)

// ResultCodes of the civil register (ЕСОЗ 3.4). A business failure is an answer
// there, not a fault.
const (
	dracsDone       = "0"
	dracsInternal   = "1"
	dracsNotAllowed = "2"
	dracsSeveral    = "3"
	dracsMissing    = "4"
	dracsIncorrect  = "5"
)

// maxResultData bounds the document in an answer, in bytes.
const maxResultData = 16 << 20

type dracsAnswer struct {
	ResultCode string `xml:"ResultCode"`
	ResultData string `xml:"ResultData"`
}

// data gives the document of an answer.
func (a dracsAnswer) data() ([]byte, error) {
	switch code := strings.TrimSpace(a.ResultCode); code {
	case dracsDone:
	case dracsInternal:
		return nil, errors.New("the register answers with its own failure, result code 1")
	case dracsNotAllowed, dracsSeveral, dracsMissing, dracsIncorrect:
		return nil, outbox.Refused(code, fmt.Errorf("the register refuses, result code %s", code))
	default:
		return nil, outbox.Rubbish(errors.New("the answer has a result code that nobody knows"))
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(a.ResultData), ""))
	if err != nil || len(b) > maxResultData {
		return nil, outbox.Rubbish(errors.New("the answer's data are no base64, or too large"))
	}
	return b, nil
}

// Names of the document inside ResultData. Members of records are attested
// (ЕСОЗ 3.4); the names of list and record are ours.
const (
	deathRecord      = "DeathAct"
	birthRecord      = "BirthAct"
	changeNameRecord = "ChangeNameAct"
)

type deathXML struct {
	RegDate    string `xml:"ar_reg_date"`
	RegNumber  string `xml:"ar_reg_number"`
	Name       string `xml:"name"`
	Surname    string `xml:"surname"`
	Patronymic string `xml:"patronymic"`
	DateBirth  string `xml:"date_birth"`
	Numident   string `xml:"numident"`
	DateDeath  string `xml:"date_death"`
}

type birthXML struct {
	RegDate      string   `xml:"ar_reg_date"`
	RegNumber    string   `xml:"ar_reg_number"`
	Name         string   `xml:"child_name"`
	Surname      string   `xml:"child_surname"`
	Patronymic   string   `xml:"child_patronymic"`
	DateBirth    string   `xml:"child_date_birth"`
	Certificates []string `xml:"certificates>certificate"`
}

type changeNameXML struct {
	RegDate       string `xml:"ar_reg_date"`
	RegNumber     string `xml:"ar_reg_number"`
	DateBirth     string `xml:"date_birth"`
	Numident      string `xml:"numident"`
	OldSurname    string `xml:"old_surname"`
	OldName       string `xml:"old_name"`
	OldPatronymic string `xml:"old_patronymic"`
	NewSurname    string `xml:"new_surname"`
	NewName       string `xml:"new_name"`
	NewPatronymic string `xml:"new_patronymic"`
}

// records reads the document inside ResultData: a root with records of one
// name, in UTF-8 or windows-1251, bounded in number and depth. Members nobody
// asked for are passed over: the register tells more than we need.
func records[T any](doc []byte, name string) (list []T, err error) {
	rubbish := func(text string) error { return outbox.Rubbish(errors.New("the answer's document " + text)) }
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil, nil
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Strict = true
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		text, ok := soap.DecodeCharset(b, label)
		if !ok {
			return nil, errors.New("an encoding that nobody knows")
		}
		return bytes.NewReader(text), nil
	}
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, rubbish("is no XML")
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, rubbish("has a document type declaration")
		case xml.StartElement:
			if depth++; depth == 1 {
				continue
			}
			if depth != 2 || t.Name.Local != name {
				return nil, rubbish("has an element that is no record")
			}
			if len(list) == verification.MaxRecords {
				return nil, rubbish("has too many records")
			}
			var v T
			if err := d.DecodeElement(&v, &t); err != nil {
				return nil, rubbish("has a record that cannot be read")
			}
			list = append(list, v)
			depth--
		case xml.EndElement:
			depth--
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, rubbish("has text between its records")
			}
		}
	}
	if depth != 0 {
		return nil, rubbish("is cut")
	}
	return list, nil
}

// maxName bounds a text of a record, in characters.
const maxName = 200

func text(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > maxName || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == utf8.RuneError }) {
		return ""
	}
	return s
}

// day reads a day as the civil register writes them: its dates are text. What
// is none is left empty, for people to look at.
func day(s string) registry.Date {
	s = strings.TrimSpace(s)
	for _, layout := range []string{"2006-01-02", "02.01.2006", "2006-01-02T15:04:05", "02.01.2006 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() >= 1850 && t.Year() <= 2200 {
			return registry.DateOf(t)
		}
	}
	return registry.Date{}
}

// taxNumber is a number with a right check digit, or nothing.
func taxNumber(s string) string {
	if n := registry.RNOKPP(strings.TrimSpace(s)); n.Valid() {
		return string(n)
	}
	return ""
}

// DRACS is the services of the civil register.
func DRACS() (Services, error) {
	c, err := load("dracs")
	if err != nil {
		return nil, err
	}
	const action = "http://tempuri.org/"
	type period struct {
		From string `xml:"DateFrom"`
		To   string `xml:"DateTo"`
	}
	byPeriod := func(q verification.Period) any { return period{q.From.String(), q.To.String()} }
	deaths := func(a dracsAnswer) (any, error) {
		doc, err := a.data()
		if err != nil {
			return nil, err
		}
		list, err := records[deathXML](doc, deathRecord)
		out := verification.DeathList{Records: []verification.DeathRecord{}}
		for _, x := range list {
			out.Records = append(out.Records, verification.DeathRecord{
				RegNumber: text(x.RegNumber), RegDate: day(x.RegDate), LastName: text(x.Surname), FirstName: text(x.Name), SecondName: text(x.Patronymic),
				BirthDate: day(x.DateBirth), DeathDate: day(x.DateDeath), TaxID: taxNumber(x.Numident),
			})
		}
		return out, err
	}
	return Services{
		verification.DeathsByPeriod: service(c, string(verification.DeathsByPeriod), action+string(verification.DeathsByPeriod), soap.V11, byPeriod, deaths),
		verification.DeathByName: service(c, string(verification.DeathByName), action+string(verification.DeathByName), soap.V11, func(q verification.NameQuery) any {
			return struct {
				Surname    string `xml:"Surname"`
				Name       string `xml:"Name"`
				Patronymic string `xml:"Patronymic,omitempty"`
				DateBirth  string `xml:"DateBirth"`
			}{q.LastName, q.FirstName, q.SecondName, q.BirthDate.String()}
		}, deaths),
		verification.BirthByName: service(c, string(verification.BirthByName), action+string(verification.BirthByName), soap.V11, func(q verification.NameQuery) any {
			return struct {
				Surname    string `xml:"ChildSurname"`
				Name       string `xml:"ChildName"`
				Patronymic string `xml:"ChildPatronymic,omitempty"`
				DateBirth  string `xml:"ChildDateBirth"`
			}{q.LastName, q.FirstName, q.SecondName, q.BirthDate.String()}
		}, func(a dracsAnswer) (any, error) {
			doc, err := a.data()
			if err != nil {
				return nil, err
			}
			list, err := records[birthXML](doc, birthRecord)
			out := verification.Births{Records: []verification.BirthRecord{}}
			for _, x := range list {
				b := verification.BirthRecord{RegNumber: text(x.RegNumber), RegDate: day(x.RegDate), LastName: text(x.Surname), FirstName: text(x.Name), SecondName: text(x.Patronymic), BirthDate: day(x.DateBirth)}
				for _, n := range x.Certificates[:min(len(x.Certificates), 20)] {
					b.Certificates = append(b.Certificates, text(n))
				}
				out.Records = append(out.Records, b)
			}
			return out, err
		}),
		verification.NameChangesByPeriod: service(c, string(verification.NameChangesByPeriod), action+string(verification.NameChangesByPeriod), soap.V11, byPeriod, func(a dracsAnswer) (any, error) {
			doc, err := a.data()
			if err != nil {
				return nil, err
			}
			list, err := records[changeNameXML](doc, changeNameRecord)
			out := verification.NameChanges{Records: []verification.NameChangeRecord{}}
			for _, x := range list {
				out.Records = append(out.Records, verification.NameChangeRecord{
					RegNumber: text(x.RegNumber), RegDate: day(x.RegDate), BirthDate: day(x.DateBirth), TaxID: taxNumber(x.Numident),
					OldLastName: text(x.OldSurname), OldFirstName: text(x.OldName), OldSecondName: text(x.OldPatronymic),
					NewLastName: text(x.NewSurname), NewFirstName: text(x.NewName), NewSecondName: text(x.NewPatronymic),
				})
			}
			return out, err
		}),
	}, nil
}
