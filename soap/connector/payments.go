package connector

import (
	"errors"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/payment"
	"mist/soap"
)

// Payments is the exchange of payment registers.
func Payments() (Services, error) {
	c, err := load("payments")
	if err != nil {
		return nil, err
	}
	type line struct {
		Number  int    `xml:"number"`
		EDRPOU  string `xml:"edrpou"`
		Account string `xml:"account"`
		Amount  string `xml:"amount"`
		Purpose string `xml:"purpose"`
	}
	type submission struct {
		ID     string `xml:"registerId"`
		Kind   string `xml:"kind"`
		Period string `xml:"period"`
		Total  string `xml:"total"`
		Lines  []line `xml:"lines>line"`
	}
	type taken struct {
		ID     string `xml:"registerId"`
		Result string `xml:"result"`
		Reason string `xml:"reason"`
	}
	type told struct {
		ID    string `xml:"registerId"`
		State string `xml:"state"`
		Lines []struct {
			Number  int    `xml:"number"`
			Account string `xml:"account"`
			Amount  string `xml:"amount"`
			State   string `xml:"state"`
			Reason  string `xml:"reason"`
		} `xml:"lines>line"`
	}
	return Services{
		payment.Submit: service(c, string(payment.Submit), string(payment.Submit), soap.V11, func(q payment.Submission) any {
			s := submission{ID: q.RegisterID.String(), Kind: string(q.Kind), Period: q.Period, Total: payment.Hryvnias(q.Total)}
			for _, l := range q.Lines {
				s.Lines = append(s.Lines, line{l.Number, l.EDRPOU, l.Account, payment.Hryvnias(l.Amount), l.Purpose})
			}
			return s
		}, func(a taken) (any, error) {
			id, err := registry.ParseID(a.ID)
			if err != nil {
				return nil, outbox.Rubbish(errors.New("the answer names no register"))
			}
			return payment.Taken{RegisterID: id, Accepted: a.Result == "accepted", Reason: text(a.Reason)}, nil
		}),
		payment.Ask: service(c, string(payment.Ask), string(payment.Ask), soap.V11, func(q payment.Question) any {
			return struct {
				ID string `xml:"registerId"`
			}{q.RegisterID.String()}
		}, func(a told) (any, error) {
			id, err := registry.ParseID(a.ID)
			if err != nil {
				return nil, outbox.Rubbish(errors.New("the answer names no register"))
			}
			if len(a.Lines) > 2*payment.MaxLines {
				return nil, outbox.Rubbish(errors.New("the answer has too many lines"))
			}
			out := payment.Told{RegisterID: id, State: a.State}
			for _, l := range a.Lines {
				amount, err := payment.ParseHryvnias(l.Amount)
				if err != nil {
					return nil, outbox.Rubbish(errors.New("the answer has an amount that is none"))
				}
				out.Lines = append(out.Lines, payment.ToldLine{Number: l.Number, Account: l.Account, Amount: amount, Paid: l.State == "paid", Reason: text(l.Reason)})
			}
			return out, nil
		}),
	}, nil
}
