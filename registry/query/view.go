package query

import (
	"slices"
	"time"

	"mist/registry"
	"mist/registry/prm"
)

// DeclarationView is a declaration as the citizen sees it (domain notes 5.2).
// Fields not consented to are absent. A doctor's tax number, a party's e-mail,
// the secret word, documents and the signed container are never told.
type DeclarationView struct {
	Number       string        `json:"declaration_number,omitempty"`
	ID           registry.ID   `json:"id,omitzero"`
	Status       string        `json:"status,omitempty"`
	StatusReason string        `json:"status_reason,omitempty"`
	StartDate    registry.Date `json:"start_date,omitzero"`
	EndDate      registry.Date `json:"end_date,omitzero"`
	SignedAt     time.Time     `json:"signed_at,omitzero"`
	Doctor       *Doctor       `json:"doctor,omitempty"`
	Division     *Division     `json:"division,omitempty"`
	LegalEntity  *LegalEntity  `json:"legal_entity,omitempty"`
}

// Doctor as shown to the citizen.
type Doctor struct {
	LastName   string      `json:"last_name"`
	FirstName  string      `json:"first_name"`
	Patronymic string      `json:"patronymic,omitempty"`
	Position   string      `json:"position"`
	Speciality string      `json:"speciality"`
	EmployeeID registry.ID `json:"employee_id"`
	WorkPhones []string    `json:"work_phones,omitempty"`
}

// Division as shown to the citizen.
type Division struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Address       string   `json:"address"`
	Phones        []string `json:"phones,omitempty"`
	Email         string   `json:"email,omitempty"`
	WorkingHours  string   `json:"working_hours,omitempty"`
	MountainGroup bool     `json:"mountain_group"`
}

// LegalEntity as shown to the citizen.
type LegalEntity struct {
	Name       string   `json:"name"`
	PublicName string   `json:"public_name,omitempty"`
	EDRPOU     string   `json:"edrpou"`
	Type       string   `json:"type"`
	Phones     []string `json:"phones,omitempty"`
	Address    string   `json:"address"`
}

// fieldNames is the catalogue a consent chooses from.
var fieldNames = []string{
	"declarationNumber", "id", "status", "startDate", "endDate", "signedAt", "doctor", "division", "legalEntity", "history",
}

// FieldNames lists what a consent of scope "declaration" or "dependant" can name.
func FieldNames() []string { return slices.Clone(fieldNames) }

func view(r Row, fields []string) DeclarationView {
	var v DeclarationView
	for _, name := range fields {
		switch name {
		case "declarationNumber":
			v.Number = r.Declaration.Number
		case "id":
			v.ID = r.Declaration.ID
		case "status":
			v.Status, v.StatusReason = string(r.Declaration.Status), r.Declaration.Reason
		case "startDate":
			v.StartDate = r.Declaration.StartDate
		case "endDate":
			v.EndDate = r.Declaration.EndDate
		case "signedAt":
			v.SignedAt = r.Declaration.SignedAt
		case "doctor":
			party := r.Employee.Party
			v.Doctor = &Doctor{
				LastName: party.LastName, FirstName: party.FirstName, Patronymic: party.SecondName,
				Position: r.Employee.Position, Speciality: r.Employee.Speciality, EmployeeID: r.Employee.ID, WorkPhones: numbers(party.Phones),
			}
		case "division":
			d := r.Division
			v.Division = &Division{
				Name: d.Name, Type: d.Type, Address: d.Address, Phones: numbers(d.Phones),
				Email: d.Email, WorkingHours: d.WorkingHours, MountainGroup: d.MountainGroup,
			}
		case "legalEntity":
			l := r.LegalEntity
			v.LegalEntity = &LegalEntity{
				Name: l.Name, PublicName: l.PublicName, EDRPOU: string(l.EDRPOU), Type: l.Type,
				Phones: numbers(l.Phones), Address: l.Address,
			}
		}
	}
	return v
}

func numbers(phones []prm.Phone) []string {
	var out []string
	for _, p := range phones {
		out = append(out, p.Number)
	}
	return out
}
