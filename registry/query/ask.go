package query

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
	"mist/registry/consent"
	"mist/registry/declaration"
	"mist/registry/jcs"
	"mist/registry/patient"
	"mist/signature/gost34311"
)

// disclosure is one consented read. An operation is one of these and the shape
// of its data.
type disclosure[T any] struct {
	// scope the consent must have, and the names of the data it may choose from.
	scope string
	names []string
	// needs are names without which the operation tells nothing.
	needs []string
	// declarations are the states of the declarations it reads, newest first, at
	// most limit: they come with the first look.
	declarations []declaration.Status
	limit        int
	// looked tells that it reads nothing else; tx may be nil then.
	looked bool
	read   func(ctx context.Context, tx Tx, r *reading) (T, error)
}

// reading is what a read is done with, and what it found beside the data.
type reading struct {
	now    time.Time
	person patient.Person
	fields []string // consented, known, in the catalogue's order
	// subject is whose data were told; the person when zero. basis is the legal
	// basis; "consent" when empty.
	subject registry.ID
	basis   string
	// told narrows the names written into the trail; fields when nil.
	told    []string
	message string
	// refuse ends the question with another code than OK; detail is for the trail.
	refuse consent.Code
	detail string

	seen     *Seen
	statuses []declaration.Status
	limit    int
}

func (q *reading) looked() bool { return q.seen.Rows != nil && q.seen.Of == q.person.ID }

// declarations opens those of the person that came with the look. After a merge
// the look read another record's, and they are asked for.
func (q *reading) declarations(ctx context.Context, tx Tx) ([]Row, error) {
	if q.looked() {
		return q.seen.Rows()
	}
	return tx.DeclarationsOf(ctx, q.person.ID, q.statuses, q.limit)
}

// markEvery is how fresh used_at of a stored consent is kept; every single use
// stands in the audit log anyway.
const markEvery = time.Minute

// ask is walk W2. Errors are for malformed requests and our own trouble; every
// business outcome is an Answer with its code.
func ask[T any](ctx context.Context, s *Service, c registry.Caller, r Request, d disclosure[T]) (Answer[T], error) {
	if err := r.validate(); err != nil {
		return Answer[T]{}, err
	}
	answer, pending, err := join(ctx, s.flights, flightKey{c.XRoad, r.MessageID, r.Hash}, func(ctx context.Context) (Answer[T], error) {
		return answerOnce(ctx, s, c, r, d)
	})
	if pending {
		return Answer[T]{Outcome: s.outcome(r, consent.Pending)}, nil
	}
	return answer, err
}

func (s *Service) outcome(r Request, code consent.Code) Outcome {
	return Outcome{Code: code, Message: messages[code], RequestID: r.RequestID, AnsweredAt: s.source.Now(), ResponseHash: nothingHash}
}

func answerOnce[T any](ctx context.Context, s *Service, c registry.Caller, r Request, d disclosure[T]) (Answer[T], error) {
	var g given
	code := consent.OK
	var trouble error
	switch {
	case r.Basis.empty():
		code = consent.Required
	case r.Basis.ConsentID.IsZero():
		if g, code, trouble = s.readConsent(ctx, c, r.Basis); trouble == nil && code == consent.OK {
			code = judge(g.consent, c, r, d.scope, d.names, d.needs, s.source.Now())
		}
	}
	if trouble != nil {
		// The same message may have been answered while its consent could be checked.
		if answer, found, err := stored[T](ctx, s, c, r); err != nil || found {
			return answer, err
		}
		return Answer[T]{}, trouble
	}
	if code == consent.OK && !s.misses.allows(c.XRoad) {
		code = consent.RateLimited
	}
	var answer Answer[T]
	for try := 1; ; try++ {
		p := plan[T]{code: code, given: g}
		err := p.consider(ctx, s, c, r, d)
		if err == nil {
			err = s.store.Together(ctx, func(ctx context.Context, tx Tx) error { return p.conclude(ctx, s, tx, c, r) })
		}
		if err == nil {
			answer = p.answer
			break
		}
		if try == maxLooks || !overtaken(err) {
			return Answer[T]{}, err
		}
	}
	if answer.Code == consent.NotFound && !answer.Replayed {
		s.misses.spend(c.XRoad)
	}
	return answer, nil
}

// maxLooks bounds how often a question that was overtaken looks again.
const maxLooks = 4

// overtaken tells that another message used the consent up or changed it, or
// this one was answered, after the look: a second look sees which.
func overtaken(err error) bool {
	switch registry.AsError(err).Reason {
	case SpentReason, ChangedReason, AnsweredReason:
		return true
	}
	return false
}

// judge holds the rules of inline consents that need no database.
func judge(given consent.Consent, c registry.Caller, r Request, scope string, names, needs []string, now time.Time) consent.Code {
	if r.Person.TaxID != "" && given.Subject.RNOKPP != "" && r.Person.TaxID != given.Subject.RNOKPP ||
		r.Person.UNZR != "" && given.Subject.UNZR != "" && r.Person.UNZR != given.Subject.UNZR {
		return consent.SubjectMismatch
	}
	if code := given.Covers(c.XRoad, scope, now); code != consent.OK {
		return code
	}
	return enough(given.Fields, names, needs)
}

// enough demands that something of the consent's fields is ours to tell, and
// all that the operation cannot do without.
func enough(fields, names, needs []string) consent.Code {
	known := among(fields, names)
	if len(known) == 0 || slices.ContainsFunc(needs, func(n string) bool { return !slices.Contains(known, n) }) {
		return consent.Scope
	}
	return consent.OK
}

// among keeps the consented names that exist, in the catalogue's order.
func among(consented, names []string) []string {
	var out []string
	for _, name := range names {
		if slices.Contains(consented, name) {
			out = append(out, name)
		}
	}
	return out
}

// plan is what one question leads to: consider reads and decides, conclude
// writes.
type plan[T any] struct {
	code  consent.Code // what is decided already
	given given

	now      time.Time
	look     Look
	seen     Seen
	replayed bool
	record   consent.Record // the consent acted on
	read     *reading
	subject  registry.ID
	detail   string
	answer   Answer[T]
}

// consider looks, judges and reads: first everything that depends on no answer,
// in one trip, then what the operation reads beside.
func (p *plan[T]) consider(ctx context.Context, s *Service, c registry.Caller, r Request, d disclosure[T]) (err error) {
	p.look = Look{Client: c.XRoad, MessageID: r.MessageID, Request: r.Hash, Consent: p.given.consent.ID, Person: r.Person, Declarations: d.declarations, Limit: d.limit}
	inline := r.Basis.ConsentID.IsZero()
	if !inline {
		p.look.Consent = r.Basis.ConsentID
	}
	if p.seen, err = s.store.Ask(ctx, p.look); err != nil {
		return err
	}
	p.now = s.source.Now()
	if p.seen.Answered && p.now.Sub(p.seen.Exchange.CreatedAt) <= s.replay {
		p.replayed = true
		return nil
	}
	p.record = p.seen.Consent
	if inline && p.code == consent.OK {
		p.record = p.given.consent.Record(p.seen.Person.ID, p.given.evidence, p.now)
	}
	p.read = &reading{now: p.now, person: p.seen.Person, fields: among(p.record.Fields, d.names), seen: &p.seen, statuses: d.declarations, limit: d.limit}
	if p.code == consent.OK {
		p.subject = p.seen.Person.ID // else decided without looking at anybody
		if p.code, p.detail, err = s.admit(ctx, c, r, p.seen, p.given, d.scope, d.names, d.needs); err != nil {
			return err
		}
	}
	if p.code != consent.OK {
		return nil
	}
	read := func(ctx context.Context, tx Tx) (err error) {
		p.answer.Data, err = d.read(ctx, tx, p.read)
		return err
	}
	if d.looked && p.read.looked() {
		err = read(ctx, nil)
	} else {
		err = s.store.Look(ctx, read)
	}
	if err != nil {
		return err
	}
	if p.read.refuse != "" {
		var nothing T
		p.code, p.detail, p.answer.Data = p.read.refuse, p.read.detail, nothing
	}
	return nil
}

// conclude uses the consent, writes the entry and keeps the answer.
func (p *plan[T]) conclude(ctx context.Context, s *Service, tx Tx, c registry.Caller, r Request) (err error) {
	if p.replayed {
		p.answer, err = replayed[T](ctx, s, tx, c, r, p.seen.Exchange)
		return err
	}
	p.answer.Outcome = s.outcome(r, p.code)
	p.answer.AnsweredAt = p.now
	e := s.entry(c, r, audit.DisclosureRefused, p.subject)
	e.Code, e.Reason = string(p.code), p.detail
	if p.code != consent.OK {
		if !p.look.Consent.IsZero() {
			e.LegalBasis = &audit.LegalBasis{Code: "consent", Consent: p.look.Consent, Method: p.record.Method, Purpose: p.record.Purpose}
		}
		return keep(ctx, s, tx, c, r, e, &p.answer, "null")
	}
	if err := s.use(ctx, tx, r, p.seen, p.given, p.record, p.now, r.Basis.ConsentID.IsZero()); err != nil {
		return err
	}
	p.answer.Message = p.read.message
	if r.TellConsent {
		p.answer.Consent = &Given{p.record.ID, p.record.Method, p.record.Purpose, p.read.fields, p.record.GrantedAt, p.record.ExpiresAt}
	}
	canonical, err := canonicalOf(p.answer.Data)
	if err != nil {
		return err
	}
	e.Kind = audit.Disclosure
	e.LegalBasis = &audit.LegalBasis{Code: pick(p.read.basis, audit.BasisConsent), Consent: p.record.ID, Digest: p.record.Container[:], Method: p.record.Method, Purpose: p.record.Purpose}
	e.Fields = p.read.fields
	if p.read.told != nil {
		e.Fields = p.read.told
	}
	if !p.read.subject.IsZero() {
		e.SubjectID = p.read.subject
	}
	return keep(ctx, s, tx, c, r, e, &p.answer, canonical)
}

func pick(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// admit judges what only the database can tell. What the registry alone knows
// answers NOT_FOUND, whatever it was: saying more would tell that the person
// named exists (ADR 0005).
func (s *Service) admit(ctx context.Context, c registry.Caller, r Request, seen Seen, g given, scope string, names, needs []string) (consent.Code, string, error) {
	inline := r.Basis.ConsentID.IsZero()
	if !inline {
		if !seen.Known || seen.Consent.Recipient != c.XRoad {
			return consent.Unknown, "", nil
		}
		if code := seen.Consent.Covers(c.XRoad, scope, s.source.Now()); code != consent.OK && seen.Consent.Status != consent.StatusRevoked {
			return code, "", nil
		} else if code := enough(seen.Consent.Fields, names, needs); code != consent.OK {
			return code, "", nil
		}
	}
	switch {
	case seen.Known && seen.Consent.Status == consent.StatusRevoked:
		return consent.Revoked, "", nil
	case seen.Known && seen.Consent.Status == consent.StatusUsed:
		return consent.Replayed, "", nil
	}
	// Whose consent it is, is settled before anybody is looked at: what is asked
	// about must not change the work that is done.
	of := seen.Consent.PersonID
	if !inline && !seen.Master.IsZero() {
		err := s.store.Look(ctx, func(ctx context.Context, tx Tx) error {
			p, err := survivor(ctx, tx, of)
			of = p.ID
			return err
		})
		if err != nil && registry.CodeOf(err) != registry.CodeNotFound {
			return "", "", err
		}
	}
	matches := r.Person.Matches(&seen.Person)
	switch {
	case !seen.Found:
		return consent.NotFound, "no_record", nil
	case !matches:
		return consent.NotFound, "identity_mismatch", nil
	case inline && !isSubject(g.consent.Subject, &seen.Person), !inline && of != seen.Person.ID:
		return consent.NotFound, "consent_of_another", nil
	}
	return consent.OK, "", nil
}

// use keeps the evidence at the first use, uses up a single-use consent, and
// marks others once a minute: marking a consent in steady use each time would
// make all its readers wait for one row.
func (s *Service) use(ctx context.Context, tx Tx, r Request, seen Seen, g given, record consent.Record, now time.Time, inline bool) error {
	same := seen.Known && (!inline || seen.Consent.Container == record.Container && seen.Consent.PersonID == record.PersonID)
	if !same {
		container, _ := r.Basis.container()
		if err := tx.PutContainer(ctx, record.Container, container); err != nil {
			return err
		}
		if len(r.Basis.Content) > 0 {
			if err := tx.PutContainer(ctx, record.Content, r.Basis.Content); err != nil {
				return err
			}
		}
	}
	record.UsedAt = now
	if record.SingleUse {
		record.Status = consent.StatusUsed
	}
	if same && !record.SingleUse && now.Sub(seen.Consent.UsedAt) <= markEvery {
		return nil
	}
	return tx.UseConsent(ctx, record)
}

func isSubject(sub consent.Subject, p *patient.Person) bool {
	if sub.RNOKPP != "" {
		return p.TaxID == string(sub.RNOKPP)
	}
	return p.UNZR == string(sub.UNZR)
}

// stored answers a repeated message from what was kept.
func stored[T any](ctx context.Context, s *Service, c registry.Caller, r Request) (answer Answer[T], found bool, err error) {
	seen, err := s.store.Ask(ctx, Look{Client: c.XRoad, MessageID: r.MessageID, Request: r.Hash, Person: r.Person})
	found = err == nil && seen.Answered && s.source.Now().Sub(seen.Exchange.CreatedAt) <= s.replay
	if !found {
		return answer, false, err
	}
	err = s.store.Together(ctx, func(ctx context.Context, tx Tx) (err error) {
		answer, err = replayed[T](ctx, s, tx, c, r, seen.Exchange)
		return err
	})
	return answer, found, err
}

func replayed[T any](ctx context.Context, s *Service, tx Tx, c registry.Caller, r Request, e Exchange) (Answer[T], error) {
	var a Answer[T]
	if err := json.Unmarshal(e.Answer, &a); err != nil {
		return Answer[T]{}, fmt.Errorf("reading a stored answer: %w", err)
	}
	a.Replayed = true
	entry := s.entry(c, r, audit.DisclosureReplayed, registry.ID{})
	entry.Code, entry.Reason = string(a.Code), "entry "+a.AuditID.String()
	_, err := tx.Audit(ctx, entry)
	return a, err
}

func canonicalOf(data any) (string, error) {
	b, err := jcs.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("encoding an answer: %w", err)
	}
	return string(b), nil
}

// nothingHash is the hash of an answer without data.
var nothingHash = hashOf("null")

func hashOf(canonical string) string {
	sum := sha512.Sum512([]byte(canonical))
	return hex.EncodeToString(sum[:])
}

// keep writes the leaf and the stored answer; canonical is the RFC 8785 form of
// the data.
func keep[T any](ctx context.Context, s *Service, tx Tx, c registry.Caller, r Request, e audit.Entry, a *Answer[T], canonical string) error {
	digest := sha512.Sum512([]byte(canonical))
	a.ResponseHash = hex.EncodeToString(digest[:])
	national := gost34311.Sum256([]byte(canonical))
	e.Exchange.ResponseSHA512, e.Exchange.ResponseGOST = digest[:], national[:]
	receipt, err := tx.Audit(ctx, e)
	if err != nil {
		return err
	}
	a.AuditID = receipt.EntryID
	body, err := json.Marshal(a.Outcome)
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	// The data stand in the form they were hashed in.
	body = append(append(append(body[:len(body)-1], `,"data":`...), canonical...), '}')
	return tx.InsertExchange(ctx, Exchange{
		Client: c.XRoad, MessageID: r.MessageID, Request: r.Hash, Answer: body, EntryID: receipt.EntryID, CreatedAt: a.AnsweredAt,
	})
}
