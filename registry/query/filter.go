package query

import (
	"slices"

	"mist/registry"
	"mist/registry/declaration"
)

// DeclarationFilter chooses declarations of a list. Zero members do not narrow.
type DeclarationFilter struct {
	PersonID      registry.ID
	EmployeeID    registry.ID
	DivisionID    registry.ID
	LegalEntityID registry.ID
	Status        declaration.Status
	StartFrom     registry.Date
	StartTo       registry.Date
	EndFrom       registry.Date
	EndTo         registry.Date
	Window        Window
}

// Window cuts a list: by page and size with totals, or from a cursor on. Lists
// are newest first.
type Window struct {
	Page int // from 1; 0 with a cursor
	Size int
	// Cursor asks for the Size rows that follow After (zero: the first ones)
	// instead of a page; it costs no count.
	Cursor bool
	After  registry.ID
}

// Limits of a page (domain notes 1.0).
const (
	DefaultPageSize = 50
	MaxPageSize     = 100
	maxOffset       = 100_000
)

// Validate answers with the query parameters to mend.
func (w Window) Validate() error {
	if w.Size < 1 || w.Size > MaxPageSize {
		return parameter("page_size", "number", "must lie between 1 and 100")
	}
	if !w.Cursor && (w.Page < 1 || (w.Page-1)*w.Size > maxOffset) {
		return parameter("page", "number", "pages begin with 1 and go as far as 100000 rows; go on with starting_after")
	}
	return nil
}

func (f DeclarationFilter) validate() error {
	if f.Status != "" && !slices.Contains([]declaration.Status{declaration.StatusActive, declaration.StatusPendingVerification,
		declaration.StatusTerminated, declaration.StatusClosed, declaration.StatusRejected}, f.Status) {
		return parameter("status", "inclusion", "value is not allowed in enum")
	}
	if !f.StartFrom.IsZero() && !f.StartTo.IsZero() && f.StartTo.Before(f.StartFrom) {
		return parameter("start_date_to", "invalid", "lies before start_date_from")
	}
	if !f.EndFrom.IsZero() && !f.EndTo.IsZero() && f.EndTo.Before(f.EndFrom) {
		return parameter("end_date_to", "invalid", "lies before end_date_from")
	}
	return f.Window.Validate()
}

func parameter(name, rule, text string) error {
	return registry.Invalid(registry.FieldError{Entry: "$." + name, EntryType: "query_parameter", Rule: rule, Description: text})
}

// Paging tells where a page stands.
type Paging struct {
	Number       int `json:"page_number,omitempty"`
	Size         int `json:"page_size"`
	TotalEntries int `json:"total_entries"`
	TotalPages   int `json:"total_pages"`
	// HasMore and Cursors belong to lists that are read by cursor.
	HasMore *bool    `json:"has_more,omitempty"`
	Cursors *Cursors `json:"cursors,omitempty"`
}

// Cursors is where the next part begins.
type Cursors struct {
	StartingAfter registry.ID `json:"starting_after,omitzero"`
}
