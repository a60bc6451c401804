package connector

import (
	"errors"

	"mist/registry/outbox"
	"mist/registry/verification"
	"mist/soap"
)

// DRFO is the check of a tax number.
func DRFO() (Services, error) {
	c, err := load("drfo")
	if err != nil {
		return nil, err
	}
	type answer struct {
		Result string `xml:"result"`
	}
	results := map[string]verification.Result{"1": verification.ResultMatch, "2": verification.ResultNone, "3": verification.ResultOther, "4": verification.ResultDeclined}
	return Services{verification.CheckTaxNumber: service(c, string(verification.CheckTaxNumber), string(verification.CheckTaxNumber), soap.V11, func(q verification.NumberQuery) any {
		return struct {
			Number     string `xml:"RNOKPP"`
			LastName   string `xml:"LastName"`
			FirstName  string `xml:"FirstName"`
			MiddleName string `xml:"MiddleName,omitempty"`
			DateBirth  string `xml:"DateBirth"`
		}{q.Number, q.LastName, q.FirstName, q.SecondName, q.BirthDate.String()}
	}, func(a answer) (any, error) {
		r, ok := results[a.Result]
		if !ok {
			return nil, outbox.Rubbish(errors.New("the answer has a result that nobody knows"))
		}
		return verification.Outcome{Result: r}, nil
	})}, nil
}

// MVS is the check of a УНЗР, in SOAP 1.2.
func MVS() (Services, error) {
	c, err := load("mvs")
	if err != nil {
		return nil, err
	}
	type answer struct {
		Code string `xml:"resultCode"`
	}
	results := map[string]verification.Result{"0": verification.ResultMatch, "1": verification.ResultNone, "2": verification.ResultOther, "3": verification.ResultInvalid}
	return Services{verification.CheckUNZR: service(c, string(verification.CheckUNZR), "urn:checkunzr", soap.V12, func(q verification.NumberQuery) any {
		return struct {
			Surname    string `xml:"surname"`
			FirstName  string `xml:"firstName"`
			Patronymic string `xml:"patronymic,omitempty"`
			BirthDate  string `xml:"birthDate"`
			UNZR       string `xml:"unzr"`
		}{q.LastName, q.FirstName, q.SecondName, q.BirthDate.String(), q.Number}
	}, func(a answer) (any, error) {
		r, ok := results[a.Code]
		if !ok {
			return nil, outbox.Rubbish(errors.New("the answer has a result that nobody knows"))
		}
		return verification.Outcome{Result: r}, nil
	})}, nil
}
