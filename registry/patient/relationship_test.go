package patient

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
)

func why(err error) string {
	e := registry.AsError(err)
	switch {
	case e == nil:
		return ""
	case len(e.Fields) > 0:
		return e.Fields[0].Description
	}
	return e.Detail
}

// Who may become a confidant (ЕСОЗ 1.4), each rule broken once.
func TestRulesOfARelationship(t *testing.T) {
	terms := DefaultTerms()
	ward := Person{ID: registry.ID{1}, BirthDate: day(2020, 5, 1)}
	good := RelationshipChecks{Confidant: Person{ID: registry.ID{2}, Version: 1, Status: StatusActive, BirthDate: day(1990, 1, 1)}}
	require.NoError(t, terms.MayRelate(ward, good, today))
	inForce := Relationship{ID: registry.ID{3}, PersonID: ward.ID, ConfidantPersonID: registry.ID{2}, IsActive: true}
	for want, change := range map[string]func(w *Person, c *RelationshipChecks){
		"Person can not be confidant for themselves":                                       func(w *Person, c *RelationshipChecks) { c.Confidant.ID = w.ID },
		"Confidant person is not found":                                                    func(_ *Person, c *RelationshipChecks) { c.Confidant.Status = StatusInactive },
		"Confidant person not found or is not verified":                                    func(_ *Person, c *RelationshipChecks) { c.Confidant.VerificationStatus = NotVerified },
		"Incorrect person age for such an action":                                          func(_ *Person, c *RelationshipChecks) { c.Confidant.BirthDate = day(2013, 1, 1) },
		"Patient who has confidant person can not be used as confidant for other patients": func(_ *Person, c *RelationshipChecks) { c.OfConfidant = []Relationship{inForce} },
		"Relationship between confidant patient and related patient already exists":        func(_ *Person, c *RelationshipChecks) { c.OfWard = []Relationship{inForce} },
		"Confidant is not allowed for a person of full legal capacity": func(w *Person, _ *RelationshipChecks) {
			w.BirthDate, w.Documents = day(2010, 1, 1), []Document{{Type: "MARRIAGE_CERTIFICATE"}}
		},
	} {
		w, c := ward, good
		change(&w, &c)
		require.Equal(t, want, why(terms.MayRelate(w, c, today)))
	}
}

func TestWhenARelationshipIsApproved(t *testing.T) {
	r := Relationship{IsActive: true, VerificationStatus: Verified, ActiveTo: today}
	require.NoError(t, r.Approved(today))
	require.NoError(t, r.ApprovedStrictly(today))
	require.Error(t, r.Approved(today.AddDate(0, 0, 1)), "the day after its last")
	byDoctor := Relationship{IsActive: true, VerificationStatus: VerificationNeeded, VerificationReason: ReasonCreatedByDoctor}
	require.NoError(t, byDoctor.Approved(today), "a clinic believes its doctor")
	require.Error(t, byDoctor.ApprovedStrictly(today), "the citizens' channels do not")
	online := byDoctor
	online.VerificationReason = ReasonOnlineTriggered
	require.Equal(t, "Relationship is not approved yet", why(online.Approved(today)))
	ended := r
	ended.IsActive = false
	require.Equal(t, "Relationship is not found", why(ended.Approved(today)))
}

// Age and guardianship in the citizens' channels (ЕСОЗ 1.3), on the very days.
func TestWhoMayActAlone(t *testing.T) {
	terms := DefaultTerms()
	guardian := []Relationship{{IsActive: true, VerificationStatus: Verified}}
	capable := []Document{{Type: "LEGAL_CAPACITY_DOCUMENT"}}
	for _, r := range []struct {
		what       string
		born       registry.Date
		documents  []Document
		confidants []Relationship
		alone      bool
	}{
		{"the day before fourteen", today.AddDate(-14, 0, 1), capable, nil, false},
		{"fourteen", today.AddDate(-14, 0, 0), nil, nil, false},
		{"fourteen and of full capacity", today.AddDate(-14, 0, 0), capable, nil, true},
		{"the day before eighteen", today.AddDate(-18, 0, 1), nil, nil, false},
		{"eighteen", today.AddDate(-18, 0, 0), nil, nil, true},
		{"grown up with a guardian", today.AddDate(-40, 0, 0), nil, guardian, false},
		{"grown up, guardian gone", today.AddDate(-40, 0, 0), nil, []Relationship{{VerificationStatus: Verified}}, true},
	} {
		err := terms.MayActAlone(Person{BirthDate: r.born, Documents: r.documents}, r.confidants, today)
		require.Equal(t, r.alone, err == nil, r.what)
		if err != nil {
			require.Equal(t, "Request must be authorized by confidant person", why(err), r.what)
			require.Equal(t, registry.CodeConflict, registry.CodeOf(err))
		}
	}
}

func TestNewRelationship(t *testing.T) {
	terms := DefaultTerms()
	child, adult := Person{BirthDate: day(2020, 5, 1)}, Person{BirthDate: day(1980, 5, 1)}
	now := today.Time()
	r := terms.NewRelationship(registry.ID{1}, child, registry.ID{2}, []Document{{Type: "BIRTH_CERTIFICATE"}}, registry.Date{}, now)
	require.Equal(t, []any{VerificationNeeded, ReasonOnlineTriggered, day(2038, 4, 30)}, []any{r.VerificationStatus, r.VerificationReason, r.ActiveTo})
	r = terms.NewRelationship(registry.ID{1}, child, registry.ID{2}, []Document{{Type: "COURT_DECISION"}}, day(2030, 1, 1), now)
	require.Equal(t, []any{ReasonCreatedByDoctor, day(2030, 1, 1)}, []any{r.VerificationReason, r.ActiveTo})
	r = terms.NewRelationship(registry.ID{1}, adult, registry.ID{2}, nil, registry.Date{}, now)
	require.True(t, r.ActiveTo.IsZero(), "an adult's guardian has no end by age")
}

// people is the port of confirmations in memory.
type people struct {
	by  map[registry.ID]Person
	rel *Relationship
}

func (p people) Person(_ context.Context, id registry.ID) (Person, error) {
	one, ok := p.by[id]
	if !ok {
		return Person{}, registry.Errorf(registry.CodeNotFound, "not found")
	}
	return one, nil
}

func (p people) RelationshipBetween(context.Context, registry.ID, registry.ID) (Relationship, bool, error) {
	if p.rel == nil {
		return Relationship{}, false, nil
	}
	return *p.rel, true, nil
}

func TestHowAPersonConfirms(t *testing.T) {
	phone := AuthenticationMethod{ID: registry.ID{1}, Type: MethodOTP, PhoneNumber: "+380390000001"}
	through := AuthenticationMethod{ID: registry.ID{2}, Type: MethodThirdPerson, Value: registry.ID{7}}
	gone := AuthenticationMethod{ID: registry.ID{3}, Type: MethodOffline, EndedAt: time.Unix(1, 0)}
	mother := Person{ID: registry.ID{7}, Status: StatusActive, AuthenticationMethods: []AuthenticationMethod{{Type: MethodOTP, PhoneNumber: "+380390000007"}}}
	rel := &Relationship{IsActive: true, VerificationStatus: Verified}
	ask := func(x people, with registry.ID, methods ...AuthenticationMethod) (string, error) {
		m, err := Confirmation(t.Context(), x, Person{ID: registry.ID{9}, AuthenticationMethods: methods}, with, today)
		return m.Type + m.PhoneNumber, err
	}
	all := people{map[registry.ID]Person{{7}: mother}, rel}
	for what, r := range map[string]struct {
		with    registry.ID
		methods []AuthenticationMethod
		want    string
	}{
		"nothing":         {registry.ID{}, nil, "NA"},
		"the current one": {registry.ID{}, []AuthenticationMethod{gone, phone, through}, "OTP+380390000001"},
		"the named one":   {registry.ID{2}, []AuthenticationMethod{phone, through}, "OTP+380390000007"},
		"only ended ones": {registry.ID{}, []AuthenticationMethod{gone}, "NA"},
	} {
		got, err := ask(all, r.with, r.methods...)
		require.NoError(t, err, what)
		require.Equal(t, r.want, got, what)
	}
	_, err := ask(all, registry.ID{3}, phone, gone)
	require.Equal(t, "Authentication method doesn't exist or is not active", why(err))
	_, err = ask(people{all.by, nil}, registry.ID{}, through)
	require.Equal(t, "Relationship is not found", why(err))
	_, err = ask(people{all.by, &Relationship{IsActive: true, VerificationStatus: NotVerified}}, registry.ID{}, through)
	require.Equal(t, "Relationship is not approved yet", why(err))
	dead := mother
	dead.Status = StatusInactive
	_, err = ask(people{map[registry.ID]Person{{7}: dead}, rel}, registry.ID{}, through)
	require.Equal(t, "Confidant person has no authentication method of their own", why(err))
}

// One document typed by several hands is one document; two are two.
func TestDocumentNumbers(t *testing.T) {
	for _, r := range []struct{ kind, a, b string }{
		{"BIRTH_CERTIFICATE", "І-БК № 123456", "I-БK123456"},
		{"BIRTH_CERTIFICATE", "1-БК123456", "l-бк 123456"},
		{"BIRTH_CERTIFICATE", "ІІІ-АБ000111", "111-AБ000111"},
		{"PASSPORT", "КВ 123456", "KB123456"},
		{"PERMANENT_RESIDENCE_PERMIT", "АА12345/67890", "АА1234567890"},
	} {
		require.Equal(t, NormalizeDocumentNumber(r.kind, r.a), NormalizeDocumentNumber(r.kind, r.b), r.a)
	}
	for _, r := range []struct{ kind, a, b string }{
		{"BIRTH_CERTIFICATE", "І-БК123456", "ІІ-БК123456"},
		{"BIRTH_CERTIFICATE", "123456", "І23456"}, // digits alone have no Roman number
		{"PASSPORT", "КВ123456", "КВ123457"},
		{"NATIONAL_ID", "111222333", "11222333"},
	} {
		require.NotEqual(t, NormalizeDocumentNumber(r.kind, r.a), NormalizeDocumentNumber(r.kind, r.b), r.a)
	}
}
