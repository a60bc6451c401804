package patient

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"time"

	"mist/registry"
	"mist/registry/audit"
)

// ScopeSearch is what a search demands.
const ScopeSearch = "person:search"

// IsPurpose tells whether people are looked for with this purpose.
func IsPurpose(s string) bool { _, known := purposes[s]; return known }

// Purposes of a search, each with the legal basis it stands on. A search
// without a purpose is refused; the purpose stands in the audit entry.
var purposes = map[string]string{
	"declaration_request": "own_act",
	"person_request":      "own_act",
	"medical_care":        "statute",
	"emergency":           "vital_interest",
	"verification":        "statute",
}

// maxCandidates is how many people one question may choose between.
const maxCandidates = 5

// Criteria of a search: names and birth date, and what else the searcher knows.
type Criteria struct {
	Purpose        string
	LastName       string
	FirstName      string
	SecondName     string
	BirthDate      registry.Date
	TaxID          registry.RNOKPP
	UNZR           registry.UNZR
	DocumentType   string
	DocumentNumber string
	Phone          string
}

// Validate answers with the members to mend.
func (c Criteria) Validate() error {
	var fields []registry.FieldError
	add := func(entry, rule, text string, params ...string) {
		fields = append(fields, registry.FieldError{Entry: entry, Rule: rule, Description: text, Params: params})
	}
	if _, known := purposes[c.Purpose]; !known {
		add("$.purpose", "inclusion", "value is not allowed in enum", slices.Sorted(maps.Keys(purposes))...)
	}
	if NormalizeName(c.LastName) == "" {
		add("$.last_name", "required", "can't be blank")
	}
	if NormalizeName(c.FirstName) == "" {
		add("$.first_name", "required", "can't be blank")
	}
	if c.BirthDate.IsZero() {
		add("$.birth_date", "required", "can't be blank")
	}
	if c.TaxID != "" && !c.TaxID.Valid() {
		add("$.tax_id", "format", "ten digits with a valid check digit are expected")
	}
	if c.UNZR != "" && !c.UNZR.Valid() {
		add("$.unzr", "format", "YYYYMMDD-NNNNN is expected")
	}
	if (c.DocumentType == "") != (c.DocumentNumber == "") {
		add("$.document", "required", "a document is named by type and number")
	} else if c.DocumentType != "" && !KnownDocumentType(c.DocumentType) {
		add("$.document.type", "inclusion", "value is not allowed in enum")
	}
	if c.Phone != "" && !phonePattern.MatchString(c.Phone) {
		add("$.phone_number", "format", "+38 and ten digits are expected")
	}
	if len(fields) > 0 {
		return registry.Invalid(fields...)
	}
	return nil
}

// fits reports whether a record with the right names and birth date also
// agrees with everything else that was given.
func (c Criteria) fits(p *Person) bool {
	return (c.SecondName == "" || NormalizeName(c.SecondName) == NormalizeName(p.SecondName)) &&
		(c.TaxID == "" || string(c.TaxID) == p.TaxID) &&
		(c.UNZR == "" || string(c.UNZR) == p.UNZR) &&
		(c.DocumentNumber == "" || slices.ContainsFunc(p.Documents, func(d Document) bool {
			return d.Type == c.DocumentType && NormalizeDocumentNumber(d.Type, d.Number) == NormalizeDocumentNumber(d.Type, c.DocumentNumber)
		})) &&
		(c.Phone == "" || slices.ContainsFunc(p.Phones, func(n Phone) bool { return n.Number == c.Phone }))
}

// attribute is something a question can ask for.
type attribute struct {
	name  string
	text  string
	value func(p *Person) string
}

// attributes in the order of preference. The answer is a value the patient
// knows; it is compared whole and in normalised form.
var attributes = []attribute{
	{"second_name", "По батькові", func(p *Person) string { return NormalizeName(p.SecondName) }},
	{"tax_id_last4", "Останні чотири цифри РНОКПП", func(p *Person) string { return tail(p.TaxID) }},
	{"document_last4", "Останні чотири знаки номера документа, що посвідчує особу", func(p *Person) string {
		if len(p.Documents) == 0 {
			return ""
		}
		return tail(NormalizeDocumentNumber(p.Documents[0].Type, p.Documents[0].Number))
	}},
	{"phone_last4", "Останні чотири цифри мобільного телефону", func(p *Person) string {
		for _, n := range p.Phones {
			if n.Type == "MOBILE" {
				return tail(n.Number)
			}
		}
		return ""
	}},
	{"birth_settlement", "Населений пункт народження", func(p *Person) string { return NormalizeName(p.BirthSettlement) }},
}

func tail(s string) string {
	r := []rune(s)
	if len(r) < 4 {
		return ""
	}
	return string(r[len(r)-4:])
}

// Question is what the searcher has to ask the patient.
type Question struct {
	ID         registry.ID
	ClientID   registry.ID
	EmployeeID registry.ID
	Attribute  string
	Purpose    string
	Candidates []registry.ID
	TriesLeft  int
	ExpiresAt  time.Time
}

// choose finds the attribute that tells all candidates apart and that the
// searcher has not given already; "" when there is none.
func choose(c Criteria, candidates []Person) string {
	given := map[string]bool{"second_name": c.SecondName != "", "tax_id_last4": c.TaxID != "", "document_last4": c.DocumentNumber != "", "phone_last4": c.Phone != ""}
	for _, a := range attributes {
		if given[a.name] {
			continue
		}
		seen := map[string]bool{}
		for i := range candidates {
			if v := a.value(&candidates[i]); v != "" {
				seen[v] = true
			}
		}
		if len(seen) == len(candidates) {
			return a.name
		}
	}
	return ""
}

// SearchTx is what a search needs of a transaction.
type SearchTx interface {
	// FindByName gives at most limit active records of these names and birth date.
	FindByName(ctx context.Context, last, first string, born registry.Date, limit int) ([]Person, error)
	Person(ctx context.Context, id registry.ID) (Person, error)
	// SpendSearch counts one search of the client and of its user in the hour
	// and gives both counts.
	SpendSearch(ctx context.Context, client, user registry.ID, hour time.Time) (byClient, byUser int, err error)
	InsertQuestion(ctx context.Context, q Question) error
	// TakeTry takes one try of a question that is still open; found is false
	// when it is unknown, exhausted or expired.
	TakeTry(ctx context.Context, id registry.ID, now time.Time) (q Question, found bool, err error)
	// CloseQuestion ends a question that was answered.
	CloseQuestion(ctx context.Context, id registry.ID) error
	Audit(ctx context.Context, e audit.Entry) (audit.Receipt, error)
}

// SearchStore begins and ends transactions.
type SearchStore interface {
	Update(ctx context.Context, f func(ctx context.Context, tx SearchTx) error) error
}

// SearchLimits bound searching: an index that answers everything to everybody
// can be copied by asking.
type SearchLimits struct {
	PerClient int // searches of one client system an hour
	PerUser   int // searches for one employee an hour
	Tries     int // answers to one question
	TTL       time.Duration
}

// DefaultSearchLimits: 1000 an hour for a clinic, 100 for a user, 3 tries in 10 minutes.
func DefaultSearchLimits() SearchLimits {
	return SearchLimits{PerClient: 1000, PerUser: 100, Tries: 3, TTL: 10 * time.Minute}
}

// Search is the search protocol of the index.
type Search struct {
	store  SearchStore
	source registry.Source
	key    []byte
	limits SearchLimits
}

// NewSearch refuses a half-configured service. key signs the tokens, 32 bytes
// at least.
func NewSearch(store SearchStore, source registry.Source, key []byte, limits SearchLimits) (*Search, error) {
	switch {
	case store == nil || source.Clock == nil || source.Random == nil:
		return nil, errors.New("patient: a part is missing")
	case len(key) < 32:
		return nil, errors.New("patient: the token key is shorter than 32 bytes")
	case limits.PerClient < 1 || limits.PerUser < 1 || limits.Tries < 1 || limits.TTL <= 0:
		return nil, errors.New("patient: limits must be positive")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("mist person search token"))
	return &Search{store, source, mac.Sum(nil), limits}, nil
}

// Found is the answer: the id of the one person, or a question.
type Found struct {
	PersonID  registry.ID `json:"person_id,omitzero"`
	Question  *Asked      `json:"question,omitempty"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
}

// Asked is what to ask the patient.
type Asked struct {
	Attribute string `json:"attribute"`
	Text      string `json:"text"`
	Token     string `json:"search_token"`
}

var (
	errNobody  = registry.Errorf(registry.CodeNotFound, "not found")
	errTooMany = registry.Errorf(registry.CodeForbidden, "This API method returns only exact match results, please retry with more specific search parameters").WithReason("exact_match_only")
)

// Find searches by criteria. Too many matches are refused without a count and
// without a hint; a few lead to one question; one gives the id.
func (s *Search) Find(ctx context.Context, c registry.Caller, q Criteria) (Found, error) {
	if err := c.Require(ScopeSearch); err != nil {
		return Found{}, err
	}
	if err := q.Validate(); err != nil {
		return Found{}, err
	}
	now := s.source.Now()
	var out Found
	var refusal error
	err := s.store.Update(ctx, func(ctx context.Context, tx SearchTx) error {
		out, refusal = Found{}, nil
		e := s.entry(c, q.Purpose)
		var err error
		if refusal, err = s.spend(ctx, tx, c, now); err != nil || refusal != nil {
			return s.record(ctx, tx, e, refusal, err)
		}
		list, err := tx.FindByName(ctx, q.LastName, q.FirstName, q.BirthDate, maxNamesakes)
		if err != nil {
			return err
		}
		if list, err = s.survivors(ctx, tx, q, list); err != nil {
			return err
		}
		switch {
		case len(list) == 0:
			refusal = errNobody
		case len(list) == 1:
			out.PersonID, e.SubjectID, e.Fields, e.Code = list[0].ID, list[0].ID, []string{"person.id"}, "found"
		case len(list) > maxCandidates:
			refusal = errTooMany
		default:
			question := s.question(c, q, list, now)
			if question.Attribute == "" {
				refusal = errTooMany
				break
			}
			if err := tx.InsertQuestion(ctx, question); err != nil {
				return err
			}
			out, e.Code = s.ask(c, question), "question"
		}
		return s.record(ctx, tx, e, refusal, nil)
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Found{}, err
	}
	return out, nil
}

// survivors gives whom the fitting records stand for today, each once. A record
// that was merged is found by its own names and numbers; the answer is its
// survivor.
func (s *Search) survivors(ctx context.Context, tx SearchTx, q Criteria, list []Person) (out []Person, err error) {
	for _, p := range list {
		fits := q.fits(&p)
		for n := 0; !p.MasterID.IsZero() && n < MaxMerges; n++ {
			if p, err = tx.Person(ctx, p.MasterID); err != nil {
				return nil, err
			}
			fits = fits || q.fits(&p)
		}
		known := slices.ContainsFunc(out, func(o Person) bool { return o.ID == p.ID })
		if fits && p.Status == StatusActive && p.MasterID.IsZero() && !known {
			out = append(out, p)
		}
	}
	return out, nil
}

// MaxMerges bounds how many merges are followed from a record to its survivor.
const MaxMerges = 8

// maxNamesakes bounds the records of one name and birth date that are looked at.
const maxNamesakes = 50

func (s *Search) question(c registry.Caller, q Criteria, list []Person, now time.Time) Question {
	out := Question{ID: s.source.NewID(), ClientID: c.ClientID, EmployeeID: c.EmployeeID, Purpose: q.Purpose, Attribute: choose(q, list),
		TriesLeft: s.limits.Tries, ExpiresAt: now.Add(s.limits.TTL)}
	for _, p := range list {
		out.Candidates = append(out.Candidates, p.ID)
	}
	return out
}

func (s *Search) ask(c registry.Caller, q Question) Found {
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.name == q.Attribute })
	return Found{ExpiresAt: q.ExpiresAt, Question: &Asked{Attribute: q.Attribute, Text: attributes[i].text, Token: s.token(c, q.ID)}}
}

// token names a question to its searcher: the id and a MAC over id, client and
// employee. Candidates and tries stay here: a token that carried them could be
// sent again with every guess.
func (s *Search) token(c registry.Caller, id registry.ID) string {
	m := hmac.New(sha256.New, s.key)
	m.Write(id[:])
	m.Write(c.ClientID[:])
	m.Write(c.EmployeeID[:])
	return base64.RawURLEncoding.EncodeToString(append(id[:], m.Sum(nil)[:16]...))
}

func (s *Search) readToken(c registry.Caller, token string) (registry.ID, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != 32 {
		return registry.ID{}, false
	}
	id := registry.ID(b[:16])
	return id, subtle.ConstantTimeCompare([]byte(token), []byte(s.token(c, id))) == 1
}

// Answer takes the patient's answer to a question. A wrong answer, a used-up
// or expired question and somebody else's token all answer "not found".
func (s *Search) Answer(ctx context.Context, c registry.Caller, token, answer string) (Found, error) {
	if err := c.Require(ScopeSearch); err != nil {
		return Found{}, err
	}
	now := s.source.Now()
	id, mine := s.readToken(c, token)
	var out Found
	var refusal error
	err := s.store.Update(ctx, func(ctx context.Context, tx SearchTx) error {
		out, refusal = Found{}, nil
		e := s.entry(c, "answer")
		var err error
		if refusal, err = s.spend(ctx, tx, c, now); err != nil || refusal != nil {
			return s.record(ctx, tx, e, refusal, err)
		}
		refusal = errNobody
		if mine {
			q, open, err := tx.TakeTry(ctx, id, now)
			if err != nil {
				return err
			}
			if open {
				e = s.entry(c, q.Purpose)
				person, err := s.pick(ctx, tx, q, answer)
				if err != nil {
					return err
				}
				if !person.IsZero() {
					if err := tx.CloseQuestion(ctx, id); err != nil {
						return err
					}
					refusal = nil
					out.PersonID, e.SubjectID, e.Fields, e.Code = person, person, []string{"person.id"}, "found"
				}
			}
		}
		return s.record(ctx, tx, e, refusal, nil)
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return Found{}, err
	}
	return out, nil
}

// pick gives the one active candidate whose value is the answer; zero if none.
func (s *Search) pick(ctx context.Context, tx SearchTx, q Question, answer string) (registry.ID, error) {
	var found registry.ID
	given := NormalizeName(answer)
	for _, id := range q.Candidates {
		p, err := tx.Person(ctx, id)
		if err != nil {
			return registry.ID{}, err
		}
		for _, a := range attributes {
			if a.name == q.Attribute && p.Status == StatusActive && given != "" && a.value(&p) == given {
				if !found.IsZero() {
					return registry.ID{}, nil
				}
				found = id
			}
		}
	}
	return found, nil
}

// spend counts the search against both budgets.
func (s *Search) spend(ctx context.Context, tx SearchTx, c registry.Caller, now time.Time) (refusal, err error) {
	byClient, byUser, err := tx.SpendSearch(ctx, c.ClientID, c.EmployeeID, now.Truncate(time.Hour))
	if err != nil {
		return nil, err
	}
	if byClient > s.limits.PerClient || byUser > s.limits.PerUser {
		return registry.Errorf(registry.CodeRateLimited, "the budget of searches for this hour is used up").WithReason("search_budget").
			WithRetryAfter(now.Truncate(time.Hour).Add(time.Hour).Sub(now)), nil
	}
	return nil, nil
}

func (s *Search) entry(c registry.Caller, purpose string) audit.Entry {
	e := audit.Entry{Kind: "search.person", Actor: audit.ActorOf(c), Channel: string(c.Channel), RequestID: c.RequestID, Reason: purpose}
	if basis := purposes[purpose]; basis != "" {
		e.LegalBasis = &audit.LegalBasis{Code: basis}
	}
	return e
}

// record writes the entry of a search whatever its outcome; err is our own trouble.
func (s *Search) record(ctx context.Context, tx SearchTx, e audit.Entry, refusal, err error) error {
	if err != nil {
		return err
	}
	if refusal != nil {
		e.Code = string(registry.CodeOf(refusal))
	}
	_, err = tx.Audit(ctx, e)
	return err
}
