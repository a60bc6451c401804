package prm

import (
	"context"
	"errors"
	"slices"

	"mist/registry"
	"mist/registry/address"
	"mist/registry/audit"
	"mist/registry/document"
)

// Scopes of changing divisions.
const (
	ScopeDivisionWrite      = "division:write"
	ScopeDivisionActivate   = "division:activate"
	ScopeDivisionDeactivate = "division:deactivate"
)

// DivisionInput is the body of "create" and "update".
type DivisionInput struct {
	LegalEntityID registry.ID  `json:"legal_entity_id,omitzero"` // the caller's own when given
	Name          string       `json:"name"`
	Type          string       `json:"type"`
	Addresses     []Address    `json:"addresses"`
	Phones        []Phone      `json:"phones"`
	Email         string       `json:"email"`
	WorkingHours  WorkingHours `json:"working_hours,omitempty"`
	Location      *Location    `json:"location,omitempty"`
	ExternalID    string       `json:"external_id,omitempty"`
	DLSID         string       `json:"dls_id,omitempty"`
}

// read decodes and holds against the rules that need no rows.
func readDivision(body []byte) (in DivisionInput, err error) {
	if err := document.Read(body, &in); err != nil {
		return in, err
	}
	var f document.Faults
	f.Required("$.name", in.Name)
	CheckAddresses(&f, "$.addresses", in.Addresses)
	CheckPhones(&f, "$.phones", in.Phones)
	CheckEmail(&f, "$.email", in.Email)
	CheckHours(&f, "$.working_hours", in.WorkingHours)
	if l := in.Location; l != nil {
		if l.Latitude < -90 || l.Latitude > 90 {
			f.Add("$.location.latitude", "number", "expected -90 to 90 degrees")
		}
		if l.Longitude < -180 || l.Longitude > 180 {
			f.Add("$.location.longitude", "number", "expected -180 to 180 degrees")
		}
	}
	if len(in.ExternalID) > 100 {
		f.Add("$.external_id", "length", "expected at most 100 bytes")
	}
	if in.DLSID != "" && in.Type != "DRUGSTORE" && in.Type != "DRUGSTORE_POINT" {
		f.Add("$.dls_id", "invalid", "dls_id is allowed for pharmacy divisions only")
	}
	return in, f.Err()
}

// CheckSettlements holds addresses against the register of settlements.
func CheckSettlements(ctx context.Context, tx address.CheckTx, at string, list []Address) error {
	places := make([]address.Place, len(list))
	for i, a := range list {
		places[i] = address.Place(a)
	}
	return address.Check(ctx, tx, at, places)
}

// DivisionTx is what changes of divisions need of a transaction.
type DivisionTx interface {
	address.CheckTx
	LegalEntity(ctx context.Context, id registry.ID) (LegalEntity, error)
	LegalEntityType(ctx context.Context, name string) (LegalEntityType, bool, error)
	Division(ctx context.Context, id registry.ID) (Division, error)
	LockDivision(ctx context.Context, id registry.ID) error
	PutDivision(ctx context.Context, d Division) error
	// Mountain tells whether the settlement lies in the mountains.
	Mountain(ctx context.Context, settlement string) (bool, error)
	// SetMountain marks a settlement and every division in it.
	SetMountain(ctx context.Context, settlement string, mountain bool) (int, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// DivisionStore begins and ends transactions.
type DivisionStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx DivisionTx) error) error
}

// Divisions changes places of service.
type Divisions struct {
	store  DivisionStore
	source registry.Source
}

// NewDivisions refuses a half-configured service.
func NewDivisions(store DivisionStore, source registry.Source) (*Divisions, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("prm: a part is missing")
	}
	return &Divisions{store, source}, nil
}

// Create makes a division of the caller's legal entity, ACTIVE.
func (s *Divisions) Create(ctx context.Context, c registry.Caller, body []byte) (Division, error) {
	return s.write(ctx, c, registry.ID{}, body)
}

// Update changes one; an INACTIVE division cannot be changed.
func (s *Divisions) Update(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (Division, error) {
	return s.write(ctx, c, id, body)
}

func (s *Divisions) write(ctx context.Context, c registry.Caller, id registry.ID, body []byte) (d Division, err error) {
	if err := c.Require(ScopeDivisionWrite); err != nil {
		return Division{}, err
	}
	in, err := readDivision(body)
	if err != nil {
		return Division{}, err
	}
	hours, err := in.WorkingHours.Encode()
	if err != nil {
		return Division{}, err
	}
	now := s.source.Now()
	kind := audit.Kind("division.changed")
	err = s.store.Update(ctx, func(ctx context.Context, tx DivisionTx) error {
		if id.IsZero() {
			kind = "division.created"
			d = Division{ID: s.source.NewID(), LegalEntityID: c.LegalEntityID, Status: "ACTIVE", InsertedAt: now}
		} else if d, err = own(ctx, tx, c, id); err != nil {
			return err
		} else if !d.Active() {
			return registry.Errorf(registry.CodeConflict, "Division is not active and cannot be changed").WithReason("status_" + d.Status)
		}
		if err := s.checkPlace(ctx, tx, c, in); err != nil {
			return err
		}
		if err := CheckSettlements(ctx, tx, "$.addresses", in.Addresses); err != nil {
			return err
		}
		home := Residence(in.Addresses)
		if d.MountainGroup, err = tx.Mountain(ctx, home.SettlementID); err != nil {
			return err
		}
		verified := d.Details.DLSVerified && d.Details.DLSID == in.DLSID
		d.Name, d.Type, d.Phones, d.Email, d.WorkingHours, d.Address = in.Name, in.Type, in.Phones, in.Email, hours, home.Line()
		d.Details = DivisionDetails{Addresses: in.Addresses, Location: in.Location, ExternalID: in.ExternalID, DLSID: in.DLSID, DLSVerified: verified}
		d.UpdatedAt = now
		return record(ctx, tx, c, d, kind)
	})
	return d, err
}

// checkPlace holds a division against its legal entity and the type's row.
func (s *Divisions) checkPlace(ctx context.Context, tx DivisionTx, c registry.Caller, in DivisionInput) error {
	if c.LegalEntityID.IsZero() || !in.LegalEntityID.IsZero() && in.LegalEntityID != c.LegalEntityID {
		return registry.Errorf(registry.CodeForbidden, "a division is made by its own legal entity").WithReason("legal_entity")
	}
	l, err := tx.LegalEntity(ctx, c.LegalEntityID)
	if err != nil {
		return err
	}
	if !l.Active() {
		return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
	}
	kind, _, err := tx.LegalEntityType(ctx, l.Type)
	if err != nil {
		return err
	}
	if !slices.Contains(kind.DivisionTypes, in.Type) {
		return registry.Invalid(registry.FieldError{Entry: "$.type", Rule: "inclusion", Description: "value is not allowed in enum", Params: kind.DivisionTypes})
	}
	return nil
}

// own reads a division with its row held; another legal entity's is absent.
func own(ctx context.Context, tx DivisionTx, c registry.Caller, id registry.ID) (Division, error) {
	if err := tx.LockDivision(ctx, id); err != nil {
		return Division{}, err
	}
	d, err := tx.Division(ctx, id)
	if err == nil && (c.LegalEntityID.IsZero() || d.LegalEntityID != c.LegalEntityID) {
		err = errNotFound
	}
	return d, err
}

func record(ctx context.Context, tx DivisionTx, c registry.Caller, d Division, kind audit.Kind) error {
	if err := tx.PutDivision(ctx, d); err != nil {
		return err
	}
	_, err := tx.Audit(ctx, audit.Entry{Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
		Object: &audit.ObjectRef{Type: "division", ID: d.ID.String()}})
	return err
}

// Activate and Deactivate move a division between ACTIVE and INACTIVE.
func (s *Divisions) Activate(ctx context.Context, c registry.Caller, id registry.ID) (Division, error) {
	return s.set(ctx, c, id, ScopeDivisionActivate, "ACTIVE", "division.activated")
}

// Deactivate closes a place of service.
func (s *Divisions) Deactivate(ctx context.Context, c registry.Caller, id registry.ID) (Division, error) {
	return s.set(ctx, c, id, ScopeDivisionDeactivate, "INACTIVE", "division.deactivated")
}

func (s *Divisions) set(ctx context.Context, c registry.Caller, id registry.ID, scope, to string, kind audit.Kind) (d Division, err error) {
	if err := c.Require(scope); err != nil {
		return Division{}, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx DivisionTx) error {
		if d, err = own(ctx, tx, c, id); err != nil {
			return err
		}
		if d.Status == to {
			return registry.Errorf(registry.CodeConflict, "Invalid transition").WithReason("status_" + d.Status)
		}
		l, err := tx.LegalEntity(ctx, d.LegalEntityID)
		if err != nil {
			return err
		}
		if !l.Active() {
			return registry.Errorf(registry.CodeConflict, "Legal entity is not active").WithReason("legal_entity_status")
		}
		d.Status, d.UpdatedAt = to, s.source.Now()
		return record(ctx, tx, c, d, kind)
	})
	return d, err
}

// ScopeSettlementWrite belongs to the operators of the address register.
const ScopeSettlementWrite = "settlement:write"

// SetMountain marks a settlement as one of the mountains, or not, and with it
// every division in it: capitation pays more there.
func (s *Divisions) SetMountain(ctx context.Context, c registry.Caller, settlement string, mountain bool) (changed int, err error) {
	if err := c.Require(ScopeSettlementWrite); err != nil {
		return 0, err
	}
	if _, err := registry.ParseID(settlement); err != nil {
		return 0, registry.Invalid(registry.FieldError{Entry: "$.settlement_id", Rule: "format", Description: "expected a UUID"})
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx DivisionTx) error {
		if changed, err = tx.SetMountain(ctx, settlement, mountain); err != nil {
			return err
		}
		_, err := tx.Audit(ctx, audit.Entry{Kind: "settlement.mountain", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID,
			Object: &audit.ObjectRef{Type: "settlement", ID: settlement}})
		return err
	})
	return changed, err
}
