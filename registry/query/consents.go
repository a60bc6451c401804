package query

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
)

// consentsTx is what keeping consents needs beside the rest.
type consentsTx interface {
	// InsertConsent stores a consent that is not known yet.
	InsertConsent(ctx context.Context, r consent.Record) error
	// RevokeConsent takes a consent back; changed is false when it was revoked before.
	RevokeConsent(ctx context.Context, id registry.ID, at time.Time) (changed bool, err error)
	// ConsentsOf lists a person's consents, newest first.
	ConsentsOf(ctx context.Context, person registry.ID, limit int) ([]consent.Record, error)
	// MessageSpent reports whether the client sent another body under this message id.
	MessageSpent(ctx context.Context, client, messageID string, request [32]byte) (bool, error)
}

// allScopes are the scopes somebody can consent to today.
var allScopes = []string{consent.ScopeDeclaration, consent.ScopeDependant, consent.ScopeConsents, consent.ScopeAccessLog,
	consent.ScopeSickLeave, consent.ScopePrescription, consent.ScopeNotice}

// Scopes lists what a consent can be given for.
func Scopes() []string { return slices.Clone(allScopes) }

// ConsentState is the receipt of a registered or revoked consent.
type ConsentState struct {
	ID        registry.ID    `json:"id"`
	Status    consent.Status `json:"status"`
	Method    string         `json:"method"`
	ExpiresAt time.Time      `json:"expires_at,omitzero"`
	RevokedAt time.Time      `json:"revoked_at,omitzero"`
}

// RegisterConsent keeps a consent for later use by its id. The evidence is
// verified now; each use looks again whether the consent is in force.
func (s *Service) RegisterConsent(ctx context.Context, c registry.Caller, r Request) (Answer[ConsentState], error) {
	if !r.Basis.ConsentID.IsZero() {
		return Answer[ConsentState]{}, registry.Invalid(registry.FieldError{Entry: "$.consent.consentId", Rule: "invalid", Description: "a consent is registered with its evidence"})
	}
	return write(ctx, s, c, r, func(ctx context.Context) (Answer[ConsentState], error) {
		var g given
		code := consent.Required
		if !r.Basis.empty() {
			var err error
			if g, code, err = s.readConsent(ctx, c, r.Basis); err != nil {
				return Answer[ConsentState]{}, err
			}
		}
		if code == consent.OK {
			code = judgeRegistration(g.consent, c, r, s.source.Now())
		}
		return inOne(ctx, s, c, r, g.consent.ID, func(ctx context.Context, tx Tx, seen Seen, now time.Time) (ConsentState, *audit.Entry, consent.Code, string, error) {
			return s.register(ctx, tx, c, r, seen, g, code, now)
		})
	})
}

func judgeRegistration(given consent.Consent, c registry.Caller, r Request, now time.Time) consent.Code {
	for _, scope := range given.Scope {
		if !slices.Contains(allScopes, scope) {
			return consent.Scope
		}
	}
	if len(given.Scope) == 0 || len(given.Fields) == 0 {
		return consent.Scope
	}
	return judge(given, c, r, given.Scope[0], given.Fields, nil, now)
}

func (s *Service) register(ctx context.Context, tx Tx, c registry.Caller, r Request, seen Seen, g given, code consent.Code, now time.Time) (ConsentState, *audit.Entry, consent.Code, string, error) {
	var none ConsentState
	if code != consent.OK {
		return none, nil, code, "", nil
	}
	matches := r.Person.Matches(&seen.Person)
	switch {
	case !seen.Found:
		return none, nil, consent.NotFound, "no_record", nil
	case !matches:
		return none, nil, consent.NotFound, "identity_mismatch", nil
	case !isSubject(g.consent.Subject, &seen.Person):
		return none, nil, consent.NotFound, "consent_of_another", nil
	}
	record := g.consent.Record(seen.Person.ID, g.evidence, now)
	if seen.Known {
		switch {
		case seen.Consent.Content != record.Content || seen.Consent.PersonID != record.PersonID:
			return none, nil, "", "", registry.Errorf(registry.CodeAlreadyDone, "another consent has this id").WithReason("consent_changed")
		case seen.Consent.Status == consent.StatusRevoked:
			return none, nil, consent.Revoked, "", nil
		case seen.Consent.Status == consent.StatusUsed:
			return none, nil, consent.Replayed, "", nil
		}
		record = seen.Consent
	} else {
		container, _ := r.Basis.container()
		if err := tx.PutContainer(ctx, record.Container, container); err != nil {
			return none, nil, "", "", err
		}
		if len(r.Basis.Content) > 0 {
			if err := tx.PutContainer(ctx, record.Content, r.Basis.Content); err != nil {
				return none, nil, "", "", err
			}
		}
		if err := tx.InsertConsent(ctx, record); err != nil {
			return none, nil, "", "", err
		}
	}
	e := s.entry(c, r, audit.ConsentRegistered, record.PersonID)
	e.Object = &audit.ObjectRef{Type: "consent", ID: record.ID.String(), Digest: record.Container[:]}
	e.LegalBasis = &audit.LegalBasis{Code: "consent", Consent: record.ID, Digest: record.Container[:], Method: record.Method, Purpose: record.Purpose}
	e.Fields = record.Fields
	return ConsentState{ID: record.ID, Status: record.Status, Method: record.Method, ExpiresAt: record.ExpiresAt}, &e, consent.OK, "", nil
}

// RevokeConsent takes a consent back, at once: whatever is asked after the
// answer is refused. The evidence is the citizen's signed revocation or the
// portal's attestation of one; without evidence only the recipient itself may
// give its right up.
func (s *Service) RevokeConsent(ctx context.Context, c registry.Caller, r Request, id registry.ID) (Answer[ConsentState], error) {
	if id.IsZero() || !r.Basis.ConsentID.IsZero() {
		return Answer[ConsentState]{}, registry.Invalid(registry.FieldError{Entry: "$.consentId", Rule: "required", Description: "name the consent that is taken back, and no other"})
	}
	return write(ctx, s, c, r, func(ctx context.Context) (Answer[ConsentState], error) {
		revoked, method, code, err := s.readRevocation(ctx, c, r)
		if err != nil {
			return Answer[ConsentState]{}, err
		}
		if code == consent.OK && method != consent.ByRecipient && revoked.ConsentID != id {
			code = consent.SubjectMismatch
		}
		return inOne(ctx, s, c, r, id, func(ctx context.Context, tx Tx, seen Seen, now time.Time) (ConsentState, *audit.Entry, consent.Code, string, error) {
			return s.revoke(ctx, tx, c, r, seen, revoked, id, method, code, now)
		})
	})
}

// readRevocation verifies the evidence of a revocation, if there is any.
func (s *Service) readRevocation(ctx context.Context, c registry.Caller, r Request) (consent.Revocation, string, consent.Code, error) {
	if r.Basis.empty() {
		return consent.Revocation{}, consent.ByRecipient, consent.OK, nil
	}
	container, kind := r.Basis.container()
	if kind == attestationKind && !s.attested[c.XRoad] {
		return consent.Revocation{}, consent.PortalAttested, consent.AttestationRefused, nil
	}
	signed, signer, code, err := s.verify(ctx, r.Basis, container, kind)
	if err != nil || code != consent.OK {
		return consent.Revocation{}, "", code, err
	}
	if kind == attestationKind {
		a, err := consent.DecodeAttestation(signed)
		if err != nil {
			return consent.Revocation{}, "", "", err
		}
		if a.Revocation == nil {
			return consent.Revocation{}, "", "", registry.Invalid(registry.FieldError{Entry: "$.consent.attestation", Rule: "invalid", Description: "a revocation is expected, not a consent"})
		}
		return *a.Revocation, consent.PortalAttested, s.judgeSeal(a, signer, c.XRoad), nil
	}
	revoked, err := consent.DecodeRevocation(signed)
	if err != nil {
		return consent.Revocation{}, "", "", err
	}
	if !revoked.SignedBy(signer) {
		return revoked, consent.CitizenSigned, consent.SubjectMismatch, nil
	}
	if len(r.Basis.Content) > 0 {
		if want, err := revoked.ToBeSigned(); err != nil || !bytes.Equal(want, r.Basis.Content) {
			return revoked, "", "", registry.Invalid(registry.FieldError{Entry: "$.consent.content", Rule: "format", Description: "detached content must be in the canonical form of RFC 8785"})
		}
	}
	return revoked, consent.CitizenSigned, consent.OK, nil
}

func (s *Service) revoke(ctx context.Context, tx Tx, c registry.Caller, r Request, seen Seen, revoked consent.Revocation, id registry.ID, method string, code consent.Code, now time.Time) (ConsentState, *audit.Entry, consent.Code, string, error) {
	var none ConsentState
	if code != consent.OK {
		return none, nil, code, "", nil
	}
	matches := r.Person.Matches(&seen.Person)
	switch {
	case !seen.Found:
		return none, nil, consent.NotFound, "no_record", nil
	case !matches:
		return none, nil, consent.NotFound, "identity_mismatch", nil
	case method != consent.ByRecipient && !isSubject(revoked.Subject, &seen.Person):
		return none, nil, consent.NotFound, "revocation_of_another", nil
	case seen.Known && seen.Consent.PersonID != seen.Person.ID:
		return none, nil, consent.NotFound, "consent_of_another", nil
	case method == consent.ByRecipient && (!seen.Known || seen.Consent.Recipient != c.XRoad):
		return none, nil, consent.Unknown, "", nil
	}
	container, _ := r.Basis.container()
	digest := registry.Digest(sha256.Sum256(container))
	at := now
	if !seen.Known {
		// A consent that was given inline and never used: the stone on its grave
		// keeps it from being used later.
		tomb := consent.Record{ID: id, PersonID: seen.Person.ID, Method: method, Recipient: c.XRoad, Purpose: "revoked", Status: consent.StatusRevoked,
			RevokedAt: now, Container: digest, Content: digest, GrantedAt: revoked.RevokedAt, ExpiresAt: now, CreatedAt: now, Text: revoked.Text}
		if err := tx.InsertConsent(ctx, tomb); err != nil {
			return none, nil, "", "", err
		}
	} else {
		changed, err := tx.RevokeConsent(ctx, id, now)
		if err != nil {
			return none, nil, "", "", err
		}
		if !changed {
			at = seen.Consent.RevokedAt
		}
	}
	e := s.entry(c, r, audit.ConsentRevoked, seen.Person.ID)
	e.Object = &audit.ObjectRef{Type: "consent", ID: id.String()}
	e.LegalBasis = &audit.LegalBasis{Code: "revocation", Consent: id, Method: method}
	if len(container) > 0 {
		if err := tx.PutContainer(ctx, digest, container); err != nil {
			return none, nil, "", "", err
		}
		e.Object.Digest, e.LegalBasis.Digest = digest[:], digest[:]
		if len(r.Basis.Content) > 0 {
			content := registry.Digest(sha256.Sum256(r.Basis.Content))
			if err := tx.PutContainer(ctx, content, r.Basis.Content); err != nil {
				return none, nil, "", "", err
			}
		}
	}
	return ConsentState{ID: id, Status: consent.StatusRevoked, Method: method, RevokedAt: at}, &e, consent.OK, "", nil
}

// ConsentView is a consent as the citizen sees it.
type ConsentView struct {
	ID        registry.ID    `json:"id"`
	Recipient string         `json:"recipient"`
	Purpose   string         `json:"purpose"`
	Scope     []string       `json:"scope"`
	Fields    []string       `json:"fields"`
	Text      string         `json:"text,omitempty"`
	Method    string         `json:"method"`
	Status    consent.Status `json:"status"` // also "expired"
	SingleUse bool           `json:"single_use"`
	GrantedAt time.Time      `json:"granted_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	RevokedAt time.Time      `json:"revoked_at,omitzero"`
	LastUsed  time.Time      `json:"last_used_at,omitzero"`
}

// maxConsents bounds one list.
const maxConsents = 500

// statusExpired is what a reader is told of a consent past its time.
const statusExpired consent.Status = "expired"

// NewConsentView writes a record for its reader.
func NewConsentView(r consent.Record, now time.Time) ConsentView {
	v := ConsentView{ID: r.ID, Recipient: r.Recipient, Purpose: r.Purpose, Scope: r.Scope, Fields: r.Fields, Text: r.Text, Method: r.Method, Status: r.Status,
		SingleUse: r.SingleUse, GrantedAt: r.GrantedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt, LastUsed: r.UsedAt}
	if v.Status == consent.StatusActive && !now.Before(r.ExpiresAt) {
		v.Status = statusExpired
	}
	return v
}

// Consents lists a person's consents to whomever, on a consent of scope "consents".
func (s *Service) Consents(ctx context.Context, c registry.Caller, r Request) (Answer[[]ConsentView], error) {
	return ask(ctx, s, c, r, disclosure[[]ConsentView]{scope: consent.ScopeConsents, names: []string{"consents"},
		read: func(ctx context.Context, tx Tx, q *reading) ([]ConsentView, error) {
			list, err := tx.ConsentsOf(ctx, q.person.ID, maxConsents)
			if err != nil {
				return nil, err
			}
			out := make([]ConsentView, 0, len(list))
			for _, r := range list {
				out = append(out, NewConsentView(r, q.now))
			}
			return out, nil
		}})
}

// write runs a command: like a question, but its message id may be used once.
func write[T any](ctx context.Context, s *Service, c registry.Caller, r Request, work func(context.Context) (Answer[T], error)) (Answer[T], error) {
	if err := r.validate(); err != nil {
		return Answer[T]{}, err
	}
	answer, pending, err := join(ctx, s.flights, flightKey{c.XRoad, r.MessageID, r.Hash}, func(ctx context.Context) (Answer[T], error) {
		// Before the evidence is looked at: the same message has its answer already.
		if answer, found, err := stored[T](ctx, s, c, r); err != nil || found {
			return answer, err
		}
		return work(ctx)
	})
	if pending {
		return Answer[T]{Outcome: s.outcome(r, consent.Pending)}, nil
	}
	return answer, err
}

// inOne does a command in one transaction: the stored answer of the same
// message, the command, its entry, the answer kept.
func inOne[T any](ctx context.Context, s *Service, c registry.Caller, r Request, consentID registry.ID,
	do func(ctx context.Context, tx Tx, seen Seen, now time.Time) (T, *audit.Entry, consent.Code, string, error)) (answer Answer[T], err error) {
	err = s.store.Update(ctx, func(ctx context.Context, tx Tx) error {
		seen, err := tx.Look(ctx, Look{Client: c.XRoad, MessageID: r.MessageID, Request: r.Hash, Consent: consentID, Person: r.Person})
		if err != nil {
			return err
		}
		now := s.source.Now()
		if seen.Answered && now.Sub(seen.Exchange.CreatedAt) <= s.replay {
			answer, err = replayed[T](ctx, s, tx, c, r, seen.Exchange)
			return err
		}
		if spent, err := tx.MessageSpent(ctx, c.XRoad, r.MessageID, r.Hash); err != nil {
			return err
		} else if spent {
			return registry.Errorf(registry.CodeAlreadyDone, "another message had this id; give each message that changes something an id of its own").WithReason("message_id_spent")
		}
		data, e, code, detail, err := do(ctx, tx, seen, now)
		if err != nil {
			return err
		}
		answer = Answer[T]{Outcome: s.outcome(r, code)}
		answer.AnsweredAt = now
		if code != consent.OK {
			refused := s.entry(c, r, audit.DisclosureRefused, knownPerson(seen, detail))
			refused.Code, refused.Reason = string(code), detail
			if !consentID.IsZero() {
				refused.LegalBasis = &audit.LegalBasis{Code: "consent", Consent: consentID}
			}
			return keep(ctx, s, tx, c, r, refused, &answer, "null")
		}
		answer.Data = data
		canonical, err := canonicalOf(data)
		if err != nil {
			return err
		}
		return keep(ctx, s, tx, c, r, *e, &answer, canonical)
	})
	return answer, err
}

// knownPerson is whom a refusal was about: nobody when it was decided before
// anybody was looked at.
func knownPerson(seen Seen, detail string) registry.ID {
	if detail == "" || !seen.Found {
		return registry.ID{}
	}
	return seen.Person.ID
}
