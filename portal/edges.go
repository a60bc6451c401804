package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/edge"
	"mist/registry/query"
)

// EdgeRoom is the centre's half of a hospital's side; *edge.Service is one.
type EdgeRoom interface {
	Patients(ctx context.Context, c registry.Caller, after registry.ID, size int) ([]edge.Patient, registry.ID, error)
	Report(ctx context.Context, c registry.Caller, site registry.ID, reads []edge.Read) (uint64, error)
}

// edgePatient is what a clinic's side keeps of a patient.
type edgePatient struct {
	ID                registry.ID   `json:"id"`
	LastName          string        `json:"last_name"`
	FirstName         string        `json:"first_name"`
	SecondName        string        `json:"second_name,omitempty"`
	BirthDate         registry.Date `json:"birth_date"`
	Gender            string        `json:"gender"`
	TaxID             string        `json:"tax_id,omitempty"`
	UNZR              string        `json:"unzr,omitempty"`
	DeclarationID     registry.ID   `json:"declaration_id"`
	DeclarationNumber string        `json:"declaration_number"`
	EmployeeID        registry.ID   `json:"employee_id"`
	DivisionID        registry.ID   `json:"division_id"`
}

// Edges are the places of hospitals' own sides.
func Edges(service EdgeRoom) Room {
	return room(func(p *portal, r chi.Router) {
		r.Get("/api/v3/edge/patients", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			q, err := queryOf(r)
			if err != nil {
				return err
			}
			after, size := q.id("after"), q.number("page_size", edge.MaxPatients)
			if err := q.done(); err != nil {
				return err
			}
			list, next, err := service.Patients(r.Context(), c, after, size)
			if err != nil {
				return err
			}
			views := make([]edgePatient, len(list))
			for i, one := range list {
				n := one.Person
				views[i] = edgePatient{n.ID, n.LastName, n.FirstName, n.SecondName, n.BirthDate, n.Gender, n.TaxID, n.UNZR, one.DeclarationID, one.DeclarationNumber, one.EmployeeID, one.DivisionID}
			}
			more := !next.IsZero()
			return p.list(w, r, views, query.Paging{Size: size, HasMore: &more})
		}))
		r.Post("/api/v3/edge/reads", p.member(func(w http.ResponseWriter, r *http.Request, c registry.Caller) error {
			_, body, err := readObject(r, p.limits.SmallBody, false)
			if err != nil {
				return err
			}
			// The contract was checked before: members, their types and bounds.
			var in struct {
				Site  registry.ID `json:"site"`
				Reads []struct {
					Number     uint64      `json:"number"`
					PersonID   registry.ID `json:"person_id"`
					EmployeeID registry.ID `json:"employee_id"`
					Purpose    string      `json:"purpose"`
					At         time.Time   `json:"read_at"`
				} `json:"reads"`
			}
			if err := json.Unmarshal(body, &in); err != nil {
				return registry.Errorf(registry.CodeMalformed, "a member is not of its type: see /openapi.yaml").WithCause(err)
			}
			reads := make([]edge.Read, len(in.Reads))
			for i, one := range in.Reads {
				reads[i] = edge.Read(one)
			}
			last, err := service.Report(r.Context(), c, in.Site, reads)
			if err != nil {
				return err
			}
			return p.answer(w, r, http.StatusOK, map[string]any{"site": in.Site, "last": last}, nil)
		}))
	})
}
