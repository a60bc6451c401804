// Package payment is registers of payments to clinics and pharmacies: one
// officer brings a register, another agrees, it leaves by the outbox, and the
// paying side's answer is held against it line by line.
//
// It trusts neither officer alone and the paying side with nothing: what does
// not meet is named and left to people. It counts no money itself: lines come
// from the reports under contracts.
package payment

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/outbox"
)

// Scopes of the NHSU's officers.
const (
	ScopeRead  = "payment_register:read"
	ScopeWrite = "payment_register:write"
)

// Status of a register.
type Status string

// States: NEW → SENT → ACCEPTED → RECONCILED | DIFFERENT; NEW → DECLINED; SENT → REJECTED.
// FAILED: a message about it is dead, and goes on when it is replayed.
const (
	New        Status = "NEW"
	Declined   Status = "DECLINED"
	Sent       Status = "SENT"
	Accepted   Status = "ACCEPTED"
	Rejected   Status = "REJECTED"
	Reconciled Status = "RECONCILED"
	Different  Status = "DIFFERENT"
	Failed     Status = "FAILED"
)

// Register is a list of payments and what became of it.
type Register struct {
	ID          registry.ID
	Kind        Kind
	Period      string // YYYY-MM
	Status      Status
	Total       int64 // kopecks
	Count       int   // lines
	Reason      string
	ProposedBy  registry.ID
	ApprovedBy  registry.ID
	InsertedAt  time.Time
	UpdatedAt   time.Time
	Lines       []Line
	Differences []Difference
}

// Tx is what the room needs of a transaction.
type Tx interface {
	outbox.Tx
	PutPaymentRegister(ctx context.Context, r Register) error
	// PaymentRegister reads one with its lines; with lock its row is held.
	PaymentRegister(ctx context.Context, id registry.ID, lock bool) (Register, error)
	// PaymentRegisters lists the newest without their lines.
	PaymentRegisters(ctx context.Context, page, size int) ([]Register, int, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service is the room.
type Service struct {
	store  Store
	source registry.Source
	// pause is how long to wait before the paying side is asked (again).
	pause time.Duration
	asked func(outbox.Destination) bool
}

// NewService refuses a half-configured service.
func NewService(store Store, source registry.Source, pause time.Duration, asked func(outbox.Destination) bool) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil || pause <= 0 || asked == nil {
		return nil, errors.New("payment: a part is missing")
	}
	return &Service{store, source, pause, asked}, nil
}

var (
	periodForm = regexp.MustCompile(`^20[0-9]{2}-(0[1-9]|1[0-2])$`)
	ibanForm   = regexp.MustCompile(`^UA[0-9]{27}$`)
	codeForm   = regexp.MustCompile(`^([0-9]{8}|[0-9]{9}|[0-9]{10}|[А-ЯІЇЄҐ]{2}[0-9]{6})$`)
)

// ValidIBAN checks form and check digits of a Ukrainian account (ISO 13616, modulo 97).
func ValidIBAN(s string) bool {
	if !ibanForm.MatchString(s) {
		return false
	}
	rest := 0
	for _, r := range s[4:] + "3010" + s[2:4] { // U is 30, A is 10
		rest = (rest*10 + int(r-'0')) % 97
	}
	return rest == 1
}

const maxAmount = 1_000_000_000_00 // kopecks of one line

func officer(c registry.Caller) (registry.ID, error) {
	if err := c.Require(ScopeWrite); err != nil {
		return registry.ID{}, err
	}
	if c.PartyID.IsZero() {
		return registry.ID{}, registry.Errorf(registry.CodeForbidden, "log in, or ask for the token with employee_id: a register of payments is agreed on by two people").WithReason("operator_unnamed")
	}
	return c.PartyID, nil
}

// Propose brings a register. Nothing leaves.
func (s *Service) Propose(ctx context.Context, c registry.Caller, kind Kind, period string, lines []SentLine) (Register, error) {
	by, err := officer(c)
	if err != nil {
		return Register{}, err
	}
	var fields []registry.FieldError
	wrong := func(entry, rule, text string) {
		if len(fields) < 20 {
			fields = append(fields, registry.FieldError{Entry: entry, Rule: rule, Description: text})
		}
	}
	if kind != Capitation && kind != Reimbursement {
		wrong("$.kind", "inclusion", "value is not allowed in enum")
	}
	if !periodForm.MatchString(period) {
		wrong("$.period", "format", "expected YYYY-MM")
	}
	if len(lines) == 0 || len(lines) > MaxLines {
		wrong("$.lines", "length", "a register has 1 to 1000 lines")
	}
	now := s.source.Now()
	r := Register{ID: s.source.NewID(), Kind: kind, Period: period, Status: New, ProposedBy: by, InsertedAt: now, UpdatedAt: now, Count: len(lines)}
	type payee struct{ account, purpose string }
	known := map[payee]bool{}
	for i, l := range lines[:min(len(lines), MaxLines)] {
		at := func(member string) string { return "$.lines.[" + strconv.Itoa(i) + "]." + member }
		if !codeForm.MatchString(l.EDRPOU) {
			wrong(at("edrpou"), "format", "expected a code of the register of legal entities, a tax number or a passport")
		}
		if !ValidIBAN(l.Account) {
			wrong(at("account"), "invalid", "expected a Ukrainian IBAN with right check digits")
		}
		if l.Amount <= 0 || l.Amount > maxAmount {
			wrong(at("amount"), "number", "expected more than 0.00 and at most 1000000000.00")
		}
		if n := utf8.RuneCountInString(l.Purpose); n < 5 || n > 160 {
			wrong(at("purpose"), "length", "expected 5 to 160 characters")
		}
		if k := (payee{l.Account, l.Purpose}); known[k] {
			wrong(at("account"), "unique", "another line pays this account for the same purpose")
		} else {
			known[k] = true
		}
		l.Number = i + 1
		r.Total += l.Amount
		r.Lines = append(r.Lines, Line{SentLine: l, State: LineWaiting})
	}
	if len(fields) > 0 {
		return Register{}, registry.Invalid(fields...)
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if err := tx.PutPaymentRegister(ctx, r); err != nil {
			return err
		}
		return entry(ctx, tx, c, "payment_register.proposed", r)
	})
	return r, err
}

func entry(ctx context.Context, tx Tx, c registry.Caller, kind audit.Kind, r Register) error {
	_, err := tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Object: &audit.ObjectRef{Type: "payment_register", ID: r.ID.String()}, Code: string(r.Status)})
	return err
}

// Agree is the second officer's word: the register leaves.
func (s *Service) Agree(ctx context.Context, c registry.Caller, id registry.ID) (Register, error) {
	return s.decide(ctx, c, id, func(ctx context.Context, tx Tx, r *Register, by registry.ID) error {
		if r.ProposedBy == by {
			return registry.Errorf(registry.CodeForbidden, "another officer has to agree").WithReason("four_eyes")
		}
		if !s.asked(Payments) {
			return registry.Errorf(registry.CodeConflict, "no paying side is configured (registers.payments)").WithReason("register_not_configured")
		}
		r.Status, r.ApprovedBy = Sent, by
		q := Submission{RegisterID: r.ID, Kind: r.Kind, Period: r.Period, Total: r.Total}
		for _, l := range r.Lines {
			q.Lines = append(q.Lines, l.SentLine)
		}
		return s.put(ctx, tx, c, Submit, r.ID, q, 0)
	})
}

// Decline is anybody's no.
func (s *Service) Decline(ctx context.Context, c registry.Caller, id registry.ID) (Register, error) {
	return s.decide(ctx, c, id, func(_ context.Context, _ Tx, r *Register, by registry.ID) error {
		r.Status, r.ApprovedBy = Declined, by
		return nil
	})
}

func (s *Service) decide(ctx context.Context, c registry.Caller, id registry.ID, f func(context.Context, Tx, *Register, registry.ID) error) (r Register, err error) {
	by, err := officer(c)
	if err != nil {
		return r, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		if r, err = tx.PaymentRegister(ctx, id, true); err != nil {
			return err
		}
		if r.Status != New {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + string(r.Status))
		}
		if err := f(ctx, tx, &r, by); err != nil {
			return err
		}
		return s.write(ctx, tx, c, r)
	})
	return r, err
}

func (s *Service) write(ctx context.Context, tx Tx, c registry.Caller, r Register) error {
	r.UpdatedAt = s.source.Now()
	if err := tx.PutPaymentRegister(ctx, r); err != nil {
		return err
	}
	return entry(ctx, tx, c, "payment_register.changed", r)
}

func (s *Service) put(ctx context.Context, tx Tx, c registry.Caller, o outbox.Operation, id registry.ID, body any, after time.Duration) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	_, err = outbox.Put(ctx, tx, s.source, c, outbox.Message{Destination: Payments, Operation: o, Subject: id.String(), Body: b, NotBefore: s.source.Now().Add(after), Deadline: s.source.Now().Add(after + 14*24*time.Hour)})
	return err
}

// Get reads one with its lines and differences.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (r Register, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return r, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		r, err = tx.PaymentRegister(ctx, id, false)
		return err
	})
	return r, err
}

// List gives the newest registers without their lines.
func (s *Service) List(ctx context.Context, c registry.Caller, page, size int) (list []Register, total int, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, 0, err
	}
	if page < 1 || size < 1 || size > 100 {
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: "pages are counted from 1 and hold 1 to 100", Params: []string{"1", "100"}})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		list, total, err = tx.PaymentRegisters(ctx, page, size)
		return err
	})
	return list, total, err
}

// Effects are what answers of the paying side change.
func (s *Service) Effects(to outbox.Effects) {
	change := func(f func(ctx context.Context, tx Tx, m outbox.Message, r *Register, reply outbox.Reply) error) func(context.Context, outbox.WorkTx, outbox.Message, outbox.Reply) error {
		return outbox.As(func(ctx context.Context, tx Tx, m outbox.Message, reply outbox.Reply) error {
			id, err := registry.ParseID(m.Subject)
			if err != nil {
				return outbox.Rubbish(err)
			}
			r, err := tx.PaymentRegister(ctx, id, true)
			if err != nil {
				return err
			}
			if err := f(ctx, tx, m, &r, reply); err != nil {
				return err
			}
			return s.write(ctx, tx, registry.Caller{Channel: registry.ChannelJob, RequestID: m.ID.String()}, r)
		})
	}
	dead := outbox.AsDead(func(ctx context.Context, tx Tx, m outbox.Message, reason outbox.Reason) error {
		id, err := registry.ParseID(m.Subject)
		if err != nil {
			return nil // nobody to write it to
		}
		r, err := tx.PaymentRegister(ctx, id, true)
		if err != nil {
			return err
		}
		r.Status, r.Reason = Failed, string(reason)
		return s.write(ctx, tx, registry.Caller{Channel: registry.ChannelJob, RequestID: m.ID.String()}, r)
	})
	to.Add(Payments, Submit, outbox.Effect{Dead: dead, Answered: change(s.taken)})
	to.Add(Payments, Ask, outbox.Effect{Dead: dead, Answered: change(s.told)})
}

func (s *Service) taken(ctx context.Context, tx Tx, m outbox.Message, r *Register, reply outbox.Reply) error {
	var a Taken
	if err := json.Unmarshal(reply.Body, &a); err != nil || a.RegisterID != r.ID {
		return outbox.Rubbish(errors.New("the answer is about another register"))
	}
	if !a.Accepted {
		r.Status, r.Reason = Rejected, a.Reason
		return nil
	}
	r.Status, r.Reason = Accepted, ""
	return s.put(ctx, tx, registry.Caller{Channel: registry.ChannelJob, RequestID: m.ID.String()}, Ask, r.ID, Question{r.ID}, s.pause)
}

func (s *Service) told(ctx context.Context, tx Tx, m outbox.Message, r *Register, reply outbox.Reply) error {
	var a Told
	if err := json.Unmarshal(reply.Body, &a); err != nil || a.RegisterID != r.ID {
		return outbox.Rubbish(errors.New("the answer is about another register"))
	}
	r.Reason = ""
	switch a.State {
	case "pending":
		r.Status = Accepted
		return s.put(ctx, tx, registry.Caller{Channel: registry.ChannelJob, RequestID: m.ID.String()}, Ask, r.ID, Question{r.ID}, s.pause)
	case "done":
		r.Lines, r.Differences = Reconcile(r.Lines, a.Lines)
		r.Status = Reconciled
		if len(r.Differences) > 0 {
			r.Status = Different
		}
	default:
		// Taken once and unknown now: all of it is missing.
		r.Lines, r.Differences = Reconcile(r.Lines, nil)
		r.Status, r.Reason = Different, "unknown"
	}
	return nil
}
