package declaration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"

	"mist/registry"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Content is the document the doctor signs: the snapshot of everybody
// concerned, the printed form the patient saw, the number and the seed that
// pins the audit log's past. Field names: domain notes 1.3.
type Content struct {
	ID            registry.ID         `json:"id"`
	DeclarationID registry.ID         `json:"declaration_id"`
	Number        string              `json:"declaration_number"`
	Status        string              `json:"status"`
	Scope         string              `json:"scope"`
	Channel       string              `json:"channel"`
	StartDate     registry.Date       `json:"start_date"`
	EndDate       registry.Date       `json:"end_date"`
	Person        patient.Person      `json:"person"`
	Employee      EmployeeSnapshot    `json:"employee"`
	Division      DivisionSnapshot    `json:"division"`
	LegalEntity   LegalEntitySnapshot `json:"legal_entity"`
	Overlimit     bool                `json:"overlimit,omitempty"`
	ParentID      registry.ID         `json:"parent_declaration_id,omitzero"`
	Printout      string              `json:"content"`
	Seed          string              `json:"seed"`
}

// EmployeeSnapshot is the doctor as of the draft.
type EmployeeSnapshot struct {
	ID         registry.ID   `json:"id"`
	Position   string        `json:"position"`
	Speciality string        `json:"speciality"`
	Party      PartySnapshot `json:"party"`
}

// PartySnapshot is the person behind the employee.
type PartySnapshot struct {
	ID         registry.ID `json:"id"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
	TaxID      string      `json:"tax_id"`
	Email      string      `json:"email,omitempty"`
	Phones     []prm.Phone `json:"phones,omitempty"`
}

// DivisionSnapshot is the place of service as of the draft.
type DivisionSnapshot struct {
	ID      registry.ID `json:"id"`
	Name    string      `json:"name"`
	Type    string      `json:"type"`
	Address string      `json:"address"`
	Phones  []prm.Phone `json:"phones,omitempty"`
}

// LegalEntitySnapshot is the provider as of the draft.
type LegalEntitySnapshot struct {
	ID      registry.ID     `json:"id"`
	Name    string          `json:"name"`
	EDRPOU  registry.EDRPOU `json:"edrpou"`
	Type    string          `json:"type"`
	Address string          `json:"address"`
	Licence prm.Licence     `json:"licenses"`
}

// newContent takes the snapshot. Status and patient_signed already have the
// values they must have in the signed document.
func newContent(p patient.Person, e prm.Employee, d prm.Division, l prm.LegalEntity) Content {
	p.PatientSigned = true
	p.Secret = "" // a secret word that every clinic reads is none
	return Content{
		Status: statusDocApproved, Scope: ScopeFamilyDoctor, Channel: ChannelMIS,
		Person: p,
		Employee: EmployeeSnapshot{ID: e.ID, Position: e.Position, Speciality: e.Speciality, Party: PartySnapshot{
			ID: e.Party.ID, LastName: e.Party.LastName, FirstName: e.Party.FirstName, SecondName: e.Party.SecondName,
			TaxID: e.Party.TaxID, Email: e.Party.Email, Phones: e.Party.Phones,
		}},
		Division:    DivisionSnapshot{ID: d.ID, Name: d.Name, Type: d.Type, Address: d.Address, Phones: d.Phones},
		LegalEntity: LegalEntitySnapshot{ID: l.ID, Name: l.Name, EDRPOU: l.EDRPOU, Type: l.Type, Address: l.Address, Licence: l.Licence},
	}
}

// ToBeSigned gives the exact bytes to sign: RFC 8785 form.
func (c Content) ToBeSigned() ([]byte, error) { return jcs.Marshal(c) }

// signedContent is what becomes of the signed document in the registry.
type signedContent struct {
	Number    string
	Scope     string
	StartDate registry.Date
	EndDate   registry.Date
	Overlimit bool
	ParentID  registry.ID
	Seed      string
	Person    struct {
		TaxID   string
		NoTaxID bool
	}
}

// decodeContent reads a signed document that is not byte for byte the frozen
// one, and refuses unknown members.
func decodeContent(b []byte) (Content, error) {
	if _, err := jcs.Parse(b); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not acceptable JSON").WithCause(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c Content
	if err := d.Decode(&c); err != nil {
		return Content{}, registry.Errorf(registry.CodeMalformed, "signed content is not a declaration document").WithCause(err)
	}
	return c, nil
}

func (c Content) signed() signedContent {
	out := signedContent{Number: c.Number, Scope: c.Scope, StartDate: c.StartDate, EndDate: c.EndDate, Overlimit: c.Overlimit, ParentID: c.ParentID, Seed: c.Seed}
	out.Person.TaxID, out.Person.NoTaxID = c.Person.TaxID, c.Person.NoTaxID
	return out
}

// readFrozen reads verified bytes that are those this registry froze: canonical
// JSON of its own, of which only a few members are wanted.
func readFrozen(b []byte) (c signedContent, err error) {
	members, err := jcs.Members(b)
	text := func(into *string, value []byte) {
		v, e := jcs.Parse(value)
		s, ok := v.(string)
		if e != nil || !ok {
			err = errors.Join(err, e, errors.New("a member is no string"))
		}
		*into = s
	}
	date := func(into *registry.Date, value []byte) {
		var s string
		text(&s, value)
		d, e := registry.ParseDate(s)
		*into, err = d, errors.Join(err, e)
	}
	id := func(into *registry.ID, value []byte) {
		var s string
		text(&s, value)
		d, e := registry.ParseID(s)
		*into, err = d, errors.Join(err, e)
	}
	for _, m := range members {
		switch m.Name {
		case "declaration_number":
			text(&c.Number, m.Value)
		case "scope":
			text(&c.Scope, m.Value)
		case "start_date":
			date(&c.StartDate, m.Value)
		case "end_date":
			date(&c.EndDate, m.Value)
		case "overlimit":
			c.Overlimit = string(m.Value) == "true"
		case "parent_declaration_id":
			id(&c.ParentID, m.Value)
		case "seed":
			text(&c.Seed, m.Value)
		case "person":
			person, e := jcs.Members(m.Value)
			err = errors.Join(err, e)
			for _, p := range person {
				switch p.Name {
				case "tax_id":
					text(&c.Person.TaxID, p.Value)
				case "no_tax_id":
					c.Person.NoTaxID = string(p.Value) == "true"
				}
			}
		}
	}
	if err != nil {
		return signedContent{}, fmt.Errorf("reading a frozen document: %w", err)
	}
	return c, nil
}

// printed is what of a draft stands in its printed form or decides on its
// approval.
type printed struct {
	Number    string        `json:"declaration_number"`
	StartDate registry.Date `json:"start_date"`
	EndDate   registry.Date `json:"end_date"`
	Overlimit bool          `json:"overlimit"`
	Person    struct {
		ID         registry.ID   `json:"id"`
		LastName   string        `json:"last_name"`
		FirstName  string        `json:"first_name"`
		SecondName string        `json:"second_name"`
		BirthDate  registry.Date `json:"birth_date"`
	} `json:"person"`
	Employee struct {
		Speciality string        `json:"speciality"`
		Party      PartySnapshot `json:"party"`
	} `json:"employee"`
	Division    struct{ Name, Address string }
	LegalEntity struct {
		Name   string
		EDRPOU registry.EDRPOU
	} `json:"legal_entity"`
}

// freeze gives the exact bytes to sign: the draft's document with its printed
// form and the seed. The other members stay as they were written.
func (c printed) freeze(data []byte, seed string) ([]byte, error) {
	form, err := c.render()
	if err != nil {
		return nil, err
	}
	members, err := jcs.Members(data)
	if err != nil {
		return nil, fmt.Errorf("reading a stored draft: %w", err)
	}
	set := 0
	for i := range members {
		switch members[i].Name {
		case "content":
			members[i].Value, set = jcs.String(form), set+1
		case "seed":
			members[i].Value, set = jcs.String(seed), set+1
		}
	}
	if set != 2 {
		return nil, errors.New("reading a stored draft: it has no place for form and seed")
	}
	return jcs.Join(members), nil
}

// printout is the form the patient reads before saying yes. html/template
// escapes every value, so names can never become markup.
var printout = template.Must(template.New("declaration").Parse(`<!DOCTYPE html>
<html lang="uk"><head><meta charset="utf-8"><title>Декларація {{.Number}}</title></head><body>
<h1>Декларація про вибір лікаря, який надає первинну медичну допомогу</h1>
<p>№ {{.Number}}, з {{.StartDate}} до {{.EndDate}}</p>
<h2>Пацієнт</h2>
<p>{{.Person.LastName}} {{.Person.FirstName}} {{.Person.SecondName}}, {{.Person.BirthDate}}</p>
<h2>Лікар</h2>
<p>{{.Employee.Party.LastName}} {{.Employee.Party.FirstName}} {{.Employee.Party.SecondName}}</p>
<h2>Надавач медичних послуг</h2>
<p>{{.LegalEntity.Name}}, ЄДРПОУ {{.LegalEntity.EDRPOU}}; {{.Division.Name}}, {{.Division.Address}}</p>
<p>Підписуючи декларацію, я погоджуюся на обробку моїх персональних даних для ведення реєстру пацієнтів.</p>
</body></html>
`))

func (c printed) render() (string, error) {
	var b bytes.Buffer
	if err := printout.Execute(&b, c); err != nil {
		return "", fmt.Errorf("rendering the printed form: %w", err)
	}
	return b.String(), nil
}
