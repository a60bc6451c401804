package employeerequest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/intake"
	"mist/registry/notify"
	"mist/registry/prm"
)

// Service invites people and takes their answers.
type Service struct {
	submissions *intake.Submissions[Tx]
	store       Store
	source      registry.Source
	term        func(ctx context.Context) (time.Duration, error)
	dismissed   prm.Dismissed
}

// New refuses a half-configured service. dismissed carries on what hangs on a
// head who is replaced.
func New(submissions *intake.Submissions[Tx], store Store, source registry.Source, term func(ctx context.Context) (time.Duration, error), dismissed prm.Dismissed) (*Service, error) {
	if submissions == nil || store == nil || source.Clock == nil || source.Random == nil || term == nil || dismissed == nil {
		return nil, errors.New("employeerequest: a part is missing")
	}
	return &Service{submissions, store, source, term, dismissed}, nil
}

// Create takes a signed request; its invitation leaves with the commit.
func (s *Service) Create(ctx context.Context, c registry.Caller, container []byte) (prm.EmployeeRequest, audit.Receipt, error) {
	out, err := s.submissions.Submit(ctx, c, container)
	if err != nil {
		return prm.EmployeeRequest{}, audit.Receipt{}, err
	}
	return out.Resource.(prm.EmployeeRequest), out.Receipt, nil
}

// Resend makes a new invitation; the earlier one is void.
func (s *Service) Resend(ctx context.Context, c registry.Caller, id registry.ID) (r prm.EmployeeRequest, err error) {
	if err := c.Require(ScopeWrite); err != nil {
		return r, err
	}
	term, err := s.term(ctx)
	if err != nil {
		return r, err
	}
	token := base64.RawURLEncoding.EncodeToString(s.source.Bytes(32))
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r, err = s.own(ctx, tx, c, id); err != nil {
			return err
		}
		if err := open(r, now); err != nil {
			return err
		}
		l, err := tx.LegalEntity(ctx, r.LegalEntityID)
		if err != nil {
			return err
		}
		r.Invitation, r.UpdatedAt, r.ExpiresAt = sha256.Sum256([]byte(token)), now, now.Add(term)
		if err := tx.PutEmployeeRequest(ctx, r); err != nil {
			return err
		}
		if err := notify.Withdraw(ctx, tx, id); err != nil {
			return err
		}
		if err := prm.Invite(ctx, tx, s.source, r, l.Name, token); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(c, "employee_request.invited", "employee_request", id))
		return err
	})
	return r, err
}

// own reads a request of the caller's legal entity with its row held.
func (s *Service) own(ctx context.Context, tx Tx, c registry.Caller, id registry.ID) (prm.EmployeeRequest, error) {
	r, err := tx.EmployeeRequest(ctx, id, true)
	if err == nil && (c.LegalEntityID.IsZero() || r.LegalEntityID != c.LegalEntityID) {
		err = errNotFound
	}
	return r, err
}

func open(r prm.EmployeeRequest, now time.Time) error {
	switch {
	// One answer, whether its job has marked the request already or not.
	case r.Status == prm.RequestExpired, r.Status == prm.RequestNew && !now.Before(r.ExpiresAt):
		return registry.Errorf(registry.CodeConflict, "The invitation has expired; make a new request").WithReason("invitation_expired")
	case r.Status != prm.RequestNew:
		return registry.Errorf(registry.CodeConflict, "Employee request status is %s and cannot be updated", r.Status).WithReason("status_" + r.Status)
	}
	return nil
}

// Get reads one of the caller's legal entity; it names a person, so the read
// commits its entry before it answers.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (r prm.EmployeeRequest, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return r, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r, err = s.own(ctx, tx, c, id); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, shown(c, id))
		return err
	})
	if err != nil {
		return prm.EmployeeRequest{}, err
	}
	return r, nil
}

// List shows a page of the caller's legal entity: each request shown leaves an
// entry of its own.
func (s *Service) List(ctx context.Context, c registry.Caller, f prm.Filter) (list []prm.EmployeeRequest, total int, err error) {
	if err := errors.Join(c.Require(ScopeRead), f.Validate()); err != nil {
		return nil, 0, err
	}
	if c.LegalEntityID.IsZero() || !f.LegalEntityID.IsZero() && f.LegalEntityID != c.LegalEntityID {
		return nil, 0, nil
	}
	f.LegalEntityID = c.LegalEntityID
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if list, total, err = tx.EmployeeRequests(ctx, f); err != nil {
			return err
		}
		for _, r := range list {
			if _, err := tx.Audit(ctx, shown(c, r.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return list, total, err
}

// invited reads the request a token belongs to; a wrong token is 403 and
// leaves an entry.
func (s *Service) invited(ctx context.Context, tx Tx, id registry.ID, token string, now time.Time) (prm.EmployeeRequest, error) {
	r, err := tx.EmployeeRequest(ctx, id, true)
	if err != nil {
		return r, err
	}
	hash := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(hash[:], r.Invitation[:]) != 1 {
		return r, registry.Errorf(registry.CodeForbidden, "the invitation is not yours: use the token of the newest e-mail").WithReason("invitation")
	}
	return r, open(r, now)
}

// Reject is the invited person's refusal.
func (s *Service) Reject(ctx context.Context, c registry.Caller, id registry.ID, token string) (r prm.EmployeeRequest, err error) {
	if err := c.Require(ScopeReject); err != nil {
		return r, err
	}
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		if r, err = s.invited(ctx, tx, id, token, now); err != nil {
			return err
		}
		r.Status, r.UpdatedAt = prm.RequestRejected, now
		if err := tx.PutEmployeeRequest(ctx, r); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(c, "employee_request.rejected", "employee_request", id))
		return err
	})
	return r, err
}

// Approve makes the employee with the party, or changes them. A new head takes
// the place of the former one, who is dismissed.
func (s *Service) Approve(ctx context.Context, c registry.Caller, id registry.ID, token string) (e prm.Employee, err error) {
	if err := c.Require(ScopeApprove); err != nil {
		return e, err
	}
	var former registry.ID
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		r, err := s.invited(ctx, tx, id, token, now)
		if err != nil {
			return err
		}
		if err := refuseListed(ctx, tx, r.Body.Party.TaxID); err != nil {
			return err
		}
		l, err := tx.LegalEntity(ctx, r.LegalEntityID)
		if err != nil {
			return err
		}
		if !l.Active() {
			return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
		}
		if e, err = s.employee(ctx, tx, r); err != nil {
			return err
		}
		if former, err = s.replaceHead(ctx, tx, c, r, e); err != nil {
			return err
		}
		if err := tx.PutEmployee(ctx, e); err != nil {
			return err
		}
		r.Status, r.UpdatedAt, r.EmployeeID = prm.RequestApproved, now, e.ID
		if err := tx.PutEmployeeRequest(ctx, r); err != nil {
			return err
		}
		if _, err := tx.Audit(ctx, entry(c, "employee_request.approved", "employee_request", id)); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, entry(c, "employee.approved", "employee", e.ID))
		return err
	})
	if err == nil && !former.IsZero() {
		_, err = s.dismissed(ctx, c, former)
	}
	return e, err
}

// employee is the one a request makes or changes. A party is one person: the
// tax number and the birth date tell.
func (s *Service) employee(ctx context.Context, tx Tx, r prm.EmployeeRequest) (prm.Employee, error) {
	in := r.Body
	e := prm.Employee{ID: s.source.NewID(), LegalEntityID: r.LegalEntityID, Type: in.EmployeeType, Status: "APPROVED", StartDate: in.StartDate}
	party := registry.ID{}
	if !r.EmployeeID.IsZero() {
		if err := tx.LockEmployee(ctx, r.EmployeeID); err != nil {
			return e, err
		}
		stored, err := tx.Employee(ctx, r.EmployeeID)
		if err != nil {
			return e, err
		}
		if !stored.Approved() {
			return e, registry.Errorf(registry.CodeConflict, "employee is dismissed").WithReason("employee_status")
		}
		e, party = stored, stored.Party.ID
	} else {
		known, found, err := tx.PartyByTaxID(ctx, in.Party.TaxID)
		if err != nil {
			return e, err
		}
		switch {
		case found && known.BirthDate != in.Party.BirthDate:
			return e, registry.Errorf(registry.CodeConflict, "birth_date doesn't match").WithReason("birth_date")
		case found:
			party = known.ID
		default:
			party = s.source.NewID()
		}
	}
	e.Party = prm.PartyOf(party, in.Party)
	e.Position, e.DivisionID, e.Additional, e.Speciality = in.Position, r.DivisionID, in.Additional, in.Additional.Officio()
	return e, nil
}

// replaceHead dismisses the former head when another one is approved.
func (s *Service) replaceHead(ctx context.Context, tx Tx, c registry.Caller, r prm.EmployeeRequest, e prm.Employee) (former registry.ID, err error) {
	kind, _, err := tx.EmployeeType(ctx, e.Type)
	if err != nil || !kind.Head {
		return registry.ID{}, err
	}
	head, found, err := tx.Head(ctx, r.LegalEntityID)
	if err != nil || !found || head.ID == e.ID {
		return registry.ID{}, err
	}
	if err := tx.DismissEmployee(ctx, head.ID, registry.DateOf(s.source.Now()), "head_replaced"); err != nil {
		return registry.ID{}, err
	}
	_, err = tx.Audit(ctx, entry(c, "employee.dismissed", "employee", head.ID))
	return head.ID, err
}

const expireBatch = 100

// ExpireAll is the job that ends requests nobody answered.
func (s *Service) ExpireAll(ctx context.Context) (total int, err error) {
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "job-" + s.source.NewID().String()}
	for n := expireBatch; n == expireBatch; {
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			n = 0
			free, err := tx.TryLock(ctx, "mist job expire_employee_requests")
			if err != nil || !free {
				return err
			}
			list, err := tx.ExpireEmployeeRequests(ctx, s.source.Now(), expireBatch)
			if err != nil {
				return err
			}
			for _, id := range list {
				if _, err := tx.Audit(ctx, entry(c, "employee_request.expired", "employee_request", id)); err != nil {
					return err
				}
			}
			n = len(list)
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}
