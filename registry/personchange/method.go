package personchange

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/patient"
)

// Methods is the request to change how a person confirms.
type Methods struct {
	intake.Unsigned[Tx]
	parts
}

// NewMethods makes the kind.
func NewMethods(terms patient.Terms, source registry.Source) Methods {
	return Methods{parts: parts{terms, source}}
}

// Name implements intake.Kind.
func (Methods) Name() registry.KindName { return "authentication_method_request" }

// Scope implements intake.Kind.
func (k Methods) Scope(step intake.Step) string { return scope(string(k.Name()), step) }

// MethodInput is the body of "create". INSERT gives type and its value, UPDATE
// id and alias, DEACTIVATE id.
type MethodInput struct {
	PersonID      registry.ID                  `json:"person_id"`
	Action        string                       `json:"action"`
	Method        patient.AuthenticationMethod `json:"authentication_method"`
	AuthorizeWith registry.ID                  `json:"authorize_with,omitzero"`
}

// methodData is the snapshot of a request.
type methodData struct {
	MethodInput
	Version int `json:"person_version"`
	// Step is who confirms: "current" the way that stands, "new" the new phone.
	Step string `json:"step"`
}

const (
	stepCurrent = "current"
	stepNew     = "new"
)

func decodeMethod(body []byte) (MethodInput, error) {
	return document.Decode[MethodInput](body, func(v any) (errs []registry.FieldError) {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		for _, name := range []string{"person_id", "action", "authentication_method"} {
			if _, given := o[name]; !given {
				errs = append(errs, document.Required("$", name))
			}
		}
		m, _ := o["authentication_method"].(map[string]any)
		for _, name := range []string{"started_at", "ended_at"} {
			if _, given := m[name]; given {
				errs = append(errs, document.NotAllowed("$.authentication_method."+name))
			}
		}
		return errs
	})
}

// Draft implements intake.Kind.
func (k Methods) Draft(ctx context.Context, tx Tx, c registry.Caller, draft *intake.Draft, body []byte) error {
	in, err := decodeMethod(body)
	if err != nil {
		return err
	}
	if err := k.checkForm(in); err != nil {
		return err
	}
	p, err := k.begin(ctx, tx, c, draft, in.PersonID)
	if err != nil {
		return err
	}
	if err := k.check(ctx, tx, p, in); err != nil {
		return err
	}
	today := registry.DateOf(k.Source.Now())
	method, err := patient.Confirmation(ctx, tx, p, in.AuthorizeWith, today)
	if err != nil {
		return err
	}
	draft.AuthMethod, draft.Phone = method.Type, method.PhoneNumber
	// Where no code of a phone that stands confirms, documents do.
	if method.Type != patient.MethodOTP {
		draft.Demands = patient.Uploads(p)
	}
	if in.Action == ActionInsert {
		in.Method.ID = k.Source.NewID()
	}
	draft.Data, err = jcs.Marshal(methodData{in, p.Version, stepCurrent})
	return err
}

// checkForm holds the members of each action.
func (k Methods) checkForm(in MethodInput) error {
	const at = "$.authentication_method"
	switch in.Action {
	case ActionInsert:
		if !in.Method.ID.IsZero() {
			return registry.Invalid(document.NotAllowed(at + ".id"))
		}
		return patient.ValidateMethod(at, in.Method)
	case ActionUpdate, ActionDeactivate:
		only := patient.AuthenticationMethod{ID: in.Method.ID}
		if in.Action == ActionUpdate {
			only.Alias = in.Method.Alias
		}
		switch {
		case in.Method.ID.IsZero():
			return registry.Invalid(document.Required(at, "id"))
		case in.Action == ActionUpdate && in.Method.Alias == "":
			return registry.Invalid(document.Required(at, "alias"))
		case in.Method != only:
			return invalid(at, "exclusion", "this action takes id, and UPDATE alias, alone")
		case len([]rune(in.Method.Alias)) > 100:
			return invalid(at+".alias", "length", "expected at most 100 characters", "100")
		}
		return nil
	}
	return invalid("$.action", "inclusion", "value is not allowed in enum", ActionInsert, ActionUpdate, ActionDeactivate)
}

// check holds a request against the person as they stand.
func (k Methods) check(ctx context.Context, tx Tx, p patient.Person, in MethodInput) error {
	const at = "$.authentication_method"
	var active []patient.AuthenticationMethod
	for _, m := range p.AuthenticationMethods {
		if !m.Ended() {
			active = append(active, m)
		}
	}
	known := slices.ContainsFunc(active, func(m patient.AuthenticationMethod) bool { return m.ID == in.Method.ID })
	switch {
	case in.Action == ActionInsert:
		same := func(m patient.AuthenticationMethod) bool {
			return m.Type == in.Method.Type && m.PhoneNumber == in.Method.PhoneNumber && m.Value == in.Method.Value
		}
		if slices.ContainsFunc(active, same) {
			return invalid(at, "unique", "the person confirms by this method already")
		}
		if in.Method.Type == patient.MethodThirdPerson {
			n := 0
			for _, m := range active {
				if m.Type == patient.MethodThirdPerson {
					n++
				}
			}
			if n >= k.Terms.ThirdPersons {
				return invalid(at+".type", "invalid", fmt.Sprintf("a person confirms through at most %d third persons", k.Terms.ThirdPersons))
			}
			r, found, err := tx.RelationshipBetween(ctx, p.ID, in.Method.Value)
			if err != nil {
				return err
			}
			if !found {
				return registry.Errorf(registry.CodeConflict, "Relationship is not found").WithReason("relationship_absent")
			}
			if err := r.Approved(registry.DateOf(k.Source.Now())); err != nil {
				return err
			}
		}
		return k.Terms.MayUse(ctx, tx, at, in.Method, p.ID)
	case !known:
		return invalid(at+".id", "invalid", "Authentication method doesn't exist or is not active")
	case in.Action == ActionDeactivate && len(active) == 1:
		return invalid(at+".id", "invalid", "the last authentication method is not taken away; add another first")
	}
	return nil
}

// Approve implements intake.Kind: what was confirmed is done, or the new phone
// is asked.
func (k Methods) Approve(ctx context.Context, tx Tx, draft *intake.Draft) error {
	var d methodData
	if err := json.Unmarshal(draft.Data, &d); err != nil {
		return fmt.Errorf("reading a stored draft: %w", err)
	}
	p, err := k.stands(ctx, tx, draft, d.Version)
	if err != nil {
		return err
	}
	if d.Action == ActionInsert && d.Method.Type == patient.MethodOTP && d.Step == stepCurrent && d.Method.PhoneNumber != draft.Phone {
		d.Step = stepNew
		draft.AuthMethod, draft.Phone, draft.AskNext = patient.MethodOTP, d.Method.PhoneNumber, true
		draft.Data, err = jcs.Marshal(d)
		return err
	}
	// Between the two the limits may have been reached by others.
	if err := k.check(ctx, tx, p, d.MethodInput); err != nil {
		return err
	}
	now := k.Source.Now()
	switch d.Action {
	case ActionInsert:
		if d.Method.Type != patient.MethodThirdPerson { // one own method at a time
			p.AuthenticationMethods = end(p.AuthenticationMethods, now, func(m patient.AuthenticationMethod) bool { return m.Type != patient.MethodThirdPerson })
		}
		d.Method.StartedAt = now
		// The newest comes first: it is the current one.
		p.AuthenticationMethods = append([]patient.AuthenticationMethod{d.Method}, p.AuthenticationMethods...)
	case ActionUpdate:
		p.AuthenticationMethods = slices.Clone(p.AuthenticationMethods)
		for i := range p.AuthenticationMethods {
			if p.AuthenticationMethods[i].ID == d.Method.ID {
				p.AuthenticationMethods[i].Alias = d.Method.Alias
			}
		}
	case ActionDeactivate:
		p.AuthenticationMethods = end(p.AuthenticationMethods, now, func(m patient.AuthenticationMethod) bool { return m.ID == d.Method.ID })
	}
	return k.change(ctx, tx, draft, p, "person.method_changed")
}
