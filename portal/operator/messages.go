package operator

import (
	"context"
	"net/http"
	"strconv"

	"mist/portal/web"
	"mist/registry"
	"mist/registry/outbox"
	"mist/registry/payment"
	"mist/registry/verification"
)

// Messages is the desk of messages to other registers; *outbox.Desk is one.
type Messages interface {
	List(ctx context.Context, c registry.Caller, f outbox.Filter) ([]outbox.Info, int, error)
	Get(ctx context.Context, c registry.Caller, id registry.ID) (outbox.Info, error)
	Replay(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (outbox.Info, error)
	Discard(ctx context.Context, c registry.Caller, id registry.ID, dryRun bool) (outbox.Info, error)
	Destinations(ctx context.Context, c registry.Caller) ([]outbox.State, error)
	Pause(ctx context.Context, c registry.Caller, to outbox.Destination, paused bool) (outbox.State, error)
}

// outside fills in what waits of the exchange with other registers.
func (r *room) outside(q *web.Request, c registry.Caller, v *inboxView) error {
	messages, n, err := r.Messages.List(q.Context(), c, outbox.Filter{Status: outbox.StatusDead, Page: 1, Size: 1})
	if err != nil {
		return err
	}
	if v.DeadMessages = n; len(messages) > 0 {
		v.OldestMessage = messages[0].CreatedAt
	}
	flagged, n, err := r.Checks.List(q.Context(), c, "", verification.NotVerified, 1, 1)
	if err != nil {
		return err
	}
	if v.Flagged = n; len(flagged) > 0 {
		v.OldestFlag = flagged[0].UpdatedAt
	}
	registers, _, err := r.Payments.List(q.Context(), c, 1, 100)
	if err != nil {
		return err
	}
	for _, one := range registers { // the newest first
		if one.Status == payment.New || one.Status == payment.Different || one.Status == payment.Failed {
			v.Payments++
			v.OldestPayment = one.InsertedAt
		}
	}
	return nil
}

type registerRow struct {
	outbox.State
	Waiting, Dead int
	Mark          web.Mark
}

type messagesView struct {
	Registers []registerRow
	List      []outbox.Info
	Total     int
	Status    web.Field
	Pager     web.Pager
	Tried     *tried
}

func (r *room) messages(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	return r.showMessages(w, q, c, nil)
}

func (r *room) showMessages(w http.ResponseWriter, q *web.Request, c registry.Caller, t *tried) error {
	status := q.URL.Query().Get("status")
	if status == "" {
		status = string(outbox.StatusDead)
	}
	page, err := strconv.Atoi(q.URL.Query().Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	v := messagesView{Tried: t, Status: web.Field{Name: "status", Type: "select", Label: q.T("ops.job.state"), Value: status}}
	for _, s := range outbox.Statuses() {
		v.Status.Options = append(v.Status.Options, web.Option{Value: s, Text: q.T("ops.message.status." + s)})
	}
	if v.List, v.Total, err = r.Messages.List(q.Context(), c, outbox.Filter{Status: outbox.Status(status), Page: page, Size: jobRows}); err != nil {
		return err
	}
	if page > 1 {
		v.Pager.First = q.With("page", "")
	}
	if page*jobRows < v.Total {
		v.Pager.Next = q.With("page", strconv.Itoa(page+1))
	}
	states, err := r.Messages.Destinations(q.Context(), c)
	if err != nil {
		return err
	}
	for _, s := range states {
		row := registerRow{State: s, Dead: s.Counts[outbox.StatusDead], Mark: web.Good,
			Waiting: s.Counts[outbox.StatusWaiting] + s.Counts[outbox.StatusRetrying] + s.Counts[outbox.StatusSending]}
		switch s.Circuit {
		case "open":
			row.Mark = web.Bad
		case "half_open", "paused":
			row.Mark = web.Unknown
		}
		v.Registers = append(v.Registers, row)
	}
	return q.Render(w, web.Page{Template: "messages", Title: q.T("ops.messages.title"), Data: v})
}

// replayMessages first tells what sending every dead message again would do;
// with the confirmation it does it.
func (r *room) replayMessages(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	form, err := q.Form()
	if err != nil {
		return err
	}
	ids, err := allDead(func(page int) (ids []registry.ID, total int, err error) {
		list, total, err := r.Messages.List(q.Context(), c, outbox.Filter{Status: outbox.StatusDead, Page: page, Size: jobRows})
		for _, one := range list {
			ids = append(ids, one.ID)
		}
		return ids, total, err
	})
	if err != nil {
		return err
	}
	t, err := retryAll(ids, form.Get("confirmed") != "", func(id registry.ID, dry bool) error {
		_, err := r.Messages.Replay(q.Context(), c, id, dry)
		return err
	}, func(_ registry.ID, e *registry.Error) string { return e.Detail })
	if err != nil {
		return err
	}
	return r.showMessages(w, q, c, t)
}

type messageView struct {
	outbox.Info
	// Step is replay or discard after its dry run; the form then confirms it.
	Step string
	Said string
	// May tells which steps the message's status allows.
	May struct{ Replay, Discard bool }
}

func (r *room) message(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	return r.showMessage(w, q, c, id, "")
}

func (r *room) showMessage(w http.ResponseWriter, q *web.Request, c registry.Caller, id registry.ID, step string) error {
	info, err := r.Messages.Get(q.Context(), c, id)
	if err != nil {
		return err
	}
	v := messageView{Info: info, Step: step}
	if step != "" {
		v.Said = q.T("ops.message." + step + ".would")
	}
	v.May.Replay = info.Status == outbox.StatusDead || info.Status == outbox.StatusRetrying
	v.May.Discard = v.May.Replay || info.Status == outbox.StatusWaiting
	return q.Render(w, web.Page{Template: "message", Title: q.T("ops.message.title"), Data: v})
}

// changeMessage tries a step dry, and does it once it was confirmed.
func (r *room) changeMessage(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	id, err := r.id(q)
	if err != nil {
		return err
	}
	step := q.Param("step")
	do := map[string]func(context.Context, registry.Caller, registry.ID, bool) (outbox.Info, error){"replay": r.Messages.Replay, "discard": r.Messages.Discard}[step]
	if do == nil {
		return registry.Errorf(registry.CodeNotFound, "there is nothing of this name")
	}
	form, err := q.Form()
	if err != nil {
		return err
	}
	confirmed := form.Get("confirmed") != ""
	if _, err := do(q.Context(), c, id, !confirmed); err != nil {
		return err
	}
	if confirmed {
		q.Redirect(w, "/ops/messages/"+id.String())
		return nil
	}
	return r.showMessage(w, q, c, id, step)
}

// pause stops sending to a register, or resumes it.
func (r *room) pause(w http.ResponseWriter, q *web.Request, c registry.Caller) error {
	step := q.Param("step")
	if step != "pause" && step != "resume" {
		return registry.Errorf(registry.CodeNotFound, "there is nothing of this name")
	}
	if _, err := r.Messages.Pause(q.Context(), c, outbox.Destination(q.Param("name")), step == "pause"); err != nil {
		return err
	}
	q.Redirect(w, "/ops/messages")
	return nil
}
