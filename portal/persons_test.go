package portal

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/patient"
	"mist/registry/query"
)

func (f *fakes) Person(ctx context.Context, c registry.Caller, id registry.ID) (query.PersonView, error) {
	_, err := f.call(ctx, c)
	return query.PersonView{Person: patient.Person{ID: id}}, err
}

func (f *fakes) Own(context.Context, registry.Caller) (query.PersonView, error) {
	return query.PersonView{}, f.err
}

func (f *fakes) Find(ctx context.Context, c registry.Caller, q patient.Criteria) (patient.Found, error) {
	f.criteria = q
	_, err := f.call(ctx, c)
	return patient.Found{PersonID: registry.ID{1}}, err
}

func (f *fakes) Answer(ctx context.Context, c registry.Caller, token, answer string) (patient.Found, error) {
	f.answered = [2]string{token, answer}
	_, err := f.call(ctx, c)
	return patient.Found{PersonID: registry.ID{1}}, err
}

var (
	_ PersonReads  = (*query.Persons)(nil)
	_ PersonSearch = (*patient.Search)(nil)
)

func TestSearchForms(t *testing.T) {
	b := newBench(t)
	w := b.do("POST", personsPath+"/search", `{"purpose":"medical_care","last_name":"А","first_name":"Б","second_name":"В","birth_date":"1990-02-28",
		"tax_id":"3278011533","unzr":"19900228-01234","phone_number":"+380930000000","document":{"type":"PASSPORT","number":"КВ123456"}}`)
	require.Equal(t, 200, w.Code, w.Body.String())
	require.Equal(t, patient.Criteria{
		Purpose: "medical_care", LastName: "А", FirstName: "Б", SecondName: "В", BirthDate: registry.Date{Year: 1990, Month: 2, Day: 28},
		TaxID: "3278011533", UNZR: "19900228-01234", DocumentType: "PASSPORT", DocumentNumber: "КВ123456", Phone: "+380930000000",
	}, b.criteria)

	require.Equal(t, 200, b.do("POST", personsPath+"/search", `{"search_token":"t","answer":"1234"}`).Code)
	require.Equal(t, [2]string{"t", "1234"}, b.answered)

	for body, entry := range map[string]string{
		`{"search_token":"t"}`:                                "$.answer",
		`{"search_token":"t","answer":"a","other":1}`:         "$.other",
		`{"birth_date":"1990"}`:                               "$.birth_date",
		`{"document":5}`:                                      "$.document",
		`{"document":{"type":"PASSPORT"}}`:                    "$.document.number",
		`{"document":{"type":"PASSPORT","number":"1","x":1}}`: "$.document.x",
	} {
		e := failure(t, b.do("POST", personsPath+"/search", body), 422, "validation_failed")
		require.True(t, slices.ContainsFunc(e.Invalid, func(i invalidEntry) bool { return i.Entry == entry }), "%s: %v", body, e.Invalid)
	}
	require.Equal(t, 200, b.do("GET", personsPath+"/01890a5d-ac96-774b-bcce-b302099a8057", "").Code)
}

func TestASpentBudgetSaysWhenToComeAgain(t *testing.T) {
	b := newBench(t)
	b.err = registry.Errorf(registry.CodeRateLimited, "spent").WithReason("search_budget").WithRetryAfter(90*time.Second + time.Millisecond)
	w := b.do("POST", personsPath+"/search", `{"purpose":"medical_care","last_name":"а","first_name":"б","birth_date":"2000-01-01"}`)
	require.Equal(t, "91", w.Header().Get("Retry-After"))
	require.Equal(t, "search_budget", failure(t, w, 429, "too_many_requests").Reason)
}
