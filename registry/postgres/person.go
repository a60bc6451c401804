package postgres

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/patient"
)

// Kinds of look-up keys; each has a blind key of its own.
const (
	keyTaxID    = "tax_id"
	keyUNZR     = "unzr"
	keyDocument = "document"
	// What a person confirms by: limits count the records under these.
	keyPhone       = "auth_phone"
	keyThirdPerson = "third_person"
)

func (tx *Tx) personKey(kind, value string) []byte {
	return tx.store.keys.Blind("persons."+kind, value)
}

func documentKey(kind, number string) string {
	return kind + "|" + patient.NormalizeDocumentNumber(kind, number)
}

// identity is the blind key of "the same person entered twice"; nil without a
// tax number, where names and a birth date alone prove nothing.
func (tx *Tx) identity(p patient.Person) []byte {
	if p.TaxID == "" {
		return nil
	}
	return tx.store.keys.Blind("persons.identity", strings.Join([]string{p.TaxID, p.BirthDate.String(),
		patient.NormalizeName(p.LastName), patient.NormalizeName(p.FirstName), patient.NormalizeName(p.SecondName)}, "|"))
}

// PutPerson queues a person, new or changed, with the look-up keys. What stood
// there is kept as an earlier version.
func (tx *Tx) PutPerson(ctx context.Context, p patient.Person) error {
	defer tx.across()()
	plain, err := json.Marshal(p)
	if err != nil {
		return tx.fail(err)
	}
	body, err := tx.seal("persons", p.ID.String(), plain)
	if err != nil {
		return err
	}
	if err := tx.keepVersion(ctx, p.ID); err != nil {
		return err
	}
	if err := tx.exec(ctx, `INSERT INTO persons (id, version, status, verification_status, death_date, master_id, identity, body, inserted_at, updated_at, status_reason, keys_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status, verification_status = excluded.verification_status,
    death_date = excluded.death_date, master_id = excluded.master_id, identity = excluded.identity, body = excluded.body, updated_at = excluded.updated_at,
    status_reason = excluded.status_reason, keys_version = excluded.keys_version`,
		p.ID, p.Version, string(p.Status), p.VerificationStatus, p.DeathDate, p.MasterID, tx.identity(p), body, p.InsertedAt, p.UpdatedAt, p.StatusReason, keysVersion); err != nil {
		return err
	}
	return tx.putKeys(ctx, p)
}

// keepVersion queues the copy of a record as it stands; a record that is only
// reserved has no version yet.
func (tx *Tx) keepVersion(ctx context.Context, id registry.ID) error {
	return tx.exec(ctx, `INSERT INTO person_versions (person_id, version, status, verification_status, death_date, master_id, body, updated_at, ended_at)
SELECT id, version, status, verification_status, death_date, master_id, body, updated_at, $2 FROM persons WHERE id = $1 AND version > 0`, id, tx.store.source.Now())
}

// keysVersion counts up when records get other look-up keys than before; a job
// brings the earlier ones up to date. The index persons_rekey_3_idx names it.
const keysVersion = 3

// putKeys queues the look-up keys of a record in the place of the earlier ones.
func (tx *Tx) putKeys(ctx context.Context, p patient.Person) error {
	var kinds []string
	var keys [][]byte
	for _, k := range tx.personKeys(p) {
		kinds, keys = append(kinds, k.kind), append(keys, k.key)
	}
	if err := tx.exec(ctx, `DELETE FROM person_keys WHERE person_id = $1`, p.ID); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO person_keys (person_id, kind, key) SELECT $1, k.kind, k.key FROM unnest($2::text[], $3::bytea[]) k (kind, key)`, p.ID, kinds, keys)
}

// RekeyPersons writes the look-up keys of records anew that have an earlier
// set. Records that somebody works on are left for the next round.
func (tx *Tx) RekeyPersons(ctx context.Context, limit int) (int, error) {
	var list []patient.Person
	err := tx.query(ctx, func(rows pgx.Rows) error {
		p, err := tx.scanPerson(rows)
		list = append(list, p)
		return err
	}, `SELECT `+personColumns+` FROM persons p WHERE p.keys_version < 3 ORDER BY p.id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED`, limit)
	for _, p := range list {
		if err == nil {
			err = tx.putKeys(ctx, p)
		}
		if err == nil {
			err = tx.exec(ctx, `UPDATE persons SET keys_version = $2 WHERE id = $1`, p.ID, keysVersion)
		}
	}
	return len(list), err
}

// lookUp is one look-up key of a record.
type lookUp struct {
	kind string
	key  []byte
}

// personKeys are the look-up keys of a record, each once.
func (tx *Tx) personKeys(p patient.Person) (list []lookUp) {
	seen := map[string]bool{}
	add := func(kind, value string) {
		if value != "" && !seen[kind+"|"+value] {
			seen[kind+"|"+value] = true
			list = append(list, lookUp{kind, tx.personKey(kind, value)})
		}
	}
	if p.LastName != "" {
		add(keyName, nameKey(p.LastName, p.FirstName, p.BirthDate))
	}
	add(keyTaxID, p.TaxID)
	add(keyUNZR, p.UNZR)
	for _, d := range p.Documents {
		add(keyDocument, documentKey(d.Type, d.Number))
	}
	for _, m := range p.AuthenticationMethods {
		if m.Ended() {
			continue
		}
		add(keyPhone, m.PhoneNumber)
		if !m.Value.IsZero() {
			add(keyThirdPerson, m.Value.String())
		}
	}
	return list
}

const personColumns = `p.id, p.version, p.status, p.verification_status, p.death_date, p.master_id, p.body, p.inserted_at, p.updated_at, p.status_reason`

// joinPersonOfDeclaration gives the rows of declarations (dc) their person (p):
// one question less where many declarations are shown. If the index moves out,
// this is the one place where the tables of others lean on it.
const joinPersonOfDeclaration = `JOIN persons p ON p.id = dc.person_id
`

// personRow holds what a scan of personColumns gives; the record is sealed.
type personRow struct {
	stored patient.Person
	sealed []byte
}

func (r *personRow) dest() []any {
	p := &r.stored
	return []any{&p.ID, &p.Version, &p.Status, &p.VerificationStatus, &p.DeathDate, &p.MasterID, &r.sealed, &p.InsertedAt, &p.UpdatedAt, &p.StatusReason}
}

func (tx *Tx) openPerson(r personRow) (p patient.Person, err error) {
	stored := r.stored
	plain, err := tx.open("persons", stored.ID.String(), r.sealed)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(plain, &p); err != nil {
		return p, err
	}
	p.ID, p.Version, p.Status, p.VerificationStatus = stored.ID, stored.Version, stored.Status, stored.VerificationStatus
	p.DeathDate, p.MasterID, p.InsertedAt, p.UpdatedAt = stored.DeathDate, stored.MasterID, stored.InsertedAt.UTC(), stored.UpdatedAt.UTC()
	p.StatusReason = stored.StatusReason
	p.NameMethods()
	return p, nil
}

func (tx *Tx) scanPerson(rows pgx.Rows) (patient.Person, error) {
	var r personRow
	if err := rows.Scan(r.dest()...); err != nil {
		return patient.Person{}, err
	}
	return tx.openPerson(r)
}

// LockPerson takes the row lock that orders acts of one patient.
func (tx *Tx) LockPerson(ctx context.Context, id registry.ID) error {
	defer tx.across()()
	return tx.lock(ctx, `SELECT FROM persons WHERE id = $1 FOR NO KEY UPDATE`, id)
}

// holdPersonState is LockPerson and what an act needs to know of the record.
const holdPersonState = `SELECT status, verification_status FROM persons WHERE id = $1 FOR NO KEY UPDATE`

// expectPerson holds a record that is in a state; expectPersons several, in one order.
const expectPerson = `WITH held AS (SELECT FROM persons WHERE id = $1 AND status = $2 AND verification_status <> $3 FOR NO KEY UPDATE)
SELECT 1 / (count(*) = 1)::integer FROM held`

var expectPersons = newBundle(`WITH x AS (%s), held AS (
    SELECT FROM persons p JOIN x ON p.id = x.c0 AND p.status = x.c1 AND p.verification_status <> x.c2 ORDER BY p.id FOR NO KEY UPDATE OF p)
SELECT 1 / (count(*) = (SELECT count(*) FROM x))::integer FROM held`, "uuid text text")

const countByMethodSQL = `SELECT count(*) FROM person_keys k JOIN persons p ON p.id = k.person_id
WHERE k.kind = $1 AND k.key = $2 AND p.status = 'active' AND p.id IS DISTINCT FROM $3`

// CountByMethod counts the active records, without one, that confirm by a
// phone or through a third person.
func (tx *Tx) CountByMethod(ctx context.Context, m patient.AuthenticationMethod, without registry.ID) (n int, err error) {
	defer tx.across()()
	kind, value := keyPhone, m.PhoneNumber
	if m.Type == patient.MethodThirdPerson {
		kind, value = keyThirdPerson, m.Value.String()
	}
	_, err = tx.queryOne(ctx, []any{&n}, countByMethodSQL, kind, tx.personKey(kind, value), without)
	return n, err
}

// Person reads a person by id; not-found if there is none.
func (tx *Tx) Person(ctx context.Context, id registry.ID) (p patient.Person, err error) {
	defer tx.across()()
	found := false
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		found = true
		p, err = tx.scanPerson(rows)
		return err
	}, `SELECT `+personColumns+` FROM persons p WHERE p.id = $1`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return p, err
}

// ActiveWithTaxID implements push.Tx. Who has no tax number has no identity.
func (tx *Tx) ActiveWithTaxID(ctx context.Context, id registry.ID) (p patient.Person, found bool, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		found = true
		p, err = tx.scanPerson(rows)
		return err
	}, `SELECT `+personColumns+` FROM persons p WHERE p.id = $1 AND p.status = 'active' AND p.identity IS NOT NULL`, id)
	return p, found && err == nil, err
}

// PersonDeclared reads a person and whether they have an active or pending
// declaration with the legal entity, in one trip.
func (tx *Tx) PersonDeclared(ctx context.Context, id, legalEntity registry.ID) (p patient.Person, declared bool, err error) {
	found := false
	err = tx.queries(ctx,
		read{sql: declaredWith, args: []any{id, legalEntity}, scan: func(rows pgx.Rows) error { return rows.Scan(&declared) }},
		read{sql: `SELECT ` + personColumns + ` FROM persons p WHERE p.id = $1`, args: []any{id}, across: true, scan: func(rows pgx.Rows) (err error) {
			found = true
			p, err = tx.scanPerson(rows)
			return err
		}})
	if err == nil && !found {
		err = errNotFound
	}
	return p, declared, err
}

// SeesPerson reports whether the transaction's reach has the record.
func (tx *Tx) SeesPerson(ctx context.Context, id registry.ID) (yes bool, err error) {
	_, err = tx.queryOne(ctx, []any{&yes}, `SELECT EXISTS (SELECT FROM persons WHERE id = $1)`, id)
	return yes, err
}

// maxMerges bounds how many merges are followed from a record to its survivor.
const maxMerges = patient.MaxMerges

// FindPerson gives the active record under the query's identifier, following
// merges to the survivor. found is false when there is none, or when the
// identifier stands at more than one record.
func (tx *Tx) FindPerson(ctx context.Context, q patient.Query) (p patient.Person, found bool, err error) {
	defer tx.across()()
	var kind, value string
	switch {
	case q.TaxID != "":
		kind, value = keyTaxID, string(q.TaxID)
	case q.UNZR != "":
		kind, value = keyUNZR, string(q.UNZR)
	default:
		kind, value = keyDocument, documentKey(q.DocumentType, q.DocumentNumber)
	}
	n := 0
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		n++
		p, err = tx.scanPerson(rows)
		return err
	}, `WITH RECURSIVE chain (id, master_id, status, steps) AS (
    SELECT p.id, p.master_id, p.status, 0 FROM person_keys k JOIN persons p ON p.id = k.person_id WHERE k.kind = $1 AND k.key = $2
    UNION
    SELECT p.id, p.master_id, p.status, c.steps + 1 FROM chain c JOIN persons p ON p.id = c.master_id WHERE c.steps < $3
)
SELECT `+personColumns+` FROM persons p
WHERE p.id IN (SELECT id FROM chain WHERE status = 'active' AND master_id IS NULL) LIMIT 2`, kind, tx.personKey(kind, value), maxMerges)
	if err != nil || n != 1 {
		return patient.Person{}, false, err
	}
	return p, true, nil
}
