package patient

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/audit"
)

// index is the room's port in memory: what the database does with it is shown
// by registry/postgres and fixtures/scripts.
type index struct {
	people    []Person
	questions map[registry.ID]Question
	spent     map[registry.ID]int
	entries   []audit.Entry
}

func (x *index) Update(ctx context.Context, f func(ctx context.Context, tx SearchTx) error) error {
	return f(ctx, x)
}

func (x *index) FindByName(_ context.Context, last, first string, born registry.Date, limit int) (list []Person, _ error) {
	for _, p := range x.people {
		if NormalizeName(p.LastName) == NormalizeName(last) && NormalizeName(p.FirstName) == NormalizeName(first) && p.BirthDate == born && len(list) < limit {
			list = append(list, p)
		}
	}
	return list, nil
}

func (x *index) Person(_ context.Context, id registry.ID) (Person, error) {
	for _, p := range x.people {
		if p.ID == id {
			return p, nil
		}
	}
	return Person{}, registry.Errorf(registry.CodeNotFound, "not found")
}

func (x *index) SpendSearch(_ context.Context, client, user registry.ID, _ time.Time) (int, int, error) {
	x.spent[client]++
	x.spent[user]++
	return x.spent[client], x.spent[user], nil
}

func (x *index) InsertQuestion(_ context.Context, q Question) error {
	x.questions[q.ID] = q
	return nil
}

func (x *index) TakeTry(_ context.Context, id registry.ID, now time.Time) (Question, bool, error) {
	q, ok := x.questions[id]
	if !ok || q.TriesLeft == 0 || !now.Before(q.ExpiresAt) {
		return Question{}, false, nil
	}
	q.TriesLeft--
	x.questions[id] = q
	return q, true, nil
}

func (x *index) CloseQuestion(_ context.Context, id registry.ID) error {
	delete(x.questions, id)
	return nil
}

func (x *index) Audit(_ context.Context, e audit.Entry) (audit.Receipt, error) {
	x.entries = append(x.entries, e)
	return audit.Receipt{}, nil
}

var born = registry.Date{Year: 1990, Month: 2, Day: 28}

func namesakes(n int) (list []Person) {
	for i := range n {
		list = append(list, Person{ID: registry.ID{byte(i + 1)}, Status: StatusActive, LastName: "Зразкова", FirstName: "Марія", SecondName: "Тестівна", BirthDate: born,
			TaxID: []string{"3278011533", "3126509817", "3067305998", "1000000012", "2000000024", "3000000036"}[i], BirthSettlement: "Зразкове"})
	}
	return list
}

type searcher struct {
	*Search
	*index
	caller registry.Caller
	now    *time.Time
}

func newSearcher(t *testing.T, people int) searcher {
	t.Helper()
	x := &index{people: namesakes(people), questions: map[registry.ID]Question{}, spent: map[registry.ID]int{}}
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	source := registry.Source{Clock: func() time.Time { return now }, Random: registry.SystemSource().Random}
	s, err := NewSearch(x, source, make([]byte, 32), SearchLimits{PerClient: 20, PerUser: 10, Tries: 3, TTL: time.Minute})
	require.NoError(t, err)
	return searcher{s, x, registry.Caller{ClientID: registry.ID{0xc1}, EmployeeID: registry.ID{0xe1}, Scopes: []string{ScopeSearch}}, &now}
}

var criteria = Criteria{Purpose: "medical_care", LastName: "зразкова", FirstName: "МАРІЯ", BirthDate: born}

func TestOneMatchIsTheAnswer(t *testing.T) {
	s := newSearcher(t, 1)
	got, err := s.Find(t.Context(), s.caller, criteria)
	require.NoError(t, err)
	require.Equal(t, Found{PersonID: registry.ID{1}}, got)
	e := s.entries[0]
	require.Equal(t, audit.Kind("search.person"), e.Kind)
	require.Equal(t, "medical_care", e.Reason)
	require.Equal(t, "statute", e.LegalBasis.Code)
	require.Equal(t, registry.ID{1}, e.SubjectID)
}

// Nobody, too many and namesakes that nothing tells apart: refused alike
// whether six or fifty, without a count.
func TestRefusalsTellNothing(t *testing.T) {
	s := newSearcher(t, 0)
	_, err := s.Find(t.Context(), s.caller, criteria)
	require.Equal(t, registry.CodeNotFound, registry.CodeOf(err))
	require.Equal(t, string(registry.CodeNotFound), s.entries[0].Code)
	require.True(t, s.entries[0].SubjectID.IsZero())

	s = newSearcher(t, 6)
	_, many := s.Find(t.Context(), s.caller, criteria)
	require.Equal(t, "exact_match_only", registry.AsError(many).Reason)
	s = newSearcher(t, 2)
	s.people[1].TaxID = s.people[0].TaxID
	_, alike := s.Find(t.Context(), s.caller, criteria)
	require.Equal(t, many, alike)

	// A sixth one is found by more criteria.
	s = newSearcher(t, 6)
	q := criteria
	q.TaxID = "3067305998"
	got, err := s.Find(t.Context(), s.caller, q)
	require.NoError(t, err)
	require.Equal(t, registry.ID{3}, got.PersonID)
}

func TestQuestion(t *testing.T) {
	s := newSearcher(t, 5)
	got, err := s.Find(t.Context(), s.caller, criteria)
	require.NoError(t, err)
	require.True(t, got.PersonID.IsZero())
	require.Equal(t, "tax_id_last4", got.Question.Attribute, "second names are alike")
	require.Len(t, got.Question.Token, 43)
	token := got.Question.Token

	for name, c := range map[string]struct {
		caller func(*registry.Caller)
		token  string
	}{
		"another user":   {func(c *registry.Caller) { c.EmployeeID = registry.ID{0xe2} }, token},
		"another client": {func(c *registry.Caller) { c.ClientID = registry.ID{0xc2} }, token},
		"changed token":  {func(*registry.Caller) {}, "B" + token[1:]},
		"no token":       {func(*registry.Caller) {}, ""},
	} {
		caller := s.caller
		c.caller(&caller)
		_, err := s.Answer(t.Context(), caller, c.token, "1533")
		require.Equal(t, registry.CodeNotFound, registry.CodeOf(err), name)
	}
	_, err = s.Answer(t.Context(), s.caller, token, "0000")
	require.Equal(t, errNobody, err, "a wrong answer is a person not found")
	got, err = s.Answer(t.Context(), s.caller, token, "9817")
	require.NoError(t, err)
	require.Equal(t, Found{PersonID: registry.ID{2}}, got)
	require.Equal(t, "medical_care", s.entries[len(s.entries)-1].Reason)
	_, err = s.Answer(t.Context(), s.caller, token, "9817")
	require.Equal(t, errNobody, err, "a question is answered once")
}

func TestTriesAndTimeOfAQuestion(t *testing.T) {
	s := newSearcher(t, 2)
	got, err := s.Find(t.Context(), s.caller, criteria)
	require.NoError(t, err)
	for range 3 {
		_, err = s.Answer(t.Context(), s.caller, got.Question.Token, "0000")
		require.Equal(t, errNobody, err)
	}
	_, err = s.Answer(t.Context(), s.caller, got.Question.Token, "1533")
	require.Equal(t, errNobody, err, "the tries are used up")

	s = newSearcher(t, 2)
	got, err = s.Find(t.Context(), s.caller, criteria)
	require.NoError(t, err)
	*s.now = s.now.Add(time.Minute)
	_, err = s.Answer(t.Context(), s.caller, got.Question.Token, "1533")
	require.Equal(t, errNobody, err, "the question is too old")
}

func TestBudget(t *testing.T) {
	s := newSearcher(t, 1)
	for range 10 {
		_, err := s.Find(t.Context(), s.caller, criteria)
		require.NoError(t, err)
	}
	_, err := s.Find(t.Context(), s.caller, criteria)
	require.Equal(t, registry.CodeRateLimited, registry.CodeOf(err))
	require.Equal(t, time.Hour, registry.AsError(err).RetryAfter, "the clock stands at the full hour")
	require.Equal(t, string(registry.CodeRateLimited), s.entries[10].Code, "the refused search is recorded too")
	_, err = s.Answer(t.Context(), s.caller, "", "x")
	require.Equal(t, registry.CodeRateLimited, registry.CodeOf(err), "answers count as searches")
	other := s.caller
	other.EmployeeID = registry.ID{0xe2}
	for range 8 {
		_, err = s.Find(t.Context(), other, criteria)
		require.NoError(t, err)
	}
	_, err = s.Find(t.Context(), other, criteria)
	require.Equal(t, registry.CodeRateLimited, registry.CodeOf(err), "the clinic's budget is used up")
}

func TestRulesOfCriteria(t *testing.T) {
	require.NoError(t, criteria.Validate())
	for entry, change := range map[string]func(*Criteria){
		"$.purpose":       func(c *Criteria) { c.Purpose = "curiosity" },
		"$.last_name":     func(c *Criteria) { c.LastName = " " },
		"$.first_name":    func(c *Criteria) { c.FirstName = "" },
		"$.birth_date":    func(c *Criteria) { c.BirthDate = registry.Date{} },
		"$.tax_id":        func(c *Criteria) { c.TaxID = "3126509816" },
		"$.unzr":          func(c *Criteria) { c.UNZR = "1" },
		"$.document":      func(c *Criteria) { c.DocumentType = "PASSPORT" },
		"$.document.type": func(c *Criteria) { c.DocumentType, c.DocumentNumber = "LIBRARY_CARD", "1" },
		"$.phone_number":  func(c *Criteria) { c.Phone = "0931234567" },
	} {
		c := criteria
		change(&c)
		err := registry.AsError(c.Validate())
		require.NotNil(t, err, entry)
		require.Equal(t, entry, err.Fields[0].Entry)
	}
	s := newSearcher(t, 1)
	_, err := s.Find(t.Context(), registry.Caller{}, criteria)
	require.Equal(t, registry.CodeForbidden, registry.CodeOf(err))
}
