package query

import (
	"mist/registry"
	"mist/registry/declaration"
)

// PersonBrief is the patient as a list of declarations shows them. Tax number,
// documents, addresses and the secret word are never part of it.
type PersonBrief struct {
	ID         registry.ID   `json:"id"`
	LastName   string        `json:"last_name"`
	FirstName  string        `json:"first_name"`
	SecondName string        `json:"second_name,omitempty"`
	BirthDate  registry.Date `json:"birth_date"`
	Gender     string        `json:"gender"`
}

// EmployeeBrief is the doctor with the person behind.
type EmployeeBrief struct {
	ID         registry.ID `json:"id"`
	Position   string      `json:"position"`
	Speciality string      `json:"speciality"`
	Status     string      `json:"status"`
	Party      PartyBrief  `json:"party"`
}

// PartyBrief is a person who works.
type PartyBrief struct {
	ID         registry.ID `json:"id"`
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	SecondName string      `json:"second_name,omitempty"`
}

// DivisionBrief is a place of service.
type DivisionBrief struct {
	ID      registry.ID `json:"id"`
	Name    string      `json:"name"`
	Type    string      `json:"type"`
	Status  string      `json:"status"`
	Address string      `json:"address"`
}

// LegalEntityBrief is a provider.
type LegalEntityBrief struct {
	ID     registry.ID `json:"id"`
	Name   string      `json:"name"`
	EDRPOU string      `json:"edrpou"`
	Type   string      `json:"type"`
	Status string      `json:"status"`
}

// DeclarationItem is a declaration in a list.
type DeclarationItem struct {
	declaration.Declaration
	Person      PersonBrief `json:"person"`
	EmployeeID  registry.ID `json:"employee_id"`
	DivisionID  registry.ID `json:"division_id"`
	LegalEntity registry.ID `json:"legal_entity_id"`
}

// DeclarationDetail is a declaration with everybody concerned, as they are today.
type DeclarationDetail struct {
	declaration.Declaration
	ReasonDescription string `json:"reason_description,omitempty"`
	// ParentDeclarationID: the one with a legal entity merged into this one's.
	ParentDeclarationID registry.ID      `json:"parent_declaration_id,omitzero"`
	Person              PersonBrief      `json:"person"`
	Employee            EmployeeBrief    `json:"employee"`
	Division            DivisionBrief    `json:"division"`
	LegalEntity         LegalEntityBrief `json:"legal_entity"`
}

// What an entry says was told.
var (
	itemFields   = []string{"declaration", "person.names", "person.birth_date", "person.gender"}
	detailFields = []string{"declaration", "person.names", "person.birth_date", "person.gender", "employee", "division", "legal_entity"}
)

func brief(r DeclarationRow) PersonBrief {
	p := r.Person
	return PersonBrief{p.ID, p.LastName, p.FirstName, p.SecondName, p.BirthDate, p.Gender}
}

func item(r DeclarationRow) DeclarationItem {
	d := r.Declaration
	return DeclarationItem{d, brief(r), d.EmployeeID, d.DivisionID, d.LegalEntityID}
}

func detail(r DeclarationRow) DeclarationDetail {
	e, d, l := r.Employee, r.Division, r.LegalEntity
	return DeclarationDetail{
		Declaration: r.Declaration, Person: brief(r),
		Employee:    EmployeeBrief{e.ID, e.Position, e.Speciality, e.Status, PartyBrief{e.Party.ID, e.Party.LastName, e.Party.FirstName, e.Party.SecondName}},
		Division:    DivisionBrief{d.ID, d.Name, d.Type, d.Status, d.Address},
		LegalEntity: LegalEntityBrief{l.ID, l.Name, string(l.EDRPOU), l.Type, l.Status},
	}
}
