package patient

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"mist/registry"
)

// Kinds of authentication methods. NA is never stored: it is what a person
// without any method has.
const (
	MethodOTP         = "OTP"
	MethodOffline     = "OFFLINE"
	MethodThirdPerson = "THIRD_PERSON"
	MethodNA          = "NA"
)

// AuthenticationMethod is how a person confirms: OTP to a phone, OFFLINE by
// documents, THIRD_PERSON through a confidant (value is that person's id).
type AuthenticationMethod struct {
	ID          registry.ID `json:"id,omitzero"`
	Type        string      `json:"type"`
	PhoneNumber string      `json:"phone_number,omitempty"`
	Value       registry.ID `json:"value,omitzero"`
	Alias       string      `json:"alias,omitempty"`
	StartedAt   time.Time   `json:"started_at,omitzero"`
	EndedAt     time.Time   `json:"ended_at,omitzero"`
}

// Ended reports whether the method is not used any more.
func (m AuthenticationMethod) Ended() bool { return !m.EndedAt.IsZero() }

// AuthMethod is the person's current method, the first that has not ended; NA
// when there is none.
func (p *Person) AuthMethod() AuthenticationMethod {
	for _, m := range p.AuthenticationMethods {
		if !m.Ended() {
			return m
		}
	}
	return AuthenticationMethod{Type: MethodNA}
}

// NameMethods gives each method without an id one that is always the same:
// records of before methods had ids name theirs by what they are.
func (p *Person) NameMethods() {
	for i := range p.AuthenticationMethods {
		m := &p.AuthenticationMethods[i]
		if !m.ID.IsZero() {
			continue
		}
		h := sha256.New()
		h.Write(p.ID[:])
		h.Write([]byte(m.Type + "|" + m.PhoneNumber + "|" + m.Value.String()))
		copy(m.ID[:], h.Sum(nil))
		m.ID[6] = m.ID[6]&0x0f | 0x80 // RFC 9562, version 8: made by a rule of our own
		m.ID[8] = m.ID[8]&0x3f | 0x80
	}
}

// ConfirmTx is what finding out how a person confirms needs of a transaction.
type ConfirmTx interface {
	Person(ctx context.Context, id registry.ID) (Person, error)
	RelationshipBetween(ctx context.Context, person, confidant registry.ID) (Relationship, bool, error)
}

// Confirmation is how a person confirms a request: the method named by with,
// or the current one if that is zero. Through a third person it is that
// person's own way, while the relationship stands and is approved.
func Confirmation(ctx context.Context, tx ConfirmTx, p Person, with registry.ID, today registry.Date) (AuthenticationMethod, error) {
	m := p.AuthMethod()
	if !with.IsZero() {
		m = AuthenticationMethod{}
		for _, one := range p.AuthenticationMethods {
			if one.ID == with && !one.Ended() {
				m = one
			}
		}
		if m.Type == "" {
			return m, registry.Invalid(registry.FieldError{Entry: "$.authorize_with", Rule: "invalid", Description: "Authentication method doesn't exist or is not active"})
		}
	}
	if m.Type != MethodThirdPerson {
		return m, nil
	}
	r, found, err := tx.RelationshipBetween(ctx, p.ID, m.Value)
	if err != nil {
		return m, err
	}
	if !found {
		return m, registry.Errorf(registry.CodeConflict, "Relationship is not found").WithReason("relationship_absent")
	}
	if err := r.Approved(today); err != nil {
		return m, err
	}
	confidant, err := tx.Person(ctx, m.Value)
	if err != nil {
		return m, err
	}
	return OwnMethod(confidant)
}

// OwnMethod is how a confidant confirms for others: by a phone or documents of
// their own.
func OwnMethod(confidant Person) (AuthenticationMethod, error) {
	own := confidant.AuthMethod()
	if confidant.Status != StatusActive || own.Type == MethodThirdPerson || own.Type == MethodNA {
		return own, registry.Errorf(registry.CodeConflict, "Confidant person has no authentication method of their own").WithReason("confidant_method")
	}
	return own, nil
}

// MethodTx is what the limits of methods need of a transaction.
type MethodTx interface {
	// CountByMethod counts active records, without one, that confirm by this
	// phone, or through this third person.
	CountByMethod(ctx context.Context, m AuthenticationMethod, without registry.ID) (int, error)
}

// MayUse holds a new method of a person against the limits of its phone or
// third person.
func (t Terms) MayUse(ctx context.Context, tx MethodTx, at string, m AuthenticationMethod, person registry.ID) error {
	limit, member, text := t.PhoneLimit, "phone_number", "This phone number is present more than %d times in the system"
	switch m.Type {
	case MethodOTP:
	case MethodThirdPerson:
		limit, member, text = t.ThirdPersonLimit, "value", "This third person is used more than %d times in the system"
	default:
		return nil
	}
	n, err := tx.CountByMethod(ctx, m, person)
	if err == nil && n >= limit {
		err = registry.Invalid(registry.FieldError{Entry: at + "." + member, Rule: "invalid", Description: fmt.Sprintf(text, limit), Params: []string{strconv.Itoa(limit)}})
	}
	return err
}
