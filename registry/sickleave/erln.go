package sickleave

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Register of sick leaves (ЕРЛН) of the Pension Fund and its operations. The
// dictionaries and the way of numeric results are ЕСОЗ 2.6; names of operations
// and members of messages are not public and ours (docs/divergences.md).
const (
	ERLN outbox.Destination = "erln"

	PostIncident      outbox.Operation = "PostIncident"
	CancelIncident    outbox.Operation = "CancelIncident"
	GetIncidentResult outbox.Operation = "GetIncidentResult"
)

// Kinds of tasks.
const (
	component    = "ERLN"
	CreateRecord = "CREATE_ERLN_RECORD"
	CancelRecord = "CANCEL_ERLN_RECORD"
)

// States of a task, and how the conclusion stands with the register.
const (
	TaskPending = "PENDING"
	TaskDone    = "DONE"
	TaskFailed  = "FAILED"

	StandsSent       = "SENT"    // on its way, or without a result yet
	StandsCreated    = "CREATED" // the sick leave is open
	StandsInvalid    = "INVALID" // opened as "Недійсний": another case counts
	StandsCancelled  = "CANCELLED"
	StandsCorrection = "CORRECTION_NEEDED" // the doctor has to correct or cancel
	StandsError      = "ERROR"
)

// Task is one errand in another register, as reads tell it (ЕСОЗ 2.6).
type Task struct {
	Component         string    `json:"component"`
	Type              string    `json:"type"`
	TaskStatus        string    `json:"taskStatus"`
	IntegrationStatus string    `json:"integrationStatus"`
	StatusMessage     string    `json:"statusMessage,omitempty"`
	Details           Details   `json:"details"`
	UpdatedAt         time.Time `json:"updatedAt"`
}

// Details of a task.
type Details struct {
	// Number of the sick leave that was opened.
	Number string `json:"SL_NUM,omitempty"`
	// Result is the register's code; Reaction who has to do something.
	Result   int    `json:"RESULT,omitempty"`
	Reaction string `json:"reaction,omitempty"`
}

// requestType is REQUEST_TYPE.
const (
	typeNew          = 1
	typeContinuation = 2
	typeShortening   = 3
	typeLongIllness  = 4
)

// incidentCategory is INCIDENT_CATEGORY: 1 to 4 are public, the others follow
// the order of the national dictionary.
func incidentCategory(category string) int { return slices.Index(categories, category) + 1 }

// documentTypes is DP_DOCTYPE.
var documentTypes = map[string]int{"PASSPORT": 1, "NATIONAL_ID": 2, "BIRTH_CERTIFICATE": 3, "TEMPORARY_CERTIFICATE": 4, "PERMANENT_RESIDENCE_PERMIT": 5,
	"REFUGEE_CERTIFICATE": 6, "COMPLEMENTARY_PROTECTION_CERTIFICATE": 7}

// Incident is what the register is told of a conclusion: who is off work, when
// and by whose word. No diagnosis, and nothing of whom somebody cares for.
type Incident struct {
	RequestID   string        `json:"requestId"` // the act; a repetition keeps it
	RequestType int           `json:"requestType"`
	Category    int           `json:"incidentCategory"`
	Number      string        `json:"number"`
	Previous    string        `json:"previousNumber,omitempty"`
	Replaced    string        `json:"replacedNumber,omitempty"`
	Start       registry.Date `json:"dateStart"`
	End         registry.Date `json:"dateEnd"`
	Issued      registry.Date `json:"dateIssued"`
	Abroad      bool          `json:"isAbroad"`
	Accident    bool          `json:"isAccident"`
	Intoxicated bool          `json:"intoxication"`
	Violation   string        `json:"violationType,omitempty"`
	ViolationOn registry.Date `json:"violationDate,omitzero"`
	Person      Insured       `json:"person"`
	Doctor      Signed        `json:"doctor"`
	EDRPOU      string        `json:"edrpou"`
	Clinic      string        `json:"clinic"`
}

// Insured is who is off work.
type Insured struct {
	RNOKPP         string        `json:"ipn,omitempty"`
	NoRNOKPP       bool          `json:"ipnNo"`
	Surname        string        `json:"surname"`
	Name           string        `json:"name"`
	Patronymic     string        `json:"patronymic,omitempty"`
	BirthDate      registry.Date `json:"birthDate"`
	Male           bool          `json:"male"`
	DocumentType   int           `json:"docType,omitempty"`
	DocumentNumber string        `json:"docNumber,omitempty"`
}

// Signed is the doctor.
type Signed struct {
	RNOKPP     string `json:"ipn,omitempty"`
	NoRNOKPP   bool   `json:"ipnNo"`
	Surname    string `json:"surname"`
	Name       string `json:"name"`
	Patronymic string `json:"patronymic,omitempty"`
}

// Withdrawal is what the register is told of a cancellation. Reason is the
// author's code; numbers of CANCEL_REASON are not public.
type Withdrawal struct {
	RequestID string        `json:"requestId"`
	Number    string        `json:"number"`
	Reason    string        `json:"cancelReason"`
	On        registry.Date `json:"dateCancelled"`
	// Restored is the conclusion that counts again.
	Restored string `json:"restoredNumber,omitempty"`
}

// Inquiry asks for the result of an earlier message.
type Inquiry struct {
	RequestID string `json:"requestId"` // of the message asked about
	LeaveID   string `json:"leaveId"`   // not told to the register
	Task      string `json:"task"`      // not told to the register
	Round     int    `json:"round"`     // not told to the register
}

// Verdict is what the register answers to each of the three: that it took the
// message, and, then or later, what became of it.
type Verdict struct {
	// Received is requestReceiveStatus: 0 taken, 1 refused by form.
	Received int    `json:"requestReceiveStatus"`
	Fault    string `json:"faultCode,omitempty"`
	// Result is zero while there is none.
	Result int    `json:"result,omitempty"`
	Number string `json:"slNum,omitempty"`
}

// Result is a row of RESULT: what a code means and who has to do something.
type Result struct {
	Code int `json:"code"`
	// Stands is what the conclusion's errand comes to.
	Stands   string `json:"stands"`
	Done     bool   `json:"done"`
	Reaction string `json:"reaction"` // none, doctor, administrator
	Text     string `json:"uk"`
	// Attested is false for codes that no public source names.
	Attested bool `json:"attested"`
}

//go:embed erln_results.json
var resultsFile []byte

var results = func() map[int]Result {
	var list []Result
	if err := json.Unmarshal(resultsFile, &list); err != nil {
		panic("sickleave: erln_results.json: " + err.Error())
	}
	out := map[int]Result{}
	for _, r := range list {
		out[r.Code] = r
	}
	return out
}()

// ResultOf gives the row of a code; one that nobody told us is for the administrator.
func ResultOf(code int) Result {
	if r, ok := results[code]; ok {
		return r
	}
	return Result{Code: code, Stands: StandsError, Reaction: reactionAdministrator, Text: "Невідомий код відповіді ЕРЛН " + strconv.Itoa(code)}
}

const (
	reactionDoctor        = "doctor"
	reactionAdministrator = "administrator"
)

// ExportTx puts messages.
type ExportTx interface{ outbox.Tx }

// fields named in the trail.
var (
	incidentFields   = []string{"person.tax_id", "person.names", "person.birth", "person.documents", "composition.period", "composition.category"}
	withdrawalFields = []string{"composition.number", "composition.cancellation"}
	inquiryFields    = []string{"composition.number"}
)

// export leaves the message of a new conclusion. The order is of the person off
// work: what continues a conclusion never comes before it.
func (k Kind) export(ctx context.Context, tx Tx, c registry.Caller, l *Leave, f *Facts) error {
	l.Integration = append(l.Integration, Task{Component: component, Type: CreateRecord, TaskStatus: TaskPending, IntegrationStatus: StandsSent, UpdatedAt: l.SignedAt})
	in := incidentOf(l, f.Focus, f.Author, f.LegalEntity)
	if l.Relation != "" {
		if l.Relation == Replaces {
			in.Replaced = f.Target.Title
		} else {
			in.Previous = f.Target.Title
		}
		in.RequestType = requestType(l, &f.Target)
	}
	return put(ctx, tx, k.Source, c, l, PostIncident, l.ID, incidentFields, time.Time{}, in)
}

func requestType(l, target *Leave) int {
	switch {
	case l.Relation == Appends && flag(l.Extensions, IsForceRenew):
		return typeLongIllness
	case l.Relation == Appends:
		return typeContinuation
	case l.Relation == Replaces && l.Category == target.Category && l.Period.Start == target.Period.Start && l.Period.End.Before(target.Period.End):
		return typeShortening
	}
	return typeNew
}

func incidentOf(l *Leave, p patient.Person, e prm.Employee, legalEntity prm.LegalEntity) Incident {
	in := Incident{
		RequestID: l.ID.String(), RequestType: typeNew, Category: incidentCategory(l.Category), Number: l.Title, Start: l.Period.Start, End: l.Period.End, Issued: Day(l.SignedAt),
		Abroad: flag(l.Extensions, IsForeign), Accident: flag(l.Extensions, IsAccident), Intoxicated: flag(l.Extensions, IsIntoxicated),
		Person: Insured{RNOKPP: p.TaxID, NoRNOKPP: p.TaxID == "", Surname: p.LastName, Name: p.FirstName, Patronymic: p.SecondName, BirthDate: p.BirthDate, Male: p.Gender == "MALE"},
		Doctor: Signed{Surname: e.Party.LastName, Name: e.Party.FirstName, Patronymic: e.Party.SecondName},
		EDRPOU: string(legalEntity.EDRPOU), Clinic: l.Names.LegalEntity,
	}
	// Whoever has no tax number stands with the number of a document in its place.
	if registry.RNOKPP(e.Party.TaxID).Valid() {
		in.Doctor.RNOKPP = e.Party.TaxID
	} else {
		in.Doctor.NoRNOKPP = true
	}
	for _, d := range p.Documents {
		if n, ok := documentTypes[d.Type]; ok {
			in.Person.DocumentType, in.Person.DocumentNumber = n, d.Number
			break
		}
	}
	if v, ok := extension(l.Extensions, Violation); ok {
		d, _ := extension(l.Extensions, ViolationDate)
		in.Violation, in.ViolationOn = v.String, d.Date
	}
	return in
}

// exportCancellation leaves the message of a cancellation, unless the register
// said that it has not opened the conclusion. An export that was given up is no
// such word: the register may have taken it before its answer was lost, and an
// operator may yet replay it. The cancellation then stands behind it.
func exportCancellation(ctx context.Context, tx ExportTx, source registry.Source, c registry.Caller, l *Leave, restored string, at time.Time) error {
	if t := l.task(CreateRecord); t == nil || t.declined() {
		return nil
	}
	l.Integration = append(l.Integration, Task{Component: component, Type: CancelRecord, TaskStatus: TaskPending, IntegrationStatus: StandsSent, UpdatedAt: at})
	return put(ctx, tx, source, c, l, CancelIncident, l.Cancellation.ActID, withdrawalFields, time.Time{},
		Withdrawal{RequestID: l.Cancellation.ActID.String(), Number: l.Title, Reason: l.Cancellation.Reason, On: Day(at), Restored: restored})
}

func put(ctx context.Context, tx outbox.Tx, source registry.Source, c registry.Caller, l *Leave, op outbox.Operation, id registry.ID, fields []string, notBefore time.Time, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("writing a message for ЕРЛН: %w", err)
	}
	m := outbox.Message{ID: id, Destination: ERLN, Operation: op, Subject: l.FocusID.String(), PersonID: l.FocusID, Fields: fields, Body: b, NotBefore: notBefore}
	if op != GetIncidentResult {
		from := notBefore
		if from.IsZero() {
			from = source.Now()
		}
		m.Deadline = from.AddDate(0, 0, patienceDays)
	}
	_, err = outbox.Put(ctx, tx, source, c, m)
	return err
}

// patienceDays: what the register has not processed by then goes on paper
// (order 1066).
const patienceDays = 7
