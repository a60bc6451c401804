package personchange

import (
	"context"
	"encoding/json"
	"fmt"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/intake"
	"mist/registry/jcs"
	"mist/registry/patient"
)

// Relationships is the request to begin or end that somebody speaks for a person.
type Relationships struct {
	intake.Unsigned[Tx]
	parts
}

// NewRelationships makes the kind.
func NewRelationships(terms patient.Terms, source registry.Source) Relationships {
	return Relationships{parts: parts{terms, source}}
}

// Name implements intake.Kind.
func (Relationships) Name() registry.KindName { return "confidant_person_relationship_request" }

// Scope implements intake.Kind.
func (k Relationships) Scope(step intake.Step) string { return scope(string(k.Name()), step) }

// RelationshipInput is the body of "create". INSERT gives the confidant and the
// proofs, DEACTIVATE the relationship's id.
type RelationshipInput struct {
	PersonID      registry.ID  `json:"person_id"`
	Action        string       `json:"action"`
	Relationship  relationship `json:"confidant_person_relationship"`
	AuthorizeWith registry.ID  `json:"authorize_with,omitzero"`
}

type relationship struct {
	ID                registry.ID        `json:"id,omitzero"`
	ConfidantPersonID registry.ID        `json:"confidant_person_id,omitzero"`
	Documents         []patient.Document `json:"documents_relationship,omitempty"`
	ActiveTo          registry.Date      `json:"active_to,omitzero"`
}

type relationshipData struct {
	RelationshipInput
	Version int `json:"person_version"`
}

func decodeRelationship(body []byte) (RelationshipInput, error) {
	return document.Decode[RelationshipInput](body, func(v any) (errs []registry.FieldError) {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		for _, name := range []string{"person_id", "action", "confidant_person_relationship"} {
			if _, given := o[name]; !given {
				errs = append(errs, document.Required("$", name))
			}
		}
		return errs
	})
}

// checkForm holds the members of each action.
func (k Relationships) checkForm(in RelationshipInput, today registry.Date) error {
	const at = "$.confidant_person_relationship"
	r := in.Relationship
	switch in.Action {
	case ActionInsert:
		switch {
		case !r.ID.IsZero():
			return registry.Invalid(document.NotAllowed(at + ".id"))
		case r.ConfidantPersonID.IsZero():
			return registry.Invalid(document.Required(at, "confidant_person_id"))
		case !r.ActiveTo.IsZero() && r.ActiveTo.Before(today):
			return invalid(at+".active_to", "invalid", "expected today or a later day")
		}
		return patient.ValidateProofs(at+".documents_relationship", r.Documents, today)
	case ActionDeactivate:
		if r.ID.IsZero() {
			return registry.Invalid(document.Required(at, "id"))
		}
		if !r.ConfidantPersonID.IsZero() || len(r.Documents) > 0 || !r.ActiveTo.IsZero() {
			return invalid(at, "exclusion", "this action takes id alone")
		}
		return nil
	}
	return invalid("$.action", "inclusion", "value is not allowed in enum", ActionInsert, ActionDeactivate)
}

// Draft implements intake.Kind.
func (k Relationships) Draft(ctx context.Context, tx Tx, c registry.Caller, draft *intake.Draft, body []byte) error {
	in, err := decodeRelationship(body)
	if err != nil {
		return err
	}
	today := registry.DateOf(k.Source.Now())
	if err := k.checkForm(in, today); err != nil {
		return err
	}
	p, err := k.begin(ctx, tx, c, draft, in.PersonID)
	if err != nil {
		return err
	}
	var confidant patient.Person
	if in.Action == ActionInsert {
		if confidant, err = k.mayRelate(ctx, tx, p, in); err != nil {
			return err
		}
		for _, d := range in.Relationship.Documents {
			draft.Demands = append(draft.Demands, "confidant_person.RELATIONSHIP."+d.Type)
		}
	} else if _, err := ownRelationship(ctx, tx, p, in.Relationship.ID); err != nil {
		return err
	}
	method, err := patient.Confirmation(ctx, tx, p, in.AuthorizeWith, today)
	if err != nil {
		return err
	}
	if method.Type == patient.MethodNA && in.Action == ActionInsert {
		// Nobody has confirmed for this person yet: the confidant does.
		if method, err = patient.OwnMethod(confidant); err != nil {
			return err
		}
	}
	if method.Type != patient.MethodOTP && in.Action == ActionDeactivate {
		draft.Demands = patient.Uploads(p)
	}
	draft.AuthMethod, draft.Phone = method.Type, method.PhoneNumber
	draft.Data, err = jcs.Marshal(relationshipData{in, p.Version})
	return err
}

func (k Relationships) mayRelate(ctx context.Context, tx Tx, p patient.Person, in RelationshipInput) (patient.Person, error) {
	checks, err := patient.ReadRelationshipChecks(ctx, tx, p.ID, in.Relationship.ConfidantPersonID)
	if err != nil {
		return patient.Person{}, err
	}
	return checks.Confidant, k.Terms.MayRelate(p, checks, registry.DateOf(k.Source.Now()))
}

func ownRelationship(ctx context.Context, tx Tx, p patient.Person, id registry.ID) (patient.Relationship, error) {
	r, err := tx.Relationship(ctx, id)
	if registry.CodeOf(err) == registry.CodeNotFound || err == nil && (r.PersonID != p.ID || !r.IsActive) {
		return r, invalid("$.confidant_person_relationship.id", "invalid", "Relationship is not found")
	}
	return r, err
}

// Approve implements intake.Kind: the relationship begins, or ends together
// with the methods that go through it.
func (k Relationships) Approve(ctx context.Context, tx Tx, draft *intake.Draft) error {
	var d relationshipData
	if err := json.Unmarshal(draft.Data, &d); err != nil {
		return fmt.Errorf("reading a stored draft: %w", err)
	}
	p, err := k.stands(ctx, tx, draft, d.Version)
	if err != nil {
		return err
	}
	now := k.Source.Now()
	if d.Action == ActionInsert {
		if _, err := k.mayRelate(ctx, tx, p, d.RelationshipInput); err != nil {
			return err
		}
		r := k.Terms.NewRelationship(k.Source.NewID(), p, d.Relationship.ConfidantPersonID, d.Relationship.Documents, d.Relationship.ActiveTo, now)
		if err := tx.PutRelationship(ctx, r); err != nil {
			return err
		}
		return k.record(ctx, tx, draft, "relationship.begun", r.ID)
	}
	r, err := ownRelationship(ctx, tx, p, d.Relationship.ID)
	if err != nil {
		return err
	}
	r.IsActive, r.UpdatedAt = false, now
	if err := tx.PutRelationship(ctx, r); err != nil {
		return err
	}
	through := func(m patient.AuthenticationMethod) bool { return m.Value == r.ConfidantPersonID }
	ended := end(p.AuthenticationMethods, now, through)
	if len(ended) > 0 && fmt.Sprint(ended) != fmt.Sprint(p.AuthenticationMethods) {
		p.AuthenticationMethods = ended
		if err := k.change(ctx, tx, draft, p, "person.method_changed"); err != nil {
			return err
		}
	}
	return k.record(ctx, tx, draft, "relationship.ended", r.ID)
}
