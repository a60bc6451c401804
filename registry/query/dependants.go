package query

import (
	"context"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/patient"
)

// dependantsTx is what questions about children and wards need beside the rest.
type dependantsTx interface {
	// FindDependant gives the active record under an identifier (names are not
	// compared) if the person is a confidant of it by a relationship that is
	// active and verified on the day; found is false otherwise, whatever is missing.
	FindDependant(ctx context.Context, confidant patient.Person, q patient.Query, day registry.Date) (p patient.Person, found bool, err error)
}

// Dependant names a child or ward: exactly one identifier. A birth certificate
// is a document.
type Dependant struct {
	TaxID          registry.RNOKPP
	UNZR           registry.UNZR
	DocumentType   string
	DocumentNumber string
}

// DependentDeclarations gives the declarations in force of a child or ward of
// the person who consents. The person must be its confidant by an active,
// verified relationship; everything else answers NOT_FOUND.
func (s *Service) DependentDeclarations(ctx context.Context, c registry.Caller, r Request, of Dependant) (Answer[[]DeclarationView], error) {
	q := patient.Query{TaxID: of.TaxID, UNZR: of.UNZR, DocumentType: of.DocumentType, DocumentNumber: of.DocumentNumber, LastName: "-", FirstName: "-"}
	if err := q.Validate(); err != nil {
		e := registry.AsError(err)
		for i := range e.Fields {
			e.Fields[i].Entry = "$.dependant" + e.Fields[i].Entry[len("$.person"):]
		}
		return Answer[[]DeclarationView]{}, e
	}
	return ask(ctx, s, c, r, disclosure[[]DeclarationView]{scope: consent.ScopeDependant, names: fieldNames,
		read: func(ctx context.Context, tx Tx, x *reading) ([]DeclarationView, error) {
			child, found, err := tx.FindDependant(ctx, x.person, q, registry.DateOf(x.now))
			if err != nil {
				return nil, err
			}
			if !found {
				x.refuse, x.detail = consent.NotFound, "no_verified_relationship"
				return nil, nil
			}
			x.subject, x.basis = child.ID, audit.BasisStatute // Family Code, article 154; Civil Code, articles 67 and 69
			rows, err := tx.DeclarationsOf(ctx, child.ID, openStatuses, maxDeclarations)
			return views(rows, x.fields), err
		}})
}
