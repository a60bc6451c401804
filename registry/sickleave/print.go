package sickleave

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	"mist/registry"
	"mist/registry/composition"
)

// categoryWords are the categories as the printed form names them.
var categoryWords = map[string]string{
	Sickness: "Захворювання або травма загального характеру", ChildCare: "Догляд за хворою дитиною", FamilyCare: "Догляд за хворим членом сімʼї",
	ParentalCare: "Догляд за дитиною на час хвороби того, хто за нею доглядає", Pregnancy: "Вагітність та пологи", "QUARANTINE": "Карантин",
	"COVID19": "Самоізоляція або обсервація, SARS-CoV-2", "TEMP_TRANSFER": "Тимчасове переведення на легшу роботу",
	"PROSTHETIC": "Ортопедичне протезування", "RESTORATION": "Лікування в санаторно-курортному закладі",
}

// CategoryWord names a category in Ukrainian.
func CategoryWord(category string) string { return categoryWords[category] }

// statusWords tell a reader of the paper what it is worth.
var statusWords = map[composition.Status]string{
	composition.Preliminary: "ПРОЄКТ, НЕ ПІДПИСАНО", composition.Final: "Чинний", composition.Amended: "ЗАМІНЕНО ІНШИМ ВИСНОВКОМ", composition.EnteredInError: "СКАСОВАНО",
}

// StatusWord names a state in Ukrainian.
func StatusWord(s composition.Status) string { return statusWords[s] }

// form is what the printed form shows.
type form struct {
	Number, Category, Status string
	Valid                    bool
	Period                   Period
	Names                    Names
	Care                     bool
	Flags                    []string
	Related                  string
	Signed                   registry.Date
	Days                     int
}

// printout is a page and, printed, one sheet of paper. html/template escapes
// every value, so names can never become markup. It holds no script, and no
// diagnosis: an employer reads it.
var printout = template.Must(template.New("sick_leave").Funcs(template.FuncMap{"day": ukrainianDay}).Parse(`<!DOCTYPE html>
<html lang="uk"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Медичний висновок {{.Number}}</title>
<style>body{font:16px/1.5 serif;max-width:42em;margin:2em auto;padding:0 1em}dt{font-weight:bold}dd{margin:0 0 .6em}.state{border:2px solid;padding:.3em .6em;font-weight:bold}@page{size:A4;margin:20mm}@media print{body{margin:0;max-width:none}}</style></head><body>
<h1>Медичний висновок про тимчасову непрацездатність</h1>
<p>№ <strong>{{.Number}}</strong></p>
{{- if not .Valid}}
<p class="state">{{.Status}}</p>
{{- end}}
<dl>
<dt>Тимчасово непрацездатна особа</dt><dd>{{.Names.Focus}}, {{day .Names.FocusBirthDate}}</dd>
{{- if .Care}}
<dt>Пацієнт</dt><dd>{{.Names.Subject}}, {{day .Names.SubjectBirthDate}}</dd>
{{- end}}
<dt>Категорія</dt><dd>{{.Category}}</dd>
<dt>Період</dt><dd>з {{day .Period.Start}} до {{day .Period.End}} включно, днів: {{.Days}}</dd>
{{- with .Related}}
<dt>Звʼязок</dt><dd>{{.}}</dd>
{{- end}}
{{- range .Flags}}
<dt>Відмітка</dt><dd>{{.}}</dd>
{{- end}}
<dt>Лікар</dt><dd>{{.Names.Author}}</dd>
<dt>Заклад</dt><dd>{{.Names.LegalEntity}}, ЄДРПОУ {{.Names.EDRPOU}}; {{.Names.Address}}</dd>
{{- if .Signed.Year}}
<dt>Підписано</dt><dd>{{day .Signed}} кваліфікованим електронним підписом лікаря</dd>
{{- end}}
</dl>
<p>Електронний листок непрацездатності формує Пенсійний фонд України за цим висновком. Чинність висновку можна перевірити за його номером.</p>
</body></html>
`))

func ukrainianDay(d registry.Date) string {
	return fmt.Sprintf("%02d.%02d.%04d", d.Day, d.Month, d.Year)
}

var flagWords = map[string]string{
	IsAccident: "Нещасний випадок", IsIntoxicated: "Стан спʼяніння", IsForeign: "Лікування за кордоном", IsForceRenew: "Новий випадок",
	Violation: "Порушення режиму", ViolationDate: "Дата порушення режиму",
}

// printed renders a leave in its state.
func printed(l *Leave) (string, error) {
	f := form{Number: l.Title, Category: categoryWords[l.Category], Status: statusWords[l.Status], Valid: l.Status == composition.Final,
		Period: l.Period, Days: l.Period.Days(), Names: l.Names, Care: care(l.Category)}
	if !l.SignedAt.IsZero() {
		f.Signed = Day(l.SignedAt)
	}
	switch l.Relation {
	case Appends:
		f.Related = "продовження попереднього висновку"
	case Replaces:
		f.Related = "замість попереднього висновку"
	}
	for _, e := range l.Extensions {
		word, shown := flagWords[e.Code]
		switch {
		case !shown || extensionMember[e.Code] == "valueBoolean" && !e.Boolean:
		case e.Code == ViolationDate:
			f.Flags = append(f.Flags, word+": "+ukrainianDay(e.Date))
		default:
			f.Flags = append(f.Flags, word)
		}
	}
	var b bytes.Buffer
	if err := printout.Execute(&b, f); err != nil {
		return "", fmt.Errorf("rendering the printed form: %w", err)
	}
	return b.String(), nil
}

func fullName(last, first, second string) string {
	return strings.Join(strings.Fields(last+" "+first+" "+second), " ")
}
