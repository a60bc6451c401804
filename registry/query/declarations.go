package query

import (
	"context"
	"slices"

	"mist/registry"
	"mist/registry/consent"
	"mist/registry/declaration"
)

// maxDeclarations bounds one answer.
const maxDeclarations = 100

var openStatuses = []declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification}

var everyStatus = []declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification,
	declaration.StatusTerminated, declaration.StatusClosed, declaration.StatusRejected}

// DeclarationByPatient gives a person's declarations in the asked states; none
// named means active and pending_verification.
func (s *Service) DeclarationByPatient(ctx context.Context, c registry.Caller, r Request, statuses []declaration.Status) (Answer[[]DeclarationView], error) {
	for _, st := range statuses {
		if !slices.Contains(everyStatus, st) {
			return Answer[[]DeclarationView]{}, registry.Invalid(registry.FieldError{Entry: "$.statuses", Rule: "inclusion", Description: "value is not allowed in enum"})
		}
	}
	if len(statuses) == 0 {
		statuses = openStatuses
	}
	return ask(ctx, s, c, r, disclosure[[]DeclarationView]{scope: consent.ScopeDeclaration, names: fieldNames, declarations: statuses, limit: maxDeclarations, looked: true,
		read: func(ctx context.Context, tx Tx, q *reading) ([]DeclarationView, error) {
			rows, err := q.declarations(ctx, tx)
			list := views(rows, q.fields)
			if len(list) == 0 {
				q.message = "no declaration in the asked states"
			}
			return list, err
		}})
}

func views(rows []Row, fields []string) []DeclarationView {
	list := make([]DeclarationView, 0, len(rows))
	for _, row := range rows {
		list = append(list, view(row, fields))
	}
	return list
}

// DeclarationByNumber gives one declaration of the person. A number that is
// another person's answers as one that does not exist.
func (s *Service) DeclarationByNumber(ctx context.Context, c registry.Caller, r Request, number string) (Answer[[]DeclarationView], error) {
	if number == "" || len(number) > 64 {
		return Answer[[]DeclarationView]{}, registry.Invalid(registry.FieldError{Entry: "$.declarationNumber", Rule: "required", Description: "can't be blank"})
	}
	return ask(ctx, s, c, r, disclosure[[]DeclarationView]{scope: consent.ScopeDeclaration, names: fieldNames, declarations: everyStatus, limit: maxDeclarations, looked: true,
		read: func(ctx context.Context, tx Tx, q *reading) ([]DeclarationView, error) {
			rows, err := q.declarations(ctx, tx)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				if row.Declaration.Number == number {
					return []DeclarationView{view(row, q.fields)}, nil
				}
			}
			q.refuse, q.detail = consent.NotFound, "no_declaration_of_this_number"
			return nil, nil
		}})
}

// ActiveView tells that there is a declaration in force, and its state.
type ActiveView struct {
	Active bool   `json:"active"`
	Status string `json:"status,omitempty"`
}

// CheckActiveDeclaration tells whether the person has a declaration in force,
// and nothing else.
func (s *Service) CheckActiveDeclaration(ctx context.Context, c registry.Caller, r Request) (Answer[ActiveView], error) {
	return ask(ctx, s, c, r, disclosure[ActiveView]{scope: consent.ScopeDeclaration, names: fieldNames, needs: []string{"status"}, declarations: openStatuses, limit: 1, looked: true,
		read: func(ctx context.Context, tx Tx, q *reading) (ActiveView, error) {
			q.told = []string{"status"}
			rows, err := q.declarations(ctx, tx)
			if err != nil || len(rows) == 0 {
				return ActiveView{}, err
			}
			return ActiveView{Active: rows[0].Declaration.Status == declaration.StatusActive, Status: string(rows[0].Declaration.Status)}, nil
		}})
}
