package upkeep

import (
	"context"
	"strconv"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
)

// PersonsTx is what the jobs about the index need of a transaction.
type PersonsTx interface {
	// EndRelationships ends at most limit relationships whose last day lies
	// before today.
	EndRelationships(ctx context.Context, today registry.Date, limit int) ([]patient.Relationship, error)
	// RekeyPersons writes the look-up keys of at most limit records anew whose
	// set of keys is an earlier one.
	RekeyPersons(ctx context.Context, limit int) (int, error)
}

func (s *Service) endRelationships(ctx context.Context) (int, error) {
	return s.batches(ctx, "end_relationships", func(ctx context.Context, tx Tx) (int, error) {
		list, err := tx.EndRelationships(ctx, registry.DateOf(s.source.Now()), batch)
		c := s.caller()
		for _, r := range list {
			if err == nil {
				_, err = tx.Audit(ctx, audit.Entry{Kind: "relationship.ended", Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: r.PersonID,
					Object: &audit.ObjectRef{Type: "relationship", ID: r.ID.String()}})
			}
		}
		return len(list), err
	})
}

// rekeyPersons serves records that entered the index before one of the look-up
// keys was thought of. It tells nobody anything and changes no record, so one
// entry a batch says that it happened.
func (s *Service) rekeyPersons(ctx context.Context) (int, error) {
	return s.batches(ctx, "rekey_persons", func(ctx context.Context, tx Tx) (int, error) {
		n, err := tx.RekeyPersons(ctx, batch)
		if err == nil && n > 0 {
			c := s.caller()
			_, err = tx.Audit(ctx, audit.Entry{Kind: "persons.rekeyed", Channel: string(c.Channel), RequestID: c.RequestID,
				Object: &audit.ObjectRef{Type: "person_keys", ID: strconv.Itoa(n) + " records"}})
		}
		return n, err
	})
}
