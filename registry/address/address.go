// Package address is the register of settlements: areas, regions (districts)
// and settlements with their КАТОТТГ codes, read from a file, told to whoever
// asks, and held against the addresses of persons, legal entities and
// divisions.
//
// An empty register refuses nothing: an installation that has not loaded it
// takes addresses by their form. It trusts the operator's file and bounds it.
package address

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/document"
)

// Settlement is a place people live in.
type Settlement struct {
	ID       registry.ID `json:"id"`
	KATOTTG  string      `json:"katottg"`
	KOATUU   string      `json:"koatuu,omitempty"` // the code before 2020
	Name     string      `json:"name"`
	Type     string      `json:"type"` // CITY, TOWNSHIP, VILLAGE, SETTLEMENT
	Area     string      `json:"area"`
	Region   string      `json:"region,omitempty"`
	Mountain bool        `json:"mountain_group"`
	Active   bool        `json:"is_active"`
}

// Types of settlements.
var Types = []string{"CITY", "TOWNSHIP", "VILLAGE", "SETTLEMENT"}

// Place is an address as persons and providers write it; their own types have
// the same members and convert.
type Place struct {
	Type           string
	Country        string
	Area           string
	Region         string
	Settlement     string
	SettlementType string
	SettlementID   string
	StreetType     string
	Street         string
	Building       string
	Apartment      string
	Zip            string
}

// CheckTx is what holding an address against the register needs.
type CheckTx interface {
	// Settlements gives those of some ids that the register knows; loaded tells
	// whether it knows any at all.
	Settlements(ctx context.Context, ids []registry.ID) (known map[registry.ID]Settlement, loaded bool, err error)
}

// Check holds places of Ukraine against the register, where it is loaded. at
// is the JSON path of the list.
func Check(ctx context.Context, tx CheckTx, at string, places []Place) error {
	var ids []registry.ID
	for _, p := range places {
		if id, err := registry.ParseID(p.SettlementID); err == nil && p.Country == "UA" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	known, loaded, err := tx.Settlements(ctx, ids)
	if err != nil || !loaded {
		return err
	}
	var f document.Faults
	for i, p := range places {
		if p.Country == "UA" {
			compare(&f, fmt.Sprintf("%s.[%d]", at, i), p, known)
		}
	}
	return f.Err()
}

func compare(f *document.Faults, at string, p Place, known map[registry.ID]Settlement) {
	id, err := registry.ParseID(p.SettlementID)
	if err != nil {
		return // its form is refused elsewhere
	}
	s, found := known[id]
	if !found || !s.Active {
		f.Add(at+".settlement_id", "invalid", "settlement with such id does not exist in the address register")
		return
	}
	for _, m := range []struct{ member, got, want string }{
		{"area", p.Area, s.Area}, {"region", p.Region, s.Region}, {"settlement", p.Settlement, s.Name}, {"settlement_type", p.SettlementType, s.Type},
	} {
		if m.member == "region" && m.got == "" {
			continue
		}
		if fold(m.got) != fold(m.want) {
			f.Add(at+"."+m.member, "invalid", "invalid "+m.member+" value: the register has another one for this settlement_id", m.want)
		}
	}
}

// unlike lists what does not make two names different.
var unlike = strings.NewReplacer("’", "'", "ʼ", "'", "`", "'", "–", "-")

func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(unlike.Replace(s))), " ")
}

// Filter narrows a list of settlements.
type Filter struct {
	Name    string // how the name begins
	Area    string
	Region  string
	Type    string
	KATOTTG string
	KOATUU  string
	Page    int
	Size    int
}

// Tx is what the room needs of a transaction.
type Tx interface {
	CheckTx
	StreetTx
	FindSettlements(ctx context.Context, f Filter) ([]Settlement, int, error)
	// Areas names the areas; Regions the regions of one.
	Areas(ctx context.Context) ([]string, error)
	Regions(ctx context.Context, area string) ([]string, error)
	PutSettlement(ctx context.Context, s Settlement) error
	Mountain(ctx context.Context, settlement string) (bool, error)
	SetMountain(ctx context.Context, settlement string, mountain bool) (int, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// Store begins and ends transactions.
type Store interface {
	View(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	Update(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
}

// Service is the room.
type Service struct {
	store  Store
	source registry.Source
}

// New refuses a half-configured service.
func New(store Store, source registry.Source) (*Service, error) {
	if store == nil || source.Clock == nil || source.Random == nil {
		return nil, errors.New("address: a part is missing")
	}
	return &Service{store, source}, nil
}

const maxPage = 100

// Settlements lists a page; public, like everything of the register.
func (s *Service) Settlements(ctx context.Context, f Filter) (list []Settlement, total int, err error) {
	if f.Page < 1 || f.Page > 10_000 || f.Size < 1 || f.Size > maxPage {
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.page_size", EntryType: "query_parameter", Rule: "number", Description: "page is 1 to 10000, page_size 1 to 100"})
	}
	if f.Type != "" && !slices.Contains(Types, f.Type) {
		return nil, 0, registry.Invalid(registry.FieldError{Entry: "$.type", EntryType: "query_parameter", Rule: "inclusion", Description: "value is not allowed in enum", Params: Types})
	}
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, total, err = tx.FindSettlements(ctx, f); return err })
	return list, total, err
}

// Settlement reads one.
func (s *Service) Settlement(ctx context.Context, id registry.ID) (one Settlement, err error) {
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error {
		known, _, err := tx.Settlements(ctx, []registry.ID{id})
		if err != nil {
			return err
		}
		var found bool
		if one, found = known[id]; !found {
			return registry.Errorf(registry.CodeNotFound, "not found")
		}
		return nil
	})
	return one, err
}

// Areas names the areas of the country, as addresses write them.
func (s *Service) Areas(ctx context.Context) (list []string, err error) {
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.Areas(ctx); return err })
	return list, err
}

// Regions names the regions of an area.
func (s *Service) Regions(ctx context.Context, area string) (list []string, err error) {
	err = s.store.View(ctx, func(ctx context.Context, tx Tx) error { list, err = tx.Regions(ctx, area); return err })
	return list, err
}
