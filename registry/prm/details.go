package prm

import "mist/registry"

// Details is what a registration says beside name, code and licence.
type Details struct {
	LegalForm         string         `json:"legal_form,omitempty"`
	OwnerPropertyType string         `json:"owner_property_type,omitempty"` // STATE, PRIVATE
	KVEDs             []string       `json:"kveds,omitempty"`
	Addresses         []Address      `json:"addresses,omitempty"`
	Website           string         `json:"website,omitempty"`
	Beneficiary       string         `json:"beneficiary,omitempty"`
	Archive           []Archive      `json:"archive,omitempty"`
	ReceiverFundsCode string         `json:"receiver_funds_code,omitempty"`
	Accreditation     *Accreditation `json:"accreditation,omitempty"`
	RedirectURI       string         `json:"redirect_uri,omitempty"`
	PublicOffer       bool           `json:"public_offer,omitempty"` // consent to the NHSU's offer
}

// Address of a provider or division; public.
type Address struct {
	Type           string `json:"type"` // RESIDENCE, REGISTRATION
	Country        string `json:"country"`
	Area           string `json:"area"`
	Region         string `json:"region,omitempty"`
	Settlement     string `json:"settlement"`
	SettlementType string `json:"settlement_type"`
	SettlementID   string `json:"settlement_id"`
	StreetType     string `json:"street_type,omitempty"`
	Street         string `json:"street,omitempty"`
	Building       string `json:"building"`
	Apartment      string `json:"apartment,omitempty"`
	Zip            string `json:"zip,omitempty"`
}

// Archive says where papers of a provider lie.
type Archive struct {
	Date  registry.Date `json:"date"`
	Place string        `json:"place"`
}

// Accreditation of a provider.
type Accreditation struct {
	Category   string        `json:"category"` // FIRST, SECOND, HIGHEST, NO_ACCREDITATION
	IssuedDate registry.Date `json:"issued_date,omitzero"`
	ExpiryDate registry.Date `json:"expiry_date,omitzero"`
	OrderNo    string        `json:"order_no,omitempty"`
	OrderDate  registry.Date `json:"order_date,omitzero"`
}

// DivisionDetails is what a division says beside name, type and contacts.
type DivisionDetails struct {
	Addresses  []Address `json:"addresses,omitempty"`
	Location   *Location `json:"location,omitempty"`
	ExternalID string    `json:"external_id,omitempty"`
	// DLSID is the number in the register of drug traders (Держлікслужба).
	DLSID       string `json:"dls_id,omitempty"`
	DLSVerified bool   `json:"dls_verified,omitempty"`
}

// Location in degrees, WGS 84.
type Location struct {
	Longitude float64 `json:"longitude"`
	Latitude  float64 `json:"latitude"`
}

// PartyDocument is a person's document; sealed at rest.
type PartyDocument struct {
	Type     string        `json:"type"`
	Number   string        `json:"number"`
	IssuedBy string        `json:"issued_by,omitempty"`
	IssuedAt registry.Date `json:"issued_at,omitzero"`
}

// Additional is what an employee shows of schooling; public within the registry.
type Additional struct {
	Educations     []Education     `json:"educations,omitempty"`
	Qualifications []Qualification `json:"qualifications,omitempty"`
	Specialities   []Speciality    `json:"specialities,omitempty"`
	ScienceDegree  *ScienceDegree  `json:"science_degree,omitempty"`
}

// Education is one diploma.
type Education struct {
	Country         string        `json:"country"`
	City            string        `json:"city"`
	InstitutionName string        `json:"institution_name"`
	IssuedDate      registry.Date `json:"issued_date,omitzero"`
	DiplomaNumber   string        `json:"diploma_number"`
	Degree          string        `json:"degree"`
	Speciality      string        `json:"speciality"`
}

// Qualification is one course after the diploma.
type Qualification struct {
	Type              string        `json:"type"`
	InstitutionName   string        `json:"institution_name"`
	Speciality        string        `json:"speciality"`
	IssuedDate        registry.Date `json:"issued_date,omitzero"`
	CertificateNumber string        `json:"certificate_number,omitempty"`
	ValidTo           registry.Date `json:"valid_to,omitzero"`
}

// Speciality is one certified speciality; exactly one is in office.
type Speciality struct {
	Speciality        string        `json:"speciality"`
	SpecialityOfficio bool          `json:"speciality_officio"`
	Level             string        `json:"level"`
	QualificationType string        `json:"qualification_type"`
	AttestationName   string        `json:"attestation_name"`
	AttestationDate   registry.Date `json:"attestation_date"`
	ValidToDate       registry.Date `json:"valid_to_date,omitzero"`
	CertificateNumber string        `json:"certificate_number"`
}

// ScienceDegree is an academic degree.
type ScienceDegree struct {
	Country         string        `json:"country"`
	City            string        `json:"city"`
	Degree          string        `json:"degree"`
	InstitutionName string        `json:"institution_name"`
	DiplomaNumber   string        `json:"diploma_number"`
	Speciality      string        `json:"speciality"`
	IssuedDate      registry.Date `json:"issued_date,omitzero"`
}

// LegalEntityType is the row of rules a legal entity of this type is held to.
type LegalEntityType struct {
	Type            string
	NameUK, NameEN  string
	Creatable       bool
	KVEDs           []string // at least one of; empty: any
	LicenceRequired bool
	OwnerType       string
	OwnerPositions  []string // empty: any
	DivisionTypes   []string
	EmployeeTypes   []string
	Scopes          []string
	Capitation      bool
	InDirectory     bool
}

// EmployeeType is the row of rules an employee of this type is held to.
type EmployeeType struct {
	Type           string
	NameUK, NameEN string
	Requestable    bool
	Head           bool
	Specialities   []string // empty: none is asked; "*": any of the dictionary
	Division       bool
}
