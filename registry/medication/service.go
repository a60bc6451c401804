package medication

import (
	"context"
	"errors"
	"unicode/utf8"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/decimal"
	"mist/registry/prm"
)

// Scopes (eHealth).
const (
	ScopeINNM        = "innm:read"
	ScopeDosage      = "innm_dosage:read"
	ScopeMedication  = "medication:read"
	ScopeDrugs       = "drugs:read"
	ScopeProgram     = "medical_program:read"
	ScopeParticipant = "program_medication:read"
)

// Filter of the lists; each uses what it knows.
type Filter struct {
	Name         string // a part of it, whatever the case
	NameOriginal string
	SCTID        string
	INNMID       registry.ID
	DosageID     registry.ID
	MedicationID registry.ID
	ProgramID    registry.ID
	Form         string
	ATC          string
	Type         string
	Inactive     bool // rows out of use, instead of those in use
	Page, Size   int
}

func (f Filter) validate() error {
	if err := (prm.Filter{Page: f.Page, Size: f.Size}).Validate(); err != nil {
		return err
	}
	for name, text := range map[string]string{"name": f.Name, "name_original": f.NameOriginal} {
		if utf8.RuneCountInString(text) == 1 || len(text) > maxName {
			return registry.Invalid(registry.FieldError{Entry: "$." + name, EntryType: "query_parameter", Rule: "length", Description: "expected 2 to 500 characters"})
		}
	}
	return nil
}

// Package is a pack a dosage is sold in.
type Package struct {
	ContainerUnit string          `json:"container_unit"`
	Qty           decimal.Decimal `json:"package_qty"`
	MinQty        decimal.Decimal `json:"package_min_qty"`
	MedicationID  registry.ID     `json:"medication_id"`
}

// Drug is a dosage as a doctor looks for it: with its INNM and packs.
type Drug struct {
	Dosage   Dosage
	INNM     INNM
	Packages []Package
}

// Tx is what the room needs of a transaction.
type Tx interface {
	INNMs(ctx context.Context, f Filter) ([]INNM, int, error)
	Dosages(ctx context.Context, f Filter) ([]Dosage, int, error)
	Brands(ctx context.Context, f Filter) ([]Brand, int, error)
	Drugs(ctx context.Context, f Filter) ([]Drug, int, error)
	Programs(ctx context.Context, f Filter) ([]Program, int, error)
	Participants(ctx context.Context, f Filter) ([]Participant, int, error)
	Reader

	PutINNM(ctx context.Context, v INNM) error
	PutDosage(ctx context.Context, v Dosage) error
	PutBrand(ctx context.Context, v Brand) error
	PutProgram(ctx context.Context, v Program) error
	PutParticipant(ctx context.Context, v Participant) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Reader is what other rooms read of the reference data; not-found for what is
// not there.
type Reader interface {
	DosageByID(ctx context.Context, id registry.ID) (Dosage, error)
	BrandByID(ctx context.Context, id registry.ID) (Brand, error)
	ProgramByID(ctx context.Context, id registry.ID) (Program, error)
	ParticipantByID(ctx context.Context, id registry.ID) (Participant, error)
	// Offers are the active brands of a dosage; with a programme, those that take
	// part in it, with their part.
	Offers(ctx context.Context, dosage, program registry.ID) ([]Offer, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service reads and loads.
type Service struct {
	store  Store
	source registry.Source
}

// New refuses a half-configured service.
func New(store Store, source registry.Source) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("medication: a part is missing")
	}
	return &Service{store, source}, nil
}

func list[T any](ctx context.Context, s *Service, c registry.Caller, scope string, f Filter, read func(ctx context.Context, tx Tx, f Filter) ([]T, int, error)) (rows []T, total int, err error) {
	if err := errors.Join(c.Require(scope), f.validate()); err != nil {
		return nil, 0, err
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { rows, total, err = read(ctx, tx, f); return err })
	return rows, total, err
}

func read[T any](ctx context.Context, s *Service, c registry.Caller, scope string, id registry.ID, f func(ctx context.Context, tx Tx, id registry.ID) (T, error)) (v T, err error) {
	if err := c.Require(scope); err != nil {
		return v, err
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { v, err = f(ctx, tx, id); return err })
	return v, err
}

// INNMs lists a page with the total.
func (s *Service) INNMs(ctx context.Context, c registry.Caller, f Filter) ([]INNM, int, error) {
	return list(ctx, s, c, ScopeINNM, f, func(ctx context.Context, tx Tx, f Filter) ([]INNM, int, error) { return tx.INNMs(ctx, f) })
}

// Dosages lists a page with the total.
func (s *Service) Dosages(ctx context.Context, c registry.Caller, f Filter) ([]Dosage, int, error) {
	return list(ctx, s, c, ScopeDosage, f, func(ctx context.Context, tx Tx, f Filter) ([]Dosage, int, error) { return tx.Dosages(ctx, f) })
}

// Brands lists a page with the total.
func (s *Service) Brands(ctx context.Context, c registry.Caller, f Filter) ([]Brand, int, error) {
	return list(ctx, s, c, ScopeMedication, f, func(ctx context.Context, tx Tx, f Filter) ([]Brand, int, error) { return tx.Brands(ctx, f) })
}

// Drugs lists a page with the total.
func (s *Service) Drugs(ctx context.Context, c registry.Caller, f Filter) ([]Drug, int, error) {
	return list(ctx, s, c, ScopeDrugs, f, func(ctx context.Context, tx Tx, f Filter) ([]Drug, int, error) { return tx.Drugs(ctx, f) })
}

// Programs lists a page with the total.
func (s *Service) Programs(ctx context.Context, c registry.Caller, f Filter) ([]Program, int, error) {
	return list(ctx, s, c, ScopeProgram, f, func(ctx context.Context, tx Tx, f Filter) ([]Program, int, error) { return tx.Programs(ctx, f) })
}

// Participants lists a page with the total.
func (s *Service) Participants(ctx context.Context, c registry.Caller, f Filter) ([]Participant, int, error) {
	return list(ctx, s, c, ScopeParticipant, f, func(ctx context.Context, tx Tx, f Filter) ([]Participant, int, error) { return tx.Participants(ctx, f) })
}

// Dosage reads one.
func (s *Service) Dosage(ctx context.Context, c registry.Caller, id registry.ID) (Dosage, error) {
	return read(ctx, s, c, ScopeDosage, id, func(ctx context.Context, tx Tx, id registry.ID) (Dosage, error) { return tx.DosageByID(ctx, id) })
}

// Brand reads one.
func (s *Service) Brand(ctx context.Context, c registry.Caller, id registry.ID) (Brand, error) {
	return read(ctx, s, c, ScopeMedication, id, func(ctx context.Context, tx Tx, id registry.ID) (Brand, error) { return tx.BrandByID(ctx, id) })
}

// Program reads one.
func (s *Service) Program(ctx context.Context, c registry.Caller, id registry.ID) (Program, error) {
	return read(ctx, s, c, ScopeProgram, id, func(ctx context.Context, tx Tx, id registry.ID) (Program, error) { return tx.ProgramByID(ctx, id) })
}

// Participant reads one.
func (s *Service) Participant(ctx context.Context, c registry.Caller, id registry.ID) (Participant, error) {
	return read(ctx, s, c, ScopeParticipant, id, func(ctx context.Context, tx Tx, id registry.ID) (Participant, error) {
		return tx.ParticipantByID(ctx, id)
	})
}

// importBatch is how many rows one transaction writes.
const importBatch = 500

// Import writes a file that Read has taken. Rows of before that are not in it
// stay as they were; the same file again changes nothing. progress may be nil.
func (s *Service) Import(ctx context.Context, f File, progress func(done, of int)) (rows int, err error) {
	var steps []func(ctx context.Context, tx Tx) error
	for _, v := range f.INNMs {
		steps = append(steps, func(ctx context.Context, tx Tx) error { return tx.PutINNM(ctx, v) })
	}
	for _, v := range f.Dosages {
		steps = append(steps, func(ctx context.Context, tx Tx) error { return tx.PutDosage(ctx, v) })
	}
	for _, v := range f.Brands {
		steps = append(steps, func(ctx context.Context, tx Tx) error { return tx.PutBrand(ctx, v) })
	}
	for _, v := range f.Programs {
		steps = append(steps, func(ctx context.Context, tx Tx) error { return tx.PutProgram(ctx, v) })
	}
	for _, v := range f.Parts {
		steps = append(steps, func(ctx context.Context, tx Tx) error { return tx.PutParticipant(ctx, v) })
	}
	request := "import-" + s.source.NewID().String()
	for rows < len(steps) {
		part := steps[rows:min(rows+importBatch, len(steps))]
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			for _, step := range part {
				if err := step(ctx, tx); err != nil {
					return err
				}
			}
			_, err := tx.Audit(ctx, audit.Entry{Kind: audit.OperatorCommand, Channel: string(registry.ChannelJob), RequestID: request,
				Object: &audit.ObjectRef{Type: "import", ID: "medications"}})
			return err
		})
		if err != nil {
			return rows, err
		}
		if rows += len(part); progress != nil {
			progress(rows, len(steps))
		}
	}
	return rows, nil
}
