package query

import (
	"context"
	"errors"
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
)

// Scopes of a citizen who logged in.
const (
	ScopeConsentRead   = "consent:read_pis"
	ScopeConsentRevoke = "consent:revoke_pis"
	ScopeAccessLogRead = "access_log:read_pis"
)

// CitizenTx is what a citizen's own page needs of a transaction.
type CitizenTx interface {
	Consent(ctx context.Context, id registry.ID) (consent.Record, bool, error)
	ConsentsOf(ctx context.Context, person registry.ID, limit int) ([]consent.Record, error)
	RevokeConsent(ctx context.Context, id registry.ID, at time.Time) (changed bool, err error)
	Accesses(ctx context.Context, person registry.ID, p AccessPeriod) (AccessPage, error)
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// CitizenStore begins and ends transactions.
type CitizenStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx CitizenTx) error) error
}

// Citizen tells people who logged in about their own data: their consents and
// who saw what. Looking at oneself leaves an entry, too: whoever logs in with a
// stolen key is seen by the owner.
type Citizen struct {
	store  CitizenStore
	source registry.Source
}

// NewCitizen refuses a half-configured service.
func NewCitizen(store CitizenStore, source registry.Source) (*Citizen, error) {
	if store == nil || source.Clock == nil {
		return nil, errors.New("query: a part is missing")
	}
	return &Citizen{store, source}, nil
}

func own(c registry.Caller, kind audit.Kind, person registry.ID) audit.Entry {
	return audit.Entry{
		Kind: kind, Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, SubjectID: person,
		LegalBasis: &audit.LegalBasis{Code: audit.BasisStatute, Method: consent.CitizenPage, Purpose: "own_data"}, // Law 2297-VI, article 8
	}
}

// Consents lists the citizen's consents, newest first.
func (s *Citizen) Consents(ctx context.Context, c registry.Caller) (list []ConsentView, err error) {
	person, err := citizen(c, ScopeConsentRead)
	if err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		list = []ConsentView{}
		records, err := tx.ConsentsOf(ctx, person, maxConsents)
		if err != nil {
			return err
		}
		for _, r := range records {
			list = append(list, NewConsentView(r, s.source.Now()))
		}
		e := own(c, audit.Disclosure, person)
		e.Fields, e.Reason = []string{"consents"}, strconv.Itoa(len(list))+" consents"
		_, err = tx.Audit(ctx, e)
		return err
	})
	return list, err
}

func citizen(c registry.Caller, scope string) (registry.ID, error) {
	if err := c.Require(scope); err != nil {
		return registry.ID{}, err
	}
	return c.Patient()
}

// Consent reads one of the citizen's consents; a foreign one answers as absent.
func (s *Citizen) Consent(ctx context.Context, c registry.Caller, id registry.ID) (v ConsentView, err error) {
	person, err := citizen(c, ScopeConsentRead)
	if err != nil {
		return v, err
	}
	found := false
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		r, known, err := tx.Consent(ctx, id)
		if err != nil {
			return err
		}
		if found = known && r.PersonID == person; !found {
			return nil
		}
		v = NewConsentView(r, s.source.Now())
		e := own(c, audit.Disclosure, person)
		e.Fields = []string{"consents"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil && !found {
		err = registry.Errorf(registry.CodeNotFound, "not found")
	}
	return v, err
}

// Revoke takes one of the citizen's consents back, at once.
func (s *Citizen) Revoke(ctx context.Context, c registry.Caller, id registry.ID) (r audit.Receipt, err error) {
	person, err := citizen(c, ScopeConsentRevoke)
	if err != nil {
		return r, err
	}
	var refusal error
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		refusal = nil
		record, known, err := tx.Consent(ctx, id)
		if err != nil {
			return err
		}
		if !known || record.PersonID != person {
			refusal = registry.Errorf(registry.CodeNotFound, "not found")
			return nil
		}
		changed, err := tx.RevokeConsent(ctx, id, s.source.Now())
		if err != nil {
			return err
		}
		if !changed {
			refusal = registry.Errorf(registry.CodeConflict, "the consent was taken back before").WithReason("consent_revoked")
			return nil
		}
		e := own(c, audit.ConsentRevoked, person)
		e.LegalBasis = &audit.LegalBasis{Code: "revocation", Consent: id, Method: consent.CitizenPage, Purpose: record.Purpose}
		e.Object = &audit.ObjectRef{Type: "consent", ID: id.String(), Digest: record.Container[:]}
		r, err = tx.Audit(ctx, e)
		return err
	})
	if err == nil {
		err = refusal
	}
	return r, err
}

// AccessLog tells the citizen who saw their data.
func (s *Citizen) AccessLog(ctx context.Context, c registry.Caller, p AccessPeriod) (page AccessPage, err error) {
	person, err := citizen(c, ScopeAccessLogRead)
	if err != nil {
		return page, err
	}
	if err := p.Validate(); err != nil {
		return page, err
	}
	err = s.store.Update(ctx, func(ctx context.Context, tx CitizenTx) error {
		var err error
		if page, err = tx.Accesses(ctx, person, p); err != nil {
			return err
		}
		e := own(c, audit.Disclosure, person)
		e.Fields = []string{"accessLog"}
		_, err = tx.Audit(ctx, e)
		return err
	})
	return page, err
}
