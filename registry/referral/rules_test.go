package referral

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mist/registry"
	"mist/registry/dictionary"
	"mist/registry/document"
	"mist/registry/record"
)

var (
	now             = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	here, elsewhere = registry.ID{1}, registry.ID{2}
)

func id(n byte) registry.ID { return registry.ID{15: n} }

type listsOf map[string]map[string]string

func (l listsOf) Has(name, code string) bool { _, ok := l[name][code]; return ok }

func lists(t testing.TB) listsOf {
	t.Helper()
	all, err := dictionary.All()
	require.NoError(t, err)
	l := listsOf{}
	for _, d := range all {
		l[d.Name] = d.Values
	}
	return l
}

// whole is a document that keeps every rule.
func whole() Document {
	return Document{PatientID: id(1), Request: Request{ID: id(2), Status: StatusActive, Intent: "order", Category: counselling, Priority: "routine",
		Code: Coding{SystemServices, "110-01"}, ContextID: id(3), Requester: id(4), AuthoredOn: now.Add(-time.Hour),
		PermittedResources: []Resource{{"episode", id(5)}}, Note: "прошу оглянути", PatientInstruction: "натщесерце"}}
}

// Every rule that needs no rows: what breaks it, and beside it what keeps it.
func TestRules(t *testing.T) {
	l := lists(t)
	for _, c := range []struct {
		name   string
		breaks func(*Request)
		entry  string
		keeps  func(*Request)
	}{
		{"a new one is active", func(r *Request) { r.Status = StatusRecalled }, "$.service_request.status", nil},
		{"an intent of the list", func(r *Request) { r.Intent = "wish" }, "$.service_request.intent", func(r *Request) { r.Intent = "plan" }},
		{"a category of the list", func(r *Request) { r.Category, r.PermittedResources = "travel", nil }, "$.service_request.category", func(r *Request) { r.Category, r.PermittedResources = "imaging", nil }},
		{"a priority of the list", func(r *Request) { r.Priority = "stat" }, "$.service_request.priority", func(r *Request) { r.Priority = "urgent" }},
		{"a service of the catalogue", func(r *Request) { r.Code.System = "LOINC" }, "$.service_request.code.system", nil},
		{"a service is named", func(r *Request) { r.Code.Code = " " }, "$.service_request.code.code", func(r *Request) { r.Code.Code = "9" }},
		{"not of the future", func(r *Request) { r.AuthoredOn = now.Add(6 * time.Minute) }, "$.service_request.authored_on", func(r *Request) { r.AuthoredOn = now.Add(4 * time.Minute) }},
		{"of the last seven days", func(r *Request) { r.AuthoredOn = now.Add(-oldest - time.Second) }, "$.service_request.authored_on", func(r *Request) { r.AuthoredOn = now.Add(-oldest) }},
		{"records are named for a consultation alone", func(r *Request) { r.Category = "imaging" }, "$.service_request.permitted_resources", func(r *Request) { r.Category, r.PermittedResources = "imaging", nil }},
		{"at most twenty records", func(r *Request) { r.PermittedResources = named(21) }, "$.service_request.permitted_resources", func(r *Request) { r.PermittedResources = named(20) }},
		{"episodes and reports", func(r *Request) { r.PermittedResources[0].Type = "person" }, "$.service_request.permitted_resources.[0].type", func(r *Request) { r.PermittedResources[0].Type = "diagnostic_report" }},
		{"a note of 3000 letters", func(r *Request) { r.Note = strings.Repeat("ї", 3001) }, "$.service_request.note", func(r *Request) { r.Note = strings.Repeat("ї", 3000) }},
		{"an instruction of 3000 letters", func(r *Request) { r.PatientInstruction = strings.Repeat("ї", 3001) }, "$.service_request.patient_instruction", func(r *Request) { r.PatientInstruction = "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := whole()
			require.NoError(t, check(d, l, now), "the unmutated twin")
			c.breaks(&d.Request)
			err := check(d, l, now)
			require.Equal(t, registry.CodeInvalid, registry.CodeOf(err))
			require.Equal(t, c.entry, registry.AsError(err).Fields[0].Entry)
			if c.keeps != nil {
				d = whole()
				c.keeps(&d.Request)
				require.NoError(t, check(d, l, now))
			}
		})
	}
	e := Ending{Document: whole(), StatusReason: "wrong_patient", ExplanatoryLetter: "описка"}
	require.NoError(t, checkEnding(e, listCancels, l))
	require.Equal(t, "$.status_reason", registry.AsError(checkEnding(e, listReasons, l)).Fields[0].Entry, "a reason of the other list")
	e.ExplanatoryLetter = strings.Repeat("ї", 3001)
	require.Equal(t, "$.explanatory_letter", registry.AsError(checkEnding(e, listCancels, l)).Fields[0].Entry)
}

func named(n int) []Resource {
	list := make([]Resource, n)
	for i := range list {
		list[i].Type = "episode"
	}
	return list
}

// The life of a referral: who may do what in which state, with the words of
// eHealth; each refusal beside the state that allows it.
func TestLife(t *testing.T) {
	at := func(status string, holder registry.ID, left time.Duration) record.Record {
		return record.Record{Status: status, LegalEntityID: elsewhere, HolderID: holder, ExpiresAt: now.Add(left)}
	}
	nobody := registry.ID{}
	for _, c := range []struct {
		name   string
		err    error
		text   string
		reason string
	}{
		{"use", usable(at(StatusActive, nobody, time.Second), here, now), "", ""},
		{"use past its time, marked or not", usable(at(StatusActive, nobody, 0), here, now), "Can't use inactive service request", "service_request_status"},
		{"use a recalled one", usable(at(StatusRecalled, nobody, time.Hour), here, now), "Can't use inactive service request", "service_request_status"},
		{"use a completed one", usable(at(StatusCompleted, here, time.Hour), here, now), "Can't use inactive service request", "service_request_status"},
		{"use twice", usable(at(StatusActive, here, time.Hour), here, now), "Service request is already used", "service_request_used"},
		{"use another's", usable(at(StatusActive, elsewhere, time.Hour), here, now), "Service request is used by another legal entity", "service_request_holder"},
		{"begin", held(at(StatusActive, here, -time.Hour), here, StatusActive), "", ""},
		{"begin what nobody uses", held(at(StatusActive, nobody, time.Hour), here, StatusActive), "Service request is not used", "service_request_not_used"},
		{"begin another's", held(at(StatusActive, elsewhere, time.Hour), here, StatusActive), "Service request is used by another legal entity", "service_request_holder"},
		{"begin twice", held(at(StatusInProgress, here, time.Hour), here, StatusActive), `Invalid transition: the service request is in "in_progress" status`, "status_in_progress"},
		{"complete what is begun", held(at(StatusInProgress, here, time.Hour), here, StatusActive, StatusInProgress), "", ""},
		{"complete twice", held(at(StatusCompleted, here, time.Hour), here, StatusActive, StatusInProgress), `Invalid transition: the service request is in "completed" status`, "status_completed"},
		{"recall", recallable(at(StatusActive, nobody, time.Hour), now), "", ""},
		{"recall a used one", recallable(at(StatusActive, elsewhere, time.Hour), now), "Service request is already used", "service_request_used"},
		{"recall what has begun", recallable(at(StatusInProgress, elsewhere, time.Hour), now), "Invalid transition: only an active service request may be recalled", "service_request_status"},
		{"recall past its time, marked or not", recallable(at(StatusActive, nobody, 0), now), "Invalid transition: only an active service request may be recalled", "service_request_status"},
		{"take back what is begun", cancellable(at(StatusInProgress, elsewhere, time.Hour), now), "", ""},
		{"take back what is done", cancellable(at(StatusCompleted, elsewhere, time.Hour), now), `Invalid transition: the service request is in "completed" status`, "status_completed"},
		{"take back twice", cancellable(at(record.EnteredInError, nobody, time.Hour), now), `Invalid transition: the service request is in "entered_in_error" status`, "status_entered_in_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.text == "" {
				require.NoError(t, c.err)
				return
			}
			e := registry.AsError(c.err)
			require.Equal(t, registry.CodeConflict, e.Code)
			require.Equal(t, c.text, e.Detail)
			require.Equal(t, c.reason, e.Reason)
		})
	}
}

// An ending is the referral itself with another status; whatever else differs is named.
func TestEndingCorresponds(t *testing.T) {
	signed, err := json.Marshal(whole())
	require.NoError(t, err)
	k := Recalling(Kind{})
	ended := func(change func(*Ending)) decodedEnding {
		e := Ending{Document: whole(), StatusReason: "not_needed", ExplanatoryLetter: "пацієнт одужав"}
		e.Request.Status = StatusRecalled
		change(&e)
		b, err := json.Marshal(e)
		require.NoError(t, err)
		return decodedEnding{e, b}
	}
	require.NoError(t, k.corresponds(signed, ended(func(*Ending) {})))
	require.NoError(t, k.corresponds(signed, ended(func(e *Ending) { e.ExplanatoryLetter = "" })))
	for pointer, change := range map[string]func(*Ending){
		"/service_request/status":   func(e *Ending) { e.Request.Status = record.EnteredInError },
		"/service_request/priority": func(e *Ending) { e.Request.Priority = "urgent" },
		"/patient_id":               func(e *Ending) { e.PatientID = id(9) },
		"/service_request/note":     func(e *Ending) { e.Request.Note = "" },
	} {
		err := k.corresponds(signed, ended(change))
		require.Equal(t, registry.CodeConflict, registry.CodeOf(err), pointer)
		require.Contains(t, registry.AsError(err).Detail, ": "+pointer)
	}
}

// Whatever a document says, reading and judging it ends with an answer.
func FuzzDocument(f *testing.F) {
	good, err := json.Marshal(whole())
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"service_request":{"permitted_resources":[{}]}}`))
	l := lists(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		var d Document
		if document.Read(in, &d) == nil && check(d, l, now) == nil {
			require.Equal(t, StatusActive, d.Request.Status)
		}
	})
}
