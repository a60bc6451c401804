package portal

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/payment"
	"mist/registry/query"
)

// PaymentRoom is registers of payments; *payment.Service is one.
type PaymentRoom interface {
	Propose(ctx context.Context, c registry.Caller, kind payment.Kind, period string, lines []payment.SentLine) (payment.Register, error)
	Agree(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	Decline(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (payment.Register, error)
	List(ctx context.Context, c registry.Caller, page, size int) ([]payment.Register, int, error)
}

type paymentLineView struct {
	Number  int               `json:"number"`
	EDRPOU  string            `json:"edrpou"`
	Account string            `json:"account"`
	Amount  string            `json:"amount"`
	Purpose string            `json:"purpose"`
	Status  payment.LineState `json:"status"`
	Reason  string            `json:"reason,omitempty"`
}

type paymentDifferenceView struct {
	Kind   string `json:"kind"`
	Number int    `json:"number"`
	Ours   string `json:"ours,omitempty"`
	Theirs string `json:"theirs,omitempty"`
}

type paymentView struct {
	ID          registry.ID             `json:"id"`
	Kind        payment.Kind            `json:"kind"`
	Period      string                  `json:"period"`
	Status      payment.Status          `json:"status"`
	Total       string                  `json:"total"`
	Quantity    int                     `json:"qty"`
	Reason      string                  `json:"reason,omitempty"`
	ProposedBy  registry.ID             `json:"proposed_by"`
	ApprovedBy  registry.ID             `json:"approved_by,omitzero"`
	InsertedAt  string                  `json:"inserted_at"`
	UpdatedAt   string                  `json:"updated_at"`
	Lines       []paymentLineView       `json:"lines,omitempty"`
	Differences []paymentDifferenceView `json:"differences,omitempty"`
}

func viewPayment(r payment.Register) paymentView {
	v := paymentView{ID: r.ID, Kind: r.Kind, Period: r.Period, Status: r.Status, Total: payment.Hryvnias(r.Total), Quantity: r.Count, Reason: r.Reason,
		ProposedBy: r.ProposedBy, ApprovedBy: r.ApprovedBy, InsertedAt: stamp(r.InsertedAt), UpdatedAt: stamp(r.UpdatedAt)}
	for _, l := range r.Lines {
		v.Lines = append(v.Lines, paymentLineView{l.Number, l.EDRPOU, l.Account, payment.Hryvnias(l.Amount), l.Purpose, l.State, l.Reason})
	}
	for _, d := range r.Differences {
		one := paymentDifferenceView{Kind: d.Kind, Number: d.Number}
		if d.Ours != 0 {
			one.Ours = payment.Hryvnias(d.Ours)
		}
		if d.Theirs != 0 {
			one.Theirs = payment.Hryvnias(d.Theirs)
		}
		v.Differences = append(v.Differences, one)
	}
	return v
}

// Payments are the places of registers of payments.
func Payments(s PaymentRoom) Room {
	return room(func(p *portal, r chi.Router) {
		const all = "/api/v3/payment_registers"
		r.Post(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			o, _, err := readObject(r, p.limits.Body, false)
			if err != nil {
				return err
			}
			f := o.fields()
			kind, period := f.text("kind", true), f.text("period", true)
			var lines []payment.SentLine
			for i, l := range f.objects("lines") {
				one := payment.SentLine{EDRPOU: l.text("edrpou", true), Account: l.text("account", true), Purpose: l.text("purpose", true)}
				if one.Amount, err = payment.ParseHryvnias(l.text("amount", true)); err != nil {
					f.wrong(fmt.Sprintf("lines.[%d].amount", i), "format", err.Error())
				}
				f.join(fmt.Sprintf("lines.[%d]", i), l)
				lines = append(lines, one)
			}
			if err := f.done(); err != nil {
				return err
			}
			one, err := s.Propose(r.Context(), c, payment.Kind(kind), period, lines)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusCreated, viewPayment(one), nil)
		}))
		r.Get(all, p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			page, size := q.number("page", 1), q.number("page_size", 50)
			if err := q.done(); err != nil {
				return err
			}
			list, total, err := s.List(r.Context(), c, page, size)
			if err != nil {
				return err
			}
			views := make([]paymentView, len(list))
			for i, one := range list {
				views[i] = viewPayment(one)
			}
			return p.list(w, r, views, query.Paging{Number: page, Size: size, TotalEntries: total, TotalPages: (total + size - 1) / size})
		}))
		r.Get(all+"/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			one, err := s.Get(r.Context(), c, id)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, viewPayment(one), nil)
		}))
		for action, f := range map[string]func(PaymentRoom, context.Context, registry.Caller, registry.ID) (payment.Register, error){"agree": PaymentRoom.Agree, "decline": PaymentRoom.Decline} {
			r.Patch(all+"/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				o, _, err := readObject(r, p.limits.SmallBody, true)
				if err != nil {
					return err
				}
				if err := o.fields().done(); err != nil {
					return err
				}
				one, err := f(s, r.Context(), c, id)
				if err != nil {
					return err
				}
				return p.answer(w, r, http.StatusOK, viewPayment(one), nil)
			}))
		}
	})
}
