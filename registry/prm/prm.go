// Package prm is the provider relationship management of the registry: legal
// entities, divisions, parties (people who work) and employees.
package prm

import (
	"time"

	"mist/registry"
)

// LegalEntity is a provider of medical services or another member of the system.
type LegalEntity struct {
	ID         registry.ID
	Name       string
	ShortName  string
	PublicName string
	EDRPOU     registry.EDRPOU
	Type       string // MSP, PRIMARY_CARE, OUTPATIENT, PHARMACY, MSP_PHARMACY, NHS, MIS
	Status     string // ACTIVE, SUSPENDED, CLOSED, REORGANIZED
	Phones     []Phone
	Email      string
	Address    string
	Licence    Licence

	StatusReason string
	// MISVerified, NHSVerified and NHSReviewed are set by the information system
	// that registered it and by the NHSU; a changed registration is reviewed anew.
	MISVerified, NHSVerified, NHSReviewed bool
	NHSComment                            string
	Details                               Details
	// MergedTo is the legal entity this one went into.
	MergedTo              registry.ID
	InsertedAt, UpdatedAt time.Time
}

// Licence of medical practice or of trade in medicines.
type Licence struct {
	Type           string        `json:"type,omitempty"` // MSP, PHARMACY
	Number         string        `json:"license_number"`
	IssuedBy       string        `json:"issued_by"`
	IssuedDate     registry.Date `json:"issued_date"`
	ExpiryDate     registry.Date `json:"expiry_date,omitzero"`
	ActiveFromDate registry.Date `json:"active_from_date,omitzero"`
	WhatLicensed   string        `json:"what_licensed,omitempty"`
	OrderNo        string        `json:"order_no,omitempty"`
}

// Phone is {type, number}.
type Phone struct {
	Type   string `json:"type"`
	Number string `json:"number"`
}

// Active reports whether the legal entity may act.
func (l *LegalEntity) Active() bool { return l.Status == "ACTIVE" }

// Division is a place of service.
type Division struct {
	ID            registry.ID
	LegalEntityID registry.ID
	Name          string
	Type          string // CLINIC, AMBULANT_CLINIC, FAP, DRUGSTORE, DRUGSTORE_POINT
	Status        string // ACTIVE, INACTIVE
	Address       string
	Phones        []Phone
	Email         string
	WorkingHours  string // JSON object {mon: [["08:00","16:00"]] …}; empty if unknown
	MountainGroup bool

	Details               DivisionDetails
	InsertedAt, UpdatedAt time.Time
}

// Active reports whether the division serves.
func (d *Division) Active() bool { return d.Status == "ACTIVE" }

// Party is a person who works in one or several legal entities.
type Party struct {
	ID         registry.ID
	LastName   string
	FirstName  string
	SecondName string
	BirthDate  registry.Date
	Gender     string
	TaxID      string // РНОКПП, or a document number when NoTaxID
	NoTaxID    bool
	Email      string
	Phones     []Phone

	Documents         []PartyDocument
	AboutMyself       string
	WorkingExperience int // years
}

// Employee is a party's position in a legal entity.
type Employee struct {
	ID            registry.ID
	LegalEntityID registry.ID
	DivisionID    registry.ID
	Party         Party
	Type          string // DOCTOR, PHARMACIST, OWNER, ADMIN …
	Position      string // P-code of the POSITION dictionary
	Speciality    string // speciality in office: THERAPIST, PEDIATRICIAN, FAMILY_DOCTOR …
	Status        string // APPROVED, DISMISSED
	StartDate     registry.Date
	EndDate       registry.Date
	StatusReason  string
	Additional    Additional
}

// Approved reports whether the employee may act.
func (e *Employee) Approved() bool { return e.Status == "APPROVED" }
