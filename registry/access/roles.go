package access

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mist/registry"
)

// rolesJSON is the table of rights but for those of acts (rights/): which scopes a role may have, and which a
// type of client system. It is data so that a lawyer can read it.
//
//go:embed roles.json
var rolesJSON []byte

// rights is the table read.
type rights struct {
	// Scopes explains every scope there is; a scope that is not here cannot be given.
	Scopes map[string]string `json:"scopes"`
	// Roles and ClientTypes list scopes by role and type of client; a name that
	// ends in ":*" stands for all of that resource.
	Roles       map[string][]string `json:"roles"`
	ClientTypes map[string][]string `json:"client_types"`
	// Groups says what an employee's role may see of a patient: family_doctor
	// and specialist clinical data by the rules of access, administrator none.
	Groups map[string]string `json:"groups"`
}

// rightsFiles are the rights of acts, one file an act, so that a new act
// changes nobody else's.
//
//go:embed rights
var rightsFiles embed.FS

// actRights is one such file.
type actRights struct {
	// Scopes explains each scope of the act in both languages.
	Scopes map[string]struct {
		English   string `json:"en"`
		Ukrainian string `json:"uk"`
	} `json:"scopes"`
	Roles       map[string][]string `json:"roles"`
	ClientTypes map[string][]string `json:"client_types"`
	// LegalEntityTypes lists what the client made for a new legal entity has.
	LegalEntityTypes map[string][]string `json:"legal_entity_types"`
	// Edge are scopes by which a hospital's own side hands in what was signed there.
	Edge []string `json:"edge"`
}

// whole is the table with the rights of all acts laid over it.
type whole struct {
	rights
	ukrainian  map[string]string   // by scope, of acts
	registered map[string][]string // by type of legal entity, of acts
	edge       []string            // of signing at a hospital's own side
}

var table = func() whole {
	w := whole{ukrainian: map[string]string{}, registered: map[string][]string{}}
	if err := json.Unmarshal(rolesJSON, &w.rights); err != nil {
		panic("access: roles.json: " + err.Error())
	}
	files, err := rightsFiles.ReadDir("rights")
	if err != nil {
		panic("access: rights: " + err.Error())
	}
	for _, f := range files {
		b, err := rightsFiles.ReadFile("rights/" + f.Name())
		if err == nil {
			err = w.add(b)
		}
		if err != nil {
			panic("access: rights/" + f.Name() + ": " + err.Error())
		}
	}
	return w
}()

// add lays the rights of one act over the table. A name nobody knows is a slip.
func (w *whole) add(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var a actRights
	if err := d.Decode(&a); err != nil {
		return err
	}
	for scope, words := range a.Scopes {
		if _, twice := w.Scopes[scope]; twice || words.English == "" || words.Ukrainian == "" {
			return fmt.Errorf("%s stands twice, or is not explained in both languages", scope)
		}
		w.Scopes[scope], w.ukrainian[scope] = words.English, words.Ukrainian
	}
	for _, part := range []struct{ to, from map[string][]string }{{w.Roles, a.Roles}, {w.ClientTypes, a.ClientTypes}} {
		for name, scopes := range part.from {
			if _, known := part.to[name]; !known {
				return fmt.Errorf("there is no role or type of client %q", name)
			}
			part.to[name] = append(part.to[name], scopes...)
		}
	}
	w.edge = append(w.edge, a.Edge...)
	for name, scopes := range a.LegalEntityTypes {
		w.registered[name] = append(w.registered[name], scopes...)
	}
	return nil
}

// OfActs are the scopes that acts bring to a type of client system.
func OfActs(clientType string) []string {
	var out []string
	for _, scope := range ScopesOfClientType(clientType) {
		if _, ok := table.ukrainian[scope]; ok {
			out = append(out, scope)
		}
	}
	return out
}

// Registered are the scopes that acts bring to the client of a new legal entity.
func Registered(legalEntityType string) []string { return expand(table.registered[legalEntityType]) }

// Ukrainian says what scopes of acts let a system do.
func Ukrainian() map[string]string { return maps.Clone(table.ukrainian) }

// Groups of roles by what they may see of a patient.
const (
	GroupFamilyDoctor  = "family_doctor"
	GroupSpecialist    = "specialist"
	GroupAdministrator = "administrator"
)

// Group says to which group a role belongs; "" for an unknown one.
func Group(role string) string { return table.Groups[role] }

// Meanings says in English what each scope lets a system do.
func Meanings() map[string]string { return maps.Clone(table.Scopes) }

func expand(list []string) []string {
	var out []string
	for _, pattern := range list {
		resource, all := strings.CutSuffix(pattern, ":*")
		for scope := range table.Scopes {
			if scope == pattern || all && strings.HasPrefix(scope, resource+":") {
				out = append(out, scope)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// roleScopes are the scopes a role may have; none for an unknown role.
func roleScopes(role string) []string { return expand(table.Roles[role]) }

// RoleHas tells whether a role includes a scope.
func RoleHas(role, scope string) bool { return slices.Contains(roleScopes(role), scope) }

// forCitizens tells the types of systems that citizens use for themselves.
func forCitizens(clientType string) bool { return clientType == "CABINET" || clientType == "PIS" }

// allowed is what the client may have at all: its own scopes as far as its type
// allows them.
func (c Client) allowed() []string { return intersect(c.Scopes, expand(table.ClientTypes[c.Type])) }

// ClientTypes names the types of client systems.
func ClientTypes() []string { return slices.Sorted(maps.Keys(table.ClientTypes)) }

// ScopesOfClientType are the scopes a client system of a type may have.
func ScopesOfClientType(name string) []string { return expand(table.ClientTypes[name]) }

// intersect keeps the scopes of the first list that stand in all others.
func intersect(first []string, others ...[]string) []string {
	out := []string{}
	for _, scope := range first {
		if !slices.ContainsFunc(others, func(l []string) bool { return !slices.Contains(l, scope) }) {
			out = append(out, scope)
		}
	}
	return out
}

// narrow gives the scopes asked for, all of them when none is named, and
// refuses one that is not among those allowed.
func narrow(allowed []string, asked string) ([]string, error) {
	if strings.TrimSpace(asked) == "" {
		return allowed, nil
	}
	var out []string
	for _, want := range strings.Fields(asked) {
		if !slices.Contains(allowed, want) {
			return nil, registry.Errorf(registry.CodeForbidden, "the client has no scope %q", want).WithReason("invalid_scope")
		}
		if !slices.Contains(out, want) {
			out = append(out, want)
		}
	}
	return out, nil
}

// Scopes lists every scope there is.
func Scopes() []string {
	out := make([]string, 0, len(table.Scopes))
	for scope := range table.Scopes {
		out = append(out, scope)
	}
	slices.Sort(out)
	return out
}

// Effective are the scopes of a client system in a role; without a role, as
// systems get them by their credentials.
func Effective(c Client, role string) []string {
	if role == "" {
		return c.Scopes
	}
	return intersect(c.allowed(), roleScopes(role))
}
