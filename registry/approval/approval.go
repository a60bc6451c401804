// Package approval lets a clinic ask a patient for access to their records, and
// the patient allow it by the code of an SMS. An approval is a consent of
// package consent with a recipient inside the registry; this room adds how it
// is asked for.
//
// It refuses a grantee outside the asker's legal entity and trusts the index
// for how the patient confirms.
package approval

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/guess"
	"mist/registry/jcs"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/patient"
	"mist/registry/prm"
)

// Scopes of the operations.
const (
	ScopeCreate = "approval:create"
	ScopeRead   = "approval:read"
	ScopeCancel = "approval:cancel"
)

// Approval is a consent with the asking.
type Approval struct {
	consent.Record
	LegalEntityID registry.ID
	CreatedBy     registry.ID
	AuthMethod    string
	OTPMAC        []byte
	OTPTriesLeft  int
	OTPExpiresAt  time.Time
	OTPSent       int
}

// Resource names a record by type and id.
type Resource struct {
	Type string
	ID   registry.ID
}

// Request asks a patient.
type Request struct {
	PatientID registry.ID
	// Resources are the records asked for; none asks for all of the patient's.
	Resources []Resource
	// GrantedTo is an employee of the asker's legal entity; zero: the asker, or
	// the whole legal entity with ToLegalEntity.
	GrantedTo     registry.ID
	ToLegalEntity bool
	AccessLevel   string
	Reason        string
}

// Tx is what the room needs of a transaction.
type Tx interface {
	job.Tx
	guess.Tx
	Person(ctx context.Context, id registry.ID) (patient.Person, error)
	Employee(ctx context.Context, id registry.ID) (prm.Employee, error)
	InsertConsent(ctx context.Context, r consent.Record) error
	InsertApproval(ctx context.Context, a Approval) error
	// Approval reads one and holds its row; not-found beyond the caller's reach.
	Approval(ctx context.Context, id registry.ID) (Approval, error)
	Approvals(ctx context.Context, person registry.ID, limit int) ([]Approval, error)
	UpdateApproval(ctx context.Context, a Approval) error
	// SupersedeApprovals revokes earlier equal ones in force.
	SupersedeApprovals(ctx context.Context, a Approval, at time.Time) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Limits of an approval (domain notes 1.10, 1.11).
type Limits struct {
	Life     time.Duration
	OTPTTL   time.Duration
	OTPTries int
	OTPCodes int
}

// DefaultLimits: 24 hours; codes of 15 minutes, 3 tries, 5 codes.
func DefaultLimits() Limits {
	return Limits{Life: 24 * time.Hour, OTPTTL: 15 * time.Minute, OTPTries: 3, OTPCodes: 5}
}

// Service asks and confirms.
type Service struct {
	store  Store
	source registry.Source
	key    []byte
	limits Limits
}

// New refuses a half-configured service.
func New(store Store, source registry.Source, key []byte, limits Limits) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil || len(key) < 32 || limits.Life <= 0 || limits.OTPTTL <= 0 || limits.OTPTries <= 0 || limits.OTPCodes <= 0 {
		return nil, errors.New("approval: a part is missing")
	}
	return &Service{store, source, key, limits}, nil
}

// resourceTypes are the records an approval can name.
var resourceTypes = []string{consent.ResourcePatient, consent.ResourceEpisode, "diagnostic_report", "encounter", "condition", "observation", "care_plan", "service_request"}

// ResourceTypes lists them.
func ResourceTypes() []string { return slices.Clone(resourceTypes) }

const maxResources = 50

func (r *Request) check() error {
	var fields []registry.FieldError
	add := func(entry, rule, text string) {
		fields = append(fields, registry.FieldError{Entry: entry, Rule: rule, Description: text})
	}
	if r.AccessLevel == "" {
		r.AccessLevel = "read"
	}
	if r.AccessLevel != "read" && r.AccessLevel != "write" {
		add("$.access_level", "inclusion", "value is not allowed in enum")
	}
	if n := len([]rune(strings.TrimSpace(r.Reason))); n < 3 || n > 120 {
		add("$.reason", "length", "must have 3 to 120 characters")
	}
	if len(r.Resources) > maxResources {
		add("$.resources", "length", fmt.Sprintf("at most %d", maxResources))
	}
	for i, x := range r.Resources {
		if !slices.Contains(resourceTypes, x.Type) {
			add(fmt.Sprintf("$.resources.[%d].type", i), "inclusion", "value is not allowed in enum")
		}
		if x.Type == consent.ResourcePatient && x.ID != r.PatientID {
			add(fmt.Sprintf("$.resources.[%d].id", i), "invalid", "must be patient_id")
		}
	}
	if r.ToLegalEntity && !r.GrantedTo.IsZero() {
		add("$.granted_to", "invalid", "an employee or the legal entity, not both")
	}
	if len(r.Resources) == 0 {
		r.Resources = []Resource{{consent.ResourcePatient, r.PatientID}}
	}
	if len(fields) > 0 {
		return registry.Invalid(fields...)
	}
	return nil
}

// Create asks. A patient with a telephone gets a code; one who confirms by
// documents is taken at the clinic's word, which the trail says; one with no
// method cannot be asked.
func (s *Service) Create(ctx context.Context, c registry.Caller, r Request) (a Approval, err error) {
	if err := c.Require(ScopeCreate); err != nil {
		return a, err
	}
	if c.EmployeeID.IsZero() {
		return a, registry.Errorf(registry.CodeForbidden, "ask for the token with employee_id: an approval has an asker").WithReason("employee")
	}
	if err := r.check(); err != nil {
		return a, err
	}
	now := s.source.Now()
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		p, err := tx.Person(ctx, r.PatientID)
		if err != nil {
			return err
		}
		if p.Status != patient.StatusActive || p.Version == 0 {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		recipient := consent.LegalEntityRecipient(c.LegalEntityID)
		if !r.ToLegalEntity {
			id := r.GrantedTo
			if id.IsZero() {
				id = c.EmployeeID
			}
			e, err := tx.Employee(ctx, id)
			if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
				return err
			}
			if err != nil || e.LegalEntityID != c.LegalEntityID || !e.Approved() {
				return registry.Invalid(registry.FieldError{Entry: "$.granted_to.employee_id", Rule: "invalid", Description: "Employee " + id.String() + " doesn't belong to your legal entity"})
			}
			recipient = consent.EmployeeRecipient(id)
		}
		method := p.AuthMethod()
		if method.Type == "NA" {
			return registry.Errorf(registry.CodeConflict, "Person must have authentication method").WithReason("authentication_method")
		}
		a = Approval{
			Record: consent.Record{
				ID: s.source.NewID(), PersonID: p.ID, Method: consent.CodeConfirmed, Recipient: recipient, Purpose: strings.TrimSpace(r.Reason), AccessLevel: r.AccessLevel,
				GrantedAt: now, ExpiresAt: now.Add(s.limits.Life), Status: consent.StatusNew, CreatedAt: now,
			},
			LegalEntityID: c.LegalEntityID, CreatedBy: c.EmployeeID, AuthMethod: method.Type,
		}
		for _, x := range r.Resources {
			a.Scope = append(a.Scope, consent.ResourceName(x.Type, x.ID))
		}
		slices.Sort(a.Scope)
		a.Text = "Доступ до медичних записів: " + a.Purpose
		if a.Content, err = contentOf(a); err != nil {
			return err
		}
		a.Container = a.Content // there is no signed container: the code confirms this document
		if method.Type == "OTP" {
			if err := s.sendCode(ctx, tx, &a, method.PhoneNumber, now); err != nil {
				return err
			}
		} else {
			a.Method, a.Status = consent.ClinicAttested, consent.StatusActive
		}
		if err := tx.InsertConsent(ctx, a.Record); err != nil {
			return err
		}
		if err := tx.InsertApproval(ctx, a); err != nil {
			return err
		}
		if a.Status == consent.StatusActive {
			return s.inForce(ctx, tx, c, a, now)
		}
		_, err = tx.Audit(ctx, entry("approval.created", c, a))
		return err
	})
	return a, err
}

// contentOf is the digest of what is approved, in RFC 8785 form.
func contentOf(a Approval) (registry.Digest, error) {
	b, err := jcs.Marshal(map[string]any{"id": a.ID.String(), "recipient": a.Recipient, "purpose": a.Purpose, "scope": a.Scope,
		"access_level": a.AccessLevel, "expires_at": a.ExpiresAt.Format(time.RFC3339), "text": a.Text})
	return sha256.Sum256(b), err
}

func (s *Service) inForce(ctx context.Context, tx Tx, c registry.Caller, a Approval, now time.Time) error {
	if err := tx.SupersedeApprovals(ctx, a, now); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, entry(audit.ConsentRegistered, c, a))
	return err
}

func entry(kind audit.Kind, c registry.Caller, a Approval) audit.Entry {
	return audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: a.PersonID,
		Object:     &audit.ObjectRef{Type: "approval", ID: a.ID.String(), Digest: a.Content[:]},
		LegalBasis: &audit.LegalBasis{Code: audit.BasisConsent, Consent: a.ID, Digest: a.Content[:], Method: a.Method, Purpose: a.Purpose}}
}

func (s *Service) sendCode(ctx context.Context, tx Tx, a *Approval, phone string, now time.Time) error {
	if a.OTPSent >= s.limits.OTPCodes {
		return registry.Errorf(registry.CodeRateLimited, "no more codes for this approval; ask anew").WithReason("otp_codes")
	}
	n := s.source.Bytes(8)
	code := make([]byte, 4)
	for i := range code { // 256 is not a multiple of 10: the bias over 8 random bytes is below 1e-15
		var v uint64
		for _, b := range n {
			v = v<<8 | uint64(b)
		}
		v /= uint64(math.Pow10(i))
		code[i] = '0' + byte(v%10)
	}
	a.OTPMAC, a.OTPTriesLeft, a.OTPExpiresAt, a.OTPSent = s.mac(a.ID, string(code)), s.limits.OTPTries, now.Add(s.limits.OTPTTL), a.OTPSent+1
	if err := notify.Withdraw(ctx, tx, a.ID); err != nil {
		return err
	}
	return notify.Enqueue(ctx, tx, s.source, notify.Notice{Channel: notify.SMS, To: phone, Template: notify.OTP, About: a.ID, Expires: a.OTPExpiresAt,
		Values: map[string]string{"code": string(code), "minutes": strconv.Itoa(int(math.Ceil(s.limits.OTPTTL.Minutes())))}})
}

func (s *Service) mac(id registry.ID, code string) []byte {
	m := hmac.New(sha256.New, s.key)
	m.Write([]byte("approval"))
	m.Write(id[:])
	m.Write([]byte(code))
	return m.Sum(nil)
}

// step runs one action on an approval of the caller's legal entity. A refusal
// that f gives back as such is kept with the try it cost.
func (s *Service) step(ctx context.Context, c registry.Caller, scope string, id registry.ID, f func(ctx context.Context, tx Tx, a *Approval) (refusal, err error)) (a Approval, err error) {
	if err := c.Require(scope); err != nil {
		return a, err
	}
	var refusal error
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) (err error) {
		refusal = nil
		if a, err = tx.Approval(ctx, id); err != nil {
			return err
		}
		if a.LegalEntityID != c.LegalEntityID {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		refusal, err = f(ctx, tx, &a)
		return err
	})
	if err == nil {
		err = refusal
	}
	return a, err
}

func transition(a *Approval) error {
	return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + string(a.Status))
}

// Verify confirms with the patient's code. A wrong one costs a try.
func (s *Service) Verify(ctx context.Context, c registry.Caller, id registry.ID, code string) (Approval, error) {
	return s.step(ctx, c, ScopeCreate, id, func(ctx context.Context, tx Tx, a *Approval) (refusal, err error) {
		now := s.source.Now()
		if a.Status != consent.StatusNew || !now.Before(a.ExpiresAt) {
			return nil, transition(a)
		}
		forbid := func(reason, text string) error {
			return registry.Errorf(registry.CodeForbidden, "%s", text).WithReason(reason)
		}
		switch {
		case a.OTPTriesLeft <= 0:
			return nil, forbid("otp_exhausted", "Maximum attempts exceed; ask for a new code")
		case now.After(a.OTPExpiresAt):
			return nil, forbid("otp_expired", "Verification code expired; ask for a new code")
		}
		// The telephone is the patient's of now: a changed one is another lock.
		p, err := tx.Person(ctx, a.PersonID)
		if err != nil {
			return nil, err
		}
		phone := p.AuthMethod().PhoneNumber
		if err := tx.ExpectFewMisses(ctx, phone, a.LegalEntityID, now); err != nil {
			return nil, err
		}
		a.OTPTriesLeft--
		if !hmac.Equal(a.OTPMAC, s.mac(a.ID, code)) {
			if err := tx.UpdateApproval(ctx, *a); err != nil {
				return nil, err
			}
			if err := tx.CountMiss(ctx, phone, a.LegalEntityID, now); err != nil {
				return nil, err
			}
			e := entry("approval.refused", c, *a)
			e.Reason = "otp_wrong"
			_, err := tx.Audit(ctx, e)
			return forbid("otp_wrong", fmt.Sprintf("Invalid verification code; tries left: %d", a.OTPTriesLeft)), err
		}
		a.Status, a.OTPMAC, a.GrantedAt = consent.StatusActive, nil, now
		if err := tx.UpdateApproval(ctx, *a); err != nil {
			return nil, err
		}
		return nil, s.inForce(ctx, tx, c, *a, now)
	})
}

// ResendOTP sends a new code; the earlier one is void.
func (s *Service) ResendOTP(ctx context.Context, c registry.Caller, id registry.ID) (Approval, error) {
	return s.step(ctx, c, ScopeCreate, id, func(ctx context.Context, tx Tx, a *Approval) (refusal, err error) {
		now := s.source.Now()
		if a.Status != consent.StatusNew || !now.Before(a.ExpiresAt) {
			return nil, transition(a)
		}
		p, err := tx.Person(ctx, a.PersonID)
		if err != nil {
			return nil, err
		}
		method := p.AuthMethod()
		if method.Type != "OTP" {
			return nil, transition(a)
		}
		if err := s.sendCode(ctx, tx, a, method.PhoneNumber, now); err != nil {
			return nil, err
		}
		if err := tx.UpdateApproval(ctx, *a); err != nil {
			return nil, err
		}
		_, err = tx.Audit(ctx, entry("approval.otp_resent", c, *a))
		return nil, err
	})
}

// Cancel gives the access up.
func (s *Service) Cancel(ctx context.Context, c registry.Caller, id registry.ID) (Approval, error) {
	return s.step(ctx, c, ScopeCancel, id, func(ctx context.Context, tx Tx, a *Approval) (refusal, err error) {
		if a.Status != consent.StatusNew && a.Status != consent.StatusActive {
			return nil, transition(a)
		}
		a.Status, a.RevokedAt = consent.StatusRevoked, s.source.Now()
		if err := tx.UpdateApproval(ctx, *a); err != nil {
			return nil, err
		}
		_, err = tx.Audit(ctx, entry(audit.ConsentRevoked, c, *a))
		return nil, err
	})
}

// Get reads one of the caller's legal entity.
func (s *Service) Get(ctx context.Context, c registry.Caller, id registry.ID) (Approval, error) {
	return s.step(ctx, c, ScopeRead, id, func(ctx context.Context, tx Tx, a *Approval) (refusal, err error) {
		_, err = tx.Audit(ctx, entry("approval.read", c, *a))
		return nil, err
	})
}

// maxListed bounds a list.
const maxListed = 100

// List gives a patient's approvals that the caller's legal entity asked for,
// newest first.
func (s *Service) List(ctx context.Context, c registry.Caller, person registry.ID) (list []Approval, err error) {
	if err := c.Require(ScopeRead); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		found, err := tx.Approvals(ctx, person, maxListed)
		if err != nil {
			return err
		}
		list = []Approval{}
		for _, a := range found {
			if a.LegalEntityID == c.LegalEntityID {
				list = append(list, a)
			}
		}
		_, err = tx.Audit(ctx, audit.Entry{Kind: "approval.list", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person})
		return err
	})
	return list, err
}
