package postgres

import (
	"context"
	"encoding/json"

	"mist/registry"
	"mist/registry/intake"
	"mist/registry/prm"
)

const (
	legalEntityColumns = `l.id, l.name, l.short_name, l.public_name, l.edrpou, l.type, l.status, l.phones, l.email, l.address, l.licence,
    l.status_reason, l.mis_verified, l.nhs_verified, l.nhs_reviewed, l.nhs_comment, l.details, l.inserted_at, l.updated_at,
    (SELECT r.merged_to FROM related_legal_entities r WHERE r.merged_from = l.id)`
	divisionColumns = `d.id, d.legal_entity_id, d.name, d.type, d.status, d.address, d.phones, d.email, d.working_hours, d.mountain_group,
    d.details, d.inserted_at, d.updated_at`
	employeeColumns = `e.id, e.legal_entity_id, e.division_id, e.type, e.position, e.speciality, e.status, e.start_date, e.end_date, e.status_reason, e.additional, pt.id, pt.last_name, pt.first_name, pt.second_name, pt.body`
	employeeTables  = `employees e JOIN parties pt ON pt.id = e.party_id`
)

func legalEntityDest(l *prm.LegalEntity) []any {
	return []any{&l.ID, &l.Name, &l.ShortName, &l.PublicName, &l.EDRPOU, &l.Type, &l.Status, &l.Phones, &l.Email, &l.Address, &l.Licence,
		&l.StatusReason, &l.MISVerified, &l.NHSVerified, &l.NHSReviewed, &l.NHSComment, &l.Details, &l.InsertedAt, &l.UpdatedAt, &l.MergedTo}
}

func divisionDest(d *prm.Division) []any {
	return []any{&d.ID, &d.LegalEntityID, &d.Name, &d.Type, &d.Status, &d.Address, &d.Phones, &d.Email, &d.WorkingHours, &d.MountainGroup,
		&d.Details, &d.InsertedAt, &d.UpdatedAt}
}

func employeeDest(e *prm.Employee, sealedParty *[]byte) []any {
	p := &e.Party
	return []any{&e.ID, &e.LegalEntityID, &e.DivisionID, &e.Type, &e.Position, &e.Speciality, &e.Status, &e.StartDate,
		&e.EndDate, &e.StatusReason, &e.Additional,
		&p.ID, &p.LastName, &p.FirstName, &p.SecondName, sealedParty}
}

// partyBody is the sealed part of a party.
type partyBody struct {
	BirthDate registry.Date `json:"birth_date,omitzero"`
	Gender    string        `json:"gender,omitempty"`
	TaxID     string        `json:"tax_id"`
	NoTaxID   bool          `json:"no_tax_id,omitempty"`
	Email     string        `json:"email,omitempty"`
	Phones    []prm.Phone   `json:"phones,omitempty"`

	Documents         []prm.PartyDocument `json:"documents,omitempty"`
	AboutMyself       string              `json:"about_myself,omitempty"`
	WorkingExperience int                 `json:"working_experience,omitempty"`
}

func (tx *Tx) openParty(p *prm.Party, sealed []byte) error {
	plain, err := tx.open("parties", p.ID.String(), sealed)
	if err != nil {
		return err
	}
	var b partyBody
	if err := json.Unmarshal(plain, &b); err != nil {
		return tx.fail(err)
	}
	p.BirthDate, p.Gender, p.TaxID, p.NoTaxID, p.Email, p.Phones = b.BirthDate, b.Gender, b.TaxID, b.NoTaxID, b.Email, b.Phones
	p.Documents, p.AboutMyself, p.WorkingExperience = b.Documents, b.AboutMyself, b.WorkingExperience
	return nil
}

// LegalEntity reads a legal entity; not-found if there is none.
func (tx *Tx) LegalEntity(ctx context.Context, id registry.ID) (l prm.LegalEntity, err error) {
	found, err := tx.queryOne(ctx, legalEntityDest(&l), `SELECT `+legalEntityColumns+` FROM legal_entities l WHERE l.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return l, err
}

// Division reads a division; not-found if there is none.
func (tx *Tx) Division(ctx context.Context, id registry.ID) (d prm.Division, err error) {
	found, err := tx.queryOne(ctx, divisionDest(&d), `SELECT `+divisionColumns+` FROM divisions d WHERE d.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return d, err
}

// Employee reads an employee with the party; not-found if there is none.
func (tx *Tx) Employee(ctx context.Context, id registry.ID) (e prm.Employee, err error) {
	var sealed []byte
	found, err := tx.queryOne(ctx, employeeDest(&e, &sealed), `SELECT `+employeeColumns+` FROM `+employeeTables+` WHERE e.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	if err == nil {
		err = tx.openParty(&e.Party, sealed)
	}
	return e, err
}

const (
	selectSignatory = `SELECT ` + employeeColumns + `, l.edrpou
FROM ` + employeeTables + ` JOIN legal_entities l ON l.id = e.legal_entity_id WHERE e.id = $1`

	// authorRevision is of the rows that say who an author is.
	authorRevision = `e.xmin::text || '.' || pt.xmin::text`

	// An author is held against a dismissal, not against other acts of theirs.
	holdSignatory = `SELECT ` + employeeColumns + `, l.edrpou, ` + authorRevision + `
FROM ` + employeeTables + ` JOIN legal_entities l ON l.id = e.legal_entity_id WHERE e.id = $1 FOR SHARE OF e`
	expectAuthor = `WITH held AS (SELECT FROM ` + employeeTables + ` WHERE e.id = $1 AND e.status = 'APPROVED' AND ` + authorRevision + ` = $2 FOR SHARE OF e)
SELECT 1 / (count(*) = 1)::integer FROM held`
)

// Signatory is what a signature of an employee is compared with.
func (tx *Tx) Signatory(ctx context.Context, employee registry.ID) (intake.Signatory, error) {
	var e prm.Employee
	var sealed []byte
	var edrpou registry.EDRPOU
	found, err := tx.queryOne(ctx, append(employeeDest(&e, &sealed), &edrpou), selectSignatory, employee)
	if err == nil && !found {
		err = errNotFound
	}
	if err == nil {
		err = tx.openParty(&e.Party, sealed)
	}
	return intake.Signatory{TaxID: e.Party.TaxID, LastName: e.Party.LastName, EDRPOU: edrpou}, err
}

// PutLegalEntity queues a legal entity, new or changed.
func (tx *Tx) PutLegalEntity(ctx context.Context, l prm.LegalEntity) error {
	return tx.exec(ctx, `INSERT INTO legal_entities (id, name, short_name, public_name, edrpou, type, status, phones, email, address, licence,
    status_reason, mis_verified, nhs_verified, nhs_reviewed, nhs_comment, details, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, COALESCE($18, now()), COALESCE($19, now()))
ON CONFLICT (id) DO UPDATE SET name = excluded.name, short_name = excluded.short_name, public_name = excluded.public_name, edrpou = excluded.edrpou,
    type = excluded.type, status = excluded.status, phones = excluded.phones, email = excluded.email, address = excluded.address, licence = excluded.licence,
    status_reason = excluded.status_reason, mis_verified = excluded.mis_verified, nhs_verified = excluded.nhs_verified, nhs_reviewed = excluded.nhs_reviewed,
    nhs_comment = excluded.nhs_comment, details = excluded.details, updated_at = excluded.updated_at`,
		l.ID, l.Name, l.ShortName, l.PublicName, string(l.EDRPOU), l.Type, l.Status, phones(l.Phones), l.Email, l.Address, l.Licence,
		l.StatusReason, l.MISVerified, l.NHSVerified, l.NHSReviewed, l.NHSComment, l.Details, nullTime(l.InsertedAt), nullTime(l.UpdatedAt))
}

// PutDivision queues a division, new or changed.
func (tx *Tx) PutDivision(ctx context.Context, d prm.Division) error {
	return tx.exec(ctx, `INSERT INTO divisions (id, legal_entity_id, name, type, status, address, phones, email, working_hours, mountain_group, details, inserted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, COALESCE($12, now()), COALESCE($13, now()))
ON CONFLICT (id) DO UPDATE SET legal_entity_id = excluded.legal_entity_id, name = excluded.name, type = excluded.type, status = excluded.status,
    address = excluded.address, phones = excluded.phones, email = excluded.email, working_hours = excluded.working_hours, mountain_group = excluded.mountain_group,
    details = excluded.details, updated_at = excluded.updated_at`,
		d.ID, d.LegalEntityID, d.Name, d.Type, d.Status, d.Address, phones(d.Phones), d.Email, d.WorkingHours, d.MountainGroup, d.Details,
		nullTime(d.InsertedAt), nullTime(d.UpdatedAt))
}

// PutParty queues a party, new or changed.
func (tx *Tx) PutParty(ctx context.Context, p prm.Party) error {
	plain, err := json.Marshal(partyBody{p.BirthDate, p.Gender, p.TaxID, p.NoTaxID, p.Email, p.Phones, p.Documents, p.AboutMyself, p.WorkingExperience})
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("parties", p.ID.String(), plain)
	if err != nil {
		return err
	}
	var key []byte
	if p.TaxID != "" {
		key = tx.store.keys.Blind("parties.tax_id", p.TaxID)
	}
	return tx.exec(ctx, `INSERT INTO parties (id, last_name, first_name, second_name, tax_id_key, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET last_name = excluded.last_name, first_name = excluded.first_name, second_name = excluded.second_name,
    tax_id_key = excluded.tax_id_key, body = excluded.body`,
		p.ID, p.LastName, p.FirstName, p.SecondName, key, body)
}

// PutEmployee queues an employee with the party, new or changed.
func (tx *Tx) PutEmployee(ctx context.Context, e prm.Employee) error {
	if err := tx.PutParty(ctx, e.Party); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO employees (id, legal_entity_id, division_id, party_id, type, position, speciality, status, start_date, additional)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO UPDATE SET legal_entity_id = excluded.legal_entity_id, division_id = excluded.division_id, party_id = excluded.party_id,
    type = excluded.type, position = excluded.position, speciality = excluded.speciality, status = excluded.status, start_date = excluded.start_date, additional = excluded.additional`,
		e.ID, e.LegalEntityID, e.DivisionID, e.Party.ID, e.Type, e.Position, e.Speciality, e.Status, e.StartDate, e.Additional)
}

// phones keeps an empty list a list.
func phones(list []prm.Phone) []prm.Phone {
	if list == nil {
		return []prm.Phone{}
	}
	return list
}
