package personlife

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/job"
	"mist/registry/patient"
)

// Scopes of registers of deaths (eHealth).
const (
	ScopeRegisterRead  = "register:read"
	ScopeRegisterWrite = "register:write"
)

// RegisterStatus of a register.
type RegisterStatus string

// States: NEW → APPROVED → PROCESSED; NEW → DECLINED.
const (
	RegisterNew       RegisterStatus = "NEW"
	RegisterApproved  RegisterStatus = "APPROVED"
	RegisterProcessed RegisterStatus = "PROCESSED"
	RegisterDeclined  RegisterStatus = "DECLINED"
)

// Outcomes of a line.
const (
	LineMatched   = "MATCHED"
	LineNotFound  = "NOT_FOUND"
	LineProcessed = "PROCESSED"
	LineError     = "ERROR"
)

// Types of registers (eHealth).
const (
	RegisterDeaths = "DEATH_REGISTRATION"
	RegisterFraud  = "FRAUD"
)

// ReasonFraud is why a declaration ended that a list of frauds named.
const ReasonFraud = "fraud"

// Register is a list of deaths, or of people whose declarations were got by
// fraud: one officer brings it and sees what it would do, another agrees, and
// only then records are taken out of use, or declarations end.
type Register struct {
	ID         registry.ID
	Type       string
	Status     RegisterStatus
	Reason     string
	File       registry.Digest
	ProposedBy registry.ID
	ApprovedBy registry.ID
	Lines      map[string]int // how many have which outcome
	InsertedAt time.Time
	UpdatedAt  time.Time
}

// RegisterLine is what became of one line. What the line said is not kept.
type RegisterLine struct {
	Line      int // in the file, the header being 1
	PersonID  registry.ID
	DeathDate registry.Date
	Status    string
	Error     string
}

// RegisterTx is what registers need of a transaction.
type RegisterTx interface {
	FindPerson(ctx context.Context, q patient.Query) (patient.Person, bool, error)
	PutRegister(ctx context.Context, r Register) error
	// Register reads one with the counts of its lines; with lock its row is held.
	Register(ctx context.Context, id registry.ID, lock bool) (Register, error)
	Registers(ctx context.Context, after registry.ID, limit int) ([]Register, error)
	// PutRegisterLine writes a line, new or changed.
	PutRegisterLine(ctx context.Context, register registry.ID, l RegisterLine) error
	RegisterLines(ctx context.Context, register registry.ID, status string, after, limit int) ([]RegisterLine, error)
	ApprovedRegisters(ctx context.Context, limit int) ([]registry.ID, error)
}

// Limits of a register.
const (
	MaxRegisterBytes = 1 << 20
	MaxRegisterLines = 5000
	registerBatch    = 100
)

// listed is a line of a register: whom it means, and since when they are dead.
type listed struct {
	line  int
	query patient.Query
	date  registry.Date
	fault string
}

// registerHeaders are the first lines of the files.
var registerHeaders = map[string][]string{
	RegisterDeaths: {"type", "number", "death_date"},
	RegisterFraud:  {"type", "number"},
}

// readRegister reads the file: CSV in UTF-8 with the columns type, number and,
// of deaths, death_date. A line that is wrong by itself is told as ERROR; a file
// that is wrong as a whole is refused.
func readRegister(kind string, b []byte, today registry.Date) ([]listed, error) {
	wrong := func(text string) error {
		return registry.Invalid(registry.FieldError{Entry: "$.file", Rule: "format", Description: text})
	}
	if len(b) > MaxRegisterBytes {
		return nil, registry.Errorf(registry.CodeTooLarge, "a register has at most %d bytes", MaxRegisterBytes)
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(b) {
		return nil, wrong("the file is not UTF-8")
	}
	columns := registerHeaders[kind]
	r := csv.NewReader(bytes.NewReader(b))
	header, err := r.Read()
	if err != nil || !slices.Equal(header, columns) {
		return nil, wrong("the first line must be: " + strings.Join(columns, ","))
	}
	var list []listed
	for n := 2; ; n++ {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, wrong(fmt.Sprintf("line %d is not CSV of %d columns", n, len(columns)))
		}
		if len(list) == MaxRegisterLines {
			return nil, registry.Errorf(registry.CodeTooLarge, "a register has at most %d lines", MaxRegisterLines)
		}
		list = append(list, listedOf(n, line, today))
	}
	if len(list) == 0 {
		return nil, wrong("the file has no lines")
	}
	return list, nil
}

func listedOf(n int, line []string, today registry.Date) listed {
	d := listed{line: n}
	kind, number := strings.TrimSpace(line[0]), strings.TrimSpace(line[1])
	switch kind {
	case "TAX_ID":
		d.query.TaxID = registry.RNOKPP(number)
	case "UNZR":
		d.query.UNZR = registry.UNZR(number)
	default:
		d.query.DocumentType, d.query.DocumentNumber = kind, number
	}
	if len(line) > 2 {
		var err error
		if d.date, err = registry.ParseDate(strings.TrimSpace(line[2])); err != nil {
			d.fault = "death_date: expected YYYY-MM-DD"
			return d
		}
		if d.date.Before(firstDeath) || today.Before(d.date) {
			d.fault = "death_date: expected a day from 1900-01-01 to today"
			return d
		}
	}
	switch {
	case kind == "TAX_ID" && !d.query.TaxID.Valid():
		d.fault = "number: ten digits with a valid check digit are expected"
	case kind == "UNZR" && !d.query.UNZR.Valid():
		d.fault = "number: YYYYMMDD-NNNNN is expected"
	case kind != "TAX_ID" && kind != "UNZR" && !patient.KnownDocument(kind):
		d.fault = "type: TAX_ID, UNZR or a type of document is expected"
	case number == "":
		d.fault = "number: can't be blank"
	}
	return d
}

// registerEntry is the entry of a step of a register.
func registerEntry(ctx context.Context, tx Tx, c registry.Caller, kind audit.Kind, r Register, reason string) error {
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: "register", ID: r.ID.String(), Digest: r.File[:]}, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Reason: reason,
	})
	return err
}

func registrar(c registry.Caller) (registry.ID, error) {
	if err := c.Require(ScopeRegisterWrite); err != nil {
		return registry.ID{}, err
	}
	if c.PartyID.IsZero() {
		return registry.ID{}, registry.Errorf(registry.CodeForbidden, "log in, or ask for the token with employee_id: a register is agreed on by two people").WithReason("operator_unnamed")
	}
	return c.PartyID, nil
}

// ProposeRegister takes a list of a type and tells, line by line, whom it would
// touch. Nothing is changed.
func (s *Service) ProposeRegister(ctx context.Context, c registry.Caller, kind string, file []byte, reason string) (Register, error) {
	by, err := registrar(c)
	if err != nil {
		return Register{}, err
	}
	now := s.source.Now()
	if fields := checkReason("$.reason_description", reason); len(fields) > 0 {
		return Register{}, registry.Invalid(fields...)
	}
	if _, known := registerHeaders[kind]; !known {
		return Register{}, registry.Invalid(registry.FieldError{Entry: "$.type", Rule: "inclusion", Description: "value is not allowed in enum", Params: []string{RegisterDeaths, RegisterFraud}})
	}
	list, err := readRegister(kind, file, registry.DateOf(now))
	if err != nil {
		return Register{}, err
	}
	r := Register{ID: s.source.NewID(), Type: kind, Status: RegisterNew, Reason: reason, File: sha256.Sum256(file), ProposedBy: by, InsertedAt: now, UpdatedAt: now}
	first := true // the transaction that writes the first lines writes the register
	for part := range slices.Chunk(list, registerBatch) {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			if first {
				if err := tx.PutRegister(ctx, r); err != nil {
					return err
				}
			}
			for _, d := range part {
				l, err := match(ctx, tx, d)
				if err != nil {
					return err
				}
				if err := matched(ctx, tx, c, r, l); err != nil {
					return err
				}
				if err := tx.PutRegisterLine(ctx, r.ID, l); err != nil {
					return err
				}
			}
			return registerEntry(ctx, tx, c, "disclosure.register", r, fmt.Sprintf("%d lines", len(part)))
		})
		if err != nil {
			return Register{}, err
		}
		first = false
	}
	return s.register(ctx, r.ID)
}

// matched is the entry of a person whom the registry told to be in its index.
func matched(ctx context.Context, tx Tx, c registry.Caller, r Register, l RegisterLine) error {
	if l.PersonID.IsZero() {
		return nil
	}
	_, err := tx.Audit(ctx, audit.Entry{
		Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: l.PersonID,
		Object: &audit.ObjectRef{Type: "register", ID: r.ID.String(), Digest: r.File[:]}, LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute}, Fields: []string{"person.id"},
	})
	return err
}

func match(ctx context.Context, tx Tx, d listed) (RegisterLine, error) {
	l := RegisterLine{Line: d.line, DeathDate: d.date, Status: LineError, Error: d.fault}
	if d.fault != "" {
		l.DeathDate = registry.Date{}
		return l, nil
	}
	p, found, err := tx.FindPerson(ctx, d.query)
	switch {
	case err != nil:
		return l, err
	case !found || p.Status != patient.StatusActive:
		l.Status = LineNotFound
	case !d.date.IsZero() && d.date.Before(p.BirthDate):
		l.Error = "death_date: before the birth of the person found"
	default:
		l.PersonID, l.Status = p.ID, LineMatched
	}
	return l, nil
}

func (s *Service) register(ctx context.Context, id registry.ID) (r Register, err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error { r, err = tx.Register(ctx, id, false); return err })
	return r, err
}

// AgreeRegister is the second officer's word: the records matched are taken out
// of use, the first hundred at once, the others by the job that follows.
func (s *Service) AgreeRegister(ctx context.Context, c registry.Caller, id registry.ID) (Register, error) {
	err := s.decideRegister(ctx, c, id, RegisterApproved, func(r Register, by registry.ID) error { return fourEyes(r.ProposedBy, by) })
	if err != nil {
		return Register{}, err
	}
	if _, err := s.processRegister(ctx, c, id); err != nil {
		return Register{}, err
	}
	return s.register(ctx, id)
}

// DeclineRegister is anybody's no.
func (s *Service) DeclineRegister(ctx context.Context, c registry.Caller, id registry.ID) (Register, error) {
	if err := s.decideRegister(ctx, c, id, RegisterDeclined, func(Register, registry.ID) error { return nil }); err != nil {
		return Register{}, err
	}
	return s.register(ctx, id)
}

func (s *Service) decideRegister(ctx context.Context, c registry.Caller, id registry.ID, to RegisterStatus, may func(r Register, by registry.ID) error) error {
	by, err := registrar(c)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.Register(ctx, id, true)
		if err != nil {
			return err
		}
		if r.Status != RegisterNew {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + string(r.Status))
		}
		if err := may(r, by); err != nil {
			return err
		}
		r.Status, r.ApprovedBy, r.UpdatedAt = to, by, s.source.Now()
		if err := tx.PutRegister(ctx, r); err != nil {
			return err
		}
		return registerEntry(ctx, tx, c, audit.Kind("register."+strings.ToLower(string(to))), r, "")
	})
}

// processRegister works on one batch of matched lines, each in a transaction of
// its own, and ends the register when none is left.
func (s *Service) processRegister(ctx context.Context, c registry.Caller, id registry.ID) (done int, err error) {
	var list []RegisterLine
	var kind string
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.Register(ctx, id, false)
		if err != nil {
			return err
		}
		kind = r.Type
		list, err = tx.RegisterLines(ctx, id, LineMatched, 0, registerBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, l := range list {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			one := l
			err := s.apply(ctx, tx, c, kind, l)
			switch code := registry.CodeOf(err); {
			case err == nil:
				one.Status = LineProcessed
			case code == registry.CodeConflict || code == registry.CodeNotFound:
				one.Status, one.Error = LineError, registry.AsError(err).Detail
			default:
				return err
			}
			return tx.PutRegisterLine(ctx, id, one)
		})
		if err != nil {
			return done, err
		}
		done++
	}
	if len(list) == registerBatch {
		return done, nil
	}
	return done, s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.Register(ctx, id, true)
		if err != nil || r.Status != RegisterApproved {
			return err
		}
		r.Status, r.UpdatedAt = RegisterProcessed, s.source.Now()
		if err := tx.PutRegister(ctx, r); err != nil {
			return err
		}
		return registerEntry(ctx, tx, c, "register.processed", r, "")
	})
}

// apply is what a line does: the dead are taken out of use, a declaration got by
// fraud ends and the person stays.
func (s *Service) apply(ctx context.Context, tx Tx, c registry.Caller, kind string, l RegisterLine) error {
	if kind == RegisterDeaths {
		_, err := s.deactivate(ctx, tx, c, l.PersonID, Deactivation{Reason: ReasonDeath, DeathDate: l.DeathDate})
		return err
	}
	if err := tx.LockPerson(ctx, l.PersonID); err != nil {
		return err
	}
	active, found, err := tx.ActiveDeclaration(ctx, l.PersonID)
	if err != nil {
		return err
	}
	if !found {
		return registry.Errorf(registry.CodeNotFound, "the person has no declaration in force")
	}
	return endDeclaration(ctx, tx, c, active, ReasonFraud)
}

// ProcessAll is the job that goes on with registers that were agreed on.
func (s *Service) ProcessAll(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.source.NewID().String()}
	var list []registry.ID
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		list, err = tx.ApprovedRegisters(ctx, 10)
		return err
	})
	for _, id := range list {
		for n := registerBatch; err == nil && n == registerBatch; total += n {
			n, err = s.processRegister(ctx, c, id)
		}
	}
	return total, err
}

// Job of registers.
func (s *Service) Job(every time.Duration) job.Periodic {
	return job.Periodic{Kind: "register.process", Every: every, Run: s.ProcessAll}
}

// GetRegister reads one.
func (s *Service) GetRegister(ctx context.Context, c registry.Caller, id registry.ID) (Register, error) {
	if err := c.Require(ScopeRegisterRead); err != nil {
		return Register{}, err
	}
	return s.register(ctx, id)
}

// Registers lists the newest, after one.
func (s *Service) Registers(ctx context.Context, c registry.Caller, after registry.ID) (list []Register, err error) {
	if err := c.Require(ScopeRegisterRead); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.Registers(ctx, after, PageSize); return err })
	return list, err
}

// RegisterLines tells what became of the lines of a register, after one.
func (s *Service) RegisterLines(ctx context.Context, c registry.Caller, id registry.ID, status string, after int) (list []RegisterLine, err error) {
	if err := c.Require(ScopeRegisterRead); err != nil {
		return nil, err
	}
	if status != "" && !slices.Contains([]string{LineMatched, LineNotFound, LineProcessed, LineError}, status) {
		return nil, registry.Invalid(registry.FieldError{Entry: "$.status", EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum",
			Params: []string{LineMatched, LineNotFound, LineProcessed, LineError}})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := tx.Register(ctx, id, false)
		if err != nil {
			return err
		}
		if list, err = tx.RegisterLines(ctx, id, status, after, PageSize); err != nil {
			return err
		}
		return registerEntry(ctx, tx, c, "disclosure.register", r, fmt.Sprintf("%d lines", len(list)))
	})
	return list, err
}
