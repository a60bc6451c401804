package portal

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"mist/registry"
	"mist/registry/access"
)

// PartyRoom tells the NHSU of people who work and ends their logins;
// *access.Service is one.
type PartyRoom interface {
	Party(ctx context.Context, c registry.Caller, id registry.ID) (access.PartyOf, error)
	BlockUser(ctx context.Context, c registry.Caller, id registry.ID, blocked bool, reason string) (access.User, error)
}

type partyView struct {
	ID         registry.ID    `json:"id"`
	LastName   string         `json:"last_name"`
	FirstName  string         `json:"first_name"`
	SecondName string         `json:"second_name,omitempty"`
	Employees  []positionView `json:"employees"`
	Users      []userView     `json:"users"`
}

type positionView struct {
	ID            registry.ID   `json:"id"`
	LegalEntityID registry.ID   `json:"legal_entity_id"`
	EmployeeType  string        `json:"employee_type"`
	Position      string        `json:"position"`
	Status        string        `json:"status"`
	StartDate     registry.Date `json:"start_date"`
}

type userView struct {
	ID            registry.ID `json:"id"`
	IdentifiedBy  string      `json:"identified_by"`
	IsBlocked     bool        `json:"is_blocked"`
	BlockedReason string      `json:"block_reason,omitempty"`
	SeenAt        time.Time   `json:"seen_at"`
}

func viewUser(u access.User) userView {
	return userView{u.ID, u.Form, u.Blocked, u.Reason, u.SeenAt}
}

// Parties are the places of people who work and of their logins.
func Parties(s PartyRoom) Room {
	return room(func(p *portal, r chi.Router) {
		r.Get("/api/v3/parties/{id}", p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
			found, err := s.Party(r.Context(), c, id)
			if err != nil {
				return err
			}
			v := partyView{ID: found.Party.ID, LastName: found.Party.LastName, FirstName: found.Party.FirstName, SecondName: found.Party.SecondName,
				Employees: []positionView{}, Users: []userView{}}
			for _, e := range found.Positions {
				v.Employees = append(v.Employees, positionView{e.ID, e.LegalEntityID, e.Type, e.Position, e.Status, e.StartDate})
			}
			for _, u := range found.Users {
				v.Users = append(v.Users, viewUser(u))
			}
			return p.answer(w, r, http.StatusOK, v, nil)
		}))
		for action, blocked := range map[string]bool{"block": true, "unblock": false} {
			r.Patch("/api/v3/party_users/{id}/actions/"+action, p.byID(func(w http.ResponseWriter, r *http.Request, c registry.Caller, id registry.ID) error {
				reason, err := p.words(r, "reason")
				if err != nil {
					return err
				}
				u, err := s.BlockUser(r.Context(), c, id, blocked, reason)
				return p.changed(w, r, viewUser(u), err)
			}))
		}
	})
}
