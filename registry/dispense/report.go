package dispense

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/decimal"
	"mist/registry/jcs"
	"mist/registry/prescription"
	"mist/registry/record"
	"mist/signature"
	"mist/signature/facts"
)

// ReportFilter chooses processed dispenses by the day they were processed.
type ReportFilter struct {
	From, To registry.Date
	// LegalEntityID is the pharmacy; zero: all that the caller may see.
	LegalEntityID registry.ID
	After         registry.ID // the last dispense seen
	Limit         int
}

// Limits of a report.
const (
	MaxReportDays = 92
	maxReportPage = 100
	maxReportRows = 20_000
)

// Pair is a processed dispense with its prescription.
type Pair struct{ Dispense, Prescription record.Record }

// Account is an act as it is kept.
type Account struct {
	Act        registry.Act
	Indication string // of the judgement it was accepted on
	Policy     string
	Report     string // digest
}

// ReportTx reads what a report is made of.
type ReportTx interface {
	// Processed reads a page in the order of ids, behind the caller's wall.
	Processed(ctx context.Context, f ReportFilter) ([]Pair, error)
	// AccountOf reads an act with the judgement it was accepted on, across clinics.
	AccountOf(ctx context.Context, act registry.ID) (Account, error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
}

// ReportLine is one brand of one dispense: the 21 columns (domain notes 1.7)
// and, in JSON, what opens it.
type ReportLine struct {
	DispenseID     registry.ID      `json:"medication_dispense_id"`
	PrescriptionID registry.ID      `json:"medication_request_id"`
	Pharmacy       string           `json:"pharmacy_name"`
	PharmacyEDRPOU registry.EDRPOU  `json:"pharmacy_edrpou"`
	Clinic         string           `json:"msp_name"`
	ClinicEDRPOU   registry.EDRPOU  `json:"msp_edrpou"`
	Doctor         string           `json:"doctor_name"`
	DoctorID       registry.ID      `json:"doctor_id"`
	Number         string           `json:"request_number"`
	CreatedAt      registry.Date    `json:"created_at"`
	DispensedAt    registry.Date    `json:"dispensed_at"`
	Receipt        string           `json:"payment_id,omitempty"`
	Payment        *decimal.Decimal `json:"payment_amount,omitempty"`
	INN            string           `json:"innm_dosage_name"`
	Form           string           `json:"innm_dosage_form"`
	Brand          string           `json:"medication_name"`
	BrandForm      string           `json:"medication_form"`
	PackageQty     decimal.Decimal  `json:"package_qty"`
	Qty            decimal.Decimal  `json:"medication_qty"`
	SellAmount     decimal.Decimal  `json:"sell_amount"`
	Reimbursement  decimal.Decimal  `json:"reimbursement_amount"`
	Discount       decimal.Decimal  `json:"discount_amount"`
	SellPrice      decimal.Decimal  `json:"sell_price"`
}

// reportColumns are the headings of the CSV.
var reportColumns = []string{"Назва аптеки", "ЄДРПОУ аптеки", "Назва закладу", "ЄДРПОУ закладу", "ПІБ лікаря", "Ідентифікатор лікаря", "Номер рецепта", "Дата створення рецепта",
	"Дата відпуску", "Номер чека", "Сума оплати", "МНН", "Форма випуску (МНН)", "Торгова назва", "Форма випуску", "Кількість в упаковці", "Відпущена кількість",
	"Сума реалізації", "Сума відшкодування", "Сума знижки", "Ціна реалізації"}

func (l ReportLine) row() []string {
	payment := ""
	if l.Payment != nil {
		payment = l.Payment.Fixed()
	}
	return []string{l.Pharmacy, string(l.PharmacyEDRPOU), l.Clinic, string(l.ClinicEDRPOU), l.Doctor, l.DoctorID.String(), l.Number, l.CreatedAt.String(), l.DispensedAt.String(),
		l.Receipt, payment, l.INN, l.Form, l.Brand, l.BrandForm, l.PackageQty.String(), l.Qty.String(), l.SellAmount.Fixed(), l.Reimbursement.Fixed(), l.Discount.Fixed(), l.SellPrice.Fixed()}
}

// reportLines are the lines of a dispense, one a brand. What was paid stands on
// the first: it is paid once.
func reportLines(d Dispense, rx prescription.Prescription) (list []ReportLine) {
	doc, p := d.Body.Document, rx.Body.Document
	name := p.Employee.LastName + " " + p.Employee.FirstName
	if p.Employee.SecondName != "" {
		name += " " + p.Employee.SecondName
	}
	for i, l := range doc.Details {
		line := ReportLine{d.ID, rx.ID, doc.LegalEntity.Name, doc.LegalEntity.EDRPOU, p.LegalEntity.Name, p.LegalEntity.EDRPOU, name, p.Employee.ID, p.Number, p.CreatedAt, doc.DispensedAt,
			d.Body.PaymentID, nil, p.Medication.Name, p.Medication.Form, l.MedicationName, l.Form, l.PackageQty, l.Qty, l.SellAmount, l.ReimbursementAmount, l.DiscountAmount, l.SellPrice}
		if i == 0 {
			line.Payment = d.Body.PaymentAmount
		}
		list = append(list, line)
	}
	return list
}

func (f ReportFilter) check(c registry.Caller) (ReportFilter, error) {
	bad := func(entry, rule, text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$." + entry, EntryType: "query_parameter", Rule: rule, Description: text})
	}
	switch {
	case f.From.IsZero():
		return f, bad("date_from", "required", "required property date_from was not present")
	case f.To.IsZero():
		return f, bad("date_to", "required", "required property date_to was not present")
	case f.To.Before(f.From):
		return f, bad("date_to", "invalid", "date_to should be equal or greater than date_from")
	case f.From.AddDate(0, 0, MaxReportDays).Before(f.To):
		return f, bad("date_to", "invalid", "a report is of at most 92 days")
	case f.Limit < 1 || f.Limit > maxReportPage:
		return f, bad("page_size", "number", "must lie between 1 and 100")
	}
	if c.ClientType == "NHS" {
		return f, nil
	}
	if c.LegalEntityID.IsZero() || !f.LegalEntityID.IsZero() && f.LegalEntityID != c.LegalEntityID {
		return f, registry.Errorf(registry.CodeForbidden, "a report is of the own legal entity").WithReason("legal_entity")
	}
	f.LegalEntityID = c.LegalEntityID
	return f, nil
}

// Report reads a page of at most Limit dispenses, and whether there are more.
// Each prescription told has its entry.
func (s *Service) Report(ctx context.Context, c registry.Caller, f ReportFilter) (list []ReportLine, next registry.ID, err error) {
	if err := c.Require(ScopeReport); err != nil {
		return nil, next, err
	}
	if f, err = f.check(c); err != nil {
		return nil, next, err
	}
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		list, next = nil, registry.ID{}
		page := f
		page.Limit++
		pairs, err := tx.Processed(ctx, page)
		if err != nil {
			return err
		}
		if len(pairs) > f.Limit {
			pairs = pairs[:f.Limit]
			next = pairs[f.Limit-1].Dispense.ID
		}
		for _, p := range pairs {
			d, err := Read(p.Dispense)
			if err != nil {
				return err
			}
			rx, err := prescription.Read(p.Prescription)
			if err != nil {
				return err
			}
			list = append(list, reportLines(d, rx)...)
			e := record.Entry(c, audit.Disclosure, p.Dispense)
			e.Fields, e.Reason, e.LegalBasis = []string{"reimbursement_report"}, "report", &audit.LegalBasis{Code: audit.BasisStatute}
			if _, err := tx.Audit(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
	return list, next, err
}

// ReportCSV writes the whole report, RFC 4180 with CRLF, in UTF-8.
func (s *Service) ReportCSV(ctx context.Context, c registry.Caller, f ReportFilter) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.Write(reportColumns); err != nil {
		return nil, fmt.Errorf("writing a report: %w", err)
	}
	rows := 0
	for f.Limit = maxReportPage; ; {
		list, next, err := s.Report(ctx, c, f)
		if err != nil {
			return nil, err
		}
		if rows += len(list); rows > maxReportRows {
			return nil, registry.Errorf(registry.CodeTooLarge, "the report has more than %d lines; ask for fewer days", maxReportRows)
		}
		for _, l := range list {
			if err := w.Write(plain(l.row())); err != nil {
				return nil, fmt.Errorf("writing a report: %w", err)
			}
		}
		if f.After = next; next.IsZero() {
			break
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

// plain keeps a spreadsheet from taking a name for a formula.
func plain(row []string) []string {
	for i, v := range row {
		if v != "" && (v[0] == '=' || v[0] == '+' || v[0] == '-' || v[0] == '@') {
			row[i] = "'" + v
		}
	}
	return row
}

// Opened is one act behind a line of a report: the container as it was
// received, the judgement it was accepted on, and what a new one says now.
type Opened struct {
	ActID      registry.ID `json:"act_id"`
	Kind       string      `json:"kind"`
	AcceptedAt time.Time   `json:"accepted_at"`
	Container  []byte      `json:"container"` // base64
	Digest     string      `json:"container_sha256"`
	Report     string      `json:"report"`
	Policy     string      `json:"policy"`
	Indication string      `json:"indication"`
	// Now is the indication of a judgement made for this answer.
	Now string `json:"indication_now"`
	// Matches: the signed bytes say what the report's line says.
	Matches bool `json:"matches"`
}

// Open shows the acts behind the lines of a dispense: the doctor's and, where
// the programme wants one, the pharmacist's. Both are verified anew and held
// against what the registry keeps.
func (s *Service) Open(ctx context.Context, c registry.Caller, id registry.ID) (list []Opened, err error) {
	if err := c.Require(ScopeReport); err != nil {
		return nil, err
	}
	type wanted struct {
		account   Account
		container []byte
		document  any
		payment   Body
	}
	var acts []wanted
	err = s.Store.Update(ctx, func(ctx context.Context, tx Tx) error {
		acts = nil
		r, err := tx.RecordByID(ctx, KindRecord, id, false)
		if err == nil && (r.Status != StatusProcessed || c.ClientType != "NHS" && r.LegalEntityID != c.LegalEntityID) {
			err = record.ErrNotFound
		}
		if err != nil {
			return err
		}
		d, err := Read(r)
		if err != nil {
			return err
		}
		p, err := tx.RecordAcross(ctx, prescription.KindRecord, d.BasedOnID, false)
		if err != nil {
			return err
		}
		rx, err := prescription.Read(p)
		if err != nil {
			return err
		}
		acts = append(acts, wanted{account: Account{Act: registry.Act{ID: rx.ActID}}, document: rx.Body.Document})
		if !d.Body.ActID.IsZero() {
			acts = append(acts, wanted{account: Account{Act: registry.Act{ID: d.Body.ActID}}, document: d.Body.Document, payment: d.Body})
		}
		for i := range acts {
			if acts[i].account, err = tx.AccountOf(ctx, acts[i].account.Act.ID); err != nil {
				return err
			}
			if acts[i].container, err = tx.Container(ctx, acts[i].account.Act.Container); err != nil {
				return err
			}
		}
		e := record.Entry(c, audit.Disclosure, r)
		e.Fields, e.Reason, e.LegalBasis = []string{"reimbursement_report", "signed_content"}, "report", &audit.LegalBasis{Code: audit.BasisStatute}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Verification asks the network: no transaction is open.
	for _, w := range acts {
		a := w.account
		o := Opened{ActID: a.Act.ID, Kind: string(a.Act.Kind), AcceptedAt: a.Act.AcceptedAt, Container: w.container, Digest: fmt.Sprintf("%x", a.Act.Container[:]),
			Report: a.Report, Policy: a.Policy, Indication: a.Indication}
		if err := s.judge(ctx, &o, a.Act, w.container, w.document, w.payment); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// judge verifies a container anew and compares what was signed.
func (s *Service) judge(ctx context.Context, o *Opened, a registry.Act, container []byte, document any, paid Body) error {
	policy, err := s.Policies.For(string(a.Kind), s.Source.Now())
	if err != nil {
		return err
	}
	result, err := s.Verifier.Verify(ctx, signature.Input{ID: a.ID.String(), Document: facts.Bytes(container)}, policy)
	if err != nil {
		return registry.Errorf(registry.CodeUnavailable, "the signature could not be checked now; ask again").WithCause(err)
	}
	o.Now = string(result.Indication)
	signed, _, err := result.MustBePassed()
	var not *signature.NotPassedError
	if errors.As(err, &not) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := signed.Bytes()
	if err != nil {
		return err
	}
	if a.Kind == Name {
		p, err := readProcessed(b)
		if err != nil || p.paymentID != paid.PaymentID || !equal(p.amount, paid.PaymentAmount) {
			return nil
		}
		b = p.rest
	}
	want, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("reading a kept document: %w", err)
	}
	want, err = jcs.Canonicalize(want)
	if err != nil {
		return err
	}
	got, err := jcs.Canonicalize(b)
	o.Matches = err == nil && bytes.Equal(want, got)
	return nil
}

func equal(a, b *decimal.Decimal) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}
