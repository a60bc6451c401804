package address

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/audit"
)

// Street of a settlement. No open register of streets is loaded with the
// codifier: an operator brings the ones a municipality publishes.
type Street struct {
	SettlementID registry.ID `json:"settlement_id"`
	Type         string      `json:"type"` // STREET, LANE … as addresses write it
	Name         string      `json:"name"`
	Active       bool        `json:"is_active"`
}

// StreetFilter narrows a list of streets to those of one settlement.
type StreetFilter struct {
	SettlementID registry.ID
	Type         string
	Name         string // how the name begins
	Page         int
	Size         int
}

// StreetTx is what streets need of a transaction.
type StreetTx interface {
	FindStreets(ctx context.Context, f StreetFilter) ([]Street, int, error)
	// PutStreet tells whether anything changed.
	PutStreet(ctx context.Context, s Street) (changed bool, err error)
	// ByKATOTTG gives the ids of settlements by their codes.
	ByKATOTTG(ctx context.Context, codes []string) (map[string]registry.ID, error)
}

// maxStreets bounds the lines of a file of streets.
const maxStreets = 500_000

// streetColumns are the columns of a file; is_active may be absent.
var streetColumns = []string{"katottg", "type", "name", "is_active"}

type streetLine struct {
	katottg string
	street  Street
}

var streetTypePattern = regexp.MustCompile(`^[A-Z][A-Z_]{1,39}$`)

// readStreets reads a file of streets.
func readStreets(b []byte) (list []streetLine, err error) {
	seen := map[streetLine]bool{}
	err = table{"streets", streetColumns, 3, maxStreets}.lines(b, func(value func(name string) string, wrong func(column, rule, text string)) {
		s := streetLine{value("katottg"), Street{Type: value("type"), Name: strings.Join(strings.Fields(value("name")), " ")}}
		if !katottgPattern.MatchString(s.katottg) {
			wrong("katottg", "format", "expected UA and 17 digits")
		}
		if !streetTypePattern.MatchString(s.street.Type) {
			wrong("type", "format", "expected a code as STREET, LANE, SQUARE")
		}
		if s.street.Name == "" || len(s.street.Name) > maxText {
			wrong("name", "length", "expected 1 to 200 bytes")
		}
		if seen[s] {
			wrong("name", "unique", "the street stands twice")
		}
		seen[s] = true
		s.street.Active = flag(value, wrong, "is_active", true)
		list = append(list, s)
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CheckStreets reads a file as [Service.ImportStreets] does, and writes nothing.
func CheckStreets(file []byte) error {
	_, err := readStreets(file)
	return err
}

// ImportedStreets says what an import did.
type ImportedStreets struct{ Streets, Changed int }

// ImportStreets writes a file's streets in short transactions; the same file
// again changes nothing, and what it does not name stays.
func (s *Service) ImportStreets(ctx context.Context, file []byte, progress func(done, total int)) (out ImportedStreets, err error) {
	list, err := readStreets(file)
	if err != nil {
		return out, err
	}
	digest := sha256.Sum256(file)
	c := registry.Caller{Channel: registry.ChannelJob, RequestID: "operator-" + s.source.NewID().String()}
	for part := range slices.Chunk(list, batch) {
		changed := 0
		err := s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
			changed = 0
			codes := make([]string, len(part))
			for i, l := range part {
				codes[i] = l.katottg
			}
			ids, err := tx.ByKATOTTG(ctx, codes)
			if err != nil {
				return err
			}
			for _, l := range part {
				id, known := ids[l.katottg]
				if !known {
					return registry.Errorf(registry.CodeConflict, "the settlement %s is not in the register: load the settlements first", l.katottg).WithReason("settlement_unknown")
				}
				l.street.SettlementID = id
				new, err := tx.PutStreet(ctx, l.street)
				if err != nil {
					return err
				}
				if new {
					changed++
				}
			}
			if changed == 0 {
				return nil
			}
			_, err = tx.Audit(ctx, audit.Entry{Kind: "street.imported", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
				Object: &audit.ObjectRef{Type: "streets", ID: part[0].katottg, Digest: digest[:]}, Reason: fmt.Sprintf("%d streets", changed)})
			return err
		})
		if err != nil {
			return out, fmt.Errorf("writing streets of %s: %w", part[0].katottg, err)
		}
		out.Streets, out.Changed = out.Streets+len(part), out.Changed+changed
		progress(out.Streets, len(list))
	}
	return out, nil
}

// Streets lists a page of a settlement's streets; public.
func (s *Service) Streets(ctx context.Context, f StreetFilter) (list []Street, total int, err error) {
	if f.SettlementID.IsZero() {
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.settlement_id", EntryType: "query_parameter", Rule: "required", Description: "required property settlement_id was not present"})
	}
	if f.Page < 1 || f.Page > 10_000 || f.Size < 1 || f.Size > maxPage {
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: "page is 1 to 10000, page_size 1 to 100"})
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.FindStreets(ctx, f); return err })
	return list, total, err
}
