package access

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/prm"
	"mist/signature"
)

// passports is a registry whose people are known by their passports alone.
type passports struct {
	Tx
	people map[string]patient.Person // by number, as the index reads it
	staff  map[string]prm.Employee
}

func (p passports) FindPerson(_ context.Context, q patient.Query) (patient.Person, bool, error) {
	got, found := p.people[patient.NormalizeDocumentNumber(q.DocumentType, q.DocumentNumber)]
	return got, found, nil
}

func (p passports) EmployeesByIdentifier(_ context.Context, numbers []string) (list []prm.Employee, err error) {
	for number, e := range p.staff {
		if slices.Contains(numbers, number) {
			list = append(list, e)
		}
	}
	return list, nil
}

func (passports) LegalEntity(context.Context, registry.ID) (prm.LegalEntity, error) {
	return prm.LegalEntity{Status: "ACTIVE"}, nil
}
func (passports) BlackListed(context.Context, string) (bool, error) { return false, nil }
func (passports) UsersByIdentifier(context.Context, []string, []string) ([]User, error) {
	return nil, nil
}

// Issuers write a passport's series in Ukrainian letters, in Latin ones that look
// the same, or by the official transliteration; a series in Latin letters may be of
// several people, and the surname tells whose.
func TestWhoHasThePassportOfACertificate(t *testing.T) {
	r := passports{people: map[string]patient.Person{}, staff: map[string]prm.Employee{}}
	for number, name := range map[string]string{"КС639891": "Зразкова", "БК123456": "Тестовенко", "ВК123456": "Інша"} {
		r.people[patient.NormalizeDocumentNumber("PASSPORT", number)] = patient.Person{LastName: name, Status: patient.StatusActive}
		r.staff[number] = prm.Employee{ID: registry.ID{byte(len(r.staff) + 1)}, Type: "DOCTOR", Status: "APPROVED", Party: prm.Party{LastName: name, TaxID: number}}
	}
	for _, c := range []struct{ number, surname, who string }{
		{"КС639891", "Зразкова", "Зразкова"},
		{"кс 639891", "Зразкова", "Зразкова"},
		{"КС639891", "Нова", "Зразкова"}, // the number says whose it is; names change
		{"KC639891", "ЗРАЗКОВА", "Зразкова"},
		{"KS639891", "Зразкова", "Зразкова"},
		{"KS639891", "Інша", ""},
		{"KS639891", "", ""},
		{"KV639891", "Зразкова", ""},
		{"BK123456", "Тестовенко", "Тестовенко"}, // transliterated
		{"BK123456", "Інша", "Інша"},             // by look
		{"BK123456", "Зразкова", ""},
	} {
		signer := signature.Signer{RNOKPP: c.number, RNOKPPForm: "passport", Surname: c.surname}
		p, found, err := personOf(t.Context(), r, signer)
		require.NoError(t, err)
		require.Equal(t, c.who != "", found, "%+v", c)
		require.Equal(t, c.who, p.LastName, "%+v", c)
		positions, err := positionsOf(t.Context(), r, Client{Type: "MIS"}, signer)
		require.NoError(t, err)
		if c.who == "" {
			require.Empty(t, positions, "%+v", c)
			continue
		}
		require.Len(t, positions, 1, "%+v", c)
		for number, e := range r.staff {
			if e.ID == positions[0].EmployeeID {
				require.Equal(t, c.who, e.Party.LastName, "%s for %+v", number, c)
			}
		}
	}
}
