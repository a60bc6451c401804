package portal

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/prm"
)

// providers stand for the room; its rules are tested there.
type providers struct{ *fakes }

func (p providers) LegalEntity(_ context.Context, _ registry.Caller, id registry.ID) (prm.LegalEntity, error) {
	return prm.LegalEntity{ID: id}, p.err
}

func (p providers) LegalEntities(_ context.Context, _ registry.Caller, f prm.Filter) ([]prm.LegalEntity, int, error) {
	p.wanted = f
	return nil, 0, p.err
}

func (p providers) Division(_ context.Context, _ registry.Caller, id registry.ID) (prm.Division, error) {
	return prm.Division{ID: id}, p.err
}

func (p providers) Divisions(_ context.Context, _ registry.Caller, f prm.Filter) ([]prm.Division, int, error) {
	p.wanted = f
	return nil, 0, p.err
}

func (p providers) Employee(_ context.Context, _ registry.Caller, id registry.ID) (prm.Employee, error) {
	return prm.Employee{ID: id, Party: prm.Party{TaxID: "3278011533", BirthDate: registry.Date{Year: 1990, Month: 2, Day: 28}, Email: "a@example.org"}}, p.err
}

func (p providers) Employees(_ context.Context, _ registry.Caller, f prm.Filter) ([]prm.Employee, int, error) {
	p.wanted = f
	return make([]prm.Employee, 2), 52, p.err
}

func (p providers) Dismiss(_ context.Context, _ registry.Caller, id registry.ID) (prm.Employee, error) {
	return prm.Employee{ID: id, Status: "DISMISSED"}, p.err
}

var _ Providers = (*prm.Service)(nil)

func TestProvidersByREST(t *testing.T) {
	b := newBench(t)
	const id = "01890a5d-ac96-774b-bcce-b302099a8057"
	w := b.do("GET", "/api/v3/employees?status=APPROVED&speciality=THERAPIST&page=2", "")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Equal(t, prm.Filter{Status: "APPROVED", Speciality: "THERAPIST", Page: 2, Size: 50}, b.wanted)
	require.Contains(t, w.Body.String(), `"total_pages":2`)
	w = b.do("GET", "/api/v3/employees/"+id, "")
	for _, secret := range []string{"3278011533", "1990-02-28", "a@example.org"} {
		require.NotContains(t, w.Body.String(), secret)
	}
	for _, path := range []string{"/api/v3/legal_entities", "/api/v3/divisions"} {
		require.Contains(t, b.do("GET", path, "").Body.String(), `"data":[]`)
		require.Contains(t, b.do("GET", path+"/"+id, "").Body.String(), id)
	}
	require.Contains(t, b.do("PATCH", "/api/v3/employees/"+id+"/actions/deactivate", "").Body.String(), "DISMISSED")
	failure(t, b.do("PATCH", "/api/v3/employees/"+id+"/actions/deactivate", `{"why":1}`), 422, "validation_failed")
	failure(t, b.do("GET", "/api/v3/divisions?edrpou=1&edrpou=2", ""), 422, "validation_failed")
}
