package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/contract"
)

// InsertContractEmployee queues a doctor's work under a contract.
func (tx *Tx) InsertContractEmployee(ctx context.Context, id registry.ID, e contract.ContractEmployee, act registry.ID) error {
	return tx.exec(ctx, `INSERT INTO contract_employees (contract_id, employee_id, division_id, staff_units, declaration_limit, start_date, act_id) VALUES ($1, $2, $3, $4::float8, $5, $6, $7)`,
		id, e.EmployeeID, e.DivisionID, e.StaffUnits, e.DeclarationLimit, e.StartDate, act)
}

// EndContractEmployee ends a doctor's work at a place; false if there was none.
func (tx *Tx) EndContractEmployee(ctx context.Context, id, employee, division registry.ID, on registry.Date) (bool, error) {
	ended, err := tx.ids(ctx, `UPDATE contract_employees SET end_date = greatest($4, start_date)
WHERE contract_id = $1 AND employee_id = $2 AND division_id = $3 AND end_date IS NULL RETURNING contract_id`, id, employee, division, on)
	return len(ended) > 0, err
}

// EndWorkOfContract ends everybody's work under a contract.
func (tx *Tx) EndWorkOfContract(ctx context.Context, id registry.ID, on registry.Date) error {
	return tx.exec(ctx, `UPDATE contract_employees SET end_date = greatest($2, start_date) WHERE contract_id = $1 AND end_date IS NULL`, id, on)
}

// EndWorkOfDismissed ends the work of doctors who were dismissed and names
// their contracts.
func (tx *Tx) EndWorkOfDismissed(ctx context.Context, limit int) ([]registry.ID, error) {
	return tx.ids(ctx, `UPDATE contract_employees w SET end_date = greatest(e.end_date, w.start_date) FROM employees e
WHERE e.id = w.employee_id AND w.id IN (
    SELECT w.id FROM contract_employees w JOIN employees e ON e.id = w.employee_id
    WHERE w.end_date IS NULL AND e.status = 'DISMISSED' ORDER BY w.id LIMIT $1 FOR NO KEY UPDATE OF w SKIP LOCKED)
RETURNING w.contract_id`, limit)
}

// ContractEmployees lists who works under a contract, or with ended those who did.
func (tx *Tx) ContractEmployees(ctx context.Context, id registry.ID, ended bool) (list []contract.ContractEmployee, err error) {
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var e contract.ContractEmployee
		err := rows.Scan(&e.EmployeeID, &e.DivisionID, &e.StaffUnits, &e.DeclarationLimit, &e.StartDate, &e.EndDate)
		list = append(list, e)
		return err
	}, `SELECT employee_id, division_id, staff_units::float8, declaration_limit, start_date, end_date FROM contract_employees
WHERE contract_id = $1 AND (end_date IS NOT NULL) = $2 ORDER BY employee_id, division_id, id`, id, ended)
	return list, err
}

const contractDocumentColumns = `d.id, d.request_id, d.legal_entity_id, d.type, d.digest, d.size, d.uploaded_at, d.inserted_at`

func contractDocument(scan func(...any) error, more ...any) (d contract.Document, err error) {
	var digest []byte
	var uploaded *time.Time
	err = scan(append([]any{&d.ID, &d.RequestID, &d.LegalEntityID, &d.Type, &digest, &d.Size, &uploaded, &d.InsertedAt}, more...)...)
	copy(d.Digest[:], digest)
	d.UploadedAt, d.InsertedAt = utc(uploaded), d.InsertedAt.UTC()
	return d, err
}

// PutContractDocument queues a place for a document, new or filled.
func (tx *Tx) PutContractDocument(ctx context.Context, d contract.Document) error {
	var digest []byte
	if d.Uploaded() {
		digest = d.Digest[:]
	}
	return tx.exec(ctx, `INSERT INTO contract_documents (id, request_id, legal_entity_id, type, digest, size, uploaded_at, inserted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, size = excluded.size, uploaded_at = excluded.uploaded_at`,
		d.ID, d.RequestID, d.LegalEntityID, d.Type, digest, d.Size, nullTime(d.UploadedAt), d.InsertedAt)
}

// ContractDocuments lists a request's documents; with lock their rows are held
// until the transaction ends.
func (tx *Tx) ContractDocuments(ctx context.Context, request registry.ID, lock bool) (list []contract.Document, err error) {
	sql := `SELECT ` + contractDocumentColumns + ` FROM contract_documents d WHERE d.request_id = $1 ORDER BY d.type DESC`
	if lock {
		sql += ` FOR NO KEY UPDATE`
	}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		d, err := contractDocument(rows.Scan)
		list = append(list, d)
		return err
	}, sql, request)
	return list, err
}

// ContractDocument reads one with its row held; taken tells that its request
// was signed.
func (tx *Tx) ContractDocument(ctx context.Context, id registry.ID) (d contract.Document, taken bool, err error) {
	found := false
	err = tx.query(ctx, func(rows pgx.Rows) (err error) {
		d, err = contractDocument(rows.Scan, &taken)
		found = true
		return err
	}, `SELECT `+contractDocumentColumns+`, EXISTS (SELECT FROM contract_requests r WHERE r.id = d.request_id)
FROM contract_documents d WHERE d.id = $1 FOR NO KEY UPDATE`, id)
	if err == nil && !found {
		err = errNotFound
	}
	return d, taken, err
}

// AbandonedContractDocuments names places of drafts that no request came of;
// shared tells that another place holds the same bytes.
func (tx *Tx) AbandonedContractDocuments(ctx context.Context, before time.Time, limit int) (list []contract.Document, shared map[registry.Digest]bool, err error) {
	shared = map[registry.Digest]bool{}
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var more bool
		d, err := contractDocument(rows.Scan, &more)
		list, shared[d.Digest] = append(list, d), more
		return err
	}, `SELECT `+contractDocumentColumns+`, EXISTS (SELECT FROM contract_documents o WHERE o.digest = d.digest AND o.id <> d.id)
    OR EXISTS (SELECT FROM draft_documents o WHERE o.digest = d.digest)
FROM contract_documents d WHERE d.inserted_at < $1 AND NOT EXISTS (SELECT FROM contract_requests r WHERE r.id = d.request_id)
ORDER BY d.inserted_at LIMIT $2`, before, limit)
	return list, shared, err
}

// DeleteContractDocument queues the end of a place.
func (tx *Tx) DeleteContractDocument(ctx context.Context, id registry.ID) error {
	return tx.exec(ctx, `DELETE FROM contract_documents WHERE id = $1`, id)
}
