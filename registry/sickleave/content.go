package sickleave

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/jcs"
)

// Coding is a code of a dictionary.
type Coding struct {
	System string `json:"system"`
	Code   string `json:"code"`
}

// Concept is a code as documents write it.
type Concept struct {
	Coding []Coding `json:"coding"`
	Text   string   `json:"text,omitempty"`
}

// conceptOf writes a code.
func conceptOf(system, code string) Concept { return Concept{Coding: []Coding{{system, code}}} }

// Reference names a resource: bare, without an identifier around it (ЕСОЗ 2.1).
type Reference struct {
	Type  Concept     `json:"type"`
	Value registry.ID `json:"value"`
}

func referenceTo(resource string, id registry.ID) Reference {
	return Reference{conceptOf(ResourcesDictionary, resource), id}
}

// Marked is a period in its markers.
type Marked struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Event is the period of validity.
type Event struct {
	Code   Concept `json:"code"`
	Period Marked  `json:"period"`
}

// Section tells who is off work.
type Section struct {
	Focus Reference `json:"focus"`
}

// Extension is one flag or value: its code, and the value under the name of its type.
type Extension struct {
	Code    string        `json:"valueCode"`
	Boolean bool          `json:"valueBoolean,omitempty"`
	String  string        `json:"valueString,omitempty"`
	Date    registry.Date `json:"valueDate,omitzero"`
	UUID    registry.ID   `json:"valueUuid,omitzero"`
}

// Relation points to the conclusion that this one continues or replaces.
type Relation struct {
	Code   string    `json:"code"`
	Target Reference `json:"targetIdentifier"`
}

// Input is the body of "create".
type Input struct {
	Type       Concept     `json:"type"`
	Category   Concept     `json:"category"`
	Event      []Event     `json:"event"`
	Subject    Reference   `json:"subject"`
	Encounter  Reference   `json:"encounter"`
	Author     Reference   `json:"author"`
	Section    Section     `json:"section"`
	Extensions []Extension `json:"extension,omitempty"`
	RelatesTo  *Relation   `json:"relatesTo,omitempty"`
}

// relation is code and target of what the input relates to.
func (in *Input) relation() (code string, target registry.ID) {
	if in.RelatesTo == nil {
		return "", registry.ID{}
	}
	return in.RelatesTo.Code, in.RelatesTo.Target.Value
}

func (in *Input) category() string { return in.Category.Coding[0].Code }

// Codes of extensions.
const (
	AuthorizeWith = "AUTHORIZE_WITH" // the older name of INFORM_WITH
	InformWith    = "INFORM_WITH"
	IsAccident    = "IS_ACCIDENT"
	IsIntoxicated = "IS_INTOXICATED"
	IsForeign     = "IS_FOREIGN_TREATMENT"
	IsForceRenew  = "IS_FORCE_RENEW"
	Violation     = "TREATMENT_VIOLATION"
	ViolationDate = "TREATMENT_VIOLATION_DATE"
)

// extensionMember is under which name an extension has its value.
var extensionMember = map[string]string{
	AuthorizeWith: "valueUuid", InformWith: "valueUuid", IsAccident: "valueBoolean", IsIntoxicated: "valueBoolean", IsForeign: "valueBoolean",
	IsForceRenew: "valueBoolean", Violation: "valueString", ViolationDate: "valueDate",
}

// flag tells whether an extension is there and true.
func flag(list []Extension, code string) bool {
	return slices.ContainsFunc(list, func(e Extension) bool { return e.Code == code && e.Boolean })
}

func extension(list []Extension, code string) (Extension, bool) {
	i := slices.IndexFunc(list, func(e Extension) bool { return e.Code == code })
	if i < 0 {
		return Extension{}, false
	}
	return list[i], true
}

// wire is Input as document.Decode reads it: relatesTo is a value there.
type wire struct {
	Type       Concept     `json:"type"`
	Category   Concept     `json:"category"`
	Event      []Event     `json:"event"`
	Subject    Reference   `json:"subject"`
	Encounter  Reference   `json:"encounter"`
	Author     Reference   `json:"author"`
	Section    Section     `json:"section"`
	Extensions []Extension `json:"extension"`
	RelatesTo  Relation    `json:"relatesTo"`
}

// decodeInput reads a body: its members first, then the codes that are the
// same for everybody.
func decodeInput(body []byte) (in Input, p Period, err error) {
	related := false
	w, err := document.Decode[wire](body, func(v any) (errs []registry.FieldError) {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		for _, name := range []string{"type", "category", "event", "subject", "encounter", "author", "section"} {
			if _, given := o[name]; !given {
				errs = append(errs, document.Required("$", name))
			}
		}
		if list, ok := o["extension"].([]any); ok {
			errs = append(errs, checkExtensionMembers(list)...)
		}
		_, related = o["relatesTo"]
		return errs
	})
	if err != nil {
		return in, p, err
	}
	in = Input{Type: w.Type, Category: w.Category, Event: w.Event, Subject: w.Subject, Encounter: w.Encounter, Author: w.Author, Section: w.Section, Extensions: w.Extensions}
	if related {
		in.RelatesTo = &w.RelatesTo
	}
	p, err = in.checkCodes()
	return in, p, err
}

// checkExtensionMembers wants each extension once, with the one member its code has.
func checkExtensionMembers(list []any) (errs []registry.FieldError) {
	seen := map[string]bool{}
	for i, e := range list {
		o, ok := e.(map[string]any)
		if !ok {
			continue
		}
		at := "$.extension.[" + strconv.Itoa(i) + "]"
		code, _ := o["valueCode"].(string)
		member, known := extensionMember[code]
		switch {
		case !known:
			errs = append(errs, registry.FieldError{Entry: at + ".valueCode", Rule: "inclusion", Description: "value is not allowed in enum",
				Params: []string{InformWith, AuthorizeWith, IsAccident, IsIntoxicated, IsForeign, IsForceRenew, Violation, ViolationDate}})
			continue
		case seen[code]:
			errs = append(errs, registry.FieldError{Entry: at + ".valueCode", Rule: "unique", Description: "this extension stands twice"})
		}
		seen[code] = true
		if _, given := o[member]; !given {
			errs = append(errs, document.Required(at, member))
		}
		for _, other := range []string{"valueBoolean", "valueString", "valueDate", "valueUuid"} {
			if _, given := o[other]; given && other != member {
				errs = append(errs, document.NotAllowed(at+"."+other))
			}
		}
	}
	return errs
}

// checkCodes holds the codes whose meaning the program itself knows; values of
// dictionaries are for the rules.
func (in *Input) checkCodes() (p Period, err error) {
	for _, c := range []struct {
		at     string
		c      Concept
		system string
		number string // of the national service's refusal of a wrong system
		codes  []string
	}{
		{"$.type", in.Type, TypesDictionary, "1073", []string{Type}},
		{"$.category", in.Category, CategoriesDictionary, "1085", nil},
		{"$.subject.type", in.Subject.Type, ResourcesDictionary, "", []string{"person"}},
		{"$.encounter.type", in.Encounter.Type, ResourcesDictionary, "", []string{"encounter"}},
		{"$.author.type", in.Author.Type, ResourcesDictionary, "", []string{"employee"}},
		{"$.section.focus.type", in.Section.Focus.Type, ResourcesDictionary, "", []string{"person"}},
	} {
		if err := checkConcept(c.at, c.c, c.system, c.number, c.codes); err != nil {
			return p, err
		}
	}
	for _, r := range []struct {
		at    string
		value registry.ID
	}{{"$.subject.value", in.Subject.Value}, {"$.encounter.value", in.Encounter.Value}, {"$.author.value", in.Author.Value}, {"$.section.focus.value", in.Section.Focus.Value}} {
		if r.value.IsZero() {
			return p, field(r.at, "required", "required property value was not present")
		}
	}
	if len(in.Event) != 1 {
		return p, field("$.event", "length", "expected exactly one event, the period of validity")
	}
	if err := checkConcept("$.event.[0].code", in.Event[0].Code, EventsDictionary, "", []string{validityPeriod}); err != nil {
		return p, err
	}
	if p.Start, err = parseMarker(in.Event[0].Period.Start, startMarker); err != nil {
		return p, field("$.event.[0].period.start", "datetime", "expected YYYY-MM-DD"+startMarker+": the day and the marker of its beginning, in no time zone")
	}
	if p.End, err = parseMarker(in.Event[0].Period.End, endMarker); err != nil {
		return p, field("$.event.[0].period.end", "datetime", "expected YYYY-MM-DD"+endMarker+": the day and the marker of its end, in no time zone")
	}
	if p.End.Before(p.Start) {
		return p, field("$.event.[0].period.end", "invalid", "the period ends before it begins; one day is allowed")
	}
	if in.RelatesTo != nil {
		if in.RelatesTo.Code != Appends && in.RelatesTo.Code != Replaces {
			return p, field("$.relatesTo.code", "inclusion", "value is not allowed in enum", Appends, Replaces)
		}
		if err := checkConcept("$.relatesTo.targetIdentifier.type", in.RelatesTo.Target.Type, ResourcesDictionary, "", []string{"composition"}); err != nil {
			return p, err
		}
		if in.RelatesTo.Target.Value.IsZero() {
			return p, field("$.relatesTo.targetIdentifier.value", "required", "required property value was not present")
		}
	}
	return p, nil
}

func checkConcept(at string, c Concept, system, number string, codes []string) error {
	switch {
	case len(c.Coding) != 1:
		return field(at+".coding", "length", "expected exactly one coding")
	case c.Coding[0].System != system:
		return field(at+".coding.[0].system", "inclusion", "the coding system must be "+system, system).WithReason(number)
	case codes != nil && !slices.Contains(codes, c.Coding[0].Code):
		return field(at+".coding.[0].code", "inclusion", "value is not allowed in enum", codes...)
	}
	return nil
}

func field(entry, rule, text string, params ...string) *registry.Error {
	return registry.Invalid(registry.FieldError{Entry: entry, Rule: rule, Description: text, Params: params})
}

// Document is a conclusion as it is signed, but for what belongs to the signing.
type Document struct {
	Input
	Title     string    `json:"title"` // the number
	Date      time.Time `json:"date"`  // when it was drafted
	Custodian Reference `json:"custodian"`
	Names     Names     `json:"names"`
}

// Content is the document the author signs.
type Content struct {
	Document
	ID            registry.ID `json:"id"` // of the request
	CompositionID registry.ID `json:"composition_id"`
	Status        string      `json:"status"`
	Printout      string      `json:"content"`
	Seed          string      `json:"seed"`
}

// decodeContent reads a signed document and refuses unknown members.
func decodeContent(b []byte) (Content, error) {
	if _, err := jcs.Parse(b); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c Content
	if err := d.Decode(&c); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not a medical conclusion").WithCause(err)
	}
	return c, nil
}
