package dispense

import (
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/decimal"
	"mist/registry/medication"
	"mist/registry/prescription"
	"mist/registry/prm"
)

var today = registry.Date{Year: 2026, Month: 11, Day: 21}

func money(t *testing.T, s string) decimal.Decimal {
	t.Helper()
	d, err := decimal.Parse(s)
	require.NoError(t, err)
	return d
}

func good(t *testing.T) (Input, prescription.Qualified) {
	t.Helper()
	brand := medication.Brand{ID: registry.ID{4}, Name: "Зразок", PackageQty: decimal.Of(60), PackageMinQty: decimal.Of(10)}
	part := medication.Participant{ID: registry.ID{3}, IsActive: true, Divisible: true, Reimbursement: medication.Reimbursement{Type: "FIXED", Amount: money(t, "94.32")}}
	return Input{PrescriptionID: registry.ID{1}, DivisionID: registry.ID{2}, DispensedAt: today,
			Details: []Detail{{MedicationID: brand.ID, Qty: decimal.Of(30), SellPrice: money(t, "2"), SellAmount: money(t, "60"), DiscountAmount: money(t, "47.16")}}},
		prescription.Qualified{Program: &medication.Program{ID: registry.ID{5}, FundingSource: medication.FundingNHS}, Offers: []medication.Offer{{Brand: brand, Participant: part}}}
}

// One line per rule; each breaks the one that passes.
func TestRulesOfADispense(t *testing.T) {
	terms := DefaultTerms()
	in, q := good(t)
	require.NoError(t, checkInput(in, today))
	list, err := terms.lines(in, q, decimal.Of(30))
	require.NoError(t, err, "the unbroken twin")
	require.Equal(t, "47.16", list[0].ReimbursementAmount.String())
	for _, r := range []struct {
		rule   string
		break_ func(*Input, *prescription.Qualified)
		entry  string // empty: passes
	}{
		{"discount over the reimbursement", func(x *Input, _ *prescription.Qualified) { x.Details[0].DiscountAmount = money(t, "47.18") }, "dispense_details[0].discount_amount"},
		{"a kopiyka over it", func(x *Input, _ *prescription.Qualified) { x.Details[0].DiscountAmount = money(t, "47.17") }, ""},
		{"nine tenths of it", func(x *Input, _ *prescription.Qualified) { x.Details[0].DiscountAmount = money(t, "42.444") }, ""},
		{"less than nine tenths", func(x *Input, _ *prescription.Qualified) { x.Details[0].DiscountAmount = money(t, "42.4439") }, "dispense_details[0].discount_amount"},
		{"not a multiple", func(x *Input, _ *prescription.Qualified) { x.Details[0].Qty = decimal.Of(25) }, "dispense_details[0].medication_qty"},
		{"whole packages alone", func(_ *Input, q *prescription.Qualified) { q.Offers[0].Participant.Divisible = false }, "dispense_details[0].medication_qty"},
		{"a brand that takes no part", func(x *Input, _ *prescription.Qualified) { x.Details[0].MedicationID = registry.ID{9} }, "dispense_details[0].medication_id"},
		{"more than prescribed", func(x *Input, _ *prescription.Qualified) {
			x.Details[0].Qty, x.Details[0].DiscountAmount = decimal.Of(40), money(t, "62.88")
		}, "dispense_details"},
		{"without a programme nothing is reimbursed", func(_ *Input, q *prescription.Qualified) { q.Program = nil }, "dispense_details[0].discount_amount"},
		{"without a programme and without a discount", func(x *Input, q *prescription.Qualified) { q.Program, x.Details[0].DiscountAmount = nil, 0 }, ""},
	} {
		in, q := good(t)
		r.break_(&in, &q)
		_, err := terms.lines(in, q, decimal.Of(30))
		if r.entry == "" {
			require.NoError(t, err, r.rule)
			continue
		}
		e := registry.AsError(err)
		require.NotNil(t, e, r.rule)
		require.Equal(t, "$.medication_dispense."+r.entry, e.Fields[0].Entry, r.rule)
	}
	for rule, break_ := range map[string]func(*Input){
		"no details":                  func(x *Input) { x.Details = nil },
		"tomorrow":                    func(x *Input) { x.DispensedAt = today.AddDate(0, 0, 1) },
		"quantity":                    func(x *Input) { x.Details[0].Qty = 0 },
		"negative amounts":            func(x *Input) { x.Details[0].SellPrice = -1 },
		"discount over what was sold": func(x *Input) { x.Details[0].DiscountAmount = money(t, "60.01") },
		"a brand twice":               func(x *Input) { x.Details = append(x.Details, x.Details[0]) },
		"payment is not negative":     func(x *Input) { p := money(t, "-1"); x.PaymentAmount = &p },
	} {
		in, _ := good(t)
		break_(&in)
		require.Equal(t, registry.CodeInvalid, registry.CodeOf(checkInput(in, today)), rule)
	}
}

func TestCode(t *testing.T) {
	for _, c := range []struct{ given, want, text string }{
		{"4321", "4321", ""}, {"", "", ""}, {"0000", "", ""},
		{"1234", "4321", "Incorrect code"}, {"0000", "4321", "Incorrect code"}, {"", "4321", "Missing or Invalid code"}, {"1234", "", "Incorrect code"},
	} {
		err := checkCode(c.given, c.want)
		if c.text == "" {
			require.NoError(t, err, c)
			continue
		}
		require.Equal(t, registry.CodeUnauthenticated, registry.CodeOf(err), c)
		require.Equal(t, c.text, registry.AsError(err).Detail, c)
	}
}

func TestPayment(t *testing.T) {
	in, q := good(t)
	require.NoError(t, checkPayment(in, q.Program), "told when it is signed")
	paid := decimal.Of(1)
	in.PaymentAmount = &paid
	require.Error(t, checkPayment(in, q.Program))
	require.Error(t, checkPayment(in, nil))
	q.Program.Settings.SkipDispenseSign = true
	require.NoError(t, checkPayment(in, q.Program))
	in.PaymentAmount = nil
	require.Error(t, checkPayment(in, q.Program), "the NHSU wants the sum")
	q.Program.FundingSource = "LOCAL"
	require.NoError(t, checkPayment(in, q.Program))
}

func TestCounter(t *testing.T) {
	terms := DefaultTerms()
	terms.DLS = true
	own := registry.ID{1}
	c, l := registry.Caller{LegalEntityID: own}, prm.LegalEntity{ID: own, Licence: prm.Licence{Type: "PHARMACY"}}
	d := prm.Division{LegalEntityID: own, Status: "ACTIVE", Details: prm.DivisionDetails{DLSVerified: true}}
	g := &medication.Program{}
	require.NoError(t, terms.checkPharmacy(c, l, d, g), "the unbroken twin")
	foreign := d
	foreign.LegalEntityID = registry.ID{2}
	require.Error(t, terms.checkPharmacy(c, l, foreign, g))
	closed := d
	closed.Status = "INACTIVE"
	require.Error(t, terms.checkPharmacy(c, l, closed, g))
	unverified := d
	unverified.Details.DLSVerified = false
	require.Error(t, terms.checkPharmacy(c, l, unverified, g))
	g.Settings.SkipDLS = true
	require.NoError(t, terms.checkPharmacy(c, l, unverified, g))
	g.Settings.LicenseTypes = []string{"MSP"}
	require.Error(t, terms.checkPharmacy(c, l, d, g))
	g.Settings.LicenseTypes = []string{"PHARMACY"}
	require.NoError(t, terms.checkPharmacy(c, l, d, g))
}

func TestReportOfADispense(t *testing.T) {
	require.Len(t, reportColumns, 21)
	paid := money(t, "12.8")
	d := Dispense{Body: Body{PaymentID: "чек-1", PaymentAmount: &paid, Document: Document{DispensedAt: today, Details: []Line{
		{Detail: Detail{Qty: decimal.Of(30), SellAmount: money(t, "60"), DiscountAmount: money(t, "47.16"), SellPrice: decimal.Of(2)}, ReimbursementAmount: money(t, "47.16"), PackageQty: decimal.Of(60)},
		{Detail: Detail{Qty: decimal.Of(10)}},
	}}}}
	lines := reportLines(d, prescription.Prescription{})
	require.Len(t, lines, 2)
	require.Len(t, lines[0].row(), 21)
	require.Equal(t, "12.80", lines[0].row()[10], "paid once")
	require.Empty(t, lines[1].row()[10])
	require.Equal(t, []string{"60.00", "47.16", "47.16", "2.00"}, lines[0].row()[17:])
	require.Equal(t, []string{"'=1+1", "a", ""}, plain([]string{"=1+1", "a", ""}))
}

func TestPaymentStandsBesideTheDocument(t *testing.T) {
	p, err := readProcessed([]byte(`{"id":"x","payment_amount":12.80,"payment_id":"чек"}`))
	require.NoError(t, err)
	require.Equal(t, `{"id":"x"}`, string(p.rest))
	require.Equal(t, "12.8", p.amount.String())
	for _, bad := range []string{`[]`, `{`, `{"payment_amount":"1"}`, `{"payment_amount":-1}`, `{"payment_amount":1e3}`, `{"payment_id":1}`} {
		_, err := readProcessed([]byte(bad))
		require.Error(t, err, bad)
	}
}
