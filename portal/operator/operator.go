// Package operator is the pages of the National Health Service's operators:
// what waits and for how long, dead letters (jobs and messages to other
// registers) with what a retry would do before it is done, what other registers
// say of people, merges of records and registers of payments that a second
// person agrees to.
//
// It holds no rules: the rooms it is given decide and record. An
// operator enters with their КЕП in the position NHS ADMIN.
package operator

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"strconv"
	"time"

	"mist/portal/web"
	"mist/portal/web/login"
	"mist/portal/web/trusted"
	"mist/registry"
	"mist/registry/dispute"
	"mist/registry/job"
	"mist/registry/material"
	"mist/registry/personlife"
)

//go:embed templates text
var files embed.FS

// Jobs is the desk of jobs; *job.Desk is one.
type Jobs interface {
	List(ctx context.Context, c registry.Caller, f job.Filter) ([]job.Info, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (job.Info, error)
	Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (job.Info, error)
	Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (job.Info, error)
}

// Merges merges records by hand; *personlife.Service does.
type Merges interface {
	Propose(ctx context.Context, c registry.Caller, master, loser registry.ID, reason string) (personlife.Merge, error)
	Agree(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	Decline(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	ProposeUndo(ctx context.Context, c registry.Caller, id registry.ID, reason string) (personlife.Merge, error)
	Compare(ctx context.Context, c registry.Caller, master, loser registry.ID) (personlife.Comparison, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (personlife.Merge, error)
	List(ctx context.Context, c registry.Caller, status personlife.MergeStatus, after registry.ID) ([]personlife.Merge, error)
}

// Cases are citizens' words against records; *dispute.Service keeps them.
type Cases interface {
	List(ctx context.Context, c registry.Caller) ([]dispute.Case, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (dispute.Case, error)
	Answer(ctx context.Context, c registry.Caller, id registry.ID, decision, answer string) (dispute.Case, error)
}

// Trust tells what signatures are judged by; *material.Service does.
type Trust interface {
	State(ctx context.Context, c registry.Caller) (material.State, error)
	Compare(ctx context.Context, c registry.Caller, name string, body []byte) (material.Comparison, error)
}

// Config of the room; all but Secure is needed.
type Config struct {
	Login    login.Service
	Jobs     Jobs
	Merges   Merges
	Trust    Trust
	Cases    Cases
	Messages Messages
	Checks   Checks
	Payments Payments
	// ClientID is the public client the pages log people in as.
	ClientID string
	Clock    func() time.Time
	// Secure keeps the session's cookie off plain HTTP.
	Secure bool
}

type room struct{ Config }

// Scopes the pages ask an operator for.
const Scopes = "job:read job:write manual_merge_request:read manual_merge_request:write trust:read dispute:read dispute:write " +
	"outbox:read outbox:write person_verification:read person_verification:write payment_register:read payment_register:write"

// Add puts the room into the kit.
func Add(kit *web.Kit, c Config) error {
	if c.Login == nil || c.Jobs == nil || c.Merges == nil || c.Trust == nil || c.Cases == nil || c.Messages == nil || c.Checks == nil || c.Payments == nil || c.ClientID == "" || c.Clock == nil {
		return errors.New("portal/operator: a part is missing")
	}
	pages, err := kit.Room("operator", files)
	if err != nil {
		return err
	}
	r := &room{c}
	door, err := login.Add(pages, login.Config{Service: c.Login, ClientID: c.ClientID, Scope: Scopes, Roles: []string{"NHS ADMIN"}, Home: "/ops", Cookie: "mist_ops",
		Title: "ops.login.title", Refused: "ops.login.refused", Secure: c.Secure})
	if err != nil {
		return err
	}
	pages.Section("/ops", "ops.section")
	pages.Get("/ops", door.Behind(r.inbox))
	pages.Get("/ops/jobs", door.Behind(r.jobs))
	pages.Post("/ops/jobs/replay", door.Behind(r.replayAll))
	pages.Get("/ops/jobs/{id}", door.Behind(r.job))
	pages.Post("/ops/jobs/{id}/replay", door.Behind(r.replay))
	pages.Post("/ops/jobs/{id}/discard", door.Behind(r.discard))
	pages.Get("/ops/messages", door.Behind(r.messages))
	pages.Post("/ops/messages/replay", door.Behind(r.replayMessages))
	pages.Get("/ops/messages/{id}", door.Behind(r.message))
	pages.Post("/ops/messages/{id}/{step}", door.Behind(r.changeMessage))
	pages.Post("/ops/registers/{name}/{step}", door.Behind(r.pause))
	pages.Get("/ops/checks", door.Behind(r.checks))
	pages.Get("/ops/checks/{id}", door.Behind(r.check))
	pages.Post("/ops/checks/{id}/ask", door.Behind(r.askAnew))
	pages.Post("/ops/checks/{id}", door.Behind(r.judge))
	pages.Get("/ops/payments", door.Behind(r.payments))
	pages.Post("/ops/payments", door.Behind(r.bring))
	pages.Get("/ops/payments/{id}", door.Behind(r.payment))
	pages.Post("/ops/payments/{id}/{step}", door.Behind(r.decidePayment))
	pages.Get("/ops/cases", door.Behind(r.cases))
	pages.Get("/ops/cases/{id}", door.Behind(r.oneCase))
	pages.Post("/ops/cases/{id}", door.Behind(r.answer))
	pages.Get("/ops/trust", door.Behind(r.trust))
	pages.Post("/ops/trust", door.Behind(r.compareTrust))
	pages.Get("/ops/merges", door.Behind(r.merges))
	pages.Post("/ops/merges", door.Behind(r.propose))
	pages.Get("/ops/merges/pair", door.Behind(r.pair))
	pages.Get("/ops/merges/{id}", door.Behind(r.merge))
	pages.Post("/ops/merges/{id}/{step}", door.Behind(r.decide))
	return nil
}

// inboxView tells what waits, each with its oldest.
type inboxView struct {
	Dead, New, Undo, Cases                         int
	OldestDead, OldestNew, OldestUndo, OldestCases time.Time
	DeadMessages, Flagged, Payments                int
	OldestMessage, OldestFlag, OldestPayment       time.Time
	Trust                                          trusted.View
}

func (r *room) inbox(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	var v inboxView
	list, total, err := r.Jobs.List(q.Context(), c, job.Filter{Status: job.StatusDead, Page: 1, Size: 1})
	if err != nil {
		return err
	}
	if v.Dead = total; len(list) > 0 {
		v.OldestDead = list[0].CreatedAt
	}
	for status, into := range map[personlife.MergeStatus]struct {
		n      *int
		oldest *time.Time
	}{personlife.MergeNew: {&v.New, &v.OldestNew}, personlife.MergeUndoNew: {&v.Undo, &v.OldestUndo}} {
		merges, err := r.Merges.List(q.Context(), c, status, registry.ID{})
		if err != nil {
			return err
		}
		if *into.n = len(merges); len(merges) > 0 {
			*into.oldest = merges[0].InsertedAt
		}
	}
	cases, open, err := r.Cases.List(q.Context(), c)
	if err != nil {
		return err
	}
	if v.Cases = open; len(cases) > 0 {
		v.OldestCases = cases[0].OpenedAt
	}
	if err := r.outside(q, c, &v); err != nil {
		return err
	}
	st, err := r.Trust.State(q.Context(), c)
	if err != nil {
		return err
	}
	v.Trust = trusted.Show(q, st, "")
	return q.Render(w, web.Page{Template: "inbox", Title: q.T("ops.title"), Data: v})
}

// jobRows is how many jobs a page shows.
const jobRows = 50

type jobsView struct {
	List  []job.Info
	Total int
	Pager web.Pager
	// Tried tells what a retry of all would do, or has done.
	Tried *tried
}

// tried counts what can be retried and what cannot, and why.
type tried struct {
	Can     int
	Cannot  []reason
	Done    bool
	Checked int
}

type reason struct {
	Text string
	N    int
}

func (r *room) jobs(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showJobs(w, q, c, nil)
}

func (r *room) showJobs(w http.ResponseWriter, q *web.Request, c registry.Caller, t *tried) error {
	page, err := strconv.Atoi(q.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	v := jobsView{Tried: t}
	if v.List, v.Total, err = r.Jobs.List(q.Context(), c, job.Filter{Status: job.StatusDead, Page: page, Size: jobRows}); err != nil {
		return err
	}
	if page > 1 {
		v.Pager.First = q.With("page", "")
	}
	if page*jobRows < v.Total {
		v.Pager.Next = q.With("page", strconv.Itoa(page+1))
	}
	return q.Render(w, web.Page{Template: "jobs", Title: q.T("ops.jobs.title"), Data: v})
}

// maxAtOnce bounds one retry of all.
const maxAtOnce = 1000

// replayAll first tells what a retry of every dead letter would do; with the
// confirmation it does it.
func (r *room) replayAll(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	kinds := map[registry.ID]job.Kind{}
	ids, err := allDead(func(page int) (ids []registry.ID, total int, err error) {
		list, total, err := r.Jobs.List(q.Context(), c, job.Filter{Status: job.StatusDead, Page: page, Size: jobRows})
		for _, one := range list {
			ids, kinds[one.ID] = append(ids, one.ID), one.Kind
		}
		return ids, total, err
	})
	if err != nil {
		return err
	}
	t, err := retryAll(ids, form.Get("confirmed") != "", func(id registry.ID, dry bool) error {
		_, err := r.Jobs.Replay(q.Context(), c, id, dry)
		return err
	}, func(id registry.ID, e *registry.Error) string {
		if e.Reason == job.ReasonKind {
			return q.T("ops.jobs.unknown", "kind", string(kinds[id]))
		}
		return e.Detail
	})
	if err != nil {
		return err
	}
	return r.showJobs(w, q, c, t)
}

// allDead gathers the ids of dead letters page by page.
func allDead(list func(page int) (ids []registry.ID, total int, err error)) (all []registry.ID, err error) {
	for page := 1; len(all) < maxAtOnce; page++ {
		ids, total, err := list(page)
		if err != nil {
			return nil, err
		}
		if all = append(all, ids...); len(ids) == 0 || len(all) >= total {
			break
		}
	}
	return all, nil
}

// retryAll tries each, dry unless it was confirmed; why tells what a refusal means.
func retryAll(ids []registry.ID, confirmed bool, do func(id registry.ID, dry bool) error, why func(registry.ID, *registry.Error) string) (*tried, error) {
	t := &tried{Done: confirmed}
	cannot := map[string]int{}
	for _, id := range ids {
		t.Checked++
		if err := do(id, !confirmed); err != nil {
			e := registry.AsError(err)
			if e.Code == registry.CodeInternal || e.Code == registry.CodeForbidden {
				return nil, err
			}
			cannot[why(id, e)]++
			continue
		}
		t.Can++
	}
	for text, n := range cannot {
		t.Cannot = append(t.Cannot, reason{text, n})
	}
	return t, nil
}

type jobView struct {
	job.Info
	// Step is replay or discard after its dry run; the form then confirms it.
	Step string
	Said string
}

func (r *room) job(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	info, err := r.Jobs.Get(q.Context(), c, id)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "job", Title: q.T("ops.job.title"), Data: jobView{Info: info}})
}

func (r *room) id(q *web.Request) (registry.ID, error) {
	id, err := registry.ParseID(q.Param("id"))
	if err != nil {
		return id, registry.Errorf(registry.CodeNotFound, "there is nothing of this name")
	}
	return id, nil
}

func (r *room) replay(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.change(w, q, c, "replay", r.Jobs.Replay)
}

func (r *room) discard(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.change(w, q, c, "discard", r.Jobs.Discard)
}

// change tries a step dry, and does it once it was confirmed.
func (r *room) change(w http.ResponseWriter, q *web.Request, c registry.Caller, step string, do func(context.Context, registry.Caller, registry.ID, bool) (job.Info, error)) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	confirmed := form.Get("confirmed") != ""
	info, err := do(q.Context(), c, id, !confirmed)
	if err != nil {
		return err
	}
	if confirmed {
		q.Redirect(w, "/ops/jobs")
		return nil
	}
	whole, err := r.Jobs.Get(q.Context(), c, info.ID)
	if err != nil {
		return err
	}
	return q.Render(w, web.Page{Template: "job", Title: q.T("ops.job.title"), Data: jobView{Info: whole, Step: step, Said: q.T("ops.job." + step + ".would")}})
}
