package operator

import (
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/payment"
)

// Payments is registers of payments; *payment.Service is one.
type Payments interface {
	Propose(ctx context.Context, c registry.Caller, kind payment.Kind, period string, lines []payment.SentLine) (payment.Register, error)
	Agree(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	Decline(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	List(ctx context.Context, c registry.Caller, page, size int) ([]payment.Register, int, error)
}

type paymentRow struct {
	payment.Register
	Sum  string
	Mark web.Mark
}

func rowOf(p payment.Register) paymentRow {
	row := paymentRow{Register: p, Sum: payment.Hryvnias(p.Total), Mark: web.Unknown}
	switch p.Status {
	case payment.Reconciled:
		row.Mark = web.Good
	case payment.Different, payment.Failed, payment.Rejected:
		row.Mark = web.Bad
	}
	return row
}

type paymentsView struct {
	Problems            []web.Problem
	List                []paymentRow
	Total               int
	Pager               web.Pager
	Kind, Period, Lines web.Field
}

func (r *room) payments(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showPayments(w, q, c, nil, http.StatusOK)
}

func (r *room) showPayments(w http.ResponseWriter, q *web.Request, c registry.Caller, wrong []web.Problem, status int) error {
	page, err := strconv.Atoi(q.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	list, total, err := r.Payments.List(q.Context(), c, page, jobRows)
	if err != nil {
		return err
	}
	v := paymentsView{Total: total, Problems: wrong,
		Kind: web.Field{Name: "kind", Type: "select", Label: q.T("ops.payments.kind"), Required: true, Value: q.PostFormValue("kind"), Options: []web.Option{
			{Value: string(payment.Capitation), Text: q.T("ops.payments.kind.CAPITATION")}, {Value: string(payment.Reimbursement), Text: q.T("ops.payments.kind.REIMBURSEMENT")}}},
		Period: web.Field{Name: "period", Label: q.T("ops.payments.period"), Hint: q.T("ops.payments.period.hint"), Required: true, Value: q.PostFormValue("period")},
		Lines:  web.Field{Name: "lines", Type: "textarea", Rows: 8, Label: q.T("ops.payments.lines"), Hint: q.T("ops.payments.lines.hint"), Required: true, Value: q.PostFormValue("lines")},
	}
	for _, p := range wrong {
		switch p.Field {
		case "period":
			v.Period.Error = p.Text
		case "lines":
			v.Lines.Error = p.Text
		}
	}
	for _, one := range list {
		v.List = append(v.List, rowOf(one))
	}
	if page > 1 {
		v.Pager.First = q.With("page", "")
	}
	if page*jobRows < total {
		v.Pager.Next = q.With("page", strconv.Itoa(page+1))
	}
	return q.Render(w, web.Page{Template: "payments", Title: q.T("ops.payments.title"), Data: v, Status: status})
}

// readLines reads "code;account;amount;purpose" line by line; bad is the number
// of the first line that cannot be read.
func readLines(text string) (lines []payment.SentLine, bad int) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.Comma, reader.FieldsPerRecord, reader.TrimLeadingSpace = ';', 4, true
	for {
		row, err := reader.Read()
		if row == nil && err != nil {
			if len(lines) > 0 && err.Error() == "EOF" {
				return lines, 0
			}
			return nil, len(lines) + 1
		}
		if err != nil {
			return nil, len(lines) + 1
		}
		amount, err := payment.ParseHryvnias(strings.Replace(strings.TrimSpace(row[2]), ",", ".", 1))
		if err != nil {
			return nil, len(lines) + 1
		}
		lines = append(lines, payment.SentLine{EDRPOU: strings.TrimSpace(row[0]), Account: strings.ReplaceAll(row[1], " ", ""), Amount: amount, Purpose: strings.TrimSpace(row[3])})
	}
}

// bring proposes a register; another officer agrees.
func (r *room) bring(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	lines, bad := readLines(form.Get("lines"))
	if bad > 0 {
		return r.showPayments(w, q, c, []web.Problem{{Field: "lines", Text: q.T("ops.payments.line.unread", "n", bad)}}, http.StatusUnprocessableEntity)
	}
	one, err := r.Payments.Propose(q.Context(), c, payment.Kind(form.Get("kind")), form.Get("period"), lines)
	if registry.CodeOf(err) == registry.CodeInvalid {
		return r.showPayments(w, q, c, problems(q, registry.AsError(err)), http.StatusUnprocessableEntity)
	}
	if err != nil {
		return err
	}
	q.Redirect(w, "/ops/payments/"+one.ID.String())
	return nil
}

// problems turns the refusal of a register into sentences with line numbers.
func problems(q *web.Request, e *registry.Error) (out []web.Problem) {
	for _, f := range e.Fields {
		member := strings.TrimPrefix(f.Entry, "$.")
		at, rest, inLine := strings.Cut(strings.TrimPrefix(member, "lines.["), "].")
		n, err := strconv.Atoi(at)
		switch {
		case strings.HasPrefix(member, "lines.[") && inLine && err == nil:
			out = append(out, web.Problem{Field: "lines", Text: q.T("ops.payments.wrong."+rest, "n", n+1)})
		case member == "period" || member == "kind" || member == "lines":
			out = append(out, web.Problem{Field: member, Text: q.T("ops.payments.wrong." + member)})
		default:
			out = append(out, web.Problem{Field: "lines", Text: f.Description})
		}
	}
	return out
}

type paymentLineRow struct {
	payment.Line
	Sum  string
	Mark web.Mark
}

type differenceRow struct {
	payment.Difference
	Text string
}

type paymentView struct {
	paymentRow
	Rows    []paymentLineRow
	Differs []differenceRow
	// Paid is what was paid of Sum, as far as the books meet.
	Paid string
	Mine bool
}

func (r *room) payment(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	p, err := r.Payments.Get(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := paymentView{paymentRow: rowOf(p), Mine: p.ProposedBy == c.PartyID}
	paid := int64(0)
	for _, l := range p.Lines {
		row := paymentLineRow{Line: l, Sum: payment.Hryvnias(l.Amount), Mark: web.Unknown}
		switch l.State {
		case payment.LinePaid:
			row.Mark = web.Good
			paid += l.Amount
		case payment.LineRejected:
			row.Mark = web.Bad
		}
		v.Rows = append(v.Rows, row)
	}
	v.Paid = payment.Hryvnias(paid)
	for _, d := range p.Differences {
		v.Differs = append(v.Differs, differenceRow{d, q.T("ops.payment.difference."+d.Kind, "n", d.Number, "ours", payment.Hryvnias(d.Ours), "theirs", payment.Hryvnias(d.Theirs))})
	}
	return q.Render(w, web.Page{Template: "payment", Title: q.T("ops.payment.title", "period", p.Period), Data: v})
}

// decidePayment is the second officer's word.
func (r *room) decidePayment(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	do := map[string]func(context.Context, registry.Caller, registry.ID) (payment.Register, error){"agree": r.Payments.Agree, "decline": r.Payments.Decline}[q.Param("step")]
	if do == nil {
		return registry.Errorf(registry.CodeNotFound, "there is nothing of this name")
	}
	if _, err := do(q.Context(), c, id); err != nil {
		return err
	}
	q.Redirect(w, "/ops/payments/"+id.String())
	return nil
}
