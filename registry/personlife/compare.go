package personlife

import (
	"context"
	"slices"
	"strings"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/patient"
)

// Compared is the kind of the entry that comparing leaves, one for each of the
// two people: it tells an operator their data.
const Compared audit.Kind = "disclosure.compared"

// Side is one of two records under comparison.
type Side struct {
	ID         registry.ID
	Status     patient.Status
	MasterID   registry.ID
	InsertedAt time.Time
	UpdatedAt  time.Time
	// Declaration is the active or pending declaration; zero where there is none.
	Declaration Effect
}

// Effect is a declaration that a merge of the record would end.
type Effect struct {
	ID, LegalEntityID, EmployeeID registry.ID
	Number, LegalEntity           string
	Since                         registry.Date
}

// Row is one member of the two records. Numbers are masked; whether they are
// equal is told of the whole ones.
type Row struct {
	// Member is its name in the contract.
	Member        string
	Master, Loser string
	// Difference is how they differ (patient.Difference), "" for equal ones.
	Difference string
	// Master and Loser in pieces, where the values themselves are shown.
	MasterPieces, LoserPieces []patient.Piece
	// Mixed are Latin letters among Ukrainian ones, of either value.
	Mixed []string
}

// Comparison is two records beside each other.
type Comparison struct {
	Master, Loser Side
	Rows          []Row
	// Equal and Differing count the rows where both have a value.
	Equal, Differing int
}

// Compare shows an operator two records beside each other, with what a merge
// would end. Either person sees in the own log of accesses that it was done.
func (s *Service) Compare(ctx context.Context, c registry.Caller, master, loser registry.ID) (k Comparison, err error) {
	if _, err := operator(c); err != nil { // who may not merge has nothing to compare for
		return k, err
	}
	if master == loser {
		return k, registry.Invalid(registry.FieldError{Entry: "$.merge_person_id", Rule: "invalid", Description: "a record cannot be compared with itself"})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		a, b, err := both(ctx, tx, Merge{MasterID: master, LoserID: loser})
		if err != nil {
			return err
		}
		if a.Version == 0 || b.Version == 0 {
			return registry.Errorf(registry.CodeNotFound, "Person is not found")
		}
		k = Comparison{Rows: rows(a, b)}
		for _, r := range k.Rows {
			switch {
			case r.Difference == "":
				k.Equal++
			case r.Difference != patient.DiffersMissing:
				k.Differing++
			}
		}
		if k.Master, err = side(ctx, tx, a); err != nil {
			return err
		}
		if k.Loser, err = side(ctx, tx, b); err != nil {
			return err
		}
		for _, id := range []registry.ID{master, loser} {
			_, err := tx.Audit(ctx, audit.Entry{Kind: Compared, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: id,
				LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Purpose: "manual_merge"}, Fields: compared})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return k, err
}

// compared are the members a comparison tells, for the entry.
var compared = []string{"person.names", "person.birth", "person.gender", "person.tax_id", "person.unzr", "person.documents", "person.addresses", "person.phones"}

func side(ctx context.Context, tx Tx, p patient.Person) (out Side, err error) {
	out = Side{ID: p.ID, Status: p.Status, MasterID: p.MasterID, InsertedAt: p.InsertedAt, UpdatedAt: p.UpdatedAt}
	d, found, err := tx.ActiveDeclaration(ctx, p.ID)
	if err != nil || !found {
		return out, err
	}
	out.Declaration = Effect{ID: d.ID, LegalEntityID: d.LegalEntityID, EmployeeID: d.EmployeeID, Number: d.Number, Since: d.StartDate}
	names, err := tx.Titles(ctx, []registry.ID{d.LegalEntityID})
	out.Declaration.LegalEntity = names[d.LegalEntityID]
	return out, err
}

func rows(a, b patient.Person) (list []Row) {
	open := func(member, x, y string) {
		if x == "" && y == "" {
			return
		}
		r := Row{Member: member, Master: x, Loser: y, Difference: patient.Difference(x, y), Mixed: append(patient.MixesAlphabets(x), patient.MixesAlphabets(y)...)}
		if r.Difference != patient.DiffersWholly && r.Difference != patient.DiffersMissing { // else every letter would be marked
			r.MasterPieces, r.LoserPieces = patient.Pieces(x, y)
		}
		list = append(list, r)
	}
	masked := func(member, x, y string) {
		if x == "" && y == "" {
			return
		}
		list = append(list, Row{Member: member, Master: mask(x), Loser: mask(y), Difference: patient.Difference(x, y)})
	}
	open("last_name", a.LastName, b.LastName)
	open("first_name", a.FirstName, b.FirstName)
	open("second_name", a.SecondName, b.SecondName)
	open("birth_date", date(a.BirthDate), date(b.BirthDate))
	open("gender", a.Gender, b.Gender)
	open("birth_settlement", a.BirthSettlement, b.BirthSettlement)
	open("birth_country", a.BirthCountry, b.BirthCountry)
	masked("tax_id", a.TaxID, b.TaxID)
	masked("unzr", a.UNZR, b.UNZR)
	for _, kind := range documentTypes(a, b) {
		masked("documents."+kind, document(a, kind), document(b, kind))
	}
	masked("phones", phone(a), phone(b))
	open("addresses", residence(a), residence(b))
	open("death_date", date(a.DeathDate), date(b.DeathDate))
	return list
}

// mask leaves the last four characters of a number.
func mask(s string) string {
	const shown = 4
	r := []rune(s)
	if len(r) <= shown {
		return strings.Repeat("•", len(r))
	}
	return "••••" + string(r[len(r)-shown:])
}

func date(d registry.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

func documentTypes(list ...patient.Person) (out []string) {
	for _, p := range list {
		for _, d := range p.Documents {
			if !slices.Contains(out, d.Type) {
				out = append(out, d.Type)
			}
		}
	}
	slices.Sort(out)
	return out
}

func document(p patient.Person, kind string) string {
	for _, d := range p.Documents {
		if d.Type == kind {
			return patient.NormalizeDocumentNumber(kind, d.Number)
		}
	}
	return ""
}

func phone(p patient.Person) string {
	if m := p.AuthMethod(); m.PhoneNumber != "" {
		return m.PhoneNumber
	}
	if len(p.Phones) > 0 {
		return p.Phones[0].Number
	}
	return ""
}

// residence is the first address in one line, without house and flat.
func residence(p patient.Person) string {
	if len(p.Addresses) == 0 {
		return ""
	}
	a := p.Addresses[0]
	var parts []string
	for _, part := range []string{a.Area, a.Region, a.Settlement, a.Street} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
