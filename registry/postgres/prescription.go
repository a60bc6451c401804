package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"mist/registry"
	"mist/registry/dispense"
	"mist/registry/prescription"
	"mist/registry/record"
)

func (tx *Tx) substanceKey(person, innm registry.ID) []byte {
	return tx.store.keys.Blind("medication_periods.substance", person.String()+"|"+innm.String())
}

// InsertPeriod implements prescription.PeriodTx.
func (tx *Tx) InsertPeriod(ctx context.Context, person, innm registry.ID, p prescription.Period) error {
	defer tx.across()()
	return tx.exec(ctx, `INSERT INTO medication_periods (record_id, substance_key, start_date, end_date, in_program) VALUES ($1, $2, $3, $4, $5)`,
		p.ID, tx.substanceKey(person, innm), p.Start, p.End, p.Program)
}

// Periods implements prescription.PeriodTx.
func (tx *Tx) Periods(ctx context.Context, person, innm registry.ID) (list []prescription.Period, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var p prescription.Period
		err := rows.Scan(&p.ID, &p.Start, &p.End, &p.Program, &p.Status)
		list = append(list, p)
		return err
	}, `SELECT m.record_id, m.start_date, m.end_date, m.in_program, r.status FROM medication_periods m JOIN records r ON r.id = m.record_id
WHERE m.substance_key = $1 AND r.status IN ('ACTIVE', 'COMPLETED') ORDER BY m.end_date, m.record_id`, tx.substanceKey(person, innm))
	return list, err
}

// TakePlace implements dispense.PlaceTx.
func (tx *Tx) TakePlace(ctx context.Context, p dispense.Place) error {
	defer tx.across()()
	return tx.exec(ctx, `INSERT INTO medication_dispense_places (record_id, prescription_id, status, several, processed_on) VALUES ($1, $2, $3, $4, $5)`,
		p.ID, p.PrescriptionID, p.Status, p.Several, p.ProcessedOn)
}

// MovePlace implements dispense.PlaceTx.
func (tx *Tx) MovePlace(ctx context.Context, id registry.ID, status string, processed registry.Date) error {
	defer tx.across()()
	return tx.execChecked(ctx, oneRow, `UPDATE medication_dispense_places SET status = $2, processed_on = $3 WHERE record_id = $1`, id, status, processed)
}

// Places implements dispense.PlaceTx.
func (tx *Tx) Places(ctx context.Context, prescriptionID registry.ID) (list []dispense.Place, err error) {
	defer tx.across()()
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var p dispense.Place
		err := rows.Scan(&p.ID, &p.PrescriptionID, &p.Status, &p.Several, &p.ProcessedOn)
		list = append(list, p)
		return err
	}, `SELECT record_id, prescription_id, status, several, processed_on FROM medication_dispense_places WHERE prescription_id = $1 ORDER BY record_id`, prescriptionID)
	return list, err
}

// ReimbursementContract implements dispense.ContractTx.
func (tx *Tx) ReimbursementContract(ctx context.Context, legalEntity, program registry.ID, day registry.Date) (k dispense.Contract, found bool, err error) {
	found, err = tx.queryOne(ctx, []any{&k.ID, &k.Number, &k.Divisions}, `SELECT k.id, k.number, COALESCE(k.body->'contractor_divisions', '[]') FROM contracts k
WHERE k.legal_entity_id = $1 AND k.status = 'VERIFIED' AND NOT k.is_suspended AND k.start_date <= $3 AND k.end_date >= $3
  AND (k.body->>'medical_program_id')::uuid = $2 ORDER BY k.start_date DESC, k.id DESC LIMIT 1`, legalEntity, program, day)
	return k, found, err
}

// Processed implements dispense.ReportTx. Dispense and prescription are read as
// the report's reader may: the wall stands unless the whole country is asked for.
func (tx *Tx) Processed(ctx context.Context, f dispense.ReportFilter) (list []dispense.Pair, err error) {
	var ids [][2]registry.ID
	err = tx.query(ctx, func(rows pgx.Rows) error {
		var pair [2]registry.ID
		err := rows.Scan(&pair[0], &pair[1])
		ids = append(ids, pair)
		return err
	}, `SELECT d.id, p.prescription_id FROM records d JOIN medication_dispense_rows($1, $2) p ON p.record_id = d.id
WHERE ($3::uuid IS NULL OR d.legal_entity_id = $3) AND ($4::uuid IS NULL OR d.id > $4) ORDER BY d.id LIMIT $5`, f.From, f.To, f.LegalEntityID, f.After, f.Limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	defer tx.across()()
	wanted := make([]registry.ID, 0, 2*len(ids))
	for _, pair := range ids {
		wanted = append(wanted, pair[0], pair[1])
	}
	rows, err := tx.records(ctx, selectRecords+` WHERE r.id = ANY ($1)`, wanted)
	if err != nil {
		return nil, err
	}
	by := make(map[registry.ID]record.Record, len(rows))
	for _, r := range rows {
		by[r.ID] = r
	}
	for _, pair := range ids {
		list = append(list, dispense.Pair{Dispense: by[pair[0]], Prescription: by[pair[1]]})
	}
	return list, nil
}

// AccountOf implements dispense.ReportTx.
func (tx *Tx) AccountOf(ctx context.Context, act registry.ID) (a dispense.Account, err error) {
	defer tx.across()()
	if a.Act, err = tx.Act(ctx, act); err != nil {
		return a, err
	}
	found, err := tx.queryOne(ctx, []any{&a.Indication, &a.Policy, &a.Report}, `SELECT indication, policy, digest FROM reports WHERE container = $1 AND act_id = $2 ORDER BY created_at LIMIT 1`, a.Act.Container[:], act)
	if err == nil && !found {
		err = errNotFound
	}
	return a, err
}
