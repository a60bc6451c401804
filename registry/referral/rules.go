package referral

import (
	"strconv"
	"time"

	"mist/registry"
	"mist/registry/document"
	"mist/registry/prm"
	"mist/registry/record"
)

// skew is how far ahead of ours a clinic's clock may be; oldest how long after
// it was written a referral may come in.
const (
	skew   = 5 * time.Minute
	oldest = 7 * 24 * time.Hour
)

// check holds a document against the rules that need no rows.
func check(d Document, lists prm.Lists, now time.Time) error {
	var f document.Faults
	r := d.Request
	inList := func(entry, list, code string) {
		if !lists.Has(list, code) {
			f.Add(entry, "inclusion", "value is not allowed in enum", list)
		}
	}
	f.OneOf("$.service_request.status", r.Status, StatusActive)
	inList("$.service_request.intent", listIntents, r.Intent)
	inList("$.service_request.category", listCategories, r.Category)
	inList("$.service_request.priority", listPriorities, r.Priority)
	if f.OneOf("$.service_request.code.system", r.Code.System, SystemServices) {
		f.Required("$.service_request.code.code", r.Code.Code)
	}
	if r.AuthoredOn.After(now.Add(skew)) {
		f.Add("$.service_request.authored_on", "invalid", "Date must be in past")
	}
	if r.AuthoredOn.Before(now.Add(-oldest)) {
		f.Add("$.service_request.authored_on", "invalid", "Date must be at most 7 days ago")
	}
	if len(r.PermittedResources) > 0 && r.Category != counselling {
		f.Add("$.service_request.permitted_resources", "invalid", "permitted_resources are allowed for the category counselling alone")
	}
	if len(r.PermittedResources) > maxResources {
		f.Add("$.service_request.permitted_resources", "length", "expected at most 20 items")
	}
	for i, p := range r.PermittedResources {
		f.OneOf("$.service_request.permitted_resources.["+strconv.Itoa(i)+"].type", p.Type, string(record.KindEpisode), string(record.KindDiagnosticReport))
	}
	checkText(&f, "$.service_request.note", r.Note)
	checkText(&f, "$.service_request.patient_instruction", r.PatientInstruction)
	return f.Err()
}

func checkText(f *document.Faults, entry, s string) {
	if len([]rune(s)) > maxText {
		f.Add(entry, "length", "expected value to have a maximum length of 3000")
	}
}

// checkEnding holds the words of a recall or a cancellation.
func checkEnding(e Ending, list string, lists prm.Lists) error {
	var f document.Faults
	if !lists.Has(list, e.StatusReason) {
		f.Add("$.status_reason", "inclusion", "value is not allowed in enum", list)
	}
	checkText(&f, "$.explanatory_letter", e.ExplanatoryLetter)
	return f.Err()
}

func conflict(text, reason string) error {
	return registry.Errorf(registry.CodeConflict, "%s", text).WithReason(reason)
}

// usable: an active referral whose time is not over and on which nobody works.
// A referral past its time is told so whether its job has marked it already or not.
func usable(r record.Record, here registry.ID, now time.Time) error {
	switch {
	case r.Status != StatusActive, r.HolderID.IsZero() && over(r, now):
		return conflict("Can't use inactive service request", "service_request_status")
	case r.HolderID == here:
		return conflict("Service request is already used", "service_request_used")
	case !r.HolderID.IsZero():
		return conflict("Service request is used by another legal entity", "service_request_holder")
	}
	return nil
}

func over(r record.Record, now time.Time) bool {
	return !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt)
}

// held: in work here, in one of the states.
func held(r record.Record, here registry.ID, states ...string) error {
	if r.HolderID != here {
		if r.HolderID.IsZero() {
			return conflict("Service request is not used", "service_request_not_used")
		}
		return conflict("Service request is used by another legal entity", "service_request_holder")
	}
	for _, s := range states {
		if r.Status == s {
			return nil
		}
	}
	return conflict("Invalid transition: the service request is in \""+r.Status+"\" status", "status_"+r.Status)
}

// recallable: active, and nobody works on it.
func recallable(r record.Record, now time.Time) error {
	switch {
	case r.Status != StatusActive, r.HolderID.IsZero() && over(r, now):
		return conflict("Invalid transition: only an active service request may be recalled", "service_request_status")
	case !r.HolderID.IsZero():
		return conflict("Service request is already used", "service_request_used")
	}
	return nil
}

// cancellable: an error may be taken back as long as nothing was done on it.
func cancellable(r record.Record, _ time.Time) error {
	if r.Status != StatusActive && r.Status != StatusInProgress {
		return conflict("Invalid transition: the service request is in \""+r.Status+"\" status", "status_"+r.Status)
	}
	return nil
}
