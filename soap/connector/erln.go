package connector

import (
	"errors"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/sickleave"
	"mist/soap"
)

// ERLN is the Pension Fund's register of sick leaves. Members are those of
// wsdl/consumed/erln.wsdl, in its order.
func ERLN() (Services, error) {
	c, err := load("erln")
	if err != nil {
		return nil, err
	}
	type answer struct {
		Received *int   `xml:"requestReceiveStatus"`
		Fault    string `xml:"faultCode"`
		Result   int    `xml:"RESULT"`
		Number   string `xml:"SL_NUM"`
	}
	told := func(a answer) (any, error) {
		if a.Received == nil {
			return nil, outbox.Rubbish(errors.New("the answer does not say whether the message was taken"))
		}
		return sickleave.Verdict{Received: *a.Received, Fault: a.Fault, Result: a.Result, Number: a.Number}, nil
	}
	type person struct {
		RNOKPP     string `xml:"DP_IPN,omitempty"`
		NoRNOKPP   int    `xml:"DP_IPN_NO"`
		Surname    string `xml:"DP_SURNAME"`
		Name       string `xml:"DP_NAME"`
		Patronymic string `xml:"DP_PATRONYMIC,omitempty"`
		BirthDate  string `xml:"DP_BIRTH_DATE"`
		Sex        int    `xml:"DP_SEX"`
		DocType    int    `xml:"DP_DOCTYPE,omitempty"`
		DocNumber  string `xml:"DP_DOCNUMBER,omitempty"`
	}
	type doctor struct {
		RNOKPP     string `xml:"DOCTOR_IPN,omitempty"`
		NoRNOKPP   int    `xml:"DOCTOR_IPN_NO"`
		Surname    string `xml:"DOCTOR_SURNAME"`
		Name       string `xml:"DOCTOR_NAME"`
		Patronymic string `xml:"DOCTOR_PATRONYMIC,omitempty"`
	}
	type incident struct {
		RequestID     string `xml:"requestId"`
		RequestType   int    `xml:"REQUEST_TYPE"`
		IncidentType  int    `xml:"INCIDENT_TYPE"`
		Category      int    `xml:"INCIDENT_CATEGORY"`
		Number        string `xml:"NUMBER"`
		Previous      string `xml:"PREVIOUS_NUMBER,omitempty"`
		Replaced      string `xml:"REPLACED_NUMBER,omitempty"`
		Start         string `xml:"DATE_START"`
		End           string `xml:"DATE_END"`
		Issued        string `xml:"DATE_ISSUED"`
		Abroad        int    `xml:"IS_ABROAD"`
		Accident      int    `xml:"IS_ACCIDENT"`
		Intoxicated   int    `xml:"SIGN_ANLK_NARKOTIK_INTOXICATION"`
		Violation     string `xml:"VIOLATION_TYPE,omitempty"`
		ViolationDate string `xml:"VIOLATION_DATE,omitempty"`
		Person        person `xml:"PERSON"`
		Doctor        doctor `xml:"DOCTOR"`
		EDRPOU        string `xml:"EDRPOU"`
		Clinic        string `xml:"LEGAL_ENTITY"`
	}
	flag := func(yes bool) int {
		if yes {
			return 1
		}
		return 0
	}
	day := func(d registry.Date) string { return d.String() }
	return Services{
		sickleave.PostIncident: service(c, string(sickleave.PostIncident), string(sickleave.PostIncident), soap.V11, func(q sickleave.Incident) any {
			return incident{q.RequestID, q.RequestType, 1, q.Category, q.Number, q.Previous, q.Replaced, day(q.Start), day(q.End), day(q.Issued),
				flag(q.Abroad), flag(q.Accident), flag(q.Intoxicated), q.Violation, day(q.ViolationOn),
				person{q.Person.RNOKPP, flag(q.Person.NoRNOKPP), q.Person.Surname, q.Person.Name, q.Person.Patronymic, day(q.Person.BirthDate), flag(q.Person.Male), q.Person.DocumentType, q.Person.DocumentNumber},
				doctor{q.Doctor.RNOKPP, flag(q.Doctor.NoRNOKPP), q.Doctor.Surname, q.Doctor.Name, q.Doctor.Patronymic}, q.EDRPOU, q.Clinic}
		}, told),
		sickleave.CancelIncident: service(c, string(sickleave.CancelIncident), string(sickleave.CancelIncident), soap.V11, func(q sickleave.Withdrawal) any {
			return struct {
				RequestID string `xml:"requestId"`
				Number    string `xml:"NUMBER"`
				Reason    string `xml:"CANCEL_REASON"`
				On        string `xml:"DATE_CANCELLED"`
				Restored  string `xml:"RESTORED_NUMBER,omitempty"`
			}{q.RequestID, q.Number, q.Reason, day(q.On), q.Restored}
		}, told),
		sickleave.GetIncidentResult: service(c, string(sickleave.GetIncidentResult), string(sickleave.GetIncidentResult), soap.V11, func(q sickleave.Inquiry) any {
			return struct {
				RequestID string `xml:"requestId"`
			}{q.RequestID}
		}, told),
	}, nil
}
