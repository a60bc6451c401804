package query

import (
	"context"
	"errors"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/declaration"
	"mist/registry/intake"
	"mist/registry/patient"
)

// Scopes of reading. ScopeDeclarationReadNHS widens a list from the caller's own legal
// entity to the whole registry: it belongs to systems of the NHSU alone.
const (
	ScopeDeclarationRead    = "declaration:read"
	ScopeDeclarationReadNHS = "declaration:read_nhs"
)

// DeclarationRow is a declaration with everybody concerned.
type DeclarationRow struct {
	Row
	Person patient.Person
}

// StatusLine is one line of a declaration's history.
type StatusLine struct {
	Status     declaration.Status `json:"status"`
	Reason     string             `json:"reason,omitempty"`
	InsertedAt time.Time          `json:"inserted_at"`
}

// ProvidersTx is what reads of declarations need of a transaction.
type ProvidersTx interface {
	// SealedContainers gives the digests of the doctor's container and, when it
	// is sealed, of the seal.
	SealedContainers(ctx context.Context, id registry.ID) (signed, seal registry.Digest, sealed bool, err error)
	Container(ctx context.Context, digest registry.Digest) ([]byte, error)
	// DeclarationRow reads one; within limits it to a legal entity unless zero.
	DeclarationRow(ctx context.Context, id, within registry.ID) (r DeclarationRow, found bool, err error)
	// DeclarationList reads at most Window.Size+1 rows, newest first.
	DeclarationList(ctx context.Context, f DeclarationFilter) ([]DeclarationRow, error)
	CountDeclarationList(ctx context.Context, f DeclarationFilter) (int, error)
	DeclarationHistory(ctx context.Context, id registry.ID) ([]StatusLine, error)
	// DeclarationNote is what was written by hand when the state was set.
	DeclarationNote(ctx context.Context, id registry.ID) (string, error)
	// Documents lists the scans of the request a declaration came of.
	Documents(ctx context.Context, draft registry.ID) ([]intake.Document, error)
	// DeclarationParent is the declaration one took the place of; zero for most.
	DeclarationParent(ctx context.Context, id registry.ID) (registry.ID, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// ProvidersStore begins and ends transactions.
type ProvidersStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx ProvidersTx) error) error
}

// Providers discloses declarations to the systems of providers, each its own
// legal entity's, and to those of the NHSU. Whatever is not the caller's
// answers as absent.
type Providers struct{ store ProvidersStore }

// NewProviders refuses a half-configured service.
func NewProviders(store ProvidersStore) (*Providers, error) {
	if store == nil {
		return nil, errors.New("query: a store is needed")
	}
	return &Providers{store}, nil
}

// reach says how far a caller sees: the legal entity (zero: everywhere) and
// the legal basis on which a person is told of.
func reach(c registry.Caller) (within registry.ID, basis string, err error) {
	if c.Allows(ScopeDeclarationReadNHS) {
		return registry.ID{}, "statute", nil
	}
	if err := c.Require(ScopeDeclarationRead); err != nil {
		return registry.ID{}, "", err
	}
	if c.LegalEntityID.IsZero() {
		return registry.ID{}, "", registry.Errorf(registry.CodeForbidden, "the client works for no legal entity").WithReason("no_legal_entity")
	}
	return c.LegalEntityID, "declaration", nil
}

// Declaration reads one declaration with everybody concerned.
func (s *Providers) Declaration(ctx context.Context, c registry.Caller, id registry.ID) (DeclarationDetail, error) {
	var out DeclarationDetail
	err := s.one(ctx, c, id, detailFields, func(ctx context.Context, tx ProvidersTx, r DeclarationRow) error {
		note, err := tx.DeclarationNote(ctx, id)
		if err != nil {
			return err
		}
		out = detail(r)
		out.ReasonDescription = note
		out.ParentDeclarationID, err = tx.DeclarationParent(ctx, id)
		return err
	})
	return out, err
}

// Documents lists the scans a declaration rests on: the NHSU looks at them
// before it verifies one that was confirmed by documents.
func (s *Providers) Documents(ctx context.Context, c registry.Caller, id registry.ID) (list []intake.Document, err error) {
	err = s.one(ctx, c, id, []string{"declaration.documents"}, func(ctx context.Context, tx ProvidersTx, r DeclarationRow) error {
		list, err = tx.Documents(ctx, r.Declaration.RequestID)
		return err
	})
	return list, err
}

// SignedContent gives the doctor's signed container of a declaration.
func (s *Providers) SignedContent(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error) {
	return s.container(ctx, c, id, "signed_content", false)
}

// Seal gives the container that holds the doctor's one under the seal of the
// National Health Service; not-found while there is none.
func (s *Providers) Seal(ctx context.Context, c registry.Caller, id registry.ID) ([]byte, error) {
	return s.container(ctx, c, id, "seal", true)
}

func (s *Providers) container(ctx context.Context, c registry.Caller, id registry.ID, field string, seal bool) (b []byte, err error) {
	err = s.one(ctx, c, id, []string{field}, func(ctx context.Context, tx ProvidersTx, _ DeclarationRow) error {
		digest, sealDigest, sealed, err := tx.SealedContainers(ctx, id)
		if err != nil {
			return err
		}
		if seal {
			if !sealed {
				return registry.Errorf(registry.CodeNotFound, "the declaration has no seal yet").WithReason("not_sealed")
			}
			digest = sealDigest
		}
		b, err = tx.Container(ctx, digest)
		return err
	})
	return b, err
}

// DeclarationHistory lists the states a declaration went through, oldest first.
func (s *Providers) DeclarationHistory(ctx context.Context, c registry.Caller, id registry.ID) (lines []StatusLine, err error) {
	err = s.one(ctx, c, id, []string{"status_history"}, func(ctx context.Context, tx ProvidersTx, _ DeclarationRow) (err error) {
		lines, err = tx.DeclarationHistory(ctx, id)
		return err
	})
	return lines, err
}

// one reads a declaration and commits the entry before anything is told. A
// foreign one and an absent one leave the same entry and get the same answer.
func (s *Providers) one(ctx context.Context, c registry.Caller, id registry.ID, fields []string,
	read func(ctx context.Context, tx ProvidersTx, r DeclarationRow) error) error {
	within, basis, err := reach(c)
	if err != nil {
		return err
	}
	found := false
	err = s.store.Update(ctx, func(ctx context.Context, tx ProvidersTx) error {
		r, ok, err := tx.DeclarationRow(ctx, id, within)
		if err != nil {
			return err
		}
		found = ok
		e := audit.Entry{Kind: audit.DisclosureRefused, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID}
		if !ok {
			e.Object, e.Code = &audit.ObjectRef{Type: "declaration", ID: id.String()}, string(registry.CodeNotFound)
			_, err := tx.Audit(ctx, e)
			return err
		}
		if err := read(ctx, tx, r); err != nil {
			return err
		}
		_, err = tx.Audit(ctx, told(c, r, basis, fields))
		return err
	})
	if err == nil && !found {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	return err
}

// told is the entry of one person's declaration shown to a caller.
func told(c registry.Caller, r DeclarationRow, basis string, fields []string) audit.Entry {
	return audit.Entry{
		Kind: audit.Disclosure, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		SubjectID: r.Declaration.PersonID, Act: &audit.ActRef{ID: r.Declaration.ActID, Kind: string(declaration.Name)},
		LegalBasis: &audit.LegalBasis{Code: basis}, Fields: fields,
	}
}

// DeclarationPage is a part of a list.
type DeclarationPage struct {
	Rows   []DeclarationItem
	Paging Paging
}

// Declarations lists the caller's declarations. Every person shown leaves an
// entry of their own, so that "who saw my data" has an answer (ADR 0600).
func (s *Providers) Declarations(ctx context.Context, c registry.Caller, f DeclarationFilter) (DeclarationPage, error) {
	within, basis, err := reach(c)
	if err != nil {
		return DeclarationPage{}, err
	}
	if err := f.validate(); err != nil {
		return DeclarationPage{}, err
	}
	foreign := !within.IsZero() && !f.LegalEntityID.IsZero() && f.LegalEntityID != within
	if !within.IsZero() {
		f.LegalEntityID = within
	}
	var page DeclarationPage
	err = s.store.Update(ctx, func(ctx context.Context, tx ProvidersTx) error {
		var rows []DeclarationRow
		total := 0
		if !foreign {
			var err error
			if rows, err = tx.DeclarationList(ctx, f); err != nil {
				return err
			}
			if !f.Window.Cursor {
				if total, err = tx.CountDeclarationList(ctx, f); err != nil {
					return err
				}
			}
		}
		more := len(rows) > f.Window.Size
		if more {
			rows = rows[:f.Window.Size]
		}
		page = DeclarationPage{Rows: make([]DeclarationItem, 0, len(rows)), Paging: f.Window.paging(total, more)}
		for _, r := range rows {
			page.Rows = append(page.Rows, item(r))
			if _, err := tx.Audit(ctx, told(c, r, basis, itemFields)); err != nil {
				return err
			}
		}
		if page.Paging.Cursors != nil && more {
			page.Paging.Cursors.StartingAfter = rows[len(rows)-1].Declaration.ID
		}
		return nil
	})
	if err != nil {
		return DeclarationPage{}, err
	}
	return page, nil
}

func (w Window) paging(total int, more bool) Paging {
	if w.Cursor {
		return Paging{Size: w.Size, HasMore: &more, Cursors: &Cursors{}}
	}
	return Paging{Number: w.Page, Size: w.Size, TotalEntries: total, TotalPages: (total + w.Size - 1) / w.Size}
}
