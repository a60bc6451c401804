package record

import (
	"context"

	"mist/registry"
	"mist/registry/job"
	"mist/registry/notify"
	"mist/registry/patient"
)

// TellIssued leaves a notice for the patient with the number of a new record
// and until when it may be used; what is the document's name in Ukrainian. It
// says nothing of the content: an SMS is read on a locked screen.
func TellIssued(ctx context.Context, tx job.Tx, source registry.Source, p patient.Person, r Record, what string) error {
	return tell(ctx, tx, source, p, r, notify.RecordIssued, map[string]string{"what": what, "number": r.Number, "until": r.ExpiresAt.Format("02.01.2006")})
}

// TellEnded leaves a notice that a record is no longer in force.
func TellEnded(ctx context.Context, tx job.Tx, source registry.Source, p patient.Person, r Record, what string) error {
	return tell(ctx, tx, source, p, r, notify.RecordEnded, map[string]string{"what": what, "number": r.Number})
}

// tell goes by whatever way the patient can be reached. Who has given none sees
// the record in their own list.
func tell(ctx context.Context, tx job.Tx, source registry.Source, p patient.Person, r Record, t notify.Template, values map[string]string) error {
	n := notify.Notice{Channel: notify.SMS, Template: t, About: r.ID, PersonID: p.ID, Values: values, Expires: r.ExpiresAt}
	if t == notify.RecordEnded {
		n.Expires = source.Now().AddDate(0, 0, 7)
	}
	switch method := p.AuthMethod(); {
	case method.PhoneNumber != "":
		n.To = method.PhoneNumber
	case len(p.Phones) > 0:
		n.To = p.Phones[0].Number
	case p.Email != "":
		n.Channel, n.To = notify.EMail, p.Email
	default:
		return nil
	}
	return notify.Enqueue(ctx, tx, source, n)
}
