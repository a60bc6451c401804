package sickleave

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/composition"
	"mist/registry/intake"
	"mist/registry/outbox"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/registry/record"
)

// ServiceTx is what reads and the repeated export need of a transaction.
type ServiceTx interface {
	record.Tx
	LinksTx
	outbox.Tx
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	LegalEntity(ctx context.Context, id registry.ID) (prm.LegalEntity, error)
	// ActContainer reads the signed container of an act.
	ActContainer(ctx context.Context, act registry.ID) ([]byte, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx ServiceTx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx ServiceTx) error) error
}

// Service tells conclusions, to clinics as the rules of access allow it and to
// whom they are about, and takes them back.
type Service struct {
	reader  *record.Reader
	cancels *intake.Submissions[CancelTx]
	store   Store
	source  registry.Source
}

// New refuses a half-configured service.
func New(reader *record.Reader, cancels *intake.Submissions[CancelTx], store Store, source registry.Source) (*Service, error) {
	if reader == nil || cancels == nil || store == nil || source.Clock == nil {
		return nil, errors.New("sickleave: a part is missing")
	}
	return &Service{reader, cancels, store, source}, nil
}

// Places of conclusions in REST.
func (s *Service) Places() record.Places {
	return record.Places{
		Path: "/api/v3/compositions", Own: "/api/pis/compositions", Kind: Record, Scope: ScopeRead, OwnScope: ScopeReadOwn, Reader: s,
		Signed:  map[string]record.SignedAction{"cancel": s.Cancel},
		Actions: map[string]record.Action{"erln": s.Repeat},
	}
}

// Get implements record.Reads. A citizen reads what is about them as the
// patient or as the one off work.
func (s *Service) Get(ctx context.Context, c registry.Caller, scope string, kind record.Kind, id registry.ID) (record.Shown, error) {
	if c.Role != registry.RolePatient {
		r, err := s.reader.Get(ctx, c, scope, kind, id)
		return shownOf(r), err
	}
	list, err := s.own(ctx, c, scope, id)
	if err != nil {
		return record.Shown{}, err
	}
	return shownOf(record.Shown{Record: list[0]}), nil
}

// shownOf leaves the number to the content, where it is the title.
func shownOf(s record.Shown) record.Shown {
	s.Number = ""
	return s
}

// List implements record.Reads.
func (s *Service) List(ctx context.Context, c registry.Caller, scope string, f record.Filter) ([]record.Record, bool, error) {
	if c.Role != registry.RolePatient {
		list, more, err := s.reader.List(ctx, c, scope, f)
		for i := range list {
			list[i].Number = ""
		}
		return list, more, err
	}
	list, err := s.own(ctx, c, scope, registry.ID{})
	if err != nil {
		return nil, false, err
	}
	slices.Reverse(list) // newest first
	list = slices.DeleteFunc(list, func(r record.Record) bool { return f.Status != "" && r.Status != f.Status })
	if i := slices.IndexFunc(list, func(r record.Record) bool { return r.ID == f.After }); !f.After.IsZero() && i >= 0 {
		list = list[i+1:]
	}
	for i := range list {
		list[i].Number = ""
	}
	more := len(list) > f.Limit
	return list[:min(len(list), f.Limit)], more, nil
}

// own reads what is about a citizen: one, or all, oldest first. Looking at
// oneself leaves its entry, too.
func (s *Service) own(ctx context.Context, c registry.Caller, scope string, id registry.ID) (list []record.Record, err error) {
	if err := c.Require(scope); err != nil {
		return nil, err
	}
	me, err := c.Patient()
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx ServiceTx) error {
		list, err = tx.SickLeavesFor(ctx, me)
		if err != nil {
			return err
		}
		mine, err := tx.Records(ctx, record.Filter{Kind: Record, PatientID: me, Limit: record.MaxPage})
		if err != nil {
			return err
		}
		for _, r := range mine {
			if !slices.ContainsFunc(list, func(o record.Record) bool { return o.ID == r.ID }) {
				list = append(list, r)
			}
		}
		slices.SortStableFunc(list, func(a, b record.Record) int { return a.InsertedAt.Compare(b.InsertedAt) })
		if !id.IsZero() {
			list = slices.DeleteFunc(list, func(r record.Record) bool { return r.ID != id })
		}
		e := audit.Entry{Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: me,
			Fields: []string{string(Record)}, LegalBasis: &audit.LegalBasis{Code: audit.BasisOwnData, Purpose: "own_data"}}
		if !id.IsZero() && len(list) == 0 {
			e.Kind, e.Fields, e.LegalBasis, e.Code = audit.DisclosureRefused, nil, nil, string(registry.CodeNotFound)
		}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil && !id.IsZero() && len(list) == 0 {
		err = record.ErrNotFound
	}
	return list, err
}

// View is a conclusion as pages tell it.
type View struct {
	ID       registry.ID
	Number   string
	Status   composition.Status
	Category string
	Period   Period
	Names    Names
	Care     bool
	SignedAt time.Time
	// SickLeave is the number of what the Fund opened; Message how it stands there.
	SickLeave, Message string
}

// Mine are the conclusions about a citizen, newest first.
func (s *Service) Mine(ctx context.Context, c registry.Caller) ([]View, error) {
	records, err := s.own(ctx, c, ScopeReadOwn, registry.ID{})
	if err != nil {
		return nil, err
	}
	slices.Reverse(records)
	list, err := leavesOf(records)
	if err != nil {
		return nil, err
	}
	views := make([]View, len(list))
	for i := range list {
		views[i] = list[i].view()
	}
	return views, nil
}

func (l *Leave) view() View {
	v := View{ID: l.ID, Number: l.Title, Status: l.Status, Category: l.Category, Period: l.Period, Names: l.Names, Care: l.FocusID != l.SubjectID, SignedAt: l.SignedAt}
	if t := l.task(CreateRecord); t != nil {
		v.SickLeave, v.Message = t.Details.Number, t.StatusMessage
	}
	return v
}

// Told reads a conclusion's record for whoever is told of it.
func Told(r record.Record) (View, error) {
	l, err := leaveOf(r)
	return l.view(), err
}

// PrintForm gives the printed form of a conclusion in its state, as HTML.
func (s *Service) PrintForm(ctx context.Context, c registry.Caller, id registry.ID) (string, error) {
	scope := ScopeRead
	if c.Role == registry.RolePatient {
		scope = ScopeReadOwn
	}
	r, err := s.Get(ctx, c, scope, Record, id)
	if err != nil {
		return "", err
	}
	l, err := leaveOf(r.Record)
	if err != nil {
		return "", err
	}
	return printed(&l)
}

// SignedContent gives the container that the author signed.
func (s *Service) SignedContent(ctx context.Context, c registry.Caller, id registry.ID) (b []byte, err error) {
	r, err := s.Get(ctx, c, ScopeRead, Record, id)
	if err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(ctx context.Context, tx ServiceTx) error {
		b, err = tx.ActContainer(ctx, r.ActID)
		return err
	})
	return b, err
}

// Cancel takes a signed cancellation of a conclusion.
func (s *Service) Cancel(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (record.Shown, audit.Receipt, error) {
	if err := c.Require(ScopeCancel); err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	// Another clinic's is absent, whatever was signed.
	err := s.store.View(ctx, func(ctx context.Context, tx ServiceTx) error {
		l, found, err := readHere(ctx, tx, id, false)
		if err == nil && (!found || l.LegalEntityID != c.LegalEntityID) {
			err = record.ErrNotFound
		}
		return err
	})
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	out, err := s.cancels.SubmitFor(ctx, c, id, container)
	if err != nil {
		return record.Shown{}, audit.Receipt{}, err
	}
	return shownOf(out.Resource.(record.Shown)), out.Receipt, nil
}

// Repeat sends a conclusion to the register once more after it failed there
// (ЕСОЗ 2.6): only FINAL, only when creating failed.
func (s *Service) Repeat(ctx context.Context, c registry.Caller, id registry.ID, _ []byte) (out record.Shown, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return out, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx ServiceTx) error {
		l, found, err := readHere(ctx, tx, id, true)
		if err == nil && (!found || l.LegalEntityID != c.LegalEntityID) {
			err = record.ErrNotFound
		}
		if err != nil {
			return err
		}
		t := l.task(CreateRecord)
		if l.Status != composition.Final || t == nil || t.TaskStatus != TaskFailed {
			return conflict("erln_not_failed", "only a FINAL conclusion whose export failed is sent again")
		}
		p, err := tx.Person(ctx, l.FocusID)
		if err != nil {
			return err
		}
		e, err := tx.Employee(ctx, l.EmployeeID)
		if err != nil {
			return err
		}
		legalEntity, err := tx.LegalEntity(ctx, l.LegalEntityID)
		if err != nil {
			return err
		}
		in := incidentOf(&l, p, e, legalEntity)
		if l.Relation != "" {
			target, _, err := read(ctx, tx, l.TargetID, false)
			if err != nil {
				return err
			}
			if l.Relation == Replaces {
				in.Replaced = target.Title
			} else {
				in.Previous = target.Title
			}
			in.RequestType = requestType(&l, &target)
		}
		now := s.source.Now()
		l.Integration = append(l.Integration, Task{Component: component, Type: CreateRecord, TaskStatus: TaskPending, IntegrationStatus: StandsSent, UpdatedAt: now})
		if err := put(ctx, tx, s.source, c, &l, PostIncident, registry.ID{}, incidentFields, now, in); err != nil {
			return err
		}
		l.record.Reason = ""
		if err := l.keep(ctx, tx, now); err != nil {
			return err
		}
		out = shownOf(record.Shown{Record: l.record})
		_, err = tx.Audit(ctx, record.Entry(c, "composition.export_repeated", l.record))
		return err
	})
	return out, err
}

// Import writes rows of the table of terms: new ones, and those that begin on
// the day of one that is there in its place.
func Import(ctx context.Context, store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx RulesTx) error) error
}, c registry.Caller, b []byte) (int, error) {
	rules, err := ParseRules(b)
	if err != nil {
		return 0, err
	}
	err = store.Update(ctx, func(ctx context.Context, tx RulesTx) error {
		if err := tx.PutSickLeaveRules(ctx, rules); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{Kind: audit.OperatorCommand, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "sick_leave_rules", ID: fmt.Sprint(len(rules))}})
		return err
	})
	return len(rules), err
}

// RulesTx writes the table of terms.
type RulesTx interface {
	PutSickLeaveRules(ctx context.Context, rules Rules) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}
