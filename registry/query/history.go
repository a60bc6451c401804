package query

import (
	"context"

	"mist/registry"
	"mist/registry/consent"
)

// historyTx is what the history of declarations needs beside the rest.
type historyTx interface {
	// DeclarationHistory lists the states of a declaration, oldest first.
	DeclarationHistory(ctx context.Context, id registry.ID) ([]StatusLine, error)
}

// HistoryView is one declaration with every state it went through.
type HistoryView struct {
	Declaration DeclarationView `json:"declaration"`
	States      []StatusLine    `json:"states"`
}

// HistoryPage is a part of the history, newest declaration first.
type HistoryPage struct {
	Declarations []HistoryView `json:"declarations"`
	Page         int           `json:"page"`
	More         bool          `json:"more"`
}

// historySize is how many declarations one page has.
const historySize = 20

// DeclarationHistory gives all declarations of a person with their states and
// dates, page by page from 1. The consent must name "history".
func (s *Service) DeclarationHistory(ctx context.Context, c registry.Caller, r Request, page int) (Answer[HistoryPage], error) {
	if page < 1 || page > maxDeclarations {
		return Answer[HistoryPage]{}, registry.Invalid(registry.FieldError{Entry: "$.page", Rule: "number", Description: "pages begin with 1"})
	}
	return ask(ctx, s, c, r, disclosure[HistoryPage]{scope: consent.ScopeDeclaration, names: fieldNames, needs: []string{"history"}, declarations: everyStatus, limit: page*historySize + 1,
		read: func(ctx context.Context, tx Tx, q *reading) (HistoryPage, error) {
			rows, err := q.declarations(ctx, tx)
			if err != nil {
				return HistoryPage{}, err
			}
			out := HistoryPage{Declarations: []HistoryView{}, Page: page}
			for i := (page - 1) * historySize; i < len(rows); i++ {
				if i == page*historySize {
					out.More = true
					break
				}
				h := HistoryView{Declaration: view(rows[i], q.fields)}
				if h.States, err = tx.DeclarationHistory(ctx, rows[i].Declaration.ID); err != nil {
					return HistoryPage{}, err
				}
				out.Declarations = append(out.Declarations, h)
			}
			if len(out.Declarations) == 0 {
				q.message = "no declaration on this page"
			}
			return out, nil
		}})
}
