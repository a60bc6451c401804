package prm

import (
	"context"
	"slices"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/job"
	"mist/registry/notify"
)

// Request states: NEW → APPROVED | REJECTED (by the invited) | EXPIRED.
const (
	RequestNew      = "NEW"
	RequestApproved = "APPROVED"
	RequestRejected = "REJECTED"
	RequestExpired  = "EXPIRED"
)

// EmployeeRequest is an invitation to work in a legal entity.
type EmployeeRequest struct {
	ID            registry.ID
	ActID         registry.ID
	LegalEntityID registry.ID
	DivisionID    registry.ID
	EmployeeID    registry.ID // set: the employee is changed
	Status        string
	// Invitation is SHA-256 of the token in the e-mail.
	Invitation registry.Digest
	Body       EmployeeRequestBody
	InsertedAt time.Time
	UpdatedAt  time.Time
	ExpiresAt  time.Time
}

// EmployeeRequestBody is what is asked: position and person; sealed at rest.
type EmployeeRequestBody struct {
	EmployeeType string        `json:"employee_type"`
	Position     string        `json:"position"`
	StartDate    registry.Date `json:"start_date"`
	Party        PartyInput    `json:"party"`
	Additional   Additional    `json:"additional,omitzero"`
}

// PartyInput is a person as a request names one.
type PartyInput struct {
	LastName          string          `json:"last_name"`
	FirstName         string          `json:"first_name"`
	SecondName        string          `json:"second_name,omitempty"`
	BirthDate         registry.Date   `json:"birth_date"`
	Gender            string          `json:"gender"`
	TaxID             string          `json:"tax_id"`
	NoTaxID           bool            `json:"no_tax_id,omitempty"`
	Email             string          `json:"email"`
	Documents         []PartyDocument `json:"documents"`
	Phones            []Phone         `json:"phones"`
	AboutMyself       string          `json:"about_myself,omitempty"`
	WorkingExperience int             `json:"working_experience,omitempty"`
}

// Invite leaves the e-mail with the token of an invitation to be sent when the
// transaction has committed.
func Invite(ctx context.Context, tx job.Tx, source registry.Source, r EmployeeRequest, clinic, token string) error {
	return notify.Enqueue(ctx, tx, source, notify.Notice{
		Channel: notify.EMail, To: r.Body.Party.Email, Template: notify.EmployeeInvited, About: r.ID, Expires: r.ExpiresAt,
		Values: map[string]string{"clinic": clinic, "request": r.ID.String(), "token": token, "until": registry.DateOf(r.ExpiresAt).String()},
	})
}

// CheckParty holds a person of a request against the rules of names, numbers,
// documents and contacts.
func CheckParty(f *document.Faults, at string, p PartyInput, today registry.Date) {
	CheckNames(f, at, p.LastName, p.FirstName, p.SecondName)
	if age := p.BirthDate.YearsAt(today); !p.BirthDate.Before(today) || age > 150 {
		f.Add(at+".birth_date", "invalid", "birth date must be in the past and at most 150 years ago")
	}
	f.OneOf(at+".gender", p.Gender, "MALE", "FEMALE")
	CheckTaxID(f, at+".tax_id", p.TaxID, p.NoTaxID)
	CheckEmail(f, at+".email", p.Email)
	CheckPhones(f, at+".phones", p.Phones)
	if len(p.Documents) == 0 {
		f.Add(at+".documents", "length", "expected a minimum of 1 items but got 0", "1")
	}
	seen := map[string]bool{}
	for i, d := range p.Documents {
		one := at + ".documents.[" + strconv.Itoa(i) + "]"
		f.OneOf(one+".type", d.Type, "PASSPORT", "NATIONAL_ID", "TEMPORARY_PASSPORT", "REFUGEE_CERTIFICATE", "PERMANENT_RESIDENCE_PERMIT", "COMPLEMENTARY_PROTECTION_CERTIFICATE", "TEMPORARY_CERTIFICATE")
		f.Required(one+".number", d.Number)
		if seen[d.Type] {
			f.Add(one+".type", "unique", "documents must be unique by type")
		}
		seen[d.Type] = true
		if d.Type == "PASSPORT" && !passportPattern.MatchString(d.Number) || d.Type == "NATIONAL_ID" && !idCardPattern.MatchString(d.Number) {
			f.Add(one+".number", "format", "string does not match the pattern of this document type")
		}
		if !d.IssuedAt.IsZero() && (today.Before(d.IssuedAt) || d.IssuedAt.Before(p.BirthDate)) {
			f.Add(one+".issued_at", "invalid", "Document issued date should be in the past and after the birth date")
		}
	}
	if p.WorkingExperience < 0 || p.WorkingExperience > 100 {
		f.Add(at+".working_experience", "number", "expected 0 to 100 years")
	}
}

// CheckSchooling holds specialities, diplomas and degrees against the row of
// the employee type and against the dictionaries.
func CheckSchooling(f *document.Faults, at string, a Additional, kind EmployeeType, lists Lists, today registry.Date) {
	code := func(entry, list, value string) {
		if !lists.Has(list, value) {
			f.Add(entry, "inclusion", "value is not allowed in enum", list)
		}
	}
	past := func(entry string, d registry.Date) {
		if !d.IsZero() && today.Before(d) {
			f.Add(entry, "invalid", "the date must not be in the future")
		}
	}
	if len(kind.Specialities) == 0 {
		if len(a.Specialities) > 0 {
			f.Add(at+".specialities", "invalid", "an employee of this type has no specialities")
		}
	} else {
		if len(a.Educations) == 0 {
			f.Add(at+".educations", "length", "expected a minimum of 1 items but got 0", "1")
		}
		officio := 0
		for i, s := range a.Specialities {
			one := at + ".specialities.[" + strconv.Itoa(i) + "]"
			if s.SpecialityOfficio {
				officio++
				if !slices.Contains(kind.Specialities, "*") && !slices.Contains(kind.Specialities, s.Speciality) {
					f.Add(one+".speciality", "speciality_inclusion", "speciality in office is not allowed for this employee type", kind.Specialities...)
				}
				if !s.ValidToDate.IsZero() && s.ValidToDate.Before(today) {
					f.Add(one+".valid_to_date", "invalid", "the certificate of the speciality in office has run out")
				}
			}
			code(one+".speciality", "SPECIALITY_TYPE", s.Speciality)
			code(one+".level", "SPECIALITY_LEVEL", s.Level)
			code(one+".qualification_type", "SPEC_QUALIFICATION_TYPE", s.QualificationType)
			past(one+".attestation_date", s.AttestationDate)
			f.Required(one+".certificate_number", s.CertificateNumber)
		}
		if officio != 1 {
			f.Add(at+".specialities", "speciality_officio", "employee must have exactly one speciality with speciality_officio = true")
		}
	}
	for i, e := range a.Educations {
		one := at + ".educations.[" + strconv.Itoa(i) + "]"
		code(one+".degree", "EDUCATION_DEGREE", e.Degree)
		f.Required(one+".institution_name", e.InstitutionName)
		f.Required(one+".diploma_number", e.DiplomaNumber)
		past(one+".issued_date", e.IssuedDate)
	}
	for i, q := range a.Qualifications {
		one := at + ".qualifications.[" + strconv.Itoa(i) + "]"
		code(one+".type", "QUALIFICATION_TYPE", q.Type)
		past(one+".issued_date", q.IssuedDate)
	}
	if d := a.ScienceDegree; d != nil {
		code(at+".science_degree.degree", "SCIENCE_DEGREE", d.Degree)
		past(at+".science_degree.issued_date", d.IssuedDate)
	}
}

// Officio is the speciality in office.
func (a Additional) Officio() string {
	for _, s := range a.Specialities {
		if s.SpecialityOfficio {
			return s.Speciality
		}
	}
	return ""
}

// PartyOf makes the party of a request.
func PartyOf(id registry.ID, p PartyInput) Party {
	return Party{ID: id, LastName: p.LastName, FirstName: p.FirstName, SecondName: p.SecondName, BirthDate: p.BirthDate, Gender: p.Gender,
		TaxID: p.TaxID, NoTaxID: p.NoTaxID, Email: p.Email, Phones: p.Phones, Documents: p.Documents, AboutMyself: p.AboutMyself, WorkingExperience: p.WorkingExperience}
}
