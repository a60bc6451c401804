package query

import (
	"context"
	"errors"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/composition"
	"mist/registry/patient"
)

// SeenComposition is what a look-up by number found.
type SeenComposition struct {
	Record       composition.Record
	Organisation string // the legal entity's public name, as it is today
	// Persons are the subject's record and, where it was merged, its survivors.
	Persons []patient.Person
	// Found is false when no conclusion has the number; the work done is the same.
	Found bool
}

// CompositionsTx is what checks of conclusions need of a transaction.
type CompositionsTx interface {
	LookComposition(ctx context.Context, number string) (SeenComposition, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// CompositionsStore begins and ends transactions.
type CompositionsStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx CompositionsTx) error) error
}

// CompositionsConfig of Compositions. Store and Source are needed.
type CompositionsConfig struct {
	Store  CompositionsStore
	Source registry.Source
	// Codes tells the asker which of number and identity did not match, as the
	// national system does. That discloses whether a conclusion and an attribute
	// exist to anyone who knows a number; without it all are one answer.
	Codes bool
	// Misses bounds unsuccessful checks of one client in a minute; zero bounds nothing.
	Misses int
}

// Compositions lets an outsider who knows the number of a medical conclusion
// and one identifier of its subject see that it exists: PublicGetComposition.
// No patient's name, no diagnosis, no doctor is told.
type Compositions struct {
	store  CompositionsStore
	codes  bool
	misses *missLimiter
}

// NewCompositions refuses a half-configured service.
func NewCompositions(c CompositionsConfig) (*Compositions, error) {
	if c.Store == nil || c.Source.Clock == nil {
		return nil, errors.New("query: compositions: a part is missing")
	}
	return &Compositions{c.Store, c.Codes, newMissLimiter(c.Misses, c.Source.Clock)}, nil
}

// CompositionQuestion is one check.
type CompositionQuestion struct {
	Number     string
	Identity   composition.Identity
	Generation composition.Generation
}

// CompositionAnswer is what is told. Code is empty when Record is.
type CompositionAnswer struct {
	Code         composition.Code
	Record       composition.Record
	Organisation string
}

// compositionFields are the names in the trail of what is told.
var compositionFields = []string{"number", "date", "type", "organisation", "validity"}

// Composition answers a check. Whatever the answer, its entry says which code
// it was; the asker learns it only where the national codes are switched on.
func (s *Compositions) Composition(ctx context.Context, c registry.Caller, q CompositionQuestion) (CompositionAnswer, error) {
	if q.Generation != composition.V1 && q.Generation != composition.V2 {
		return CompositionAnswer{}, errors.New("query: a generation of the check is needed")
	}
	if code := q.Identity.Check(); code != composition.None {
		return CompositionAnswer{Code: code}, nil // nobody was looked at
	}
	if !s.misses.allows(c.XRoad) {
		return CompositionAnswer{}, registry.Errorf(registry.CodeRateLimited, "too many checks without a match; ask again in a minute")
	}
	number, wellFormed := composition.Normalize(q.Number)
	var answer CompositionAnswer
	err := s.store.Update(ctx, func(ctx context.Context, tx CompositionsTx) error {
		seen, err := tx.LookComposition(ctx, number)
		if err != nil {
			return err
		}
		code := composition.NotFound
		identity := seen.match(q.Identity) // also when the number is nobody's: a miss costs what a hit does
		e := audit.Entry{Kind: audit.DisclosureRefused, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID}
		if wellFormed && seen.Found {
			e.SubjectID = seen.Record.PersonID
			e.Object = &audit.ObjectRef{Type: "composition", ID: seen.Record.ID.String()}
			if q.Generation.Tells(seen.Record.Status) {
				code = identity
			}
		}
		answer = CompositionAnswer{Code: code}
		if code == composition.None {
			e.Kind, e.Fields, e.Code = audit.Disclosure, compositionFields, "OK"
			if q.Generation == composition.V2 {
				e.Fields = append(compositionFields[:len(compositionFields):len(compositionFields)], "status")
			}
			e.LegalBasis = &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "composition_check"}
			answer.Record, answer.Organisation = seen.Record, seen.Organisation
		} else {
			e.Code, e.Reason = "NOT_MATCHED", string(code)
		}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err != nil {
		return CompositionAnswer{}, err
	}
	if answer.Code != composition.None {
		s.misses.spend(c.XRoad)
		if !s.codes {
			answer.Code = composition.NotFound
		}
	}
	return answer, nil
}

// match compares the identity with the records of the person: one that fits is
// enough. What is told otherwise is of the surviving record.
func (s *SeenComposition) match(i composition.Identity) composition.Code {
	code := composition.NotFound
	for n := range s.Persons {
		switch found := i.Match(&s.Persons[n]); {
		case found == composition.None:
			return found
		default:
			code = found
		}
	}
	return code
}
