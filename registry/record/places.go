package record

import (
	"context"
	"slices"

	"mist/registry"
	"mist/registry/audit"
)

// Places says where the records of a kind are found in REST, and thereby in
// SOAP, which is made of it: data that a kind gives and the portal serves
// without knowing the kind.
type Places struct {
	// Path begins with /api/v3/ and names the kind in the plural; Own is the
	// citizen's, empty where there is none.
	Path, Own string
	Kind      Kind
	Scope     string // to read
	OwnScope  string
	Reader    Reads
	// Create takes the signed container of a new record; nil where a record is
	// made by another kind.
	Create func(ctx context.Context, c registry.Caller, container []byte) (Shown, audit.Receipt, error)
	// Signed are actions by a signed document, Actions those by a JSON body,
	// which may be empty; Found are POSTs beside the path that answer with a
	// record by a JSON body, as by its number.
	Signed  map[string]SignedAction
	Actions map[string]Action
	Found   map[string]func(ctx context.Context, c registry.Caller, body []byte) (Shown, error)
}

// SignedAction changes a record by a signed container.
type SignedAction func(ctx context.Context, c registry.Caller, id registry.ID, container []byte) (Shown, audit.Receipt, error)

// Action changes a record; body is the JSON object of the request.
type Action func(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (Shown, error)

// Reads tells records; *Reader does.
type Reads interface {
	Get(ctx context.Context, c registry.Caller, scope string, kind Kind, id registry.ID) (Shown, error)
	List(ctx context.Context, c registry.Caller, scope string, f Filter) ([]Record, bool, error)
}

// Routes lists method and path of every address.
func (k Places) Routes() []string {
	one := k.Path + "/{id}"
	out := []string{"GET " + k.Path, "GET " + one}
	if k.Create != nil {
		out = append(out, "POST "+k.Path)
	}
	if k.Own != "" {
		out = append(out, "GET "+k.Own, "GET "+k.Own+"/{id}")
	}
	for name := range k.Signed {
		out = append(out, "PATCH "+one+"/actions/"+name)
	}
	for name := range k.Actions {
		out = append(out, "PATCH "+one+"/actions/"+name)
	}
	for name := range k.Found {
		out = append(out, "POST "+k.Path+"/"+name)
	}
	slices.Sort(out)
	return out
}
